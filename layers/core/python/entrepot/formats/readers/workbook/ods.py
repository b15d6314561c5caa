"""ODS: OpenDocument spreadsheets, whose cells carry what they show (OASIS OpenDocument 1.3 part 3, 9)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from entrepot.errors import SourceError
from entrepot.formats.readers.workbook.book import MAX_COLUMNS, MAX_MERGES, MAX_ROWS, Cell, Notes, Row, Sheet, Values
from entrepot.formats.readers.workbook.numberformat import digits_of
from entrepot.formats.readers.workbook.numbers import general
from entrepot.formats.readers.workbook.package import Package, broken, encrypted, guarded, local, refuse_doctype

_HELD_BYTES = 16 << 20
"""Bytes of the content up to which its cells are held, so that many sheets are not parsed again and again."""
_MAX_REPEATED = 10_000_000
"""Cells that repetition may make of a sheet, beyond those that are written out."""
_MAX_COPIED = 1 << 30
"""Characters that repeated rows may make of a sheet."""
_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_BLANKS = re.compile(r"[ \t\r\n]+")
_LENGTH = re.compile(r"(-?)PT(?:([0-9]+)H)?(?:([0-9]+)M)?(?:([0-9]+)(?:[.,]([0-9]+))?S)?")
_ZEROS = re.compile(r"0[0-9]+")
_ERROR = re.compile(r"#[A-Z/0!?N]+[!?A0]?|Err:[0-9]+")

_KEPT = "\1"
"""Stands for a blank that counts while the others are brought together; XML cannot hold it."""

Stored = tuple[str, str, str, str]
"""Kind, value, text and reference to a formula of a cell."""
_Line = tuple[int, int, list[tuple[int, int, Stored]]]
"""Row, how often it is repeated, and its cells: column, how often repeated, and what is stored."""


class OdsBook:
    """An open ODS.

    Args:
        package: The ZIP.
        name: The file's own.

    Raises:
        SourceError: It is encrypted, or damaged.
    """

    def __init__(self, package: Package, name: str) -> None:
        self.format = "ods"
        self.doubts: list[str] = []
        self.sheets: list[Sheet] = []
        self.hides = False
        self._package = package
        manifest = package.read("META-INF/manifest.xml") if "META-INF/manifest.xml" in package else b""
        if b"encryption-data" in manifest:
            raise encrypted(name)
        self._held: list[list[_Line]] | None = None
        self._merges: list[list[tuple[int, int, int, int]]] = []
        with guarded("its content"):
            self._read_sheets()

    def _read_sheets(self) -> None:
        """Names of the sheets; their cells too where the content is small."""
        hold = self._package.size("content.xml") <= _HELD_BYTES
        held: list[list[_Line]] = []
        hidden: set[str] = set()
        for event, found in _Content(self._package).events():
            if event == "hidden":
                hidden.add(str(found))
            elif event == "sheet":
                self.sheets.append(Sheet(found.name, "hidden" if found.place in hidden else ""))
                held.append([])
                self._merges.append([])
            elif hold and event == "row":
                held[-1].append(found)
            elif event == "merge" and len(self._merges[-1]) < MAX_MERGES:
                self._merges[-1].append(found)
        self._held = held if hold else None

    def rows(self, sheet: int, values: Values, notes: Notes) -> Iterator[Row]:
        """The rows of a sheet; see `entrepot.formats.readers.workbook.book.Book`."""
        notes.merges = list(self._merges[sheet])
        repeated = copied = 0
        with guarded("its content"):
            for number, times, stored in self._lines(sheet):
                cells = _cells(stored, values, notes)
                if not cells:
                    continue
                repeated += times * len(cells) - len(stored)
                copied += (times - 1) * sum(len(text) for _, text in cells)
                if repeated > _MAX_REPEATED or copied > _MAX_COPIED:
                    raise SourceError(
                        f"Sheet {self.sheets[sheet].name!r} repeats its cells more than {_MAX_REPEATED:,} times.",
                        hint="Delete the rows that are filled for no reason.",
                        reason="ratio",
                    )
                if number + times > MAX_ROWS:
                    raise broken(f"it has a row {number + times}, and sheets end at {MAX_ROWS}")
                for i in range(times):
                    yield number + i, cells

    def _lines(self, sheet: int) -> Iterator[_Line]:
        if self._held is not None:
            yield from self._held[sheet]
            return
        current = -1
        for event, found in _Content(self._package).events():
            if event == "sheet":
                current += 1
                if current > sheet:
                    return
            elif event == "row" and current == sheet:
                yield found


class _Content:
    """The content of a document as events: hidden styles, sheets, rows and merged ranges."""

    def __init__(self, package: Package) -> None:
        self._stream = package.open("content.xml")
        self._row = 0
        self._first = True

    def read(self, size: int) -> bytes:
        block = self._stream.read(size)
        if self._first:
            self._first = False
            refuse_doctype(block)
        return block

    def events(self) -> Iterator[tuple[str, Any]]:
        from lxml import etree

        parser = etree.iterparse(
            self,
            events=("start", "end"),
            tag=["{*}table", "{*}table-row", "{*}style"],
            resolve_entities=False,
            no_network=True,
            huge_tree=False,
            load_dtd=False,
            remove_comments=True,
            remove_pis=True,
        )
        depth = 0
        for event, element in parser:
            name = local(element)
            if name == "table":
                depth += 1 if event == "start" else -1
                if event == "start" and depth == 1:
                    self._row = 0
                    yield "sheet", Sheet(_get(element, "name"), place=_get(element, "style-name"))
            elif event == "end" and name == "style":
                if any(_get(part, "display") == "false" for part in element):
                    yield "hidden", _get(element, "name")
            elif event == "end" and depth == 1:
                yield from self._take_row(element)
            if event == "end" and depth <= 1:
                _drop(element)
                self._stream.mark()

    def _take_row(self, element: Any) -> Iterator[tuple[str, Any]]:
        times = _repeated(element, "number-rows-repeated")
        column = 0
        cells: list[tuple[int, int, Stored]] = []
        for cell in element:
            name = local(cell)
            if name not in {"table-cell", "covered-table-cell"}:
                continue
            count = _repeated(cell, "number-columns-repeated")
            if name == "table-cell":
                across, down = _repeated(cell, "number-columns-spanned"), _repeated(cell, "number-rows-spanned")
                if across > 1 or down > 1:
                    yield "merge", (self._row, column, self._row + down - 1, column + across - 1)
            stored = _stored(cell)
            if any(stored):
                if column + count > MAX_COLUMNS:
                    raise broken(f"it has a cell right of column {MAX_COLUMNS}")
                cells.append((column, count, stored))
            column += count
        if cells:
            yield "row", (self._row, times, cells)
        self._row += times


def _drop(element: Any) -> None:
    element.clear()
    parent = element.getparent()
    while parent is not None and element.getprevious() is not None:
        del parent[0]


def _get(element: Any, name: str) -> str:
    """An attribute by its local name."""
    for key, value in element.attrib.items():
        if key.rpartition("}")[2] == name:
            return str(value)
    return ""


def _repeated(element: Any, name: str) -> int:
    text = _get(element, name)
    return min(max(int(text), 1), 1 << 31) if text.isdigit() else 1


def _stored(cell: Any) -> Stored:
    kind = value = formula = ""
    error = False
    for key, found in cell.attrib.items():
        space, _, name = key.rpartition("}")
        if name == "value-type":
            if "calcext" in space:
                error = found == "error"
            else:
                kind = found
        elif name in {"value", "date-value", "time-value", "boolean-value", "string-value"}:
            value = found
        elif name == "formula":
            formula = found[:1]
    text = "\n".join(paragraph(p) for p in cell if p.tag in {f"{_TEXT}p", f"{_TEXT}h"})
    return ("error" if error else kind, value, text, formula)


def paragraph(element: Any) -> str:
    """The text of a paragraph: runs of blanks are one, blanks that count are elements."""
    text = "".join(_pieces(element, depth=0))
    return text.lstrip(" ").replace(_KEPT, " ")


def _pieces(element: Any, depth: int) -> Iterator[str]:
    if element.text:
        yield _BLANKS.sub(" ", element.text)
    if depth > 50:
        return
    for part in element:
        name = local(part)
        if name == "s":
            count = _get(part, "c")
            yield _KEPT * min(int(count) if count.isdigit() else 1, 32_767)
        elif name == "tab":
            yield "\t"
        elif name == "line-break":
            yield "\n"
        elif name not in {"annotation", "note", "ruby-text"}:
            yield from _pieces(part, depth + 1)
        if part.tail:
            yield _BLANKS.sub(" ", part.tail)


def _cells(stored: list[tuple[int, int, Stored]], values: Values, notes: Notes) -> list[Cell]:
    cells: list[Cell] = []
    for column, count, item in stored:
        text = _text(item, values, notes, count)
        if text:
            cells.extend((column + i, text) for i in range(count))
    return cells


def _text(item: Stored, values: Values, notes: Notes, count: int) -> str:
    kind, value, text, formula = item
    if values == "none" and (kind == "error" or (formula and _ERROR.fullmatch(text))):
        notes.errors[text or "Err"] += count
    if kind == "error" or not kind:
        if formula and not text:
            notes.uncached += count
        return text
    if kind == "string":
        return text or value
    if kind == "boolean":
        truth = value == "true"
        return ("true" if truth else "false") if values == "exact" else ("TRUE" if truth else "FALSE")
    if values != "exact" and text:
        return text
    return _exact(kind, value, text) if values == "exact" else _shown(kind, value)


def _shown(kind: str, value: str) -> str:
    if kind in {"float", "currency", "percentage"}:
        try:
            return general(float(value))
        except (ValueError, OverflowError):
            return value
    return value.replace("T", " ") if kind == "date" else clock(value)


def _exact(kind: str, value: str, text: str) -> str:
    if kind == "date":
        return value.replace("T", " ").removesuffix(" 00:00:00") if value else text
    if kind == "time":
        return clock(value)
    try:
        number = float(value)
        digits = digits_of(number)
    except (ValueError, OverflowError):
        return text or value
    if _ZEROS.fullmatch(text) and float(text) == number:
        return text
    if kind == "percentage" and text.endswith("%"):
        shown = text[:-1].strip()
        try:
            if digits_of(float(shown) / 100) == digits:
                return shown + "%"
        except ValueError:
            return digits
    return digits


def clock(value: str) -> str:
    """A length of time such as ``PT10H10M10S`` as hours, minutes and seconds."""
    found = _LENGTH.fullmatch(value)
    if not found:
        return value
    sign, hours, minutes, seconds, rest = found.groups()
    text = f"{sign}{int(hours or 0):02d}:{int(minutes or 0):02d}:{int(seconds or 0):02d}"
    rest = (rest or "").rstrip("0")[:6]
    return f"{text}.{rest}" if rest else text
