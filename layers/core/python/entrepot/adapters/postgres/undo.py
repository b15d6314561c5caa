"""Undo: its plan, the server's own transaction that does it, and what is kept for it."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from typing import Any

import psycopg
from psycopg import Connection, IsolationLevel
from psycopg.types.json import Jsonb

from entrepot.adapters.postgres.calls import ServerCalls, store_call
from entrepot.adapters.postgres.connection import Database
from entrepot.adapters.postgres.errors import database_errors
from entrepot.errors import NotFoundError
from entrepot.load.undoing import UndoPlan, differences, undo_counts, undo_document, undo_page, undo_plan
from entrepot.model.job import PlanSummary
from entrepot.model.receipt import Receipt
from entrepot.ports.target import Expired, Plan, PlannedRow, UndoSpec

log = logging.getLogger(__name__)

Session = Connection[Any]

_OWN = frozenset({"entrepot_action", "entrepot_part", "entrepot_ctid", "entrepot_xmin"})


class Undoer:
    """Plans, starts and awaits undos."""

    def __init__(self, database: Database, settings: dict[str, str]) -> None:
        self._database = database
        self._calls = ServerCalls(database, "undo")
        self._settings = settings

    def undo(self, spec: UndoSpec, draft: Receipt, seconds: float, plan_hash: str = "") -> Receipt | None:
        """The undo's receipt once it is committed; None when that takes longer than ``seconds``."""

        def store(session: Session) -> None:
            _check_known(session, spec)
            store_call(session, (spec.tenant, spec.job_id), undo_document(spec, self._settings, plan_hash), draft)

        return self._calls.run((spec.tenant, spec.job_id), store, seconds)

    def plan(self, spec: UndoSpec) -> Plan:
        """What the undo would do now. It sees the table at one instant, and locks nothing."""
        connection = self._database.take()
        try:
            with database_errors("planning an undo", connection):
                _check_known(connection, spec)
                connection.isolation_level = IsolationLevel.REPEATABLE_READ
                with connection.transaction():
                    document = Jsonb(undo_document(spec, self._settings))
                    row = connection.execute("SELECT entrepot.plan_undo(%s)", (document,)).fetchone()
                connection.isolation_level = None
        except BaseException:
            connection.close()
            raise
        self._database.give_back(connection)
        found: dict[str, Any] = row[0] if row else {}
        return Plan(PlanSummary(hash=found["hash"], counts=undo_counts(found)), found["rows"])

    def rows(self, spec: UndoSpec, after: int, limit: int, action: str) -> list[PlannedRow]:
        """A page of the stored plan."""
        table = undo_plan(spec)
        with self._database.use("reading an undo's plan") as session:
            comment = session.execute("SELECT obj_description(to_regclass(%s), 'pg_class')", (table,)).fetchone()
            if not comment or not comment[0]:
                msg = f"Undo {spec.job_id} has no plan."
                raise NotFoundError(msg, job_id=spec.job_id)
            plan = UndoPlan.from_comment(comment[0])
            kept = [_columns(session, undo) if undo else [] for undo in plan.undo_tables]
            query = undo_page(plan, table, _columns(session, plan.target), kept, action)
            return [_planned(row) for row in session.execute(query.encode(), (after, limit))]


def _planned(row: Sequence[Any]) -> PlannedRow:
    n, action, key, now, then, moved, detail = row
    old, new = differences(now, then)
    return PlannedRow(n, action, key, old, new, moved=moved, detail=detail)


def _columns(session: Session, table: str) -> list[str]:
    row = session.execute("SELECT entrepot.row_columns(to_regclass(%s))", (table,)).fetchone()
    return [c for c in (row[0] if row else []) if c not in _OWN]


def _check_known(session: Session, spec: UndoSpec) -> None:
    """A job of which this tenant has neither receipt nor publish is not there, whoever else may have it.

    Raises:
        NotFoundError: There is no such job.
    """
    known = session.execute(
        "SELECT job_id FROM entrepot.receipt WHERE tenant = %s AND job_id = ANY(%s) "
        "UNION SELECT job_id FROM entrepot.publish_spec WHERE tenant = %s AND job_id = ANY(%s)",
        (spec.tenant, spec.jobs, spec.tenant, spec.jobs),
    ).fetchall()
    missing = [j for j in spec.jobs if (j,) not in known]
    if missing or not spec.jobs:
        msg = f"There is no published job {missing[0]!r} in this database." if missing else "No job was named."
        raise NotFoundError(msg, job_id=missing[0] if missing else "")


def expire_journals(session: Session, before: str, keep: Collection[tuple[str, str]] = ()) -> Expired:
    """Drops what is kept to undo jobs that were published before an ISO time, but of those to keep."""
    jobs = session.execute(
        "SELECT tenant, job_id FROM entrepot.receipt WHERE published_at < %s::timestamptz AND NOT journal_gone "
        "AND status = 'published' ORDER BY published_at",
        (before,),
    ).fetchall()
    dropped, stuck = 0, []
    for tenant, job_id in jobs:
        if (tenant, job_id) in keep:
            continue
        # Each in a transaction of its own: locks do not pile up, and one that cannot go stops no other.
        try:
            row = session.execute("SELECT entrepot.expire_journal(%s, %s)", (tenant, job_id)).fetchone()
        except (psycopg.errors.InsufficientPrivilege, psycopg.errors.LockNotAvailable) as error:
            log.warning("the journal of job %s cannot be dropped now (SQLSTATE %s)", job_id, error.sqlstate)
            stuck.append(job_id)
        else:
            dropped += bool(row and row[0])
    return Expired(dropped, stuck)
