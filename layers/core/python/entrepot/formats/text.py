"""Chunks of delimited text and JSON Lines become tables of text."""

from __future__ import annotations

from collections.abc import Collection

from entrepot.formats.grammar import MAX_RECORD_BYTES
from entrepot.formats.parsed import ParsedChunk, RecordBytes
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
    source = RecordBytes(data, detection, chunk, max_record_bytes)
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
    source = RecordBytes(data, detection, chunk)
    last = chunk.first_row + len(source.records.ends)
    return {row: source.raw(row) for row in rows if chunk.first_row <= row < last}
