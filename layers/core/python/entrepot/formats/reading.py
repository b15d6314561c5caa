"""What every reader offers: the tables of a source, and the rows of each as a stream of Arrow batches.

A reader takes an open, seekable binary file, so that the same code reads a file on disk, a member of an archive
and an object in S3. It never holds more than a batch, unless its format forbids that; then it says so in `LIMITS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import IO, TYPE_CHECKING, Literal, Protocol, cast

from entrepot.model.findings import QuarantinedRow

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 16_384
"""Rows that a reader hands over together, at most."""
BATCH_BYTES = 16 << 20
"""About how many bytes of cells a batch has, at most."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a reader accepts from a stranger. Passing one is a `SourceError` with ``facts["reason"]`` of its name.

    Attributes:
        columns: Columns of a table.
        tables: Tables, sheets or members of a source.
        cell_bytes: Bytes of one cell.
        depth: Nesting of a document, and of archives in archives.
        expanded_bytes: What compressed content may become, in bytes.
        ratio: Expanded bytes by compressed ones, looked at beyond the first 10 MiB.
    """

    columns: int = 1600
    tables: int = 10_000
    cell_bytes: int = 64 << 20
    depth: int = 100
    archive_depth: int = 4
    expanded_bytes: int = 100 << 30
    ratio: int = 200


LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How a source is to be read; what is left out is found out.

    Attributes:
        encoding: Of text.
        path: Of the repeating element (XML) or the array of records (JSON), with dots or slashes.
        arrays: What becomes of arrays in a record: kept as one JSON cell, or a row for each element.
        values: Of workbooks: cells as they are shown, or with all that is stored (dates in ISO form, all digits).
        pattern: Of log lines: the name of a known pattern.
        limits: What is accepted.
    """

    encoding: str | None = None
    path: str | None = None
    arrays: Literal["keep", "explode"] = "keep"
    values: Literal["shown", "exact"] = "exact"
    pattern: str | None = None
    strict: bool = False
    """The format was stated: whatever deviates from it is refused, and nothing is mended."""
    limits: Limits = LIMITS


@dataclass(slots=True)
class Table:
    """One table of a source, before its rows are read.

    Attributes:
        name: As the source has it: the sheet, the member, the element; else the source's stem.
        schema: A field for every column, with usable and unique names (`entrepot.detect.header.column_names`);
            ``pa.string()`` where the format knows only text, the format's own type where it has types.
        header: The header's cells as they stand; empty when there is none.
        header_rows: How many rows the header took.
        first_row: Number of the first data row as a person counts in the source, from 1.
        rows: How many rows there are, where that is known without reading them.
        weight: Which table is the best: the heaviest. By default about how many cells it has.
        doubts: What was decided, in words, with its evidence.
    """

    name: str
    schema: pa.Schema
    header: list[str] = field(default_factory=list)
    header_rows: int = 0
    first_row: int = 1
    rows: int | None = None
    weight: float = 0.0
    doubts: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Batch:
    """Consecutive rows.

    Attributes:
        data: The rows, by the table's schema. A cell that is not there or empty is null.
        rows: The row number of each; None when they follow each other without a gap from ``first_row`` on.
        first_row: Number of the first.
        refused: Rows in between that could not be read, verbatim and with their findings.
    """

    data: pa.RecordBatch
    first_row: int
    rows: Sequence[int] | None = None
    refused: list[QuarantinedRow] = field(default_factory=list)


class Reader(Protocol):
    """An open source of one format."""

    @property
    def format(self) -> str:
        """The format's word in DESIGN's list, such as xlsx."""
        ...

    @property
    def encoding(self) -> str | None:
        """Python's name of the encoding, for formats that are text."""
        ...

    @property
    def doubts(self) -> list[str]:
        """What was decided about the source as a whole."""
        ...

    def tables(self) -> list[Table]:
        """All tables, in the source's order; at least one.

        Raises:
            SourceError: The source is not what it seemed to be, is encrypted or broken.
        """
        ...

    def batches(self, table: int) -> Iterator[Batch]:
        """The rows of a table, from the first on; may be called again.

        Args:
            table: Its place in `tables`.

        Raises:
            SourceError: The source breaks off, or passes a limit; ``facts`` say where.
        """
        ...


Opener = Callable[[IO[bytes], str, ReadOptions], Reader]
"""``open(file, name, options)``: the file is seekable and stays the caller's; the name is the file's own."""

READERS = {
    "xlsx": "excel:open_workbook",
    "xlsm": "excel:open_workbook",
    "xlsb": "excel:open_workbook",
    "xls": "excel:open_workbook",
    "ods": "excel:open_workbook",
    "json": "jsondoc:open_json",
    "xml": "xmldoc:open_xml",
    "parquet": "columnar:open_parquet",
    "orc": "columnar:open_orc",
    "arrow": "columnar:open_arrow",
    "sql": "sqldump:open_dump",
    "sqlite": "sqlitefile:open_database",
    "fixed": "fixedwidth:open_fixed",
    "log": "loglines:open_log",
}
"""Format → module below `entrepot.formats.readers` and its opener. Delimited text and JSON Lines are not here: they
are cut by bytes (`entrepot.formats.split`). Plug-ins add theirs by entry point (`entrepot.formats.plugins`)."""


def opener(format: str) -> Opener:  # noqa: A002 - the word of the interface
    """The opener of a format.

    Raises:
        KeyError: No reader here has that format.
    """
    module, _, name = READERS[format].partition(":")
    return cast("Opener", getattr(import_module(f"entrepot.formats.readers.{module}"), name))
