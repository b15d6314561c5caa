"""Jobs that a request makes directly, without a delivery: of collections, and inspections."""

from __future__ import annotations

import base64
import hashlib
from typing import Any, Literal

from entrepot.model.job import RUNNING, Job, JobOptions
from entrepot.model.source import Source
from entrepot.ports.world import Executions
from entrepot.workflow.access import Caller
from entrepot.workflow.idempotency import Once
from entrepot.workflow.requests import WaysIn


def start_job(
    world: WaysIn,
    executions: Executions,
    caller: Caller,
    once: Once,
    *,
    kind: Literal["collection", "inspection"],
    what: tuple[str, ...] = (),
    source: Source,
    options: JobOptions,
    **more: Any,
) -> Job:
    """A job, once: a request that is repeated with its idempotency key finds the job that it made.

    Args:
        world: The ports.
        executions: The state machine.
        caller: Who asks.
        once: The request's key.
        kind: Of the job.
        what: Further words that tell such jobs apart.
        source: What it is about.
        options: Of the request.
        more: Further fields of the job.
    """
    seed = f"{caller.actor}\x00{once.key}\x00{once.fingerprint}" if once.key else world.ids.new()
    digest = hashlib.sha256("\x00".join((caller.tenant, kind, *what, seed)).encode()).digest()
    stamp = world.clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
    job = Job(
        tenant=caller.tenant,
        job_id=base64.b32encode(digest).decode().lower()[:26],
        kind=kind,
        actor=caller.actor,
        origin="api",
        contract="",
        source=source,
        options=options,
        received_at=stamp,
        updated_at=stamp,
        **more,
    )
    if not world.jobs.create(job):
        job = world.jobs.get(job.tenant, job.job_id)
    if job.state in RUNNING:
        executions.start(job.tenant, job.job_id, job.leg)
    return job
