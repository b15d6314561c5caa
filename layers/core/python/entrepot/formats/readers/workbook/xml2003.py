"""XML spreadsheets of Excel 2002 and 2003, often named .xls ([XML Spreadsheet Reference], Microsoft 2001)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO, Any, NamedTuple

from entrepot.formats.readers.workbook import dates
from entrepot.formats.readers.workbook.book import (
    MAX_COLUMNS,
    MAX_MERGES,
    MAX_ROWS,
    Cell,
    Notes,
    Rendering,
    Row,
    Sheet,
    Values,
    hiding,
)
from entrepot.formats.readers.workbook.package import Stream, broken, guarded, local, refuse_doctype

_ROOT = re.compile(rb"<(?:[A-Za-z0-9_]+:)?Workbook[\s>]")
_NAMESPACE = b"urn:schemas-microsoft-com:office:spreadsheet"
_MOST_SHEETS = 10_001
_HELD_BYTES = 16 << 20
"""A file up to this size is parsed once; a larger one for every sheet, since its cells would fill the memory."""
_FORMATS = {
    "General": "General",
    "General Number": "General",
    "General Date": "m/d/yyyy h:mm",
    "Long Date": "[$-F800]dddd, mmmm d, yyyy",
    "Medium Date": "d-mmm-yy",
    "Short Date": "m/d/yyyy",
    "Long Time": "[$-F400]h:mm:ss AM/PM",
    "Medium Time": "h:mm AM/PM",
    "Short Time": "h:mm",
    "Currency": '"$"#,##0.00_);[Red]\\("$"#,##0.00\\)',
    "Euro Currency": "[$€-2] #,##0.00_);[Red]\\([$€-2] #,##0.00\\)",
    "Fixed": "0.00",
    "Standard": "#,##0.00",
    "Percent": "0.00%",
    "Scientific": "0.00E+00",
    "Yes/No": '"Yes";"Yes";"No"',
    "True/False": '"True";"True";"False"',
    "On/Off": '"On";"On";"Off"',
}
"""What the names of formats stand for in en-US."""


class _Stored(NamedTuple):
    """A cell as it is written: what its attributes say, and its data where it has any."""

    place: str
    style: str
    kind: str | None
    text: str
    formula: bool
    across: str
    down: str


_EMPTY = _Stored("", "", None, "", formula=False, across="", down="")
"""Held once, however many there are."""


class _Line(NamedTuple):
    """A row as it is written."""

    place: str
    span: str
    style: str
    cells: list[_Stored]


def is_xml2003(head: bytes) -> bool:
    """Whether a file that begins so is such a workbook."""
    plain = head.replace(b"\0", b"")
    return _NAMESPACE in plain and _ROOT.search(plain) is not None


class Xml2003Book:
    """An open XML spreadsheet.

    Args:
        file: Seekable; stays the caller's.

    Raises:
        SourceError: It is not well-formed.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self.format = "xls"
        self.doubts = ["The workbook is an XML spreadsheet of Excel 2003."]
        self.sheets: list[Sheet] = []
        self._file = file
        self._styles: dict[str, str] = {}
        self.epoch1904 = False
        hold = file.seek(0, 2) <= _HELD_BYTES
        held: list[list[_Line]] = []
        with guarded("its XML"):
            for event, found in self._events():
                if event == "sheet":
                    self.sheets.append(Sheet(str(found)))
                    held.append([])
                elif event == "row" and hold and held:
                    held[-1].append(_line(found))
                elif event == "hidden":
                    self.sheets[-1].hidden = str(found)
                if len(self.sheets) > _MOST_SHEETS:
                    break
        self._held = held if hold else None
        self.hides = hiding(self._styles.values())

    def rows(self, sheet: int, values: Values, notes: Notes) -> Iterator[Row]:
        """The rows of a sheet; see `entrepot.formats.readers.workbook.book.Book`."""
        names = list(self._styles)
        codes = [self._code(name) for name in names]
        rendering = Rendering(values, codes, epoch1904=self.epoch1904)
        styles = {name: place for place, name in enumerate(names)}
        number = -1
        with guarded("its XML"):
            for line in self._lines(sheet):
                number = int(line.place) - 1 if line.place.isdigit() else number + 1
                if not 0 <= number < MAX_ROWS:
                    raise broken(f"it has a row {number + 1}, and sheets end at {MAX_ROWS}")
                cells = _cells(line, number, rendering, styles, notes)
                if cells:
                    yield number, cells
                number += int(line.span) if line.span.isdigit() else 0

    def _lines(self, sheet: int) -> Iterator[_Line]:
        if self._held is not None:
            yield from self._held[sheet]
            return
        current = -1
        for event, found in self._events():
            if event == "sheet":
                current += 1
                if current > sheet:
                    return
            elif event == "row" and current == sheet:
                yield _line(found)

    def _code(self, style: str) -> str:
        code = self._styles[style]
        return _FORMATS.get(code, code)

    def _events(self) -> Iterator[tuple[str, Any]]:
        from lxml import etree

        self._file.seek(0)
        head = self._file.read(8192)
        refuse_doctype(head)
        self._file.seek(0)
        stream = Stream(self._file, _uncounted)
        parser = etree.iterparse(
            stream,
            events=("start", "end"),
            tag=[f"{{*}}{t}" for t in ("Worksheet", "Row", "Style", "Date1904", "Visible")],
            resolve_entities=False,
            no_network=True,
            huge_tree=False,
            load_dtd=False,
            remove_comments=True,
            remove_pis=True,
        )
        for event, element in parser:
            name = local(element)
            if event == "start":
                if name == "Worksheet":
                    yield "sheet", _get(element, "Name")
                continue
            if name == "Row":
                yield "row", element
            elif name == "Style":
                self._take_style(element)
            elif name == "Date1904":
                self.epoch1904 = True
            elif name == "Visible" and self.sheets:
                state = {"SheetHidden": "hidden", "SheetVeryHidden": "very hidden"}.get(
                    (element.text or "").strip(), ""
                )
                yield "hidden", state
            element.clear()
            parent = element.getparent()
            while parent is not None and element.getprevious() is not None:
                del parent[0]
            stream.mark()

    def _take_style(self, element: Any) -> None:
        parent = _get(element, "Parent") or "Default"
        code = next((_get(part, "Format") for part in element if local(part) == "NumberFormat"), None)
        self._styles[_get(element, "ID")] = self._styles.get(parent, "General") if code is None else code or "General"


