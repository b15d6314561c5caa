"""Schedules: recurring imports, versioned, paused."""

from __future__ import annotations

from entrepot.model.config import Schedule
from entrepot.workflow.access import Right
from rest import bodies
from rest.asking import Cursor, PageLimit, caller_of, page_of, remember
from rest.docs import describe
from rest.gate import needs
from rest.routing import new_router
from rest.services import services
from rest.views import DeletedAnswer, ScheduleAnswer, SchedulesAnswer, ScheduleVersionsAnswer

router = new_router()


@router.get("/schedules", **describe("schedules", "Schedules, by name", SchedulesAnswer))
@needs(Right.READ)
def list_schedules(limit: PageLimit = 50, cursor: Cursor = "") -> SchedulesAnswer:
    """Lists schedules, each in its latest version."""
    found = services().administration.schedules(caller_of(router), limit=limit + 1, after=cursor)
    page, more = page_of(found, limit, lambda s: s.schedule.name, lambda s: len(s.model_dump_json()))
    return SchedulesAnswer(schedules=[ScheduleAnswer.of(s) for s in page], cursor=more)


@router.post(
    "/schedules",
    **describe(
        "schedules",
        "Create a schedule",
        ScheduleAnswer,
        400,
        404,
        409,
        413,
        415,
        status=201,
        body=Schedule,
        documents=True,
    ),
)
@needs(Right.CONFIGURE)
def create_schedule() -> ScheduleAnswer:
    """Stores the first version of a schedule, and sets up its firing."""
    event = router.current_event
    schedule = bodies.document(event, Schedule)
    return ScheduleAnswer.of(services().administration.create_schedule(caller_of(router), schedule, bodies.once(event)))


@router.get("/schedules/<name>", **describe("schedules", "One schedule", ScheduleAnswer, 404))
@needs(Right.READ)
def get_schedule(name: str) -> ScheduleAnswer:
    """Reads a schedule."""
    return ScheduleAnswer.of(services().administration.schedule(caller_of(router), name))


@router.put(
    "/schedules/<name>",
    **describe(
        "schedules",
        "Store a new version of a schedule",
        ScheduleAnswer,
        400,
        404,
        413,
        415,
        body=Schedule,
        documents=True,
        description="The same document again sets up the firing anew, should it have been lost.",
    ),
)
@needs(Right.CONFIGURE)
def put_schedule(name: str) -> ScheduleAnswer:
    """Stores a version, the first when there is none."""
    schedule = bodies.document(router.current_event, Schedule)
    return ScheduleAnswer.of(services().administration.put_schedule(caller_of(router), name, schedule))


@router.delete("/schedules/<name>", **describe("schedules", "Delete a schedule", DeletedAnswer, 404))
@needs(Right.CONFIGURE)
def delete_schedule(name: str) -> DeletedAnswer:
    """Ends a schedule; its versions stay on record."""
    services().administration.delete_schedule(caller_of(router), name)
    return DeletedAnswer(deleted=name)


@router.get(
    "/schedules/<name>/versions",
    **describe("schedules", "All versions of a schedule, newest first", ScheduleVersionsAnswer, 400, 404),
)
@needs(Right.READ)
def list_schedule_versions(name: str, limit: PageLimit = 50, cursor: Cursor = "") -> ScheduleVersionsAnswer:
    """Lists versions."""
    below = bodies.number(cursor)
    found = services().administration.schedule_versions(caller_of(router), name)
    newest = sorted((v for v in found if v.schedule.version < below), key=lambda v: -v.schedule.version)
    page, more = page_of(newest, limit, lambda v: str(v.schedule.version), lambda v: len(v.model_dump_json()))
    return ScheduleVersionsAnswer(versions=[ScheduleAnswer.of(v) for v in page], cursor=more)


@router.post("/schedules/<name>/pause", **describe("schedules", "Stop a schedule's firing", ScheduleAnswer, 404))
@needs(Right.CONFIGURE)
def pause_schedule(name: str) -> ScheduleAnswer:
    """Stops firing. Again changes nothing."""
    remember(router)
    return ScheduleAnswer.of(services().administration.pause_schedule(caller_of(router), name, paused=True))


@router.post("/schedules/<name>/unpause", **describe("schedules", "Let a schedule fire again", ScheduleAnswer, 404))
@needs(Right.CONFIGURE)
def unpause_schedule(name: str) -> ScheduleAnswer:
    """Lets it fire. Again changes nothing."""
    remember(router)
    return ScheduleAnswer.of(services().administration.pause_schedule(caller_of(router), name, paused=False))
