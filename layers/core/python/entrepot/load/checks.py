"""SQL of the set-based checks: each is a query for staged rows that must leave, and why.

Equality is PostgreSQL's own throughout, with the target's types and collations: `1.0` and `1.00`, or
two spellings under a collation that ignores case, are one key.
"""

# ruff: noqa: S608 - names and constants are quoted by entrepot.load.names

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from entrepot.load import feed, history, slices
from entrepot.load.modes import match
from entrepot.load.names import (
    CHUNK_COLUMN,
    ROW_COLUMN,
    STAGING_SCHEMA,
    qualified,
    quote_ident,
    quote_literal,
    refused_name,
)
from entrepot.load.values import join_on
from entrepot.model.contract import Blank, Mode
from entrepot.model.steps import LoadSpec


@dataclass(frozen=True, slots=True)
class Check:
    """One check.

    Attributes:
        code: The finding's code.
        probe: Query whose only value says whether any row must leave.
        bad: Query for ``id`` (ctid), ``field`` and ``detail`` of the rows that must.
    """

    code: str
    probe: str
    bad: str


def take_out(spec: LoadSpec, check: Check) -> str:
    """Moves a check's rows from staging into the refused rows, in one statement."""
    staging = _staging(spec)
    refused = qualified(STAGING_SCHEMA, refused_name(spec.staging_table))
    return (
        f"WITH bad AS MATERIALIZED ({check.bad}), "
        f"gone AS (DELETE FROM {staging} s USING bad WHERE s.ctid = bad.id "
        f"RETURNING s.{CHUNK_COLUMN} AS chunk, s.{ROW_COLUMN} AS row_number, bad.field, bad.detail) "
        f"INSERT INTO {refused} (chunk, row_number, code, field, detail) "
        f"SELECT chunk, row_number, {quote_literal(check.code)}, field, detail FROM gone"
    )


def null_keys(spec: LoadSpec) -> Check:
    """Rows without a whole key: no primary key can hold them."""
    parts = [f"s.{quote_ident(k)} IS NULL" for k in spec.key]
    cases = " ".join(f"WHEN {p} THEN {quote_literal(_field(spec, k))}" for p, k in zip(parts, spec.key, strict=True))
    return _simple(spec, "key_null", " OR ".join(parts), field=f"CASE {cases} END")


def unknown_operations(spec: LoadSpec) -> Check:
    """Feed: rows whose operation is no word of the contract."""
    return _simple(spec, "operation", feed.is_unknown(spec, "s"), field=quote_literal(spec.contract.feed.operation))


def required_values(spec: LoadSpec) -> Check | None:
    """Feed: rows that do not delete and lack a value; None when no column needs one."""
    return _lacking(spec, f"NOT ({feed.is_delete(spec, 's')})")


def new_values(spec: LoadSpec) -> Check | None:
    """Rows that lack a value which only a row that is there already could keep; None when no column needs one."""
    return _lacking(spec, f"NOT EXISTS (SELECT FROM {_target(spec)} t WHERE {match(spec)})")


def _lacking(spec: LoadSpec, such: str) -> Check | None:
    needed = [c for c in spec.columns if c.required]
    if not needed:
        return None
    blank = [f"s.{quote_ident(c.name)} IS NULL" for c in needed]
    cases = " ".join(f"WHEN {b} THEN {quote_literal(c.field)}" for b, c in zip(blank, needed, strict=True))
    return _simple(spec, "required", f"({' OR '.join(blank)}) AND {such}", field=f"CASE {cases} END")


def outside_slice(spec: LoadSpec) -> Check | None:
    """Rows of the source that lie outside the slice which the job replaces; None when that is the whole table."""
    inside = slices.staged_condition(spec, "s")
    return None if inside == "true" else _simple(spec, "outside_slice", f"({inside}) IS NOT TRUE", field="''")


def broken_rule(spec: LoadSpec, name: str, expression: str, columns: Sequence[str]) -> Check | None:
    """Rows that a check constraint of the target would refuse; None when it cannot be told here.

    A constraint on a column that the source does not bring, or of which a blank keeps what is
    there, speaks about rows as they will be, not as they are staged.
    """
    if not set(columns) <= _plain_columns(spec):
        return None
    field = _field(spec, columns[0]) if len(columns) == 1 else ""
    return _simple(
        spec,
        "check",
        f"({expression}) IS FALSE{_live(spec)}",
        field=quote_literal(field),
        detail=quote_literal(f"constraint {name}"),
    )


