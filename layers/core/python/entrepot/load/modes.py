"""What becomes of which row, mode by mode: the classification that publish and plan share, as one query.

It gives ``staged`` and ``old`` (places), ``part`` (the partition of ``old``) and ``action``: i insert, u update,
d delete, r remove, c close, h close and begin a new version. Two more are noted and left alone: o older than
the target's row, m missing in the target. A staged row that is not in the answer changes nothing.
"""

# ruff: noqa: S608 - names and constants are quoted by entrepot.load.names

from __future__ import annotations

from entrepot.load import feed, history, slices
from entrepot.load.names import STAGING_SCHEMA, qualified, quote_ident
from entrepot.load.types import parse_pg_type
from entrepot.load.values import Known, changed, inserted, join_on, older, stored, writable
from entrepot.model.contract import Mode
from entrepot.model.steps import LoadSpec, TargetColumn

FRESH = frozenset({Mode.APPEND, Mode.UPSERT, Mode.INSERT_ONLY, Mode.REPLACE, Mode.HISTORY})
"""Modes that insert every staged row into an empty table."""

REMOVING = frozenset({Mode.REPLACE, Mode.DELETE_MISSING})


def removes(spec: LoadSpec) -> bool:
    """Whether the job takes rows away (or ends them) because the source lacks them."""
    return spec.mode in REMOVING or (spec.mode is Mode.HISTORY and spec.contract.history.close_missing)


def all_new(spec: LoadSpec) -> str:
    """The classification against an empty table: every row is inserted, but those that delete."""
    action = f"(CASE WHEN {feed.is_delete(spec, 's')} THEN 'm' ELSE 'i' END)" if spec.mode is Mode.FEED else "'i'"
    return (
        f'SELECT s.ctid AS staged, NULL::oid AS part, NULL::tid AS old, {action}::"char" AS action '
        f"FROM {_staging(spec)} s"
    )


def classify(spec: LoadSpec, known: Known) -> str:
    """The classification against the target as it is."""
    if spec.mode is Mode.APPEND:
        return all_new(spec)
    if spec.mode is Mode.DELETE_MISSING:
        return _missing(spec, "r", slices.condition(spec, "t"))
    if spec.mode is Mode.REPLACE and not spec.key:
        return _whole_rows(spec, known)
    differs = changed(spec, _compared(spec), known)
    if spec.mode is Mode.INSERT_ONLY:
        return _matched(spec, "LEFT JOIN", "'i'", "t.ctid IS NULL")
    if spec.mode is Mode.UPDATE_ONLY:
        return _matched(spec, "JOIN", _unless_older(spec, known, "'u'"), differs)
    if spec.mode is Mode.HISTORY:
        return _versions(spec, known, differs)
    update, delete = (_unless_older(spec, known, letter) for letter in ("'u'", "'d'"))
    change = f"CASE WHEN t.ctid IS NULL THEN 'i' ELSE {update} END"
    wanted = f"t.ctid IS NULL OR {differs}"
    if spec.mode is Mode.FEED:
        gone = f"CASE WHEN t.ctid IS NULL THEN 'm' ELSE {delete} END"
        deletes = feed.is_delete(spec, "s")
        action = f"CASE WHEN {deletes} THEN {gone} ELSE {change} END"
        return _matched(spec, "LEFT JOIN", action, f"{deletes} OR {wanted}")
    query = _matched(spec, "LEFT JOIN", change, wanted)
    if spec.mode is Mode.REPLACE:
        return f"{query} UNION ALL {_missing(spec, 'r', slices.condition(spec, 't'))}"
    return query


def count_matched(spec: LoadSpec) -> str | None:
    """A query: how many staged rows have a row in the target, for modes whose receipt says so."""
    if spec.mode not in {Mode.UPDATE_ONLY, Mode.DELETE_MISSING}:
        return None
    inside = slices.condition(spec, "t") if spec.mode is Mode.DELETE_MISSING else "true"
    return (
        f"SELECT count(*) FROM {_staging(spec)} s "
        f"WHERE EXISTS (SELECT FROM {_target(spec)} t WHERE {join_on(spec.key)} AND {inside})"
    )


