"""Staging: made once per job, filled chunk by chunk exactly once, compared with its ledger, dropped."""

# ruff: noqa: S608 - names and constants are quoted by entrepot.load.names

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import Connection
from psycopg.types.json import Jsonb

from entrepot.adapters.postgres import catalog
from entrepot.adapters.postgres.sample import compare_sample, end_of
from entrepot.errors import FatalError, IntegrityError, RetriableError, TargetError
from entrepot.load.ddl import checked_type, create_staging, read_comment
from entrepot.load.encode import encode, is_binary, plan_columns
from entrepot.load.ledger import compare_ledger, job_filter, ledger_table
from entrepot.load.names import (
    CHUNK_COLUMN,
    ROW_COLUMN,
    STAGING_SCHEMA,
    column_list,
    is_staging_name,
    plan_name,
    qualified,
    quote_ident,
    refused_name,
    staging_name,
    work_name,
)
from entrepot.load.order import is_provable, key_facts
from entrepot.model.steps import LoadSpec
from entrepot.ports.target import ChunkCounts, LedgerLine

if TYPE_CHECKING:
    import pyarrow as pa

Session = Connection[Any]

LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('entrepot staging ' || %s || '/' || %s, 0))"
"""Held while a job's staging is made, checked or dropped."""

_NO_WAIT = "SET LOCAL synchronous_commit = off"
"""For what can be done again: no need to wait until the disk has it."""


def staging(spec: LoadSpec) -> str:
    """The job's staging table, quoted and qualified."""
    return qualified(STAGING_SCHEMA, spec.staging_table or staging_name(spec.tenant, spec.job_id))


def prepare(session: Session, spec: LoadSpec) -> LoadSpec:
    """Makes staging when it is missing; workers that come at once make one."""
    named = spec.model_copy(update={"staging_table": staging_name(spec.tenant, spec.job_id)})
    if catalog.relation_exists(session, STAGING_SCHEMA, named.staging_table):
        return named
    with session.transaction():
        session.execute(_NO_WAIT)
        session.execute(LOCK, (spec.tenant, spec.job_id))
        if not catalog.relation_exists(session, STAGING_SCHEMA, named.staging_table):
            # A ledger that survived its staging (a job started anew) would vouch for nothing.
            session.execute(f"DELETE FROM {ledger_table(named)} AS l WHERE {job_filter(named)}".encode())
            for statement in create_staging(named, _column_types(session, named)):
                session.execute(statement.encode())
    return named


def _column_types(session: Session, spec: LoadSpec) -> list[tuple[str, str]]:
    """Types as SQL text: the target's own, with their collations, or those that it will have."""
    found = catalog.table_oid(session, spec.target_schema, spec.target_table)
    if found is None:
        _check_schema(session, spec)
        return [(c.name, checked_type(c.pg_type)) for c in spec.columns]
    shape = catalog.describe(session, spec.target_schema, spec.target_table)
    types = {c.name: c.pg_type for c in shape.columns} if shape else {}
    types |= {c.name: checked_type(c.pg_type) for c in spec.columns if not c.stored}
    gone = [c.name for c in spec.columns if c.name not in types]
    if gone:
        msg = f"{spec.target_schema}.{spec.target_table} has lost column {gone[0]!r} since the job was mapped."
        raise TargetError(msg, hint="Start the job again.", column=gone[0])
    collation = catalog.collations(session, found[0])
    return [
        (c.name, types[c.name] + (f" COLLATE {collation[c.name]}" if c.stored and c.name in collation else ""))
        for c in spec.columns
    ]


def _check_schema(session: Session, spec: LoadSpec) -> None:
    """A table that cannot be made at the end should not be loaded for at the start."""
    query = "SELECT has_schema_privilege(oid, 'CREATE') FROM pg_catalog.pg_namespace WHERE nspname = %s"
    row = session.execute(query, (spec.target_schema,)).fetchone()
    table = f"{spec.target_schema}.{spec.target_table}"
    if not spec.create_target:
        msg = f"The target table {table} is gone."
        raise TargetError(msg, hint="Start the job again.", schema=spec.target_schema, table=spec.target_table)
    if row is None:
        msg = f"There is no schema {spec.target_schema!r} to make {table} in."
        raise TargetError(msg, hint="Create the schema, or name another in the contract.", schema=spec.target_schema)
    if not row[0]:
        msg = f"The database user may not create {table}."
        hint = "Create the table, or grant CREATE on its schema (docs/database.md)."
        raise TargetError(msg, hint=hint, schema=spec.target_schema, table=spec.target_table)


