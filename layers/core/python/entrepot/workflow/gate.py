"""The gate (VAL4): may this job be published, by all its findings over the whole file?"""

from __future__ import annotations

from collections import Counter

import orjson

from entrepot.model.contract import Contract, OnInvalid
from entrepot.model.job import ErrorInfo, Job, JobState, Step, Tally
from entrepot.model.steps import StepInput, StepOutput
from entrepot.workflow.life import answer, end, finish_step, is_over
from entrepot.workflow.spec import read_spec
from entrepot.workflow.world import World, work_uri


def gate(world: World, step: StepInput) -> StepOutput:
    """Refuses the whole job when its refused rows are over a threshold; staging is then dropped."""
    job = world.jobs.get(step.tenant, step.job_id)
    if is_over(job, step.leg):
        return answer(step, "stop")
    if Step.GATE in job.done:
        return answer(step, "next")
    tally = job.tally or Tally()
    if tally.quarantined or tally.duplicate:
        _summarise(world, job)
    contract = read_spec(world, job).contract
    reason = verdict(contract, tally, strict=job.options.fail_on_quarantine)
    if reason:
        error = ErrorInfo(
            code="threshold",
            message=f"{reason} Nothing was published.",
            hint="See the refused rows and their reasons, correct the file and deliver it again.",
            step=Step.GATE,
            facts=tally.model_dump(),
        )
        # Staging goes first: who sees the job at rest must find nothing left behind.
        world.target.drop_staging(job.tenant, job.job_id)
        end(world, job, JobState.REFUSED, error=error)
        return answer(step, "stop")
    finish_step(world, job, Step.GATE, {})
    return answer(step, "next")


def verdict(contract: Contract, tally: Tally, *, strict: bool = False) -> str:
    """Why the job must be refused; empty when it may be published.

    Args:
        contract: Whose thresholds and strictness hold.
        tally: The counts over the whole file.
        strict: One refused row refuses the job, whatever the contract says.
    """
    refused, read = tally.quarantined, tally.read
    if refused and (strict or contract.on_invalid is OnInvalid.STRICT):
        return f"{refused} of {read} rows were refused and the job is strict."
    limits = contract.thresholds
    if limits.max_refused is not None and refused > limits.max_refused:
        return f"{refused} of {read} rows were refused; the contract allows {limits.max_refused}."
    if limits.max_refused_percent is not None and refused * 100 > limits.max_refused_percent * read:
        share = 100 * refused / read
        return (
            f"{refused} of {read} rows were refused ({share:.2f}%); the contract allows {limits.max_refused_percent}%."
        )
    return ""


def _summarise(world: World, job: Job) -> None:
    """Adds up the reasons of every chunk, for `GET /jobs/{id}/quarantine`."""
    total: Counter[str] = Counter()
    for blob in world.blobs.list(work_uri(world, job.work_key("reasons", ""))):
        total.update(orjson.loads(world.blobs.read(blob.uri)))
    key = job.work_key("quarantine", "summary.json")
    world.blobs.write(work_uri(world, key), orjson.dumps(dict(total)))
