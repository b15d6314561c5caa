"""Undo: taking published jobs back (LOD5). Asked for here, done in the database by the publish step.

An undo is a job of its own, with its own plan, hash and receipt. What it needs is in the books beside
the target, so that a job can be taken back by a service that never ran it.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from entrepot.errors import ConflictError, FatalError, NotFoundError, UsageError
from entrepot.model.contract import Classification, Contract
from entrepot.model.job import ENDED, RUNNING, Job, JobOptions, JobState, UndoRequest
from entrepot.model.receipt import Receipt
from entrepot.model.source import Source
from entrepot.ports.target import Plan, UndoSpec
from entrepot.workflow.access import Caller
from entrepot.workflow.idempotency import Once
from entrepot.workflow.life import draft_receipt
from entrepot.workflow.world import World, now

OPEN = frozenset({Classification.PUBLIC, Classification.INTERNAL})
"""Classes of fields whose values may stand in a receipt or in a list of rows that changed."""
MODE = "undo"
"""The mode of an undo's receipt."""
MOST_JOBS = 10_000
"""Jobs that one undo takes back."""
MOST_TRIES = 1000
UNDO_AGAIN = ENDED - {JobState.PUBLISHED}
"""Ends after which the same undo may be asked for again."""


def undo_spec(world: World, job: Job) -> UndoSpec:
    """What the target is told of an undo job.

    Columns stay masked when the receipt of a job says so, or the contract as it is now. Deletes may
    cascade only when all contracts that these jobs came by allow it.
    """
    if job.undo is None:
        msg = "The job does not say what it is to undo."
        raise FatalError(msg, job_id=job.job_id)
    receipts = [r for id_ in job.undo.jobs if (r := world.target.receipt(job.tenant, id_)) is not None]
    contracts = [_contract(world, job.tenant, name) for name in sorted({r.contract for r in receipts})]
    masked = {column for r in receipts for column in r.masked}
    masked |= {f.name for c in contracts if c for f in c.fields if f.classification not in OPEN}
    return UndoSpec(
        tenant=job.tenant,
        job_id=job.job_id,
        jobs=list(job.undo.jobs),
        allow_cascade=bool(contracts) and all(c is not None and c.allow_cascade for c in contracts),
        masked=sorted(masked),
    )


def _contract(world: World, tenant: str, name: str) -> Contract | None:
    try:
        return world.config.contract(tenant, name).contract
    except NotFoundError:
        return None


class UndoWork:
    """What publishing an undo takes."""

    def __init__(self, world: World, job: Job) -> None:
        self._world = world
        self._job = job
        self._spec = undo_spec(world, job)

    def plan(self) -> Plan:
        """What would be taken back now."""
        return self._world.target.plan_undo(self._spec)

    def start(self, seconds: float, plan_hash: str) -> Receipt | None:
        """Starts the transaction, or looks for its receipt."""
        first = self._world.target.receipt(self._job.tenant, self._spec.jobs[0])
        draft = draft_receipt(self._job, JobState.PUBLISHED, now(self._world)).model_copy(
            update={"mode": MODE, "target": first.target if first else "", "accepted": 0, "plan_hash": plan_hash}
        )
        return self._world.target.start_undo(self._spec, draft, seconds=seconds, plan_hash=plan_hash)

    def is_overtaken(self) -> bool:
        """An undo has no order of versions."""
        return False

    def done(self, receipt: Receipt) -> None:
        """The items of the undone jobs show what their receipts in the database now say."""
        for job_id in receipt.undo.jobs if receipt.undo else self._spec.jobs:
            fresh = self._world.target.receipt(self._job.tenant, job_id)
            try:
                undone = self._world.jobs.get(self._job.tenant, job_id)
                if fresh is not None and undone.receipt != fresh:
                    self._world.jobs.update(undone, {"receipt": fresh}, expect={JobState.PUBLISHED})
            except (NotFoundError, ConflictError):
                continue  # known to the target's books alone


@dataclass(frozen=True, slots=True)
class UndoAsk:
    """What a request for an undo says beside what to take back."""

    plan: bool = False
    hash: str = ""
    """Take back exactly this plan, known from an earlier undo job."""
    message: str = ""


