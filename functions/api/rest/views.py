"""What the API answers, and the bodies it takes that are no stored models themselves."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from entrepot.model.config import Schedule, ScheduleVersion, Template, TemplateVersion, Upload
from entrepot.model.contract import Contract, ContractHead, ContractStatus, ContractVersion
from entrepot.model.findings import QuarantinedRow
from entrepot.model.job import (
    Awaiting,
    ErrorInfo,
    Job,
    JobEvent,
    JobOptions,
    JobState,
    MappedColumn,
    PlanSummary,
    Progress,
    UndoRequest,
)
from entrepot.model.receipt import Receipt

Limit = Annotated[int, Field(ge=1, le=200)]
NameText = Annotated[str, Field(min_length=1, max_length=63)]


MAX_UPLOAD = 4 << 40
"""Bytes; `Requests.ticket` has the same bound."""


class _Answer(BaseModel):
    # Built when first used: no request needs more than a few of them, and a cold start none.
    model_config = ConfigDict(defer_build=True)


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", defer_build=True)


class ErrorDetail(_Answer):
    """What went wrong."""

    code: str
    message: str
    hint: str = ""
    facts: dict[str, Any] = Field(default_factory=dict)
    request_id: str = ""


class ErrorAnswer(_Answer):
    """The body of every answer with a status of 400 or more."""

    error: ErrorDetail


class UploadAsk(_Body):
    """A file that the client wants to upload."""

    name: str = Field(min_length=1, max_length=1024)
    size: int = Field(ge=0, le=MAX_UPLOAD)
    content_type: str = Field(default="", max_length=200, pattern=r"^[\x20-\x7e]*$")
    hold: bool = False
    """It becomes no job of its own: a later import names it among its ``sources``."""


class SourceAsk(_Body):
    """One of several sources: an object or prefix, or an upload that was asked for with ``hold``."""

    uri: str | None = Field(default=None, min_length=5, max_length=2048)
    upload: str | None = Field(default=None, min_length=8, max_length=64)
    name: str = Field(default="", max_length=1024, pattern=r"^[^\x00-\x1f\x7f]*$")

    @model_validator(mode="after")
    def _one_of_two(self) -> SourceAsk:
        if (self.uri is None) == (self.upload is None):
            msg = "name either a uri or an upload"
            raise ValueError(msg)
        return self


SourceText = Annotated[str, Field(min_length=5, max_length=2048)]
SourceList = Annotated[list[SourceText | SourceAsk], Field(min_length=1, max_length=10_000)]


class ImportAsk(_Body):
    """An import: of a source that is there already, of several, or of an upload that is still to come.

    A source that ends with a slash is a prefix: all that lies below it, in one job.
    """

    contract: NameText
    source: SourceText | None = None
    sources: SourceList | None = None
    upload: UploadAsk | None = None
    template: str | None = Field(default=None, max_length=63)
    options: JobOptions = Field(default_factory=JobOptions)

    @model_validator(mode="after")
    def _one_of_two(self) -> ImportAsk:
        if [self.source, self.sources, self.upload].count(None) != 2:
            msg = "name either a source, sources or an upload"
            raise ValueError(msg)
        return self


class FormAsk(_Body):
    """The fields of a form beside its file."""

    contract: NameText
    template: str | None = Field(default=None, max_length=63)
    options: JobOptions = Field(default_factory=JobOptions)


class PartLink(_Answer):
    """Where one part of an upload goes."""

    number: int
    url: str


class UploadTicket(_Answer):
    """How a file is uploaded: one PUT to ``url``, or one for each of ``parts`` and then ``complete_url``."""

    id: str
    method: Literal["PUT"] = "PUT"
    url: str | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    expires_at: str
    parts: list[PartLink] | None = None
    part_bytes: int | None = None
    complete_url: str | None = None
    """Below the API's base address."""


