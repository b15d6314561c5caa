"""Compound files (OLE2), in which XLS and encrypted workbooks lie: just enough to read a stream ([MS-CFB])."""

from __future__ import annotations

import io
import struct
from array import array
from typing import IO, NamedTuple

from entrepot.formats.readers.workbook.package import broken

MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_END = 0xFFFFFFFA
"""Sector numbers from here on are marks, not sectors."""
_MINI_BYTES = 64
_MAX_ENTRIES = 100_000


class Entry(NamedTuple):
    """A stream or storage of the directory."""

    name: str
    kind: int
    left: int
    right: int
    child: int
    start: int
    size: int


class CompoundFile:
    """An open compound file.

    Args:
        file: Seekable; stays the caller's.

    Raises:
        SourceError: It is damaged.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._file_bytes = file.seek(0, io.SEEK_END)
        file.seek(0)
        head = file.read(512)
        if len(head) < 512 or not head.startswith(MAGIC):
            raise broken("its compound file has no whole header")
        shift, mini_shift = struct.unpack_from("<HH", head, 30)
        if shift not in {9, 12} or mini_shift != 6:
            raise broken("its compound file has sectors of an unknown size")
        self._sector = 1 << shift
        self._sectors = self._file_bytes // self._sector + 1
        first_directory, self._cutoff = struct.unpack_from("<I4xI", head, 48)
        mini_start, _, more_start, _ = struct.unpack_from("<4I", head, 60)
        self._fat = self._read_fat(list(struct.unpack_from("<109I", head, 76)), more_start)
        self._entries = self._read_directory(first_directory)
        self._mini_fat = array("I")
        if mini_start < _END:
            self._mini_fat = _numbers(self._chain_bytes(mini_start, self._file_bytes))
        self._mini: bytes | None = None

    def _read_fat(self, sectors: list[int], more: int) -> array[int]:
        fat = array("I")
        seen = 0
        while True:
            for sector in sectors:
                if sector < _END and sector < self._sectors:
                    fat.extend(_numbers(self._read_sector(sector)))
            if more >= _END or more >= self._sectors or seen > self._sectors:
                return fat
            seen += 1
            block = _numbers(self._read_sector(more))
            sectors, more = list(block[:-1]), block[-1] if len(block) else _END

    def _read_sector(self, number: int) -> bytes:
        self._file.seek((number + 1) * self._sector)
        return self._file.read(self._sector)

    def _chain(self, start: int) -> list[int]:
        found: list[int] = []
        sector = start
        while sector < _END:
            if sector >= len(self._fat) or len(found) > self._sectors:
                raise broken("a chain of its compound file leads nowhere")
            found.append(sector)
            sector = self._fat[sector]
        return found

    def _chain_bytes(self, start: int, most: int) -> bytes:
        stream = _Sectors(self._file, [(s + 1) * self._sector for s in self._chain(start)], self._sector, most)
        return io.BufferedReader(stream).read()

    def _read_directory(self, start: int) -> list[Entry]:
        data = self._chain_bytes(start, _MAX_ENTRIES * 128)
        entries: list[Entry] = []
        for at in range(0, len(data) - 127, 128):
            size = struct.unpack_from("<H", data, at + 64)[0]
            name = data[at : at + max(0, min(size, 64) - 2)].decode("utf-16-le", "replace")
            left, right, child = struct.unpack_from("<3I", data, at + 68)
            first, length = struct.unpack_from("<II", data, at + 116)
            entries.append(Entry(name, data[at + 66], left, right, child, first, length))
        if not entries:
            raise broken("its compound file has no directory")
        return entries

    def streams(self) -> dict[str, Entry]:
        """The streams right below the root, by their names in lower case."""
        found: dict[str, Entry] = {}
        queue, seen = [self._entries[0].child], set[int]()
        while queue:
            number = queue.pop()
            if number in seen or number >= len(self._entries):
                continue
            seen.add(number)
            entry = self._entries[number]
            if entry.kind == 2:
                found.setdefault(entry.name.lower(), entry)
            queue += [entry.left, entry.right]
        if not found:  # a root that lost its children
            found = {e.name.lower(): e for e in reversed(self._entries) if e.kind == 2}
        return found

    def open(self, entry: Entry) -> io.BufferedReader:
        """A stream.

        Raises:
            SourceError: Its chain is damaged.
        """
        size = min(entry.size, self._file_bytes)
        if entry.size < self._cutoff and self._entries[0].start < _END:
            return io.BufferedReader(io.BytesIO(self._mini_stream(entry.start, size)))
        places = [(s + 1) * self._sector for s in self._chain(entry.start)]
        return io.BufferedReader(_Sectors(self._file, places, self._sector, size), 1 << 20)

    def _mini_stream(self, start: int, size: int) -> bytes:
        if self._mini is None:
            self._mini = self._chain_bytes(self._entries[0].start, self._entries[0].size or self._file_bytes)
        out = bytearray()
        sector, count = start, 0
        while sector < _END and len(out) < size:
            if sector >= len(self._mini_fat) or count > len(self._mini_fat):
                raise broken("a chain of its compound file leads nowhere")
            out += self._mini[sector * _MINI_BYTES : (sector + 1) * _MINI_BYTES]
            sector, count = self._mini_fat[sector], count + 1
        return bytes(out[:size])


def _numbers(data: bytes) -> array[int]:
    found = array("I")
    found.frombytes(data[: len(data) // 4 * 4])
    return found


class _Sectors(io.RawIOBase):
    """A chain of sectors as one file."""

    def __init__(self, file: IO[bytes], places: list[int], sector: int, size: int) -> None:
        self._file = file
        self._places = places
        self._sector = sector
        self._size = min(size, len(places) * sector)
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fills the buffer with what lies together in the file."""
        number, inside = divmod(self._at, self._sector)
        wanted = min(len(buffer), self._size - self._at)
        if wanted <= 0:
            return 0
        run = number + 1
        room = self._sector - inside
        while room < wanted and run < len(self._places) and self._places[run] == self._places[run - 1] + self._sector:
            run += 1
            room += self._sector
        self._file.seek(self._places[number] + inside)
        block = self._file.read(min(wanted, room))
        buffer[: len(block)] = block
        self._at += len(block)
        return len(block)
