r"""EDIFACT (ISO 9735): a row for each segment, and a table for each kind of segment.

The other plug-in that comes with Entrepot. Columns are named by place: ``e2.1`` is the first component of the second
element. Which place means what, a message's own directory says (``BGM`` of ``ORDERS``: ``e2.1`` is its number).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath
from typing import IO

from entrepot.errors import SourceError
from entrepot.formats.reading import BATCH_BYTES, BATCH_ROWS, Batch, Limits, ReadOptions, Table

_START = re.compile(rb"UN[AB]")
_UNB = re.compile(rb"UNB.UNO[A-Z].[1-9]")
_BLOCK = 1 << 20
_MOST_SEGMENT = 1 << 20
_MOST_SEEN = 1000
_TAG = re.compile(r"[A-Z][A-Z0-9]{1,2}")

_ENCODINGS = {
    "UNOA": "ascii",
    "UNOB": "ascii",
    "UNOC": "iso8859-1",
    "UNOD": "iso8859-2",
    "UNOE": "iso8859-5",
    "UNOF": "iso8859-7",
    "UNOG": "iso8859-3",
    "UNOH": "iso8859-4",
    "UNOI": "iso8859-6",
    "UNOJ": "iso8859-8",
    "UNOK": "iso8859-9",
    "UNOW": "utf-8",
    "UNOX": "iso2022_jp",
    "UNOY": "utf-8",
}
"""ISO 9735-1, annex A. What goes beyond the basic sets is read as Western, which many senders mean."""

Elements = list[list[str]]


class Edifact:
    """The plug-in."""

    format = "edifact"

    def recognise(self, head: bytes, name: str) -> float:
        """Sure of what begins with UNA or UNB as the standard has it."""
        _ = name
        start = head.lstrip(b" \t\r\n")
        if not _START.match(start):
            return 0.0
        if start.startswith(b"UNA"):
            return 1.0 if start[9:].lstrip(b"\r\n ").startswith((b"UNB", b"UNG", b"UNH")) else 0.0
        return 1.0 if _UNB.match(start) else 0.0

    def open(self, file: IO[bytes], name: str, options: ReadOptions) -> EdifactReader:
        """Opens a file; as `entrepot.formats.reading.Opener`."""
        return EdifactReader(file, name, options)


@dataclass(frozen=True)
class Separators:
    """The characters that part an interchange; by default those of level A."""

    component: bytes = b":"
    element: bytes = b"+"
    release: bytes = b"?"
    segment: bytes = b"'"

    @cached_property
    def texts(self) -> tuple[str, str, str]:
        """Those within a segment, as text."""
        return self.component.decode("latin-1"), self.element.decode("latin-1"), self.release.decode("latin-1")

    @staticmethod
    def of(head: bytes) -> tuple[Separators, int]:
        """Those that UNA states, and where the segments begin."""
        start = len(head) - len(head.lstrip(b" \t\r\n"))
        una = head[start : start + 9]
        if not una.startswith(b"UNA") or len(una) < 9:
            return Separators(), start
        found = Separators(una[3:4], una[4:5], una[6:7].strip(b" "), una[8:9])
        marks = [found.component, found.element, found.segment, *([found.release] if found.release else [])]
        if len(set(marks)) < len(marks):
            raise _broken("its UNA segment states one character for two purposes", 1)
        return found, start + 9


@dataclass(slots=True)
class _Place:
    """Where in the interchange the reading stands."""

    interchange: str = ""
    message: str = ""
    type: str = ""
    position: int = 0
    within: bool = False
    messages: int = 0
    ended: bool = False


@dataclass(slots=True)
class _Shape:
    """What the segments of one tag have: the most components of each element."""

    rows: int = 0
    widths: list[int] = field(default_factory=list)
    seen: set[tuple[int, ...]] = field(default_factory=set)

    def add(self, elements: Elements) -> None:
        self.rows += 1
        lengths = tuple(map(len, elements))
        if lengths in self.seen:
            return
        if len(self.seen) < _MOST_SEEN:
            self.seen.add(lengths)
        self.widths += [1] * (len(lengths) - len(self.widths))
        self.widths[: len(lengths)] = map(max, lengths, self.widths)

    def columns(self) -> list[str]:
        return [f"e{e}.{c + 1}" for e, width in enumerate(self.widths, 1) for c in range(width)]

    def starts(self) -> list[int]:
        """Where each element's columns begin, behind those that every row has."""
        return [len(_HEAD) + sum(self.widths[:e]) for e in range(len(self.widths))]