def match(spec: LoadSpec) -> str:
    """Which row of the target is a staged row's: by the key, and with a history the current version."""
    current = f" AND {history.is_current(spec)}" if spec.mode is Mode.HISTORY else ""
    return join_on(spec.key) + current


def _matched(spec: LoadSpec, join: str, action: str, wanted: str) -> str:
    return (
        f'SELECT s.ctid AS staged, t.tableoid AS part, t.ctid AS old, ({action})::"char" AS action '
        f"FROM {_staging(spec)} s {join} {_target(spec)} t ON {match(spec)} WHERE {wanted}"
    )


def _unless_older(spec: LoadSpec, known: Known, action: str) -> str:
    test = older(spec, known)
    return f"CASE WHEN {test} THEN 'o' ELSE {action} END" if test else action


def _missing(spec: LoadSpec, action: str, inside: str) -> str:
    found = f"EXISTS (SELECT FROM {_staging(spec)} s WHERE {join_on(spec.key)})"
    return (
        f"SELECT NULL::tid AS staged, t.tableoid AS part, t.ctid AS old, '{action}'::\"char\" AS action "
        f"FROM {_target(spec)} t WHERE {inside} AND NOT {found}"
    )


def _compared(spec: LoadSpec) -> list[TargetColumn]:
    at = history.at_column(spec) if spec.mode is Mode.HISTORY else None
    return [c for c in writable(spec) if at is None or c.name != at.name]


def _versions(spec: LoadSpec, known: Known, differs: str) -> str:
    since = history.since(spec, known.types)
    start, end = (quote_ident(n) for n in (spec.contract.history.valid_from, spec.contract.history.valid_to))
    later = (
        f"EXISTS (SELECT FROM {_target(spec)} p WHERE {join_on(spec.key, 's', 'p')} "
        f"AND (p.{start} >= {since} OR p.{end} > {since}))"
    )
    action = (
        f"CASE WHEN t.ctid IS NULL THEN CASE WHEN {later} THEN 'o' ELSE 'i' END "
        f"WHEN {since} <= t.{start} THEN 'o' ELSE 'h' END"
    )
    query = _matched(spec, "LEFT JOIN", action, f"t.ctid IS NULL OR {differs}")
    if spec.contract.history.close_missing:
        query += f" UNION ALL {_missing(spec, 'c', history.is_current(spec))}"
    return query


def _whole_rows(spec: LoadSpec, known: Known) -> str:
    """Without a key rows are the same when all their mapped columns are, as often as they occur."""
    new = _image([(inserted(spec, c, known), c.pg_type) for c in stored(spec)])
    old = _image([(f"t.{quote_ident(c.name)}", c.pg_type) for c in stored(spec)])
    place = "row_number() OVER (PARTITION BY {0}) AS n"
    ours = f"SELECT s.ctid AS staged, {new} AS image, {place.format(new)} FROM {_staging(spec)} s"
    theirs = (
        f"SELECT t.tableoid AS part, t.ctid AS old, {old} AS image, {place.format(old)} "
        f"FROM {_target(spec)} t WHERE {slices.condition(spec, 't')}"
    )
    return (
        "SELECT a.staged, b.part, b.old, (CASE WHEN b.old IS NULL THEN 'i' ELSE 'r' END)::\"char\" AS action "
        f"FROM ({ours}) a FULL JOIN ({theirs}) b ON a.image = b.image AND a.n = b.n "
        "WHERE a.staged IS NULL OR b.old IS NULL"
    )


def _image(values: list[tuple[str, str]]) -> str:
    # 1.0 and 1.00 are one number with two texts.
    parts = (f"trim_scale({v})" if parse_pg_type(t).base == "numeric" else v for v, t in values)
    return f'ROW({", ".join(parts)})::text COLLATE "C"'


def _staging(spec: LoadSpec) -> str:
    return qualified(STAGING_SCHEMA, spec.staging_table)


def _target(spec: LoadSpec) -> str:
    return qualified(spec.target_schema, spec.target_table)
