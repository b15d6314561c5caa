"""The publish step: starts the one transaction that makes a job's rows visible, and waits for it.

The transaction runs in the server and may outlive this function; the receipt row in PostgreSQL is
the truth, the job item follows it. An undo is published the same way. Where a person is to see the
plan first, or must, the step ends with a question instead; the answer names the plan by its hash.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from entrepot.errors import (
    ConflictError,
    HeldError,
    IntegrityError,
    NotFoundError,
    PlanStaleError,
    PrecededError,
    RetriableError,
    TargetError,
)
from entrepot.model.contract import Mode
from entrepot.model.job import ErrorInfo, Job, JobState, Step
from entrepot.model.receipt import Receipt
from entrepot.model.steps import LoadSpec, StepInput, StepOutput
from entrepot.ports.target import Plan
from entrepot.ports.world import Deadline
from entrepot.workflow.committing import commit
from entrepot.workflow.life import answer, draft_receipt, end, enter, error_info, is_over, question
from entrepot.workflow.precedence import came_before, is_overtaken
from entrepot.workflow.spec import read_spec
from entrepot.workflow.undo import OPEN, UndoWork
from entrepot.workflow.world import World, now

MARGIN_SECONDS = 1.0
"""Left of the invocation's time when the step stops waiting and answers ``more``."""


class ImportWork:
    """What publishing an import takes."""

    def __init__(self, world: World, job: Job) -> None:
        self._world = world
        self._job = job
        self._spec = read_spec(world, job)

    def plan(self) -> Plan:
        """What would be done now."""
        return self._world.target.plan(self._spec)

    def start(self, seconds: float, plan_hash: str) -> Receipt | None:
        """Starts the transaction, or looks for its receipt."""
        draft = _draft(self._world, self._job, self._spec)
        return self._world.target.start_publish(self._spec, draft, seconds=seconds, plan_hash=plan_hash)

    def is_overtaken(self) -> bool:
        """Whether a later version was published meanwhile; the job has then ended."""
        by_order = self._spec.mode is not Mode.APPEND and bool(self._job.source.sequencer)
        return by_order and is_overtaken(self._world, self._job)

    def came_second(self) -> bool:
        """Whether the same content or a later version was published meanwhile; the job has then ended."""
        return came_before(self._world, self._job, self._spec.mode)

    def done(self, receipt: Receipt) -> None:
        """Nothing else follows a publish."""


def publish(world: World, step: StepInput, deadline: Deadline) -> StepOutput:
    """Publishes once, however often it is called; ``more`` while the transaction runs."""
    job = world.jobs.get(step.tenant, step.job_id)
    if is_over(job, step.leg):
        return answer(step, "stop")
    if job.kind == "collection":
        return commit(world, job, step)
    try:
        work = UndoWork(world, job) if job.kind == "undo" else ImportWork(world, job)
        return _publish(world, job, step, work, deadline)
    except PrecededError as error:
        if not ImportWork(world, job).came_second():
            # What came first has been taken back since.
            raise RetriableError(error.message) from None
        world.target.drop_staging(job.tenant, job.job_id)
    except IntegrityError as error:
        if error.facts.get("reason") == "staging_lost" and job.kind == "import":
            return _back_to_check(world, job, step)
        end(world, job, JobState.FAILED, error=error_info(error, Step.PUBLISH))
    except (TargetError, NotFoundError) as error:
        world.target.drop_staging(job.tenant, job.job_id)
        end(world, job, JobState.REFUSED, error=error_info(error, Step.PUBLISH))
    return answer(step, "stop")


def _publish(world: World, job: Job, step: StepInput, work: ImportWork | UndoWork, deadline: Deadline) -> StepOutput:
    if job.state is not JobState.PUBLISHING:
        if work.is_overtaken():
            world.target.drop_staging(job.tenant, job.job_id)
            return answer(step, "stop")
        if job.options.plan and not job.approved_plan:
            return _ask(world, job, step, work.plan())
        # From here on a cancel comes too late, and is told so.
        entered = enter(world, job, JobState.PUBLISHING)
        if entered is None:
            world.target.drop_staging(job.tenant, job.job_id)
            return answer(step, "stop")
        job = entered
    try:
        receipt = work.start(max(0.1, deadline.remaining() - MARGIN_SECONDS), job.approved_plan)
    except PlanStaleError as error:
        return _ask(world, job, step, work.plan(), stale=error.rows, error=error_info(error, Step.PUBLISH))
    except HeldError as error:
        return _ask(world, job, step, work.plan(), held=error.message)
    if receipt is None:
        return answer(step, "more")
    # The receipt is the truth, so all else may go first: a repeat of this step finds the receipt.
    work.done(receipt)
    world.target.drop_staging(job.tenant, job.job_id)
    end(world, job, JobState.PUBLISHED, receipt=receipt)
    return answer(step, "next")


def _ask(
    world: World,
    job: Job,
    step: StepInput,
    plan: Plan,
    *,
    held: str = "",
    stale: Sequence[Mapping[str, Any]] = (),
    error: ErrorInfo | None = None,
) -> StepOutput:
    """Ends the leg with the plan as a question; nothing of the target has been touched."""
    rows = [dict(row) for row in stale[:100]]
    summary = plan.summary.model_copy(update={"made_at": now(world), "held": held or plan.summary.held, "stale": rows})
    detail = {"hash": summary.hash} | ({"held": summary.held} if summary.held else {})
    changes = {"plan": summary, "approved_plan": "", "awaiting": question(world, "plan", detail), "error": error}
    expect = {JobState.RECEIVED, JobState.LOADING, JobState.CHECKING, JobState.PUBLISHING}
    told = {"question": "plan"} | ({"error": error.code} if error else {})
    try:
        world.jobs.transition(job, JobState.AWAITING_APPROVAL, expect=expect, changes=changes, detail=told)
    except ConflictError:
        world.target.drop_staging(job.tenant, job.job_id)
    return answer(step, "stop")


def _back_to_check(world: World, job: Job, step: StepInput) -> StepOutput:
    """A crash of the database emptied staging: nothing was published, so what is missing is loaded again."""
    done = [s for s in job.done if s not in {Step.CHECK, Step.GATE}]
    detail = {"again": "staging was emptied"}
    expect = {JobState.LOADING, JobState.CHECKING, JobState.PUBLISHING}
    try:
        world.jobs.transition(
            job, JobState.LOADING, expect=expect, changes={"done": done, "tally": None}, detail=detail
        )
    except ConflictError:
        return answer(step, "stop")
    return answer(step, "reload", chunks_key=job.chunks_key)


def _draft(world: World, job: Job, spec: LoadSpec) -> Receipt:
    draft = draft_receipt(job, JobState.PUBLISHED, now(world))
    shown = {f.name for f in spec.contract.fields if f.classification in OPEN}
    return draft.model_copy(
        update={
            "mode": spec.mode.value,
            "target": f"{spec.target_schema}.{spec.target_table}",
            "accepted": 0,
            "plan_hash": job.approved_plan,
            "masked": sorted(c.name for c in spec.columns if c.field not in shown),
        }
    )
