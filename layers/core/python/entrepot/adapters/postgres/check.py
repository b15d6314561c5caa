"""Check: what only the whole set of rows can show, found by the database and taken out of staging."""

# ruff: noqa: S608 - names and constants are quoted by entrepot.load.names

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
from psycopg import Connection
from psycopg.types.json import Jsonb

from entrepot.adapters.postgres import catalog
from entrepot.adapters.postgres.staging import LOCK, staging
from entrepot.errors import IntegrityError
from entrepot.load import checks, feed, merging
from entrepot.load.checks import Check
from entrepot.load.ddl import create_refused
from entrepot.load.ledger import ledger_table
from entrepot.load.names import STAGING_SCHEMA, qualified, refused_name, staging_name
from entrepot.load.order import keys_differ
from entrepot.model.contract import Mode
from entrepot.model.steps import LoadSpec
from entrepot.ports.target import CheckResult, RefusedRow

Session = Connection[Any]

ROWS_AT_A_TIME = 5000
INDEX_BYTES = 8 << 20
"""From this size of staging on, an index is the cheaper proof that nothing repeats."""


def check(session: Session, spec: LoadSpec, settings: dict[str, str]) -> CheckResult:
    """Runs every check, in the order in which their answers depend on each other."""
    spec = spec.model_copy(update={"staging_table": spec.staging_table or staging_name(spec.tenant, spec.job_id)})
    with session.transaction():
        session.execute(LOCK, (spec.tenant, spec.job_id))
        session.execute("SELECT set_config(key, value, true) FROM jsonb_each_text(%s)", (Jsonb(settings),))
        if not catalog.relation_exists(session, STAGING_SCHEMA, spec.staging_table):
            msg = f"Staging of job {spec.job_id} is gone."
            raise IntegrityError(msg, job_id=spec.job_id, reason="staging_lost")
        _run(session, spec)
        return _result(session, spec)


def _run(session: Session, spec: LoadSpec) -> None:
    facts = _facts(session, spec)
    if spec.mode is Mode.FEED:
        _apply(session, spec, checks.unknown_operations(spec))
        _apply(session, spec, checks.required_values(spec))
    if spec.key and any(f.get("nulls") != 0 for f in facts):
        _apply(session, spec, checks.null_keys(spec))
    if spec.merge:
        _merge(session, spec)
    _apply(session, spec, checks.outside_slice(spec))
    # Nothing of a row of delete-missing is written but its absence: only keys count.
    writes = spec.mode is not Mode.DELETE_MISSING
    target = catalog.table_oid(session, spec.target_schema, spec.target_table) if writes else None
    # What is wrong in itself goes first: it must not win over a good row of the same key.
    references = catalog.references(session, target[0]) if target else []
    if target:
        if spec.mode is not Mode.FEED:
            _apply(session, spec, checks.new_values(spec))
        _rules(session, spec, target[0], references)
    if spec.key and not keys_differ(facts) and not _is_unique(session, spec, spec.key):
        _one_per_key(session, spec)
    if writes:
        _unique(session, spec, exists=target is not None)
    itself = [c for c in (_reference(spec, r) for r in references if r.to_itself) if c is not None]
    # A row that leaves may leave others pointing to nothing.
    while sum(_apply(session, spec, c) for c in itself):
        continue


def _rules(session: Session, spec: LoadSpec, target: int, references: Sequence[catalog.Reference]) -> None:
    for rule in catalog.check_rules(session, target):
        _apply(session, spec, checks.broken_rule(spec, rule.name, rule.expression, rule.columns))
    for ref in references:
        if not ref.to_itself:
            _apply(session, spec, _reference(spec, ref))


def _one_per_key(session: Session, spec: LoadSpec) -> None:
    """The last row of a key counts; in a feed the rows of one key become their net effect."""
    if spec.mode is not Mode.FEED:
        _apply(session, spec, checks.duplicates(spec))
        return
    row = session.execute(feed.has_several(spec).encode()).fetchone()
    if row is None or not row[0]:
        return
    for statement in create_refused(spec):
        session.execute(statement.encode())
    session.execute(feed.collapse(spec).encode())


def _merge(session: Session, spec: LoadSpec) -> None:
    """The rows of one key become one, before anything judges them."""
    _apply(session, spec, merging.repeats(spec))
    row = session.execute(merging.has_several(spec).encode()).fetchone()
    if row is not None and row[0]:
        for statement in create_refused(spec):
            session.execute(statement.encode())
        session.execute(merging.merge(spec).encode())
    for blank in merging.still_blank(spec):
        _apply(session, spec, blank)


