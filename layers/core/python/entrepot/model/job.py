"""Jobs: one run of an import, its states and what is known of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field

from entrepot.model.base import Model, Stored
from entrepot.model.collection import CollectionAsk
from entrepot.model.contract import Mode, Slice
from entrepot.model.receipt import InputAccount, Receipt, Skipped
from entrepot.model.source import Detection, Source, SplitState
from entrepot.model.usage import Usage


class JobState(StrEnum):
    """Where a job stands. DESIGN: no execution waits for a person."""

    RECEIVED = "received"
    DETECTING = "detecting"
    SPLITTING = "splitting"
    AWAITING_MAPPING = "awaiting_mapping"
    LOADING = "loading"
    CHECKING = "checking"
    AWAITING_APPROVAL = "awaiting_approval"
    PUBLISHING = "publishing"
    FAILED = "failed"
    PUBLISHED = "published"
    ALREADY_PUBLISHED = "already_published"
    SUPERSEDED = "superseded"
    REFUSED = "refused"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


TERMINAL = frozenset(
    {
        JobState.PUBLISHED,
        JobState.ALREADY_PUBLISHED,
        JobState.SUPERSEDED,
        JobState.REFUSED,
        JobState.EXPIRED,
        JobState.CANCELLED,
    },
)
"""States that never change again. FAILED is resumable while its staging is kept."""

AWAITING = frozenset({JobState.AWAITING_MAPPING, JobState.AWAITING_APPROVAL})
ENDED = TERMINAL | {JobState.FAILED}
"""States in which nothing runs and nobody is asked: what `jobs watch` waits for."""
RUNNING = frozenset(JobState) - ENDED - AWAITING
CANCELLABLE = frozenset(JobState) - TERMINAL - {JobState.PUBLISHING}

EXIT_CODES: dict[JobState, int] = {
    JobState.PUBLISHED: 0,
    JobState.ALREADY_PUBLISHED: 0,
    JobState.REFUSED: 1,
    JobState.SUPERSEDED: 1,
    JobState.CANCELLED: 1,
    JobState.EXPIRED: 1,
    JobState.FAILED: 3,
    JobState.AWAITING_MAPPING: 4,
    JobState.AWAITING_APPROVAL: 4,
}
"""The CLI's exit code for a job that came to rest (DESIGN.md, interfaces)."""


class Step(StrEnum):
    """The steps of an import whose results are kept, so that a later leg skips them."""

    DETECT = "detect"
    SPLIT = "split"
    MAP = "map"
    CHECK = "check"
    GATE = "gate"
    PUBLISH = "publish"


class ErrorInfo(Model):
    """Why a job failed or was refused; never a row's value."""

    code: str
    message: str
    hint: str = ""
    step: str = ""
    chunk: str = ""
    facts: dict[str, Any] = Field(default_factory=dict)


class Awaiting(Model):
    """What a person is asked, and until when."""

    question: Literal["mapping", "contract", "plan"]
    """``mapping``: which column feeds which field; ``contract``: is this draft right?; ``plan``: shall exactly
    this be published (or taken back)?"""
    since: str
    deadline: str
    detail: dict[str, Any] = Field(default_factory=dict)
    """Column and field names, never values."""
    reminded: bool = False


class Progress(Model):
    """Running counts, for the live bar. The truth is the receipt."""

    bytes_total: int = 0
    bytes_done: int = 0
    chunks_total: int = 0
    chunks_done: int = 0
    read: int = 0
    accepted: int = 0
    quarantined: int = 0


class Tally(Model):
    """What check counted over the whole file, from the ledger; the gate judges by it."""

    read: int = 0
    accepted: int = 0
    duplicate: int = 0
    quarantined: int = 0
    collapsed: int = 0
    """Rows that became part of another one."""
    inputs: list[InputAccount] = Field(default_factory=list, max_length=1000)
    """Of a job of many objects: what each brought."""


class MappedColumn(Model):
    """One pair of a mapping: the source's column (by place and name) and the contract's field."""

    index: int
    """0-based place in the source's records."""
    column: str
    field: str
    reason: str = "exact"


class PlanCounts(Model):
    """What a publish or an undo would do to the target, in rows."""

    insert: int = 0
    update: int = 0
    unchanged: int = 0
    delete: int = 0
    """Rows that the source deletes (feed); for an undo, inserted rows that go."""
    remove: int = 0
    """Rows taken because the source lacks them (replace, delete-missing)."""
    close: int = 0
    """History versions that end."""
    filtered: int = 0
    filtered_by: dict[str, int] = Field(default_factory=dict)
    keep: int = 0
    """Undo: rows that are left as they are, because they were edited since."""
    children: dict[str, int] = Field(default_factory=dict)
    """Foreign key → rows of other tables that deletes would take along or blank, however many keys away."""
    lost: dict[str, int] = Field(default_factory=dict)
    """Undo: foreign key → rows of other tables that the jobs took along or blanked. They do not come back."""


class PlanSummary(Model):
    """A plan that waits for a person, as the job item keeps it. Its rows are read from the target's database."""

    hash: str
    """Order-free digest of every planned action, its key and the row it finds."""
    counts: PlanCounts
    made_at: str = ""
    held: str = ""
    """Why the job waits, when nobody asked for a plan: e.g. it would remove more than the contract allows."""
    stale: list[dict[str, Any]] = Field(default_factory=list, max_length=100)
    """Rows (their keys, masked where they must be) that changed between the previous plan and its publish."""


