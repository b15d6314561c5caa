"""Intake: a delivery becomes exactly one job, however often it is announced (LOD4)."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass, field
from typing import Literal

from entrepot.errors import ConflictError, NotFoundError, UsageError
from entrepot.model.contract import NAME_PATTERN
from entrepot.model.job import RUNNING, Job, JobOptions, JobState
from entrepot.model.source import Source
from entrepot.ports.jobs import ConfigStore, JobStore
from entrepot.ports.world import Clock, Executions

Origin = Literal["drop", "upload", "api", "records", "schedule", "cli"]

MAX_FORCED = 1000
"""How often one delivery may be forced again."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A file that arrived, from whichever of the ways in."""

    tenant: str
    contract: str
    source: Source
    actor: str = ""
    origin: Origin = "drop"
    template: str = ""
    options: JobOptions = field(default_factory=JobOptions)
    attempt: int | None = None
    """A stated attempt, so that a repeated request finds its own forced job again."""


def job_id(delivery: Delivery, attempt: int = 0) -> str:
    """The job's id: a hash of the tenant and the source's identity, 26 letters and digits.

    The contract takes part, so that one file may feed two contracts. The same delivery always gets
    the same id; ``attempt`` counts forced repeats.
    """
    parts = (delivery.tenant, delivery.contract, delivery.source.identity(), str(attempt))
    digest = hashlib.sha256("\x00".join(parts).encode()).digest()
    return base64.b32encode(digest).decode().lower()[:26]


class Intake:
    """The one door that every delivery goes through."""

    def __init__(self, jobs: JobStore, config: ConfigStore, executions: Executions, clock: Clock) -> None:
        self._jobs = jobs
        self._config = config
        self._executions = executions
        self._clock = clock

    def receive(self, delivery: Delivery) -> Job:
        """Records the delivery as a job and starts it; the same delivery gives the same job.

        The conditional put is the guard, the execution's name only a second one. Both are always
        tried, so that a crash between them heals with the next announcement.

        Raises:
            UsageError: The tenant's or contract's name cannot be one.
            NotFoundError: The delivery names a template that does not exist.
        """
        for what, name in (("tenant", delivery.tenant), ("contract", delivery.contract)):
            if not re.fullmatch(NAME_PATTERN, name):
                msg = f"{name[:80]!r} cannot be the name of a {what}."
                hint = "Names have 1 to 63 lower-case letters, digits, dots, dashes and underscores."
                raise UsageError(msg, hint=hint, what=what, name=name[:80])
        job, created = self._create(delivery)
        if job.state in RUNNING and not self._held(job):
            self._executions.start(job.tenant, job.job_id, job.leg)
        return job if not created else self._jobs.get(job.tenant, job.job_id)

    def release(self, tenant: str, contract: str) -> int:
        """Starts what waited while the contract was paused; how many jobs."""
        started, cursor = 0, ""
        while True:
            page = self._jobs.list(tenant, state=JobState.RECEIVED, contract=contract, cursor=cursor, limit=200)
            started += sum(self._executions.start(j.tenant, j.job_id, j.leg) for j in page.jobs)
            if not (cursor := page.cursor):
                return started

    def _held(self, job: Job) -> bool:
        if job.state is not JobState.RECEIVED:
            return False
        head = self._config.contract_head(job.tenant, job.contract)
        return head is not None and head.paused

    def _create(self, delivery: Delivery) -> tuple[Job, bool]:
        forced = delivery.options.force or delivery.attempt is not None
        first = (delivery.attempt or 1) if forced else 0
        job = self._job(delivery, first)
        for attempt in range(first, first + MAX_FORCED):
            job = job.model_copy(update={"attempt": attempt, "job_id": job_id(delivery, attempt)})
            if self._jobs.create(job):
                return job, True
            if not forced or delivery.attempt is not None:
                return self._jobs.get(job.tenant, job.job_id), False
        msg = f"This delivery was forced {MAX_FORCED} times already."
        raise ConflictError(msg, hint="Drop the file again instead.")

    def _job(self, delivery: Delivery, attempt: int) -> Job:
        options = delivery.options
        template_version = 0
        if delivery.template:
            version = self._config.template(delivery.tenant, delivery.template)
            template_version = version.template.version
            if version.template.contract != delivery.contract:
                msg = f"Template {delivery.template} is for contract {version.template.contract}."
                raise NotFoundError(msg, hint=f"Deliver under {version.template.contract}.", template=delivery.template)
            options = layered(version.template.options, options)
        head = self._config.contract_head(delivery.tenant, delivery.contract)
        stamp = self._clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return Job(
            tenant=delivery.tenant,
            job_id=job_id(delivery, attempt),
            attempt=attempt,
            actor=delivery.actor,
            origin=delivery.origin,
            contract=delivery.contract,
            contract_version=head.current if head else 0,
            template=delivery.template,
            template_version=template_version,
            source=delivery.source,
            options=options,
            received_at=stamp,
            updated_at=stamp,
        )


def layered(template: JobOptions, stated: JobOptions) -> JobOptions:
    """The template's options, under those that the delivery states itself."""
    merged = template.model_dump() | stated.model_dump(exclude_unset=True)
    return JobOptions.model_validate(merged)
