"""What the server's publish procedure is told: SQL fragments for one job, made once.

The procedure (`adapters/postgres/migrations`) decides under its locks which of them it runs; it never
sees a name or a value that was not quoted here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from entrepot.load import history, modes, slices
from entrepot.load.ddl import create_keys, create_target
from entrepot.load.ledger import compare_ledger
from entrepot.load.names import (
    ENTREPOT_SCHEMA,
    STAGING_SCHEMA,
    backup_name,
    plan_name,
    qualified,
    quote_ident,
    undo_name,
    work_name,
)
from entrepot.load.planning import plan_rows
from entrepot.load.values import Known, following, inserted, stored, updated, writable
from entrepot.model.contract import Mode
from entrepot.model.steps import LoadSpec


def publish_spec(
    spec: LoadSpec, known: Known, settings: Mapping[str, str], *, plan_hash: str = "", exists: bool
) -> dict[str, Any]:
    """The fragments of one job, as JSON.

    Args:
        spec: The job's spec.
        known: What the database says that they depend on.
        settings: Server settings for the transaction, e.g. ``work_mem``.
        plan_hash: Of the plan that was approved, if one was.
        exists: Whether the target does.
    """
    work = qualified(STAGING_SCHEMA, work_name(spec.staging_table))
    plan = qualified(STAGING_SCHEMA, plan_name(spec.staging_table))
    kind = "UNLOGGED TABLE" if spec.unlogged else "TABLE"
    backup = backup_name(spec.tenant, spec.job_id)
    return {
        "schema_version": 2,
        "mode": spec.mode.value,
        "schema": spec.target_schema,
        "table": spec.target_table,
        "target": qualified(spec.target_schema, spec.target_table),
        "staging": qualified(STAGING_SCHEMA, spec.staging_table),
        "staging_table": spec.staging_table,
        "work": work,
        "make_work": f"CREATE {kind} {work} WITH (autovacuum_enabled = false) AS ",
        "undo": qualified(ENTREPOT_SCHEMA, undo_name(spec.tenant, spec.job_id)),
        "undo_name": undo_name(spec.tenant, spec.job_id),
        "backup": qualified(ENTREPOT_SCHEMA, backup),
        "backup_name": backup,
        "plan": plan,
        "make_plan": f"CREATE {kind} {plan} AS ",
        "plan_rows": plan_rows(spec, exists=exists),
        "plan_hash": plan_hash,
        "key_columns": history.version_key(spec),
        "mapped_columns": [c.name for c in stored(spec)],
        "chunks": spec.chunks_total,
        "ledger": compare_ledger(spec, refused=known.refused),
        "create": create_target(spec) if spec.create_target else None,
        "create_keys": create_keys(spec) if spec.create_target else [],
        "whole": "always" if spec.mode is Mode.APPEND else "empty" if spec.mode in modes.FRESH else "never",
        "all_new": modes.all_new(spec),
        "classify": modes.classify(spec, known),
        "matched": modes.count_matched(spec),
        "match": modes.match(spec),
        "set": ", ".join(f"{quote_ident(c.name)} = {updated(spec, c, known)}" for c in writable(spec)),
        "slice": slices.condition(spec, "t"),
        "share": history.is_current(spec) if spec.mode is Mode.HISTORY else slices.condition(spec, "t"),
        "removes": modes.removes(spec),
        "only_if": spec.only_if,
        "force": spec.force,
        "max_removed_percent": spec.contract.max_removed_percent,
        "backup_percent": spec.contract.backup_percent,
        "allow_cascade": spec.contract.allow_cascade,
        "writers": spec.contract.writers,
        "settings": dict(settings),
        **_inserts(spec, known),
    }


def _inserts(spec: LoadSpec, known: Known) -> dict[str, Any]:
    columns = stored(spec)
    names = [quote_ident(c.name) for c in columns]
    values = [inserted(spec, c, known) for c in columns]
    if spec.mode is not Mode.HISTORY:
        return {"columns": ", ".join(names), "values": ", ".join(values)}
    more = history.begin(spec, known.types)
    names += [quote_ident(n) for n, _ in more]
    after = [following(spec, c, known) for c in columns]
    return {
        "columns": ", ".join(names),
        "values": ", ".join([*values, *(v for _, v in more)]),
        "following": ", ".join([*after, *(v for _, v in more)]),
        "close": history.close(spec, known.types),
    }