def _unique(session: Session, spec: LoadSpec, *, exists: bool) -> None:
    shape = catalog.describe(session, spec.target_schema, spec.target_table) if exists else None
    enforced = shape.unique_keys if shape else []
    if shape and spec.key and spec.mode is Mode.APPEND and any(set(u) <= set(spec.key) for u in enforced):
        _apply(session, spec, checks.existing_keys(spec))
    for columns in checks.unique_sets(spec, enforced):
        if not _is_unique(session, spec, columns):
            _apply(session, spec, checks.repeated(spec, columns))
        if shape:
            _apply(session, spec, checks.taken(spec, columns))


def _is_unique(session: Session, spec: LoadSpec, columns: Sequence[str]) -> bool:
    """Whether an index proves that no two rows agree; False leaves the question open."""
    row = session.execute("SELECT pg_relation_size(%s)", (staging(spec),)).fetchone()
    if row is None or row[0] < INDEX_BYTES:
        return False
    try:
        with session.transaction():
            session.execute(checks.unique_index(spec, columns).encode())
    except (psycopg.errors.UniqueViolation, psycopg.errors.ProgramLimitExceeded):
        return False  # some do; or a value is too long for an index
    return True


def _reference(spec: LoadSpec, ref: catalog.Reference) -> Check | None:
    return checks.broken_reference(spec, ref.name, ref.table, ref.columns, ref.their_columns, to_itself=ref.to_itself)


def _apply(session: Session, spec: LoadSpec, check: Check | None) -> bool:
    """Takes a check's rows out; whether there were any."""
    if check is None:
        return False
    row = session.execute(check.probe.encode()).fetchone()
    if row is None or not row[0]:
        return False
    for statement in create_refused(spec):
        session.execute(statement.encode())
    return session.execute(checks.take_out(spec, check).encode()).rowcount > 0


def _facts(session: Session, spec: LoadSpec) -> list[dict[str, Any]]:
    job = "tenant = %s AND job_id = %s AND accepted > 0"
    query = f"SELECT facts FROM {ledger_table(spec)} WHERE {job} ORDER BY chunk"
    return [row[0] for row in session.execute(query.encode(), (spec.tenant, spec.job_id))]


def _result(session: Session, spec: LoadSpec) -> CheckResult:
    """Counts of what was taken out; publish counts staging itself once more."""
    duplicate = refused = collapsed = 0
    if catalog.relation_exists(session, STAGING_SCHEMA, refused_name(spec.staging_table)):
        table = qualified(STAGING_SCHEMA, refused_name(spec.staging_table))
        query = (
            "SELECT count(*) FILTER (WHERE code = 'duplicate'), count(*) FILTER (WHERE code = 'collapsed'), count(*) "
            f"FROM {table}"
        )
        duplicate, collapsed, every = session.execute(query.encode()).fetchone() or (0, 0, 0)
        refused = every - duplicate - collapsed
    query = f"SELECT coalesce(sum(accepted), 0)::bigint FROM {ledger_table(spec)} WHERE tenant = %s AND job_id = %s"
    loaded = (session.execute(query.encode(), (spec.tenant, spec.job_id)).fetchone() or (0,))[0]
    return CheckResult(
        accepted=loaded - duplicate - refused - collapsed, duplicate=duplicate, quarantined=refused, collapsed=collapsed
    )


def refusals(session: Session, spec: LoadSpec) -> Iterator[list[RefusedRow]]:
    """What check took out, ordered by chunk and row, in blocks."""
    name = refused_name(spec.staging_table or staging_name(spec.tenant, spec.job_id))
    if not catalog.relation_exists(session, STAGING_SCHEMA, name):
        return
    query = (
        f"SELECT l.chunk_id, r.row_number, r.code, r.field, r.detail FROM {qualified(STAGING_SCHEMA, name)} r "
        f"JOIN {ledger_table(spec)} l ON l.chunk = r.chunk AND l.tenant = %s AND l.job_id = %s "
        "WHERE r.code <> 'collapsed' AND (r.chunk, r.row_number) > (%s, %s) ORDER BY r.chunk, r.row_number LIMIT %s"
    )
    after = (-1, -1)
    while True:
        rows = session.execute(query.encode(), (spec.tenant, spec.job_id, *after, ROWS_AT_A_TIME)).fetchall()
        if not rows:
            return
        yield [RefusedRow(*row) for row in rows]
        after = (int(rows[-1][0]), rows[-1][1])