def broken_reference(
    spec: LoadSpec, name: str, table: str, columns: Sequence[str], theirs: Sequence[str], *, to_itself: bool
) -> Check | None:
    """Rows that point to nothing; None when the source does not bring the whole reference."""
    mapped = {c.name for c in spec.columns if c.stored}
    if not set(columns) <= mapped:
        return None
    given = " AND ".join(f"s.{quote_ident(c)} IS NOT NULL" for c in columns)
    found = " AND ".join(f"f.{quote_ident(t)} = s.{quote_ident(c)}" for c, t in zip(columns, theirs, strict=True))
    missing = f"{given} AND NOT EXISTS (SELECT FROM {table} f WHERE {found}){_live(spec)}"
    if to_itself:
        if not set(theirs) <= mapped:
            return None
        missing += f" AND NOT EXISTS (SELECT FROM {_staging(spec)} f WHERE {found}{_live(spec, 'f')})"
    field = _field(spec, columns[0]) if len(columns) == 1 else ""
    return _simple(spec, "reference", missing, field=quote_literal(field), detail=quote_literal(f"constraint {name}"))


def duplicates(spec: LoadSpec) -> Check:
    """Rows that give way to a newer one of the same key: by the contract's order, else by place."""
    staging, key = _staging(spec), ", ".join(f"s.{quote_ident(k)}" for k in spec.key)
    groups = f"SELECT {_bare(spec.key)} FROM {staging} GROUP BY {_bare(spec.key)} HAVING count(*) > 1"
    order = f"s.{CHUNK_COLUMN} DESC, s.{ROW_COLUMN} DESC"
    by = spec.contract.order_by or (spec.contract.history.at if spec.mode is Mode.HISTORY else None)
    newest = next((c.name for c in spec.columns if c.field == by), None)
    if newest is not None:
        order = f"s.{quote_ident(newest)} DESC NULLS LAST, {order}"
    ranked = (
        f"SELECT s.ctid AS id, row_number() OVER w AS place, first_value(s.{ROW_COLUMN}) OVER w AS kept "
        f"FROM {staging} s JOIN ({groups}) d ON {join_on(spec.key, 'd', 's')} "
        f"WINDOW w AS (PARTITION BY {key} ORDER BY {order})"
    )
    field = quote_literal(_only_field(spec, spec.key))
    bad = (
        f"SELECT id, {field}::text AS field, 'row ' || kept || ' was kept' AS detail FROM ({ranked}) r WHERE place > 1"
    )
    return Check("duplicate", _any_group(groups), bad)


def unique_index(spec: LoadSpec, columns: Sequence[str]) -> str:
    """An index that only exists where no two rows of staging agree in these columns.

    On millions of rows, sorting for an index takes a third of the time that grouping takes.
    """
    name = f"{spec.staging_table}_u{hashlib.sha256(repr(list(columns)).encode()).hexdigest()[:4]}"
    return f"CREATE UNIQUE INDEX IF NOT EXISTS {quote_ident(name)} ON {_staging(spec)} ({_bare(columns)})"


def existing_keys(spec: LoadSpec) -> Check:
    """Append: rows whose key the target has already."""
    condition = f"EXISTS (SELECT FROM {_target(spec)} t WHERE {join_on(spec.key)})"
    return _simple(spec, "key_exists", condition, field=quote_literal(_only_field(spec, spec.key)))


def repeated(spec: LoadSpec, columns: Sequence[str]) -> Check:
    """Later rows that repeat values which must be unique, within the job."""
    staging = _staging(spec)
    given = " AND ".join(f"s.{quote_ident(c)} IS NOT NULL" for c in columns) + _live(spec)
    groups = f"SELECT {_bare(columns)} FROM {staging} s WHERE {given} GROUP BY {_bare(columns)} HAVING count(*) > 1"
    part = ", ".join(f"s.{quote_ident(c)}" for c in columns)
    ranked = (
        f"SELECT s.ctid AS id, row_number() OVER w AS place, first_value(s.{ROW_COLUMN}) OVER w AS first "
        f"FROM {staging} s JOIN ({groups}) d ON {join_on(columns, 'd', 's')} WHERE {given} "
        f"WINDOW w AS (PARTITION BY {part} ORDER BY s.{CHUNK_COLUMN}, s.{ROW_COLUMN})"
    )
    field = quote_literal(_only_field(spec, columns))
    bad = f"SELECT id, {field}::text AS field, 'row ' || first || ' has it' AS detail FROM ({ranked}) r WHERE place > 1"
    return Check("unique", _any_group(groups), bad)


