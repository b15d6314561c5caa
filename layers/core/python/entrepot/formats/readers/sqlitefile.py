"""SQLite database files, opened read-only and never trusted."""

# ruff: noqa: S608 - names are quoted by _quoted; the database is read-only, and its authorizer allows nothing else
from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import quote

from entrepot.detect.header import column_names
from entrepot.errors import SourceError
from entrepot.formats.readers.ondisk import OnDisk
from entrepot.formats.readers.sql_types import DECLARED, WORD, type_word
from entrepot.formats.reading import BATCH_BYTES, BATCH_ROWS, Batch, Reader, ReadOptions, Table
from entrepot.formats.refusals import structural
from entrepot.model.findings import QuarantinedRow

if TYPE_CHECKING:
    import pyarrow as pa

_STEPS = 100_000
"""Steps of SQLite's machine between looks at the clock."""
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

    @contextlib.contextmanager
    def _connected(self) -> Iterator[_Database]:
        # Immutable: no lock, no journal is looked for beside it, nothing is ever written.
        place = f"file:{quote(self._place.path)}?mode=ro&immutable=1"
        with _ours():
            connection = sqlite3.connect(place, uri=True, isolation_level=None, check_same_thread=False)
        try:
            with _ours():
                yield _Database(connection, self._limits.cell_bytes, _PATIENCE + self._size / _PACE)
        finally:
            connection.close()

    def _listed(self, database: _Database) -> list[str]:
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

    def _table(self, database: _Database, name: str) -> Table:
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
            kind, doubt = _kind(counts[5 * i : 5 * i + 5], declared)
            if doubt:
                doubts.append(f"Column {usable!r} {doubt}")
            fields.append(pa.field(usable, kind, metadata=_metadata(declared)))
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
                    yield _batch(held, first, schema)
                    first, held, size = first + len(held), [], 0
        if held:
            yield _batch(held, first, schema)


class _Database:
    """A connection that can do nothing but read, and not for ever.

    Args:
        connection: Just opened.
        cell_bytes: What a cell may have.
        patience: Seconds in which the next rows must come.
    """

    def __init__(self, connection: sqlite3.Connection, cell_bytes: int, patience: float) -> None:
        self._connection = connection
        self._patience = patience
        self._deadline = 0.0
        connection.text_factory = _text
        connection.execute("PRAGMA trusted_schema=OFF")
        connection.execute("PRAGMA query_only=ON")
        connection.execute("PRAGMA cell_size_check=ON")
        connection.execute("PRAGMA mmap_size=0")
        connection.execute("PRAGMA cache_size=-8000")
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, cell_bytes + 1)
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        connection.set_progress_handler(lambda: time.monotonic() > self._deadline, _STEPS)
        connection.set_authorizer(_authorized)

    def rows(self, query: str) -> Iterator[tuple[Any, ...]]:
        self._deadline = time.monotonic() + self._patience
        cursor = self._connection.execute(query)
        while found := cursor.fetchmany(256):
            yield from found
            self._deadline = time.monotonic() + self._patience


_ALLOWED = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ})


def _authorized(action: int, first: str | None, second: str | None, *_: object) -> int:
    if action in _ALLOWED:
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_FUNCTION and second in {"count", "sum", "typeof"}:
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_PRAGMA and first == "table_xinfo":
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY


