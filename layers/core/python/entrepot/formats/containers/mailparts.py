"""The parts of an e-mail message: where each lies in the file, found line by line.

Sources: RFC 5322, RFC 2045, RFC 2046; names of attachments by RFC 2231, RFC 2183 and, as many programs write them,
RFC 2047. Nothing but headers is held in memory.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.errors import MessageError
from email.message import Message
from email.parser import BytesHeaderParser
from email.policy import compat32, default
from typing import IO

from entrepot.errors import SourceError

_LINE = 64 << 10
_MOST_HEADER = 1 << 20
_MOST_FIELD = 8 << 10
_WANTED = (b"content-type:", b"content-disposition:", b"content-transfer-encoding:", b"subject:")
_DEEP = 20
_BARE_PATH = re.compile(r"\b(?:file)?name=([A-Za-z]:\\[^\";]*)", re.IGNORECASE)
"""A path of Windows without the quotes that it needs."""
_FAULTS = (MessageError, ValueError, LookupError, AttributeError, TypeError, RecursionError)
"""What the standard library's parser of headers is known to raise on bad ones."""


@dataclass(slots=True)
class Part:
    """One part that holds no further parts.

    Attributes:
        kind: Its media type, in lower case.
        name: The attachment's name; empty without one.
        attached: Whether it says that it is an attachment.
        coding: The transfer encoding, in lower case.
        start: Where its body begins.
        end: Behind its body.
        whole: Whether the message goes on behind it as it should.
    """

    kind: str
    name: str
    attached: bool
    coding: str
    start: int
    end: int = 0
    whole: bool = True


@dataclass(slots=True)
class _Boundary:
    mark: bytes
    depth: int


class _Lines:
    """Lines of a file with their offsets; overlong ones come in pieces."""

    def __init__(self, file: IO[bytes]) -> None:
        file.seek(0)
        self._file = file
        self.offset = 0
        self._at_start = True
        self.starts = True

    def next(self) -> bytes:
        """The next line or piece of one; empty at the end. ``starts`` says whether a line begins with it."""
        line = self._file.readline(_LINE)
        self.offset += len(line)
        self.starts, self._at_start = self._at_start, line.endswith(b"\n")
        return line


class _Reading:
    def __init__(self, file: IO[bytes], most: int) -> None:
        self.lines = _Lines(file)
        self.parts: list[Part] = []
        self.most = most

    def part(self, boundaries: list[_Boundary]) -> tuple[int, bool] | None:
        """Reads one part. Returns the depth of the boundary that ended it and whether that closes; None at the end."""
        message = _headers(self.lines)
        kind = _kind(message)
        boundary = _boundary(message) if kind.startswith("multipart/") else None
        if boundary is None or len(boundaries) >= _DEEP:
            found = Part(kind, _file_name(message), _attached(message), _coding(message), self.lines.offset)
            self.parts.append(found)
            if len(self.parts) > self.most:
                raise SourceError(f"The message has more than {self.most} parts.", reason="tables", limit=self.most)
            return self._body(found, boundaries)
        own = _Boundary(b"--" + boundary, len(boundaries))
        inner = [*boundaries, own]
        ended = self._body(None, inner)
        while ended == (own.depth, False):
            ended = self.part(inner)
        if ended == (own.depth, True):
            return self._body(None, boundaries)
        if self.parts:
            self.parts[-1].whole = False
        return ended

    def _body(self, part: Part | None, boundaries: list[_Boundary]) -> tuple[int, bool] | None:
        ending = b""
        while line := self.lines.next():
            if self.lines.starts and line.startswith(b"--") and boundaries:
                bare = line.rstrip()
                for boundary in reversed(boundaries):
                    if bare in {boundary.mark, boundary.mark + b"--"}:
                        if part is not None:
                            part.end = max(part.start, self.lines.offset - len(line) - len(ending))
                        return boundary.depth, bare != boundary.mark
            ending = b"\r\n" if line.endswith(b"\r\n") else line[-1:] if line.endswith(b"\n") else b""
        if part is not None:
            part.end = self.lines.offset
            part.whole = not boundaries
        return None


def read_parts(file: IO[bytes], most: int) -> tuple[str, list[Part]]:
    """The message's subject and its parts.

    Args:
        file: The message.
        most: How many parts it may have.

    Raises:
        SourceError: Its headers are too long, or it has too many parts.
    """
    file.seek(0)
    subject = str(_read_header(_headers(_Lines(file)), "subject") or "")
    reading = _Reading(file, most)
    reading.part([])
    return subject, reading.parts


def _headers(lines: _Lines) -> Message:
    """The headers that say what a part is."""
    taken, field_, size = bytearray(), bytearray(), 0
    while True:
        line = lines.next()
        size += len(line)
        if size > _MOST_HEADER:
            raise SourceError(f"The message has headers of more than {_MOST_HEADER} bytes.", reason="header")
        if line[:1] in {b" ", b"\t"} and line.strip():
            field_ += line
            continue
        if bytes(field_[:40]).lower().startswith(_WANTED) and len(field_) <= _MOST_FIELD:
            taken += field_
        field_ = bytearray(line)
        if not line.strip():
            break
    try:
        return BytesHeaderParser(policy=default).parsebytes(bytes(taken))
    except _FAULTS:
        return Message()


def _read_header(message: Message, name: str) -> object:
    """A header's value; by the older rules where the newer ones fail on it."""
    try:
        return message[name]
    except _FAULTS:
        raw = dict(message.raw_items()).get(name.title(), "")
        return str(raw)


def _kind(message: Message) -> str:
    try:
        return message.get_content_type()
    except _FAULTS:
        return "application/octet-stream"


def _old(message: Message) -> Message:
    """The same headers by the older, more lenient rules."""
    other = Message(policy=compat32)
    for name, value in message.raw_items():
        other[name] = str(value)
    return other


def _boundary(message: Message) -> bytes | None:
    for reading in (message, _old(message)):
        try:
            found = reading.get_boundary()
        except _FAULTS:
            continue
        if found:
            return found.rstrip().encode("utf-8", "surrogateescape")
    return None


def _file_name(message: Message) -> str:
    """The last component of the stated name: some programs send whole paths."""
    raw = " ".join(str(value) for _, value in message.raw_items())
    bare = _BARE_PATH.search(raw)
    for reading in (message, _old(message)):
        try:
            found = bare[1] if bare else reading.get_filename()
        except _FAULTS:
            continue
        if found:
            last = re.split(r"[\\/]", str(found))[-1]
            return "".join(c for c in last.encode("utf-8", "replace").decode() if c.isprintable()).strip(". ")[:255]
    return ""


def _attached(message: Message) -> bool:
    try:
        return message.get_content_disposition() == "attachment"
    except _FAULTS:
        return False


def _coding(message: Message) -> str:
    return str(_read_header(message, "content-transfer-encoding") or "7bit").strip().lower()
