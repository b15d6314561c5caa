r"""EDIFACT (ISO 9735): a row for each segment, and a table for each kind of segment.

The other plug-in that comes with Entrepot. Columns are named by place: ``e2.1`` is the first component of the second
element. Which place means what, a message's own directory says (``BGM`` of ``ORDERS``: ``e2.1`` is its number).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import IO

from entrepot.errors import SourceError
from entrepot.formats.reading import BATCH_BYTES, BATCH_ROWS, Batch, Limits, ReadOptions, Table

_START = re.compile(rb"UN[AB]")
_UNB = re.compile(rb"UNB.UNO[A-Z].[1-9]")
_BLOCK = 1 << 20
_MOST_SEGMENT = 1 << 20

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


@dataclass(frozen=True, slots=True)
class Separators:
    """The characters that part an interchange; by default those of level A."""

    component: bytes = b":"
    element: bytes = b"+"
    release: bytes = b"?"
    segment: bytes = b"'"

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

    def add(self, elements: Elements) -> None:
        self.rows += 1
        self.widths += [1] * (len(elements) - len(self.widths))
        for n, element in enumerate(elements):
            self.widths[n] = max(self.widths[n], len(element))

    def columns(self) -> list[tuple[int, int]]:
        return [(e, c) for e, width in enumerate(self.widths) for c in range(width)]


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
        columns = self._shapes[tag or ""].columns()
        rows: list[list[str | None]] = []
        numbers: list[int] = []
        size = 0
        for number, (place, name, elements) in enumerate(self._placed(), 1):
            if tag is not None and name != tag:
                continue
            cells = [elements[e][c] or None if e < len(elements) and c < len(elements[e]) else None for e, c in columns]
            rows.append([*_head(place, name), *cells])
            numbers.append(number)
            size += sum(len(cell) for cell in cells if cell)
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
                raise SourceError("The interchange has too many kinds of segments.", reason="tables")
        for name, shape in shapes.items():
            columns = [*_HEAD, *(f"e{e + 1}.{c + 1}" for e, c in shape.columns())]
            if len(columns) > self._options.limits.columns:
                raise SourceError("A segment of the interchange has too many elements.", reason="columns")
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
            if not re.fullmatch(r"[A-Z][A-Z0-9]{1,2}", name):
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
    held, number = b"", 0
    most = min(_MOST_SEGMENT, limits.cell_bytes)
    pattern = re.compile(
        (re.escape(separators.release) + b"." if separators.release else b"(?!)")
        + b"|"
        + re.escape(separators.segment),
        re.DOTALL,
    )
    while True:
        block = file.read(_BLOCK)
        held += block
        start = 0
        for match in pattern.finditer(held):
            if match[0] == separators.segment:
                number += 1
                yield held[start : match.start()].lstrip(b"\r\n \t")
                start = match.end()
        held = held[start:]
        if len(held) > most + _BLOCK:
            raise _broken(f"a segment there has more than {most} bytes", number + 1, reason="cell_bytes")
        if not block:
            break
    if held.strip(b"\r\n \t\x1a\0"):
        raise _broken("it breaks off within a segment", number + 1, reason="truncated")


def _split(raw: bytes, separators: Separators, encoding: str) -> Elements:
    text = raw.replace(b"\r", b"").replace(b"\n", b"").decode(encoding)
    component, element, release = (
        s.decode("latin-1") for s in (separators.component, separators.element, separators.release)
    )
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


def _head(place: _Place, name: str) -> list[str | None]:
    return [place.interchange or None, place.message or None, place.type or None, str(place.position), name]


def _batch(table: Table, rows: list[list[str | None]], numbers: list[int]) -> Batch:
    import pyarrow as pa

    data = pa.record_batch([pa.array(c, pa.string()) for c in zip(*rows, strict=True)], schema=table.schema)
    gaps = numbers[-1] - numbers[0] + 1 != len(numbers)
    return Batch(data, numbers[0], rows=numbers if gaps else None)


def _broken(what: str, number: int, reason: str = "edifact") -> SourceError:
    return SourceError(
        f"The EDIFACT interchange cannot be read at segment {number}: {what}.",
        hint="Export it again and send that.",
        reason=reason,
        segment=number,
    )
