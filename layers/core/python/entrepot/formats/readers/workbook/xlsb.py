"""XLSB: the binary form of Office Open XML ([MS-XLSB])."""

from __future__ import annotations

import posixpath
import struct
from collections.abc import Iterator
from operator import attrgetter

from entrepot.formats.readers.workbook.book import (
    ERRORS,
    MAX_COLUMNS,
    MAX_MERGES,
    MAX_ROWS,
    Cell,
    Notes,
    Rendering,
    Row,
    Sheet,
    Values,
    apart,
    hiding,
)
from entrepot.formats.readers.workbook.numberformat import built_in
from entrepot.formats.readers.workbook.package import Package, Stream, broken, guarded, relations
from entrepot.formats.readers.workbook.strings import Texts
from entrepot.formats.readers.workbook.xlscells import rk_number
from entrepot.formats.readers.workbook.xlsx import main_part

_ROW, _ERROR, _BOOL, _REAL = 0, 3, 4, 5
_SST_ITEM, _FORMAT, _STYLE, _WORKBOOK, _SHEET, _MERGE = 19, 44, 47, 153, 156, 176
_STYLES_BEGIN, _STYLES_END = 617, 618
_RICH = 62
_SHORT = range(12, 19)
"""Cells that name no column: they follow the one before."""
_HIDDEN = {1: "hidden", 2: "very hidden"}


