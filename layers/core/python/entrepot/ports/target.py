"""The database that rows are published to."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from entrepot.model.job import PlanSummary
from entrepot.model.receipt import Receipt
from entrepot.model.steps import LoadSpec

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class ColumnShape:
    """One column of an existing table, from the catalogue."""

    name: str
    pg_type: str
    """As ``format_type`` prints it."""
    nullable: bool
    has_default: bool
    generated: bool = False
    """Generated always, as expression or identity: cannot be written."""


@dataclass(frozen=True, slots=True)
class TableShape:
    """An existing table, from the catalogue."""

    schema: str
    table: str
    columns: list[ColumnShape]
    primary_key: list[str] = field(default_factory=list)
    unique_keys: list[list[str]] = field(default_factory=list)
    """Column sets with a valid, non-partial, non-deferrable unique index (primary key included)."""
    kind: str = "r"
    """``relkind``: r table, p partitioned table; anything else cannot be loaded."""


@dataclass(frozen=True, slots=True)
class ChunkCounts:
    """One chunk's row in the staging ledger."""

    chunk_id: str
    read: int
    accepted: int
    quarantined: int


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """One ledger row beside what staging really holds."""

    chunk_id: str
    read: int
    accepted: int
    quarantined: int
    staged: int
    """``count(*)`` of the chunk's rows in staging plus those that check moved out."""


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row that check took out of staging. ``code`` is a finding's code."""

    chunk_id: str
    row: int
    code: str
    field: str = ""
    detail: str = ""
    """For people, without values: e.g. the row number that was kept."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What check found. ``refused`` is streamed by ``refusals``."""

    accepted: int
    duplicate: int
    quarantined: int
    collapsed: int = 0
    """Feed: rows that later rows of their key superseded."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a publish or an undo would do just now. ``summary.made_at`` is the caller's to fill."""

    summary: PlanSummary
    target_rows: int
    """Rows of the target (or of the slice) that the shares are taken of."""


@dataclass(frozen=True, slots=True)
class PlannedRow:
    """One row of a plan, for people. Values are as text; the caller masks what must be masked."""

    n: int
    """Its place in the plan, from 1; pages go on after it."""
    action: str
    """``insert``, ``update``, ``delete``, ``remove``, ``close``; of an undo ``remove``, ``restore``,
    ``reinsert``, ``keep``."""
    key: dict[str, str | None]
    """Column → value; empty for a table without a key."""
    old: dict[str, str | None] | None
    """Column → value now, of the columns that change; None for an insert."""
    new: dict[str, str | None] | None
    """Column → value after it; None for a delete."""
    chunk_id: str = ""
    row: int = 0
    """Row number in the source, 0 when the source has none."""
    moved: bool = False
    """Whether the target's row has changed since the plan was made."""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Expired:
    """What became of journals that were kept long enough."""

    dropped: int
    """Of how many jobs."""
    stuck: list[str] = field(default_factory=list)
    """Jobs whose journal could not be dropped now: a table is in use, or is another role's."""


@dataclass(frozen=True, slots=True)
class UndoSpec:
    """What an undo job is to take back."""

    tenant: str
    job_id: str
    jobs: list[str]
    """Published jobs of one target, newest first."""
    allow_cascade: bool = False
    masked: list[str] = field(default_factory=list)
    """Target columns whose values must not be shown in the list of kept rows."""


