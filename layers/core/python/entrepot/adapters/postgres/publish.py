"""Publish: starts the server's own transaction, waits a while for it, and reads its receipt."""

from __future__ import annotations

import select
import time
from typing import Any

import psycopg
from psycopg import Connection
from psycopg.pq import ConnStatus, ExecStatus
from psycopg.types.json import Jsonb

from entrepot.adapters.postgres import catalog, receipts
from entrepot.adapters.postgres.connection import Database
from entrepot.adapters.postgres.errors import by_state, database_errors
from entrepot.load.names import STAGING_SCHEMA, qualified, refused_name, staging_name
from entrepot.load.publishing import publish_spec
from entrepot.model.receipt import Receipt
from entrepot.model.steps import LoadSpec

Session = Connection[Any]

POLL_SECONDS = 0.05
_LONGEST_POLL = 1.0


class Publisher:
    """Starts and awaits publishes. Each has its connection to itself, and is never cancelled."""

    def __init__(self, database: Database, settings: dict[str, str]) -> None:
        self._database = database
        self._settings = settings
        self._running: dict[tuple[str, str], Session] = {}

    def publish(self, spec: LoadSpec, draft: Receipt, seconds: float) -> Receipt | None:
        """The receipt once it is committed; None when that takes longer than ``seconds``."""
        until = time.monotonic() + seconds
        job = (spec.tenant, spec.job_id)
        if job not in self._running:
            with self._database.use("looking for the receipt") as session:
                done = receipts.receipt(session, *job)
                if done is not None:
                    return done
                if _is_running(session, job):
                    # Another process began it; its receipt or its error will be found here.
                    return _await_other(session, job, until)
                _raise_error(session, job)
            self._start(spec, draft)
        return self._await_own(job, until)

    def _start(self, spec: LoadSpec, draft: Receipt) -> None:
        connection = self._database.take()
        try:
            with database_errors("preparing publish", connection):
                _store_spec(connection, spec, draft, self._settings)
                # The transaction goes on when its client is gone: that is the point of it.
                connection.execute("SET client_connection_check_interval = 0")
                connection.execute("SET statement_timeout = 0")
                connection.pgconn.send_query_params(
                    b"CALL entrepot.publish($1, $2)", [spec.tenant.encode(), spec.job_id.encode()]
                )
                connection.pgconn.flush()
        except BaseException:
            connection.close()
            raise
        self._running[spec.tenant, spec.job_id] = connection

    def _await_own(self, job: tuple[str, str], until: float) -> Receipt | None:
        connection = self._running[job]
        ended = False
        try:
            with database_errors("publishing", connection):
                ended = _wait(connection, until)
            if not ended:
                return None
        except BaseException:
            ended = True
            raise
        finally:
            if ended:
                del self._running[job]
                self._database.give_back(connection)
        with self._database.use("reading the receipt") as session:
            done = receipts.receipt(session, *job)
            if done is None:
                _raise_error(session, job)
            return done


def _wait(connection: Session, until: float) -> bool:
    """Whether the statement that was sent has ended; raises its error."""
    pgconn = connection.pgconn
    while pgconn.is_busy():
        left = until - time.monotonic()
        if left <= 0:
            return False
        select.select([pgconn.socket], [], [], min(left, _LONGEST_POLL))
        pgconn.consume_input()
    result = pgconn.get_result()
    while (following := pgconn.get_result()) is not None:
        result = following
    if pgconn.status != ConnStatus.OK:
        # The server went away in the middle; whether it had committed, the receipt will tell.
        raise psycopg.OperationalError
    if result is not None and result.status == ExecStatus.FATAL_ERROR:
        raise psycopg.errors.error_from_result(result)
    return True


def _store_spec(session: Session, spec: LoadSpec, draft: Receipt, settings: dict[str, str]) -> None:
    name = spec.staging_table or staging_name(spec.tenant, spec.job_id)
    spec = spec.model_copy(update={"staging_table": name})
    refused = catalog.relation_exists(session, STAGING_SCHEMA, refused_name(name))
    blank = [c.name for c in spec.columns if not spec.contract.field(c.field).required and c.name not in spec.key]
    target = qualified(spec.target_schema, spec.target_table)
    defaults = {} if spec.create_target else catalog.needed_defaults(session, target, blank)
    fragments = publish_spec(spec, refused=refused, defaults=defaults, settings=settings)
    session.execute(
        "INSERT INTO entrepot.publish_spec AS p (tenant, job_id, spec, draft) VALUES (%s, %s, %s, %s) "
        "ON CONFLICT (tenant, job_id) DO UPDATE SET spec = excluded.spec, draft = excluded.draft, error = NULL, "
        "attempts = p.attempts + 1, started_at = clock_timestamp()",
        (spec.tenant, spec.job_id, Jsonb(fragments), Jsonb(draft.model_dump(mode="json"))),
    )


def _is_running(session: Session, job: tuple[str, str]) -> bool:
    """Whether some backend holds the job's lock. Taking it for an instant disturbs nobody."""
    row = session.execute("SELECT pg_try_advisory_xact_lock(entrepot.job_lock(%s, %s))", job).fetchone()
    return not (row and row[0])


def _await_other(session: Session, job: tuple[str, str], until: float) -> Receipt | None:
    pause = POLL_SECONDS
    while True:
        left = until - time.monotonic()
        if left <= 0:
            return None
        time.sleep(min(pause, left))
        pause = min(pause * 2, _LONGEST_POLL)
        if not _is_running(session, job):
            done = receipts.receipt(session, *job)
            if done is None:
                _raise_error(session, job)
            # Neither: its backend was killed. The next call starts it again.
            return done


def _raise_error(session: Session, job: tuple[str, str]) -> None:
    """Raises what the last publish of the job ended with, once; a repeat then starts anew."""
    row = session.execute(
        "UPDATE entrepot.publish_spec p SET error = NULL FROM entrepot.publish_spec o "
        "WHERE p.tenant = %s AND p.job_id = %s AND o.tenant = p.tenant AND o.job_id = p.job_id AND p.error IS NOT NULL "
        "RETURNING o.error",
        job,
    ).fetchone()
    if row is None:
        return
    error = row[0]
    names = {k: error.get(k) for k in ("schema", "table", "column", "constraint")}
    raise by_state(error["sqlstate"], "publishing", names, error.get("message", ""))