_HEAD = ("interchange", "message", "type", "position", "segment")


class EdifactReader:
    """The segments of one interchange, or of several in a row."""

    format = "edifact"

    def __init__(self, file: IO[bytes], name: str, options: ReadOptions) -> None:
        self._file = file
        self._name = PurePosixPath(name).stem
        self._options = options
        self._shapes: dict[str, _Shape] = {}
        self._tables: list[Table] = []
        self._fixed = options.encoding
        self._read_as = options.encoding or ""
        self.doubts: list[str] = []

    @property
    def encoding(self) -> str:
        """As `Reader.encoding`: by the syntax that UNB states."""
        if not self._read_as:
            next(iter(self._segments()), None)
        return self._read_as or "ascii"

    def tables(self) -> list[Table]:
        """``segments``, with all of them; then a table for each tag.

        Raises:
            SourceError: It is not EDIFACT, breaks off, or passes a limit.
        """
        if not self._tables:
            self._survey()
        return self._tables

    def batches(self, table: int) -> Iterator[Batch]:
        """The segments of a table, each with its number in the file.

        Raises:
            SourceError: As for `tables`.
        """
        found = self.tables()[table]
        tag = None if table == 0 else found.name
        starts = self._shapes[tag or ""].starts()
        blank = [""] * (len(found.schema) - len(_HEAD))
        rows: list[list[str]] = []
        numbers: list[int] = []
        size = 0
        for number, (place, name, elements) in enumerate(self._placed(), 1):
            if tag is not None and name != tag:
                continue
            row = [place.interchange, place.message, place.type, str(place.position), name, *blank]
            for at, element in zip(starts, elements, strict=False):
                row[at : at + len(element)] = element
                size += sum(map(len, element))
            rows.append(row)
            numbers.append(number)
            if len(rows) >= BATCH_ROWS or size >= BATCH_BYTES:
                yield _batch(found, rows, numbers)
                rows, numbers, size = [], [], 0
        if rows:
            yield _batch(found, rows, numbers)

    def _survey(self) -> None:
        import pyarrow as pa

        shapes: dict[str, _Shape] = {"": _Shape()}
        for _, name, elements in self._placed(note=True):
            shapes[""].add(elements)
            shapes.setdefault(name, _Shape()).add(elements)
            if len(shapes) > self._options.limits.tables:
                raise SourceError(
                    "The interchange has too many kinds of segments.",
                    hint="Split it into interchanges of one kind of message.",
                    reason="tables",
                )
        for name, shape in shapes.items():
            columns = [*_HEAD, *shape.columns()]
            if len(columns) > self._options.limits.columns:
                raise SourceError(
                    "A segment of the interchange has too many elements.",
                    hint="Check its separators.",
                    reason="columns",
                )
            self._tables.append(
                Table(
                    name=name or "segments",
                    schema=pa.schema([pa.field(c, pa.string()) for c in columns]),
                    header=columns,
                    rows=shape.rows,
                    weight=float(len(columns) * (shape.rows + 1)),
                )
            )
        self._shapes = shapes

    def _placed(self, *, note: bool = False) -> Iterator[tuple[_Place, str, Elements]]:
        place = _Place()
        number = 0
        for number, elements in enumerate(self._segments(), 1):
            name = elements[0][0] if elements[0] else ""
            if not _TAG.fullmatch(name):
                raise _broken("a segment there has no tag of three letters", number)
            doubt = _step(place, name, elements, number)
            if doubt and note and len(self.doubts) < 50:
                self.doubts.append(doubt)
            yield place, name, elements[1:]
        if not number or not place.ended:
            raise _broken("it breaks off: its last segment (UNZ) is missing", number, reason="truncated")

    def _segments(self) -> Iterator[Elements]:
        self._file.seek(0)
        head = self._file.read(64)
        separators, start = Separators.of(head)
        self._file.seek(start)
        for number, raw in enumerate(_raw_segments(self._file, separators, self._options.limits), 1):
            if raw.startswith(b"UNB") and not self._fixed:
                self._read_as = _encoding(raw, separators)
            try:
                yield _split(raw, separators, self._read_as or "ascii")
            except UnicodeDecodeError:
                if self._fixed or self._read_as != "ascii":
                    raise _broken(f"a segment there is not text in {self._read_as or 'ascii'}", number) from None
                self._read_as = _beyond_ascii(raw)
                yield _split(raw, separators, self._read_as)


