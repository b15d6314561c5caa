"""The sweep: every five minutes, and once at a start, what got stuck goes on or ends.

A job that is not at rest and has no running execution starts its next leg; waits that are over
expire; staging that no job needs is dropped, and what undo would need of publishes that are too old.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from entrepot.errors import ConflictError, NotFoundError
from entrepot.model.job import AWAITING, ENDED, RUNNING, TERMINAL, ErrorInfo, Job, JobState
from entrepot.workflow.life import end
from entrepot.workflow.lifecycle import Lifecycle
from entrepot.workflow.notify import announce
from entrepot.workflow.world import World

log = logging.getLogger(__name__)

MAX_LEGS = 100
"""A job that was restarted so often fails instead."""


@dataclass(slots=True)
class Swept:
    """What a sweep did, as counts."""

    restarted: int = 0
    expired: int = 0
    failed: int = 0
    late: int = 0
    dropped: int = 0
    reminded: int = 0
    journals: int = 0
    journals_stuck: int = 0


def sweep(world: World) -> Swept:
    """Looks at every live job and at every staging table once."""
    swept = Swept()
    needed: set[tuple[str, str]] = set()
    for job in world.jobs.live():
        if job.undo is not None and job.state not in ENDED:
            needed |= {(job.tenant, undone) for undone in job.undo.jobs}
        try:
            _look_at(world, job, swept)
        except (ConflictError, NotFoundError):
            log.info("job %s moved while the sweep looked at it", job.job_id)
    _drop_orphans(world, swept)
    oldest = world.clock.now() - timedelta(days=world.settings.undo_days)
    expired = world.target.expire_journals(oldest.isoformat().replace("+00:00", "Z"), needed)
    swept.journals, swept.journals_stuck = expired.dropped, len(expired.stuck)
    return swept


def _look_at(world: World, job: Job, swept: Swept) -> None:
    if job.state in AWAITING:
        _waits(world, job, swept)
    elif job.state is JobState.FAILED:
        if _older(world, job.finished_at or job.updated_at, hours=world.settings.staging_keep_hours):
            world.target.drop_staging(job.tenant, job.job_id)
            world.jobs.transition(job, JobState.EXPIRED, expect={JobState.FAILED})
            swept.expired += 1
    elif job.state in RUNNING:
        if _older(world, job.received_at, hours=world.settings.late_minutes / 60):
            swept.late += 1
        _runs(world, job, swept)


def _runs(world: World, job: Job, swept: Swept) -> None:
    """Restarts a job that nothing works on. A name that was never used is simply started."""
    if job.state is JobState.RECEIVED and _paused(world, job):
        return
    if world.executions.running(job.job_id, job.leg):
        return
    fresh = world.jobs.get(job.tenant, job.job_id)
    if fresh.state not in RUNNING or fresh.leg != job.leg:
        return
    if world.executions.start(fresh.tenant, fresh.job_id, fresh.leg):
        swept.restarted += 1
    elif fresh.leg >= MAX_LEGS:
        error = ErrorInfo(
            code="stuck", message=f"The job was restarted {MAX_LEGS} times and did not end.", hint="Resume it."
        )
        if end(world, fresh, JobState.FAILED, error=error) is not None:
            swept.failed += 1
    elif Lifecycle(world).restart(fresh) is not None:
        swept.restarted += 1


def _paused(world: World, job: Job) -> bool:
    if job.kind == "undo":
        return False
    head = world.config.contract_head(job.tenant, job.contract)
    return head is not None and head.paused


def _waits(world: World, job: Job, swept: Swept) -> None:
    awaiting = job.awaiting
    if awaiting is None:
        return
    now = world.clock.now()
    since, deadline = datetime.fromisoformat(awaiting.since), datetime.fromisoformat(awaiting.deadline)
    if now >= deadline:
        error = ErrorInfo(
            code="expired",
            message=f"Nobody answered the question about the {awaiting.question} in time.",
            hint="Ask for the undo again." if job.kind == "undo" else "Deliver the file again.",
        )
        ended = end(world, job, JobState.EXPIRED, error=error)
        if ended is not None:
            world.target.drop_staging(job.tenant, job.job_id)
            announce(world, ended)
            swept.expired += 1
    elif not awaiting.reminded and now - since > (deadline - since) / 2:
        announce(world, job)
        reminded = awaiting.model_copy(update={"reminded": True})
        world.jobs.update(job, {"awaiting": reminded}, expect={job.state})
        swept.reminded += 1


def _drop_orphans(world: World, swept: Swept) -> None:
    for tenant, job_id in world.target.staged_jobs():
        try:
            job = world.jobs.get(tenant, job_id)
        except NotFoundError:
            job = None
        if job is None or job.state in TERMINAL:
            world.target.drop_staging(tenant, job_id)
            swept.dropped += 1


def _older(world: World, stamp: str, *, hours: float) -> bool:
    return bool(stamp) and world.clock.now() - datetime.fromisoformat(stamp) > timedelta(hours=hours)
