"""The receipt: a job's final account. Its numbers are recounted in the database."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from entrepot.errors import IntegrityError
from entrepot.model.base import Stored


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
