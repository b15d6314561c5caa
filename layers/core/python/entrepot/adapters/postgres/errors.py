"""One place that turns psycopg's errors into ours, by SQLSTATE.

The server's words never enter our message: its DETAIL, and the primary message of data errors, hold
row values. Names of tables, columns and constraints do, as attributes too. Classes and codes:
PostgreSQL's documentation, appendix A.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg

from entrepot.errors import (
    ConditionError,
    ConfigurationError,
    EntrepotError,
    FatalError,
    HeldError,
    IntegrityError,
    PlanStaleError,
    PrecededError,
    RetriableError,
    TargetError,
    ThrottledError,
    UnavailableError,
    UndoError,
)

INTEGRITY_STATE = "EN001"
TARGET_STATE = "EN002"
LOST_STATE = "EN003"
STALE_STATE = "EN004"
HELD_STATE = "EN005"
CONDITION_STATE = "EN006"
UNDO_STATE = "EN007"
PRECEDED_STATE = "EN008"
"""Raised by our own procedures; their messages are ours."""

_OURS = frozenset(
    {
        INTEGRITY_STATE,
        TARGET_STATE,
        LOST_STATE,
        STALE_STATE,
        HELD_STATE,
        CONDITION_STATE,
        UNDO_STATE,
        PRECEDED_STATE,
    },
)
_MIGRATE = "Run the migrations: `entrepot db init` (a DBA can run `entrepot db init --print`)."
_LATER = "Try again a little later."
_RIGHTS = "Check the secret's user, its rights (docs/database.md) and the settings."
_TABLE = "Compare the contract with the target table."
_STALE = "Look at the new plan, then publish that one."

_COPIED = re.compile(r'COPY .*?, line \d+, column (.{1,63}?)(?:: "|: null input|$)', re.MULTILINE)
"""Where COPY says at which column it stopped; the value follows, which we leave out."""

_CODES: dict[str, tuple[type[EntrepotError], str, str]] = {
    "0A000": (TargetError, "the server does not support what was asked", _TABLE),
    "21000": (TargetError, "a row matches several rows of the target", _TABLE),
    "23502": (TargetError, "a value is missing where the table needs one", _TABLE),
    "23503": (TargetError, "a foreign key is violated", _TABLE),
    "23505": (TargetError, "a unique constraint is violated", "Another row of the table has these values already."),
    "23514": (TargetError, "a check constraint is violated", _TABLE),
    "23P01": (TargetError, "an exclusion constraint is violated", _TABLE),
    "42501": (ConfigurationError, "the database user lacks a right", _RIGHTS),
    "42P01": (TargetError, "a table is missing", _TABLE),
    "42703": (TargetError, "a column is missing", _TABLE),
    "42804": (TargetError, "types do not match", _TABLE),
    "42P07": (RetriableError, "another session made the same table", _LATER),
    "42710": (RetriableError, "another session made the same object", _LATER),
    "428C9": (TargetError, "a generated column cannot be written", _TABLE),
    "53100": (UnavailableError, "the server's disk is full", "Free some space."),
    "53300": (ThrottledError, "the server has no free connection", "Lower the concurrency or raise max_connections."),
    "55006": (RetriableError, "the object is in use", _LATER),
    "55P03": (RetriableError, "another session holds a lock for too long", _LATER),
    "57014": (RetriableError, "the statement was cancelled or timed out", _LATER),
    "57P05": (UnavailableError, "the session was idle for too long", _LATER),
    "25P03": (UnavailableError, "the transaction was idle for too long", _LATER),
    "P0001": (TargetError, "a trigger or rule of the table refused the rows", "Ask the table's owner."),
    "XX001": (FatalError, "the server reports damaged data", "Ask the database's administrator."),
    "XX002": (FatalError, "the server reports a damaged index", "Ask the database's administrator."),
    TARGET_STATE: (TargetError, "the target is not what it was", _TABLE),
    INTEGRITY_STATE: (IntegrityError, "the counts do not agree", "Nothing was published."),
    LOST_STATE: (IntegrityError, "staging was emptied", "Load the chunks again."),
    HELD_STATE: (HeldError, "a person must see the plan first", "Look at the plan, then publish it."),
    CONDITION_STATE: (ConditionError, "the job's condition does not hold", "Nothing was published."),
    UNDO_STATE: (UndoError, "the job cannot be taken back", ""),
    PRECEDED_STATE: (PrecededError, "another delivery came first", "Nothing was published; --force publishes it."),
}
_CLASSES: dict[str, tuple[type[EntrepotError], str, str]] = {
    "08": (UnavailableError, "the connection failed", _LATER),
    "0L": (ConfigurationError, "the database user lacks a right", _RIGHTS),
    "0P": (ConfigurationError, "the role is not right", _RIGHTS),
    "22": (TargetError, "a value does not fit its column", _TABLE),
    "23": (TargetError, "a constraint is violated", _TABLE),
    "27": (TargetError, "a trigger of the table changed the row meanwhile", "Ask the table's owner."),
    "28": (ConfigurationError, "the database refused the user or password", _RIGHTS),
    "3D": (ConfigurationError, "there is no such database", _RIGHTS),
    "3F": (TargetError, "there is no such schema", "Create the schema, or name another in the contract."),
    "40": (RetriableError, "the transaction lost a race", _LATER),
    "42": (TargetError, "the table is not what was expected", _TABLE),
    "44": (TargetError, "a view's check option is violated", _TABLE),
    "53": (UnavailableError, "the server is short of resources", _LATER),
    "54": (TargetError, "a limit of the server is exceeded", _TABLE),
    "55": (RetriableError, "the object is not in the right state", _LATER),
    "57": (UnavailableError, "the server is stopping or starting", _LATER),
    "58": (UnavailableError, "the server's system failed", "Look at the server's log."),
    "P0": (TargetError, "a trigger or function of the table failed", "Ask the table's owner."),
}


@contextmanager
def database_errors(what: str, connection: psycopg.Connection[Any] | None = None) -> Iterator[None]:
    """Lets no psycopg error out of the block.

    Args:
        what: What was being done, for the sentence: ``loading chunk 000003``.
        connection: Lets a missing schema of ours be told from a missing table of theirs.

    Raises:
        RetriableError: The server is out of reach or busy.
        FatalError: Anything that a repeat cannot help.
    """
    try:
        yield
    except psycopg.Error as error:
        # The cause is left out on purpose: its text may hold row values.
        raise translate(error, what, connection) from None


def translate(error: psycopg.Error, what: str, connection: psycopg.Connection[Any] | None = None) -> EntrepotError:
    """Our error for psycopg's.

    Args:
        error: What psycopg raised.
        what: What was being done.
        connection: The connection it came from, if it may still be asked.
    """
    state = error.sqlstate or ""
    diag = error.diag
    names = {
        "schema": diag.schema_name,
        "table": diag.table_name,
        "column": diag.column_name or _copied_column(diag.context),
        "constraint": diag.constraint_name,
    }
    if not state:
        return _without_state(error, what)
    if state in {"42P01", "42883", "3F000"} and _is_unmigrated(connection):
        msg = f"Entrepot's schema is missing in the database ({state} while {what})."
        return ConfigurationError(msg, hint=_MIGRATE, sqlstate=state)
    return by_state(state, what, names, diag.message_primary or "", diag.message_detail or "")


def _copied_column(context: str | None) -> str | None:
    found = _COPIED.match(context or "")
    return found[1] if found else None


def by_state(
    state: str, what: str, names: Mapping[str, str | None], message: str = "", detail: str = ""
) -> EntrepotError:
    """Our error for a SQLSTATE.

    Args:
        state: Five characters.
        what: What was being done.
        names: Schema, table, column and constraint that the server named.
        message: The server's own sentence; used only where it is one of ours.
        detail: The server's detail; ours is a JSON object of facts, any other is left out.
    """
    facts: dict[str, object] = {k: v for k, v in names.items() if v}
    kind, reason, hint = _CODES.get(state) or _CLASSES.get(state[:2]) or (FatalError, "the database refused", "")
    if state == "23505" and names.get("schema") == "pg_catalog":
        # Two sessions made the same table at the same instant.
        kind, reason, hint = RetriableError, "another session made the same object", _LATER
    if state == "23514" and names.get("table") and not names.get("constraint"):
        # A trigger that raises this state names no table.
        reason, hint = "no partition of the table takes one of the rows", "Make the partition, or a default one."
    if state == LOST_STATE:
        facts["reason"] = "staging_lost"
    if state in _OURS and message:
        facts |= json.loads(detail) if detail else {}
        if state == STALE_STATE:
            rows: list[dict[str, object]] = facts.pop("rows", [])  # type: ignore[assignment]
            return PlanStaleError(message, rows=rows, hint=_STALE, sqlstate=state, **facts)
        return kind(message, hint=str(facts.pop("hint", hint)), sqlstate=state, **facts)
    where = "".join(f", {k} {v!r}" for k, v in facts.items())
    return kind(
        f"{reason[0].upper()}{reason[1:]} while {what} (SQLSTATE {state}{where}).", hint=hint, sqlstate=state, **facts
    )


def _without_state(error: psycopg.Error, what: str) -> EntrepotError:
    """Errors before or beside the server's answer."""
    kind = type(error).__name__
    if isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)):
        return UnavailableError(f"The database cannot be reached while {what} ({kind}).", hint=_LATER, kind=kind)
    if isinstance(error, psycopg.DataError):
        return TargetError(f"A value cannot be sent while {what} ({kind}).", hint=_TABLE, kind=kind)
    return FatalError(f"The database client failed while {what} ({kind}).", kind=kind)


def _is_unmigrated(connection: psycopg.Connection[Any] | None) -> bool:
    if connection is None or connection.closed or connection.broken:
        return False
    try:
        row = connection.execute("SELECT to_regclass('entrepot.schema_version') IS NULL").fetchone()
    except psycopg.Error:
        return False  # the transaction is still open and failed: the first error tells enough
    return bool(row and row[0])