def _text(data: bytes) -> str | bytes:
    """Text, or its bytes where they are none."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return _NoText(data)


class _NoText(bytes):
    """Bytes that SQLite keeps as text and that are none."""


@contextlib.contextmanager
def _ours() -> Iterator[None]:
    """Turns SQLite's errors into ours, without its text, which may quote the file."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        name = getattr(error, "sqlite_errorname", "") or ""
        if name == "SQLITE_TOOBIG":
            raise SourceError("A cell is too large.", hint="Leave such values out.", reason="cell_bytes") from None
        if name == "SQLITE_INTERRUPT":
            raise SourceError(
                "The database gives no rows for too long.",
                hint="It is broken, or made to keep a reader busy.",
                reason="slow",
            ) from None
        if name == "SQLITE_NOTADB":
            raise SourceError(
                "This is no SQLite database, or it is encrypted.", hint="Send it decrypted.", reason="encrypted"
            ) from None
        raise SourceError(
            f"The database is broken ({name or type(error).__name__}).",
            hint="Run PRAGMA integrity_check on it, and send a copy made by VACUUM INTO.",
            reason="broken",
        ) from None
    except (sqlite3.Error, OverflowError, MemoryError, UnicodeError) as error:
        raise SourceError(
            f"The database cannot be read ({type(error).__name__}).", hint="Send it again.", reason="broken"
        ) from None


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _metadata(declared: str) -> dict[bytes, bytes] | None:
    word = type_word(declared.lower())
    found = {DECLARED: declared.lower().encode(), WORD: word.encode()}
    return {key: value for key, value in found.items() if value} or None


def _kind(counts: list[int], declared: str) -> tuple[pa.DataType, str]:
    """A column's type by all of its values, the declaration being no more than a wish in SQLite."""
    import pyarrow as pa

    integers, _, texts, blobs, bits = counts
    present = [count for count in counts[:4] if count]
    if not present:
        return _declared(declared), ""
    if blobs and len(present) == 1:
        return pa.binary(), ""
    if integers and len(present) == 1:
        is_bool = type_word(declared.lower()) == "boolean" and bits == integers
        return (pa.bool_() if is_bool else pa.int64()), ""
    if not texts and not blobs:
        return (pa.float64(), "") if not integers else (pa.string(), "holds whole numbers and others; kept as text.")
    if len(present) == 1:
        return pa.string(), ""
    words = ("whole numbers", "numbers", "texts", "bytes")
    what = ", ".join(f"{count:,} {word}" for word, count in zip(words, counts, strict=False) if count)
    return pa.string(), f"holds {what}; all are kept as text."


def _declared(declared: str) -> pa.DataType:
    import pyarrow as pa

    known = {"integer": pa.int64(), "float": pa.float64(), "boolean": pa.bool_()}
    return pa.binary() if "blob" in declared.lower() else known.get(type_word(declared.lower()), pa.string())


def _batch(rows: list[tuple[Any, ...]], first: int, schema: pa.Schema) -> Batch:
    import pyarrow as pa

    refused = [
        QuarantinedRow(row=first + i, raw=_raw(row), findings=[structural("encoding", encoding="UTF-8")])
        for i, row in enumerate(rows)
        if any(isinstance(cell, _NoText) for cell in row)
    ]
    bad = {one.row for one in refused}
    numbers = [first + i for i in range(len(rows)) if first + i not in bad]
    good = [rows[n - first] for n in numbers]
    columns = list(zip(*good, strict=True)) or [()] * len(schema)
    arrays = [_array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    data = pa.RecordBatch.from_arrays(arrays, schema=schema)
    return Batch(data, numbers[0] if numbers else first, numbers if refused else None, refused)


def _array(cells: tuple[Any, ...], kind: pa.DataType) -> pa.Array:
    import pyarrow as pa

    if pa.types.is_string(kind):
        return pa.array([_as_text(cell) for cell in cells], kind)
    if pa.types.is_boolean(kind):
        return pa.array([None if cell is None else bool(cell) for cell in cells], kind)
    return pa.array(cells, kind)


def _as_text(cell: object) -> str | None:
    if cell is None or isinstance(cell, str):
        return cell
    if isinstance(cell, bytes):
        return "\\x" + cell.hex()
    if isinstance(cell, float):
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}.get(str(cell), repr(cell).removesuffix(".0"))
    return str(cell)


def _raw(row: tuple[Any, ...]) -> str:
    import orjson

    return orjson.dumps(
        [cell.decode("utf-8", "backslashreplace") if isinstance(cell, _NoText) else _as_text(cell) for cell in row]
    ).decode()


def open_database(file: IO[bytes], name: str, options: ReadOptions) -> Reader:
    """Opens a database file; see `entrepot.formats.reading.Opener`.

    Raises:
        SourceError: It is none, is encrypted or broken.
    """
    del name
    return DatabaseReader(file, options)
