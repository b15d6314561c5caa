"""BIFF records, and texts that go on over several of them ([MS-XLS] 2.1.4, 2.5.293)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from io import BufferedReader

from entrepot.formats.readers.workbook.package import broken

CONTINUE = 0x3C
EOF = 0x0A
BOFS = {0x0009: 2, 0x0209: 3, 0x0409: 4, 0x0809: 5}
"""Records that begin a part of the stream, and the version each tells of; 0x0809 says more inside."""
_HEAD = struct.Struct("<HH")

CODE_PAGES = {
    10000: "mac-roman",
    10001: "shift_jis",
    10006: "mac-greek",
    10007: "mac-cyrillic",
    10029: "mac-latin2",
    10081: "mac-turkish",
    32768: "mac-roman",
    32769: "cp1252",
    1200: "utf-16-le",
    65001: "utf-8",
    21010: "utf-16-le",
    367: "ascii",
}


def codec_of(page: int) -> str:
    """Python's name of a code page; Windows Latin where it is not known."""
    import codecs

    name = CODE_PAGES.get(page, f"cp{page}")
    try:
        codecs.lookup(name)
    except LookupError:
        return "cp1252"
    return name


class Records:
    """The records of a stream from a place on. One may be put back."""

    def __init__(self, stream: BufferedReader, start: int = 0) -> None:
        self._stream = stream
        stream.seek(start)
        self._held: tuple[int, bytes] | None = None

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        return self

    def __next__(self) -> tuple[int, bytes]:
        if self._held is not None:
            held, self._held = self._held, None
            return held
        head = self._stream.read(4)
        if len(head) < 4:
            raise StopIteration
        kind, size = _HEAD.unpack(head)
        data = self._stream.read(size) if size else b""
        if len(data) < size:
            raise broken("it breaks off in the middle of a record")
        return kind, data

    def put_back(self, record: tuple[int, bytes]) -> None:
        """Gives a record out once more."""
        self._held = record

    def continued(self, data: bytes) -> Segments:
        """A record together with those that continue it."""
        return Segments(self, data)


class Segments:
    """The bytes of a record and of those that continue it, read from the front."""

    def __init__(self, records: Records, data: bytes) -> None:
        self._records = records
        self._data = data
        self._at = 0

    def _following(self) -> bool:
        for record in self._records:
            if record[0] == CONTINUE:
                self._data, self._at = record[1], 0
                return True
            self._records.put_back(record)
            break
        return False

    def more(self) -> bool:
        """Whether a byte is left; goes on to the next record where one ended."""
        while self._at >= len(self._data):
            if not self._following():
                return False
        return True

    def take(self, size: int) -> bytes:
        """So many bytes, over the ends of records.

        Raises:
            SourceError: There are fewer.
        """
        found = self._data[self._at : self._at + size]
        self._at += len(found)
        if len(found) == size:
            return found
        out = bytearray(found)
        while len(out) < size:
            if not self.more():
                raise broken("a text of it breaks off")
            piece = self._data[self._at : self._at + size - len(out)]
            self._at += len(piece)
            out += piece
        return bytes(out)

    def characters(self, count: int, *, wide: bool) -> str:
        """So many characters; a record that goes on in the midst of them says again how wide they are."""
        pieces: list[str] = []
        while count:
            size = 2 if wide else 1
            there = min(count, (len(self._data) - self._at) // size)
            block = self._data[self._at : self._at + there * size]
            self._at += there * size
            pieces.append(block.decode("utf-16-le" if wide else "latin-1", "replace"))
            count -= there
            if count:
                if not self._following() or not self._data:
                    raise broken("a text of it breaks off")
                wide = bool(self._data[0] & 1)
                self._at = 1
        return "".join(pieces)

    def rich_text(self, count: int) -> str:
        """A text with its flags, its runs and phonetic helps behind it (XLUnicodeRichExtendedString)."""
        flags = self.take(1)[0]
        runs = struct.unpack("<H", self.take(2))[0] if flags & 8 else 0
        helps = struct.unpack("<I", self.take(4))[0] if flags & 4 else 0
        text = self.characters(count, wide=bool(flags & 1))
        self.skip(4 * runs + helps)
        return text

    def skip(self, size: int) -> None:
        """Passes over bytes; stops at the end."""
        while size and self.more():
            step = min(size, len(self._data) - self._at)
            self._at += step
            size -= step
