"""Jobs in memory."""

from __future__ import annotations

import base64
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from entrepot.errors import ConflictError, NotFoundError, UsageError
from entrepot.model.job import TERMINAL, ChunkRecord, Job, JobEvent, JobState
from entrepot.ports.jobs import JobPage
from entrepot.ports.world import Clock
from tests.fakes.faults import Faults, faulty
from tests.fakes.world import FakeClock

_FIXED = {"tenant", "job_id", "state", "seq", "received_at", "updated_at", "schema_version"}


@faulty
class FakeJobs:
    """JobStore in memory, with one lock for all.

    Args:
        clock: Stamps events.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self.faults = Faults()
        self._clock = clock or FakeClock()
        self._jobs: dict[tuple[str, str], Job] = {}
        self._chunks: dict[tuple[str, str], dict[str, ChunkRecord]] = {}
        self._events: dict[tuple[str, str], list[JobEvent]] = {}
        self._lock = threading.RLock()

    def create(self, job: Job) -> bool:
        key = job.tenant, job.job_id
        with self._lock:
            if key in self._jobs:
                return False
            stamp = self._stamp()
            stored = job.model_copy(deep=True)
            stored = stored.model_copy(update={"seq": 1, "updated_at": stamp, "received_at": job.received_at or stamp})
            self._jobs[key], self._chunks[key], self._events[key] = stored, {}, []
            self._announce(stored, None)
        return True

    def get(self, tenant: str, job_id: str) -> Job:
        with self._lock:
            return self._stored(tenant, job_id).model_copy(deep=True)

    def transition(
        self,
        job: Job,
        to: JobState,
        *,
        expect: Collection[JobState],
        changes: Mapping[str, Any] | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> Job:
        with self._lock:
            stored = self._expected(job, expect)
            after = self._changed(stored, job, changes or {})
            after = after.model_copy(update={"state": to, "seq": stored.seq + 1})
            self._jobs[job.tenant, job.job_id] = after
            self._announce(after, detail)
            return after.model_copy(deep=True)

    def update(self, job: Job, changes: Mapping[str, Any], *, expect: Collection[JobState] | None = None) -> Job:
        with self._lock:
            stored = self._expected(job, expect if expect is not None else set(JobState))
            after = self._changed(stored, job, changes)
            self._jobs[job.tenant, job.job_id] = after
            return after.model_copy(deep=True)

    def finish_chunk(self, tenant: str, job_id: str, record: ChunkRecord) -> bool:
        with self._lock:
            self._stored(tenant, job_id)
            known = self._chunks[tenant, job_id].get(record.id)
            if known is not None and known.chunk_state == "loaded":
                return False
            self._chunks[tenant, job_id][record.id] = record.model_copy()
            self._count(tenant, job_id, [record], 1)
            return True

    def fail_chunk(self, tenant: str, job_id: str, chunk_id: str, error: str, cause: str = "") -> None:
        """What the state machine writes itself for a chunk whose function failed for good."""
        with self._lock:
            known = self._chunks[tenant, job_id].get(chunk_id)
            if known is None or known.chunk_state != "loaded":
                record = ChunkRecord(id=chunk_id, chunk_state="failed", error=error, cause=cause)
                self._chunks[tenant, job_id][chunk_id] = record

    def reset_chunks(self, tenant: str, job_id: str, chunk_ids: Sequence[str]) -> None:
        with self._lock:
            gone = [
                self._chunks.get((tenant, job_id), {}).pop(i) for i in set(chunk_ids) & self._chunk_ids(tenant, job_id)
            ]
            if gone:
                self._count(tenant, job_id, gone, -1)

    def chunks(self, tenant: str, job_id: str) -> Iterator[ChunkRecord]:
        with self._lock:
            return iter([r.model_copy() for _, r in sorted(self._chunks.get((tenant, job_id), {}).items())])

    def chunk(self, tenant: str, job_id: str, chunk_id: str) -> ChunkRecord | None:
        with self._lock:
            found = self._chunks.get((tenant, job_id), {}).get(chunk_id)
            return found.model_copy() if found else None

    def events(self, tenant: str, job_id: str, *, after: int = 0, limit: int = 100) -> list[JobEvent]:
        with self._lock:
            later = [e for e in self._events.get((tenant, job_id), []) if e.seq > after]
            return [e.model_copy(deep=True) for e in later[:limit]]

    def list(
        self,
        tenant: str,
        *,
        state: JobState | None = None,
        contract: str | None = None,
        limit: int = 50,
        cursor: str = "",
    ) -> JobPage:
        limit = max(1, min(limit, 200))
        before = _open(cursor) if cursor else None
        with self._lock:
            found = [
                job
                for (owner, _), job in self._jobs.items()
                if owner == tenant and state in {None, job.state} and contract in {None, job.contract}
            ]
        found.sort(key=_place, reverse=True)
        rest = [job for job in found if before is None or _place(job) < before]
        page = [job.model_copy(deep=True) for job in rest[:limit]]
        return JobPage(page, _cursor(_place(page[-1])) if len(rest) > limit else "")

    def live(self, *, older_than: str = "") -> Iterator[Job]:
        before = datetime.fromisoformat(older_than) if older_than else None
        with self._lock:
            found = [
                job.model_copy(deep=True)
                for job in self._jobs.values()
                if job.state not in TERMINAL and (before is None or datetime.fromisoformat(job.updated_at) < before)
            ]
        return iter(found)

    def _stored(self, tenant: str, job_id: str) -> Job:
        if (tenant, job_id) not in self._jobs:
            raise NotFoundError(f"There is no job {job_id}.", job_id=job_id)
        return self._jobs[tenant, job_id]

    def _expected(self, job: Job, expect: Collection[JobState]) -> Job:
        stored = self._stored(job.tenant, job.job_id)
        if stored.state not in expect:
            raise ConflictError(f"Job {job.job_id} is {stored.state}.", job_id=job.job_id, state=stored.state.value)
        return stored

    def _changed(self, stored: Job, known: Job, changes: Mapping[str, Any]) -> Job:
        after = stored.model_copy(deep=True, update={"updated_at": self._stamp()})
        for name, value in changes.items():
            if name in _FIXED or name not in Job.model_fields:
                raise UsageError(f"A job's {name} cannot be set so.")
            setattr(after, name, value.model_copy(deep=True) if hasattr(value, "model_copy") else value)
        if "progress" in changes:
            # Chunks count at the same time: only what the caller changed is set.
            old, new = known.progress.model_dump(), after.progress.model_dump()
            moved = {name: value for name, value in new.items() if value != old[name]}
            after.progress = stored.progress.model_copy(update=moved)
        return after

    def _count(self, tenant: str, job_id: str, records: Sequence[ChunkRecord], sign: int) -> None:
        job = self._jobs[tenant, job_id]
        loaded = [r for r in records if r.chunk_state == "loaded"]
        names = {"read": "read", "accepted": "accepted", "quarantined": "quarantined", "bytes": "bytes_done"}
        counts = {
            to: getattr(job.progress, to) + sign * sum(getattr(r, of) for r in loaded) for of, to in names.items()
        }
        counts["chunks_done"] = job.progress.chunks_done + sign * len(loaded)
        progress = job.progress.model_copy(update=counts)
        self._jobs[tenant, job_id] = job.model_copy(update={"progress": progress, "updated_at": self._stamp()})

    def _chunk_ids(self, tenant: str, job_id: str) -> set[str]:
        return set(self._chunks.get((tenant, job_id), {}))

    def _announce(self, job: Job, detail: Mapping[str, Any] | None) -> None:
        event = JobEvent(
            tenant=job.tenant,
            job_id=job.job_id,
            seq=job.seq,
            at=job.updated_at,
            state=job.state,
            detail=dict(detail or {}),
        )
        self._events[job.tenant, job.job_id].append(event)

    def _stamp(self) -> str:
        return self._clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _place(job: Job) -> tuple[datetime, str]:
    return datetime.fromisoformat(job.received_at), job.job_id


def _cursor(place: tuple[datetime, str]) -> str:
    return base64.urlsafe_b64encode(f"{place[0].isoformat()} {place[1]}".encode()).decode()


def _open(cursor: str) -> tuple[datetime, str]:
    try:
        stamp, job_id = base64.urlsafe_b64decode(cursor).decode().split(" ")
        return datetime.fromisoformat(stamp), job_id
    except ValueError:
        raise UsageError("The cursor is not one that was handed out.") from None
