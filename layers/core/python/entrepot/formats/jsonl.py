"""JSON Lines: one object a line."""

from __future__ import annotations

import json
import re

import numpy as np

from entrepot.formats.flatten import DECODER, MAX_DEPTH, NotFlatError, flatten
from entrepot.formats.grammar import BAD_ENCODING, BLANK
from entrepot.formats.parsed import ParsedChunk, RecordBytes
from entrepot.formats.refusals import kind_finding, structural
from entrepot.model.findings import Finding, QuarantinedRow
from entrepot.model.source import Detection

_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*+"')

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
    return flatten(value)


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


def parse_lines(source: RecordBytes, detection: Detection) -> ParsedChunk:
    """`parse_chunk` for JSON Lines."""
    import pyarrow as pa

    places = {name: i for i, name in enumerate(detection.columns)}
    columns: list[list[str | None]] = [[] for _ in places]
    rows: list[int] = []
    refused: list[QuarantinedRow] = []
    blank = 0
    for index, kind in enumerate(source.records.kinds):
        row = source.chunk.first_row + index
        raw = source.record(index)
        if kind == BLANK or not raw.strip():
            blank += 1
            continue
        found = _read(raw, source.encoding, places)
        if isinstance(found, Finding):
            refused.append(source.quarantine(row, [found]))
            continue
        rows.append(row)
        for name, i in places.items():
            columns[i].append(found.get(name))
    table = pa.table({f"c{i}": pa.array(c, pa.string()) for i, c in enumerate(columns)})
    return ParsedChunk(table, np.array(rows, dtype=np.int64), refused, source, blank)


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
    if any(_unstorable(cell) for cell in found.values() if cell is not None):
        return structural("nul")
    return found


def _unstorable(cell: str) -> bool:
    if "\0" in cell:
        return True
    return not cell.isascii() and any("\ud800" <= c <= "\udfff" for c in cell)
