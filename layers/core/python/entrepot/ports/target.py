"""The database that rows are published to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

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

    def start_publish(self, spec: LoadSpec, draft: Receipt, *, seconds: float) -> Receipt | None:
        """Starts ``CALL entrepot.publish`` unless it runs or has ended, and waits at most ``seconds``.

        Returns the receipt once it is committed, None while it runs. ``draft`` carries everything of
        the receipt but the counts, which are recounted in the database.

        Raises:
            IntegrityError: The recount disagrees; all was rolled back.
            TargetError: The table refused a row or the publish; all was rolled back.
        """

    def receipt(self, tenant: str, job_id: str) -> Receipt | None:
        """The receipt of a published job: the truth about it."""

    def published_before(self, tenant: str, contract: str, source: str, version: str, sha256: str) -> Receipt | None:
        """The receipt of an earlier publish of the same version or content under this contract."""

    def newer_published(self, tenant: str, contract: str, source: str, sequencer: str) -> Receipt | None:
        """The receipt of a publish of a later version of the same key (S3 sequencer order)."""

    def drop_staging(self, tenant: str, job_id: str) -> None:
        """Drops a job's staging, ledger and plan; no error when gone."""

    def staged_jobs(self) -> list[tuple[str, str]]:
        """(tenant, job_id) of every job with staging in this database."""

    def rows(self, schema: str, table: str, *, limit: int) -> tuple[list[str], list[list[object]]]:
        """Column names and the first rows of a table, for `entrepot rows`."""

    def empty(self, schema: str, table: str) -> int:
        """Deletes all rows of a table; how many. Only the canary's own table is ever emptied so."""

    def count(self, schema: str, table: str) -> int:
        """``count(*)`` of a table."""
