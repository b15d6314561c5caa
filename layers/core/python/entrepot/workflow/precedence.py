"""Deliveries that came before, or were overtaken: they end without touching the target (LOD4)."""

from __future__ import annotations

from entrepot.errors import SourceError
from entrepot.model.contract import Mode
from entrepot.model.job import Job, JobState, Step
from entrepot.model.receipt import Receipt
from entrepot.workflow.life import end, error_info
from entrepot.workflow.world import World, now


def came_before(world: World, job: Job, mode: Mode) -> bool:
    """Ends a delivery that was published already, or that a later version has overtaken."""
    source = job.source
    if not job.options.force:
        known = world.target.published_before(job.tenant, job.contract, source.uri, source.version, source.sha256)
        if known is not None and known.job_id != job.job_id:
            end(world, job, JobState.ALREADY_PUBLISHED, receipt=_repeated(job, known, now(world)))
            return True
    return mode is not Mode.APPEND and bool(source.sequencer) and is_overtaken(world, job)


def is_overtaken(world: World, job: Job) -> bool:
    """Ends the job superseded when a later version of the same key is published already."""
    source = job.source
    newer = world.target.newer_published(job.tenant, job.contract, source.uri, source.sequencer)
    if newer is None or newer.job_id == job.job_id or job.options.force:
        return False
    late = SourceError(
        "A later version of this file was published before this one.",
        hint="Nothing is to be done; --force publishes the older version over it.",
        newer_job=newer.job_id,
    )
    end(world, job, JobState.SUPERSEDED, error=error_info(late, Step.MAP))
    return True


def _repeated(job: Job, known: Receipt, stamp: str) -> Receipt:
    """The receipt of a delivery that changed nothing: the earlier job's counts stay with that job."""
    return Receipt(
        job_id=job.job_id,
        tenant=job.tenant,
        actor=job.actor,
        status=JobState.ALREADY_PUBLISHED.value,
        mode=known.mode,
        message=job.options.message,
        metadata=job.options.metadata,
        contract=job.contract,
        contract_version=known.contract_version,
        template=job.template,
        target=known.target,
        source=job.source.uri,
        source_version=job.source.version,
        sha256=job.source.sha256,
        bytes=job.source.size,
        started_at=job.received_at,
        finished_at=stamp,
        parent=known.job_id,
    )
