"""The lines of a text, one after the other, for formats in which a line is a row."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from entrepot.detect.encoding import find_encoding, stated_encoding
from entrepot.errors import SourceError
from entrepot.formats.reading import ReadOptions

_SAMPLE_BYTES = 256 << 10
_LOST = "\udcff"
"""What `entrepot.formats.encoding` puts for bytes that are not text."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its end.

    Attributes:
        number: Counting from 1.
        text: What it says.
        readable: Whether all of it is text.
    """

    number: int
    text: str
    readable: bool


class TextLines:
    """A text of lines.

    Args:
        file: Seekable; stays the caller's.
        options: May state the encoding.

    Raises:
        SourceError: The file is empty, or its encoding is not known.
    """

    def __init__(self, file: IO[bytes], options: ReadOptions) -> None:
        self._file = file
        self._most = options.limits.cell_bytes
        size = file.seek(0, io.SEEK_END)
        if not size:
            raise SourceError("The file is empty.", hint="Send it again with its content.", reason="empty")
        head = self._read(0, min(size, _SAMPLE_BYTES))
        self.doubts: list[str] = []
        if options.encoding:
            self.encoding, self._mark = stated_encoding(options.encoding, head)
        else:
            self.encoding, self._mark, self.doubts = find_encoding(head, self._read, size)
        self.whole = size <= len(head)
        self.sample = head[self._mark :].decode(self.encoding.removesuffix("-sig"), "replace")

    def _read(self, start: int, end: int) -> bytes:
        self._file.seek(start)
        return self._file.read(end - start)

    def lines(self) -> Iterator[Line]:
        """All lines, from the first on.

        Raises:
            SourceError: One is longer than a cell may be.
        """
        self._file.seek(self._mark)
        raw = io.BufferedReader(_Kept(self._file), 1 << 20)
        text = io.TextIOWrapper(raw, self.encoding.removesuffix("-sig"), errors="entrepot.mark", newline="")
        number = 0
        while line := text.readline(self._most + 1):
            number += 1
            if len(line) > self._most:
                raise SourceError(
                    f"Line {number} is longer than {self._most} characters.",
                    hint="Check the line ends of the file.",
                    reason="record_too_long",
                    row=number,
                )
            yield Line(number, line.rstrip("\r\n"), _LOST not in line)


class _Kept(io.RawIOBase):
    """A file that is not closed with what reads it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
