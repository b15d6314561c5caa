"""Parquet files, row group by row group."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any

from entrepot.errors import SourceError
from entrepot.formats.readers.batches import Damaged
from entrepot.formats.reading import BATCH_BYTES, BATCH_ROWS, ReadOptions

if TYPE_CHECKING:
    import pyarrow as pa

_BUFFERS = 32 << 20
"""Bytes that all columns' read buffers may have together."""
_LEAST_ROWS = 16


class ParquetSource:
    """An open Parquet file; see `entrepot.formats.readers.columnar.Source`.

    Args:
        file: Seekable.
        options: Its ``strict`` refuses a file with a wrong checksum; else the rows in question are refused.

    Raises:
        SourceError: It is no Parquet file, or is encrypted or cut short.
    """

    def __init__(self, file: IO[bytes], options: ReadOptions) -> None:
        self._file = file
        self._strict = options.strict
        _framed(file)
        first = self._open(verified=True)
        self._metadata = first.metadata
        self.schema = first.schema_arrow
        self.rows: int | None = sum(self._group(i).num_rows for i in range(self._metadata.num_row_groups))
        self.doubts = _doubts(first.schema, self.schema)

    def read(self) -> Iterator[pa.RecordBatch | Damaged]:
        """The rows; those behind a wrong checksum, to the end of their row group, are damaged."""
        verified = self._open(verified=True)
        for number in range(self._metadata.num_row_groups):
            done = 0
            try:
                for batch in self._rows(verified, number):
                    done += len(batch)
                    yield batch
            except OSError as error:
                if "CRC" not in str(error) or self._strict:
                    raise
                for batch in self._rows(self._open(verified=False), number):
                    rest = batch.slice(max(0, done))
                    done = max(0, done - len(batch))
                    if len(rest):
                        yield Damaged(rest)

    def _rows(self, opened: Any, number: int) -> Iterator[pa.RecordBatch]:
        size = self._batch_rows(number)
        found: Iterator[pa.RecordBatch] = opened.iter_batches(batch_size=size, row_groups=[number], use_threads=False)
        return found

    def _batch_rows(self, number: int) -> int:
        group = self._group(number)
        per_row = group.total_byte_size // max(1, group.num_rows)
        return int(max(_LEAST_ROWS, min(BATCH_ROWS, BATCH_BYTES // max(1, per_row))))

    def _group(self, number: int) -> Any:
        group = self._metadata.row_group(number)
        if group.num_rows < 0:
            raise SourceError("The parquet file is broken.", hint="Send it again.", reason="broken")
        return group

    def _open(self, *, verified: bool) -> Any:
        import pyarrow.parquet as pq

        metadata = getattr(self, "_metadata", None)
        columns = metadata.num_columns if metadata is not None else 256
        return pq.ParquetFile(
            self._file,
            metadata=metadata,
            # Column chunks are read in buffers, not whole; no thread of Arrow's calls a Python file.
            buffer_size=max(16 << 10, min(1 << 20, _BUFFERS // max(1, columns))),
            pre_buffer=False,
            # Nanoseconds since 1970 in 64 bits would turn the years after 2262 and before 1677 into others.
            coerce_int96_timestamp_unit="us",
            page_checksum_verification=verified,
        )


def _framed(file: IO[bytes]) -> None:
    """Looks at both ends, where every Parquet file says that it is one."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(4)
    file.seek(max(0, size - 8))
    tail = file.read(8)
    if b"PARE" in {head, tail[-4:]}:
        raise SourceError(
            "The parquet file is encrypted.", hint="Send it decrypted: nobody gave a key.", reason="encrypted"
        )
    if head != b"PAR1":
        raise SourceError("This is no Parquet file.", hint="Its first four bytes are not PAR1.", reason="format")
    if size < 12 or tail[-4:] != b"PAR1" or int.from_bytes(tail[:4], "little") > size - 12:
        raise SourceError(
            "The parquet file is cut short.", hint="Its end is missing: send it again.", reason="truncated"
        )


def _doubts(parquet: Any, schema: pa.Schema) -> list[str]:
    """What reading decides about columns that do not say all about themselves."""
    columns = (parquet.column(i) for i in range(len(parquet.names)))
    return [
        *(
            f"Column {column.path!r} has times of the old kind (INT96), read to the microsecond."
            for column in columns
            if column.physical_type == "INT96"
        ),
        *(
            f"Column {field.name!r} holds bytes, which do not say whether they are text; kept as bytes."
            for field in schema
            if str(field.type) in {"binary", "large_binary"}
        ),
    ]
