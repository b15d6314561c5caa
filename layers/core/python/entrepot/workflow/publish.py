"""The publish step: starts the one transaction that makes a job's rows visible, and waits for it.

The transaction runs in the server and may outlive this function; the receipt row in PostgreSQL is
the truth, the job item follows it.
"""

from __future__ import annotations

from entrepot.errors import ConflictError, IntegrityError, TargetError
from entrepot.model.contract import Mode
from entrepot.model.job import Job, JobState, Step
from entrepot.model.receipt import Receipt
from entrepot.model.steps import LoadSpec, StepInput, StepOutput
from entrepot.ports.world import Deadline
from entrepot.workflow.life import answer, draft_receipt, end, enter, error_info, is_over
from entrepot.workflow.precedence import is_overtaken
from entrepot.workflow.spec import read_spec
from entrepot.workflow.world import World, now

MARGIN_SECONDS = 1.0
"""Left of the invocation's time when the step stops waiting and answers ``more``."""


def publish(world: World, step: StepInput, deadline: Deadline) -> StepOutput:
    """Publishes once, however often it is called; ``more`` while the transaction runs."""
    job = world.jobs.get(step.tenant, step.job_id)
    if is_over(job, step.leg):
        return answer(step, "stop")
    spec = read_spec(world, job)
    if job.state is not JobState.PUBLISHING:
        if spec.mode is not Mode.APPEND and job.source.sequencer and is_overtaken(world, job):
            world.target.drop_staging(job.tenant, job.job_id)
            return answer(step, "stop")
        # From here on a cancel comes too late, and is told so.
        entered = enter(world, job, JobState.PUBLISHING)
        if entered is None:
            world.target.drop_staging(job.tenant, job.job_id)
            return answer(step, "stop")
        job = entered
    try:
        wait = max(0.1, deadline.remaining() - MARGIN_SECONDS)
        receipt = world.target.start_publish(spec, _draft(world, job, spec), seconds=wait)
    except IntegrityError as error:
        if error.facts.get("reason") == "staging_lost":
            return _back_to_check(world, job, step)
        end(world, job, JobState.FAILED, error=error_info(error, Step.PUBLISH))
        return answer(step, "stop")
    except TargetError as error:
        world.target.drop_staging(job.tenant, job.job_id)
        end(world, job, JobState.REFUSED, error=error_info(error, Step.PUBLISH))
        return answer(step, "stop")
    if receipt is None:
        return answer(step, "more")
    # The receipt is the truth, so staging may go first: a repeat of this step finds the receipt.
    world.target.drop_staging(job.tenant, job.job_id)
    end(world, job, JobState.PUBLISHED, receipt=receipt)
    return answer(step, "next")


def _back_to_check(world: World, job: Job, step: StepInput) -> StepOutput:
    """A crash of the database emptied staging: nothing was published, so what is missing is loaded again."""
    done = [s for s in job.done if s not in {Step.CHECK, Step.GATE}]
    detail = {"again": "staging was emptied"}
    try:
        world.jobs.transition(
            job, JobState.LOADING, expect={JobState.PUBLISHING}, changes={"done": done, "tally": None}, detail=detail
        )
    except ConflictError:
        return answer(step, "stop")
    return answer(step, "reload", chunks_key=job.chunks_key)


def _draft(world: World, job: Job, spec: LoadSpec) -> Receipt:
    draft = draft_receipt(job, JobState.PUBLISHED, now(world))
    target = f"{spec.target_schema}.{spec.target_table}"
    return draft.model_copy(update={"mode": spec.mode.value, "target": target, "accepted": 0})
