"""Jobs, their chunks and events; contracts, templates and schedules; uploads and idempotency."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from entrepot.model.config import ScheduleVersion, TemplateVersion, Upload
from entrepot.model.contract import ContractHead, ContractVersion
from entrepot.model.job import ChunkRecord, Job, JobEvent, JobState


@dataclass(frozen=True, slots=True)
class JobPage:
    """One page of jobs, newest first; ``cursor`` is empty on the last page."""

    jobs: list[Job]
    cursor: str = ""


class JobStore(Protocol):
    """The job's life. Every change of state is conditional and numbered."""

    def create(self, job: Job) -> bool:
        """Stores a new job and its first event; False when the id is taken (then nothing changed)."""

    def get(self, tenant: str, job_id: str) -> Job:
        """The job, read consistently.

        Raises:
            NotFoundError: This tenant has no such job.
        """

    def transition(
        self,
        job: Job,
        to: JobState,
        *,
        expect: Collection[JobState],
        changes: Mapping[str, Any] | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> Job:
        """Moves a job to a state and writes the event, in one transaction; the job as it now is.

        The condition is on the stored state being in ``expect`` and, so that two movers cannot both
        win, on the stored event number; a lost race re-reads and tries again while the stored state
        is still in ``expect``. ``changes`` are attributes of Job (models or plain values) set with it.

        Raises:
            ConflictError: The stored state is not in ``expect``; ``facts['state']`` says which it is.
            NotFoundError: The job is gone.
        """

    def update(self, job: Job, changes: Mapping[str, Any], *, expect: Collection[JobState] | None = None) -> Job:
        """Sets attributes without a change of state or an event.

        Raises:
            ConflictError: The stored state is not in ``expect``.
        """

    def finish_chunk(self, tenant: str, job_id: str, record: ChunkRecord) -> bool:
        """Puts CHUNK#n as loaded and adds its counts to META's progress, in one transaction.

        False when it was there already as loaded (nothing is counted twice). A failed record is
        replaced.
        """

    def reset_chunks(self, tenant: str, job_id: str, chunk_ids: Sequence[str]) -> None:
        """Forgets chunks (their counts too), so that they are loaded again."""

    def chunks(self, tenant: str, job_id: str) -> Iterator[ChunkRecord]:
        """All chunk records of a job, in order."""

    def chunk(self, tenant: str, job_id: str, chunk_id: str) -> ChunkRecord | None:
        """One chunk's record, read consistently."""

    def events(self, tenant: str, job_id: str, *, after: int = 0, limit: int = 100) -> list[JobEvent]:
        """Events numbered above ``after``, in order, without gaps."""

    def list(
        self,
        tenant: str,
        *,
        state: JobState | None = None,
        contract: str | None = None,
        limit: int = 50,
        cursor: str = "",
    ) -> JobPage:
        """Jobs of one tenant, newest first."""

    def live(self, *, older_than: str = "") -> Iterator[Job]:
        """Jobs of every tenant that are not terminal, last touched before ``older_than`` (ISO time)."""


class ConfigStore(Protocol):
    """Versioned configuration of one tenant. Versions are never changed, only added."""

    def contract_head(self, tenant: str, name: str) -> ContractHead | None:
        """What holds for the contract, or None when the tenant has none of that name."""

    def contract(self, tenant: str, name: str, version: int = 0) -> ContractVersion:
        """A version (0: the current one, or the latest draft when none is current).

        Raises:
            NotFoundError: No such contract or version.
        """

    def put_contract(self, version: ContractVersion) -> ContractVersion:
        """Stores the next version (its number is given here); approved versions become current."""

    def approve_contract(self, tenant: str, name: str, version: int, *, by: str) -> ContractVersion:
        """Makes a draft current. Approving the current version again changes nothing."""

    def pause_contract(self, tenant: str, name: str, *, paused: bool) -> ContractHead:
        """Pauses or unpauses a contract."""

    def delete_contract(self, tenant: str, name: str) -> None:
        """Retires a contract: no new jobs; its versions stay readable by old jobs."""

    def contracts(self, tenant: str) -> list[ContractHead]:
        """All contracts of a tenant, by name."""

    def contract_versions(self, tenant: str, name: str) -> list[ContractVersion]:
        """All versions, oldest first."""

    def template(self, tenant: str, name: str, version: int = 0) -> TemplateVersion:
        """A version (0: the latest). Raises NotFoundError."""

    def put_template(self, version: TemplateVersion) -> TemplateVersion:
        """Stores the next version."""

    def delete_template(self, tenant: str, name: str) -> None:
        """Takes a template out of use."""

    def templates(self, tenant: str) -> list[TemplateVersion]:
        """The latest version of each template."""

    def schedule(self, tenant: str, name: str) -> ScheduleVersion:
        """The latest version. Raises NotFoundError, also when deleted."""

    def put_schedule(self, version: ScheduleVersion) -> ScheduleVersion:
        """Stores the next version."""

    def schedule_versions(self, tenant: str, name: str) -> list[ScheduleVersion]:
        """All versions, oldest first."""

    def schedules(self, tenant: str) -> list[ScheduleVersion]:
        """The latest version of each schedule that is not deleted."""

    def put_upload(self, upload: Upload) -> None:
        """Stores an upload that was handed out."""

    def upload(self, tenant: str, upload_id: str) -> Upload | None:
        """The upload, or None when unknown or expired."""

    def bind_upload(self, tenant: str, upload_id: str, job_id: str) -> None:
        """Remembers which job an upload became."""

    def claim_key(self, tenant: str, key: str, fingerprint: str, result: str, *, seconds: int) -> str:
        """First use of an idempotency key stores ``result``; a repeat returns the stored one.

        Raises:
            ConflictError: The key was used with another fingerprint (body).
        """
