"""Publish: what the server's own transaction is told, its receipt, and the plan of it beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

from entrepot.adapters.postgres import catalog
from entrepot.adapters.postgres.calls import ServerCalls, store_call
from entrepot.adapters.postgres.connection import Database
from entrepot.adapters.postgres.staging import LOCK
from entrepot.errors import NotFoundError, PlanStaleError
from entrepot.load.fit import check_key
from entrepot.load.names import STAGING_SCHEMA, plan_name, qualified, refused_name, staging_name
from entrepot.load.planning import ACTIONS, page
from entrepot.load.publishing import publish_spec
from entrepot.load.values import Known, stored
from entrepot.model.contract import Classification
from entrepot.model.job import PlanCounts, PlanSummary
from entrepot.model.receipt import Receipt
from entrepot.model.steps import LoadSpec
from entrepot.ports.target import Plan, PlannedRow

Session = Connection[Any]

MASK = "***"
OPEN = frozenset({Classification.PUBLIC, Classification.INTERNAL})
"""Classes of fields whose values may stand in an error's list of keys."""


class Publisher:
    """Starts and awaits publishes."""

    def __init__(self, database: Database, settings: dict[str, str]) -> None:
        self._calls = ServerCalls(database, "publish")
        self._settings = settings

    def publish(self, spec: LoadSpec, draft: Receipt, seconds: float, plan_hash: str) -> Receipt | None:
        """The receipt once it is committed; None when that takes longer than ``seconds``."""
        store = partial(_store_spec, spec=spec, draft=draft, settings=self._settings, plan_hash=plan_hash)
        try:
            return self._calls.run((spec.tenant, spec.job_id), store, seconds)
        except PlanStaleError as error:
            error.rows = [_masked(spec, row) for row in error.rows]
            raise


def plan(session: Session, spec: LoadSpec, settings: dict[str, str]) -> Plan:
    """What a publish would do now; its rows are stored beside staging."""
    with session.transaction():
        # One state of the table for all that is looked at.
        session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        session.execute(LOCK, (spec.tenant, spec.job_id))
        fragments = _fragments(session, spec, settings)
        query = "SELECT entrepot.make_plan(%s, %s, %s)"
        row = session.execute(query, (Jsonb(fragments), spec.tenant, spec.job_id)).fetchone()
    made = row[0] if row else {}
    summary = PlanSummary(hash=made["hash"], counts=PlanCounts.model_validate(made["counts"]), held=made["held"])
    return Plan(summary=summary, target_rows=made["target_rows"])


def plan_page(session: Session, spec: LoadSpec, *, after: int, limit: int, action: str) -> list[PlannedRow]:
    """A page of the stored plan, with the columns that change."""
    spec = _named(spec)
    if not catalog.relation_exists(session, STAGING_SCHEMA, plan_name(spec.staging_table)):
        msg = f"The rows of job {spec.job_id}'s plan are gone."
        raise NotFoundError(msg, hint="Make the plan again.", job_id=spec.job_id)
    letters = "".join(letter for letter, word in ACTIONS.items() if word == action)
    if action and not letters:
        return []
    known, exists = _known(session, spec)
    query = page(spec, known, exists=exists, after=max(0, after), limit=max(0, limit), letters=letters)
    return [_row(found) for found in session.execute(query.encode())]


def _row(found: Sequence[Any]) -> PlannedRow:
    n, letter, key, old, new, chunk_id, row, moved = found
    if old is not None and new is not None:
        differ = [name for name in new if new[name] != old.get(name)]
        old, new = {name: old.get(name) for name in differ}, {name: new[name] for name in differ}
    return PlannedRow(n, ACTIONS[letter], key, old, new, chunk_id=chunk_id, row=row, moved=moved)


def _store_spec(session: Session, spec: LoadSpec, draft: Receipt, settings: dict[str, str], plan_hash: str) -> None:
    fragments = _fragments(session, spec, settings, plan_hash=plan_hash)
    store_call(session, (spec.tenant, spec.job_id), fragments, draft)


def _fragments(session: Session, spec: LoadSpec, settings: dict[str, str], *, plan_hash: str = "") -> dict[str, Any]:
    spec = _named(spec)
    known, exists = _known(session, spec)
    return publish_spec(spec, known, settings, plan_hash=plan_hash, exists=exists)


def _named(spec: LoadSpec) -> LoadSpec:
    return spec.model_copy(update={"staging_table": spec.staging_table or staging_name(spec.tenant, spec.job_id)})


def _known(session: Session, spec: LoadSpec) -> tuple[Known, bool]:
    """What the SQL depends on, and whether the target exists.

    Raises:
        TargetError: The table no longer enforces the key: a row could match many.
    """
    refused = catalog.relation_exists(session, STAGING_SCHEMA, refused_name(spec.staging_table))
    shape = catalog.describe(session, spec.target_schema, spec.target_table)
    if shape is None:
        return Known(refused=refused), False
    check_key(shape, spec.mode, spec.key)
    blank = [c.name for c in stored(spec) if not spec.contract.field(c.field).required and c.name not in spec.key]
    defaults = catalog.defaults(session, qualified(spec.target_schema, spec.target_table), blank)
    return Known(refused, defaults, {c.name: c.pg_type for c in shape.columns}), True


def _masked(spec: LoadSpec, row: dict[str, object]) -> dict[str, object]:
    """A row's key with what must not be shown hidden."""
    shown = {c.name for c in spec.columns if spec.contract.field(c.field).classification in OPEN}
    return {name: value if value is None or name in shown else MASK for name, value in row.items()}
