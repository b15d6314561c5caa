"""Inspections that are asked for: the steps of an import up to what it found, and nothing is imported."""

from __future__ import annotations

from dataclasses import dataclass

from entrepot.detect.infer import column_infos
from entrepot.detect.profile import Profile, merge_profiles
from entrepot.errors import NotFoundError, RetriableError
from entrepot.model.contract import Classification
from entrepot.model.inspection import Inspection, MemberInfo
from entrepot.model.job import Job, JobOptions, JobState, Step
from entrepot.model.source import ColumnInfo, TableInfo
from entrepot.model.steps import Input, StepInput, StepOutput
from entrepot.ports.world import Deadline, Executions
from entrepot.workflow.access import Caller
from entrepot.workflow.asked import start_job
from entrepot.workflow.chunks import read_chunks
from entrepot.workflow.idempotency import Once
from entrepot.workflow.inputs import detection_of, every_input
from entrepot.workflow.life import answer, end, finish_step
from entrepot.workflow.requests import WaysIn
from entrepot.workflow.sets import Named, Sets
from entrepot.workflow.world import World, work_uri

RESULT = "inspection.json"
MOST_TABLES = 200
"""Tables of one answer."""


class Inspections:
    """Takes requests for inspections.

    Args:
        world: The ports.
        executions: The state machine.
        sets: Which objects a request may name.
    """

    def __init__(self, world: WaysIn, executions: Executions, sets: Sets, *, work_bucket: str) -> None:
        self._world = world
        self._executions = executions
        self._sets = sets
        self._work = work_bucket

    def start(self, caller: Caller, named: Named, options: JobOptions, once: Once, deadline: Deadline) -> Job:
        """A job that looks at a source; a repeat with the same idempotency key finds it.

        Raises:
            ForbiddenError: The caller may not name the source.
            NotFoundError: It is not there.
        """
        source = self._sets.gathered(caller, self._sets.wanted(caller, [named]), once, deadline)
        return start_job(self._world, self._executions, caller, once, kind="inspection", source=source, options=options)

    def result(self, caller: Caller, job: Job) -> Inspection | None:
        """What was found; None while it is looked at, and when it could not be read.

        Examples are shown to those who may see personal values: nobody has said yet what a column holds.
        """
        if job.kind != "inspection":
            raise NotFoundError(f"There is no inspection {job.job_id!r}.")
        if job.state is not JobState.PUBLISHED:
            return None
        found = Inspection.model_validate_json(self._world.blobs.read(f"s3://{self._work}/{job.work_key(RESULT)}"))
        if Classification.PERSONAL in caller.clearance:
            return found
        tables = [t.model_copy(update={"columns": _without_values(t.columns)}) for t in found.tables]
        return found.model_copy(update={"columns": _without_values(found.columns), "tables": tables})


def _without_values(columns: list[ColumnInfo]) -> list[ColumnInfo]:
    return [c.model_copy(update={"examples": [], "least": "", "most": ""}) for c in columns]


@dataclass(slots=True)
class _Seen:
    """One of the job's objects, as found."""

    one: Input
    table: TableInfo
    doubts: list[str]


def conclude(world: World, job: Job, step: StepInput) -> StepOutput:
    """Joins what the chunks told into the inspection, and ends its job."""
    parts: dict[int, list[Profile]] = {}
    for chunk in read_chunks(world, job.chunks_key):
        key = job.work_key("profile", f"{chunk.id}.json")
        try:
            profile = Profile.model_validate_json(world.blobs.read(work_uri(world, key)))
        except NotFoundError:
            msg = f"Chunk {chunk.id} was not profiled."
            raise RetriableError(msg, job_id=job.job_id) from None
        parts.setdefault(chunk.input, []).append(profile)
    seen = [_look(one, merge_profiles(parts.get(one.n, [])), job) for one in every_input(world, job)]
    best = max(seen, key=lambda s: (len(s.table.columns) * ((s.table.rows or 0) + 1), -s.one.n))
    detection = detection_of(best.one)
    found = Inspection(
        format=detection.format,
        container="archive" if job.source.unpacked else "",
        members=[
            *(
                MemberInfo(name=s.one.source.name, size=s.one.source.size, format=detection_of(s.one).format)
                for s in seen
            ),
            *(MemberInfo(name=s.name, error=s.message) for s in job.skipped),
        ][:1000]
        if job.source.inputs
        else [],
        encoding=detection.encoding,
        dialect=detection.dialect if detection.format in {"csv", "fixed"} else None,
        table=best.table.name,
        columns=best.table.columns,
        rows=best.table.rows,
        tables=[s.table for s in seen][:MOST_TABLES],
        doubts=best.doubts + [d for d in job.doubts if d not in best.doubts],
    )
    world.blobs.write(work_uri(world, job.work_key(RESULT)), found.model_dump_json().encode())
    end(world, finish_step(world, job, Step.MAP, {}), JobState.PUBLISHED)
    return answer(step, "stop")


def _look(one: Input, profile: Profile, job: Job) -> _Seen:
    detection = detection_of(one)
    columns = column_infos(detection, profile)
    doubts = [*detection.doubts, *(f"Column {c.name!r}: {d}" for c in columns for d in c.doubts)]
    if profile.refused:
        doubts.append(f"{profile.refused} rows cannot be read; an import would refuse them, each with its reason.")
    name = detection.table or one.source.name.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    if job.source.inputs:
        name = one.source.name if not detection.table else f"{one.source.name}/{detection.table}"
    return _Seen(one, TableInfo(name=name, rows=profile.rows + profile.refused, columns=columns), doubts)
