"""Work that the server does by itself: started here, awaited a while, its receipt read when it is there."""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from typing import Any, Literal

import psycopg
from psycopg import Connection
from psycopg.pq import ConnStatus, ExecStatus
from psycopg.types.json import Jsonb

from entrepot.adapters.postgres import receipts
from entrepot.adapters.postgres.connection import Database
from entrepot.adapters.postgres.errors import by_state, database_errors
from entrepot.model.receipt import Receipt

Session = Connection[Any]

LEFT_SECONDS = 30
"""How long a connection stays whose call has ended and whose answer nobody reads: its function is frozen or gone."""
POLL_SECONDS = 0.05
_LONGEST_POLL = 1.0
_WHAT = {"publish": "publishing", "undo": "undoing"}


class ServerCalls:
    """Starts and awaits calls of one procedure. Each has its connection to itself, and is never cancelled.

    Args:
        database: Where the procedure lives.
        procedure: Its name in schema ``entrepot``; its arguments are tenant and job.
    """

    def __init__(self, database: Database, procedure: Literal["publish", "undo"]) -> None:
        self._database = database
        self._procedure = procedure
        self._running: dict[tuple[str, str], Session] = {}

    def run(self, job: tuple[str, str], store: Callable[[Session], None], seconds: float) -> Receipt | None:
        """The receipt once it is committed; None when that takes longer than ``seconds``.

        Args:
            job: Tenant and job.
            store: Writes down what is to be done, before the call; not called when it runs or has ended.
            seconds: Longest wait.
        """
        until = time.monotonic() + seconds
        if job in self._running:
            self._database.slots.extend(self._slot(job))
        else:
            with self._database.use("looking for the receipt") as session:
                done = receipts.receipt(session, *job)
                if done is not None:
                    self._database.slots.free(self._slot(job))
                    return done
                if _is_running(session, job):
                    self._database.slots.extend(self._slot(job))
                    # Another process began it; its receipt or its error will be found here.
                    return self._await_other(session, job, until)
                self._raise_error(session, job)
            self._start(job, store)
        return self._await_own(job, until)

    def _start(self, job: tuple[str, str], store: Callable[[Session], None]) -> None:
        connection = self._database.take(self._slot(job))
        try:
            with database_errors(f"preparing {self._procedure}", connection):
                store(connection)
                # The transaction goes on when its client is gone: that is the point of it.
                connection.execute("SET client_connection_check_interval = 0")
                connection.execute("SET statement_timeout = 0")
                connection.execute(f"SET idle_session_timeout = '{LEFT_SECONDS}s'")
                call = f"CALL entrepot.{self._procedure}($1, $2)"
                connection.pgconn.send_query_params(call.encode(), [part.encode() for part in job])
                connection.pgconn.flush()
        except BaseException:
            connection.close()
            self._database.slots.free(self._slot(job))
            raise
        self._running[job] = connection

    def _slot(self, job: tuple[str, str]) -> str:
        """The name of the running call's slot, which outlives the function that started it."""
        return f"{self._procedure}-call/{job[1]}"

    def _await_own(self, job: tuple[str, str], until: float) -> Receipt | None:
        connection = self._running[job]
        ended = False
        try:
            with database_errors(_WHAT[self._procedure], connection):
                ended = _wait(connection, until)
            if not ended:
                return None
        except BaseException:
            ended = True
            raise
        finally:
            if ended:
                del self._running[job]
                self._database.give_back(connection, self._slot(job))
        with self._database.use("reading the receipt") as session:
            done = receipts.receipt(session, *job)
            if done is None:
                self._raise_error(session, job)
            return done

    def _await_other(self, session: Session, job: tuple[str, str], until: float) -> Receipt | None:
        pause = POLL_SECONDS
        while True:
            left = until - time.monotonic()
            if left <= 0:
                return None
            time.sleep(min(pause, left))
            pause = min(pause * 2, _LONGEST_POLL)
            if not _is_running(session, job):
                self._database.slots.free(self._slot(job))
                done = receipts.receipt(session, *job)
                if done is None:
                    self._raise_error(session, job)
                # Neither: its backend was killed. The next call starts it again.
                return done

    def _raise_error(self, session: Session, job: tuple[str, str]) -> None:
        """Raises what the job's last call ended with, once; a repeat then starts anew."""
        row = session.execute(
            "UPDATE entrepot.publish_spec p SET error = NULL FROM entrepot.publish_spec o "
            "WHERE p.tenant = %s AND p.job_id = %s AND o.tenant = p.tenant AND o.job_id = p.job_id "
            "AND p.error IS NOT NULL RETURNING o.error",
            job,
        ).fetchone()
        if row is None:
            return
        error = row[0]
        names = {k: error.get(k) for k in ("schema", "table", "column", "constraint")}
        told = (error.get("message") or "", error.get("detail") or "")
        raise by_state(error["sqlstate"], _WHAT[self._procedure], names, *told)


def store_call(session: Session, job: tuple[str, str], spec: dict[str, Any], draft: Receipt) -> None:
    """Writes down what a job's call is to do; the error of an earlier one is forgotten."""
    session.execute(
        "INSERT INTO entrepot.publish_spec AS p (tenant, job_id, spec, draft) VALUES (%s, %s, %s, %s) "
        "ON CONFLICT (tenant, job_id) DO UPDATE SET spec = excluded.spec, draft = excluded.draft, error = NULL, "
        "attempts = p.attempts + 1, started_at = clock_timestamp()",
        (*job, Jsonb(spec), Jsonb(draft.model_dump(mode="json"))),
    )


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


def _is_running(session: Session, job: tuple[str, str]) -> bool:
    """Whether some backend holds the job's lock. Taking it for an instant disturbs nobody."""
    row = session.execute("SELECT pg_try_advisory_xact_lock(entrepot.job_lock(%s, %s))", job).fetchone()
    return not (row and row[0])