class UndoRequest(Model):
    """What an undo job takes back."""

    jobs: list[str] = Field(min_length=1, max_length=10_000)
    """Published jobs of one target, newest first."""
    until: str = ""
    """ISO time of `undo --to`; empty for an undo of named jobs."""


class MergeOptions(Model):
    """How the rows of several objects become one."""

    precedence: list[Annotated[str | int, Field(union_mode="left_to_right")]] = Field(min_length=1, max_length=10_000)
    """Objects by name, or by place from 1: of a key's values in a field, the first that is not blank counts.
    Objects that are not named come after, in their order."""


class JobOptions(Model):
    """What the caller asked for beside the file."""

    force: bool = False
    plan: bool = False
    """Stop before publish with the exact plan, and wait for a person."""
    slice: Slice = Field(default_factory=dict, max_length=32)
    """The part of the table that this job is about; the contract's own slice holds as well."""
    only_if: str = Field(default="", pattern=r"^(|empty|unchanged(:.{1,128})?)$")
    """``empty``: publish only into an empty target (or slice). ``unchanged``: only when it is proved that nobody but
    Entrepot changed it since the last publish, or since the job that is named."""
    incremental: bool = False
    """Of a prefix, take only what is new or changed since the last published job of contract and prefix."""
    merge: MergeOptions | None = None
    """Rows of one key from several objects become one row."""
    priority: int = Field(default=5, ge=0, le=9)
    """9 goes first when jobs wait for each other."""
    mode: Mode | None = None
    fail_on_quarantine: bool = False
    message: str = ""
    metadata: dict[str, Any] = Field(default_factory=dict)
    mapping: dict[str, str] = Field(default_factory=dict)
    """Source column → field, stated by a person."""
    delimiter: str | None = None
    encoding: str | None = None
    format: str | None = Field(default=None, max_length=32)
    """Read as this format, whatever the content looks like."""
    table: str | int | None = Field(default=None, union_mode="left_to_right")
    """The sheet or table that is read, by name or by place from 0; the best when None."""
    member: str | None = Field(default=None, max_length=1024)
    """Of an archive, the members that are read: a name, or a pattern with ``*``."""
    path: str | None = Field(default=None, max_length=1024)
    """Of XML, the element that repeats; of JSON, the array of records."""
    arrays: Literal["keep", "explode"] = "keep"
    """What becomes of arrays inside a record."""
    formula_escape: bool = False
    """Text was made safe for spreadsheets, as the manifest of an export says: its apostrophes are taken off again."""
    pattern: str | None = Field(default=None, max_length=64)
    """Of log lines: the name of their pattern."""


class Job(Stored):
    """One job. Stored as the META item; moves only through `JobStore`."""

    tenant: str
    job_id: str
    kind: Literal["import", "undo", "collection", "inspection"] = "import"
    state: JobState = JobState.RECEIVED
    leg: int = 1
    attempt: int = 0
    """Number of forced repeats of the same delivery."""
    seq: int = 0
    """Number of the last event."""
    actor: str = ""
    origin: Literal["drop", "upload", "api", "records", "schedule", "cli"] = "drop"
    contract: str
    contract_version: int = 0
    """Pinned at intake; 0 while none is approved."""
    template: str = ""
    template_version: int = 0
    source: Source
    options: JobOptions = Field(default_factory=JobOptions)
    detection: Detection | None = None
    split: SplitState | None = None
    chunks_key: str = ""
    """Work-bucket key of the JSON array of chunks, once split."""
    mapping: list[MappedColumn] | None = None
    spec_key: str = ""
    """Work-bucket key of the LoadSpec, once mapped."""
    done: list[Step] = Field(default_factory=list)
    progress: Progress = Field(default_factory=Progress)
    usage: Usage = Field(default_factory=Usage)
    """What the job used so far; the store adds to it as chunks are done and legs end."""
    tally: Tally | None = None
    reloads: int = 0
    """How often check had chunks loaded again."""
    doubts: list[str] = Field(default_factory=list)
    skipped: list[Skipped] = Field(default_factory=list, max_length=1000)
    """Members of its archives that were left out."""
    error: ErrorInfo | None = None
    awaiting: Awaiting | None = None
    plan: PlanSummary | None = None
    approved_plan: str = ""
    """Hash of the plan that a person said yes to; publish does that or nothing."""
    undo: UndoRequest | None = None
    collection: CollectionAsk | None = None
    receipt: Receipt | None = None
    parent: str = ""
    received_at: str = ""
    updated_at: str = ""
    finished_at: str = ""

    @property
    def execution_name(self) -> str:
        """Name of the execution of the current leg; at most 80 characters."""
        return f"{self.job_id}-{self.leg}"

    def work_key(self, *parts: str) -> str:
        """Key of one of the job's own objects in the work bucket."""
        return "/".join(("jobs", self.job_id, *parts))


class JobEvent(Stored):
    """One change of a job's state or phase. Numbers have no gaps within a job."""

    tenant: str
    job_id: str
    seq: int
    at: str
    state: JobState
    detail: dict[str, Any] = Field(default_factory=dict)
    """Ids and counts only."""


class ChunkRecord(Stored):
    """What is known of one chunk: the CHUNK# item."""

    id: str
    chunk_state: Literal["loaded", "failed"]
    read: int = 0
    accepted: int = 0
    quarantined: int = 0
    bytes: int = 0
    error: str = ""
    cause: str = ""