class _Buffer:
    """A part's bytes, read ahead."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._data = b""
        self._at = 0

    def take(self, size: int) -> bytes:
        """So many bytes, fewer at the end."""
        while len(self._data) - self._at < size:
            block = self._stream.read(1 << 16)
            if not block:
                break
            self._data = self._data[self._at :] + block
            self._at = 0
        found = self._data[self._at : self._at + size]
        self._at += len(found)
        return found

    def number(self, most: int) -> int | None:
        """A number of seven bits a byte; None at the end."""
        value = 0
        for place in range(most):
            byte = self.take(1)
            if not byte:
                if place:
                    raise broken("it breaks off in the middle of a record")
                return None
            value |= (byte[0] & 0x7F) << 7 * place
            if byte[0] < 0x80:
                break
        return value

    def mark(self) -> None:
        self._stream.mark()


def records(stream: Stream) -> Iterator[tuple[int, bytes]]:
    """The records of a part.

    Raises:
        SourceError: It breaks off.
    """
    buffer = _Buffer(stream)
    while (kind := buffer.number(2)) is not None:
        size = buffer.number(4)
        data = buffer.take(size or 0)
        if size is None or len(data) < size:
            raise broken("it breaks off in the middle of a record")
        buffer.mark()
        yield kind, data


def wide_text(data: bytes, at: int) -> tuple[str, int]:
    """A text with its length before it, and where it ends; a length of all ones means none."""
    count = struct.unpack_from("<I", data, at)[0]
    if count == 0xFFFFFFFF:
        return "", at + 4
    end = at + 4 + 2 * count
    if end > len(data):
        raise broken("a text of it breaks off")
    return data[at + 4 : end].decode("utf-16-le", "replace"), end


class XlsbBook:
    """An open XLSB.

    Args:
        package: The ZIP.

    Raises:
        SourceError: It has no workbook in it, or is damaged.
    """

    def __init__(self, package: Package) -> None:
        self.format = "xlsb"
        self.doubts: list[str] = []
        self.sheets: list[Sheet] = []
        self.epoch1904 = False
        self._package = package
        self._part = main_part(package)
        self._relations = relations(package, self._part)
        with guarded("its workbook part"):
            self._read_workbook()
        with guarded("its styles"):
            self._formats = self._read_styles()
        self.hides = hiding(self._formats)
        self._texts: Texts | None = None
        if any("vbaproject" in name for name in package.names()):
            self.doubts.append("The workbook holds macros; they are not run and not read.")
        if self.epoch1904:
            self.doubts.append("Dates count from 1904, as the workbook says.")

    def _read_workbook(self) -> None:
        others = 0
        for kind, data in records(self._package.open(self._part)):
            if kind == _WORKBOOK:
                self.epoch1904 = bool(data[0] & 1)
            elif kind == _SHEET:
                link, end = wide_text(data, 8)
                name, _ = wide_text(data, end)
                relation, place = self._relations.get(link, ("", ""))
                if relation in {"worksheet", ""} or "macrosheet" in relation:
                    self.sheets.append(Sheet(name, _HIDDEN.get(data[0], ""), place))
                else:
                    others += 1
        self.sheets, doubts = apart(self.sheets, attrgetter("place"))
        self.doubts += doubts
        if others:
            self.doubts.append(f"{others} sheets are charts or dialogs and have no rows.")

    def _related(self, kind: str, usual: str) -> str | None:
        for found, place in self._relations.values():
            if found == kind and place in self._package:
                return place
        place = posixpath.join(posixpath.dirname(self._part), usual)
        return place if place in self._package else None

    def _read_styles(self) -> list[str]:
        place = self._related("styles", "styles.bin")
        if place is None:
            return []
        own: dict[int, str] = {}
        numbers: list[int] = []
        inside = False
        for kind, data in records(self._package.open(place)):
            if kind == _FORMAT:
                own[struct.unpack_from("<H", data)[0]] = wide_text(data, 2)[0]
            elif kind in {_STYLES_BEGIN, _STYLES_END}:
                inside = kind == _STYLES_BEGIN
            elif kind == _STYLE and inside:
                numbers.append(struct.unpack_from("<H", data, 2)[0])
        return [own.get(number) or built_in(number) for number in numbers]

    def texts(self) -> Texts:
        """The shared texts, read when they are first asked for."""
        if self._texts is None:
            self._texts = Texts()
            place = self._related("sharedstrings", "sharedStrings.bin")
            if place is not None:
                with guarded("its shared texts"):
                    found = records(self._package.open(place))
                    self._texts.extend(wide_text(data, 1)[0] for kind, data in found if kind == _SST_ITEM)
        return self._texts

    def rows(self, sheet: int, values: Values, notes: Notes) -> Iterator[Row]:
        """The rows of a sheet; see `entrepot.formats.readers.workbook.book.Book`."""
        place = self.sheets[sheet].place
        if not place or place not in self._package:
            raise broken(f"sheet {self.sheets[sheet].name!r} has no part in the package")
        rendering = Rendering(values, self._formats, epoch1904=self.epoch1904)
        texts = self.texts()
        with guarded(place):
            yield from _SheetRows(rendering, texts, notes).rows(records(self._package.open(place)))


class _SheetRows:
    """Reads the records of one sheet."""

    def __init__(self, rendering: Rendering, texts: Texts, notes: Notes) -> None:
        self._rendering = rendering
        self._texts = texts
        self._notes = notes

    def rows(self, found: Iterator[tuple[int, bytes]]) -> Iterator[Row]:
        number, column, cells = -1, -1, list[Cell]()
        for kind, data in found:
            if kind == _ROW:
                if cells:
                    yield number, cells
                number, column, cells = struct.unpack_from("<I", data)[0], -1, []
                if number >= MAX_ROWS:
                    raise broken(f"it has a row {number + 1}, and sheets end at {MAX_ROWS}")
            elif kind <= 18 or kind == _RICH:
                column, text = self._cell(kind, data, column)
                if text:
                    cells.append((column, text))
            elif kind == _MERGE and len(self._notes.merges) < MAX_MERGES:
                r1, r2, c1, c2 = struct.unpack_from("<4I", data)
                self._notes.merges.append((r1, c1, r2, c2))
        if cells:
            yield number, cells

    def _cell(self, kind: int, data: bytes, before: int) -> tuple[int, str]:
        if kind in _SHORT:
            column, at, kind = before + 1, 4, kind - 11
            style = struct.unpack_from("<I", data)[0] & 0xFFFFFF
        else:
            column, style = struct.unpack_from("<II", data)
            style, at = style & 0xFFFFFF, 8
        if column >= MAX_COLUMNS:
            raise broken(f"it has a cell right of column {MAX_COLUMNS}")
        if kind == 1:
            return column, ""
        return column, self._value(kind, data, at, style).replace("\0", "")

    def _value(self, kind: int, data: bytes, at: int, style: int) -> str:
        rendering = self._rendering
        if kind == 2:
            return rendering.number(rk_number(struct.unpack_from("<I", data, at)[0]), style)
        if kind in {_REAL, 9}:
            return rendering.number(struct.unpack_from("<d", data, at)[0], style)
        if kind in {_ERROR, 11}:
            text = ERRORS.get(data[at], "#ERR!")
            self._notes.errors[text] += 1
            return text
        if kind in {_BOOL, 10}:
            return rendering.boolean(bool(data[at]))
        if kind == 7:
            try:
                return rendering.text(self._texts[struct.unpack_from("<I", data, at)[0]], style)
            except IndexError:
                self._notes.lost += 1
                return ""
        return rendering.text(wide_text(data, at + (kind == _RICH))[0], style)
