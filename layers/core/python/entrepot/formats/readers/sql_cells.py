"""Rows of a script gathered into batches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from entrepot.errors import SourceError
from entrepot.formats.readers.sql_block import Block
from entrepot.formats.readers.sql_values import Cell, OpenValueError
from entrepot.formats.reading import BATCH_BYTES, BATCH_ROWS, Batch, Limits
from entrepot.formats.refusals import structural
from entrepot.model.findings import Finding, QuarantinedRow

if TYPE_CHECKING:
    import pyarrow as pa


class Cells:
    """Rows of one table on their way into batches.

    Args:
        schema: The table's, of texts.
        encoding: Of the cells.
        limits: What a cell may have.
    """

    def __init__(self, schema: pa.Schema, encoding: str, limits: Limits) -> None:
        self._schema = schema
        self._encoding = encoding
        self._limits = limits
        self._next = 1
        self._start()

    def _start(self) -> None:
        self._first = self._next
        self._rows: list[list[Cell]] = []
        self._numbers: list[int] = []
        self._raws: list[bytes] = []
        self._refused: list[QuarantinedRow] = []
        self._parts: list[list[pa.Array]] = []
        self._good: list[int] = []
        self._bytes = 0

    @property
    def full(self) -> bool:
        """Whether a batch is due."""
        return self._next - self._first >= BATCH_ROWS or self._bytes >= BATCH_BYTES

    def add_block(self, block: Block, places: list[int]) -> Iterator[Batch]:
        """Adds many rows at once.

        Args:
            block: Rows of as many values as there are places.
            places: Which column each value is of.

        Yields:
            The batches that are due before there is room for all.
        """
        import pyarrow as pa

        taken = 0
        while taken < block.rows:
            count = min(block.rows - taken, BATCH_ROWS - (self._next - self._first))
            empty = pa.nulls(count, pa.string())
            placed = [empty] * len(self._schema)
            for place, column in zip(places, block.columns, strict=True):
                placed[place] = column.slice(taken, count)
            self._seal()
            self._parts.append(placed)
            self._good.extend(range(self._next, self._next + count))
            self._next += count
            taken += count
            self._bytes += block.size * count // block.rows + 8 * count
            if self.full:
                yield self.batch()

    def add(self, raw: bytes, row: list[Cell] | OpenValueError, places: list[int]) -> None:
        """Adds a row.

        Args:
            raw: As it stands in the script.
            row: Its values, or why there are none.
            places: Which column each value is of.

        Raises:
            SourceError: A cell is too large.
        """
        number = self._next
        self._next += 1
        self._bytes += len(raw) + 8
        if isinstance(row, OpenValueError):
            self._refuse(number, raw, expression(row.what))
        elif len(row) != len(places):
            self._refuse(number, raw, structural("ragged", actual=len(row), expected=len(places)))
        else:
            if len(raw) > self._limits.cell_bytes:
                self._check(row, number)
            self._rows.append(self._placed(row, places))
            self._numbers.append(number)
            self._raws.append(raw)

    def _check(self, row: list[Cell], number: int) -> None:
        if max(len(cell or b"") for cell in row) > self._limits.cell_bytes:
            raise SourceError(
                f"Row {number:,} has a cell of more than {self._limits.cell_bytes:,} bytes.",
                hint="Leave such values out.",
                reason="cell_bytes",
                row=number,
            )

    def _placed(self, row: list[Cell], places: list[int]) -> list[Cell]:
        width = len(self._schema)
        if places == list(range(width)):
            return row
        placed: list[Cell] = [None] * width
        for place, cell in zip(places, row, strict=True):
            placed[place] = cell
        return placed

    def _refuse(self, number: int, raw: bytes, finding: Finding) -> None:
        text = raw.decode(self._encoding, "backslashreplace")
        self._refused.append(QuarantinedRow(row=number, raw=text, findings=[finding]))

    def batch(self) -> Batch:
        """The rows that were gathered; the next ones begin a new batch."""
        import pyarrow as pa

        self._seal()
        columns = [pa.concat_arrays(parts) for parts in zip(*self._parts, strict=True)]
        if not columns:
            columns = [pa.array([], pa.string())] * len(self._schema)
        data = pa.RecordBatch.from_arrays(columns, schema=self._schema)
        numbers = self._good if self._refused else None
        found = Batch(data, self._good[0] if self._good else self._first, numbers, self._refused)
        found.refused.sort(key=lambda r: r.row)
        self._start()
        return found

    def _seal(self) -> None:
        """Makes columns of the rows that came one by one, so that others may follow them."""
        if not self._rows:
            return
        columns = self._columns()
        if columns is None:
            self._set_aside()
            columns = self._columns() or []
        self._parts.append(columns)
        self._good += self._numbers
        self._rows, self._numbers, self._raws = [], [], []

    def rest(self) -> Iterator[Batch]:
        """The last batch, if there is anything left."""
        if self._next > self._first:
            yield self.batch()

    def _columns(self) -> list[pa.Array] | None:
        """The columns; None when a cell is no text in the encoding."""
        import pyarrow as pa

        columns = list(zip(*self._rows, strict=True)) or [()] * len(self._schema)
        try:
            if self._encoding in {"utf-8", "ascii"}:
                return [pa.array(column, pa.binary()).cast(pa.string()) for column in columns]
            return [
                pa.array([c if c is None else c.decode(self._encoding) for c in col], pa.string()) for col in columns
            ]
        except (pa.ArrowInvalid, UnicodeDecodeError):
            return None

    def _set_aside(self) -> None:
        rows, numbers, raws = self._rows, self._numbers, self._raws
        self._rows, self._numbers = [], []
        for row, number, raw in zip(rows, numbers, raws, strict=True):
            try:
                for cell in row:
                    (cell or b"").decode(self._encoding)
            except UnicodeDecodeError:
                self._refuse(number, raw, structural("encoding", encoding=self._encoding))
            else:
                self._rows.append(row)
                self._numbers.append(number)


def expression(what: str) -> Finding:
    """The finding for a value that only a database would know.

    Args:
        what: The value's kind; never a cell.
    """
    return structural("expression", what=what)
