"""Rows of texts, one after the other, become Arrow batches of bounded size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from entrepot.formats.encoding import has_half_character
from entrepot.formats.flatblocks import FlatBlock
from entrepot.formats.reading import BATCH_BYTES, BATCH_ROWS, Batch
from entrepot.model.findings import Finding, QuarantinedRow

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH_CELLS = 1 << 20
"""Cells of a batch: wide rows come in smaller ones."""
_RAW_BYTES = 1 << 20
"""As much of a refused record is kept; it is whole in the source."""


class Batcher:
    """Collects rows until they are a batch.

    Args:
        schema: Of the batches, all text.
        keys: What each column is called in the rows that are given.
        first_row: Number of the first row.
    """

    def __init__(self, schema: pa.Schema, keys: Sequence[str], first_row: int) -> None:
        self._schema = schema
        self._keys = keys
        self._most = max(1, min(BATCH_ROWS, _BATCH_CELLS // max(1, len(keys))))
        self._next = first_row
        self._rows: list[dict[str, str | None]] = []
        self._parts: list[pa.RecordBatch] = []
        self._numbers: list[int] = []
        self._refused: list[QuarantinedRow] = []
        self._bytes = 0
        self.full = False
        """Whether it is time to `take`."""

    @property
    def empty(self) -> bool:
        """Whether nothing was added."""
        return not self._numbers and not self._refused

    @property
    def row(self) -> int:
        """Number of the row that comes next."""
        return self._next

    def add(self, row: dict[str, str | None], size: int, *, suspect: bool = True) -> None:
        """Adds a row.

        Args:
            row: Cells by key.
            size: About its bytes.
            suspect: Whether it may hold what no text column stores.
        """
        if suspect and (finding := _unstorable(row)):
            self.refuse("", 0, finding)
            return
        self._rows.append(row)
        self._numbers.append(self._next)
        self._next += 1
        self._bytes += size
        if len(self._numbers) >= self._most or self._bytes >= BATCH_BYTES:
            self.full = True

    def blocks(self, block: FlatBlock, size: int) -> Iterator[Batch]:
        """Adds flat records; gives batches whenever there is enough for one.

        Args:
            block: The records.
            size: About their bytes.
        """
        import pyarrow as pa

        total = len(block.records)
        for first in range(0, total, self._most):
            some = block.part(first, min(total, first + self._most))
            count = len(some.records)
            if self.full or len(self._numbers) + count > self._most:
                yield self.take()
            self._settle()
            self._parts.append(pa.RecordBatch.from_arrays([some.column(k) for k in self._keys], schema=self._schema))
            self._numbers += range(self._next, self._next + count)
            self._next += count
            self._bytes += size * count // total
            self.full = self._bytes >= BATCH_BYTES

    def _settle(self) -> None:
        """Makes columns of the rows that were added one by one."""
        import pyarrow as pa

        if self._rows or not self._parts:
            arrays = [pa.array([row.get(key) for row in self._rows], pa.string()) for key in self._keys]
            self._parts.append(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
            self._rows = []

    def skip(self) -> None:
        """Counts a record that is no row."""
        self._next += 1

    def refuse(self, raw: str, offset: int, finding: Finding) -> None:
        """Adds a row that cannot be read, as it stands in the source."""
        raw = raw[:_RAW_BYTES]
        self._refused.append(QuarantinedRow(row=self._next, offset=offset, raw=raw, findings=[finding]))
        self._next += 1
        self._bytes += len(raw)
        if len(self._refused) >= BATCH_ROWS or self._bytes >= BATCH_BYTES:
            self.full = True

    def complete(self, raw: str, offset: int, since: int) -> None:
        """Gives the rows that were refused last, from a number on, what stands in the source."""
        for refused in reversed(self._refused):
            if refused.row < since:
                break
            refused.raw, refused.offset = raw[:_RAW_BYTES], offset

    def take(self) -> Batch:
        """The rows so far; it is empty afterwards."""
        import pyarrow as pa

        self._settle()
        data = pa.concat_batches(self._parts) if len(self._parts) > 1 else self._parts[0]
        numbers = self._numbers
        gaps = bool(numbers) and numbers[-1] - numbers[0] + 1 != len(numbers)
        first = numbers[0] if numbers else self._next
        batch = Batch(data, first, numbers if gaps else None, self._refused)
        self._parts, self._numbers, self._refused, self._bytes = [], [], [], 0
        self.full = False
        return batch


def _unstorable(row: dict[str, str | None]) -> Finding | None:
    from entrepot.formats.refusals import structural

    for cell in row.values():
        if cell is None:
            continue
        if "\0" in cell:
            return structural("nul")
        if has_half_character(cell):
            return Finding(
                code="encoding",
                message="The row holds half of a surrogate pair, which is no character.",
                action="Have the file written by a library that writes whole characters.",
            )
    return None
