"""What people do to jobs: cancel, approve, publish a plan, reject, confirm, resume.

Every answer is stored first; then the next leg of the state machine starts. The same path serves
recovery after a crash.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from entrepot.errors import ConflictError, EntrepotError, UsageError
from entrepot.model.contract import ContractStatus
from entrepot.model.job import AWAITING, CANCELLABLE, RUNNING, ErrorInfo, Job, JobState, Step
from entrepot.workflow.life import end
from entrepot.workflow.world import World

log = logging.getLogger(__name__)


class Lifecycle:
    """Moves that a person (or the sweep) makes on a job."""

    def __init__(self, world: World) -> None:
        self._world = world

    def cancel(self, tenant: str, job_id: str, actor: str) -> Job:
        """Ends a job untouched.

        Raises:
            ConflictError: It is being published or has ended; ``facts['state']`` says which.
        """
        job = self._world.jobs.get(tenant, job_id)
        if job.state not in CANCELLABLE:
            msg = f"The job is {job.state.value} and cannot be cancelled any more."
            raise ConflictError(msg, state=job.state.value)
        if (ended := end(self._world, job, JobState.CANCELLED, error=_by(actor, "cancelled"))) is None:
            state = self._world.jobs.get(tenant, job_id).state
            msg = f"The job is {state.value} and cannot be cancelled any more."
            raise ConflictError(msg, state=state.value)
        if job.state not in RUNNING or job.state is JobState.RECEIVED:
            self._drop_staging(job)
            self._announce_by_leg(ended)
        return self._world.jobs.get(tenant, job_id)

    def approve(self, tenant: str, job_id: str, actor: str) -> Job:
        """Answers the question of a draft contract with yes: this file and every later one goes on.

        Raises:
            ConflictError: The job does not wait for an approval, or what it asks is answered by `publish`.
        """
        job = self._world.jobs.get(tenant, job_id)
        self._must_wait_for(job, JobState.AWAITING_APPROVAL, "approval")
        if _asks_about_plan(job):
            msg = "The job waits with a plan; a plan is approved by its hash."
            hint = "Look at it, then publish it: `entrepot jobs publish`, or POST /jobs/{id}/publish with its hash."
            raise ConflictError(msg, hint=hint, state=job.state.value, question="plan")
        head = self._world.config.contract_head(tenant, job.contract)
        version = (head.current or head.latest) if head else 0
        if head is None or not version:
            msg = f"Contract {job.contract} is gone."
            raise ConflictError(msg, state=job.state.value)
        self._world.config.approve_contract(tenant, job.contract, version, by=actor)
        self.contract_approved(tenant, job.contract)
        return self._world.jobs.get(tenant, job_id)

    def publish(self, tenant: str, job_id: str, plan_hash: str, actor: str) -> Job:
        """Answers the question of a plan with yes: exactly this plan is published, or nothing.

        Raises:
            ConflictError: The job does not wait with a plan, or its plan has another hash.
        """
        job = self._world.jobs.get(tenant, job_id)
        if not _asks_about_plan(job) or job.plan is None:
            what = "waits for something else" if job.state in AWAITING else f"is {job.state.value}"
            msg = f"The job {what}: there is no plan to publish."
            raise ConflictError(msg, state=job.state.value)
        if plan_hash != job.plan.hash:
            msg = "The job's plan has another hash: this one was never made, or a newer plan has replaced it."
            hint = "Look at the plan as it is now, and publish it by its own hash."
            raise ConflictError(msg, hint=hint, state=job.state.value, plan_hash=job.plan.hash)
        if self._next_leg(job, {"approved_plan": plan_hash, "error": None}, by=actor) is None:
            msg = "Somebody else answered first."
            raise ConflictError(msg, state=self._world.jobs.get(tenant, job_id).state.value)
        return self._world.jobs.get(tenant, job_id)

    def contract_approved(self, tenant: str, contract: str) -> int:
        """Lets every job go on that waited for this contract; how many."""
        moved, cursor = 0, ""
        version = self._world.config.contract(tenant, contract)
        if version.status is not ContractStatus.APPROVED:
            return 0
        waiting: list[Job] = []
        while True:
            page = self._world.jobs.list(
                tenant, state=JobState.AWAITING_APPROVAL, contract=contract, cursor=cursor, limit=200
            )
            waiting += (job for job in page.jobs if not _asks_about_plan(job))
            if not (cursor := page.cursor):
                break
        for job in reversed(waiting):
            moved += self._next_leg(job, {"contract_version": version.contract.version}) is not None
        return moved

    def reject(self, tenant: str, job_id: str, actor: str, reason: str = "") -> Job:
        """Answers with no: the job ends refused.

        Raises:
            ConflictError: The job does not wait for anybody.
        """
        job = self._world.jobs.get(tenant, job_id)
        if job.state not in AWAITING:
            msg = f"The job is {job.state.value} and waits for nobody."
            raise ConflictError(msg, state=job.state.value)
        ended = end(self._world, job, JobState.REFUSED, error=_by(actor, "rejected", reason))
        if ended is None:
            msg = "Somebody else answered first."
            raise ConflictError(msg, state=self._world.jobs.get(tenant, job_id).state.value)
        self._drop_staging(job)
        self._announce_by_leg(ended)
        return self._world.jobs.get(tenant, job_id)

    def confirm(self, tenant: str, job_id: str, mapping: Mapping[str, str], actor: str) -> Job:
        """Stores a person's mapping of columns to fields; the job goes on with it.

        Raises:
            ConflictError: The job does not wait for a mapping.
            UsageError: A column or field in it does not exist.
        """
        job = self._world.jobs.get(tenant, job_id)
        self._must_wait_for(job, JobState.AWAITING_MAPPING, "mapping")
        contract = self._world.config.contract(tenant, job.contract, job.contract_version).contract
        fields = {f.name for f in contract.fields}
        columns = set(job.detection.columns if job.detection else ())
        for column, field in mapping.items():
            if column not in columns:
                msg = f"The file has no column {column[:80]!r}."
                raise UsageError(msg, hint=f"It has: {', '.join(sorted(columns))[:500]}.")
            if field and field not in fields:
                msg = f"Contract {job.contract} has no field {field[:80]!r}."
                raise UsageError(msg, hint=f"It has: {', '.join(sorted(fields))[:500]}.")
        options = job.options.model_copy(update={"mapping": {**job.options.mapping, **mapping}})
        self._next_leg(job, {"options": options, "actor": job.actor or actor})
        return self._world.jobs.get(tenant, job_id)

    def resume(self, tenant: str, job_id: str, actor: str) -> Job:
        """Runs what a failed job is missing.

        Raises:
            ConflictError: The job has not failed.
        """
        job = self._world.jobs.get(tenant, job_id)
        if job.state is not JobState.FAILED:
            msg = f"The job is {job.state.value}; only a failed job is resumed."
            raise ConflictError(msg, state=job.state.value)
        if self._next_leg(job, {"error": None, "receipt": None, "reloads": 0, "finished_at": ""}, by=actor) is None:
            msg = "Somebody else moved the job first."
            raise ConflictError(msg, state=self._world.jobs.get(tenant, job_id).state.value)
        return self._world.jobs.get(tenant, job_id)

    def restart(self, job: Job) -> Job | None:
        """Starts the next leg of a running job whose execution is gone (crash, restart)."""
        if job.state not in RUNNING:
            return None
        moved = self._world.jobs.update(job, {"leg": job.leg + 1}, expect={job.state})
        self._world.executions.start(moved.tenant, moved.job_id, moved.leg)
        return moved

    def _must_wait_for(self, job: Job, state: JobState, what: str) -> None:
        if job.state is not state:
            msg = f"The job is {job.state.value} and does not wait for {what}."
            raise ConflictError(msg, state=job.state.value)

    def _next_leg(self, job: Job, changes: Mapping[str, Any], *, by: str = "") -> Job | None:
        """Puts a resting job back on its way; None when somebody else moved it first."""
        values = {**changes, "leg": job.leg + 1, "awaiting": None}
        detail = {"leg": job.leg + 1} | ({"by": by} if by else {})
        try:
            moved = self._world.jobs.transition(
                job, _restart_state(job), expect={job.state}, changes=values, detail=detail
            )
        except ConflictError:
            return None
        self._world.executions.start(moved.tenant, moved.job_id, moved.leg)
        return moved

    def _drop_staging(self, job: Job) -> None:
        """Staging and plan of a job that ended at rest; what cannot be dropped now is left to the sweep."""
        if not (job.spec_key or job.plan):
            return
        try:
            self._world.target.drop_staging(job.tenant, job.job_id)
        except EntrepotError as error:
            log.warning("staging of job %s stays for the sweep: %s", job.job_id, error.code)

    def _announce_by_leg(self, job: Job) -> None:
        """No execution runs to tell the world of this end: one more leg goes straight to notify."""
        try:
            moved = self._world.jobs.update(job, {"leg": job.leg + 1}, expect={job.state})
            self._world.executions.start(moved.tenant, moved.job_id, moved.leg)
        except EntrepotError as error:
            if isinstance(error, ConflictError):
                return
            raise


def _restart_state(job: Job) -> JobState:
    """The state a leg begins in, by what is done already."""
    if Step.GATE in job.done:
        return JobState.CHECKING
    if Step.MAP in job.done:
        return JobState.LOADING
    return JobState.SPLITTING if Step.DETECT in job.done else JobState.RECEIVED


def _asks_about_plan(job: Job) -> bool:
    waits = job.state is JobState.AWAITING_APPROVAL
    return waits and job.awaiting is not None and job.awaiting.question == "plan"


def _by(actor: str, what: str, reason: str = "") -> ErrorInfo:
    message = f"The job was {what} by {actor or 'an operator'}{': ' + reason[:500] if reason else '.'}"
    return ErrorInfo(code=what, message=message, facts={"actor": actor})
