"""Delimited text and JSON Lines behind the readers' protocol, for what is not import: they are cut by bytes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from entrepot.formats.reading import Batch, Table
from entrepot.formats.text import parse_chunk
from entrepot.frontdoor.delimitedfile import DelimitedFile, header_cells, of_table, table_names
from entrepot.frontdoor.textfiles import open_source

if TYPE_CHECKING:
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
        """What was decided about it."""
        return self._detection.doubts

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
        """The rows of the table.

        Args:
            table: Its place.
        """
        import pyarrow as pa

        (only,) = self.tables()[table : table + 1]
        with self._path.open("rb") as file:
            opened = DelimitedFile(file, self._detection, table)
            for chunk, data in opened.chunks():
                parsed = parse_chunk(data, opened.as_read, chunk)
                rows = parsed.rows
                for batch in parsed.table.rename_columns(only.schema.names).combine_chunks().to_batches():
                    yield Batch(
                        pa.RecordBatch.from_arrays(batch.columns, schema=only.schema),
                        int(rows[0]) if len(rows) else chunk.first_row,
                        rows.tolist(),
                        parsed.refused,
                    )
                if not parsed.table.num_rows and parsed.refused:
                    empty = pa.RecordBatch.from_pylist([], schema=only.schema)
                    yield Batch(empty, parsed.refused[0].row, None, parsed.refused)
