"""A connection to an SQLite file that can do nothing but read, and not for ever."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from entrepot.errors import SourceError

_DEFENSIVE = 1010
"""SQLITE_DBCONFIG_DEFENSIVE, of sqlite3.h."""
_STEPS = 100_000
"""Steps of SQLite's machine between looks at the clock."""


@contextlib.contextmanager
def connected(path: str, cell_bytes: int, patience: float) -> Iterator[Database]:
    """A connection, closed in the end.

    Args:
        path: The file.
        cell_bytes: What a cell may have.
        patience: Seconds in which the next rows must come.

    Raises:
        SourceError: The file is no database, or broken.
    """
    # Immutable: no lock, no journal is looked for beside it, nothing is ever written.
    with _ours():
        connection = sqlite3.connect(
            f"file:{quote(path)}?mode=ro&immutable=1", uri=True, isolation_level=None, check_same_thread=False
        )
    try:
        with _ours():
            yield Database(connection, cell_bytes, patience)
    finally:
        connection.close()


class Database:
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
        configure = getattr(connection, "setconfig", None)  # from Python 3.12 on
        if configure is not None:
            configure(_DEFENSIVE, True)
        connection.set_progress_handler(lambda: time.monotonic() > self._deadline, _STEPS)
        connection.set_authorizer(_authorized)

    def rows(self, query: str) -> Iterator[tuple[Any, ...]]:
        """A query's rows; the clock starts again whenever some have come."""
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
        return NoText(data)


class NoText(bytes):
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
