"""Workbooks: XLSX, XLSM, XLSB, XLS and ODS behind one reader; every sheet is a table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, TYPE_CHECKING

from entrepot.detect.header import column_names
from entrepot.errors import SourceError
from entrepot.formats.readers.workbook.book import Block, Book, Notes, Row, items
from entrepot.formats.readers.workbook.opening import open_book
from entrepot.formats.readers.workbook.package import MAX_UNIT_BYTES
from entrepot.formats.readers.workbook.survey import Survey, survey
from entrepot.formats.reading import BATCH_BYTES, BATCH_ROWS, Batch, ReadOptions, Table

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH_CELLS = 2_000_000
"""Cells of a batch, empty ones included: a wide sheet has fewer rows in one."""


def open_workbook(file: IO[bytes], name: str, options: ReadOptions) -> WorkbookReader:
    """Opens a workbook of any kind; the kind is told by its bytes.

    Args:
        file: Seekable; stays the caller's.
        name: The file's own.
        options: ``values`` says how cells are given.

    Raises:
        SourceError: It is no workbook, is encrypted, or broken.
    """
    return WorkbookReader(open_book(file, name, options.limits), name, options)


class WorkbookReader:
    """A workbook's sheets as tables.

    Args:
        book: The open workbook.
        name: The file's own name.
        options: How it is read.
    """

    def __init__(self, book: Book, name: str, options: ReadOptions) -> None:
        self._book = book
        self._name = name
        self._options = options
        self._surveys: list[Survey | SourceError] | None = None
        self._tables: list[Table] = []

    @property
    def format(self) -> str:
        """xlsx, xlsm, xlsb, xls or ods."""
        return self._book.format

    @property
    def encoding(self) -> str | None:
        """None: what a workbook is encoded in is its own affair."""
        return None

    @property
    def doubts(self) -> list[str]:
        """What holds for the whole workbook."""
        return list(self._book.doubts)

    def tables(self) -> list[Table]:
        """Every sheet, hidden and empty ones too.

        Raises:
            SourceError: No sheet can be read, or there are more of them than allowed.
        """
        if self._surveys is None:
            sheets = self._book.sheets
            if len(sheets) > self._options.limits.tables:
                raise SourceError(
                    f"{self._name} has {len(sheets)} sheets; at most {self._options.limits.tables} are read.",
                    hint="Split it into several workbooks.",
                    reason="tables",
                    tables=len(sheets),
                )
            if not sheets:
                raise SourceError(
                    f"{self._name} has no sheet with cells.", hint="Send a workbook with a table in it.", reason="empty"
                )
            self._surveys = [self._survey(number) for number in range(len(sheets))]
            failures = [s for s in self._surveys if isinstance(s, SourceError)]
            if len(failures) == len(sheets):
                raise failures[0]
            self._tables = [self._table(number, found) for number, found in enumerate(self._surveys)]
        return self._tables

    def _survey(self, number: int) -> Survey | SourceError:
        """What a sheet holds, or why it cannot be read: one bad sheet does not stop its neighbours."""
        try:
            found = survey(self._book, number)
        except SourceError as error:
            if error.facts.get("reason") in {"expanded_bytes", "encrypted"}:
                raise
            return error
        if len(found.columns) > self._options.limits.columns:
            return SourceError(
                f"Sheet {self._book.sheets[number].name!r} of {self._name} has {len(found.columns)} columns; "
                f"at most {self._options.limits.columns} are read.",
                hint="Send the columns that are needed.",
                reason="columns",
                columns=len(found.columns),
            )
        return found

    def _table(self, number: int, found: Survey | SourceError) -> Table:
        import pyarrow as pa

        sheet = self._book.sheets[number]
        doubts = [f"The sheet is {sheet.hidden}."] if sheet.hidden else []
        if isinstance(found, SourceError):
            return Table(sheet.name, pa.schema([]), rows=0, doubts=[*doubts, f"It cannot be read: {found.message}"])
        shown = self._options.values == "shown"
        header = found.names(found.shown if shown else found.exact)
        if not shown and header:
            header = _named(header, found.names(found.shown))
        names, renamed = column_names(header, len(found.columns))
        rows = None if shown and self._book.hides else found.rows - found.skip - found.header
        return Table(
            name=sheet.name,
            schema=pa.schema([pa.field(n, pa.string()) for n in names]),
            header=header,
            header_rows=found.header,
            first_row=found.first_data(),
            rows=rows,
            weight=float(found.cells) / (4 if sheet.hidden else 1),
            doubts=[*doubts, *found.doubts, *renamed],
        )

    def batches(self, table: int) -> Iterator[Batch]:
        """The rows of a sheet by the sheet's own numbers; blank rows are left out.

        Raises:
            SourceError: The sheet breaks off, or passes a limit.
        """
        self.tables()
        found = (self._surveys or [])[table]
        if isinstance(found, SourceError):
            raise found
        found_items = items(self._book, table, self._options.values, Notes())
        below = _below(found_items, found.first_data() - 1)
        given = 0
        for batch in _batches(below, found.columns, self._tables[table].schema):
            given += batch.data.nbytes
            if given > self._options.limits.expanded_bytes:
                raise SourceError(
                    f"Sheet {self._tables[table].name!r} of {self._name} becomes more than "
                    f"{self._options.limits.expanded_bytes:,} bytes.",
                    hint="Split it into smaller files.",
                    reason="expanded_bytes",
                )
            yield batch


def _named(exact: list[str], shown: list[str]) -> list[str]:
    """Names as they are shown, unless nothing is shown: a date at the head of a column is named as people see it."""
    return [s if s.strip() else e for e, s in zip(exact, shown, strict=True)]


def _below(found: Iterator[Row | Block], first: int) -> Iterator[Row | Block]:
    """The rows from a number on, from 0; what has passed it is not looked at."""
    passed = False
    for item in found:
        if passed:
            yield item
        elif not isinstance(item, Block):
            passed = item[0] >= first
            if passed:
                yield item
        else:
            above = sum(number < first for number in item.numbers)
            passed = above < len(item.numbers)
            if passed:
                yield Block(item.numbers[above:], {p: c.slice(above) for p, c in item.columns.items()})


def _batches(found: Iterator[Row | Block], columns: list[int], schema: pa.Schema) -> Iterator[Batch]:
    most = max(1, min(BATCH_ROWS, _BATCH_CELLS // max(1, len(columns))))
    held: list[Row] = []
    size = 0
    for item in found:
        if isinstance(item, Block):
            if held:
                yield _batch(held, columns, schema)
                held, size = [], 0
            yield from _cut(item, columns, schema, most)
            continue
        held.append(item)
        row = sum([len(text) for _, text in item[1]])
        if row > MAX_UNIT_BYTES:
            raise SourceError(
                f"Row {item[0] + 1} has {row:,} characters; at most {MAX_UNIT_BYTES:,} are read.",
                hint="Send long texts as files of their own.",
                reason="cell_bytes",
                row=item[0] + 1,
            )
        size += row
        if len(held) >= most or size >= BATCH_BYTES:
            yield _batch(held, columns, schema)
            held, size = [], 0
    if held:
        yield _batch(held, columns, schema)


def _cut(block: Block, columns: list[int], schema: pa.Schema, most: int) -> Iterator[Batch]:
    import pyarrow as pa

    rows = len(block.numbers)
    missing = pa.nulls(rows, pa.string())
    data = pa.RecordBatch.from_arrays([block.columns.get(place, missing) for place in columns], schema=schema)
    for start in range(0, rows, most):
        numbers = [number + 1 for number in block.numbers[start : start + most]]
        yield _numbered(data.slice(start, most), numbers)


def _batch(rows: list[Row], columns: list[int], schema: pa.Schema) -> Batch:
    import pyarrow as pa

    cells: dict[int, list[str | None]] = {column: [None] * len(rows) for column in columns}
    for at, (_, row) in enumerate(rows):
        for column, text in row:
            cells[column][at] = text
    arrays = [pa.array(cells[column], pa.string()) for column in columns]
    numbers = [number + 1 for number, _ in rows]
    return _numbered(pa.RecordBatch.from_arrays(arrays, schema=schema), numbers)


def _numbered(data: pa.RecordBatch, numbers: list[int]) -> Batch:
    close = numbers[-1] - numbers[0] == len(numbers) - 1
    return Batch(data, numbers[0], None if close else numbers)
