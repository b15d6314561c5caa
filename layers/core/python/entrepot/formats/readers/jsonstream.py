"""JSON values one at a time out of a stream of bytes, none larger or deeper than allowed."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import IO, Any

from entrepot.errors import SourceError
from entrepot.formats.reading import Limits

Event = tuple[str, Any]

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SEPARATOR = b"\x1e"
"""In front of each value of a JSON text sequence (RFC 7464); nowhere else in JSON."""


class Utf8:
    """A file's text in UTF-8, without its mark.

    Args:
        file: Seekable.
        encoding: Stated; else by the mark, else UTF-8.
    """

    def __init__(self, file: IO[bytes], encoding: str | None = None) -> None:
        file.seek(0)
        head = file.read(4)
        mark, found = next(((m, e) for m, e in _MARKS if head.startswith(m)), (b"", encoding or "utf-8"))
        file.seek(len(mark))
        self.encoding = found
        self._file = file
        self._decoder = None if codecs.lookup(found).name == "utf-8" else codecs.getincrementaldecoder(found)()

    def read(self, size: int = -1) -> bytes:
        """About so many bytes; empty at the end."""
        while True:
            data = self._file.read(size)
            if self._decoder is not None:
                text = self._decoder.decode(data, final=not data)
                if data and not text:
                    continue
                data = text.encode("utf-8", "surrogatepass")
            return data.replace(_SEPARATOR, b" ")


class Values:
    """The values of a JSON text, taken from its events.

    Args:
        file: Seekable.
        encoding: Stated, if it is.
        limits: ``depth``, and ``cell_bytes`` for one value taken whole.
        words: What the text is called in messages.
    """

    def __init__(self, file: IO[bytes], encoding: str | None, limits: Limits, words: str) -> None:
        import ijson

        self.depth = 0
        self._limits = limits
        self._words = words
        self._events: Iterator[Event] = ijson.basic_parse(Utf8(file, encoding), multiple_values=True)
        self._faults = (ijson.JSONError, ValueError, ArithmeticError, SystemError, LookupError)

    def next(self) -> Event | None:
        """The next event; None at the end.

        Raises:
            SourceError: It is not JSON, breaks off, or is nested too deeply.
        """
        try:
            event: Event | None = next(self._events, None)
        except self._faults as error:
            what = "breaks off" if "premature" in str(error) else "is not JSON throughout"
            raise self.broken(what, "truncated" if what == "breaks off" else "json") from None
        if event is not None:
            if event[0] in {"start_map", "start_array"}:
                self.depth += 1
                if self.depth > self._limits.depth:
                    raise self.broken(f"is nested more than {self._limits.depth} deep", "depth")
            elif event[0] in {"end_map", "end_array"}:
                self.depth -= 1
        return event

    def value(self, event: Event) -> Any:
        """The value that an event begins: numbers are ints and `Decimal`, a name in an object stands there once.

        Raises:
            SourceError: As for `next`; or it is too large, or has a name twice.
        """
        self._left = self._limits.cell_bytes
        return self._value(event)

    def _value(self, event: Event) -> Any:
        kind, value = event
        # About what it takes in memory beside its text.
        self._left -= 64 + (len(value) if isinstance(value, str) else 0)
        if self._left < 0:
            raise self.broken(f"has a value of more than {self._limits.cell_bytes} bytes", "cell_bytes")
        if kind == "start_array":
            return list(self._items())
        if kind != "start_map":
            return value
        found: dict[str, Any] = {}
        while (name := self._must())[0] != "end_map":
            if name[1] in found:
                raise self.broken("has an object with a name twice", "duplicate_key")
            found[name[1]] = self._value(self._must())
        return found

    def _items(self) -> Iterator[Any]:
        while (event := self._must())[0] != "end_array":
            yield self._value(event)

    def _must(self) -> Event:
        event = self.next()
        if event is None:
            raise self.broken("breaks off", "truncated")
        return event

    def broken(self, what: str, reason: str) -> SourceError:
        """The error of such a text."""
        return SourceError(f"{self._words} {what}.", hint="Export it again and send that.", reason=reason)