class UploadView(_Answer):
    """How an upload stands."""

    id: str
    state: Literal["waiting", "received"]
    contract: str
    created_at: str = ""
    job_id: str | None = None

    @classmethod
    def of(cls, upload: Upload) -> UploadView:
        """The view of a stored upload."""
        return cls(
            id=upload.upload_id,
            state=upload.state,
            contract=upload.contract,
            created_at=upload.created_at,
            job_id=upload.job_id or None,
        )


class UploadedPart(_Body):
    """One part that was sent."""

    number: int = Field(ge=1, le=10_000)
    etag: str = Field(min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$")


class CompleteAsk(_Body):
    """The parts of an upload, all of them."""

    parts: list[UploadedPart] = Field(min_length=1, max_length=10_000)


class SourceView(_Answer):
    """Where a job's bytes come from."""

    uri: str
    name: str = ""
    size: int = 0
    version: str = ""
    sha256: str = ""
    inputs: int = 0
    """How many objects it stands for, when it is a set."""


class JobView(_Answer):
    """A job as its people see it."""

    tenant: str
    job_id: str
    kind: str
    state: JobState
    leg: int
    attempt: int
    actor: str
    origin: str
    contract: str
    contract_version: int
    template: str
    template_version: int
    source: SourceView
    options: JobOptions
    progress: Progress
    mapping: list[MappedColumn] | None = None
    doubts: list[str]
    error: ErrorInfo | None = None
    awaiting: Awaiting | None = None
    plan: PlanSummary | None = None
    undo: UndoRequest | None = None
    receipt: Receipt | None = None
    parent: str = ""
    received_at: str
    updated_at: str
    finished_at: str

    @classmethod
    def of(cls, job: Job) -> JobView:
        """The view of a stored job."""
        return cls.model_validate(job.model_dump(include=set(cls.model_fields)))


class JobAnswer(_Answer):
    """One job."""

    job: JobView


class JobsAnswer(_Answer):
    """One page of jobs, newest first."""

    jobs: list[JobView]
    cursor: str | None = None


class EventsAnswer(_Answer):
    """Events of a job in order; ``last`` is the number of the newest there is."""

    events: list[JobEvent]
    last: int


class ReasonView(_Answer):
    """How often one reason was found."""

    code: str
    field: str
    count: int
    title: str = ""
    action: str = ""


class QuarantineAnswer(_Answer):
    """One page of refused rows, and the reasons of all of them."""

    rows: list[QuarantinedRow]
    cursor: str | None = None
    summary: list[ReasonView]


class RejectAsk(_Body):
    """Why the job is rejected."""

    reason: str = Field(default="", max_length=500)


class ConfirmAsk(_Body):
    """Source column → field of the contract; an empty field leaves the column out."""

    mapping: dict[str, str] = Field(min_length=1, max_length=1600)


HashText = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[0-9A-Za-z_-]+$")]


class PublishAsk(_Body):
    """The plan that is to be published, by its hash."""

    hash: HashText


class UndoJobAsk(_Body):
    """How a job is taken back."""

    plan: bool = False
    """Stop with the plan of the undo, and wait for `publish`."""
    hash: HashText | None = None
    """Take back exactly this plan, which an earlier undo job made, or nothing."""
    message: str = Field(default="", max_length=2000)

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if self.plan and self.hash:
            msg = "plan asks for a plan, and hash names one: choose"
            raise ValueError(msg)
        return self


class UndoTableAsk(UndoJobAsk):
    """A table, and the moment to which it goes back."""

    target: str = Field(min_length=1, max_length=130)
    to: str = Field(min_length=8, max_length=40)


class PlannedRowView(_Answer):
    """One row of a plan: what is there now, and what will be."""

    n: int
    action: str
    key: dict[str, str | None]
    old: dict[str, str | None] | None = None
    new: dict[str, str | None] | None = None
    chunk_id: str = ""
    row: int = 0
    moved: bool = False
    detail: str = ""


class PlanAnswer(_Answer):
    """A plan, and one page of its rows; ``after`` leads to the next page, and is null on the last."""

    job_id: str
    state: JobState
    plan: PlanSummary
    rows: list[PlannedRowView]
    after: int | None = None


class ImportAnswer(_Answer):
    """A job that began, or an upload that may begin."""

    job: JobView | None = None
    upload: UploadTicket | None = None
    nothing_new: bool | None = None
    """Of an incremental import that found nothing new: ``job`` is the one that took something last, if any."""


class UploadAnswer(_Answer):
    """An upload, and once it is received, its job."""

    upload: UploadView
    job: JobView | None = None


class RecordsAnswer(_Answer):
    """What became of the records; without receipt while they are still on their way."""

    job: JobView
    receipt: Receipt | None = None
    quarantine: list[QuarantinedRow] = Field(default_factory=list)


class ContractAnswer(_Answer):
    """One version of a contract, and what holds for the contract."""

    contract: Contract
    version: int
    status: ContractStatus
    current: int
    latest: int
    paused: bool
    created_by: str = ""
    created_at: str = ""
    approved_by: str = ""
    inferred_from: str = ""

    @classmethod
    def of(cls, head: ContractHead, version: ContractVersion) -> ContractAnswer:
        """The view of a stored version."""
        return cls(
            contract=version.contract,
            version=version.contract.version,
            current=head.current,
            latest=head.latest,
            paused=head.paused,
            **version.model_dump(include={"status", "created_by", "created_at", "approved_by", "inferred_from"}),
        )


class ContractsAnswer(_Answer):
    """One page of contracts, by name."""

    contracts: list[ContractAnswer]
    cursor: str | None = None


class ContractVersionsAnswer(_Answer):
    """Versions of a contract, newest first."""

    versions: list[ContractAnswer]
    cursor: str | None = None


class ApproveAsk(_Body):
    """Which version becomes current."""

    version: int = Field(ge=1, le=1_000_000)


class RowsAnswer(_Answer):
    """The first rows of the target table, and how many there are."""

    columns: list[str]
    rows: list[list[Any]]
    count: int


class TemplateAnswer(_Answer):
    """One version of a template."""

    template: Template
    version: int
    created_by: str = ""
    created_at: str = ""

    @classmethod
    def of(cls, version: TemplateVersion) -> TemplateAnswer:
        """The view of a stored version."""
        return cls(
            template=version.template,
            version=version.template.version,
            created_by=version.created_by,
            created_at=version.created_at,
        )


class TemplatesAnswer(_Answer):
    """One page of templates, by name."""

    templates: list[TemplateAnswer]
    cursor: str | None = None


class ScheduleAnswer(_Answer):
    """One version of a schedule."""

    schedule: Schedule
    version: int
    created_by: str = ""
    created_at: str = ""
    deleted: bool = False

    @classmethod
    def of(cls, version: ScheduleVersion) -> ScheduleAnswer:
        """The view of a stored version."""
        return cls(
            schedule=version.schedule,
            version=version.schedule.version,
            created_by=version.created_by,
            created_at=version.created_at,
            deleted=version.deleted,
        )


class SchedulesAnswer(_Answer):
    """One page of schedules, by name."""

    schedules: list[ScheduleAnswer]
    cursor: str | None = None


class ScheduleVersionsAnswer(_Answer):
    """Versions of a schedule, newest first."""

    versions: list[ScheduleAnswer]
    cursor: str | None = None


class DeletedAnswer(_Answer):
    """What was taken out of use."""

    deleted: str


class EmptiedAnswer(_Answer):
    """How many rows were taken out of a table."""

    deleted: int


class CheckView(_Answer):
    """One peer of the service."""

    ok: bool
    milliseconds: float
    detail: str = ""


class HealthAnswer(_Answer):
    """How the service is; its peers are told of to engineers alone."""

    status: Literal["ok", "degraded"]
    checks: dict[str, CheckView] | None = None
