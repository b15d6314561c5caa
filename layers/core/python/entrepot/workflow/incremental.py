"""Only what is new below a prefix: a marker says which objects the published jobs took.

The marker names objects with their versions, so that one which arrives late, with whatever time, is never
passed over. It also names the job that was started last. What that job took counts once the job is published,
which is looked up when the next request comes: a marker is never ahead of the table. Until then that job is
the answer to every further request, so that no object is on its way twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import Field

from entrepot.errors import ConflictError, NotFoundError, UnavailableError
from entrepot.model.base import Stored
from entrepot.model.job import Job, JobOptions, JobState
from entrepot.model.source import Source
from entrepot.ports.blobs import BlobStore
from entrepot.ports.jobs import JobStore
from entrepot.workflow.inputs import MAX_INPUTS, bundle
from entrepot.workflow.intake import MAX_FORCED, Delivery, Intake, job_id

TAKEN = frozenset({JobState.PUBLISHED, JobState.ALREADY_PUBLISHED})
UNTAKEN = frozenset({JobState.REFUSED, JobState.CANCELLED, JobState.EXPIRED, JobState.SUPERSEDED})
RACES = 10


class Marker(Stored):
    """How far a contract has come with a prefix."""

    taken: dict[str, str] = Field(default_factory=dict)
    """URI → version, of what published jobs took."""
    job: str = ""
    """The job that was started last."""
    offered: dict[str, str] = Field(default_factory=dict)
    """URI → version, of what it takes."""
    delivery: dict[str, Any] = Field(default_factory=dict)
    """The job's delivery, so that whoever finds the marker can start it."""


@dataclass(frozen=True, slots=True)
class Increment:
    """What a request for what is new led to; without a job there was never anything."""

    job: Job | None
    nothing_new: bool = False


class Incremental:
    """Takes what is new below a prefix.

    Args:
        blobs: Objects.
        jobs: Jobs.
        intake: The door that every delivery goes through.
        work_bucket: Where markers lie.
    """

    def __init__(self, blobs: BlobStore, jobs: JobStore, intake: Intake, work_bucket: str) -> None:
        self._blobs = blobs
        self._jobs = jobs
        self._intake = intake
        self._work = work_bucket

    def take(self, delivery: Delivery, prefix: str, listed: Callable[[], Sequence[Source]], name: str) -> Increment:
        """Starts a job of what is new or changed since the last published one; or finds the one that runs.

        Args:
            delivery: Who delivers what to which contract; its source is still open.
            prefix: What is listed.
            listed: Lists all that lies below it.
            name: What people call the set.
        """
        uri = self._uri(delivery.tenant, delivery.contract, prefix)
        for _ in range(RACES):
            marker, etag = self._read(uri)
            job = self._job(delivery.tenant, marker)
            if marker.job and job is None:
                # The request that wrote the marker has died, or is about to do this itself.
                return Increment(self._intake.receive(_restored(delivery, marker.delivery)))
            if job is not None and job.state not in TAKEN | UNTAKEN:
                return Increment(self._intake.receive(_restored(delivery, marker.delivery)))
            taken = marker.taken | marker.offered if job is not None and _took(job) else marker.taken
            every = listed()
            new = [s for s in every if delivery.options.force or taken.get(s.uri) != s.version][:MAX_INPUTS]
            if not new:
                return Increment(job, nothing_new=True)
            source = bundle(self._blobs, self._work, delivery.tenant, new, name)
            wanted = self._fresh(replace(delivery, source=source))
            there = {s.uri for s in every}
            after = Marker(
                taken={u: v for u, v in taken.items() if u in there},
                job=job_id(wanted, wanted.attempt or 0),
                offered={s.uri: s.version for s in new},
                delivery=_stored(wanted),
            )
            try:
                self._blobs.write_if(uri, after.model_dump_json().encode(), etag=etag)
            except ConflictError:
                continue  # another request was first
            return Increment(self._intake.receive(wanted))
        raise UnavailableError("Too many ask for what is new at once.", hint="Try again a little later.")

    def _read(self, uri: str) -> tuple[Marker, str]:
        try:
            info = self._blobs.head(uri)
            return Marker.model_validate_json(self._blobs.read(uri, version=f"etag:{info.etag}")), info.etag
        except NotFoundError:
            return Marker(), ""

    def _job(self, tenant: str, marker: Marker) -> Job | None:
        return self._found(tenant, marker.job) if marker.job else None

    def _found(self, tenant: str, wanted: str) -> Job | None:
        try:
            return self._jobs.get(tenant, wanted)
        except NotFoundError:
            return None

    def _fresh(self, delivery: Delivery) -> Delivery:
        """The delivery as an attempt that no job which ended unpublished has used up."""
        for attempt in range(1 if delivery.options.force else 0, MAX_FORCED):
            known = self._found(delivery.tenant, job_id(delivery, attempt))
            if known is None or known.state not in TAKEN | UNTAKEN or (_took(known) and not delivery.options.force):
                return replace(delivery, attempt=attempt or None)
        raise ConflictError("These objects were taken too often already.", hint="Deliver them anew.")

    def _uri(self, tenant: str, contract: str, prefix: str) -> str:
        digest = hashlib.sha256(f"{contract}\x00{prefix}".encode()).hexdigest()
        return f"s3://{self._work}/bodies/{tenant}/markers/{digest}.json"


def _took(job: Job) -> bool:
    """Whether what the job brought is in the table: it is not when the job was taken back since."""
    return job.state in TAKEN and not (job.receipt is not None and job.receipt.undone_by)


def _stored(delivery: Delivery) -> dict[str, Any]:
    return {
        "source": delivery.source.model_dump(),
        "actor": delivery.actor,
        "origin": delivery.origin,
        "template": delivery.template,
        "options": delivery.options.model_dump(mode="json", exclude_unset=True),
        "attempt": delivery.attempt,
    }


def _restored(like: Delivery, stored: Mapping[str, Any]) -> Delivery:
    return replace(
        like,
        source=Source.model_validate(stored["source"]),
        actor=str(stored["actor"]),
        origin=stored["origin"],
        template=str(stored["template"]),
        options=JobOptions.model_validate(stored["options"]),
        attempt=stored["attempt"],
    )