class Target(Protocol):
    """Staging, check and publish in one database.

    Raises everywhere: ``UnavailableError`` when the database cannot be reached or is restarting,
    ``RetriableError`` for deadlocks and serialisation faults, ``TargetError`` for what the table
    refuses, ``ConfigurationError`` for missing rights or a missing ``entrepot`` schema.
    """

    def ping(self) -> str:
        """Version text of the server."""

    def migrate(self) -> list[str]:
        """Applies pending migrations under an advisory lock; their names."""

    def describe(self, schema: str, table: str) -> TableShape | None:
        """The table's shape, or None when there is no such table."""

    def prepare(self, spec: LoadSpec) -> LoadSpec:
        """Makes staging and ledger for a job when missing; the spec with its staging name. Idempotent."""

    def load(self, spec: LoadSpec, counts: ChunkCounts, batches: Iterable[pa.RecordBatch]) -> bool:
        """Ledger row first, then COPY, one transaction; False when the chunk was there already.

        Batches have the columns of ``spec.columns`` (by ``field`` name, Arrow types as
        `entrepot.validate` makes them) followed by ``_row`` (int64).
        """

    def ledger(self, spec: LoadSpec) -> list[LedgerLine]:
        """The ledger against what staging holds, chunk by chunk; empty when staging is gone."""

    def forget_chunks(self, spec: LoadSpec, chunk_ids: Sequence[str]) -> None:
        """Removes chunks (rows and ledger) from staging so that they can be loaded again."""

    def check(self, spec: LoadSpec) -> CheckResult:
        """Set-based checks on staging; refused rows leave it. Idempotent."""

    def refusals(self, spec: LoadSpec) -> Iterator[RefusedRow]:
        """What check took out, ordered by chunk and row."""

    def plan(self, spec: LoadSpec) -> Plan:
        """What publish would do now, by the same classification, without doing it; replaces an earlier plan.

        Raises as `start_publish` does for what can be known before.
        """

    def plan_rows(self, spec: LoadSpec, *, after: int = 0, limit: int = 100, action: str = "") -> list[PlannedRow]:
        """A page of a job's stored plan."""

    def start_publish(self, spec: LoadSpec, draft: Receipt, *, seconds: float, plan_hash: str = "") -> Receipt | None:
        """Starts ``CALL entrepot.publish`` unless it runs or has ended, and waits at most ``seconds``.

        With ``plan_hash``, the classification made under the locks must have that hash. Without it, a
        job that removes more than the contract allows is held.

        Returns the receipt once it is committed, None while it runs. ``draft`` carries everything of
        the receipt but the counts, which are recounted in the database.

        Raises:
            IntegrityError: The recount disagrees; all was rolled back.
            TargetError: The table refused a row or the publish; all was rolled back.
            PlanStaleError: The plan is no longer what would be done; ``rows`` names the rows.
            HeldError: A person must see the plan first; ``reason`` says why. Nothing was done.
            ConditionError: ``only_if`` does not hold. Nothing was done.
            PrecededError: The same content, or a later version of the same key, was published meanwhile. Likewise.
        """

    def plan_undo(self, spec: UndoSpec) -> Plan:
        """What an undo would do now, without doing it; replaces an earlier plan of this undo job.

        Raises:
            UndoError: A job cannot be taken back: it was never published here, is undone already, its
                journal is gone, or the table was replaced; ``facts`` say which job.
        """

    def undo_rows(self, spec: UndoSpec, *, after: int = 0, limit: int = 100, action: str = "") -> list[PlannedRow]:
        """A page of an undo's stored plan."""

    def start_undo(self, spec: UndoSpec, draft: Receipt, *, seconds: float, plan_hash: str = "") -> Receipt | None:
        """Starts ``CALL entrepot.undo`` unless it runs or has ended, and waits at most ``seconds``.

        One transaction takes back all jobs of ``spec``, newest first. Raises as `start_publish` and
        `plan_undo` do.
        """

    def jobs_since(self, tenant: str, schema: str, table: str, since: str) -> list[str]:
        """Published jobs of a table after an ISO time that were not taken back, newest first."""

    def expire_journals(self, before: str, keep: Collection[tuple[str, str]] = ()) -> Expired:
        """Drops undo tables, kept staging and backups of jobs published before an ISO time.

        Args:
            before: The time.
            keep: (tenant, job_id) of jobs that an undo still waits for.
        """

    def receipt(self, tenant: str, job_id: str) -> Receipt | None:
        """The receipt of a published job: the truth about it."""

    def published_before(self, tenant: str, contract: str, source: str, version: str, sha256: str) -> Receipt | None:
        """The receipt of an earlier publish of the same version or content under this contract."""

    def newer_published(self, tenant: str, contract: str, source: str, sequencer: str) -> Receipt | None:
        """The receipt of a publish of a later version of the same key (S3 sequencer order)."""

    def drop_staging(self, tenant: str, job_id: str) -> None:
        """Drops a job's ledger and plan, and its staging unless a receipt needs it for undo; no error when gone."""

    def staged_jobs(self) -> list[tuple[str, str]]:
        """(tenant, job_id) of every job with staging in this database."""

    def rows(self, schema: str, table: str, *, limit: int) -> tuple[list[str], list[list[object]]]:
        """Column names and the first rows of a table, for `entrepot rows`."""

    def empty(self, schema: str, table: str) -> int:
        """Deletes all rows of a table; how many. Only the canary's own table is ever emptied so."""

    def count(self, schema: str, table: str) -> int:
        """``count(*)`` of a table."""
