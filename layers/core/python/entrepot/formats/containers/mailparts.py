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
from entrepot.formats.containers.budget import too_many

_LINE = 64 << 10
_BLOCK = 1 << 20
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
        self._held = b""
        self._at = self._base = 0
        self._starts = True

    @property
    def offset(self) -> int:
        """Where the next line begins."""
        return self._base + self._at

    def next(self) -> bytes:
        """The next line, or piece of one; empty at the end."""
        while True:
            end = self._held.find(b"\n", self._at) + 1
            if not end and len(self._held) - self._at < _LINE and self._more(self._at):
                continue
            end = end or len(self._held)
            line = self._held[self._at : end]
            self._at = end
            self._starts = line.endswith(b"\n")
            return line

    def back(self, line: bytes) -> None:
        """Takes back the line that came last; what begins there is a line."""
        self._at -= len(line)
        self._starts = True

    def next_marked(self) -> tuple[int, bytes]:
        """The next line that begins with two dashes, and how long the line end in front of it is; empty at the end."""
        while self._starts and len(self._held) - self._at < 2 and self._more(self._at):
            pass
        if self._starts and self._held.startswith(b"--", self._at):
            return 0, self.next()
        while True:
            found = self._held.find(b"\n--", self._at)
            if found >= 0:
                before = 2 if self._held[max(found - 1, 0) : found] == b"\r" else 1
                self._at = found + 1
                return before, self.next()
            # A line end and a dash may be the last bytes here; what stands in front of them has been looked at.
            self._at = max(self._at, len(self._held) - 3)
            if not self._more(self._at):
                self._at = len(self._held)
                return 0, b""

    def size(self) -> int:
        """Bytes of the whole file; nothing is read behind them."""
        return self._file.seek(0, 2)

    def _more(self, keep: int) -> bool:
        data = self._file.read(_BLOCK)
        self._held = self._held[keep:] + data
        self._base += keep
        self._at -= keep
        return bool(data)


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
                raise too_many(self.most)
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
        while boundaries:
            before, line = self.lines.next_marked()
            if not line:
                break
            bare = line.rstrip()
            for boundary in reversed(boundaries):
                if bare in {boundary.mark, boundary.mark + b"--"}:
                    if part is not None:
                        part.end = max(part.start, self.lines.offset - len(line) - before)
                    return boundary.depth, bare != boundary.mark
        if part is not None:
            part.end = self.lines.size()
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
            raise SourceError(
                f"The message has headers of more than {_MOST_HEADER} bytes.",
                hint="Save the attachments and send those.",
                reason="header",
            )
        if line[:1] in {b" ", b"\t"} and line.strip():
            field_ += line
            continue
        if bytes(field_[:40]).lower().startswith(_WANTED) and len(field_) <= _MOST_FIELD:
            taken += field_
        field_ = bytearray(line)
        if not line.strip():
            break
        if b":" not in line:
            # The blank line in front of the body is missing, or there is no body at all.
            lines.back(line)
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