def taken(spec: LoadSpec, columns: Sequence[str]) -> Check:
    """Rows whose unique values another row of the target holds, and will go on holding."""
    stands = [join_on(columns)]
    if spec.mode is Mode.HISTORY:
        stands.append(history.is_current(spec))
    if spec.key:
        stands += [f"NOT ({join_on(spec.key)})", *_leaves(spec, columns)]
    elif spec.mode is Mode.REPLACE:
        stands.append(f"({slices.condition(spec, 't')}) IS NOT TRUE")
    condition = f"EXISTS (SELECT FROM {_target(spec)} t WHERE {' AND '.join(stands)}){_live(spec)}"
    if spec.mode in {Mode.INSERT_ONLY, Mode.UPDATE_ONLY}:
        # Rows that the mode skips are not refused.
        known = f"EXISTS (SELECT FROM {_target(spec)} t WHERE {match(spec)})"
        condition += f" AND {'NOT ' if spec.mode is Mode.INSERT_ONLY else ''}{known}"
    return _simple(spec, "unique", condition, field=quote_literal(_only_field(spec, columns)), detail="'in the table'")


def _leaves(spec: LoadSpec, columns: Sequence[str]) -> list[str]:
    """Conditions by which a row of the target (alias t) is not one that this job moves or takes out of the way."""
    staging, same = _staging(spec), join_on(spec.key, "m")
    moves = " OR ".join(f"m.{quote_ident(c)} IS DISTINCT FROM t.{quote_ident(c)}" for c in columns)
    if spec.mode is Mode.FEED:
        moves = f"{moves} OR {feed.is_delete(spec, 'm')}"
    if spec.mode in {Mode.APPEND, Mode.INSERT_ONLY}:
        return []
    conditions = [f"NOT EXISTS (SELECT FROM {staging} m WHERE {same} AND ({moves}))"]
    if spec.mode is Mode.REPLACE:
        inside = slices.condition(spec, "t")
        conditions.append(f"(({inside}) IS NOT TRUE OR EXISTS (SELECT FROM {staging} m WHERE {same}))")
    return conditions


def unique_sets(spec: LoadSpec, enforced: Iterable[Sequence[str]]) -> list[list[str]]:
    """Column sets that must be unique beside the key: the contract's fields and the target's indexes.

    Args:
        spec: The job's spec.
        enforced: The target's unique indexes.
    """
    mapped = {c.name for c in spec.columns if c.stored}
    stated = [[c.name] for c in spec.columns if c.stored and spec.contract.field(c.field).unique]
    found: list[list[str]] = []
    for columns in [*stated, *map(list, enforced)]:
        implied = bool(spec.key) and set(spec.key) <= set(columns)
        if set(columns) <= mapped and not implied and not any(set(f) == set(columns) for f in found):
            found.append(columns)
    return found


def _any_group(groups: str) -> str:
    # Counted, not EXISTS: that would have the planner sort, hoping to stop early.
    return f"SELECT count(*) > 0 FROM ({groups}) g"


def _simple(spec: LoadSpec, code: str, condition: str, *, field: str, detail: str = "''") -> Check:
    staging = _staging(spec)
    return Check(
        code,
        f"SELECT EXISTS (SELECT FROM {staging} s WHERE {condition})",
        f"SELECT s.ctid AS id, {field}::text AS field, {detail}::text AS detail FROM {staging} s WHERE {condition}",
    )


def _plain_columns(spec: LoadSpec) -> set[str]:
    """Columns whose staged value is the value that will be written."""
    return {c.name for c in spec.columns if c.stored and spec.contract.field(c.field).blank is not Blank.KEEP}


def _live(spec: LoadSpec, alias: str = "s") -> str:
    """Feed: rows that delete need not fit the table."""
    return f" AND NOT ({feed.is_delete(spec, alias)})" if spec.mode is Mode.FEED else ""


def _field(spec: LoadSpec, column: str) -> str:
    return next((c.field for c in spec.columns if c.name == column), "")


def _only_field(spec: LoadSpec, columns: Sequence[str]) -> str:
    return _field(spec, columns[0]) if len(columns) == 1 else ""


def _bare(columns: Iterable[str]) -> str:
    return ", ".join(quote_ident(c) for c in columns)


def _staging(spec: LoadSpec) -> str:
    return qualified(STAGING_SCHEMA, spec.staging_table)


def _target(spec: LoadSpec) -> str:
    return qualified(spec.target_schema, spec.target_table)
