"""What every writer offers: tables of Arrow batches become bytes of a format, in a stream."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import IO, TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(slots=True)
class Written:
    """What a writer says at its end.

    Attributes:
        rows: Rows of each table, in order.
        tables: What the tables are called in the target (sheets: cut to 31 characters, made unique).
        notes: What the format could not carry and what became of it, in words, once a column or table.
        facts: What the manifest states, such as ``formula_escape``.
    """

    rows: list[int] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


class Writer(Protocol):
    """Writes tables one after the other. Formats that have room for one table refuse the second."""

    def begin(self, name: str, schema: pa.Schema) -> None:
        """Starts a table.

        Args:
            name: What it is called.
            schema: Its columns; names are written as they are.

        Raises:
            UsageError: The format has room for one table, or cannot hold such columns.
        """
        ...

    def write(self, batch: pa.RecordBatch) -> None:
        """Adds rows to the table that was begun last; the batch has its schema."""
        ...

    def close(self) -> Written:
        """Ends the target. The file stays open; it is the caller's."""
        ...


WriterOptions = dict[str, Any]
"""Of one format; the module's opener says which it knows. An unknown one is a `UsageError`."""

WriterOpener = Callable[[IO[bytes], WriterOptions], Writer]

WRITERS = {
    "csv": "delimited:open_csv",
    "tsv": "delimited:open_tsv",
    "json": "jsondoc:open_json",
    "jsonl": "jsondoc:open_jsonl",
    "backup": "jsondoc:open_backup",
    "xml": "xmldoc:open_xml",
    "xlsx": "excel:open_xlsx",
    "parquet": "columnar:open_parquet",
    "orc": "columnar:open_orc",
    "arrow": "columnar:open_arrow",
    "sql": "sqlscript:open_script",
}
"""Format → module below `entrepot.formats.writers` and its opener. ``backup`` is the full-database document."""

KINDS_OF_TYPES = frozenset({"xlsx", "parquet", "orc", "arrow", "sql", "json", "jsonl", "backup"})
"""Formats whose cells have types; the others are text."""


def writer(format: str) -> WriterOpener:  # noqa: A002 - the word of the interface
    """The opener of a format's writer.

    Raises:
        KeyError: No writer has that format.
    """
    module, _, name = WRITERS[format].partition(":")
    return cast("WriterOpener", getattr(import_module(f"entrepot.formats.writers.{module}"), name))
