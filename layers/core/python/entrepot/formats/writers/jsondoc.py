"""Writes JSON: an array of objects, JSON Lines, and the full-database document."""

from __future__ import annotations

from json.encoder import encode_basestring
from typing import IO, TYPE_CHECKING

from entrepot.errors import UsageError
from entrepot.formats.writers.joined import join, slices
from entrepot.formats.writers.json_cells import json_cells, type_note, value_note
from entrepot.formats.writers.options import checked, one_table, unique_names
from entrepot.formats.writing import Writer, WriterOptions, Written

if TYPE_CHECKING:
    import pyarrow as pa


def open_json(file: IO[bytes], options: WriterOptions) -> Writer:
    """A writer of an array of objects, one a line.

    Args:
        file: Where to.
        options: ``indent``: blanks of a level; 0 (default) writes each object on one line.
    """
    indent = checked(options, {"indent": 0}, "JSON")["indent"]
    if not 0 <= indent <= 16:
        raise UsageError(
            "Option 'indent' is a number from 0 to 16.", hint="Leave it out for one line.", option="indent"
        )
    return JsonWriter(file, indent=indent)


def open_jsonl(file: IO[bytes], options: WriterOptions) -> Writer:
    """A writer of JSON Lines; it has no options."""
    checked(options, {}, "JSON Lines")
    return JsonLinesWriter(file)


def open_backup(file: IO[bytes], options: WriterOptions) -> Writer:
    """A writer of the full-database document; see `entrepot.formats.writers.backup`."""
    from entrepot.formats.writers.backup import open_backup as opened

    return opened(file, options)


class Rows:
    """Batches of one table as JSON objects.

    Args:
        schema: Of the batches.
        indent: Blanks of a level; 0 writes an object on one line.
        level: How deep the objects stand.
        between: Stands between two objects.
    """

    def __init__(self, schema: pa.Schema, *, indent: int = 0, level: int = 0, between: str = ",\n") -> None:
        unique_names(schema, "JSON")
        self.schema = schema
        self.rows = 0
        self._notes = {field.name: note for field in schema if (note := type_note(field))}
        self._between = between
        self._outer = " " * (indent * level)
        self._inner = f"\n{' ' * (indent * (level + 1))}" if indent else ""
        self._colon = ": " if indent else ":"
        self._end = f"\n{self._outer}}}" if indent else "}"

    @property
    def notes(self) -> list[str]:
        """What JSON cannot carry, once a column."""
        return list(self._notes.values())

    def write(self, file: IO[bytes], batch: pa.RecordBatch) -> None:
        """Writes a batch's objects."""
        for part in slices(batch):
            self._note(part)
            data = join(self._parts(part))
            file.write(data if self.rows else data[len(self._between.encode()) :])
            self.rows += part.num_rows

    def _parts(self, batch: pa.RecordBatch) -> list[pa.Array | str]:
        import pyarrow as pa

        if not batch.num_columns:
            return [pa.array([f"{self._between}{self._outer}{{}}"] * batch.num_rows, pa.string())]
        parts: list[pa.Array | str] = []
        for i, (name, cells) in enumerate(zip(self.schema.names, batch.columns, strict=True)):
            before = "," if i else f"{self._between}{self._outer}{{"
            parts += [f"{before}{self._inner}{encode_basestring(name)}{self._colon}", json_cells(cells)]
        return [*parts, self._end]

    def _note(self, batch: pa.RecordBatch) -> None:
        for field, cells in zip(self.schema, batch.columns, strict=True):
            if field.name not in self._notes and (note := value_note(field, cells)):
                self._notes[field.name] = note


class JsonWriter:
    """Writes one table as an array of objects.

    Args:
        file: Where to.
        indent: Blanks of a level.
    """

    def __init__(self, file: IO[bytes], *, indent: int) -> None:
        self._file = file
        self._indent = indent
        self._tables: list[str] = []
        self._rows: Rows | None = None

    def begin(self, name: str, schema: pa.Schema) -> None:
        """Starts the table."""
        one_table("JSON", self._tables, "The full-database document (backup) holds several.")
        self._rows = Rows(schema, indent=self._indent, level=1)
        self._tables.append(name)
        self._file.write(b"[\n")

    def write(self, batch: pa.RecordBatch) -> None:
        """Adds rows."""
        assert self._rows is not None
        self._rows.write(self._file, batch)

    def close(self) -> Written:
        """Closes the array."""
        if self._rows is None:
            self._file.write(b"[]\n")
            return Written()
        self._file.write(b"\n]\n" if self._rows.rows else b"]\n")
        return Written([self._rows.rows], self._tables, self._rows.notes)


class JsonLinesWriter:
    """Writes one table as an object a line.

    Args:
        file: Where to.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._tables: list[str] = []
        self._rows: Rows | None = None

    def begin(self, name: str, schema: pa.Schema) -> None:
        """Starts the table."""
        one_table("JSON Lines", self._tables, "The full-database document (backup) holds several.")
        self._rows = Rows(schema, between="\n")
        self._tables.append(name)

    def write(self, batch: pa.RecordBatch) -> None:
        """Adds rows."""
        assert self._rows is not None
        self._rows.write(self._file, batch)

    def close(self) -> Written:
        """Ends the last line."""
        if self._rows is None:
            return Written()
        if self._rows.rows:
            self._file.write(b"\n")
        return Written([self._rows.rows], self._tables, self._rows.notes)
