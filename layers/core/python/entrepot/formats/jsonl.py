"""JSON Lines: one object a line."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from entrepot.formats.encoding import has_half_character
from entrepot.formats.flatblocks import FlatBlock
from entrepot.formats.flatscan import BLOCK, flat_block
from entrepot.formats.flatten import DECODER, MAX_DEPTH, NotFlatError, flatten
from entrepot.formats.grammar import BAD_ENCODING, BLANK
from entrepot.formats.parsed import ParsedChunk, RecordBytes
from entrepot.formats.refusals import kind_finding, structural
from entrepot.formats.scan import Ints
from entrepot.model.findings import Finding, QuarantinedRow
from entrepot.model.source import Detection

if TYPE_CHECKING:
    import pyarrow as pa

LF, CR = b"\n\r"

_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*+"')

_LINES = 4096
"""Lines that are looked at together for their names."""

NotAnObjectError = NotFlatError
"""A line that is not one JSON object; the message says why, without values."""


def read_object(text: str) -> dict[str, str | None]:
    """One line as names and cell texts, nested objects flattened with dotted names as in JSON documents.

    Numbers keep their digits, null is None, true and false are words; an array is its JSON.

    Args:
        text: The line.

    Raises:
        NotAnObjectError: It is not one JSON object, names one thing twice, or is nested too deeply.
    """
    if too_deep(text):
        raise NotAnObjectError(f"nested more than {MAX_DEPTH} deep")
    try:
        value = DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise NotAnObjectError(f"{error.msg} at character {error.pos + 1}") from None
    if not isinstance(value, tuple):
        raise NotAnObjectError("it is another kind of value")
    row = flatten(value)
    if any(map(has_half_character, row)):
        raise NotAnObjectError("a name holds half of a surrogate pair")
    return row


def too_deep(text: str) -> bool:
    """Whether brackets nest deeper than `MAX_DEPTH`; runs in linear time and flat memory."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return False
    depth = 0
    for char in re.findall(r"[\[\]{}]", _STRINGS.sub("", text)):
        depth += 1 if char in "[{" else -1
        if depth > MAX_DEPTH:
            return True
    return False


def names_of(lines: Sequence[str]) -> tuple[dict[str, bool], str]:
    """The names that objects have, one object a line.

    Args:
        lines: Without line ends; blank ones say nothing.

    Returns:
        The names in the order in which they come first, and whether one has a value somewhere; and what is wrong
        with the first line that is no object.
    """
    names: dict[str, bool] = {}
    problem = ""
    for at in range(0, len(lines), _LINES):
        some = lines[at : at + _LINES]
        data = "\n".join(some).encode("utf-8", "surrogatepass")
        ends = np.append(np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == LF), len(data))
        flat = flat_block(data, np.append(0, ends[:-1] + 1), ends)
        found = {
            (int(flat.records[one.rows[0]]), int(one.members[0])): (name, bool(one.filled.any()))
            for name, one in flat.fields.items()
        }
        rest = np.ones(len(some), dtype=np.bool_)
        rest[flat.records] = False
        for n in np.flatnonzero(rest).tolist():
            if some[n].strip():
                try:
                    row = read_object(some[n])
                except NotAnObjectError as error:
                    problem = problem or str(error)
                else:
                    found |= {(n, i): (name, cell is not None) for i, (name, cell) in enumerate(row.items())}
        for _, (name, filled) in sorted(found.items()):
            names[name] = names.get(name, False) or filled
    return names, problem


def parse_lines(source: RecordBytes, detection: Detection) -> ParsedChunk:
    """`parse_chunk` for JSON Lines."""
    import pyarrow as pa

    places = {name: i for i, name in enumerate(detection.columns)}
    schema = pa.schema([(f"c{i}", pa.string()) for i in range(len(places))])
    reading = _Reading(source, places, schema)
    for first, last in _blocks(source.records.ends):
        reading.add(first, last)
    table = pa.Table.from_batches(reading.batches, schema)
    rows = np.concatenate([np.empty(0, dtype=np.int64), *reading.rows])
    return ParsedChunk(table, rows, reading.refused, source, reading.blank)


