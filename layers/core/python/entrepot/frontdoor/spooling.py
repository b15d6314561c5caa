"""The rows of a table on disk, between the look at all of them and their second reading."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Self

from entrepot.formats.reading import Batch

if TYPE_CHECKING:
    import pyarrow as pa

QUICK = frozenset({"csv", "tsv", "parquet", "orc", "arrow"})
"""Formats that are read again as quickly as a spool is."""


class Spool:
    """Keeps the rows that pass, compressed, in a file without a name that goes when it is closed.

    Documents, workbooks and scripts take much longer to read than their cells do.

    Args:
        folder: Where there is room: that of the file that is written, since one for short-lived files may be memory.
        schema: Of the table.
    """

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by `__exit__`
        self._schema = schema

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def keeping(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Passes batches on, and keeps their rows."""
        import pyarrow as pa

        options = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
        with pa.ipc.new_stream(self._file, self._schema, options=options) as out:
            for batch in batches:
                out.write_batch(batch.data)
                yield batch

    def batches(self) -> Iterator[Batch]:
        """The rows that were kept, numbered from 1."""
        import pyarrow as pa

        self._file.seek(0)
        row = 1
        for data in pa.ipc.open_stream(self._file):
            yield Batch(data, row)
            row += data.num_rows
