"""Workbooks: XLSX, XLSM, XLSB, XLS and ODS behind one reader; every sheet is a table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, TYPE_CHECKING

from entrepot.detect.header import column_names
from entrepot.errors import SourceError
from entrepot.formats.reading import BATCH_BYTES, BATCH_ROWS, Batch, ReadOptions, Table
from entrepot.formats.readers.workbook.book import Book, Notes, Row
from entrepot.formats.readers.workbook.opening import open_book
from entrepot.formats.readers.workbook.survey import Survey, survey

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
        rows = found.rows - found.skip - found.header
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
        rows = self._book.rows(table, self._options.values, Notes())
        for _ in range(found.skip + found.header):
            next(rows, None)
        yield from _batches(rows, found.columns, self._tables[table].schema)


def _named(exact: list[str], shown: list[str]) -> list[str]:
    """Names as they are shown, unless nothing is shown: a date at the head of a column is named as people see it."""
    return [s if s.strip() else e for e, s in zip(exact, shown, strict=True)]


def _batches(rows: Iterator[Row], columns: list[int], schema: pa.Schema) -> Iterator[Batch]:
    place = {column: i for i, column in enumerate(columns)}
    most = max(1, min(BATCH_ROWS, _BATCH_CELLS // max(1, len(columns))))
    gathered = _Gathered(len(columns))
    for number, cells in rows:
        gathered.add(number, cells, place)
        if len(gathered.numbers) >= most or gathered.bytes >= BATCH_BYTES:
            yield gathered.batch(schema)
            gathered = _Gathered(len(columns))
    if gathered.numbers:
        yield gathered.batch(schema)


class _Gathered:
    """The rows of a batch, column by column."""

    def __init__(self, width: int) -> None:
        self.numbers: list[int] = []
        self.bytes = 0
        self._columns: list[list[str | None]] = [[] for _ in range(width)]

    def add(self, number: int, cells: list[tuple[int, str]], place: dict[int, int]) -> None:
        at = len(self.numbers)
        self.numbers.append(number + 1)
        for column, text in cells:
            target = self._columns[place[column]]
            missing = at - len(target)
            if missing == 0:
                target.append(text)
            elif missing > 0:
                target.extend([None] * missing)
                target.append(text)
            else:  # a cell that stands twice in its row: the last one holds
                target[at] = text
            self.bytes += len(text)

    def batch(self, schema: pa.Schema) -> Batch:
        import pyarrow as pa

        rows = len(self.numbers)
        for column in self._columns:
            column.extend([None] * (rows - len(column)))
        arrays = [pa.array(column, pa.string()) for column in self._columns]
        first = self.numbers[0]
        close = self.numbers[-1] - first == rows - 1
        data = pa.RecordBatch.from_arrays(arrays, schema=schema)
        return Batch(data, first, None if close else self.numbers)
