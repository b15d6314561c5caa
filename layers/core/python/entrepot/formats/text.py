"""Chunks of delimited text and JSON Lines become tables of text."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from entrepot.formats.grammar import MAX_RECORD_BYTES, Grammar, grammar_of
from entrepot.formats.parsed import ParsedChunk, RecordBytes
from entrepot.formats.scan import Records, scan
from entrepot.model.source import Chunk, Detection


def parse_chunk(
    data: bytes, detection: Detection, chunk: Chunk, *, max_record_bytes: int = MAX_RECORD_BYTES
) -> ParsedChunk:
    """Reads one chunk.

    Args:
        data: Exactly the chunk's bytes.
        detection: What `detect` found.
        chunk: Which part this is.
        max_record_bytes: As given to the `Splitter`.

    Returns:
        A table of well-formed rows, their numbers, and the rows that are not.

    Raises:
        SourceError: A record is longer than allowed.
    """
    source = RecordBytes.of(data, records_of(data, grammar_of(detection), max_record_bytes), detection, chunk)
    if detection.format == "jsonl":
        from entrepot.formats.jsonl import parse_lines

        return parse_lines(source, detection)
    from entrepot.formats.csvtext import parse_records

    return parse_records(source, detection)


def extract_rows(
    data: bytes, detection: Detection, chunk: Chunk, rows: Collection[int]
) -> dict[int, tuple[int, bytes]]:
    """Offset and verbatim bytes of some of a chunk's rows.

    Args:
        data: Exactly the chunk's bytes.
        detection: What `detect` found.
        chunk: Which part this is.
        rows: Row numbers; those outside the chunk are left out of the answer.
    """
    records = records_of(data, grammar_of(detection), MAX_RECORD_BYTES)
    source = RecordBytes.of(data, records, detection, chunk)
    last = chunk.first_row + len(records.ends)
    return {row: source.raw(row) for row in rows if chunk.first_row <= row < last}


def records_of(data: bytes, grammar: Grammar, max_record: int = MAX_RECORD_BYTES) -> Records:
    """All records of a chunk."""
    found = list(scan(data, grammar, whole=True, max_record=max_record))
    if not found:
        return Records(0, np.empty(0, dtype=np.int64), np.empty(0, dtype=np.uint8))
    return Records(0, np.concatenate([f.ends for f in found]), np.concatenate([f.kinds for f in found]))
