"""Plans as SQL: the rows of a plan with key and fingerprint, and the pages that people read."""

# ruff: noqa: S608 - names and constants are quoted by entrepot.load.names

from __future__ import annotations

from collections.abc import Sequence

from entrepot.load import history
from entrepot.load.ledger import job_filter, ledger_table
from entrepot.load.names import (
    CHUNK_COLUMN,
    ROW_COLUMN,
    STAGING_SCHEMA,
    plan_name,
    qualified,
    quote_ident,
    quote_literal,
)
from entrepot.load.values import Known, following, inserted, stored, updated, writable
from entrepot.model.contract import Mode
from entrepot.model.steps import LoadSpec

ACTIONS = {"i": "insert", "u": "update", "d": "delete", "r": "remove", "c": "close", "h": "update"}
"""Letter of the classification → word of a planned row."""


def plan_rows(spec: LoadSpec, *, exists: bool) -> tuple[str, str]:
    """A plan's rows as a query in two parts; the relation that holds the classification stands between them.

    Args:
        spec: The job's spec.
        exists: Whether the target does.
    """
    staged_key, old_key = (_texts([(k, f"{side}.{quote_ident(k)}") for k in spec.key]) for side in "st")
    new = f"ROW({', '.join(f's.{quote_ident(c.name)}' for c in stored(spec))})::text"
    places = f"s.{CHUNK_COLUMN}, s.{ROW_COLUMN}, w.part, w.old"
    rank = "strpos('hudrci', w.action::text)"
    key, print_, join = staged_key, f"hashtextextended({new}, 0)", ""
    if exists:
        key = f"CASE WHEN w.old IS NULL THEN {staged_key} ELSE {old_key} END"
        print_ = f"CASE WHEN w.old IS NULL THEN {print_} ELSE {_fingerprint()} END"
        join = f"LEFT JOIN {_target(spec)} t ON t.ctid = w.old AND t.tableoid = w.part "
    head = (
        f"SELECT row_number() OVER (ORDER BY {rank}, {places}) AS n, w.action, {key} AS key, {print_} AS fingerprint, "
        "w.staged, w.part, w.old FROM "
    )
    return head, (
        f" w LEFT JOIN {qualified(STAGING_SCHEMA, spec.staging_table)} s ON s.ctid = w.staged {join}"
        "WHERE w.action NOT IN ('o', 'm')"
    )


def page(spec: LoadSpec, known: Known, *, exists: bool, after: int, limit: int, letters: str) -> str:
    """A query for a page of a stored plan: n, action, key, old, new, chunk_id, row, moved.

    Args:
        spec: The job's spec.
        known: What the database says of the target.
        exists: Whether the target does.
        after: Number of the row before the page.
        limit: Length of the page.
        letters: Actions that are wanted; empty for all.
    """
    # A default may be the next number of a sequence: it is not drawn to be shown.
    known, columns = Known(types=known.types), stored(spec)
    plan = qualified(STAGING_SCHEMA, plan_name(spec.staging_table))
    staging = qualified(STAGING_SCHEMA, spec.staging_table)
    new = _texts([(c.name, inserted(spec, c, known)) for c in columns])
    old, join, moved = "NULL::jsonb", "", "false"
    if exists:
        old = f"CASE WHEN t.ctid IS NOT NULL THEN {_texts([(c.name, f't.{quote_ident(c.name)}') for c in columns])} END"
        join = f"LEFT JOIN {_target(spec)} t ON {_lookup(spec, known)} "
        same = f"t.ctid IS NOT NULL AND {_fingerprint()} = p.fingerprint"
        moved = f"CASE WHEN p.old IS NULL THEN t.ctid IS NOT NULL ELSE NOT ({same}) END"
        new = (
            f"CASE p.action WHEN 'u' THEN {_texts([(c.name, updated(spec, c, known)) for c in writable(spec)])} "
            f"WHEN 'h' THEN {_texts([(c.name, following(spec, c, known)) for c in columns])} ELSE {new} END"
        )
    wanted = f"AND strpos({quote_literal(letters)}, action::text) > 0" if letters else ""
    rows = f"SELECT * FROM {plan} WHERE n > {int(after)} {wanted} ORDER BY n LIMIT {int(limit)}"
    return (
        f"SELECT p.n, p.action::text, p.key, CASE WHEN p.old IS NOT NULL THEN {old} END AS old, "
        f"CASE WHEN p.staged IS NOT NULL AND p.action <> 'd' THEN {new} END AS new, "
        f"coalesce(l.chunk_id, ''), coalesce(s.{ROW_COLUMN}, 0), {moved} AS moved "
        f"FROM ({rows}) p LEFT JOIN {staging} s ON s.ctid = p.staged {join}"
        f"LEFT JOIN {ledger_table(spec)} l ON l.chunk = s.{CHUNK_COLUMN} AND {job_filter(spec)} ORDER BY p.n"
    )


def _lookup(spec: LoadSpec, known: Known) -> str:
    """The row as it is now: by its key where there is one, for its place may have changed."""
    if not spec.key:
        return "t.ctid = p.old AND t.tableoid = p.part"
    types = {c.name: known.types.get(c.name, c.pg_type) for c in spec.columns}
    same = [f"t.{quote_ident(k)} = (p.key->>{quote_literal(k)})::{types[k]}" for k in spec.key]
    if spec.mode is Mode.HISTORY:
        same.append(history.is_current(spec))
    return " AND ".join(same)


def _texts(pairs: Sequence[tuple[str, str]]) -> str:
    """A JSON object of names and the values' texts."""
    if not pairs:
        return "'{}'::jsonb"
    names = ", ".join(quote_literal(name) for name, _ in pairs)
    return f"jsonb_object(ARRAY[{names}]::text[], ARRAY[{', '.join(f'({v})::text' for _, v in pairs)}]::text[])"


def _fingerprint() -> str:
    return "hashtextextended(ROW(t.*)::text, 0)"


def _target(spec: LoadSpec) -> str:
    return qualified(spec.target_schema, spec.target_table)
