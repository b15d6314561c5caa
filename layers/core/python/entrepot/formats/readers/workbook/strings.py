"""The shared texts of a workbook, held in bounded memory."""

from __future__ import annotations

import re
import tempfile
from array import array
from collections.abc import Iterable
from typing import IO

_HELD_BYTES = 48 << 20
"""Bytes of text that are held as Python strings; what is beyond goes to a file."""
_HELD_TEXTS = 400_000
_CACHED = 50_000
_ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4})_")


def unescape(text: str) -> str:
    """Resolves ``_x000D_`` and its like, by which workbooks write characters that XML lacks."""
    if "_x" not in text:
        return text
    return _ESCAPE.sub(lambda m: chr(int(m[1], 16)) if not 0xD800 <= int(m[1], 16) < 0xE000 else m[0], text)


class Texts:
    """Texts by number; the first of them in memory, the rest in a temporary file."""

    def __init__(self) -> None:
        self.held: list[str] = []
        self.empty = False
        """Whether any of them is empty."""
        self._bytes = 0
        self._file: IO[bytes] | None = None
        self._ends = array("Q")
        self._cache: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self.held) + len(self._ends)

    def extend(self, texts: Iterable[str]) -> None:
        """Adds texts at the end."""
        for text in texts:
            self.empty = self.empty or not text
            if self._file is None and self._bytes < _HELD_BYTES and len(self.held) < _HELD_TEXTS:
                self.held.append(text)
                self._bytes += len(text)
                continue
            if self._file is None:
                self._file = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the texts
            data = text.encode("utf-8", "surrogatepass")
            self._file.write(data)
            self._ends.append((self._ends[-1] if self._ends else 0) + len(data))

    def __getitem__(self, number: int) -> str:
        """The text of a number.

        Raises:
            IndexError: There is none.
        """
        if number < 0:
            raise IndexError(number)
        if number < len(self.held):
            return self.held[number]
        known = self._cache.get(number)
        if known is not None:
            return known
        place = number - len(self.held)
        end = self._ends[place]
        start = self._ends[place - 1] if place else 0
        if self._file is None:  # pragma: no cover - ends are only written with the file
            raise IndexError(number)
        self._file.seek(start)
        text = self._file.read(end - start).decode("utf-8", "surrogatepass")
        if len(self._cache) >= _CACHED:
            self._cache.clear()
        if len(text) < 1000:
            self._cache[number] = text
        return text
