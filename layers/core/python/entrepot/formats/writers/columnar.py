"""Writes Parquet, ORC and Arrow IPC."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Any

from entrepot.formats.writers.carrying import TEXT, Rules, target
from entrepot.formats.writers.columnar_base import ColumnarWriter, Sink
from entrepot.formats.writing import Writer, WriterOptions

if TYPE_CHECKING:
    import pyarrow as pa


class _Parquet(ColumnarWriter):
    what = "Parquet"

    def rules(self, kind: pa.DataType) -> pa.DataType | str | None:
        import pyarrow as pa

        is_ = pa.types
        if is_.is_timestamp(kind) and kind.unit == "s":
            return pa.timestamp("ms", kind.tz)
        if is_.is_time32(kind):
            return pa.time32("ms")
        if is_.is_date64(kind):
            return pa.date32()
        if is_.is_dictionary(kind):
            keeps = is_.is_string(kind.value_type)
            return kind if keeps else target(kind.value_type, self.rules)
        return _shared(self.rules, kind)

    def open(self, schema: pa.Schema) -> Sink:
        import pyarrow.parquet as pq

        rows = self.chosen["group_rows"]
        writer = pq.ParquetWriter(self.file, schema, compression=self.compression("none"))

        class Groups:
            def write_table(self, table: pa.Table) -> None:
                writer.write_table(table, row_group_size=max(rows, table.num_rows))

            def close(self) -> None:
                writer.close()

        return Groups()


class _Orc(ColumnarWriter):
    what = "ORC"
    words: Mapping[str, str] = {
        "int": "a wider whole number",
        "decimal128(20, 0)": "a decimal",
        "float": "a float of 32 bits",
        "timestamp": "the same instants, in UTC",
    }

    def rules(self, kind: pa.DataType) -> pa.DataType | str | None:
        import pyarrow as pa

        is_ = pa.types
        simple = {
            pa.uint8(): pa.int16(),
            pa.uint16(): pa.int32(),
            pa.uint32(): pa.int64(),
            pa.uint64(): pa.decimal128(20, 0),
            pa.float16(): pa.float32(),
            pa.string_view(): pa.string(),
            pa.large_string(): pa.string(),
            pa.binary_view(): pa.binary(),
            pa.large_binary(): pa.binary(),
            pa.date64(): pa.date32(),
        }
        if kind in simple:
            return simple[kind]
        if is_.is_fixed_size_binary(kind) and not isinstance(kind, pa.BaseExtensionType):
            return pa.binary()
        if is_.is_timestamp(kind) and kind.tz:
            return pa.timestamp(kind.unit, "UTC")
        if is_.is_decimal(kind):
            return pa.decimal128(kind.precision, kind.scale) if kind.precision <= 38 and kind.scale >= 0 else TEXT
        if is_.is_time(kind) or is_.is_duration(kind) or is_.is_null(kind):
            return TEXT
        if isinstance(kind, pa.Bool8Type):
            return pa.bool_()
        if isinstance(kind, pa.BaseExtensionType):
            return TEXT
        if is_.is_dictionary(kind):
            return target(kind.value_type, self.rules)
        if (
            is_.is_fixed_size_list(kind)
            or is_.is_large_list(kind)
            or str(kind).startswith(("list_view", "large_list_view"))
        ):
            return target(pa.list_(kind.value_field), self.rules)
        return _shared(self.rules, kind)

    def open(self, schema: pa.Schema) -> Sink:
        from pyarrow import orc

        writer = orc.ORCWriter(self.file, compression=self.compression("uncompressed"))
        empty = schema.empty_table()

        class Groups:
            def __init__(self) -> None:
                self.begun = False

            def write_table(self, table: pa.Table) -> None:
                self.begun = True
                writer.write(table)

            def close(self) -> None:
                if not self.begun:
                    writer.write(empty)
                writer.close()

        return Groups()


class _Arrow(ColumnarWriter):
    what = "Arrow"
    options: Mapping[str, Any] = {"stream": False}

    def rules(self, kind: pa.DataType) -> pa.DataType | str | None:
        import pyarrow as pa

        # Batches of one file must share one dictionary; those of a stream that is still coming need not agree.
        return target(kind.value_type, self.rules) if pa.types.is_dictionary(kind) else None

    def open(self, schema: pa.Schema) -> Sink:
        import pyarrow as pa

        options = pa.ipc.IpcWriteOptions(compression=self.compression(None), use_threads=False)
        make = pa.ipc.new_stream if self.chosen["stream"] else pa.ipc.new_file
        sink: Sink = make(self.file, schema, options=options)
        return sink


def _shared(rules: Rules, kind: pa.DataType) -> pa.DataType | str | None:
    """What neither Parquet nor ORC has: runs, unions, intervals, records without fields."""
    import pyarrow as pa

    is_ = pa.types
    if is_.is_run_end_encoded(kind):
        return target(kind.value_type, rules)
    if is_.is_struct(kind) and not kind.num_fields:
        return TEXT
    if is_.is_union(kind) or (not is_.is_nested(kind) and str(kind).endswith("_interval")):
        return TEXT
    return None


def open_parquet(file: IO[bytes], options: WriterOptions) -> Writer:
    """Writes Parquet; options as for `ColumnarWriter` (``compression`` zstd, snappy, gzip, brotli, lz4, none)."""
    return _Parquet(file, options)


def open_orc(file: IO[bytes], options: WriterOptions) -> Writer:
    """Writes ORC; options as for `ColumnarWriter` (``compression`` zstd, zlib, snappy, lz4, uncompressed)."""
    return _Orc(file, options)


def open_arrow(file: IO[bytes], options: WriterOptions) -> Writer:
    """Writes an Arrow IPC file, or a stream; options as for `ColumnarWriter` (``compression`` zstd or lz4)."""
    return _Arrow(file, options)