def _blocks(ends: Ints) -> Iterator[tuple[int, int]]:
    """The first record of each block and the one behind its last."""
    first, start = 0, 0
    while first < len(ends):
        last = max(first + 1, int(np.searchsorted(ends, start + BLOCK, side="right")))
        yield first, last
        first, start = last, int(ends[last - 1])


@dataclass(slots=True)
class _Reading:
    """A chunk as far as it was read.

    Attributes:
        source: The chunk.
        places: The columns' names and places.
        schema: Of the table, a text for each column.
        batches: Its rows so far.
        rows: Their numbers.
        refused: Rows that could not be read.
        blank: How many records are blank.
    """

    source: RecordBytes
    places: dict[str, int]
    schema: pa.Schema
    batches: list[pa.RecordBatch] = field(default_factory=list)
    rows: list[Ints] = field(default_factory=list)
    refused: list[QuarantinedRow] = field(default_factory=list)
    blank: int = 0

    def add(self, first: int, last: int) -> None:
        """Takes some records in: those that are flat at once, the others one by one."""
        import pyarrow as pa

        flat = self._flat(first, last)
        rest = np.ones(last - first, dtype=np.bool_)
        rest[flat.records] = False
        records, columns = self._one_by_one(first + np.flatnonzero(rest))
        records = np.concatenate((first + flat.records, records))
        arrays = [flat.column(name) for name in self.places]
        if any(columns) or not self.places:
            order = pa.array(np.argsort(records))
            both = [pa.concat_arrays([a, pa.array(c, pa.string())]) for a, c in zip(arrays, columns, strict=True)]
            arrays = [cells.take(order) for cells in both]
        self.batches.append(pa.RecordBatch.from_arrays(arrays, schema=self.schema))
        self.rows.append(self.source.chunk.first_row + np.sort(records))

    def _flat(self, first: int, last: int) -> FlatBlock:
        starts, ends = self.source.starts[first:last], self.source.records.ends[first:last]
        begin = int(starts[0])
        data = self.source.data[begin : int(ends[-1])]
        if not _is_ascii_or_utf8(data, self.source.encoding):
            return FlatBlock(np.empty(0, dtype=np.int64))
        return flat_block(data, starts - begin, _without_line_ends(data, ends - begin)).known(self.places)

    def _one_by_one(self, records: Ints) -> tuple[Ints, list[list[str | None]]]:
        """Which of some records can be read, and their columns."""
        source = self.source
        columns: list[list[str | None]] = [[] for _ in self.places]
        read: list[int] = []
        for index in records.tolist():
            raw = source.record(index)
            if source.records.kinds[index] == BLANK or not raw.strip():
                self.blank += 1
                continue
            found = _read(raw, source.encoding, self.places)
            if isinstance(found, Finding):
                self.refused.append(source.quarantine(source.chunk.first_row + index, [found]))
                continue
            read.append(index)
            for name, i in self.places.items():
                columns[i].append(found.get(name))
        return np.array(read, dtype=np.int64), columns


def _is_ascii_or_utf8(data: bytes, encoding: str) -> bool:
    """Whether the bytes can be read as UTF-8 as well."""
    name = codecs.lookup(encoding).name
    return name == "utf-8" or (data.isascii() and name.startswith(("ascii", "cp125", "iso8859")))


def _without_line_ends(data: bytes, ends: Ints) -> Ints:
    text = np.frombuffer(data, dtype=np.uint8)
    ends = ends - (text[ends - 1] == LF)
    found: Ints = ends - (text.take(ends - 1, mode="clip") == CR)
    return found


def _read(raw: bytes, encoding: str, places: dict[str, int]) -> dict[str, str | None] | Finding:
    try:
        found = read_object(raw.decode(encoding))
    except UnicodeDecodeError:
        return kind_finding(BAD_ENCODING, encoding)
    except NotAnObjectError as error:
        return structural("json", detail=str(error))
    unknown = [name for name, cell in found.items() if cell is not None and name not in places]
    if unknown:
        return structural("unknown_column", detail=unknown[0][:100])
    texts = [cell for cell in found.values() if cell is not None]
    if any("\0" in text for text in texts):
        return structural("nul")
    if any(map(has_half_character, texts)):
        return structural("json", detail="a text holds half of a surrogate pair, which is no character")
    return found
