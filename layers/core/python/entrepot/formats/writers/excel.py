"""Writes XLSX in constant memory: typed cells, a frozen header with filters, and further sheets for further rows."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

from entrepot.errors import UsageError
from entrepot.formats.writers.excel_cells import Column, columns_of
from entrepot.formats.writing import Written

if TYPE_CHECKING:
    import pyarrow as pa

MAX_ROWS = 1_048_576
MAX_COLUMNS = 16_384
_MEASURED_ROWS = 200
_WIDEST = 60
_FORBIDDEN = re.compile(r"[\[\]:*?/\\\x00-\x1f]")
_OPTIONS = {"max_rows"}


def open_xlsx(file: IO[bytes], options: dict[str, Any]) -> XlsxWriter:
    """A writer of XLSX.

    Args:
        file: Where it goes.
        options: ``max_rows``: rows of a sheet with its header, at most and by default 1,048,576.

    Raises:
        UsageError: An option that it does not know.
    """
    unknown = sorted(set(options) - _OPTIONS)
    if unknown:
        raise UsageError(f"XLSX has no option {unknown[0]!r}.", hint="Options: max_rows.", option=unknown[0])
    most = int(options.get("max_rows", MAX_ROWS))
    if not 2 <= most <= MAX_ROWS:
        raise UsageError(f"A sheet has from 2 to {MAX_ROWS:,} rows, not {most}.", hint="Change max_rows.")
    return XlsxWriter(file, most)


@dataclass(slots=True)
class _Table:
    """The table that is being written."""

    name: str
    headers: list[str]
    columns: list[Column]
    widths: list[int]
    rows: int = 0
    sheets: list[str] = field(default_factory=list)


class XlsxWriter:
    """Tables as sheets of one workbook.

    Args:
        file: Where it goes; stays open.
        max_rows: Of a sheet, with its header.
    """

    def __init__(self, file: IO[bytes], max_rows: int = MAX_ROWS) -> None:
        import datetime as dt

        import xlsxwriter

        self._book = xlsxwriter.Workbook(
            file,
            {
                "constant_memory": True,
                "strings_to_formulas": False,
                "strings_to_urls": False,
                "strings_to_numbers": False,
            },
        )
        self._book.use_zip64()
        # The same rows give the same bytes, whenever they are written.
        self._book.set_properties({"created": dt.datetime(2000, 1, 1, tzinfo=dt.UTC)})
        self._bold = self._book.add_format({"bold": True})
        self._formats: dict[str, Any] = {}
        self._max_rows = max_rows
        self._taken: set[str] = set()
        self._table: _Table | None = None
        self._sheet: Any = None
        self._row = 0
        self._written = Written()

    def begin(self, name: str, schema: pa.Schema) -> None:
        """Starts a table in a sheet of its own.

        Raises:
            UsageError: There are more columns than a sheet has.
        """
        if len(schema) > MAX_COLUMNS:
            raise UsageError(
                f"Table {name!r} has {len(schema)} columns; a sheet has {MAX_COLUMNS:,}.",
                hint="Write fewer columns, or another format.",
                columns=len(schema),
            )
        self._end_table()
        headers = list(schema.names)
        columns = columns_of(schema, self._format)
        self._table = _Table(name, headers, columns, [min(len(h), _WIDEST) for h in headers])
        self._begin_sheet(self._table)

    def _format(self, code: str) -> Any:
        found = self._formats.get(code)
        if found is None:
            found = self._formats[code] = self._book.add_format({"num_format": code})
        return found

    def _begin_sheet(self, table: _Table) -> None:
        further = len(table.sheets) + 1
        name = sheet_name(table.name, self._taken, f" ({further})" if further > 1 else "")
        self._taken.add(name.lower())
        table.sheets.append(name)
        self._sheet = self._book.add_worksheet(name)
        for place, header in enumerate(table.headers):
            if self._sheet.write_string(0, place, header, self._bold):
                raise UsageError(
                    f"The name of column {place + 1} is longer than a cell can be.", hint="Give it a shorter name."
                )
        self._sheet.freeze_panes(1, 0)
        self._row = 1

    def _end_sheet(self, table: _Table) -> None:
        if table.headers:
            self._sheet.autofilter(0, 0, max(self._row - 1, 0), len(table.headers) - 1)
        for place, width in enumerate(table.widths):
            self._sheet.set_column(place, place, min(max(width, 6), _WIDEST) + 2)

    def write(self, batch: pa.RecordBatch) -> None:
        """Adds rows; those beyond what a sheet holds go to the next.

        Raises:
            UsageError: A text is longer than a cell can be, or no table was begun.
        """
        table = self._table
        if table is None:
            raise UsageError("No table was begun.", hint="Call begin first.")
        cells = [column.cells(batch.column(i), table.rows) for i, column in enumerate(table.columns)]
        for at in range(batch.num_rows):
            if self._row >= self._max_rows:
                self._end_sheet(table)
                self._begin_sheet(table)
            self._write_row([c[at] for c in cells])
            if table.rows < _MEASURED_ROWS:
                self._measure(table, [c[at] for c in cells])
            table.rows += 1

    def _write_row(self, cells: list[Any]) -> None:
        sheet, row = self._sheet, self._row
        for place, cell in enumerate(cells):
            if cell is not None:
                kind, value, style = cell
                _PUT[kind](sheet, row, place, value, style)
        self._row += 1

    def _measure(self, table: _Table, cells: list[Any]) -> None:
        for place, cell in enumerate(cells):
            if cell is not None:
                kind, value, style = cell
                size = len(style.num_format) if style is not None and kind == "n" else len(str(value))
                table.widths[place] = max(table.widths[place], min(size, _WIDEST))

    def _end_table(self) -> None:
        table = self._table
        if table is None:
            return
        self._end_sheet(table)
        self._written.rows.append(table.rows)
        self._written.tables.append(table.sheets[0])
        notes = self._written.notes
        if table.sheets[0] != table.name:
            notes.append(f"Table {table.name!r} is in the sheet {table.sheets[0]!r}: names of sheets are limited.")
        if len(table.sheets) > 1:
            further = ", ".join(map(repr, table.sheets[1:]))
            notes.append(f"Table {table.name!r} has more rows than a sheet: it goes on in {further}.")
        for column in table.columns:
            notes.extend(f"Table {table.name!r}, column {column.name!r}: {note}" for note in column.notes())
        self._table = None

    def close(self) -> Written:
        """Ends the workbook; a workbook without a table has one empty sheet."""
        self._end_table()
        self._book.close()
        return self._written


def sheet_name(name: str, taken: set[str], ending: str = "") -> str:
    r"""A name that a sheet may have: at most 31 characters, none of ``[]:*?/\``, and not taken.

    Args:
        name: What the table is called.
        taken: Names in use, in lower case.
        ending: What must stand at its end.
    """
    clean = _FORBIDDEN.sub("_", name).strip("'").strip() or "Sheet"
    if clean.lower() == "history":  # Excel keeps that name for itself
        clean += "_"
    found = _cut(clean, ending)
    number = 2
    while found.lower() in taken:
        found = _cut(clean, f"{ending} {number}")
        number += 1
    return found


def _cut(name: str, ending: str) -> str:
    """The name with its ending in 31 UTF-16 units, which is what Excel counts."""
    room = 31 - len(ending)
    while len(name.encode("utf-16-le")) // 2 > room:
        name = name[:-1]
    return name.rstrip("'") + ending


_PUT: dict[str, Callable[..., Any]] = {
    "n": lambda sheet, row, place, value, style: sheet.write_number(row, place, value, style),
    "s": lambda sheet, row, place, value, style: sheet.write_string(row, place, value, style),
    "b": lambda sheet, row, place, value, style: sheet.write_boolean(row, place, value, style),
}