def _uncounted(block: int, total: int) -> None:
    """What is not packed does not inflate."""
    del block, total


def _get(element: Any, name: str) -> str:
    for key, value in element.attrib.items():
        if key.rpartition("}")[2] == name:
            return str(value)
    return ""


def _line(row: Any) -> _Line:
    cells = [_stored(cell) for cell in row if local(cell) == "Cell"]
    return _Line(_get(row, "Index"), _get(row, "Span"), _get(row, "StyleID"), cells)


def _stored(cell: Any) -> _Stored:
    if not len(cell) and not cell.attrib:
        return _EMPTY
    data = next((part for part in cell if local(part) == "Data"), None)
    return _Stored(
        _get(cell, "Index"),
        _get(cell, "StyleID"),
        None if data is None else _get(data, "Type"),
        "" if data is None else "".join(data.itertext()),
        bool(_get(cell, "Formula")),
        _get(cell, "MergeAcross"),
        _get(cell, "MergeDown"),
    )


def _cells(line: _Line, number: int, rendering: Rendering, styles: dict[str, int], notes: Notes) -> list[Cell]:
    cells: list[Cell] = []
    column = -1
    for cell in line.cells:
        column = int(cell.place) - 1 if cell.place.isdigit() else column + 1
        if not 0 <= column < MAX_COLUMNS:
            raise broken(f"it has a cell right of column {MAX_COLUMNS}")
        style = styles.get(cell.style or line.style, styles.get("Default", -1))
        text = "" if cell.kind is None else _text(cell.kind, cell.text, style, rendering, notes)
        if cell.kind is None and cell.formula:
            notes.uncached += 1
        if text:
            cells.append((column, text))
        across, down = (int(n) if n.isdigit() else 0 for n in (cell.across, cell.down))
        if (across or down) and len(notes.merges) < MAX_MERGES:
            notes.merges.append((number, column, number + down, column + across))
        column += across
    return cells


def _text(kind: str, value: str, style: int, rendering: Rendering, notes: Notes) -> str:
    if kind == "Number":
        try:
            return rendering.number(float(value), style)
        except ValueError:
            notes.odd += 1
            return value
    if kind == "DateTime":
        serial = dates.serial_of(value)
        if serial is None:
            return value
        return rendering.number(serial - (dates.EPOCH_1904 if rendering.epoch1904 else 0), style)
    if kind == "Boolean":
        return rendering.boolean(value.strip() in {"1", "true"})
    if kind == "Error":
        notes.errors[value] += 1
        return value
    return rendering.text(value, style)
