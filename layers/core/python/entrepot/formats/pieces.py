"""Rows of any reader as pieces of delimited text: how sources that cannot be cut by bytes reach the chunks.

A piece is UTF-8, comma, doubled quotes, LF. Its records keep the row numbers of the source: where the source skips
some, blank records stand for them, and where it skips many, a new piece begins.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from entrepot.formats.texts import as_text
from entrepot.model.findings import QuarantinedRow

if TYPE_CHECKING:
    import pyarrow as pa

    from entrepot.formats.reading import Batch

MAX_GAP = 1000
"""Row numbers that the source may skip within a piece."""
_SLICE = 4096
"""Rows that are written together."""


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


_NEEDS_QUOTES = re.compile('[",\r\n]').search


def _line(row: tuple[str | None, ...]) -> str:
    cells = ("" if c is None else f'"{c.replace(chr(34), chr(34) * 2)}"' if _NEEDS_QUOTES(c) else c for c in row)
    # A row of one empty cell would be a blank line, which is no row.
    return f"{','.join(cells)}\n" if row != (None,) else '""\n'


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
        rows = batch.rows
        for start in range(max(0, first), data.num_rows, _SLICE):
            part = data.slice(start, min(_SLICE, data.num_rows - start))
            numbers = range(batch.first_row + start, batch.first_row + start + part.num_rows)
            yield from self._lines(part, rows[start : start + part.num_rows] if rows is not None else numbers)

    def end(self) -> Iterator[Piece]:
        if self._parts or self._refused:
            yield self._close()

    def _lines(self, part: pa.RecordBatch, numbers: Iterable[int]) -> Iterator[Piece]:
        waiting: list[tuple[str | None, ...]] = []
        cells = zip(*(as_text(column).to_pylist() for column in part.columns), strict=True)
        for number, row in zip(numbers, cells, strict=True):
            if not self._parts and not waiting:
                self._first = self._next = number
            gap = number - self._next
            if gap:
                self._put(waiting)
                waiting = []
            if gap > MAX_GAP or gap < 0:
                yield self._close()
                self._first = number
            elif gap:
                self._parts.append(b"\n" * gap)
                self._bytes += gap
            waiting.append(row)
            self._next = number + 1
            self._taken += 1
        self._put(waiting)
        if self._bytes >= self._least:
            yield self._close()

    def _put(self, rows: list[tuple[str | None, ...]]) -> None:
        if rows:
            self._parts.append("".join(map(_line, rows)).encode())
            self._bytes += len(self._parts[-1])

    def _close(self) -> Piece:
        first = self._first if self._parts else self._refused[0].row
        records = self._next - self._first if self._parts else 0
        piece = Piece(first, b"".join(self._parts), records, self._refused, self._taken)
        self._parts, self._bytes, self._refused = [], 0, []
        return piece
