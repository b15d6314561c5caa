"""The job's life in DynamoDB."""

from __future__ import annotations

import builtins
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from entrepot.adapters.dynamodb import chunks as chunk_writes
from entrepot.adapters.dynamodb import listing, usages
from entrepot.adapters.dynamodb.bodies import Bodies
from entrepot.adapters.dynamodb.items import Typed, decode_item, encode
from entrepot.adapters.dynamodb.records import (
    META,
    changed,
    dump,
    event_item,
    event_sk,
    index_attributes,
    job_item,
    job_pk,
    owner,
    read,
    read_job,
)
from entrepot.adapters.dynamodb.table import ConditionFailedError, Expression, Table, key, pauses
from entrepot.adapters.system import SystemClock, iso
from entrepot.errors import ConflictError, NotFoundError, ThrottledError
from entrepot.model.job import AWAITING, ENDED, ChunkRecord, Job, JobEvent, JobState, Progress
from entrepot.model.usage import Usage
from entrepot.ports.blobs import BlobStore
from entrepot.ports.jobs import JobPage
from entrepot.ports.world import Clock, Meter

RESTING = ENDED | AWAITING
"""States in which a leg has ended."""


class DynamoJobs:
    """JobStore on one table.

    A job that a caller holds may be behind what is stored: a move is first tried as if it were not, in
    one request, and only a lost race reads. The job that a move returns has the progress that the
    caller knew; ``get`` and ``update`` return what is stored. What the meter has not yet written goes with
    a chunk's completion and with a move to rest, so that it takes no request of its own; between the others
    it goes on from step to step.

    Args:
        table: The table, or its name.
        blobs: Takes attributes too large for an item.
        bodies: URI prefix for these, ``s3://work/bodies``.
        clock: Stamps events and ``updated_at``.
        meter: Tells what was used for the job; nothing is kept of that when None.
    """

    def __init__(
        self,
        table: Table | str,
        *,
        blobs: BlobStore | None = None,
        bodies: str = "",
        clock: Clock | None = None,
        meter: Meter | None = None,
    ) -> None:
        self._table = table if isinstance(table, Table) else Table(table)
        self._bodies = Bodies(blobs, bodies)
        self._clock = clock or SystemClock()
        self._meter = meter or usages.NoMeter()

    def create(self, job: Job) -> bool:
        """Stores a new job and its first event, number 1; False when the id is taken."""
        stamp, used = iso(self._clock.now()), self._meter.unwritten()
        moves = {"seq": 1, "updated_at": stamp, "received_at": job.received_at or stamp}
        first = job.model_copy(update={**moves, "usage": job.usage + used})
        absent = "attribute_not_exists(pk)"
        writes = [
            self._table.item("Put", absent, Item=job_item(first, self._bodies)),
            self._table.item("Put", absent, Item=event_item(first, None)),
        ]
        try:
            self._table.transact(writes)
        except ConditionFailedError:
            return False
        self._meter.written(used)
        return True

    def get(self, tenant: str, job_id: str) -> Job:
        """The job, read consistently.

        Raises:
            NotFoundError: This tenant has no such job.
        """
        item = self._table.get(job_pk(tenant, job_id), META)
        if item is None:
            raise _missing(job_id)
        return read_job(item, self._bodies)

    def transition(
        self,
        job: Job,
        to: JobState,
        *,
        expect: Collection[JobState],
        changes: Mapping[str, Any] | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> Job:
        """Moves a job to a state and writes the event, in one transaction; the job as it now is.

        Raises:
            ConflictError: The stored state is not in ``expect``; ``facts['state']`` says which it is.
            NotFoundError: The job is gone.
        """
        base = job if job.state in expect else self.get(job.tenant, job.job_id)
        for _ in pauses(self._table.sleep):
            if base.state not in expect:
                raise _conflict(base)
            used = self._meter.unwritten() if to in RESTING else Usage()
            moves = {"state": to, "seq": max(base.seq, 1) + 1, "updated_at": iso(self._clock.now())}
            after = changed(base, changes or {}, **moves, usage=base.usage + used)
            try:
                self._table.transact(self._move(base, after, expect, changes or {}, detail=detail, used=used))
            except ConditionFailedError as lost:
                stored = lost.stored[0]
                base = read_job(stored, self._bodies) if stored else self.get(job.tenant, job.job_id)
            else:
                if used:
                    self._meter.written(used)
                return after
        raise ThrottledError("Too many moved this job at once.", hint="Try again a little later.", job_id=job.job_id)

    def update(self, job: Job, changes: Mapping[str, Any], *, expect: Collection[JobState] | None = None) -> Job:
        """Sets attributes without a change of state or an event; the job as it is stored now.

        Raises:
            ConflictError: The stored state is not in ``expect``.
            NotFoundError: The job is gone.
        """
        after = changed(job, changes, updated_at=iso(self._clock.now()))
        expression = Expression()
        condition = "attribute_exists(pk)"
        if expect is not None:
            condition += f" AND {_state_in(expression, expect)}"
        # The entry in the live index only moves: a job that ended meanwhile has none, and a lone sort
        # key puts none there.
        live = {"live_sk": f"{after.updated_at}#{job.job_id}"}
        sets, removes = self._sets(expression, job, after, {*changes, "updated_at"}, live)
        pk = job_pk(job.tenant, job.job_id)
        try:
            item = self._table.update(pk, META, _update(sets, removes), expression, condition)
        except ConditionFailedError as lost:
            stored = lost.stored[0]
            if stored is None:
                raise _missing(job.job_id) from None
            raise _conflict(read_job(stored, self._bodies)) from None
        return read_job(item, self._bodies)

    def finish_chunk(self, tenant: str, job_id: str, record: ChunkRecord) -> bool:
        """Puts CHUNK#n and adds its counts to META's progress, in one transaction.

        A record of a failed chunk is put without counts, and not in place of a loaded one.

        Returns:
            False when the chunk was there already as loaded; nothing is counted twice.

        Raises:
            NotFoundError: The job is gone.
        """
        stamp = iso(self._clock.now())
        # This is the last write of its invocation: nothing comes after it that could count it.
        used = self._meter.unwritten()
        used = used + chunk_writes.ITSELF if used else used
        counted = chunk_writes.finish(self._table, tenant, job_id, record, stamp, used=used)
        if counted:
            self._meter.written(used)
        return counted

    def reset_chunks(self, tenant: str, job_id: str, chunk_ids: Sequence[str]) -> None:
        """Forgets chunks (their counts too), so that they are loaded again."""
        chunk_writes.reset(self._table, tenant, job_id, chunk_ids, iso(self._clock.now()))

    def chunks(self, tenant: str, job_id: str) -> Iterator[ChunkRecord]:
        """All chunk records of a job, in order."""
        return chunk_writes.every(self._table, tenant, job_id)

    def chunk(self, tenant: str, job_id: str, chunk_id: str) -> ChunkRecord | None:
        """One chunk's record, read consistently."""
        return chunk_writes.one(self._table, tenant, job_id, chunk_id)

    def events(self, tenant: str, job_id: str, *, after: int = 0, limit: int = 100) -> list[JobEvent]:
        """Events numbered above ``after``, in order, without gaps."""
        found: list[JobEvent] = []
        items = self._table.query(job_pk(tenant, job_id), after=event_sk(max(after, 0)), page=min(limit, 1000) + 1)
        for item in items:
            # META follows the events in the partition.
            if len(found) >= limit or not item["sk"]["S"].startswith("EVENT#"):
                break
            found.append(read(JobEvent, decode_item(item), "An event"))
        return found

    def list(
        self,
        tenant: str,
        *,
        state: JobState | None = None,
        contract: str | None = None,
        limit: int = 50,
        cursor: str = "",
    ) -> JobPage:
        """Jobs of one tenant, newest first; at most 200 a page.

        A page may be short, even empty, before the last one: the cursor tells.

        Raises:
            UsageError: The cursor is not one of ours.
        """
        place = listing.Place(tenant, state, contract)
        return listing.page(self._table, self._bodies, place, limit, cursor)

    def live(self, *, older_than: str = "") -> Iterator[Job]:
        """Jobs of every tenant that are not terminal, last touched before ``older_than`` (ISO time)."""
        return listing.live(self._table, self._bodies, older_than)

    def _move(
        self,
        base: Job,
        after: Job,
        expect: Collection[JobState],
        changes: Mapping[str, Any],
        *,
        detail: Mapping[str, Any] | None,
        used: Usage,
    ) -> builtins.list[Typed]:
        expression = Expression()
        number = f"{expression.name('seq')} = {expression.value(max(base.seq, 1))}"
        condition = f"{number} AND {_state_in(expression, expect)}"
        names = {*changes, "state", "seq", "updated_at"}
        sets, removes = self._sets(expression, base, after, names, index_attributes(after))
        meta = self._table.item(
            "Update",
            condition,
            expression,
            Key=key(job_pk(base.tenant, base.job_id), META),
            UpdateExpression=_update(sets, removes, usages.adds(expression, used)),
        )
        event = self._table.item("Put", "attribute_not_exists(pk)", Item=event_item(after, detail))
        return [meta, event]

    def _sets(
        self, expression: Expression, before: Job, after: Job, names: set[str], index: Mapping[str, str | None]
    ) -> tuple[builtins.list[str], builtins.list[str]]:
        values = dump(after, names - {"progress"})
        typed = self._bodies.pack(owner(after), values)
        typed |= {name: encode(value) for name, value in index.items() if value is not None}
        sets = [f"{expression.name(name)} = {expression.typed(value)}" for name, value in typed.items()]
        removes = [expression.name(name) for name in [*values, *index] if name not in typed]
        if "progress" in names:
            sets += _progress(expression, before.progress, after.progress)
        return sets, removes


def _progress(expression: Expression, before: Progress, after: Progress) -> list[str]:
    """Sets what the caller changed: chunks that end at the same time add to the rest."""
    old, new = before.model_dump(), after.model_dump()
    return [
        f"{expression.name(f'progress.{name}')} = {expression.value(value)}"
        for name, value in new.items()
        if value != old[name]
    ]


def _update(sets: Sequence[str], removes: Sequence[str], adds: Sequence[str] = ()) -> str:
    parts = {"SET": sets, "REMOVE": removes, "ADD": adds}
    return " ".join(f"{verb} {', '.join(what)}" for verb, what in parts.items() if what)


def _state_in(expression: Expression, expect: Collection[JobState]) -> str:
    states = ", ".join(expression.value(state.value) for state in sorted(expect)) or expression.value("")
    return f"{expression.name('state')} IN ({states})"


def _conflict(job: Job) -> ConflictError:
    return ConflictError(
        f"Job {job.job_id} is {job.state.value}, which does not allow this.",
        hint="Look at the job again.",
        job_id=job.job_id,
        state=job.state.value,
    )


def _missing(job_id: str) -> NotFoundError:
    return NotFoundError(f"There is no job {job_id[:80]}.", job_id=job_id[:80])
