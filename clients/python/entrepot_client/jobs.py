"""Jobs: looking at them, waiting for them, answering them."""

from __future__ import annotations

import builtins
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from entrepot_client.errors import (
    JobAwaitingError,
    JobFailedError,
    JobRefusedError,
    WaitTimeoutError,
)
from entrepot_client.models import AWAITING, ENDED, PUBLISHED, JobEvent, Plan, PlannedRow, Progress, Receipt
from entrepot_client.transport import Transport, segment

Seconds = float | timedelta


def _seconds(value: Seconds) -> float:
    return value.total_seconds() if isinstance(value, timedelta) else float(value)


class Job:
    """One job as it was last seen; `refresh` looks again.

    Attributes:
        data: The service's own JSON.
    """

    def __init__(self, jobs: Jobs, data: Mapping[str, Any]) -> None:
        self._jobs = jobs
        self.data = dict(data)

    def __repr__(self) -> str:
        return f"<Job {self.id} {self.state}>"

    @property
    def id(self) -> str:
        """The job's id."""
        return str(self.data["job_id"])

    @property
    def state(self) -> str:
        """``received`` … ``published``; DESIGN.md lists them."""
        return str(self.data.get("state") or "")

    @property
    def published(self) -> bool:
        """Whether its rows are in the target (also when an earlier delivery put them there)."""
        return self.state in PUBLISHED

    @property
    def awaiting(self) -> bool:
        """Whether a person has to answer before it goes on."""
        return self.state in AWAITING

    @property
    def completed(self) -> bool:
        """Whether nothing runs any more and nobody is asked."""
        return self.state in ENDED

    @property
    def at_rest(self) -> bool:
        """Whether it is completed or awaits a person."""
        return self.completed or self.awaiting

    @property
    def progress(self) -> Progress:
        """Running counts."""
        return Progress.of(self.data.get("progress"))

    @property
    def receipt(self) -> Receipt | None:
        """The final account; None before the end."""
        data = self.data.get("receipt")
        return Receipt.of(data) if data else None

    @property
    def plan(self) -> Plan | None:
        """The plan that it waits with, or waited with; None when there was none."""
        data = self.data.get("plan")
        return Plan.of(data) if data else None

    @property
    def question(self) -> str:
        """What it asks while it waits: ``mapping``, ``contract`` or ``plan``; else empty."""
        return str((self.data.get("awaiting") or {}).get("question") or "") if self.awaiting else ""

    @property
    def error(self) -> dict[str, Any] | None:
        """Why it failed or was refused (``code``, ``message``, ``hint`` …)."""
        return self.data.get("error") or None

    def refresh(self) -> Job:
        """Looks again; returns itself."""
        self.data = self._jobs.get(self.id).data
        return self

    def wait(self, **options: Any) -> Job:
        """Waits for it to come to rest; see `Jobs.watch` for the options."""
        for seen in self._jobs.watch(self.id, **options):
            self.data = seen.data
        return self

    def raise_for_state(self) -> Job:
        """Returns itself when published.

        Raises:
            JobAwaitingError: A person has to answer first.
            JobFailedError: It failed, and can be resumed.
            JobRefusedError: It was refused, superseded, cancelled or expired.
        """
        if self.published:
            return self
        error = self.error or {}
        message = str(error.get("message") or f"Job {self.id} is {self.state.replace('_', ' ')}.")
        hint = str(error.get("hint") or "")
        if self.awaiting:
            raise JobAwaitingError(message, hint=hint or "Look at it, then approve or confirm.", job=self)
        kind = JobFailedError if self.state == "failed" else JobRefusedError
        raise kind(message, hint=hint, job=self)

    def cancel(self) -> Job:
        """Cancels it; see `Jobs.cancel`."""
        self.data = self._jobs.cancel(self.id).data
        return self

    def approve(self) -> Job:
        """Approves what it waits for."""
        self.data = self._jobs.approve(self.id).data
        return self

    def publish(self) -> Job:
        """Publishes exactly the plan that was last seen.

        Raises:
            ValueError: None was seen.
            ConflictError: It was replaced by another one, or the job does not wait.
        """
        if self.plan is None:
            msg = f"job {self.id} has no plan"
            raise ValueError(msg)
        self.data = self._jobs.publish(self.id, self.plan.hash).data
        return self

    def undo(self, **options: Any) -> Job:
        """Takes it back; see `Jobs.undo`. The answer is the undo job."""
        return self._jobs.undo(self.id, **options)

    def planned(self, action: str = "", limit: int | None = None) -> Iterator[PlannedRow]:
        """The rows of the plan that it waits with."""
        return self._jobs.planned(self.id, action=action, limit=limit)

    def events(self, after: int = 0) -> Iterator[JobEvent]:
        """Its events after number ``after``."""
        return self._jobs.events(self.id, after=after)

    def quarantine(self, limit: int | None = None) -> Iterator[dict[str, Any]]:
        """Its refused rows."""
        return self._jobs.quarantine(self.id, limit=limit)


