"""The map step: which column feeds which field, and does the target table fit?

A sure mapping goes on. An unsure one, or a contract that nobody has approved yet, ends the leg in an
awaiting state: no execution waits for a person.
"""

from __future__ import annotations

from typing import Any, Literal

from entrepot.detect.infer import infer_contract
from entrepot.detect.profile import Profile
from entrepot.errors import ConflictError, FatalError, RetriableError, SourceError, TargetError
from entrepot.load import check_slice, fit
from entrepot.model.contract import Contract, ContractStatus, ContractVersion
from entrepot.model.job import RUNNING, Job, JobState, Step
from entrepot.model.source import Detection
from entrepot.model.steps import LoadSpec, MergeRange, StepInput, StepOutput
from entrepot.workflow.chunks import read_chunks
from entrepot.workflow.columns import (
    check_mergeable,
    map_inputs,
    merge_ranges,
    merged_columns,
    merged_profile,
    precedence,
)
from entrepot.workflow.inputs import detection_of, every_input
from entrepot.workflow.inspecting import conclude
from entrepot.workflow.life import answer, end, enter, error_info, finish_step, is_over, question
from entrepot.workflow.precedence import came_before
from entrepot.workflow.world import World, now, work_uri


def map_source(world: World, step: StepInput) -> StepOutput:
    """Pins contract, mapping and target shape into the job's LoadSpec, and makes staging."""
    job = world.jobs.get(step.tenant, step.job_id)
    if is_over(job, step.leg):
        return answer(step, "stop")
    if job.kind == "inspection":
        return conclude(world, job, step)
    try:
        if Step.MAP not in job.done:
            mapped = _map(world, job)
            if mapped is None:
                return answer(step, "stop")
            job = mapped
        # A leg that begins while publish runs must not take the job back to loading.
        if job.state is not JobState.PUBLISHING and enter(world, job, JobState.LOADING) is None:
            return answer(step, "stop")
    except (SourceError, TargetError) as error:
        end(world, job, JobState.REFUSED, error=error_info(error, Step.MAP))
        return answer(step, "stop")
    except ConflictError:
        return answer(step, "stop")
    return answer(step, "next", chunks_key=job.chunks_key)


def _map(world: World, job: Job) -> Job | None:
    detection = job.detection
    if detection is None:
        msg = "The job was never detected."
        raise FatalError(msg, job_id=job.job_id)
    version = _contract(world, job, detection)
    if version.status is ContractStatus.DRAFT:
        _await(world, job, "contract", {"version": version.contract.version})
        return None
    contract = _with_template(world, job, version.contract)
    mode = job.options.mode or contract.effective_mode()
    if came_before(world, job, mode):
        return None
    if job.options.merge is not None:
        check_mergeable(contract, mode)
    found = map_inputs(world, job, contract)
    if found.question is not None:
        if found.asked is not None:
            job = world.jobs.update(job, {"detection": found.asked}, expect=RUNNING)
        _await(world, job, "mapping", found.question)
        return None
    schema, table = contract.table_parts()
    fitted = fit(contract, mode, found.columns, world.target.describe(schema, table))
    spec = LoadSpec(
        tenant=job.tenant,
        job_id=job.job_id,
        contract=fitted.contract,
        mode=mode,
        detection=detection,
        mapping=found.columns,
        target_schema=schema,
        target_table=table,
        create_target=fitted.create_target,
        columns=fitted.columns,
        key=fitted.key,
        chunks_total=job.progress.chunks_total,
        unlogged=world.settings.staging_unlogged,
        inputs=job.source.inputs,
        merge=_merge(world, job),
        slice=contract.slice | job.options.slice,
        only_if=job.options.only_if,
        force=job.options.force,
    )
    check_slice(spec)
    spec = world.target.prepare(spec)
    key = job.work_key("spec.json")
    world.blobs.write(work_uri(world, key), spec.model_dump_json().encode())
    changes = {
        "mapping": found.columns,
        "spec_key": key,
        "contract_version": version.contract.version,
        "doubts": _merged(job.doubts, found.doubts),
    }
    return finish_step(world, job, Step.MAP, changes)


def _merge(world: World, job: Job) -> list[MergeRange]:
    if job.options.merge is None:
        return []
    if not job.source.inputs:
        # One object has nothing to give way to, but what is said of it must be so all the same.
        precedence(job.options.merge, [job.source.name])
        return []
    inputs = [(one.n, one.source.name) for one in every_input(world, job)]
    return merge_ranges(job.options.merge, inputs, read_chunks(world, job.chunks_key))


def _contract(world: World, job: Job, detection: Detection) -> ContractVersion:
    """The pinned version, the one approved meanwhile, the waiting draft, or a new draft."""
    if job.contract_version:
        return world.config.contract(job.tenant, job.contract, job.contract_version)
    head = world.config.contract_head(job.tenant, job.contract)
    if head is not None and head.latest:
        return world.config.contract(job.tenant, job.contract, head.current or head.latest)
    columns = merged_columns(world, job)
    together = detection.model_copy(update={"columns": columns})
    draft = infer_contract(together, _profile(world, job, columns), job.contract)
    stamp = now(world)
    return world.config.put_contract(
        ContractVersion(
            tenant=job.tenant,
            contract=draft,
            status=ContractStatus.DRAFT,
            created_by=job.actor,
            created_at=stamp,
            inferred_from=job.job_id,
        ),
    )


def _profile(world: World, job: Job, columns: list[str]) -> Profile:
    detections = [detection_of(one) for one in every_input(world, job)]
    parts = []
    for chunk in read_chunks(world, job.chunks_key):
        key = job.work_key("profile", f"{chunk.id}.json")
        profile = Profile.model_validate_json(world.blobs.read(work_uri(world, key)))
        parts.append((profile, detections[chunk.input]))
    if not parts:
        msg = "No chunk was profiled."
        raise RetriableError(msg, job_id=job.job_id)
    merged = merged_profile(parts, columns)
    world.meter.add(merged.usage)
    return merged


def _with_template(world: World, job: Job, contract: Contract) -> Contract:
    """The contract as the job's template tightens or loosens it."""
    if not job.template:
        return contract
    template = world.config.template(job.tenant, job.template, job.template_version).template
    changes: dict[str, Any] = {}
    if template.on_invalid is not None:
        changes["on_invalid"] = template.on_invalid
    if template.thresholds is not None:
        changes["thresholds"] = template.thresholds
    return contract.model_copy(update=changes)


def _await(world: World, job: Job, what: Literal["mapping", "contract"], detail: dict[str, Any]) -> None:
    state = JobState.AWAITING_MAPPING if what == "mapping" else JobState.AWAITING_APPROVAL
    world.jobs.transition(
        job,
        state,
        expect={JobState.SPLITTING, JobState.LOADING, JobState.RECEIVED, JobState.DETECTING},
        changes={"awaiting": question(world, what, detail)},
        detail={"question": what},
    )


def _merged(first: list[str], second: list[str]) -> list[str]:
    return list(dict.fromkeys([*first, *second]))
