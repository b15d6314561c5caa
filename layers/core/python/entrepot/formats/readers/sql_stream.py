"""A script's bytes in a window that moves on: what a statement needs is there, and nothing more."""

from __future__ import annotations

import re
from typing import IO

from entrepot.errors import SourceError

_BLOCK = 1 << 20


class Window:
    """Bytes of a script around the place that is read.

    Args:
        file: Seekable.
        start: Offset of the first byte to read.
        most: Bytes that one token or row may have.

    Attributes:
        data: What is at hand.
        pos: The place in ``data``.
        ended: Nothing comes after ``data``.
    """

    def __init__(self, file: IO[bytes], start: int, most: int) -> None:
        self._file = file
        self._base = start
        self._most = most
        self.data = b""
        self.pos = 0
        self.ended = False

    @property
    def offset(self) -> int:
        """The place in the file."""
        return self._base + self.pos

    def seek(self, offset: int) -> None:
        """Goes to a place in the file; what is at hand of it is not read again."""
        if self._base <= offset <= self._base + len(self.data):
            self.pos = offset - self._base
        else:
            self._base, self.pos, self.data, self.ended = offset, 0, b"", False

    def more(self) -> bool:
        """Reads on, and forgets what lies before ``pos``; whether there was anything.

        Raises:
            SourceError: A token or row is longer than allowed.
        """
        if self.ended:
            return False
        rest = self.data[self.pos :]
        if len(rest) > self._most:
            raise SourceError(
                f"At byte {self.offset:,} begins a value or statement of more than {self._most:,} bytes.",
                hint="A quote may be missing; else dump with smaller statements.",
                reason="cell_bytes",
                offset=self.offset,
            )
        self._base += self.pos
        self.pos = 0
        self._file.seek(self._base + len(rest))
        block = self._file.read(max(_BLOCK, len(rest)))
        self.ended = not block
        self.data = rest + block
        return bool(block)

    def ensure(self, count: int) -> None:
        """Has ``count`` bytes at hand after ``pos``, or all that are left."""
        while len(self.data) - self.pos < count and self.more():
            pass

    def skip(self, blanks: re.Pattern[bytes]) -> None:
        """Passes blanks and comments, over the window's end too.

        Args:
            blanks: Matches as many as there are.
        """
        while True:
            match = blanks.match(self.data, self.pos)
            end = match.end() if match else self.pos
            # A comment that does not end here, or a first half of what opens one, may be blank with more bytes.
            open_end = end > len(self.data) - 4 or self.data.startswith((b"/*", b"--", b"#"), end)
            if not open_end or not self.more():
                self.pos = end
                return

    def pass_body(self, body: re.Pattern[bytes]) -> bool:
        """Passes a statement up to what ends it; False when a string or comment in it never ends.

        Args:
            body: Matches some tokens, and stops before what ends a statement.
        """
        while True:
            match = body.match(self.data, self.pos)
            end = match.end() if match else self.pos
            if end > len(self.data) - 16 and self.more():
                continue  # the last token may be longer than it seems
            if end == self.pos:
                if self.pos >= len(self.data) or self.data[self.pos : self.pos + 1] in {b";", b"\n"}:
                    return True
                if not self.more():
                    return False
                continue
            self.pos = end
            if self.data[end : end + 1] == b";":
                return True

    def peek(self, pattern: re.Pattern[bytes], count: int) -> re.Match[bytes] | None:
        """What a pattern matches here, ``count`` bytes being at hand."""
        self.ensure(count)
        return pattern.match(self.data, self.pos)