def _raw_segments(file: IO[bytes], separators: Separators, limits: Limits) -> Iterator[bytes]:
    """Segments without their ends; a separator behind a release character is text."""
    most = min(_MOST_SEGMENT, limits.cell_bytes)
    held, number = b"", 0
    while block := file.read(_BLOCK):
        *whole, held = _cut(held + block, separators)
        number += len(whole)
        for segment in whole:
            yield segment.lstrip(b"\r\n \t")
        if len(held) > most + _BLOCK:
            raise _broken(f"a segment there has more than {most} bytes", number + 1, reason="cell_bytes")
    if held.strip(b"\r\n \t\x1a\0"):
        raise _broken("it breaks off within a segment", number + 1, reason="truncated")


def _cut(data: bytes, separators: Separators) -> list[bytes]:
    """The segments in it; the last one is not at its end yet."""
    parts = data.split(separators.segment)
    release = separators.release
    if not release or release not in data:
        return parts
    found: list[bytes] = []
    opened: list[bytes] = []
    for part in parts:
        opened.append(part)
        if (len(part) - len(part.rstrip(release))) % 2 == 0:
            found.append(separators.segment.join(opened))
            opened = []
    # What is still open may go on in the next block; so may the release character itself.
    return [*found, separators.segment.join(opened)] if opened else found


def _split(raw: bytes, separators: Separators, encoding: str) -> Elements:
    text = raw.decode(encoding)
    if "\n" in text or "\r" in text:
        text = text.replace("\r", "").replace("\n", "")
    component, element, release = separators.texts
    if not release or release not in text:
        return [part.split(component) for part in text.split(element)]
    elements: Elements = [[""]]
    at = 0
    while at < len(text):
        char = text[at]
        if char == release:
            elements[-1][-1] += text[at + 1 : at + 2]
            at += 2
            continue
        if char == element:
            elements.append([""])
        elif char == component:
            elements[-1].append("")
        else:
            elements[-1][-1] += char
        at += 1
    return elements


def _encoding(raw: bytes, separators: Separators) -> str:
    parts = raw.split(separators.element)
    syntax = parts[1].split(separators.component)[0].decode("ascii", "replace") if len(parts) > 1 else ""
    return _ENCODINGS.get(syntax, "ascii")


def _beyond_ascii(raw: bytes) -> str:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return "iso8859-1"
    return "utf-8"


def _cell(elements: Elements, element: int, component: int = 0) -> str:
    return elements[element][component] if element < len(elements) and component < len(elements[element]) else ""


def _step(place: _Place, name: str, elements: Elements, number: int) -> str:
    """Moves on by a segment. Returns a doubt where a count is not that of the segments or messages."""
    place.position += 1
    if name == "UNB":
        if place.within or (number > 1 and not place.ended):
            raise _broken("an interchange begins within another", number)
        place.interchange, place.ended, place.messages = _cell(elements, 5), False, 0
        place.message = place.type = ""
        place.position = 0
    elif name == "UNH":
        place.message, place.type, place.position, place.within = _cell(elements, 1), _cell(elements, 2), 1, True
        place.messages += 1
        place.ended = False
    elif name == "UNT":
        place.within = False
        told = _cell(elements, 1)
        if told.isdecimal() and int(told[:9]) != place.position:
            return f"Message {place.message[:40]!r} states {told[:9]} segments and has {place.position}."
    elif name == "UNZ":
        place.message = place.type = ""
        place.position, place.ended = 0, not place.within
        told = _cell(elements, 1)
        if told.isdecimal() and int(told[:9]) != place.messages:
            return f"The interchange states {told[:9]} messages and has {place.messages}."
    elif number == 1 and name not in {"UNG", "UNH"}:
        raise _broken("it begins with neither UNB nor UNH", number)
    return ""


def _batch(table: Table, rows: list[list[str]], numbers: list[int]) -> Batch:
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
    cells = [pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text) for text in texts]
    gaps = numbers[-1] - numbers[0] + 1 != len(numbers)
    return Batch(pa.record_batch(cells, schema=table.schema), numbers[0], rows=numbers if gaps else None)


def _broken(what: str, number: int, reason: str = "edifact") -> SourceError:
    return SourceError(
        f"The EDIFACT interchange cannot be read at segment {number}: {what}.",
        hint="Export it again and send that.",
        reason=reason,
        segment=number,
    )
