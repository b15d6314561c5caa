"""XLSX and XLSM: Office Open XML, strict and transitional, read as streams (ECMA-376 part 1)."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import IO, Any

from entrepot.formats.reading import Limits
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
    column_of,
)
from entrepot.formats.readers.workbook.numberformat import built_in
from entrepot.formats.readers.workbook.package import Package, broken, elements, guarded, local, relations, tree
from entrepot.formats.readers.workbook.strings import Texts, unescape

_REFERENCE = re.compile(r"\$?([A-Z]{1,3})\$?([0-9]{1,7})")
_STATES = {"hidden": "hidden", "veryhidden": "very hidden"}
_SPACE = " \t\r\n"


class XlsxBook:
    """An open XLSX or XLSM.

    Args:
        package: The ZIP.
        limits: What is accepted.

    Raises:
        SourceError: It has no workbook in it.
    """

    def __init__(self, package: Package, limits: Limits) -> None:
        self.format = "xlsx"
        self.doubts: list[str] = []
        self.sheets: list[Sheet] = []
        self.epoch1904 = False
        self._package = package
        self._limits = limits
        self._part = main_part(package)
        self._relations = relations(package, self._part)
        with guarded("its workbook part"):
            self._read_workbook()
        self._formats = self._read_styles()
        self._texts: Texts | None = None

    def _read_workbook(self) -> None:
        if b"macroenabled" in self._content_types().lower():
            self.format = "xlsm"
        if any("vbaproject" in name for name in self._package.names()):
            self.format = "xlsm"
            self.doubts.append("The workbook holds macros; they are not run and not read.")
        others = 0
        for element in tree(self._package.read(self._part)).iter("{*}workbookPr", "{*}sheet"):
            if local(element) == "workbookPr":
                self.epoch1904 = element.get("date1904", "0").lower() in {"1", "true", "on"}
                continue
            link = next((v for k, v in element.attrib.items() if k.endswith("}id")), "")
            kind, place = self._relations.get(link, ("", ""))
            if kind in {"worksheet", ""} or "macrosheet" in kind:
                state = _STATES.get(element.get("state", "").lower(), "")
                self.sheets.append(Sheet(element.get("name", ""), state, place))
            else:
                others += 1
        if self.epoch1904:
            self.doubts.append("Dates count from 1904, as the workbook says.")
        if others:
            self.doubts.append(f"{others} sheets are charts or dialogs and have no rows.")
        if not self.sheets and not others:
            self._guess_sheets()

    def _content_types(self) -> bytes:
        return self._package.read("[Content_Types].xml") if "[Content_Types].xml" in self._package else b""

    def _guess_sheets(self) -> None:
        """Takes the sheets from the package where the workbook names none."""
        parts = sorted(n for n in self._package.names() if re.search(r"worksheets/[^/]+\.xml$", n))
        self.sheets = [Sheet(posixpath.basename(p).removesuffix(".xml"), "", p) for p in parts]
        self.doubts.append("The workbook does not name its sheets; they are called as their parts are.")

    def _related(self, kind: str, usual: str) -> str | None:
        for found, place in self._relations.values():
            if found == kind and place in self._package:
                return place
        place = posixpath.join(posixpath.dirname(self._part), usual)
        return place if place in self._package else None

    def _read_styles(self) -> list[str]:
        place = self._related("styles", "styles.xml")
        if place is None:
            return []
        with guarded("its styles"):
            root = tree(self._package.read(place))
            own: dict[int, str] = {}
            for element in root.iter("{*}numFmt"):
                own.setdefault(int(element.get("numFmtId", "0")), element.get("formatCode", "General"))
            return [
                own.get(number) or built_in(number)
                for group in root.iter("{*}cellXfs")
                for number in (int(xf.get("numFmtId", "0") or 0) for xf in group.iter("{*}xf"))
            ]

    def texts(self) -> Texts:
        """The shared texts, read when they are first asked for."""
        if self._texts is None:
            self._texts = Texts()
            place = self._related("sharedstrings", "sharedStrings.xml")
            if place is not None:
                with guarded("its shared texts"):
                    self._texts.extend(rich_text(e) for e in elements(self._package.open(place), "si"))
        return self._texts

    def rows(self, sheet: int, values: Values, notes: Notes) -> Iterator[Row]:
        """The rows of a sheet; see `entrepot.formats.readers.workbook.book.Book`."""
        place = self.sheets[sheet].place
        if not place or place not in self._package:
            raise broken(f"sheet {self.sheets[sheet].name!r} has no part in the package")
        rendering = Rendering(values, self._formats, epoch1904=self.epoch1904)
        texts = self.texts()
        with guarded(place):
            yield from SheetRows(rendering, texts, notes).rows(elements(self._package.open(place), "row", "mergeCell"))


class SheetRows:
    """Reads row elements of one sheet."""

    def __init__(self, rendering: Rendering, texts: Texts, notes: Notes) -> None:
        self._rendering = rendering
        self._texts = texts
        self._notes = notes

    def rows(self, found: Iterator[Any]) -> Iterator[Row]:
        """The rows, while merged ranges go to the notes."""
        number = -1
        for element in found:
            if local(element) == "mergeCell":
                note_merge(self._notes, element.get("ref", ""))
                continue
            given = element.get("r", "")
            number = int(given) - 1 if given.isdigit() else number + 1
            if not 0 <= number < MAX_ROWS:
                raise broken(f"it has a row {number + 1}, and sheets end at {MAX_ROWS}")
            cells = self._cells(element)
            if cells:
                yield number, cells

    def _cells(self, row: Any) -> list[Cell]:
        cells: list[Cell] = []
        column = -1
        for cell in row:
            reference = _REFERENCE.fullmatch(cell.get("r", ""))
            column = column_of(reference[1]) if reference else column + 1
            if not 0 <= column < MAX_COLUMNS:
                raise broken(f"it has a cell right of column {MAX_COLUMNS}")
            text = self._text(cell)
            if text:
                cells.append((column, text))
        return cells

    def _text(self, cell: Any) -> str:
        value: str | None = None
        inline = formula = None
        for part in cell:
            name = local(part)
            if name == "v":
                value = part.text or ""
            elif name == "is":
                inline = part
            elif name == "f":
                formula = part
        kind = cell.get("t", "n")
        style = cell.get("s", "")
        style_number = int(style) if style.isdigit() else 0
        if inline is not None and (kind == "inlineStr" or not value):
            return self._rendering.text(rich_text(inline), style_number)
        if not value:
            if formula is not None and (value is None or kind != "str"):
                self._notes.uncached += 1
            return ""
        return self.value(kind, value, style_number)

    def value(self, kind: str, value: str, style: int) -> str:
        """The text of a stored value.

        Args:
            kind: The cell's type, ``n`` when it names none.
            value: Not empty.
            style: Number of its style.
        """
        rendering = self._rendering
        if kind == "n":
            try:
                return rendering.number(float(value), style)
            except ValueError:
                self._notes.odd += 1
                return value
        if kind == "s":
            try:
                return rendering.text(self._texts[int(value)], style)
            except (IndexError, ValueError):
                self._notes.lost += 1
                return ""
        if kind == "b":
            return rendering.boolean(value.strip().lower() in {"1", "true"})
        if kind == "e":
            self._notes.errors[value] += 1
            return value
        if kind == "d":
            return rendering.iso(value, style)
        return rendering.text(unescape(value), style)


def main_part(package: Package) -> str:
    """Where the workbook itself is."""
    for kind, place in relations(package, "").values():
        if kind == "officedocument" and place in package:
            return place
    for place in ("xl/workbook.xml", "xl/workbook.bin", "workbook.xml"):
        if place in package:
            return place
    raise broken("its package holds no workbook")


def note_merge(notes: Notes, reference: str) -> None:
    """Remembers a merged range such as ``A1:C2``."""
    first, _, last = reference.partition(":")
    one, two = _REFERENCE.fullmatch(first), _REFERENCE.fullmatch(last)
    if one and two and len(notes.merges) < MAX_MERGES:
        notes.merges.append((int(one[2]) - 1, column_of(one[1]), int(two[2]) - 1, column_of(two[1])))


def rich_text(element: Any) -> str:
    """The text of a text item: runs joined, phonetic helps left out."""
    pieces: list[str] = []
    for part in element:
        name = local(part)
        if name == "t":
            pieces.append(_plain(part))
        elif name == "r":
            pieces.extend(_plain(t) for t in part if local(t) == "t")
    return "".join(pieces)


def _plain(element: Any) -> str:
    text = element.text or ""
    if text and (text[0] in _SPACE or text[-1] in _SPACE) and "preserve" not in element.attrib.values():
        text = text.strip(_SPACE)
    return unescape(text)


def open_xlsx(file: IO[bytes], limits: Limits) -> XlsxBook:
    """Opens an XLSX by itself.

    Raises:
        SourceError: It cannot be read.
    """
    return XlsxBook(Package(file, limits), limits)
