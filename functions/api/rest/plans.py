"""Plans that wait for a person, and jobs that are taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from aws_lambda_powertools.event_handler.openapi.params import Body, Query

from entrepot.workflow.access import Right
from rest import bodies
from rest.asking import PageLimit, caller_of, checked_id, job_of, page_of
from rest.docs import describe
from rest.gate import needs
from rest.jobs import moved
from rest.routing import new_router
from rest.services import services
from rest.views import JobAnswer, JobView, PlanAnswer, PlannedRowView, PublishAsk, UndoJobAsk, UndoTableAsk

if TYPE_CHECKING:
    from entrepot.workflow.undo import UndoAsk

router = new_router()


@router.get(
    "/jobs/<job_id>/plan",
    **describe(
        "jobs",
        "What a job would do: counts, and its rows field by field",
        PlanAnswer,
        404,
        409,
        description=(
            "Rows have the fields that change, with their values now (`old`) and then (`new`); values are masked by "
            "their field's classification, as far as the role's clearance goes. `moved` rows have changed since."
        ),
    ),
)
@needs(Right.READ)
def get_plan(
    job_id: str,
    after: Annotated[int, Query(ge=0, le=2**53, description="Number of the last row that is known.")] = 0,
    limit: PageLimit = 100,
    action: Annotated[str, Query(max_length=20, pattern="^[a-z]*$", description="Only rows of this action.")] = "",
) -> PlanAnswer:
    """Looks at a plan."""
    caller = caller_of(router)
    job = job_of(caller, job_id)
    plan, found = services().plans.page(caller, job, after=after, limit=limit + 1, action=action)
    views = [PlannedRowView.model_validate(row, from_attributes=True) for row in found]
    rows, more = page_of(views, limit, lambda v: str(v.n), lambda v: len(v.model_dump_json()))
    return PlanAnswer(job_id=job.job_id, state=job.state, plan=plan, rows=rows, after=int(more) if more else None)


@router.post(
    "/jobs/<job_id>/publish",
    **describe(
        "jobs",
        "Publish exactly the plan that a job waits with",
        JobAnswer,
        400,
        404,
        409,
        415,
        description=(
            "Names the plan by its hash. When a row that it touches, or would have touched, has changed since, nothing "
            "is published: the job waits again, with a new plan whose `stale` names those rows."
        ),
    ),
)
@needs(Right.DECIDE)
def publish_job(job_id: str, body: Annotated[PublishAsk, Body()]) -> JobAnswer:
    """Says yes to a plan."""
    caller = caller_of(router)
    job = job_of(caller, job_id)
    return moved(
        caller, job, lambda: services().lifecycle.publish(caller.tenant, job_id, body.hash, caller.actor), "publish"
    )


@router.post(
    "/jobs/<job_id>/undo",
    **describe(
        "jobs",
        "Take a published job back",
        JobAnswer,
        404,
        409,
        415,
        status=202,
        description=(
            "Inserted rows go, updated and deleted ones get their former values back; rows that were edited since are "
            "kept and listed in the receipt of the undo job, which is the answer."
        ),
    ),
)
@needs(Right.DECIDE)
def undo_job(job_id: str, body: Annotated[UndoJobAsk | None, Body()] = None) -> tuple[JobAnswer, int]:
    """Takes a job back."""
    once = bodies.once(router.current_event)
    job = services().undos.of_job(caller_of(router), checked_id(job_id), _asked(body or UndoJobAsk()), once)
    return JobAnswer(job=JobView.of(job)), 202


@router.post(
    "/undo",
    **describe(
        "jobs",
        "Take a table back to a moment",
        JobAnswer,
        400,
        404,
        409,
        415,
        status=202,
        description="Takes back every job that was published into the table since, newest first, in one transaction.",
    ),
)
@needs(Right.DECIDE)
def undo_table(body: Annotated[UndoTableAsk, Body()]) -> tuple[JobAnswer, int]:
    """Takes a table back."""
    once = bodies.once(router.current_event)
    job = services().undos.to_time(caller_of(router), body.target, body.to, _asked(body), once)
    return JobAnswer(job=JobView.of(job)), 202


def _asked(body: UndoJobAsk) -> UndoAsk:
    from entrepot.workflow.undo import UndoAsk

    return UndoAsk(body.plan, body.hash or "", body.message)
