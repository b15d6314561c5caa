"""Parquet files, row group by row group."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any

from entrepot.errors import SourceError
from entrepot.formats.readers.batches import Damaged
from entrepot.formats.readers.parquet_pages import MOST_FOOTER, groups, walk
from entrepot.formats.reading import BATCH_BYTES, BATCH_ROWS, ReadOptions

if TYPE_CHECKING:
    import pyarrow as pa

_BUFFERS = 32 << 20
"""Bytes that all columns' read buffers may have together."""
_PAGE_BYTES = 128 << 20
"""Bytes that a page may become; usual are 1 MiB."""
_PAGE_VALUES = 32 << 20
"""Values that a page of lists may have: a record's values are read together, however many they are."""
_LOOK = 64 << 10
_WORST = 256 << 20
"""Bytes that a batch may take at worst, every cell being its column's largest."""


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
        self._groups = groups(_footer(file))
        first = self._open(verified=True)
        self._metadata = first.metadata
        self.schema = first.schema_arrow
        if self._metadata.num_row_groups != len(self._groups) or min((g.rows for g in self._groups), default=0) < 0:
            raise SourceError("The Parquet file is broken.", hint="Its footer contradicts itself.", reason="broken")
        self.rows: int | None = sum(group.rows for group in self._groups)
        self.doubts = _doubts(first.schema, self.schema)

    def read(self) -> Iterator[pa.RecordBatch | Damaged]:
        """The rows; those behind a wrong checksum, to the end of their row group, are damaged."""
        verified = self._open(verified=True)
        for number in range(len(self._groups)):
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
        """How many rows of a row group are read together, so that they have a bounded size."""
        group = self._groups[number]
        usual = group.bytes // max(1, group.rows)
        rows = max(1, min(BATCH_ROWS, BATCH_BYTES // max(1, usual)))
        worst = max(1, sum(self._widths(number).values()))
        return max(1, min(rows, _WORST // worst)) if worst * rows > _WORST else rows

    def _widths(self, number: int) -> dict[str, int]:
        """Bytes that a cell may have at most, of the columns where little may become much.

        Raises:
            SourceError: A page would become too large.
        """
        found: dict[str, int] = {}
        shared = []
        for i, chunk in enumerate(self._groups[number].chunks):
            column, pages = self._metadata.schema.column(i), walk(self._file, chunk)
            if pages.largest > _PAGE_BYTES or (column.max_repetition_level and pages.values > _PAGE_VALUES):
                raise SourceError(
                    f"A page of column {column.path!r} would become {pages.largest:,} bytes, {pages.values:,} values.",
                    hint="Write the file with pages of the usual size, 1 MiB.",
                    reason="expanded_bytes",
                )
            if column.physical_type == "BYTE_ARRAY" and chunk.prefixes:
                found[column.path] = pages.largest  # each cell may go on with the whole one before
            elif column.physical_type == "BYTE_ARRAY" and pages.dictionary * BATCH_ROWS > _WORST:
                found[column.path] = pages.dictionary
                shared.append(column.path)
            elif column.physical_type == "FIXED_LEN_BYTE_ARRAY":
                found[column.path] = column.length
        return found | self._longest(number, shared)

    def _longest(self, number: int, paths: list[str]) -> dict[str, int]:
        """The longest entry of dictionaries, looked up: a usual one has many short ones."""
        import pyarrow as pa
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        flat = [path for path in paths if path in self.schema.names]
        if not flat:
            return {}
        opened = pq.ParquetFile(
            self._file, metadata=self._metadata, read_dictionary=flat, pre_buffer=False, buffer_size=_LOOK
        )
        found: dict[str, int] = {}
        for batch in opened.iter_batches(batch_size=1, row_groups=[number], columns=flat, use_threads=False):
            for name, column in zip(batch.schema.names, batch.columns, strict=True):
                if pa.types.is_dictionary(column.type):
                    found[name] = int(pc.max(pc.binary_length(column.dictionary)).as_py() or 0) + 8
            break
        return found

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


def _footer(file: IO[bytes]) -> bytes:
    """The footer, after a look at both ends, where every Parquet file says that it is one."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(4)
    file.seek(max(0, size - 8))
    tail = file.read(8)
    if b"PARE" in {head, tail[-4:]}:
        raise SourceError(
            "The Parquet file is encrypted.", hint="Send it decrypted: nobody gave a key.", reason="encrypted"
        )
    if head != b"PAR1":
        raise SourceError("This is no Parquet file.", hint="Its first four bytes are not PAR1.", reason="format")
    length = int.from_bytes(tail[:4], "little")
    if size < 12 or tail[-4:] != b"PAR1" or length > size - 12:
        raise SourceError(
            "The Parquet file is cut short.", hint="Its end is missing: send it again.", reason="truncated"
        )
    if length > MOST_FOOTER:
        raise SourceError(
            f"The Parquet file describes itself in {length:,} bytes.", hint="Write fewer row groups.", reason="columns"
        )
    file.seek(size - 8 - length)
    return file.read(length)


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
