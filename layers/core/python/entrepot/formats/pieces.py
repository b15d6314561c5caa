"""Rows of any reader as pieces of delimited text: how sources that cannot be cut by bytes reach the chunks.

A piece is UTF-8, comma, doubled quotes, LF. Its records keep the row numbers of the source: where the source skips
some, blank records stand for them, and where it skips many, a new piece begins.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from entrepot.formats.writers.delimited import open_csv
from entrepot.model.findings import QuarantinedRow

if TYPE_CHECKING:
    import pyarrow as pa

    from entrepot.formats.reading import Batch
    from entrepot.formats.writing import Writer

MAX_GAP = 1000
"""Row numbers that the source may skip within a piece."""
_SLICE = 4096
"""Rows that are written together at most; fewer where they are wide."""


@dataclass(slots=True)
class Piece:
    """A part of a table, as delimited text.

    Attributes:
        first_row: Number of its first record.
        data: The text.
        records: Records in it, blank ones included.
        refused: Rows of its part of the source that could not be read.
        taken: Rows of the table that are in this piece and those before it, refused ones included.
    """

    first_row: int
    data: bytes = b""
    records: int = 0
    refused: list[QuarantinedRow] = field(default_factory=list)
    taken: int = 0


def pieces(batches: Iterable[Batch], piece_bytes: int, *, skip: int = 0) -> Iterator[Piece]:
    """Cuts a table's rows into pieces.

    Args:
        batches: What the reader gives, from the first row on.
        piece_bytes: Least size of every piece, but for the last and those before a gap.
        skip: Rows that are in earlier pieces already (`Piece.taken`).
    """
    maker = _Maker(piece_bytes, skip)
    for batch in batches:
        yield from maker.add(batch)
    yield from maker.end()


class _Maker:
    def __init__(self, piece_bytes: int, skip: int) -> None:
        self._least = max(1, piece_bytes)
        self._skip = skip
        self._taken = 0
        self._parts: list[bytes] = []
        self._bytes = 0
        self._first = 0
        self._next = 0
        self._refused: list[QuarantinedRow] = []
        self._text = _Text()

    def add(self, batch: Batch) -> Iterator[Piece]:
        data, first, total = batch.data, 0, batch.data.num_rows + len(batch.refused)
        if self._taken + total <= self._skip:
            self._taken += total
            return
        # Earlier pieces end with whole slices of rows; refused rows of a batch go with its first slice.
        if self._taken < self._skip:
            first = self._skip - self._taken - len(batch.refused)
            self._taken = self._skip
        else:
            self._refused += batch.refused
            self._taken += len(batch.refused)
        rows, step = batch.rows, self._step(data)
        for start in range(max(0, first), data.num_rows, step):
            part = data.slice(start, min(step, data.num_rows - start))
            numbers = range(batch.first_row + start, batch.first_row + start + part.num_rows)
            yield from self._lines(part, rows[start : start + part.num_rows] if rows is not None else numbers)

    def _step(self, data: pa.RecordBatch) -> int:
        each = max(1, data.nbytes // max(1, data.num_rows))
        return max(1, min(_SLICE, self._least // int(each)))

    def end(self) -> Iterator[Piece]:
        if self._parts or self._refused:
            yield self._close()

    def _lines(self, part: pa.RecordBatch, numbers: Sequence[int]) -> Iterator[Piece]:
        for start, end in _runs(numbers):
            number = numbers[start]
            gap = number - self._next if self._parts else 0
            if gap > MAX_GAP or gap < 0:
                yield self._close()
            elif gap:
                self._put(b"\n" * gap)
            if not self._parts:
                self._first = number
            self._put(self._text.of(part.slice(start, end - start)))
            self._next = number + end - start
            self._taken += end - start
        if self._bytes >= self._least:
            yield self._close()

    def _put(self, text: bytes) -> None:
        self._parts.append(text)
        self._bytes += len(text)

    def _close(self) -> Piece:
        first = self._first if self._parts else self._refused[0].row
        records = self._next - self._first if self._parts else 0
        piece = Piece(first, b"".join(self._parts), records, self._refused, self._taken)
        self._parts, self._bytes, self._refused = [], 0, []
        return piece


class _Text:
    """Rows as lines of delimited text."""

    def __init__(self) -> None:
        self._out = io.BytesIO()
        self._writer: Writer | None = None

    def of(self, rows: pa.RecordBatch) -> bytes:
        """The lines of some rows of one table."""
        if self._writer is None:
            self._writer = open_csv(self._out, {"header": False})
            self._writer.begin("", rows.schema)
        self._writer.write(rows)
        text = self._out.getvalue()
        self._out.seek(0)
        self._out.truncate()
        return text


def _runs(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Where numbers that follow each other begin and end."""
    if isinstance(numbers, range):
        return [(0, len(numbers))] if numbers else []
    breaks = (np.flatnonzero(np.diff(np.asarray(numbers, dtype=np.int64)) != 1) + 1).tolist()
    return list(zip([0, *breaks], [*breaks, len(numbers)], strict=True)) if len(numbers) else []
