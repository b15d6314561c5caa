"""SQL that makes tables: the target when there is none, and a job's staging."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from entrepot.errors import TargetError
from entrepot.load.history import history_columns, version_key
from entrepot.load.names import (
    CHUNK_COLUMN,
    ROW_COLUMN,
    STAGING_SCHEMA,
    column_list,
    column_names,
    qualified,
    quote_ident,
    quote_literal,
    refused_name,
)
from entrepot.load.types import column_type
from entrepot.model.contract import Contract, Mode
from entrepot.model.steps import LoadSpec

_OUR_TYPES = re.compile(
    r"^(text|bigint|numeric(\(\d{1,4},\d{1,4}\))?|double precision|boolean|date"
    r"|time(stamp)? with(out)? time zone|uuid|jsonb)$",
)
"""The types that `default_type` gives: a stored spec cannot smuggle SQL in as a type."""


def create_target(spec: LoadSpec) -> list[str]:
    """Statements that make the target, without its key: that is added once the rows are in.

    All fields of the contract become columns, also those that this source lacks: a later one may
    bring them, and a table is never altered.

    Args:
        spec: A spec with ``create_target``.
    """
    columns = [
        f"{quote_ident(name)} {checked_type(pg_type)}{' NOT NULL' if required or name in spec.key else ''}"
        for name, pg_type, required in target_columns(spec.contract, spec.mode)
    ]
    table = qualified(spec.target_schema, spec.target_table)
    return [f"CREATE TABLE {table} ({', '.join(columns)})"]


def create_keys(spec: LoadSpec) -> list[str]:
    """Statements that give a new target its key and its unique columns."""
    table = qualified(spec.target_schema, spec.target_table)
    key = version_key(spec)
    statements = [f"ALTER TABLE {table} ADD PRIMARY KEY ({column_list(key)})"] if spec.key else []
    if spec.mode is Mode.HISTORY:
        # Other versions of the same row repeat its values.
        where = quote_ident(spec.contract.history.current)
        current = f"CREATE UNIQUE INDEX ON {table} ({column_list(spec.key)}) WHERE {where}"
        return [*statements, current]
    names = column_names(f.name for f in spec.contract.fields)
    operation = spec.contract.feed.operation if spec.mode is Mode.FEED else None
    fields = [f for f in spec.contract.fields if f.unique and f.name != operation]
    unique = [names[f.name] for f in fields if [names[f.name]] != spec.key]
    return [*statements, *(f"ALTER TABLE {table} ADD UNIQUE ({quote_ident(name)})" for name in unique)]


def target_columns(contract: Contract, mode: Mode) -> list[tuple[str, str, bool]]:
    """(column, type, NOT NULL) of a new table for a contract."""
    fields = [f for f in contract.fields if not (mode is Mode.FEED and f.name == contract.feed.operation)]
    names = column_names(f.name for f in fields)
    own = history_columns(contract) if mode is Mode.HISTORY else []
    begins = {contract.history.valid_from} if mode is Mode.HISTORY else set()
    return [(names[f.name], column_type(f), f.required or f.name in begins) for f in fields] + own


def checked_type(pg_type: str) -> str:
    """The type, if it is one that Entrepot itself gives.

    Raises:
        TargetError: It is not.
    """
    if not _OUR_TYPES.match(pg_type):
        msg = f"{pg_type[:60]!r} is not a type that Entrepot gives to a new column."
        raise TargetError(msg, hint="Start the job again.", pg_type=pg_type[:60])
    return pg_type


def create_staging(spec: LoadSpec, columns: Sequence[tuple[str, str]]) -> list[str]:
    """Statements that make a job's staging table.

    Args:
        spec: The job's spec, its ``staging_table`` filled.
        columns: (name, type with its collation as SQL text) in COPY's order; the texts come from the
            catalogue or from `checked_type`.
    """
    table = qualified(STAGING_SCHEMA, spec.staging_table)
    # What is looked at most comes first: the server takes a row apart from its beginning.
    ordered = sorted(columns, key=lambda c: c[0] not in spec.key)
    lines = [f"{ROW_COLUMN} bigint NOT NULL", f"{CHUNK_COLUMN} integer NOT NULL"]
    lines += [f"{quote_ident(name)} {pg_type}" for name, pg_type in ordered]
    kind = "UNLOGGED TABLE" if spec.unlogged else "TABLE"
    comment = quote_literal(staging_comment(spec.tenant, spec.job_id))
    return [
        # Filled once and read whole: autovacuum would only compete for the disk.
        f"CREATE {kind} {table} ({', '.join(lines)}) WITH (autovacuum_enabled = false)",
        f"COMMENT ON TABLE {table} IS {comment}",
    ]


def staging_comment(tenant: str, job_id: str) -> str:
    """Tenant and job of a staging table: what is left to go by when the ledger was emptied."""
    return json.dumps({"entrepot": "staging", "tenant": tenant, "job_id": job_id})


def read_comment(comment: str | None) -> tuple[str, str] | None:
    """(tenant, job_id) of a staging table's comment; None when it is not ours."""
    try:
        data = json.loads(comment or "")
        return (data["tenant"], data["job_id"]) if data["entrepot"] == "staging" else None
    except (ValueError, KeyError, TypeError):
        return None


def create_refused(spec: LoadSpec) -> list[str]:
    """Statements that make the table of rows that check takes out, when there is none."""
    table = qualified(STAGING_SCHEMA, refused_name(spec.staging_table))
    kind = "UNLOGGED TABLE" if spec.unlogged else "TABLE"
    columns = "chunk integer, row_number bigint, code text, field text, detail text"
    return [f"CREATE {kind} IF NOT EXISTS {table} ({columns}) WITH (autovacuum_enabled = false)"]
