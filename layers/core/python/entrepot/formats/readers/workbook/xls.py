"""XLS: Excel 2 to 2003, BIFF in a compound file or bare ([MS-XLS]; for BIFF2-5 OpenOffice's documentation)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from io import BufferedReader
from operator import attrgetter

from entrepot.formats.readers.workbook.book import Notes, Rendering, Row, Sheet, Values, apart, hiding
from entrepot.formats.readers.workbook.numberformat import built_in
from entrepot.formats.readers.workbook.package import broken, encrypted, guarded
from entrepot.formats.readers.workbook.records import BOFS, EOF, Records, Segments, codec_of
from entrepot.formats.readers.workbook.strings import Texts
from entrepot.formats.readers.workbook.xlscells import SheetCells

_HIDDEN = {1: "hidden", 2: "very hidden"}
_MAX_FORMATS = 65_536


class XlsBook:
    """An open XLS.

    Args:
        stream: The workbook's records.
        name: What a workbook of a single sheet is called.

    Raises:
        SourceError: It is encrypted or damaged.
    """

    def __init__(self, stream: BufferedReader, name: str) -> None:
        self.format = "xls"
        self.doubts: list[str] = []
        self.sheets: list[Sheet] = []
        self.epoch1904 = False
        self._stream = stream
        self._name = name
        self._version = 8
        self._codec = "cp1252"
        self._own: dict[int, str] = {}
        self._styles: list[int] = []
        self._texts = Texts()
        self._others = 0
        self._disordered: dict[int, bool] = {}
        with guarded("its workbook stream"):
            self._read_globals()
        self._formats = [self._own.get(number) or built_in(number) for number in self._styles]
        self.hides = hiding([*self._formats, *self._own.values()])
        if self.epoch1904:
            self.doubts.append("Dates count from 1904, as the workbook says.")
        if self._others:
            self.doubts.append(f"{self._others} sheets are charts or macros and have no rows.")

    def _read_globals(self) -> None:
        records = Records(self._stream)
        first = next(records, None)
        if first is None or first[0] not in BOFS:
            raise broken("its stream does not begin as a workbook does")
        self._version = version_of(*first)
        bare = self._version < 5 or (len(first[1]) >= 4 and struct.unpack_from("<H", first[1], 2)[0] == 0x10)
        for kind, data in records:
            if kind == EOF:
                break
            self._global(kind, data, records)
        self.sheets, doubts = apart(self.sheets, attrgetter("offset"))
        self.doubts += doubts
        if bare and not self.sheets:
            self.sheets = [Sheet(self._name, "", "", 0)]

    def _global(self, kind: int, data: bytes, records: Records) -> None:
        if kind == 0x2F:
            raise encrypted(self._name)
        if kind == 0x42 and len(data) >= 2:
            self._codec = codec_of(struct.unpack_from("<H", data)[0])
        elif kind == 0x22 and len(data) >= 2:
            self.epoch1904 = data[0] == 1
        elif kind in {0x1E, 0x41E}:
            self._format_record(kind, data, records)
        elif kind in {0xE0, 0x43, 0x243, 0x443}:
            self._style_record(kind, data)
        elif kind == 0x85:
            self._sheet_record(data)
        elif kind == 0xFC:
            self._texts.extend(shared_texts(records.continued(data)))

    def _format_record(self, kind: int, data: bytes, records: Records) -> None:
        if len(self._own) > _MAX_FORMATS:
            return
        if kind == 0x1E:  # Excel 2 and 3 number them by their order
            self._own[len(self._own)] = data[1 : 1 + data[0]].decode(self._codec, "replace") if data else ""
        elif self._version == 8:
            number, count = struct.unpack_from("<HH", data)
            self._own[number] = records.continued(data[4:]).rich_text(count)
        else:
            number = len(self._own) if self._version == 4 else struct.unpack_from("<H", data)[0]
            self._own[number] = data[3 : 3 + data[2]].decode(self._codec, "replace")

    def _style_record(self, kind: int, data: bytes) -> None:
        if kind == 0xE0:
            self._styles.append(struct.unpack_from("<H", data, 2)[0])
        elif kind == 0x43:
            self._styles.append(data[2] & 0x3F)
        else:
            self._styles.append(data[1])

    def _sheet_record(self, data: bytes) -> None:
        offset, hidden, kind, count = struct.unpack_from("<IBBB", data)
        if kind not in {0, 1}:
            self._others += 1
            return
        if self._version == 8:
            wide = bool(data[7] & 1)
            name = data[8 : 8 + count * (2 if wide else 1)].decode("utf-16-le" if wide else "latin-1", "replace")
        else:
            name = data[7 : 7 + count].decode(self._codec, "replace")
        self.sheets.append(Sheet(name.replace("\0", ""), _HIDDEN.get(hidden & 3, ""), "", offset))

    def rows(self, sheet: int, values: Values, notes: Notes) -> Iterator[Row]:
        """The rows of a sheet; see `entrepot.formats.readers.workbook.book.Book`."""
        rendering = Rendering(values, self._formats, epoch1904=self.epoch1904)
        with guarded(f"sheet {sheet + 1}"):
            cells = SheetCells(rendering, self._texts, notes, self._version, self._codec)
            found = cells.rows(Records(self._stream, self.sheets[sheet].offset), self._own)
            for row in self._in_order(sheet, found):
                place = self._stream.tell()
                yield row
                # Another sheet may have been read meanwhile.
                if self._stream.tell() != place:
                    self._stream.seek(place)

    def _in_order(self, sheet: int, found: Iterator[Row]) -> Iterator[Row]:
        """The rows from the first on: some programs write cells column by column."""
        if sheet not in self._disordered:
            self._disordered[sheet] = self._is_disordered(sheet)
        self._stream.seek(self.sheets[sheet].offset)
        if not self._disordered[sheet]:
            yield from found
            return
        gathered: dict[int, dict[int, str]] = {}
        for number, cells in found:
            gathered.setdefault(number, {}).update(cells)
        for number in sorted(gathered):
            yield number, sorted(gathered[number].items())

    def _is_disordered(self, sheet: int) -> bool:
        cells = SheetCells(Rendering("none"), self._texts, Notes(), self._version, self._codec)
        last = -1
        for number, _ in cells.rows(Records(self._stream, self.sheets[sheet].offset), self._own):
            if number <= last:
                return True
            last = number
        return False


def version_of(kind: int, data: bytes) -> int:
    """BIFF's version: 2, 3, 4, 5 or 8."""
    found = BOFS[kind]
    if found == 5 and len(data) >= 2 and struct.unpack_from("<H", data)[0] == 0x0600:
        return 8
    if found == 5 and len(data) >= 2:
        return {0x0002: 2, 0x0003: 3, 0x0004: 4, 0x0007: 2, 0x0200: 2, 0x0300: 3, 0x0400: 4}.get(
            struct.unpack_from("<H", data)[0], 5
        )
    return found


def shared_texts(segments: Segments) -> Iterator[str]:
    """The shared texts, as many as there are, whatever the record claims."""
    segments.take(8)
    while segments.more():
        yield segments.rich_text(struct.unpack("<H", segments.take(2))[0])
