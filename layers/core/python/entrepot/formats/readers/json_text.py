"""A cursor through a JSON text of any size: values are decoded one by one, and the text between is never held.

The scanner of Python's own `json` does the work in C and by the letter of RFC 8259. A streaming parser would have to
be watched for nesting (prefixes grow with the square of the depth in some) and gives numbers back rounded or
rewritten; this one hands over the digits themselves.
"""

from __future__ import annotations

import codecs
import json
import re
import sys
from collections.abc import Callable, Generator, Iterator
from typing import IO, Any

from entrepot.errors import SourceError
from entrepot.formats.flatten import DECODER, NotFlatError, Number
from entrepot.formats.reading import Limits

BLOCK = 1 << 20
_MARGIN = 32
"""A fault this near to the end of what was read may come of the cut: `-Infinity` and a pair of escapes are longest."""
_DENSE_BYTES = 4 << 20
_DENSE_VALUES = 2_000_000
"""Values in one record; each takes about 100 bytes when decoded, however few it has in the text."""

_comma = re.compile(r"[ \t\n\r]*,[ \t\n\r]*").match
_space = re.compile(r"[ \t\n\r]*").match


Ahead = Callable[["Cursor"], Generator[Any, None, bool]]


class Cursor:
    """A place in a text.

    Args:
        file: Seekable; several cursors may share it.
        encoding: Of the text, one that needs no byte-order mark.
        start: Offset of the place in bytes.
        limits: What is accepted; a value may have as many bytes as a cell.
    """

    def __init__(self, file: IO[bytes], encoding: str, start: int, limits: Limits) -> None:
        self._file = file
        self._at = self._base = start
        self._marked = (0, start)
        self._encoding = encoding
        self._decoder = codecs.getincrementaldecoder(encoding)("strict")
        self._block = BLOCK
        self._limits = limits
        self._ended = False
        self.text = ""
        self.pos = 0
        """Behind the last value."""
        self.start = 0
        """Where the last value begins in ``text``."""
        self.loads = 0
        """How often ``text`` was read on."""
        self.row = 0
        """Which record is being read, for messages."""

    def offset(self, pos: int | None = None) -> int:
        """Where a place in ``text`` lies in the source, in bytes."""
        pos = self.pos if pos is None else pos
        marked, base = self._marked
        if pos < marked:
            marked, base = 0, self._base
        # Counted from where it was counted to before: members of an object are many in one block.
        self._marked = pos, base + len(self.text[marked:pos].encode(self._encoding))
        return self._marked[1]

    def peek(self) -> str:
        """The next character that is no white space; none at the end."""
        while True:
            white = _space(self.text, self.pos)
            assert white is not None
            self.pos = white.end()
            if self.pos < len(self.text):
                return self.text[self.pos]
            if not self._load():
                return ""

    def value(self, decoder: Any = DECODER) -> Any:
        """Decodes the next value.

        Raises:
            SourceError: It is not JSON, or passes a limit.
        """
        self.peek()
        while True:
            fault, at = "", 0
            try:
                value, end = decoder.scan_once(self.text, self.pos)
            except StopIteration as stop:
                fault, at = "a value is missing", int(stop.value)
            except json.JSONDecodeError as error:
                fault, at = error.msg, error.pos
            except NotFlatError as error:
                raise self.broken(str(error), self.pos) from None
            except RecursionError:
                raise self.too_deep() from None
            else:
                # A number may go on behind what was read.
                if self._ended or type(value) is not Number or end + _MARGIN < len(self.text):
                    self.start, self.pos = self.pos, end
                    return value
            cut = fault.startswith("Unterminated") or at + _MARGIN >= len(self.text)
            if fault and (self._ended or not cut):
                raise self.broken(fault, at)
            self._load()

    def elements(self, decoder: Any = DECODER, ahead: Ahead | None = None) -> Iterator[Any]:
        """The elements of the array that comes next; ``start`` and ``pos`` bound each in ``text``.

        Args:
            decoder: Of each.
            ahead: Is asked once for each part of the text that was read. It may give what stands for several elements
                and passes them.
        """
        self.take("[")
        if self.peek() == "]":
            self.pos += 1
            return
        scan, asked = decoder.scan_once, -1
        while True:
            if ahead is not None and asked != self.loads:
                asked = self.loads
                if (yield from ahead(self)):
                    if self.closed("]"):
                        return
                    self.peek()
                    continue
            # The usual case goes around the calls below; whatever is odd is left to them.
            try:
                value, end = scan(self.text, self.pos)
                whole = end + _MARGIN < len(self.text)
            except (StopIteration, ValueError, RecursionError):
                whole = False
            if whole:
                self.start, self.pos = self.pos, end
            else:
                value = self.value(decoder)
            yield value
            comma = _comma(self.text, self.pos)
            if comma and comma.end() < len(self.text):
                self.pos = comma.end()
            elif self.closed("]"):
                return
            else:
                self.peek()

    def members(self) -> Iterator[str]:
        """The names of the object that comes next; the caller takes each one's value before it asks for the next."""
        self.take("{")
        if self.peek() == "}":
            self.pos += 1
            return
        while True:
            if self.peek() != '"':
                raise self.broken("a name in quotes is missing")
            name: str = self.value()
            self.take(":")
            yield name
            if self.closed("}"):
                return

    def skip(self) -> None:
        """Passes the next value without holding it whole, if it is an array or an object."""
        mark = self.peek()
        if mark == "[":
            for _ in self.elements():
                pass
        elif mark == "{":
            for _ in self.members():
                self.value()
        else:
            self.value()

    def broken(self, fault: str, pos: int | None = None) -> SourceError:
        """The error of a text that is not JSON at a place."""
        pos = self.pos if pos is None else pos
        offset = self.offset(pos)
        where = f"at byte {offset + 1}" + (f", in record {self.row}" if self.row else "")
        if pos >= len(self.text) and self._ended:
            return SourceError(
                f"The JSON text ends too early, {where}.",
                hint="The file may have been cut short; send it again.",
                reason="truncated",
                row=self.row,
                offset=offset,
            )
        return SourceError(
            f"This is not JSON {where}: {fault}.",
            hint="Have the file written by a JSON library.",
            reason="json",
            row=self.row,
            offset=offset,
        )

    def too_deep(self) -> SourceError:
        """The error of a nesting that nobody's rows have."""
        return SourceError(
            f"Values are nested more than {self._limits.depth} deep, at byte {self.offset() + 1}.",
            hint="Send flatter records.",
            reason="depth",
            limit=self._limits.depth,
            row=self.row,
        )

    def take(self, mark: str) -> None:
        """Passes a mark that must come next.

        Raises:
            SourceError: It does not.
        """
        if self.peek() != mark:
            raise self.broken(f"{mark} is missing")
        self.pos += 1

    def closed(self, end: str) -> bool:
        """Passes the comma behind an element, or the end of what it is in; whether it was that.

        Raises:
            SourceError: It is neither.
        """
        mark = self.peek()
        if mark not in {",", end}:
            raise self.broken(f"a comma or {end} is missing")
        self.pos += 1
        return mark == end

    def _load(self) -> bool:
        """Reads on: as much again as the open value has by now, so that long values are not looked at too often."""
        if self._ended:
            return False
        self._bound()
        self.loads += 1
        kept = self.text[self.pos :]
        self._base = self.offset()
        self._marked = (0, self._base)
        self._file.seek(self._at)
        data = self._file.read(max(self._block, min(len(kept), self._limits.cell_bytes - len(kept))))
        self._at += len(data)
        self._ended = not data
        try:
            self.text = kept + self._decoder.decode(data, self._ended)
        except UnicodeDecodeError as error:
            # The decoder's error counts from what it had held back of the block before.
            at = self._at - len(data) + error.start
            raise SourceError(
                f"The file is not text in {self._encoding}, near byte {at + 1}.",
                hint="Save it as UTF-8 and send it again.",
                reason="encoding",
                encoding=self._encoding,
                offset=at,
            ) from None
        self.pos = 0
        return not self._ended or bool(self.text)

    def _bound(self) -> None:
        long = len(self.text) - self.pos
        # One character beyond Latin-1 doubles what all the others of a text take, or takes it fourfold.
        if long >= self._limits.cell_bytes or sys.getsizeof(self.text) > max(self._limits.cell_bytes, _DENSE_BYTES):
            raise SourceError(
                f"A value is longer than {self._limits.cell_bytes} bytes, at byte {self.offset() + 1}.",
                hint="Send it as records in one array, or name the array of records by its path.",
                reason="cell_bytes",
                limit=self._limits.cell_bytes,
                row=self.row,
            )
        if long > _DENSE_BYTES and sum(self.text.count(mark, self.pos) for mark in ",[{") > _DENSE_VALUES:
            raise SourceError(
                f"One record has more than {_DENSE_VALUES} values, at byte {self.offset() + 1}.",
                hint="Send it as records in one array, or name the array of records by its path.",
                reason="cell_bytes",
                limit=_DENSE_VALUES,
                row=self.row,
            )
