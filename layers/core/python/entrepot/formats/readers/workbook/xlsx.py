"""XLSX and XLSM: Office Open XML, strict and transitional, read as streams (ECMA-376 part 1)."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from operator import attrgetter
from typing import IO

from entrepot.formats.readers.workbook.book import Block, Notes, Rendering, Row, Sheet, Values, apart, hiding
from entrepot.formats.readers.workbook.fastrows import FastRows, is_plain
from entrepot.formats.readers.workbook.numberformat import built_in
from entrepot.formats.readers.workbook.package import Package, broken, elements, guarded, local, relations, tree
from entrepot.formats.readers.workbook.strings import Texts
from entrepot.formats.readers.workbook.xlsxrows import SheetRows, rich_text
from entrepot.formats.reading import Limits

_HEAD = 1 << 16
_STATES = {"hidden": "hidden", "veryhidden": "very hidden"}


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
        self.hides = hiding(self._formats)
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
        self.sheets, doubts = apart(self.sheets, attrgetter("place"))
        self.doubts += doubts

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
        for found in self._found(sheet, values, notes, blocks=False):
            if not isinstance(found, Block):
                yield found

    def blocks(self, sheet: int, values: Values, notes: Notes) -> Iterator[Row | Block]:
        """The same rows, many at a time where the sheet is plain."""
        return self._found(sheet, values, notes, blocks=True)

    def _found(self, sheet: int, values: Values, notes: Notes, *, blocks: bool) -> Iterator[Row | Block]:
        place = self.sheets[sheet].place
        if not place or place not in self._package:
            raise broken(f"sheet {self.sheets[sheet].name!r} has no part in the package")
        rendering = Rendering(values, self._formats, epoch1904=self.epoch1904)
        texts = self.texts()
        with guarded(place):
            stream = self._package.open(place)
            head = stream.read(_HEAD)
            if not is_plain(head):
                found = elements(self._package.open(place), "row", "mergeCell")
                yield from SheetRows(rendering, texts, notes).rows(found)
                return
            plain = FastRows(rendering, texts, notes)
            yield from plain.blocks(head, stream) if blocks else plain.rows(head, stream)


def main_part(package: Package) -> str:
    """Where the workbook itself is."""
    for kind, place in relations(package, "").values():
        if kind == "officedocument" and place in package:
            return place
    for place in ("xl/workbook.xml", "xl/workbook.bin", "workbook.xml"):
        if place in package:
            return place
    raise broken("its package holds no workbook")


def open_xlsx(file: IO[bytes], limits: Limits) -> XlsxBook:
    """Opens an XLSX by itself.

    Raises:
        SourceError: It cannot be read.
    """
    return XlsxBook(Package(file, limits), limits)
