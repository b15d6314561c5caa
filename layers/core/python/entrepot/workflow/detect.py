"""The detect step: what is this file? Reads as much as it needs and no more."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from entrepot.detect.recognise import Kind
from entrepot.errors import NotFoundError, SourceError, UsageError
from entrepot.model.job import Job, JobState, Step
from entrepot.model.source import SplitState
from entrepot.model.steps import Input, StepInput, StepOutput
from entrepot.ports.world import Deadline
from entrepot.workflow.committing import copy
from entrepot.workflow.inputs import BLOCK, blocks, every_input, manifest, named, read_block, write_block
from entrepot.workflow.life import answer, end, enter, error_info, finish_step, is_over
from entrepot.workflow.recognising import detection_for, kind_of
from entrepot.workflow.unpacking import unpack
from entrepot.workflow.world import World

THREADS = 8
"""Objects of a set that are looked at together."""
MOST_DOUBTS = 50
"""Notes on the objects of a set that are kept with the job."""


def detect(world: World, step: StepInput, deadline: Deadline) -> StepOutput:
    """Recognises format, encoding, dialect and columns of the job's source; ``more`` while a set is not done.

    A leg that has only publish before it (an approved plan, a publish that was cut short, an undo) is sent there.
    A source that cannot be read as anything ends the job refused, with the reason; so does one object of a set.
    """
    job = world.jobs.get(step.tenant, step.job_id)
    if is_over(job, step.leg):
        return answer(step, "stop")
    if job.kind == "collection":
        return copy(world, job, step, deadline)
    if job.kind == "undo" or Step.GATE in job.done:
        # Nothing is left to be read: what is asked for lies in the database already.
        return answer(step, "publish", chunks_key=job.chunks_key)
    if Step.DETECT in job.done:
        return answer(step, "next")
    entered = enter(world, job, JobState.DETECTING)
    if entered is None:
        return answer(step, "stop")
    try:
        finished = _run(world, entered, deadline)
    except (SourceError, UsageError) as error:
        end(world, entered, JobState.REFUSED, error=error_info(error, Step.DETECT))
        return answer(step, "stop")
    return answer(step, "next" if finished else "more")


def _run(world: World, job: Job, deadline: Deadline) -> bool:
    kind = None
    if not job.source.unpacked and not (job.split and job.split.detected):
        if not job.source.inputs:
            kind = _there(world, job)
        unpacked = unpack(world, job, deadline, kind)
        if unpacked is None:
            return False
        job = unpacked
    return _detect_all(world, job, deadline) if job.source.inputs else _detect(world, job, kind)


def _there(world: World, job: Job) -> Kind:
    try:
        return kind_of(world, job.source, job.options)
    except NotFoundError:
        raise SourceError("The file is no longer there.", hint="Deliver it again.", reason="gone") from None


def _detect(world: World, job: Job, kind: Kind | None) -> bool:
    try:
        found, size = detection_for(world, job.source, job.options, kind)
    except NotFoundError:
        raise SourceError("The file is no longer there.", hint="Deliver it again.", reason="gone") from None
    progress = job.progress.model_copy(update={"bytes_total": size})
    source = job.source.model_copy(update={"size": size})
    changes = {"detection": found, "doubts": found.doubts, "source": source, "progress": progress}
    finish_step(world, job, Step.DETECT, changes)
    return True


def _detect_all(world: World, job: Job, deadline: Deadline) -> bool:
    """Recognises the objects of a set, block by block; False when the time is used up before the last."""
    until = deadline.remaining() * 0.2
    sources = manifest(world, job)
    begun = job.split.detected if job.split else 0

    def one(place: int) -> Input:
        try:
            found, size = detection_for(world, sources[place], job.options)
        except (NotFoundError, SourceError, UsageError) as error:
            raise named(sources[place], error) from None
        return Input(n=place, source=sources[place].model_copy(update={"size": size}), detection=found)

    with ThreadPoolExecutor(THREADS) as pool:
        for number in range(begun, blocks(job)):
            places = range(number * BLOCK, min(len(sources), (number + 1) * BLOCK))
            write_block(world, job, number, list(pool.map(one, places)))
            job = world.jobs.update(job, {"split": SplitState(detected=number + 1)}, expect={JobState.DETECTING})
            if number + 1 < blocks(job) and deadline.remaining() < until:
                return False
    doubts = job.doubts + [
        f"{i.source.name}: {d}" for i in every_input(world, job) for d in (i.detection.doubts if i.detection else [])
    ]
    if len(doubts) > MOST_DOUBTS:
        doubts = [*doubts[:MOST_DOUBTS], f"… and {len(doubts) - MOST_DOUBTS} more notes."]
    changes = {
        "detection": read_block(world, job, 0)[0].detection,
        "doubts": doubts,
        "progress": job.progress.model_copy(update={"bytes_total": job.source.size}),
    }
    finish_step(world, job, Step.DETECT, changes)
    return True