class Undos:
    """Takes requests for undos.

    Args:
        world: The ports.
        token: Gives texts that no other call gives.
    """

    def __init__(self, world: World, token: Callable[[], str]) -> None:
        self._world = world
        self._token = token

    def of_job(self, caller: Caller, job_id: str, ask: UndoAsk, once: Once) -> Job:
        """A job that takes one published job back.

        Raises:
            NotFoundError: This tenant has no such job.
            ConflictError: It was not published, or is undone or being undone; ``facts`` say by whom.
        """
        known = self._known(caller.tenant, job_id)
        if known is not None and known.state is not JobState.PUBLISHED:
            raise _not_published(known)
        receipt = self._world.target.receipt(caller.tenant, job_id)
        if receipt is None:
            if known is None:
                raise NotFoundError(f"There is no job {job_id[:64]!r}.", job_id=job_id[:64])
            msg = "The target's books have no receipt of this job."
            raise ConflictError(msg, hint="Is this the database that it was published to?", job_id=job_id)
        if receipt.mode == MODE:
            msg = "An undo cannot be taken back."
            raise ConflictError(msg, hint="Import the file again.", job_id=job_id)
        return self._begin(caller, [job_id], receipt, ask, once)

    def to_time(self, caller: Caller, target: str, to: str, ask: UndoAsk, once: Once) -> Job:
        """A job that takes back every job of a table that was published after a moment, newest first.

        Raises:
            UsageError: The moment or the table cannot be one.
            NotFoundError: This tenant published nothing into the table since.
        """
        schema, table = _table(target)
        moment = _moment(to, self._world.clock.now())
        jobs = self._world.target.jobs_since(caller.tenant, schema, table, moment)
        if len(jobs) > MOST_JOBS:
            msg = f"{len(jobs)} jobs were published since; one undo takes back at most {MOST_JOBS}."
            raise UsageError(msg, hint="Name a later moment first.", jobs=len(jobs))
        receipt = self._world.target.receipt(caller.tenant, jobs[0]) if jobs else None
        if receipt is None:
            msg = f"There is no job that was published into {schema}.{table} since {moment}."
            raise NotFoundError(msg, hint="Nothing is to be taken back.", target=f"{schema}.{table}", since=moment)
        return self._begin(caller, jobs, receipt, ask, once, until=moment)

    def _known(self, tenant: str, job_id: str) -> Job | None:
        try:
            return self._world.jobs.get(tenant, job_id)
        except NotFoundError:
            return None

    def _begin(
        self, caller: Caller, jobs: list[str], receipt: Receipt, ask: UndoAsk, once: Once, *, until: str = ""
    ) -> Job:
        """The undo job; repeated with its idempotency key, the request finds the one that it made.

        The id follows from what is undone, so that of two requests at once only one makes a job.
        """
        attempt, running = self._latest(caller.tenant, jobs)
        free = running is None and not receipt.undone_by
        claim = once.claim(self._world.config, caller, f"{attempt} {'free' if free else 'taken'} {self._token()}")
        number, word, _ = claim.result.split(" ", 2)
        if word == "free":
            job = self._job(caller, jobs, receipt, ask, attempt=int(number), until=until)
            if self._world.jobs.create(job):
                self._world.executions.start(job.tenant, job.job_id, job.leg)
                return self._world.jobs.get(job.tenant, job.job_id)
            if not claim.first:
                made = self._world.jobs.get(job.tenant, job.job_id)
                if made.state in RUNNING:
                    self._world.executions.start(made.tenant, made.job_id, made.leg)
                return made
            running = self._world.jobs.get(job.tenant, job.job_id)
        raise _taken(jobs[0], running, receipt)

    def _latest(self, tenant: str, jobs: Sequence[str]) -> tuple[int, Job | None]:
        """The number of the next attempt, and the undo that stands in its way."""
        for attempt in range(MOST_TRIES):
            found = self._known(tenant, undo_id(tenant, jobs, attempt))
            if found is None:
                return attempt, None
            if found.state not in UNDO_AGAIN:
                return attempt, found
        msg = f"This undo was tried {MOST_TRIES} times."
        raise ConflictError(msg)

    def _job(self, caller: Caller, jobs: list[str], receipt: Receipt, ask: UndoAsk, *, attempt: int, until: str) -> Job:
        stamp = now(self._world)
        name = receipt.source.rsplit("/", 1)[-1] or receipt.contract
        return Job(
            tenant=caller.tenant,
            job_id=undo_id(caller.tenant, jobs, attempt),
            kind="undo",
            attempt=attempt,
            actor=caller.actor,
            origin="api",
            contract=receipt.contract,
            contract_version=receipt.contract_version,
            source=Source(uri=f"undo:{jobs[0]}", name=f"undo of {name}"),
            options=JobOptions(plan=ask.plan, message=ask.message),
            approved_plan=ask.hash,
            undo=UndoRequest(jobs=jobs, until=until),
            parent=jobs[0],
            received_at=stamp,
            updated_at=stamp,
        )


def undo_id(tenant: str, jobs: Sequence[str], attempt: int) -> str:
    """An undo job's id: a hash of what it takes back, 26 letters and digits."""
    digest = hashlib.sha256("\x00".join((tenant, "undo", *jobs, str(attempt))).encode()).digest()
    return base64.b32encode(digest).decode().lower()[:26]


def _not_published(job: Job) -> ConflictError:
    hint = "Nothing of it is in the target."
    if job.state is JobState.ALREADY_PUBLISHED and job.receipt is not None:
        hint = f"Job {job.receipt.parent} brought its rows: take that one back."
    msg = f"The job is {job.state.value}; only a published job is taken back."
    return ConflictError(msg, hint=hint, state=job.state.value, job_id=job.job_id)


def _taken(job_id: str, running: Job | None, receipt: Receipt) -> ConflictError:
    by = running.job_id if running else receipt.undone_by
    undone = receipt.undone_by or (running is not None and running.state is JobState.PUBLISHED)
    state = running.state.value if running else JobState.PUBLISHED.value
    if undone:
        return ConflictError(f"Job {job_id} was taken back by job {by}.", undo_job=by, state=state)
    hint = "Look at that job."
    if state == JobState.AWAITING_APPROVAL.value:
        hint = "Its plan waits: publish it by its hash, or reject it."
    return ConflictError(f"Job {job_id} is being taken back by job {by}.", hint=hint, undo_job=by, state=state)


def _table(target: str) -> tuple[str, str]:
    parts = target.split(".") if "." in target else ["public", target]
    if len(parts) != 2 or not all(parts) or any("\x00" in p or len(p.encode()) > 63 for p in parts):
        raise UsageError(f"target {target[:130]!r} is not schema.table.")
    return parts[0], parts[1]


def _moment(text: str, present: datetime) -> str:
    """An ISO time in UTC; a time without a zone is taken as UTC.

    Raises:
        UsageError: It is none, or has not come yet.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"to {text[:60]!r} is not an ISO date and time.", hint="2026-12-01T06:00:00Z.") from None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    if moment > present:
        raise UsageError(f"to {text[:60]!r} has not come yet.", hint="Name a moment in the past.")
    return moment.isoformat().replace("+00:00", "Z")
