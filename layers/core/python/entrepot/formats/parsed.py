"""A parsed chunk: a table of text and the way back from each row to its bytes."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from entrepot.formats.cells import without_line_end
from entrepot.formats.grammar import MAX_RECORD_BYTES, grammar_of
from entrepot.formats.refusals import quarantined, source_encoding
from entrepot.formats.scan import Ints, Records, scan
from entrepot.model.findings import Finding, QuarantinedRow
from entrepot.model.source import Chunk, Detection

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(slots=True)
class ParsedChunk:
    """What `parse_chunk` gives.

    ``table`` has one string column per detected column, named c0, c1 …; an empty cell, quoted or
    not, is null. ``rows[i]`` is the row number of the table's row i, ascending. ``refused`` are
    the rows that could not be read; ``read`` counts both and leaves blank records out.
    """

    table: pa.Table
    rows: Ints
    refused: list[QuarantinedRow]
    source: RecordBytes
    blank: int = 0
    narrowed: list[int] = field(default_factory=list)
    """Rows that had more cells than the header; the surplus ones were empty and left out."""

    @property
    def read(self) -> int:
        """Data records that are not blank."""
        return len(self.rows) + len(self.refused)

    def raw(self, row: int) -> tuple[int, bytes]:
        """Byte offset in the source (or piece) and the record's bytes without its line end."""
        return self.source.raw(row)

    def quarantine(self, row: int, findings: list[Finding]) -> QuarantinedRow:
        """The quarantine entry of one of the chunk's rows."""
        return self.source.quarantine(row, findings)


class RecordBytes:
    """A chunk's bytes and where its records lie in them, found when first asked for.

    Args:
        data: Exactly the chunk's bytes.
        detection: What `detect` found.
        chunk: Which part this is.
        max_record: Longest record in bytes.
    """

    def __init__(self, data: bytes, detection: Detection, chunk: Chunk, max_record: int = MAX_RECORD_BYTES) -> None:
        self.data = data
        self.chunk = chunk
        self.encoding = source_encoding(detection, chunk)
        self.trailing = detection.dialect.trailing
        self._grammar = grammar_of(detection)
        self._max_record = max_record

    @cached_property
    def records(self) -> Records:
        """All records of the chunk.

        Raises:
            SourceError: One is longer than allowed.
        """
        found = list(scan(self.data, self._grammar, whole=True, max_record=self._max_record))
        if not found:
            return Records(0, np.empty(0, dtype=np.int64), np.empty(0, dtype=np.uint8))
        return Records(0, np.concatenate([f.ends for f in found]), np.concatenate([f.kinds for f in found]))

    @cached_property
    def starts(self) -> Ints:
        """Where each record starts."""
        return self.records.starts()

    def record(self, index: int) -> bytes:
        """The bytes of the chunk's record ``index``, counting from 0, without the line end."""
        raw = self.data[int(self.starts[index]) : int(self.records.ends[index])]
        return without_line_end(raw, self._grammar.escape)

    def raw(self, row: int) -> tuple[int, bytes]:
        """Offset and bytes of the record with this row number."""
        index = row - self.chunk.first_row
        return self.chunk.start + int(self.starts[index]), self.record(index)

    def quarantine(self, row: int, findings: list[Finding]) -> QuarantinedRow:
        """The quarantine entry of the record with this row number."""
        offset, raw = self.raw(row)
        return quarantined(row, offset, raw, encoding=self.encoding, chunk=self.chunk, findings=findings)
