"""Inspections: what a file is, before anybody imports it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from entrepot.errors import UsageError
from entrepot.model.inspection import Inspection
from entrepot.model.job import ErrorInfo, Job, JobOptions, JobState
from entrepot.workflow.access import Right
from rest import bodies
from rest.asking import caller_of, deadline_of, job_of
from rest.docs import describe
from rest.gate import needs
from rest.routing import new_router
from rest.services import services
from rest.several import named
from rest.views import SourceAsk, SourceText

router = new_router()


class InspectionAsk(BaseModel):
    """What to look at: an object that is there, or an upload that was asked for with ``hold``."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    source: SourceText | SourceAsk
    options: JobOptions = Field(default_factory=JobOptions)
    """Of a job's options those that say how a source is read."""


class InspectionAnswer(BaseModel):
    """An inspection: ``inspection`` is there once ``state`` is ``published``."""

    model_config = ConfigDict(defer_build=True)

    id: str
    state: JobState
    inspection: Inspection | None = None
    error: ErrorInfo | None = None

    @classmethod
    def of(cls, job: Job, found: Inspection | None) -> InspectionAnswer:
        """The view of an inspection's job."""
        return cls(id=job.job_id, state=job.state, inspection=found, error=job.error)


@router.post(
    "/inspections",
    **describe(
        "inspections",
        "Look at a source without importing it",
        InspectionAnswer,
        400,
        404,
        409,
        413,
        415,
        status=202,
        body=InspectionAsk,
        description=(
            "The whole of the source is read, by the steps that an import has. `GET /inspections/{id}` answers with "
            "format, encoding, dialect, tables, columns with their types, and every doubt with its evidence."
        ),
    ),
)
@needs(Right.SUBMIT)
def create_inspection() -> tuple[InspectionAnswer, int]:
    """Takes a request for an inspection."""
    wanted = bodies.model_body(router.current_event, InspectionAsk)
    (one,) = named([wanted.source])
    if one.uri.endswith("/"):
        raise UsageError("A prefix is not inspected.", hint="Name one object.")
    once = bodies.once(router.current_event)
    caller = caller_of(router)
    job = services().inspections.start(caller, one, wanted.options, once, deadline_of(router))
    return InspectionAnswer.of(job, None), 202


@router.get("/inspections/<job_id>", **describe("inspections", "What was found", InspectionAnswer, 404))
@needs(Right.READ, Right.OWN)
def get_inspection(job_id: str) -> InspectionAnswer:
    """Answers with what was found, or how far it is."""
    caller = caller_of(router)
    job = job_of(caller, job_id)
    return InspectionAnswer.of(job, services().inspections.result(caller, job))
