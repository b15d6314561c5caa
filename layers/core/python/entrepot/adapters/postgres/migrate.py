"""Numbered migrations, forward only, and the SQL that a DBA reads before running it."""

# ruff: noqa: S608 - names and constants are quoted by entrepot.load.names

from __future__ import annotations

import re
from importlib.resources import files
from typing import Any

from psycopg import Connection

from entrepot.errors import ConfigurationError
from entrepot.load.names import ENTREPOT_SCHEMA, STAGING_SCHEMA, quote_ident, quote_literal

_NAME = re.compile(r"^(\d{4})_[a-z0-9_]+\.sql$")
_LOCK = 0x656E7472_65706F74
"""Advisory lock of migrations: the bytes of ``entrepot``."""
MIN_SERVER = 14

_BOOK = f"""\
CREATE SCHEMA IF NOT EXISTS {ENTREPOT_SCHEMA};
CREATE TABLE IF NOT EXISTS {ENTREPOT_SCHEMA}.schema_version (
    version integer PRIMARY KEY,
    name text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    applied_by text NOT NULL DEFAULT current_user
);
"""


def migrations() -> list[tuple[int, str, str]]:
    """(number, name, SQL) of every migration, in order."""
    found = []
    for item in files(__package__).joinpath("migrations").iterdir():
        match = _NAME.match(item.name)
        if match:
            found.append((int(match[1]), item.name.removesuffix(".sql"), item.read_text(encoding="utf-8")))
    return sorted(found)


def migrate(connection: Connection[Any]) -> list[str]:
    """Applies what is pending, each in a transaction of its own; the names of what was applied.

    Sessions that come at the same time wait for each other and find nothing left to do.

    Raises:
        ConfigurationError: The server is older than PostgreSQL 14, or newer migrations were applied.
    """
    if connection.info.server_version < MIN_SERVER * 10_000:
        msg = f"PostgreSQL {MIN_SERVER} or later is needed; this is {connection.info.server_version // 10_000}."
        raise ConfigurationError(msg, hint="Upgrade the server.")
    every = migrations()
    if _applied(connection) >= every[-1][0]:
        return []
    done = []
    connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
    try:
        last = _applied(connection)
        if not last:
            connection.execute(_BOOK.encode(), prepare=False)
        for number, name, text in every:
            if number > last:
                with connection.transaction():
                    connection.execute(text.encode(), prepare=False)
                    connection.execute(_record(number, name).encode())
                done.append(name)
    finally:
        if not connection.broken:
            connection.execute("SELECT pg_advisory_unlock(%s)", (_LOCK,))
    return done


def _applied(connection: Connection[Any]) -> int:
    row = connection.execute("SELECT to_regclass('entrepot.schema_version') IS NOT NULL").fetchone()
    if not row or not row[0]:
        return 0
    found = connection.execute("SELECT coalesce(max(version), 0) FROM entrepot.schema_version").fetchone()
    return int(found[0]) if found else 0


def _record(number: int, name: str) -> str:
    return f"INSERT INTO {ENTREPOT_SCHEMA}.schema_version (version, name) VALUES ({number}, {quote_literal(name)})"


def migration_sql(*, after: int = 0) -> str:
    """All migrations as one script, for ``psql --single-transaction``.

    Args:
        after: The number of the last migration that the database has.
    """
    parts = ["-- Entrepot's own schemas. Run as a role that may create schemas in this database.", _BOOK]
    for number, name, text in migrations():
        if number > after:
            parts += [f"-- {name}", text.rstrip(), f"{_record(number, name)};\n"]
    return "\n".join(parts)


def grants_sql(role: str, targets: list[str] | None = None) -> str:
    """The least that a role needs to run imports, as a script.

    Args:
        role: The role in the database secret.
        targets: Schemas of target tables; ``public`` when None.
    """
    name = quote_ident(role)
    lines = [
        f"-- What role {role!r} needs, and no more.",
        # CREATE: publish keeps the old values of updated rows in a table for each job.
        f"GRANT USAGE, CREATE ON SCHEMA {ENTREPOT_SCHEMA} TO {name};",
        f"GRANT USAGE, CREATE ON SCHEMA {STAGING_SCHEMA} TO {name};",
        f"GRANT SELECT ON {ENTREPOT_SCHEMA}.schema_version TO {name};",
        f"GRANT SELECT, INSERT, UPDATE ON {ENTREPOT_SCHEMA}.receipt TO {name};",
        f"GRANT SELECT, INSERT ON {ENTREPOT_SCHEMA}.audit TO {name};",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {ENTREPOT_SCHEMA}.publish_spec TO {name};",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {STAGING_SCHEMA} TO {name};",
        f"GRANT EXECUTE ON ALL ROUTINES IN SCHEMA {ENTREPOT_SCHEMA} TO {name};",
        (
            "DO $$ BEGIN EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO %I', current_database(), "
            f"{quote_literal(role)}); END $$;"
        ),
        "-- Target tables. CREATE lets Entrepot make a table that is missing; leave it out to forbid that.",
    ]
    for schema in targets or ["public"]:
        quoted = quote_ident(schema)
        lines += [
            f"GRANT USAGE, CREATE ON SCHEMA {quoted} TO {name};",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {quoted} TO {name};",
            f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {quoted} TO {name};",
        ]
    return "\n".join(lines) + "\n"
