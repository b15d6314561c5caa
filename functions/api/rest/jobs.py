"""Jobs: looking at them, and answering them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Body, Query

from entrepot.errors import ConflictError
from entrepot.model.job import RUNNING, TERMINAL, Job, JobState
from entrepot.workflow.access import Caller, Right
from rest import bodies
from rest.asking import MOST_BYTES, Cursor, PageLimit, caller_of, job_of
from rest.docs import describe
from rest.gate import needs
from rest.routing import new_router
from rest.services import services
from rest.views import ConfirmAsk, EventsAnswer, JobAnswer, JobsAnswer, JobView, RejectAsk

router = new_router()

MOST_PAGES = 20
"""Pages of the tenant's jobs that are looked through for a partner's own."""


@router.get("/jobs", **describe("jobs", "Jobs, newest first", JobsAnswer, 400))
@needs(Right.READ, Right.OWN)
def list_jobs(
    state: Annotated[JobState | None, Query(description="Only those in this state.")] = None,
    contract: Annotated[str | None, Query(max_length=63, description="Only those of this contract.")] = None,
    limit: PageLimit = 50,
    cursor: Cursor = "",
) -> JobsAnswer:
    """Lists jobs."""
    wanted = limit
    while True:
        jobs, more = _page(caller_of(router), state, contract, wanted, cursor)
        if wanted == 1 or sum(len(j.model_dump_json()) for j in jobs) <= MOST_BYTES:
            return JobsAnswer(jobs=jobs, cursor=more or None)
        # Jobs with wide mappings: fewer of them fit one answer.
        wanted = wanted // 4 or 1


def _page(
    caller: Caller, state: JobState | None, contract: str | None, limit: int, cursor: str
) -> tuple[list[JobView], str]:
    """One page; a partner's own jobs are picked out of the tenant's."""
    found: list[JobView] = []
    for _ in range(MOST_PAGES):
        page = services().world.jobs.list(
            caller.tenant, state=state, contract=contract, limit=limit - len(found), cursor=cursor
        )
        found += [JobView.of(j) for j in page.jobs if not caller.only_own or j.actor == caller.actor]
        cursor = page.cursor
        if not cursor or len(found) >= limit:
            break
    return found, cursor


@router.get("/jobs/<job_id>", **describe("jobs", "One job, with progress and receipt", JobAnswer, 404))
@needs(Right.READ, Right.OWN)
def get_job(job_id: str) -> JobAnswer:
    """Looks at a job."""
    return JobAnswer(job=JobView.of(job_of(caller_of(router), job_id)))


@router.get(
    "/jobs/<job_id>/events",
    **describe("jobs", "What happened to a job, in order and without gaps", EventsAnswer, 404),
)
@needs(Right.READ, Right.OWN)
def get_events(
    job_id: str,
    after: Annotated[int, Query(ge=0, le=2**53, description="Number of the last event that is known.")] = 0,
    limit: PageLimit = 100,
) -> EventsAnswer:
    """Lists events above a number."""
    caller = caller_of(router)
    job = job_of(caller, job_id)
    events = services().world.jobs.events(caller.tenant, job_id, after=after, limit=limit)
    return EventsAnswer(events=events, last=max([job.seq, *(e.seq for e in events)]))


_MOVES = (404, 409)


@router.post("/jobs/<job_id>/cancel", **describe("jobs", "Cancel a job", JobAnswer, *_MOVES))
@needs(Right.OPERATE)
def cancel_job(job_id: str) -> JobAnswer:
    """Ends a job untouched; too late once it is being published."""
    caller = caller_of(router)
    job = job_of(caller, job_id)
    return moved(caller, job, lambda: services().lifecycle.cancel(caller.tenant, job_id, caller.actor), "cancel")


@router.post("/jobs/<job_id>/approve", **describe("jobs", "Approve what a job waits for", JobAnswer, *_MOVES))
@needs(Right.DECIDE)
def approve_job(job_id: str) -> JobAnswer:
    """Says yes: this file and every later one goes on."""
    caller = caller_of(router)
    job = job_of(caller, job_id)

    def approve() -> Job:
        services().administration.own_target(caller, job.contract)
        return services().lifecycle.approve(caller.tenant, job_id, caller.actor)

    return moved(caller, job, approve, "approve")


@router.post("/jobs/<job_id>/reject", **describe("jobs", "Reject what a job waits for", JobAnswer, *_MOVES, 415))
@needs(Right.DECIDE)
def reject_job(job_id: str, body: Annotated[RejectAsk | None, Body()] = None) -> JobAnswer:
    """Says no: the job ends refused."""
    reason = body.reason if body else ""
    caller = caller_of(router)
    job = job_of(caller, job_id)
    return moved(
        caller, job, lambda: services().lifecycle.reject(caller.tenant, job_id, caller.actor, reason), "reject"
    )


@router.post("/jobs/<job_id>/confirm", **describe("jobs", "Confirm a mapping", JobAnswer, 400, *_MOVES, 415))
@needs(Right.OPERATE, Right.DECIDE)
def confirm_job(job_id: str, body: Annotated[ConfirmAsk, Body()]) -> JobAnswer:
    """States which column feeds which field; the job goes on with it."""
    caller = caller_of(router)
    job = job_of(caller, job_id)
    return moved(
        caller,
        job,
        lambda: services().lifecycle.confirm(caller.tenant, job_id, body.mapping, caller.actor),
        "confirm",
    )


@router.post("/jobs/<job_id>/resume", **describe("jobs", "Resume a failed job", JobAnswer, *_MOVES))
@needs(Right.OPERATE)
def resume_job(job_id: str) -> JobAnswer:
    """Runs what a failed job is missing."""
    caller = caller_of(router)
    job = job_of(caller, job_id)
    return moved(caller, job, lambda: services().lifecycle.resume(caller.tenant, job_id, caller.actor), "resume")


def moved(caller: Caller, job: Job, move: Callable[[], Job], what: str) -> JobAnswer:
    """The job after a move.

    A repeat with the same idempotency key finds the move made: the claim remembers in which event
    the job stood when the request was first seen, so a move that came after it is this request's.
    """
    claim = bodies.once(router.current_event).claim(services().world.config, caller, f"{job.seq} {job.leg}")
    try:
        return JobAnswer(job=JobView.of(move()))
    except ConflictError:
        now = services().world.jobs.get(caller.tenant, job.job_id)
        seq, leg = (int(n) for n in claim.result.split())
        if bodies.has_key(router.current_event) and now.seq > seq and _shows(now, what, leg):
            if now.leg > leg:
                # The first request may have ended between the move and the start of its leg.
                services().world.executions.start(now.tenant, now.job_id, now.leg)
            return JobAnswer(job=JobView.of(now))
        raise


def _shows(job: Job, what: str, leg: int) -> bool:
    """Whether a job that moved on since shows the move that was asked for."""
    if what == "cancel":
        return job.state is JobState.CANCELLED
    if what == "reject":
        return job.state is JobState.REFUSED and job.error is not None and job.error.code == "rejected"
    return job.leg > leg and job.state in RUNNING | TERMINAL
