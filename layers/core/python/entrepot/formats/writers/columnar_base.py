"""What the writers of Parquet, ORC and Arrow IPC share: columns made fit, rows gathered into groups."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Any, Protocol

from entrepot.errors import UsageError
from entrepot.formats.readers.sizes import decoded_bytes
from entrepot.formats.writers.carrying import Column, columns
from entrepot.formats.writing import WriterOptions, Written

if TYPE_CHECKING:
    import pyarrow as pa

GROUP_ROWS = 128 << 10
GROUP_BYTES = 64 << 20


class Sink(Protocol):
    """A library's writer."""

    def write_table(self, table: pa.Table) -> None:
        """Writes a group of rows."""
        ...

    def close(self) -> None:
        """Ends the file."""
        ...


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
        self._sink: Sink | None = None
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

    def open(self, schema: pa.Schema) -> Sink:
        """Opens the library's writer."""
        raise NotImplementedError
