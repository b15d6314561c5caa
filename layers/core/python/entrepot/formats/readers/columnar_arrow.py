"""Arrow IPC: files, streams, and Feather, which is the file under an older name."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from entrepot.errors import SourceError
from entrepot.formats.readers.arrow_messages import check
from entrepot.formats.readers.ondisk import OnDisk
from entrepot.formats.reading import ReadOptions

if TYPE_CHECKING:
    import pyarrow as pa

_HELD = 32 << 20
"""Bytes of rows after which the pages they lay on are let go."""


class ArrowSource:
    """An open Arrow file or stream; see `entrepot.formats.readers.columnar.Source`.

    It is mapped, so that a batch without compression is read where it lies, however large it is; pages that were
    read do not stay in memory.

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
        opened = self._open(self._mapped())
        self.schema = opened.schema
        self.rows: int | None = None
        self.doubts: list[str] = []

    def read(self) -> Iterator[pa.RecordBatch]:
        """The rows."""
        mapped = self._mapped()
        opened = self._open(mapped)
        held = 0
        for batch in self._batches(opened):
            step = max(1, batch.num_rows * _HELD // max(1, batch.nbytes))
            for start in range(0, batch.num_rows, step):
                part = batch.slice(start, step)
                yield part
                held += part.nbytes
                if held >= _HELD:
                    _let_go(mapped)
                    held = 0

    def _batches(self, opened: Any) -> Iterator[pa.RecordBatch]:
        if self._is_file:
            for number in range(opened.num_record_batches):
                yield opened.get_batch(number)
        else:
            yield from opened

    def _mapped(self) -> mmap.mmap:
        with Path(self._place.path).open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def _open(self, mapped: mmap.mmap) -> Any:
        import pyarrow as pa

        options = pa.ipc.IpcReadOptions(use_threads=False)
        source = pa.BufferReader(pa.py_buffer(mapped))
        return (pa.ipc.open_file if self._is_file else pa.ipc.open_stream)(source, options=options)


def _let_go(mapped: mmap.mmap) -> None:
    """Takes pages out of this process's memory; what is looked at again comes back from the file."""
    if hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)
