"""The notify step: tells the world how a leg ended, in the outbox and on the event bus."""

from __future__ import annotations

import json
from typing import Any

from pydantic import ConfigDict

from entrepot.errors import NotFoundError
from entrepot.model.job import RUNNING, ErrorInfo, Job, JobState
from entrepot.model.steps import StepInput, StepOutput
from entrepot.workflow.life import answer, end, error_message
from entrepot.workflow.world import World

DETAIL_TYPES = {
    JobState.PUBLISHED: "Job Published",
    JobState.ALREADY_PUBLISHED: "Job Already Published",
    JobState.SUPERSEDED: "Job Superseded",
    JobState.REFUSED: "Job Refused",
    JobState.CANCELLED: "Job Cancelled",
    JobState.EXPIRED: "Job Expired",
    JobState.FAILED: "Job Failed",
    JobState.AWAITING_MAPPING: "Job Awaiting",
    JobState.AWAITING_APPROVAL: "Job Awaiting",
}
"""EventBridge detail types; the schema is `docs/events.md`."""
UNDONE = "Job Undone"
"""Of each job that an undo took back, beside what is told of the undo itself."""


class NotifyInput(StepInput):
    """Input of notify: a step's output, or an error that a Catch put beside it."""

    model_config = ConfigDict(extra="ignore")

    error: dict[str, Any] | None = None


def notify(world: World, step: NotifyInput) -> StepOutput:
    """Writes the result into the outbox and announces it. Records a failure first, if there was one."""
    job = world.jobs.get(step.tenant, step.job_id)
    if step.error is not None and job.leg == step.leg and job.state in RUNNING:
        job = end(world, job, JobState.FAILED, error=_failure(step.error)) or world.jobs.get(step.tenant, step.job_id)
    if job.state in DETAIL_TYPES and job.leg == step.leg:
        announce(world, job)
        if job.kind == "undo" and job.state is JobState.PUBLISHED:
            announce_undone(world, job)
    return answer(step, "stop")


def announce(world: World, job: Job) -> None:
    """The result file for the partner, and the event for machines: ids and counts only."""
    world.bus.publish(DETAIL_TYPES[job.state], _told(world, job))


def announce_undone(world: World, undo: Job) -> None:
    """Tells of every job that an undo took back; its result file then says so as well."""
    done = undo.receipt.undo if undo.receipt else None
    if done is None:
        return
    counts = done.model_dump(include={"removed", "restored", "reinserted", "kept"})
    for job_id in done.jobs:
        try:
            job = world.jobs.get(undo.tenant, job_id)
        except NotFoundError:
            continue  # known to the target's books alone
        world.bus.publish(UNDONE, _told(world, job) | {"undo_job": undo.job_id, "counts": counts})


def _told(world: World, job: Job) -> dict[str, Any]:
    """Writes the result file; what the event says."""
    name = job.source.uri.rsplit("/", 1)[-1] or "source"
    folder = f"collections/{job.collection.name}" if job.collection else job.contract or f"{job.kind}s"
    uri = f"s3://{world.settings.outbox_bucket}/{job.tenant}/{folder}/{name}.{job.job_id}.result.json"
    body = result(job)
    world.blobs.write(uri, json.dumps(body, indent=2).encode())
    return {
        "schema_version": 1,
        "tenant": job.tenant,
        "job_id": job.job_id,
        "kind": job.kind,
        "contract": job.contract,
        "state": job.state.value,
        "leg": job.leg,
        "counts": {k: v for k, v in body.get("receipt", {}).items() if isinstance(v, (int, float))},
        "result": uri,
    }


def result(job: Job) -> dict[str, Any]:
    """What the partner is told: state, account, reason and what to do; no row's values."""
    body: dict[str, Any] = {
        "schema_version": 1,
        "job_id": job.job_id,
        "contract": job.contract,
        "source": job.source.name or job.source.uri.rsplit("/", 1)[-1],
        "state": job.state.value,
        "doubts": job.doubts,
    }
    if job.receipt is not None:
        body["receipt"] = job.receipt.model_dump(mode="json")
    if job.error is not None:
        body["error"] = job.error.model_dump(mode="json")
    if job.awaiting is not None and job.state.value.startswith("awaiting"):
        body["awaiting"] = job.awaiting.model_dump(mode="json")
        if job.awaiting.question == "plan" and job.plan is not None:
            body["plan"] = job.plan.model_dump(mode="json", include={"hash", "counts", "made_at", "held"})
    return body


def _failure(error: dict[str, Any]) -> ErrorInfo:
    """The error as Step Functions passes it: a name, and a cause that is mostly JSON."""
    name = str(error.get("Error", "unknown"))
    message = error_message(str(error.get("Cause", ""))) or f"A step ended with {name}."
    return ErrorInfo(
        code="step_failed",
        message=message[:1000],
        hint="Resume the job once the cause is mended.",
        facts={"error": name},
    )
