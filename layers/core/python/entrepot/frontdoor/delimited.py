"""Delimited text and JSON Lines behind the readers' protocol, for what is not import: they are cut by bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from entrepot.errors import SourceError
from entrepot.formats.mend import LONG
from entrepot.formats.reading import Batch, Table
from entrepot.frontdoor.delimitedfile import DelimitedFile, Oddities, Rows, header_cells, of_table, table_names
from entrepot.frontdoor.textfiles import open_source

if TYPE_CHECKING:
    import pyarrow as pa

    from entrepot.model.source import Detection


class DelimitedReader:
    """A file of delimited text or JSON Lines.

    Args:
        path: The file.
        format: csv, tsv or jsonl.
    """

    def __init__(self, path: Path, format: str) -> None:  # noqa: A002
        self._path = path
        with open_source(path, format=format if format == "jsonl" else None) as opened:
            self._detection: Detection = opened.detection
        self._odd: list[str] = []

    @property
    def format(self) -> str:
        """Csv or jsonl."""
        return self._detection.format

    @property
    def encoding(self) -> str | None:
        """Of the text."""
        return self._detection.encoding

    @property
    def doubts(self) -> list[str]:
        """What was decided about it; once its rows were read, also which of them were put in order."""
        return [*self._detection.doubts, *self._odd]

    def tables(self) -> list[Table]:
        """The table, and further ones below it."""
        import pyarrow as pa

        found = []
        for n, name in enumerate(table_names(self._detection, self._path.stem)):
            one = of_table(self._detection, n)
            schema = pa.schema([pa.field(column, pa.string()) for column in one.columns])
            # The first is the table that is meant, however few its rows are.
            weight = 1.0 if not n else 0.0
            found.append(Table(name, schema, header_cells(one), one.dialect.header_rows, one.first_row, weight=weight))
        return found

    def batches(self, table: int) -> Iterator[Batch]:
        """The rows of the table; those that do not keep to the dialect of the others are put in order and told.

        Args:
            table: Its place.

        Raises:
            SourceError: A row has more cells than the table has columns, or cannot be read.
        """
        (only,) = self.tables()[table : table + 1]
        with self._path.open("rb") as file:
            opened = DelimitedFile(file, self._detection, table)
            row = only.first_row
            for block in opened.blocks():
                columns = _columns(block, len(only.schema), opened.odd) if isinstance(block, list) else block.columns
                for batch in _batches(columns, only.schema):
                    yield Batch(batch, row)
                    row += batch.num_rows
            self._odd = opened.odd.doubts()


def _columns(rows: Rows, width: int, odd: Oddities) -> list[pa.Array]:
    """Rows of cells as columns of text.

    Raises:
        SourceError: One has a cell for which there is no column.
    """
    import pyarrow as pa

    if any(cell for row in rows for cell in row[width:]):
        number = odd.first[LONG][0]
        raise SourceError(
            f"Row {number} has more cells than the table has columns ({width}), and the target has no place for them.",
            hint="Mend the row, or convert to CSV, which keeps all cells.",
            reason="ragged",
            row=number,
        )
    even = [[*row[:width], *[None] * (width - len(row))] for row in rows]
    return [pa.array([cell or None for cell in column], pa.string()) for column in zip(*even, strict=True)]


def _batches(columns: Iterable[pa.Array | pa.ChunkedArray], schema: pa.Schema) -> list[pa.RecordBatch]:
    import pyarrow as pa

    batches: list[pa.RecordBatch] = pa.Table.from_arrays(list(columns), schema=schema).combine_chunks().to_batches()
    return batches