class Loader:
    """Copies chunks into staging, in binary where that is proved exact and not forbidden."""

    def __init__(self, *, binary: bool = True) -> None:
        self._binary = binary

    def load(self, session: Session, spec: LoadSpec, counts: ChunkCounts, batches: Iterable[pa.RecordBatch]) -> bool:
        """Ledger row first, then COPY, in one transaction; False when the chunk was there already."""
        chunk = chunk_number(counts.chunk_id)
        if counts.read != counts.accepted + counts.quarantined:
            known = counts.accepted + counts.quarantined
            msg = f"Chunk {counts.chunk_id}: {counts.read} rows were read and {known} accounted for."
            raise IntegrityError(msg, chunk=counts.chunk_id)
        _watch_client(session)
        with session.transaction():
            if not self._claim(session, spec, counts, chunk):
                return False
            rows = list(batches)
            arrived = sum(b.num_rows for b in rows)
            if arrived != counts.accepted:
                msg = f"Chunk {counts.chunk_id}: {counts.accepted} rows were accepted, and {arrived} came to be loaded."
                raise IntegrityError(msg, chunk=counts.chunk_id, accepted=counts.accepted, arrived=arrived)
            if arrived:
                self._copy(session, spec, chunk, rows, arrived)
        return True

    def _claim(self, session: Session, spec: LoadSpec, counts: ChunkCounts, chunk: int) -> bool:
        """Puts the ledger row; waits for another attempt at the same chunk, and yields to it."""
        row = session.execute(
            f"INSERT INTO {ledger_table(spec)} (tenant, job_id, chunk, chunk_id, read, accepted, quarantined, facts) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, '{}') ON CONFLICT DO NOTHING RETURNING chunk".encode(),
            (spec.tenant, spec.job_id, chunk, counts.chunk_id, counts.read, counts.accepted, counts.quarantined),
        ).fetchone()
        return row is not None

    def _copy(self, session: Session, spec: LoadSpec, chunk: int, rows: list[pa.RecordBatch], arrived: int) -> None:
        types = catalog.staging_columns(session, staging(spec))
        lost = [c.name for c in spec.columns if c.name not in types]
        if lost:
            # Swept or cancelled meanwhile: the next attempt sees the job's state.
            msg = f"Staging of job {spec.job_id} is gone or has no column {lost[0]!r}."
            raise RetriableError(msg, job_id=spec.job_id)
        plan = plan_columns(rows[0].schema, [(c.field, c.name, types[c.name][0]) for c in spec.columns])
        binary = self._binary and is_binary(plan)
        names = column_list([*(c.name for c in spec.columns), ROW_COLUMN, CHUNK_COLUMN])
        form = "(FORMAT binary)" if binary else "(FORMAT csv)"
        end = end_of(session, staging(spec)) if binary else 0
        with session.cursor() as cursor:
            with cursor.copy(f"COPY {staging(spec)} ({names}) FROM STDIN {form}".encode()) as copy:
                for data in encode(rows, plan, chunk, binary=binary):
                    copy.write(data)
            if cursor.rowcount != arrived:
                msg = f"{arrived} rows were sent to staging, and {cursor.rowcount} arrived."
                raise IntegrityError(msg, job_id=spec.job_id)
        if binary:
            compare_sample(session, staging(spec), end, chunk=chunk, plan=plan, rows=rows)
        facts = _facts(spec, rows, types)
        if facts:
            session.execute(
                f"UPDATE {ledger_table(spec)} SET facts = %s WHERE tenant = %s AND job_id = %s AND chunk = %s".encode(),
                (Jsonb(facts), spec.tenant, spec.job_id, chunk),
            )


def _watch_client(session: Session) -> None:
    """A loader whose client is gone must not hold its chunk until it next writes to the socket."""
    with suppress(psycopg.errors.InvalidParameterValue):  # a server on a system that cannot tell
        session.execute("SET client_connection_check_interval = '1s'")


def _facts(spec: LoadSpec, rows: list[pa.RecordBatch], types: dict[str, tuple[str, bool]]) -> dict[str, Any]:
    """What is known of the chunk's keys, where Arrow and PostgreSQL agree on equality."""
    fields = [next(c.field for c in spec.columns if c.name == k) for k in spec.key]
    schema = rows[0].schema
    for name, field in zip(spec.key, fields, strict=True):
        pg_type, exact = types[name]
        if not exact or not is_provable(schema.field(field).type, pg_type):
            return {}
    return key_facts(rows, fields)


