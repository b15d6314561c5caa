"""The cells of an XLS sheet, record by record."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from entrepot.formats.readers.workbook.book import ERRORS, MAX_MERGES, Cell, Notes, Rendering, Row
from entrepot.formats.readers.workbook.package import broken
from entrepot.formats.readers.workbook.records import BOFS, EOF, Records
from entrepot.formats.readers.workbook.strings import Texts

_PLACE = struct.Struct("<HHH")
_DOUBLE = struct.Struct("<d")
_RK = struct.Struct("<HI")
_STRINGS = {0x07, 0x207}
_BETWEEN = {0x4BC, 0x221, 0x236, 0x37, 0x21}
"""Records that may stand between a formula and its text: shared formulas, arrays, tables."""


def rk_number(value: int) -> float:
    """A number in the four bytes of an RK ([MS-XLS] 2.5.217)."""
    if value & 2:
        number = float(value >> 2 if value < 1 << 31 else (value >> 2) - (1 << 30))
    else:
        number = _DOUBLE.unpack(struct.pack("<Q", (value & 0xFFFFFFFC) << 32))[0]
    return number / 100 if value & 1 else number


class SheetCells:
    """Reads the records of one sheet.

    Args:
        rendering: How values are given.
        texts: The shared ones.
        notes: What is met.
        version: Of BIFF.
        codec: Of texts before BIFF8.
    """

    def __init__(self, rendering: Rendering, texts: Texts, notes: Notes, version: int, codec: str) -> None:
        self._rendering = rendering
        self._texts = texts
        self._notes = notes
        self._version = version
        self._codec = codec
        self._own: dict[int, str] = {}
        self._readers: dict[int, Callable[[bytes, Records], Row]] = {
            0x02: self._integer,
            **dict.fromkeys((0x03, 0x203), self._numeric),
            **dict.fromkeys((0x04, 0x204, 0xD6), self._label),
            **dict.fromkeys((0x05, 0x205), self._truth),
            **dict.fromkeys((0x06, 0x206, 0x406), self._formula),
            0x27E: self._rk,
            0xBD: self._many_rk,
            0xFD: self._shared,
        }

    def rows(self, records: Records, own: dict[int, str]) -> Iterator[Row]:
        """The rows in the order of the records.

        Args:
            records: From the sheet's beginning.
            own: The formats of the file; Excel 2 refers to them from the cells.
        """
        self._own = own
        number, cells = -1, list[Cell]()
        for row, found in self._found(records):
            if row != number:
                if cells:
                    yield number, cells
                number, cells = row, []
            cells += found
        if cells:
            yield number, cells

    def _found(self, records: Records) -> Iterator[Row]:
        """The cells of each record; parts of the stream that lie in the sheet, such as charts, are passed over."""
        depth = 0
        for kind, data in records:
            if kind in BOFS:
                depth += 1
            elif depth == 0:
                raise broken("a sheet is not where the workbook says")
            elif kind == EOF:
                depth -= 1
                if not depth:
                    return
            elif depth == 1:
                found = self._record(kind, data, records)
                if found is not None:
                    yield found
        raise broken("a sheet breaks off before its end")

    def _record(self, kind: int, data: bytes, records: Records) -> Row | None:
        """The cells of a record; None when it holds none."""
        if kind == 0xE5:
            self._merges(data)
            return None
        reader = self._readers.get(kind)
        if reader is None or len(data) < 6:
            return None
        found = reader(data, records)
        kept = [(column, self._clean(text)) for column, text in found[1] if text]
        return (found[0], kept) if kept else None

    def _clean(self, text: str) -> str:
        if "\0" not in text:
            return text
        self._notes.nul += 1
        return text.replace("\0", "")

    def _merges(self, data: bytes) -> None:
        count = struct.unpack_from("<H", data)[0] if len(data) >= 2 else 0
        for at in range(2, min(2 + 8 * count, len(data) - 7), 8):
            r1, r2, c1, c2 = struct.unpack_from("<4H", data, at)
            if len(self._notes.merges) < MAX_MERGES:
                self._notes.merges.append((r1, c1, r2, c2))

    def _place(self, data: bytes) -> tuple[int, int, int, int]:
        """Row, column, style, and where the value begins."""
        if self._version == 2:
            row, column, style, shape = struct.unpack_from("<HHBB", data)
            return row, column, self._old_style(style & 0x3F, shape & 0x3F), 7
        row, column, style = _PLACE.unpack_from(data)
        return row, column, style, 6

    def _old_style(self, style: int, shape: int) -> int:
        """Excel 2 has the format itself in the cell; it becomes a style of its own."""
        return style if style and style != 63 else -2 - shape

    def _number(self, value: float, style: int) -> str:
        if style <= -2:
            code = self._own.get(-2 - style, "General")
            return Rendering(self._rendering.values, [code], epoch1904=self._rendering.epoch1904).number(value, 0)
        return self._rendering.number(value, style)

    def _numeric(self, data: bytes, _: Records) -> Row:
        row, column, style, at = self._place(data)
        return row, [(column, self._number(_DOUBLE.unpack_from(data, at)[0], style))]

    def _integer(self, data: bytes, _: Records) -> Row:
        row, column, style, at = self._place(data)
        return row, [(column, self._number(float(struct.unpack_from("<H", data, at)[0]), style))]

    def _rk(self, data: bytes, _: Records) -> Row:
        row, column = struct.unpack_from("<HH", data)
        style, value = _RK.unpack_from(data, 4)
        return row, [(column, self._rendering.number(rk_number(value), style))]

    def _many_rk(self, data: bytes, _: Records) -> Row:
        row, column = struct.unpack_from("<HH", data)
        cells: list[Cell] = []
        for i, at in enumerate(range(4, len(data) - 7, 6)):
            style, value = _RK.unpack_from(data, at)
            cells.append((column + i, self._rendering.number(rk_number(value), style)))
        return row, cells

    def _label(self, data: bytes, records: Records) -> Row:
        row, column, style, at = self._place(data)
        return row, [(column, self._rendering.text(self._text(data[at:], records), style))]

    def _text(self, data: bytes, records: Records) -> str:
        segments = records.continued(data)
        if not segments.more():
            return ""
        if self._version == 8:
            return segments.rich_text(struct.unpack("<H", segments.take(2))[0])
        size = segments.take(1)[0] if self._version == 2 else struct.unpack("<H", segments.take(2))[0]
        return segments.take(size).decode(self._codec, "replace")

    def _shared(self, data: bytes, _: Records) -> Row:
        row, column, style = _PLACE.unpack_from(data)
        try:
            text = self._texts[struct.unpack_from("<I", data, 6)[0]]
        except IndexError:
            self._notes.lost += 1
            text = ""
        return row, [(column, self._rendering.text(text, style))]

    def _truth(self, data: bytes, _: Records) -> Row:
        row, column, _style, at = self._place(data)
        return row, [(column, self._truth_or_error(data[at], is_error=bool(data[at + 1])))]

    def _truth_or_error(self, value: int, *, is_error: bool) -> str:
        if not is_error:
            return self._rendering.boolean(bool(value))
        text = ERRORS.get(value, "#ERR!")
        self._notes.errors[text] += 1
        return text

    def _formula(self, data: bytes, records: Records) -> Row:
        row, column, style, at = self._place(data)
        result = data[at : at + 8]
        if len(result) < 8 or result[6:] != b"\xff\xff":
            value = _DOUBLE.unpack(result.ljust(8, b"\0"))[0]
            return row, [(column, self._number(value, style))]
        if result[0] == 0:
            return row, [(column, self._rendering.text(self._formula_text(records), style))]
        if result[0] in {1, 2}:
            return row, [(column, self._truth_or_error(result[2], is_error=result[0] == 2))]
        return row, []

    def _formula_text(self, records: Records) -> str:
        for kind, data in records:
            if kind in _STRINGS:
                return self._text(data, records)
            if kind not in _BETWEEN:
                records.put_back((kind, data))
                break
        self._notes.uncached += 1
        return ""
