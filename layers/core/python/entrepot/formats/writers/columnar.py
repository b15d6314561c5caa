"""Writes Parquet, ORC and Arrow IPC."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Any, Protocol

from entrepot.errors import UsageError
from entrepot.formats.readers.batches import decoded_bytes
from entrepot.formats.writers.carrying import TEXT, Column, Rules, columns
from entrepot.formats.writing import Writer, WriterOptions, Written

if TYPE_CHECKING:
    import pyarrow as pa

GROUP_ROWS = 128 << 10
GROUP_BYTES = 64 << 20


class _Sink(Protocol):
    def write_table(self, table: pa.Table) -> None: ...
    def close(self) -> None: ...


class ColumnarWriter:
    """One table of typed columns, written in groups of rows.

    Args:
        file: Where to.
        options: ``compression``, ``group_rows``, ``group_bytes``; of Arrow ``stream`` too.

    Raises:
        UsageError: An option is not known or cannot be.
    """

    what = ""
    options: Mapping[str, Any] = {}
    words: Mapping[str, str] = {}

    def __init__(self, file: IO[bytes], options: WriterOptions) -> None:
        known = {"compression": None, "group_rows": GROUP_ROWS, "group_bytes": GROUP_BYTES, **self.options}
        unknown = sorted(options.keys() - known)
        if unknown:
            raise UsageError(
                f"Option {unknown[0]!r} is not one of {self.what}.", hint=f"There are: {', '.join(known)}."
            )
        self.file = file
        self.chosen = {**known, **options}
        self._sink: _Sink | None = None
        self._columns: list[Column] = []
        self._schema: pa.Schema | None = None
        self._held: list[pa.RecordBatch] = []
        self._held_rows = self._held_bytes = 0
        self._written = Written()

    def begin(self, name: str, schema: pa.Schema) -> None:
        """Starts the table; see `entrepot.formats.writing.Writer`.

        Raises:
            UsageError: It is the second one, or two columns have the same name.
        """
        import pyarrow as pa

        if self._schema is not None:
            raise UsageError(f"{self.what} holds one table.", hint="Write every table to a file of its own.")
        if len(set(schema.names)) < len(schema.names):
            raise UsageError(f"{self.what} needs different names for all columns.", hint="Rename the second one.")
        self._columns = columns(schema, self.rules, self.words, self.what, self.accepts)
        self._written.notes += [column.note for column in self._columns if column.note]
        self._schema = pa.schema([column.field for column in self._columns])
        self._written.tables.append(name)
        self._written.rows.append(0)
        try:
            self._sink = self.open(self._schema)
        except (pa.ArrowException, ValueError, OSError) as error:
            if isinstance(error, OSError) and not isinstance(error, pa.ArrowException) and error.errno:
                raise
            raise UsageError(
                f"{self.what} cannot be written so: {type(error).__name__}.", hint="Choose another compression."
            ) from None

    def write(self, batch: pa.RecordBatch) -> None:
        """Adds rows."""
        import pyarrow as pa

        cells = [column.carried(cells) for column, cells in zip(self._columns, batch.columns, strict=True)]
        carried = pa.RecordBatch.from_arrays(cells, schema=self._schema)
        if not carried.num_rows:
            return
        self._held.append(carried)
        self._held_rows += carried.num_rows
        self._held_bytes += sum(decoded_bytes(c) for c in cells)
        self._written.rows[0] += carried.num_rows
        if self._held_rows >= self.chosen["group_rows"] or self._held_bytes >= self.chosen["group_bytes"]:
            self._flush()

    def close(self) -> Written:
        """Ends the file.

        Raises:
            UsageError: No table was begun.
        """
        if self._sink is None:
            raise UsageError(f"{self.what} needs a table.", hint="Begin one before closing.")
        self._flush()
        self._sink.close()
        return self._written

    def _flush(self) -> None:
        import pyarrow as pa

        if self._held and self._sink is not None:
            table = pa.Table.from_batches(self._held, self._schema)
            self._held, self._held_rows, self._held_bytes = [], 0, 0
            self._sink.write_table(table)

    def rules(self, kind: pa.DataType) -> pa.DataType | str | None:
        """What the format has in a type's place; see `entrepot.formats.writers.carrying.Rules`."""
        raise NotImplementedError

    def compression(self, none: str | None) -> str | None:
        """The codec's name.

        Args:
            none: What the library calls none.
        """
        word = str(self.chosen["compression"] or "zstd").lower()
        return none if word in {"none", "uncompressed"} else word

    def accepts(self, field: pa.Field) -> bool:
        """Whether the library's writer takes a column."""
        import pyarrow as pa

        file, self.file = self.file, io.BytesIO()
        try:
            sink = self.open(pa.schema([field]))
            sink.write_table(pa.schema([field]).empty_table())
            sink.close()
        except (pa.ArrowException, OSError, ValueError):
            return False
        finally:
            self.file = file
        return True

    def open(self, schema: pa.Schema) -> _Sink:
        """Opens the library's writer."""
        raise NotImplementedError


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
            return kind if keeps else _plain(self.rules, kind.value_type)
        return _shared(self.rules, kind)

    def open(self, schema: pa.Schema) -> _Sink:
        import pyarrow.parquet as pq

        rows = self.chosen["group_rows"]
        writer = pq.ParquetWriter(self.file, schema, compression=self.compression("none"))

        class Sink:
            def write_table(self, table: pa.Table) -> None:
                writer.write_table(table, row_group_size=max(rows, table.num_rows))

            def close(self) -> None:
                writer.close()

        return Sink()


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
            return _plain(self.rules, kind.value_type)
        if (
            is_.is_fixed_size_list(kind)
            or is_.is_large_list(kind)
            or str(kind).startswith(("list_view", "large_list_view"))
        ):
            return _plain(self.rules, pa.list_(kind.value_field))
        return _shared(self.rules, kind)

    def open(self, schema: pa.Schema) -> _Sink:
        from pyarrow import orc

        writer = orc.ORCWriter(self.file, compression=self.compression("uncompressed"))
        empty = schema.empty_table()

        class Sink:
            def __init__(self) -> None:
                self.begun = False

            def write_table(self, table: pa.Table) -> None:
                self.begun = True
                writer.write(table)

            def close(self) -> None:
                if not self.begun:
                    writer.write(empty)
                writer.close()

        return Sink()


class _Arrow(ColumnarWriter):
    what = "Arrow"
    options: Mapping[str, Any] = {"stream": False}

    def rules(self, kind: pa.DataType) -> pa.DataType | str | None:
        import pyarrow as pa

        # Batches of one file must share one dictionary; those of a stream that is still coming need not agree.
        return _plain(self.rules, kind.value_type) if pa.types.is_dictionary(kind) else None

    def open(self, schema: pa.Schema) -> _Sink:
        import pyarrow as pa

        options = pa.ipc.IpcWriteOptions(compression=self.compression(None), use_threads=False)
        make = pa.ipc.new_stream if self.chosen["stream"] else pa.ipc.new_file
        sink: _Sink = make(self.file, schema, options=options)
        return sink


def _plain(rules: Rules, kind: pa.DataType) -> pa.DataType | str:
    """A type, or what a format has in its place."""
    from entrepot.formats.writers.carrying import target

    return target(kind, rules)


def _shared(rules: Rules, kind: pa.DataType) -> pa.DataType | str | None:
    """What neither Parquet nor ORC has: runs, unions, intervals, records without fields."""
    import pyarrow as pa

    is_ = pa.types
    if is_.is_run_end_encoded(kind):
        return _plain(rules, kind.value_type)
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
