"""Parquet, ORC and Arrow IPC: typed columns, read batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import PurePath
from typing import IO, TYPE_CHECKING, Protocol

from entrepot.detect.header import column_names
from entrepot.errors import SourceError
from entrepot.formats.readers.batches import Damaged, guarded, pieces
from entrepot.formats.reading import Batch, Limits, Reader, ReadOptions, Table

if TYPE_CHECKING:
    import pyarrow as pa

Rows = Callable[[], Iterator["pa.RecordBatch | Damaged"]]
"""Reads a source from its first row on."""


class Source(Protocol):
    """An open file of one columnar format."""

    schema: pa.Schema
    rows: int | None
    doubts: list[str]

    def read(self) -> Iterator[pa.RecordBatch | Damaged]:
        """Its rows, from the first on; may be called again."""
        ...


class ColumnarReader:
    """One table of typed columns.

    Args:
        format: The format's word.
        table: What is known before its rows are read.
        rows: Reads them.
        limits: What is accepted.
    """

    encoding: str | None = None

    def __init__(self, format: str, table: Table, rows: Rows, limits: Limits) -> None:  # noqa: A002
        self.format = format
        self.doubts: list[str] = []
        self._table = table
        self._rows = rows
        self._limits = limits

    def tables(self) -> list[Table]:
        """The one table."""
        return [self._table]

    def batches(self, table: int) -> Iterator[Batch]:
        """The rows; see `entrepot.formats.reading.Reader`.

        Raises:
            SourceError: The source is broken, or passes a limit.
        """
        if table != 0:
            raise IndexError(table)
        row = 1
        for part in guarded(self.format, self._rows()):
            for piece in guarded(self.format, pieces(part, self._table.schema, self._limits)):
                if piece.count:
                    yield piece.batch(row)
                row += piece.count
        if self._table.rows not in {None, row - 1}:
            raise SourceError(
                f"The file says it has {self._table.rows:,} rows, and {row - 1:,} are there.",
                hint="It is cut short or broken: send it again.",
                reason="truncated",
                rows=row - 1,
            )


def table_of(name: str, schema: pa.Schema, rows: int | None, limits: Limits) -> Table:
    """The table of a columnar source.

    Args:
        name: The file's own name.
        schema: As it is in the source.
        rows: How many it says it has.
        limits: What is accepted.

    Raises:
        SourceError: There are too many columns, or they are nested too deeply.
    """
    import pyarrow as pa

    if len(schema) > limits.columns:
        raise SourceError(
            f"The table has {len(schema):,} columns.",
            hint=f"It may have {limits.columns:,}.",
            reason="columns",
            columns=len(schema),
        )
    deepest = max((_depth(field.type, limits.depth) for field in schema), default=0)
    if deepest > limits.depth:
        raise SourceError("A column is nested too deeply.", hint=f"It may have {limits.depth} levels.", reason="depth")
    names, doubts = column_names(list(schema.names), len(schema))
    fields = [pa.field(name, field.type) for name, field in zip(names, schema, strict=True)]
    return Table(
        name=PurePath(name).stem,
        schema=pa.schema(fields),
        header=list(schema.names),
        rows=rows,
        weight=float((rows if rows is not None else 1) * len(fields)),
        doubts=doubts,
    )


def _depth(kind: pa.DataType, most: int) -> int:
    if most < 0:
        return 1
    return 1 + max((_depth(kind.field(i).type, most - 1) for i in range(kind.num_fields)), default=0)


def open_parquet(file: IO[bytes], name: str, options: ReadOptions) -> Reader:
    """Opens a Parquet file; see `entrepot.formats.reading.Opener`.

    Raises:
        SourceError: It is none, is encrypted or broken.
    """
    from entrepot.formats.readers.columnar_parquet import ParquetSource

    return _opened("parquet", lambda: ParquetSource(file, options), name, options)


def open_orc(file: IO[bytes], name: str, options: ReadOptions) -> Reader:
    """Opens an ORC file; see `entrepot.formats.reading.Opener`.

    Raises:
        SourceError: It is none, is encrypted or broken.
    """
    from entrepot.formats.readers.columnar_orc import OrcSource

    return _opened("orc", lambda: OrcSource(file, options), name, options)


def open_arrow(file: IO[bytes], name: str, options: ReadOptions) -> Reader:
    """Opens an Arrow IPC file or stream, or a Feather file; see `entrepot.formats.reading.Opener`.

    Raises:
        SourceError: It is none, or broken.
    """
    from entrepot.formats.readers.columnar_arrow import ArrowSource

    return _opened("arrow", lambda: ArrowSource(file, options), name, options)


def _opened(format: str, make: Callable[[], Source], name: str, options: ReadOptions) -> Reader:  # noqa: A002
    def parts() -> Iterator[ColumnarReader]:
        source = make()
        table = table_of(name, source.schema, source.rows, options.limits)
        table.doubts += source.doubts
        yield ColumnarReader(format, table, source.read, options.limits)

    return next(guarded(format, parts()))