class Jobs:
    """``client.jobs``."""

    def __init__(self, transport: Transport, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._transport = transport
        self._clock = clock

    def _job(self, answer: Mapping[str, Any]) -> Job:
        return Job(self, answer["job"])

    def get(self, job_id: str) -> Job:
        """One job.

        Raises:
            NotFoundError: There is no such job for this tenant.
        """
        return self._job(self._transport.json("GET", f"/jobs/{segment(job_id)}"))

    def list(self, *, state: str | None = None, contract: str | None = None, limit: int | None = None) -> Iterator[Job]:
        """Jobs, newest first, page after page.

        Args:
            state: Only those in this state.
            contract: Only those of this contract.
            limit: At most so many.
        """
        for data in self._transport.pages("/jobs", "jobs", limit=limit, state=state, contract=contract):
            yield Job(self, data)

    def watch(
        self,
        job_id: str,
        *,
        poll_interval: Seconds = 0.5,
        timeout: Seconds | None = None,
        first: Seconds = 0.05,
    ) -> Iterator[Job]:
        """The job again and again until it rests; the last one is at rest.

        Plain blocking calls: it works in a script, in a thread, and inside a running event loop's
        executor alike.

        Args:
            job_id: The job.
            poll_interval: The longest pause between looks; it starts short and doubles.
            timeout: How long to watch; None for as long as it takes.
            first: The first pause.

        Raises:
            WaitTimeoutError: Still running after ``timeout``. The job goes on.
        """
        started, pause, longest = self._clock(), _seconds(first), _seconds(poll_interval)
        while True:
            job = self.get(job_id)
            yield job
            if job.at_rest:
                return
            if timeout is not None and self._clock() - started >= _seconds(timeout):
                msg = f"Job {job_id} is still {job.state} after {_seconds(timeout):g} s."
                raise WaitTimeoutError(msg, hint="It goes on; look again later.")
            self._transport.sleep(min(pause, longest))
            pause = min(pause * 2, longest)

    def wait(self, job_id: str, **options: Any) -> Job:
        """The job once it rests; options as in `watch`."""
        return self.get(job_id).wait(**options)

    def events(self, job_id: str, *, after: int = 0) -> Iterator[JobEvent]:
        """Events after number ``after``, oldest first, without gaps."""
        while True:
            page = self._transport.json("GET", f"/jobs/{segment(job_id)}/events", params={"after": after, "limit": 200})
            for item in page.get("events", []):
                event = JobEvent.of(item)
                yield event
                after = event.seq
            if not page.get("events") or after >= int(page.get("last") or 0):
                return

    def quarantine(self, job_id: str, *, limit: int | None = None) -> Iterator[dict[str, Any]]:
        """Refused rows with their findings; values are masked beyond the token's clearance."""
        return self._transport.pages(f"/jobs/{segment(job_id)}/quarantine", "rows", limit=limit)

    def findings(self, job_id: str) -> builtins.list[dict[str, Any]]:
        """The findings of all refused rows, counted by code and field."""
        page = self._transport.json("GET", f"/jobs/{segment(job_id)}/quarantine", params={"limit": 1})
        return list(page.get("summary") or [])

    def refused(self, job_id: str) -> bytes:
        """The refused rows as CSV: the submitter's columns, the row number, and the reasons."""
        answer = self._transport.request("GET", f"/jobs/{segment(job_id)}/refused")
        if answer.is_redirect:
            # The presigned address stands for itself: our token has no business there.
            link = str(answer.headers["location"])
            answer = self._transport.repeat(lambda: self._transport.http.get(link), where="The download")
            answer.raise_for_status()
        return answer.content

    def cancel(self, job_id: str) -> Job:
        """Cancels a job.

        Raises:
            ConflictError: It is already publishing, or over.
        """
        return self._answer(job_id, "cancel")

    def approve(self, job_id: str) -> Job:
        """Approves what the job waits for, and lets it go on."""
        return self._answer(job_id, "approve")

    def plan(self, job_id: str) -> Plan:
        """The plan that a job waits with.

        Raises:
            NotFoundError: It has none.
            ConflictError: It has ended.
        """
        return Plan.of(self._plan_page(job_id, limit=1)["plan"])

    def planned(self, job_id: str, *, action: str = "", limit: int | None = None) -> Iterator[PlannedRow]:
        """The rows of a plan, page after page; values are masked beyond the token's clearance.

        Args:
            job_id: A job that waits with a plan.
            action: Only rows of this action: ``insert``, ``update``, ``remove`` …
            limit: At most so many.
        """
        after: int | None = 0
        left = limit
        while after is not None and (left is None or left > 0):
            page = self._plan_page(job_id, after=after, limit=min(left or 200, 200), action=action or None)
            for item in page.get("rows", [])[:left]:
                yield PlannedRow.of(item)
                left = None if left is None else left - 1
            after = page.get("after")

    def _plan_page(self, job_id: str, **params: Any) -> dict[str, Any]:
        return dict(self._transport.json("GET", f"/jobs/{segment(job_id)}/plan", params=params))

    def publish(self, job_id: str, plan_hash: str) -> Job:
        """Publishes exactly the plan of this hash.

        Raises:
            ConflictError: The job does not wait with this plan.
        """
        return self._answer(job_id, "publish", {"hash": plan_hash})

    def undo(self, job_id: str, *, plan: bool = False, plan_hash: str = "", message: str = "") -> Job:
        """Takes a published job back; the answer is the undo job.

        Args:
            job_id: The published job.
            plan: Have the undo job wait with its plan.
            plan_hash: Take back exactly this plan, which an earlier undo job made.
            message: A note kept with the receipt.

        Raises:
            ConflictError: It was not published, or is taken back already.
        """
        return self._answer(job_id, "undo", _undo(plan, plan_hash, message))

    def undo_to(
        self, target: str, to: str | datetime, *, plan: bool = False, plan_hash: str = "", message: str = ""
    ) -> Job:
        """Takes back every job that was published into a table since a moment; the answer is the undo job.

        Args:
            target: The table, ``schema.table``.
            to: The moment, as an ISO time; without a zone it is UTC.
            plan: Have the undo job wait with its plan.
            plan_hash: Take back exactly this plan, which an earlier undo job made.
            message: A note kept with the receipt.

        Raises:
            NotFoundError: Nothing was published into the table since.
        """
        moment = to.isoformat() if isinstance(to, datetime) else to
        body = {"target": target, "to": moment, **_undo(plan, plan_hash, message)}
        return self._job(self._transport.json("POST", "/undo", body=body))

    def reject(self, job_id: str) -> Job:
        """Rejects what the job waits for; it is refused."""
        return self._answer(job_id, "reject")

    def resume(self, job_id: str) -> Job:
        """Goes on with a failed job from where it stood."""
        return self._answer(job_id, "resume")

    def confirm(self, job_id: str, mapping: Mapping[str, str]) -> Job:
        """States which source column feeds which field.

        Args:
            job_id: A job in ``awaiting_mapping``.
            mapping: Source column → field.
        """
        return self._answer(job_id, "confirm", {"mapping": dict(mapping)})

    def _answer(self, job_id: str, verb: str, body: object = None) -> Job:
        return self._job(self._transport.json("POST", f"/jobs/{segment(job_id)}/{verb}", body=body or {}))


def _undo(plan: bool, plan_hash: str, message: str) -> dict[str, Any]:
    given = {"plan": plan, "hash": plan_hash, "message": message}
    return {name: value for name, value in given.items() if value}
