"""The receipt: a job's final account. Its numbers are recounted in the database."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from entrepot.errors import IntegrityError
from entrepot.model.base import Model, Stored


class KeptRow(Model):
    """A row that an undo left as it was."""

    job: str
    """The job that was to be taken back."""
    key: dict[str, Any] = Field(default_factory=dict)
    """Column → value as text, masked where it must be; empty for a table without a key."""
    reason: str
    """``edited``, ``gone``, ``taken`` (another row has its place) or ``later_job``."""
    by: str = ""
    """The later job that wrote it, where that is known."""


class Undone(Model):
    """What an undo did, in rows."""

    removed: int = 0
    """Inserted rows that went."""
    restored: int = 0
    """Updated or closed rows that got their former values back."""
    reinserted: int = 0
    """Deleted rows that came back."""
    kept: int = 0
    """Rows that were edited since and are left as they are."""
    kept_rows: list[KeptRow] = Field(default_factory=list, max_length=1000)
    """The first of them."""
    jobs: list[str] = Field(default_factory=list)
    """The jobs that were taken back, newest first."""
    lost: dict[str, int] = Field(default_factory=dict)
    """Foreign key → rows of other tables that the jobs' own deletes took along or blanked. They do not come back."""


class InputAccount(Model):
    """What one of a job's objects brought."""

    source: str
    name: str = ""
    sha256: str = ""
    read: int = 0
    accepted: int = 0
    duplicate: int = 0
    quarantined: int = 0


class Skipped(Model):
    """A member of an archive that was left out."""

    name: str
    code: str
    message: str = ""


class Cost(Model):
    """What a job used, and what that would cost on AWS at list price."""

    cpu_seconds: float = 0.0
    peak_memory_mb: int = 0
    gb_seconds: float = 0.0
    invocations: int = 0
    requests: dict[str, int] = Field(default_factory=dict)
    """Service → requests."""
    state_transitions: int = 0
    usd: float = 0.0
    prices: str = ""
    """Region and date of the price table."""


class Receipt(Stored):
    """What became of every row that was read.

    For a published job
    ``read + expanded - collapsed = inserted + updated + unchanged + deleted + duplicate + filtered
    + quarantined``. A job that was not published has ``accepted`` for the first four.
    ``bytes`` is the source's size; ``seconds`` runs from intake to published.
    """

    job_id: str
    tenant: str
    actor: str = ""
    status: str
    mode: str = ""
    message: str = ""
    metadata: dict[str, Any] = Field(default_factory=dict)
    contract: str = ""
    contract_version: int = 0
    template: str = ""
    target: str = ""
    source: str = ""
    source_version: str = ""
    sequencer: str = ""
    """The source version's place in the order of its key, where there is one."""
    sha256: str = ""
    read: int = 0
    expanded: int = 0
    collapsed: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    deleted: int = 0
    duplicate: int = 0
    filtered: int = 0
    filtered_by: dict[str, int] = Field(default_factory=dict)
    quarantined: int = 0
    removed: int = 0
    closed: int = 0
    accepted: int = 0
    bytes: int = 0
    seconds: float = 0.0
    started_at: str = ""
    finished_at: str = ""
    parent: str = ""
    plan_hash: str = ""
    """Of the plan that was published, when there was one."""
    masked: list[str] = Field(default_factory=list)
    """Target columns whose values stay out of lists of rows, by their fields' classes; so that an undo knows."""
    backup: str = ""
    """The verified copy of what was there before, ``schema.table``; empty when none was needed."""
    children: dict[str, int] = Field(default_factory=dict)
    """Foreign key → rows of other tables that deletes took along or blanked (``allow_cascade``)."""
    undone_by: str = ""
    """The undo job that took this one back."""
    undo: Undone | None = None
    inputs: list[InputAccount] = Field(default_factory=list, max_length=1000)
    """Of a job of many objects: what each brought, before rows were merged; the first thousand."""
    skipped: list[Skipped] = Field(default_factory=list, max_length=1000)
    """Members of archives that are no tables or cannot be read, and why; the first thousand."""
    cost: Cost | None = None

    def accounted(self) -> int:
        """Rows whose fate is known."""
        written = self.inserted + self.updated + self.unchanged + self.deleted
        return (written or self.accepted) + self.duplicate + self.filtered + self.quarantined

    def check(self) -> None:
        """Proves row conservation (LOD6).

        Raises:
            IntegrityError: Rows were lost or counted twice.
        """
        came = self.read + self.expanded - self.collapsed
        if came != self.accounted():
            msg = f"job {self.job_id}: {came} rows came in and {self.accounted()} are accounted for"
            raise IntegrityError(msg, job_id=self.job_id, read=came, accounted=self.accounted())