def chunk_number(chunk_id: str) -> int:
    """The chunk's number in staging.

    Raises:
        FatalError: The id is not a number.
    """
    if not chunk_id.isdecimal() or len(chunk_id) > 9:
        msg = f"Chunk id {chunk_id[:20]!r} is not a number."
        raise FatalError(msg)
    return int(chunk_id)


def ledger(session: Session, spec: LoadSpec) -> list[LedgerLine]:
    """The ledger against staging; empty when either is gone or was emptied."""
    return [
        LedgerLine(row[1], row[2], row[3], row[4], row[6] + row[7] + row[8] + row[9])
        for row in sorted(compared(session, spec), key=lambda r: r[0])
    ]


def compared(session: Session, spec: LoadSpec) -> list[tuple[Any, ...]]:
    """Rows of `compare_ledger`; none when staging is gone."""
    name = spec.staging_table or staging_name(spec.tenant, spec.job_id)
    spec = spec.model_copy(update={"staging_table": name})
    if not catalog.relation_exists(session, STAGING_SCHEMA, name):
        return []
    refused = catalog.relation_exists(session, STAGING_SCHEMA, refused_name(name))
    return session.execute(compare_ledger(spec, refused=refused).encode()).fetchall()


def forget_chunks(session: Session, spec: LoadSpec, chunk_ids: Sequence[str]) -> None:
    """Removes chunks from staging, refused rows and ledger."""
    chunks = [chunk_number(c) for c in chunk_ids]
    name = spec.staging_table or staging_name(spec.tenant, spec.job_id)
    if not chunks:
        return
    with session.transaction():
        session.execute(LOCK, (spec.tenant, spec.job_id))
        if catalog.relation_exists(session, STAGING_SCHEMA, name):
            session.execute(
                f"DELETE FROM {qualified(STAGING_SCHEMA, name)} WHERE {CHUNK_COLUMN} = ANY(%s)".encode(), (chunks,)
            )
        if catalog.relation_exists(session, STAGING_SCHEMA, refused_name(name)):
            table = qualified(STAGING_SCHEMA, refused_name(name))
            session.execute(f"DELETE FROM {table} WHERE chunk = ANY(%s)".encode(), (chunks,))
        session.execute(
            f"DELETE FROM {ledger_table(spec)} WHERE tenant = %s AND job_id = %s AND chunk = ANY(%s)".encode(),
            (spec.tenant, spec.job_id, chunks),
        )


def drop(session: Session, tenant: str, job_id: str) -> None:
    """Drops a job's refused rows, plan, ledger and publish spec; no error when gone.

    Its staging goes too, unless the job is published: then undo needs it until the journal expires.
    """
    name = staging_name(tenant, job_id)
    with session.transaction():
        session.execute(_NO_WAIT)
        session.execute(LOCK, (tenant, job_id))
        journal = [] if _is_journal(session, tenant, job_id) else [name, work_name(name)]
        for table in (*journal, refused_name(name), plan_name(name)):
            session.execute(f"DROP TABLE IF EXISTS {qualified(STAGING_SCHEMA, table)}".encode())
        for table in ("ledger", "ledger_logged"):
            session.execute(
                f"DELETE FROM {STAGING_SCHEMA}.{quote_ident(table)} WHERE tenant = %s AND job_id = %s".encode(),
                (tenant, job_id),
            )
        session.execute("DELETE FROM entrepot.publish_spec WHERE tenant = %s AND job_id = %s", (tenant, job_id))


def _is_journal(session: Session, tenant: str, job_id: str) -> bool:
    query = "SELECT FROM entrepot.receipt WHERE tenant = %s AND job_id = %s AND NOT journal_gone"
    return session.execute(query, (tenant, job_id)).fetchone() is not None


def staged_jobs(session: Session) -> list[tuple[str, str]]:
    """(tenant, job_id) of every job with staging or a plan that may be dropped, whatever became of its ledger.

    Staging that is kept for undo alone is not among them.
    """
    own = {}
    for table, comment in catalog.staging_tables(session):
        job = read_comment(comment)
        if job is not None and is_staging_name(table.removesuffix(plan_name(""))):
            own[table] = job
    if not own:
        return []
    # Of a published job whose publish spec is gone, drop has been here: what is left is its journal.
    query = (
        "SELECT tenant, job_id FROM entrepot.receipt r WHERE NOT journal_gone AND NOT EXISTS "
        "(SELECT FROM entrepot.publish_spec p WHERE p.tenant = r.tenant AND p.job_id = r.job_id)"
    )
    journals = set(session.execute(query).fetchall())
    return sorted({job for table, job in own.items() if job not in journals or not is_staging_name(table)})
