"""How steps enter, leave and end a job: the few moves that all of them share."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal

from entrepot import cost
from entrepot.errors import ConflictError, EntrepotError
from entrepot.model.job import AWAITING, ENDED, RUNNING, Awaiting, ErrorInfo, Job, JobState, Step
from entrepot.model.receipt import Receipt
from entrepot.model.steps import Outcome, StepInput, StepOutput
from entrepot.workflow.world import World, now

log = logging.getLogger(__name__)


def answer(step: StepInput, outcome: Outcome, *, chunks_key: str = "") -> StepOutput:
    """A step's answer to the state machine."""
    return StepOutput(
        tenant=step.tenant,
        job_id=step.job_id,
        leg=step.leg,
        outcome=outcome,
        chunks_key=chunks_key or step.chunks_key,
    )


def is_over(job: Job, leg: int) -> bool:
    """Whether this leg has nothing more to do: the job rests, or a later leg works on it."""
    return job.leg != leg or job.state in ENDED or job.state in AWAITING


def enter(world: World, job: Job, state: JobState, **changes: Any) -> Job | None:
    """Moves a running job into a state (again); None when it was cancelled or failed meanwhile."""
    if job.state is state and not changes:
        return job
    try:
        if job.state is state:
            return world.jobs.update(job, changes, expect=RUNNING)
        return world.jobs.transition(job, state, expect=RUNNING - {JobState.PUBLISHING}, changes=changes)
    except ConflictError:
        log.info("job %s: another move came first; this leg ends", job.job_id)
        return None


def finish_step(world: World, job: Job, step: Step, changes: Mapping[str, Any]) -> Job:
    """Keeps a step's result, so that a later leg skips it."""
    done = [*job.done, step] if step not in job.done else job.done
    return world.jobs.update(job, {**changes, "done": done}, expect=RUNNING)


def question(world: World, what: Literal["mapping", "contract", "plan"], detail: Mapping[str, Any]) -> Awaiting:
    """What a person is asked from now on, until the deployment's deadline."""
    deadline = world.clock.now() + timedelta(days=world.settings.await_days)
    return Awaiting(
        question=what,
        since=now(world),
        deadline=deadline.isoformat(timespec="seconds").replace("+00:00", "Z"),
        detail=dict(detail),
    )


def error_message(cause: str) -> str:
    """The message in a Step Functions error's cause, which for a function is JSON; empty when there is none."""
    try:
        document = json.loads(cause)
    except ValueError:
        return ""
    return str(document.get("errorMessage") or "") if isinstance(document, dict) else ""


def error_info(error: EntrepotError, step: str, chunk: str = "") -> ErrorInfo:
    """An error as it is stored with the job."""
    return ErrorInfo(
        code=error.code,
        message=error.message,
        hint=error.hint,
        step=step,
        chunk=chunk,
        facts={k: v for k, v in error.facts.items() if isinstance(v, (str, int, float, bool, list, dict))},
    )


def end(
    world: World,
    job: Job,
    state: JobState,
    *,
    error: ErrorInfo | None = None,
    receipt: Receipt | None = None,
) -> Job | None:
    """Brings a job to rest with its account; None when something else did so first."""
    stamp = now(world)
    draft = receipt or draft_receipt(job, state, stamp)
    account = draft.model_copy(update={"cost": cost.account(job.usage + world.meter.unwritten() + cost.STILL_TO_COME)})
    changes: dict[str, Any] = {"receipt": account, "finished_at": stamp}
    if error is not None:
        changes["error"] = error
    expect = (RUNNING | AWAITING | {JobState.FAILED}) - (
        {JobState.PUBLISHING} if state is JobState.CANCELLED else set()
    )
    try:
        detail = {"error": error.code} if error else {}
        return world.jobs.transition(job, state, expect=expect, changes=changes, detail=detail)
    except ConflictError:
        log.info("job %s was brought to rest by another move", job.job_id)
        return None


def draft_receipt(job: Job, state: JobState, finished_at: str) -> Receipt:
    """A receipt with what the job item knows; publish replaces every count by a recount."""
    tally = job.tally
    return Receipt(
        job_id=job.job_id,
        tenant=job.tenant,
        actor=job.actor,
        status=state.value,
        mode=job.options.mode.value if job.options.mode else "",
        message=job.options.message,
        metadata=job.options.metadata,
        contract=job.contract,
        contract_version=job.contract_version,
        template=job.template,
        source=job.source.uri,
        source_version=job.source.version,
        sequencer=job.source.sequencer,
        sha256=job.source.sha256,
        bytes=job.source.size,
        read=tally.read if tally else job.progress.read,
        accepted=tally.accepted if tally else job.progress.accepted,
        duplicate=tally.duplicate if tally else 0,
        quarantined=tally.quarantined if tally else job.progress.quarantined,
        collapsed=tally.collapsed if tally else 0,
        inputs=tally.inputs if tally else [],
        skipped=job.skipped,
        started_at=job.received_at,
        finished_at=finished_at,
        parent=job.parent,
    )
