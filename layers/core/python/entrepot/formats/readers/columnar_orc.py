"""ORC files, in batches within a stripe."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any

from entrepot.errors import SourceError
from entrepot.formats.readers.ondisk import OnDisk
from entrepot.formats.reading import BATCH_BYTES, BATCH_ROWS, ReadOptions

if TYPE_CHECKING:
    import pyarrow as pa

_LEAST_ROWS = 64


class OrcSource:
    """An open ORC file; see `entrepot.formats.readers.columnar.Source`.

    Args:
        file: Seekable; one that is not on this disk is copied there, since ORC is read in batches by path only.
        options: Its limits.

    Raises:
        SourceError: It is no ORC file.
    """

    def __init__(self, file: IO[bytes], options: ReadOptions) -> None:
        from pyarrow import orc

        file.seek(0)
        if file.read(3) != b"ORC":
            raise SourceError("This is no ORC file.", hint="Its first three bytes are not ORC.", reason="format")
        self._place = OnDisk(file, options.limits.expanded_bytes)
        opened = orc.ORCFile(self._place.path)
        self.rows: int | None = opened.nrows
        self.doubts: list[str] = []
        self._per_row = opened.content_length // max(1, opened.nrows)
        self.schema = self._fragment().physical_schema

    def read(self) -> Iterator[pa.RecordBatch]:
        """The rows."""
        # Compressed bytes tell the least that a row takes; eight times that is usual.
        rows = max(_LEAST_ROWS, min(BATCH_ROWS, BATCH_BYTES // max(1, 8 * self._per_row)))
        found: Iterator[pa.RecordBatch] = self._fragment().to_batches(
            batch_size=rows, batch_readahead=0, fragment_readahead=0, use_threads=False
        )
        return found

    def _fragment(self) -> Any:
        from pyarrow import dataset, fs

        return dataset.OrcFileFormat().make_fragment(self._place.path, filesystem=fs.LocalFileSystem())
