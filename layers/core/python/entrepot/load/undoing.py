"""What the server's undo procedure is told, and the query behind a page of an undo's plan.

What is to be done to which row is decided in the database (`adapters/postgres/migrations`), under its locks;
names of tables and columns come from its own books there.
"""

# ruff: noqa: S608 - names and constants are quoted by entrepot.load.names

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from entrepot.load.ddl import staging_comment
from entrepot.load.names import (
    ENTREPOT_SCHEMA,
    STAGING_SCHEMA,
    plan_name,
    qualified,
    quote_ident,
    quote_literal,
    staging_name,
    undo_name,
)
from entrepot.model.job import PlanCounts
from entrepot.ports.target import UndoSpec

MASK = "***"
"""Stands for a value that must not be shown, as in findings."""

_FIXED = {"DateStyle": "ISO, YMD", "TimeZone": "UTC", "IntervalStyle": "postgres", "bytea_output": "hex"} | {
    "extra_float_digits": "1"
}
"""How values are written as text: a digest made now must be the one made then."""


def undo_plan(spec: UndoSpec) -> str:
    """The table that holds an undo's plan, quoted and qualified."""
    return qualified(STAGING_SCHEMA, plan_name(staging_name(spec.tenant, spec.job_id)))


def undo_document(spec: UndoSpec, settings: Mapping[str, str], plan_hash: str = "") -> dict[str, Any]:
    """What the procedure is told, as JSON.

    Args:
        spec: The undo job.
        settings: Server settings for the transaction, e.g. ``work_mem``.
        plan_hash: Of the plan that must still hold; empty when there is none.
    """
    trail = undo_name(spec.tenant, spec.job_id)
    return {
        "schema_version": 1,
        "tenant": spec.tenant,
        "job_id": spec.job_id,
        "jobs": list(dict.fromkeys(spec.jobs)),
        "allow_cascade": spec.allow_cascade,
        "masked": list(spec.masked),
        "mask": MASK,
        "plan": undo_plan(spec),
        "plan_hash": plan_hash,
        "comment": staging_comment(spec.tenant, spec.job_id),
        "trail": qualified(ENTREPOT_SCHEMA, trail),
        "trail_name": trail,
        "settings": dict(settings) | _FIXED,
    }


def undo_counts(found: Mapping[str, Any]) -> PlanCounts:
    """The server's counts of an undo as a plan has them."""
    return PlanCounts(
        insert=found["reinserted"],
        update=found["restored"],
        delete=found["removed"],
        keep=found["kept"],
        children=found["children"],
        lost=found["lost"],
    )


@dataclass(frozen=True, slots=True)
class UndoPlan:
    """What a stored plan says of itself, in its table's comment."""

    target: str
    """Quoted, qualified."""
    keys: list[str]
    undo_tables: list[str | None]
    """By the step that their job is in the undo, from 1; quoted, qualified."""

    @classmethod
    def from_comment(cls, comment: str) -> UndoPlan:
        """Reads the comment."""
        data = json.loads(comment)
        return cls(data["target"], data["keys"], data["undo_tables"])


def undo_page(plan: UndoPlan, table: str, columns: Sequence[str], kept: Sequence[Iterable[str]], action: str) -> str:
    """A query for a page of an undo's plan; its parameters are ``after`` and ``limit``.

    Its columns are ``n, action, key, now, then, moved, detail``; ``now`` and ``then`` are whole rows as text.

    Args:
        plan: What the plan says of itself.
        table: The plan's table, quoted and qualified.
        columns: The target's columns as they are now.
        kept: Columns of each undo table, in the order of the plan's.
        action: Only rows with this action; empty for all.
    """
    wanted = f" AND p.action = {quote_literal(action)}" if action else ""
    former = [
        f"WHEN {n} THEN (SELECT {_row_text('u', names)} FROM {undo} u WHERE u.ctid = p.place)"
        for n, (undo, names) in enumerate(zip(plan.undo_tables, kept, strict=True), 1)
        if undo is not None
    ]
    then = f"CASE p.src {' '.join(former)} END" if former else "NULL::jsonb"
    place = "t.ctid = p.tid AND t.tableoid = p.part"
    by_key = " AND ".join(f"t.{quote_ident(k)}::text = p.key->>{quote_literal(k)}" for k in plan.keys)
    # A row that has moved is looked for by its key; it may be gone.
    found = f"(SELECT {_row_text('t', columns)} FROM {plan.target} t WHERE {place} AND t.xmin = p.seen)"
    elsewhere = f"(SELECT {_row_text('t', columns)} FROM {plan.target} t WHERE {by_key} LIMIT 1)" if by_key else "NULL"
    return (
        f"WITH page AS (SELECT * FROM {table} p WHERE p.n > %s{wanted} ORDER BY p.n LIMIT %s), "
        f"found AS (SELECT p.*, {found} AS here FROM page p) "
        "SELECT p.n, p.action, p.key, CASE WHEN p.tid IS NOT NULL AND p.here IS NULL THEN "
        f"{elsewhere} ELSE p.here END, "
        f"CASE WHEN p.action IN ('restore', 'reinsert') THEN {then} END, "
        "p.tid IS NOT NULL AND p.here IS NULL, "
        "p.reason || CASE WHEN p.by <> '' THEN ' by ' || p.by ELSE '' END "
        "FROM found p ORDER BY p.n"
    )


def _row_text(alias: str, columns: Iterable[str]) -> str:
    names = list(columns)
    texts = ", ".join(f"{alias}.{quote_ident(n)}::text" for n in names)
    return f"jsonb_object(ARRAY[{', '.join(map(quote_literal, names))}]::text[], ARRAY[{texts}]::text[])"


def differences(
    now: Mapping[str, str | None] | None, then: Mapping[str, str | None] | None
) -> tuple[dict[str, str | None] | None, dict[str, str | None] | None]:
    """Old and new values of the columns that change; of a whole row where there is but one side."""
    if now is None or then is None:
        return (dict(now) if now is not None else None), (dict(then) if then is not None else None)
    changing = [c for c in then if c in now and now[c] != then[c]]
    return {c: now[c] for c in changing}, {c: then[c] for c in changing}
