"""SQLite database files, opened read-only and never trusted."""

# ruff: noqa: S608 - names are quoted by _quoted; the database is read-only, and its authorizer allows nothing else
from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import IO, TYPE_CHECKING

from entrepot.detect.header import column_names
from entrepot.errors import SourceError
from entrepot.formats.readers.ondisk import OnDisk
from entrepot.formats.readers.sqlite_cells import batch, column_type, metadata
from entrepot.formats.readers.sqlite_connection import Database, connected
from entrepot.formats.reading import BATCH_BYTES, BATCH_ROWS, Batch, Reader, ReadOptions, Table

if TYPE_CHECKING:
    import pyarrow as pa

_PATIENCE = 8.0
"""Seconds in which a query must give its next rows; more for large files."""
_PACE = 10 << 20
"""Bytes of a file that are worth another second."""
_KINDS = (
    "sum(typeof({0}) = 'integer'), sum(typeof({0}) = 'real'), sum(typeof({0}) = 'text'), sum(typeof({0}) = 'blob'),"
    " sum({0} IN (0, 1))"
)
_COMPUTED, _KEPT_COLUMNS = 2, {0, 3}
"""What table_xinfo calls hidden: 2 is computed on reading, 3 is computed and stored."""
_AT_ONCE = 100
"""Columns that one query looks at."""


class DatabaseReader:
    """An open database file; see `entrepot.formats.reading.Reader`.

    Views are named and not run: what they show is in the tables, and a view is a program.

    Args:
        file: Seekable; one that is not on this disk is copied there.
        options: Its limits.

    Raises:
        SourceError: It is no SQLite database, is encrypted or broken, or has no table.
    """

    format = "sqlite"

    def __init__(self, file: IO[bytes], options: ReadOptions) -> None:
        self._limits = options.limits
        self.doubts: list[str] = []
        self.encoding: str | None = None
        file.seek(0)
        if file.read(16) != b"SQLite format 3\0":
            raise SourceError(
                "This is no SQLite database.",
                hint="Its first bytes are another's; it may be encrypted.",
                reason="format",
            )
        self._size = file.seek(0, os.SEEK_END)
        self._place = OnDisk(file, options.limits.expanded_bytes)
        with self._connected() as database:
            self._names = self._listed(database)
            self._tables = [self._table(database, name) for name in self._names]
        if not self._tables:
            raise SourceError("The database has no table.", hint="Its tables may be virtual ones.", reason="empty")

    def _connected(self) -> AbstractContextManager[Database]:
        return connected(self._place.path, self._limits.cell_bytes, _PATIENCE + self._size / _PACE)

    def _listed(self, database: Database) -> list[str]:
        found = database.rows(
            "SELECT type, name, sql FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY rowid"
        )
        names = []
        for kind, name, sql in found:
            virtual = isinstance(sql, str) and sql.lstrip().upper().startswith("CREATE VIRTUAL")
            if not isinstance(name, str) or name.lower().startswith("sqlite_"):
                continue
            if kind == "view" or virtual:
                what = "view" if kind == "view" else "virtual table"
                self.doubts.append(f"The {what} {name!r} is left out: it is a program, not rows.")
            else:
                names.append(name)
            if len(names) > self._limits.tables:
                raise SourceError(
                    "There are too many tables.", hint=f"{self._limits.tables:,} may be.", reason="tables"
                )
        return names

    def _table(self, database: Database, name: str) -> Table:
        import pyarrow as pa

        found = list(database.rows(f"PRAGMA table_xinfo({_quoted(name)})"))
        columns = [(str(row[1]), str(row[2] or "")) for row in found if row[6] in _KEPT_COLUMNS]
        computed = [str(row[1]) for row in found if row[6] == _COMPUTED]
        if len(columns) > self._limits.columns:
            raise SourceError(
                f"Table {name!r} has {len(columns):,} columns.",
                hint=f"{self._limits.columns:,} may be.",
                reason="columns",
            )
        names, doubts = column_names([own for own, _ in columns], len(columns))
        doubts += [f"Column {own!r} is left out: it is computed when it is read." for own in computed]
        rows = int(next(database.rows(f"SELECT count(*) FROM {_quoted(name)}"))[0] or 0)
        counts: list[int] = []
        for start in range(0, len(columns), _AT_ONCE):
            asked = ", ".join(_KINDS.format(_quoted(own)) for own, _ in columns[start : start + _AT_ONCE])
            counts += [int(c or 0) for c in next(database.rows(f"SELECT {asked} FROM {_quoted(name)}"))]
        fields: list[pa.Field] = []
        for i, (usable, (_, declared)) in enumerate(zip(names, columns, strict=True)):
            kind, doubt = column_type(counts[5 * i : 5 * i + 5], declared)
            if doubt:
                doubts.append(f"Column {usable!r} {doubt}")
            fields.append(pa.field(usable, kind, metadata=metadata(declared)))
        return Table(
            name=name,
            schema=pa.schema(fields),
            header=[own for own, _ in columns],
            rows=rows,
            weight=float(rows * len(columns)),
            doubts=doubts,
        )

    def tables(self) -> list[Table]:
        """All tables, in the order in which they were made."""
        return self._tables

    def batches(self, table: int) -> Iterator[Batch]:
        """The rows of a table; see `entrepot.formats.reading.Reader`.

        Raises:
            SourceError: The database is broken, or a cell is too large.
        """
        schema, name = self._tables[table].schema, self._names[table]
        listed = ", ".join(_quoted(own) for own in self._tables[table].header)
        first, held, size = 1, [], 0
        with self._connected() as database:
            for row in database.rows(f"SELECT {listed} FROM {_quoted(name)}"):
                held.append(row)
                size += sum(len(cell) if isinstance(cell, bytes | str) else 9 for cell in row)
                if len(held) >= BATCH_ROWS or size >= BATCH_BYTES:
                    yield batch(held, first, schema)
                    first, held, size = first + len(held), [], 0
        if held:
            yield batch(held, first, schema)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def open_database(file: IO[bytes], name: str, options: ReadOptions) -> Reader:
    """Opens a database file; see `entrepot.formats.reading.Opener`.

    Raises:
        SourceError: It is none, is encrypted or broken.
    """
    del name
    return DatabaseReader(file, options)
