"""Writes the full-database document: every table with its schema and rows, and metadata with counts at the end (FMT8).

The counts are known when all rows are written, so the metadata comes last; members of an object have no order. It
stands under both names that such documents use, ``export_metadata`` and ``metadata``.
"""

from __future__ import annotations

from datetime import UTC, datetime
from json.encoder import encode_basestring
from typing import IO, TYPE_CHECKING

from entrepot.errors import UsageError
from entrepot.formats.writers.jsondoc import Rows
from entrepot.formats.writers.options import checked
from entrepot.formats.writing import Writer, WriterOptions, Written

if TYPE_CHECKING:
    import pyarrow as pa

_VERSION = "1.0"


def open_backup(file: IO[bytes], options: WriterOptions) -> Writer:
    """A writer of the full-database document.

    Args:
        file: Where to.
        options: ``database``: its name. ``exported_at``: an ISO 8601 time; now, where left out.
    """
    known = checked(options, {"database": "", "exported_at": ""}, "the full-database document")
    return BackupWriter(
        file, known["database"], known["exported_at"] or datetime.now(UTC).isoformat(timespec="seconds")
    )


class BackupWriter:
    """Writes all tables into one document.

    Args:
        file: Where to.
        database: The database's name.
        exported_at: When this was.
    """

    def __init__(self, file: IO[bytes], database: str, exported_at: str) -> None:
        self._file = file
        self._database = database
        self._exported_at = exported_at
        self._tables: list[str] = []
        self._done: list[Rows] = []
        file.write(b'{"tables":{')

    def begin(self, name: str, schema: pa.Schema) -> None:
        """Starts a table."""
        if name in self._tables:
            raise UsageError(f"Two tables are called {name!r}.", hint="Rename one of them.", table=name)
        rows = Rows(schema)
        self._end_table()
        columns, types, arrow = [], [], []
        for field in schema:
            columns.append(encode_basestring(field.name))
            types.append(encode_basestring(type_word(field.type)))
            arrow.append(encode_basestring(arrow_word(field.type)))
        self._file.write(
            f'{"," if self._tables else ""}\n{encode_basestring(name)}:{{"schema":{{"columns":[{",".join(columns)}],'
            f'"types":[{",".join(types)}],"arrow":[{",".join(arrow)}]}},"data":[\n'.encode()
        )
        self._tables.append(name)
        self._done.append(rows)

    def write(self, batch: pa.RecordBatch) -> None:
        """Adds rows to the table that was begun last."""
        self._done[-1].write(self._file, batch)

    def close(self) -> Written:
        """Ends the document with its metadata."""
        self._end_table()
        counts = [rows.rows for rows in self._done]
        self._file.write(f"\n}},\n{self._metadata(sum(counts))}}}\n".encode())
        notes = [f"{name}: {note}" for name, rows in zip(self._tables, self._done, strict=True) for note in rows.notes]
        return Written(counts, self._tables, notes, {"version": _VERSION, "exported_at": self._exported_at})

    def _end_table(self) -> None:
        if self._done:
            self._file.write(b"\n]}" if self._done[-1].rows else b"]}")

    def _metadata(self, records: int) -> str:
        at, database = encode_basestring(self._exported_at), encode_basestring(self._database)
        return (
            f'"export_metadata":{{"version":"{_VERSION}","export_timestamp":{at},"database_name":{database},'
            f'"record_count":{records}}},\n'
            f'"metadata":{{"export_version":"{_VERSION}","export_timestamp":{at},"database_name":{database},'
            f'"total_tables":{len(self._tables)},"total_records":{records}}}'
        )


def type_word(kind: pa.DataType) -> str:
    """A contract's word for a type."""
    import pyarrow as pa

    types = pa.types
    if types.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    words = (
        (types.is_integer, "integer"),
        (types.is_floating, "float"),
        (types.is_boolean, "boolean"),
        (types.is_date, "date"),
        (types.is_timestamp, "datetime"),
        (types.is_time, "time"),
        (types.is_nested, "json"),
    )
    return next((word for has, word in words if has(kind)), "string")


def arrow_word(kind: pa.DataType) -> str:
    """The name of the Arrow type that the document's cells come back as; text where they are JSON or intervals."""
    import pyarrow as pa

    from entrepot.formats.readers.json_backup import arrow_type

    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return arrow_word(kind.value_type)
    if pa.types.is_duration(kind) or pa.types.is_interval(kind):
        return "string"
    return str(kind) if arrow_type(str(kind)) == kind else "string"
