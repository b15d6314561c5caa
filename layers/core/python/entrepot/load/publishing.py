"""What the server's publish procedure is told: SQL fragments for one job, made once.

The procedure (`adapters/postgres/migrations`) decides under its locks which of them it runs; it never
sees a name or a value that was not quoted here.
"""

# ruff: noqa: S608 - names and constants are quoted by entrepot.load.names

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from entrepot.load.ddl import create_keys, create_target
from entrepot.load.ledger import compare_ledger
from entrepot.load.names import (
    ENTREPOT_SCHEMA,
    STAGING_SCHEMA,
    column_list,
    qualified,
    quote_ident,
    undo_name,
    work_name,
)
from entrepot.load.types import COMPARABLE, parse_pg_type
from entrepot.model.contract import Blank, Mode
from entrepot.model.steps import LoadSpec, TargetColumn


def publish_spec(
    spec: LoadSpec, *, refused: bool, defaults: Mapping[str, str], settings: Mapping[str, str]
) -> dict[str, Any]:
    """The fragments of one job, as JSON.

    Args:
        spec: The job's spec.
        refused: Whether check took rows out.
        defaults: Default expressions (from the catalogue) of columns that are NOT NULL and may be blank.
        settings: Server settings for the transaction, e.g. ``work_mem``.
    """
    writable = [c for c in spec.columns if c.name not in spec.key]
    return {
        "schema_version": 2,
        "mode": spec.mode.value,
        "schema": spec.target_schema,
        "table": spec.target_table,
        "target": qualified(spec.target_schema, spec.target_table),
        "staging": qualified(STAGING_SCHEMA, spec.staging_table),
        "undo": qualified(ENTREPOT_SCHEMA, undo_name(spec.tenant, spec.job_id)),
        "undo_name": undo_name(spec.tenant, spec.job_id),
        "staging_table": spec.staging_table,
        "work": qualified(STAGING_SCHEMA, work_name(spec.staging_table)),
        "work_kind": "UNLOGGED TABLE" if spec.unlogged else "TABLE",
        "key_columns": list(spec.key),
        "mapped_columns": [c.name for c in spec.columns],
        "chunks": spec.chunks_total,
        "ledger": compare_ledger(spec, refused=refused),
        "create": create_target(spec) if spec.create_target else None,
        "create_keys": create_keys(spec) if spec.create_target else [],
        "columns": column_list(c.name for c in spec.columns),
        "values": ", ".join(_inserted(c, defaults) for c in spec.columns),
        "join": join_on(spec.key),
        "classify": classify(spec, changed(spec, writable, defaults)),
        "set": ", ".join(f"{quote_ident(c.name)} = {_updated(spec, c, defaults)}" for c in writable),
        "settings": dict(settings),
    }


def classify(spec: LoadSpec, differs: str) -> str:
    """A query: what becomes of which staged row, and of which row of the target."""
    wanted, join = {
        Mode.INSERT_ONLY: ("t.ctid IS NULL", "LEFT JOIN"),
        Mode.UPDATE_ONLY: (differs, "JOIN"),
    }.get(spec.mode, (f"t.ctid IS NULL OR {differs}", "LEFT JOIN"))
    staging, target = qualified(STAGING_SCHEMA, spec.staging_table), qualified(spec.target_schema, spec.target_table)
    return (
        "SELECT s.ctid AS staged, t.tableoid AS part, t.ctid AS old, "
        "(CASE WHEN t.ctid IS NULL THEN 'i' ELSE 'u' END)::\"char\" AS action "
        f"FROM {staging} s {join} {target} t ON {join_on(spec.key)} WHERE {wanted}"
    )


def join_on(key: Iterable[str], left: str = "s", right: str = "t") -> str:
    """Equality of the key's columns, by PostgreSQL's own ``=``; empty without a key."""
    return " AND ".join(f"{right}.{quote_ident(k)} = {left}.{quote_ident(k)}" for k in key)


def changed(spec: LoadSpec, writable: Iterable[TargetColumn], defaults: Mapping[str, str]) -> str:
    """Whether a staged row differs from the target's in any column that the job may write."""
    old, new = [], []
    for column in writable:
        cast = "" if parse_pg_type(column.pg_type).base in COMPARABLE else "::text"
        old.append(f"(t.{quote_ident(column.name)}){cast}")
        new.append(f"({_updated(spec, column, defaults)}){cast}")
    return f"(ROW({', '.join(new)}) IS DISTINCT FROM ROW({', '.join(old)}))" if old else "false"


def _inserted(column: TargetColumn, defaults: Mapping[str, str]) -> str:
    value = f"s.{quote_ident(column.name)}"
    return f"coalesce({value}, {defaults[column.name]})" if column.name in defaults else value


def _updated(spec: LoadSpec, column: TargetColumn, defaults: Mapping[str, str]) -> str:
    """The new value of a column; a blank keeps what is there when the contract says so (LOD9)."""
    name = quote_ident(column.name)
    keep = spec.contract.field(column.field).blank is Blank.KEEP
    if keep:
        return f"coalesce(s.{name}, t.{name})"
    return f"coalesce(s.{name}, {defaults[column.name]})" if column.name in defaults else f"s.{name}"
