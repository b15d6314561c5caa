"""PostgreSQL as the target: the port's methods, each a few lines over the module that does the work."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from psycopg import sql

from entrepot.adapters.postgres import catalog, check, migrate, publish, receipts, staging, undo
from entrepot.adapters.postgres.connection import Connect, Database
from entrepot.adapters.postgres.publish import Publisher
from entrepot.errors import NotFoundError
from entrepot.model.receipt import Receipt
from entrepot.model.steps import LoadSpec
from entrepot.ports.slots import Slots
from entrepot.ports.target import (
    CheckResult,
    ChunkCounts,
    Expired,
    LedgerLine,
    Plan,
    PlannedRow,
    RefusedRow,
    TableShape,
    UndoSpec,
)

if TYPE_CHECKING:
    import pyarrow as pa

SETTINGS: dict[str, str] = {
    "work_mem": "128MB",
    "maintenance_work_mem": "256MB",
    "jit": "off",
    # Few rows leave the workers (classify) or one (counts), whatever the planner guesses.
    "parallel_setup_cost": "200",
    "parallel_tuple_cost": "0.001",
}
"""For check and publish alone, within their transactions (docs/database.md says what each is worth)."""


class PostgresTarget:
    """Staging, check and publish in one PostgreSQL database, 14 to 18.

    Args:
        connect: `ConnectionSettings`, a connection string, the document of a database secret, or a
            callable that gives one of them and is called at every new connection.
        sslmode: libpq's, when ``connect`` does not say; not used on unix sockets.
        ca: File of the certificate authority, or ``system``.
        application_name: ``entrepot-<stage>-<step>``.
        settings: Server settings for check and publish, on top of `SETTINGS`.
        binary: Whether COPY may be binary where that is proved exact.
        slots: Which connections may be open; all when None.
    """

    def __init__(
        self,
        connect: Connect,
        *,
        sslmode: str = "",
        ca: str = "",
        application_name: str = "",
        settings: Mapping[str, str] | None = None,
        binary: bool = True,
        slots: Slots | None = None,
    ) -> None:
        self._database = Database(connect, slots=slots, sslmode=sslmode, ca=ca, application_name=application_name)
        self._settings = SETTINGS | dict(settings or {})
        self._loader = staging.Loader(binary=binary)
        self._publisher = Publisher(self._database, self._settings)
        self._undoer = undo.Undoer(self._database, self._settings)

    def close(self) -> None:
        """Closes the connection; a running publish goes on. The next use opens another."""
        self._database.close()

    def rest(self) -> None:
        """At the end of an invocation: closes the connection where open ones are counted."""
        self._database.rest()

    def ping(self) -> str:
        """Version text of the server."""
        with self._database.use("asking for the server's version") as session:
            row = session.execute("SELECT version()").fetchone()
            return str(row[0]) if row else ""

    def migrate(self) -> list[str]:
        """Applies pending migrations under an advisory lock; their names."""
        with self._database.use("migrating the database") as session:
            return migrate.migrate(session)

    def describe(self, schema: str, table: str) -> TableShape | None:
        """The table's shape, or None when there is no such table."""
        with self._database.use("describing the target table") as session:
            return catalog.describe(session, schema, table)

    def prepare(self, spec: LoadSpec) -> LoadSpec:
        """Makes staging and ledger for a job when missing; the spec with its staging name."""
        with self._database.use("making staging") as session:
            return staging.prepare(session, spec)

    def load(self, spec: LoadSpec, counts: ChunkCounts, batches: Iterable[pa.RecordBatch]) -> bool:
        """Ledger row first, then COPY, one transaction; False when the chunk was there already."""
        with self._database.use(f"loading chunk {counts.chunk_id}") as session:
            return self._loader.load(session, spec, counts, batches)

    def ledger(self, spec: LoadSpec) -> list[LedgerLine]:
        """The ledger against what staging holds; empty when staging is gone."""
        with self._database.use("comparing staging with its ledger") as session:
            return staging.ledger(session, spec)

    def forget_chunks(self, spec: LoadSpec, chunk_ids: Sequence[str]) -> None:
        """Removes chunks from staging so that they can be loaded again."""
        with self._database.use("forgetting chunks") as session:
            staging.forget_chunks(session, spec, chunk_ids)

    def check(self, spec: LoadSpec) -> CheckResult:
        """Set-based checks on staging; refused rows leave it."""
        with self._database.use("checking staging") as session:
            return check.check(session, spec, self._settings)

    def refusals(self, spec: LoadSpec) -> Iterator[RefusedRow]:
        """What check took out, ordered by chunk and row."""
        with self._database.use("reading refused rows") as session:
            for block in check.refusals(session, spec):
                yield from block

    def plan(self, spec: LoadSpec) -> Plan:
        """What publish would do now, by the same classification, without doing it; replaces an earlier plan."""
        with self._database.use("planning the publish") as session:
            return publish.plan(session, spec, self._settings)

    def plan_rows(self, spec: LoadSpec, *, after: int = 0, limit: int = 100, action: str = "") -> list[PlannedRow]:
        """A page of a job's stored plan."""
        with self._database.use("reading the plan") as session:
            return publish.plan_page(session, spec, after=after, limit=limit, action=action)

    def start_publish(self, spec: LoadSpec, draft: Receipt, *, seconds: float, plan_hash: str = "") -> Receipt | None:
        """Starts the publish unless it runs or has ended, and waits at most ``seconds`` for it."""
        return self._publisher.publish(spec, draft, seconds, plan_hash)

    def plan_undo(self, spec: UndoSpec) -> Plan:
        """What an undo would do now, without doing it; replaces an earlier plan of this undo job."""
        return self._undoer.plan(spec)

    def undo_rows(self, spec: UndoSpec, *, after: int = 0, limit: int = 100, action: str = "") -> list[PlannedRow]:
        """A page of an undo's stored plan."""
        return self._undoer.rows(spec, after, limit, action)

    def start_undo(self, spec: UndoSpec, draft: Receipt, *, seconds: float, plan_hash: str = "") -> Receipt | None:
        """Starts the undo unless it runs or has ended, and waits at most ``seconds`` for it."""
        return self._undoer.undo(spec, draft, seconds, plan_hash)

    def jobs_since(self, tenant: str, schema: str, table: str, since: str) -> list[str]:
        """Published jobs of a table after an ISO time that were not taken back, newest first."""
        with self._database.use("looking for the jobs of a table") as session:
            return receipts.jobs_since(session, tenant, schema, table, since)

    def expire_journals(self, before: str, keep: Collection[tuple[str, str]] = ()) -> Expired:
        """Drops undo tables, kept staging and backups of jobs published before an ISO time."""
        with self._database.use("dropping old journals") as session:
            return undo.expire_journals(session, before, keep)

    def receipt(self, tenant: str, job_id: str) -> Receipt | None:
        """The receipt of a published job."""
        with self._database.use("reading a receipt") as session:
            return receipts.receipt(session, tenant, job_id)

    def published_before(self, tenant: str, contract: str, source: str, version: str, sha256: str) -> Receipt | None:
        """The receipt of an earlier publish of the same version or content under this contract."""
        with self._database.use("looking for an earlier publish") as session:
            return receipts.published_before(session, tenant, contract, source=source, version=version, sha256=sha256)

    def newer_published(self, tenant: str, contract: str, source: str, sequencer: str) -> Receipt | None:
        """The receipt of a publish of a later version of the same key."""
        with self._database.use("looking for a later publish") as session:
            return receipts.newer_published(session, tenant, contract, source, sequencer)

    def drop_staging(self, tenant: str, job_id: str) -> None:
        """Drops a job's ledger and plan, and its staging unless a receipt needs it for undo; no error when gone."""
        with self._database.use("dropping staging") as session:
            staging.drop(session, tenant, job_id)

    def staged_jobs(self) -> list[tuple[str, str]]:
        """(tenant, job_id) of every job with staging in this database."""
        with self._database.use("listing staging") as session:
            return staging.staged_jobs(session)

    def rows(self, schema: str, table: str, *, limit: int) -> tuple[list[str], list[list[object]]]:
        """Column names and the first rows of a table."""
        query = sql.SQL("SELECT * FROM {} LIMIT {}").format(sql.Identifier(schema, table), sql.Literal(max(0, limit)))
        with self._database.use("reading rows") as session:
            _check_exists(session, schema, table)
            cursor = session.execute(query)
            names = [c.name for c in cursor.description or ()]
            return names, [list(row) for row in cursor]

    def empty(self, schema: str, table: str) -> int:
        """Deletes all rows of a table; how many."""
        query = sql.SQL("DELETE FROM {}").format(sql.Identifier(schema, table))
        with self._database.use("emptying a table") as session:
            _check_exists(session, schema, table)
            return session.execute(query).rowcount

    def count(self, schema: str, table: str) -> int:
        """``count(*)`` of a table."""
        query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, table))
        with self._database.use("counting rows") as session:
            _check_exists(session, schema, table)
            row = session.execute(query).fetchone()
            return int(row[0]) if row else 0


def _check_exists(session: catalog.Session, schema: str, table: str) -> None:
    if not catalog.relation_exists(session, schema, table):
        msg = f"There is no table {schema}.{table}."
        raise NotFoundError(msg, schema=schema, table=table)
