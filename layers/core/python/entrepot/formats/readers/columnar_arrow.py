"""Arrow IPC: files, streams, and Feather, which is the file under an older name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any

from entrepot.errors import SourceError
from entrepot.formats.readers.arrow_messages import check
from entrepot.formats.readers.ondisk import OnDisk
from entrepot.formats.reading import ReadOptions

if TYPE_CHECKING:
    import pyarrow as pa


class ArrowSource:
    """An open Arrow file or stream; see `entrepot.formats.readers.columnar.Source`.

    It is mapped, so that a batch without compression is read where it lies, however large it is.

    Args:
        file: Seekable; one that is not on this disk is copied there.
        options: Its limits.

    Raises:
        SourceError: It is none, or of Feather's first version.
    """

    def __init__(self, file: IO[bytes], options: ReadOptions) -> None:
        file.seek(0)
        head = file.read(8)
        if head.startswith(b"FEA1"):
            raise SourceError(
                "This is a Feather file of version 1.",
                hint="Write it as Feather version 2 or Parquet.",
                reason="feather_v1",
            )
        self._is_file = head.startswith(b"ARROW1")
        check(file, file.seek(0, os.SEEK_END), is_file=self._is_file)
        self._place = OnDisk(file, options.limits.expanded_bytes)
        opened = self._open()
        self.schema = opened.schema
        self.rows: int | None = None
        self.doubts: list[str] = []

    def read(self) -> Iterator[pa.RecordBatch]:
        """The rows."""
        opened = self._open()
        if self._is_file:
            for number in range(opened.num_record_batches):
                yield opened.get_batch(number)
        else:
            yield from opened

    def _open(self) -> Any:
        import pyarrow as pa

        options = pa.ipc.IpcReadOptions(use_threads=False)
        mapped = pa.memory_map(self._place.path)
        return (pa.ipc.open_file if self._is_file else pa.ipc.open_stream)(mapped, options=options)
