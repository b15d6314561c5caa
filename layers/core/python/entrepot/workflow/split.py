"""The split step: cuts the source into chunks at exact record boundaries.

Every object is streamed once; every chunk knows the number of its first row. When four fifths of the
invocation's time are used, what was found is stored and the state machine comes back for more.
"""

from __future__ import annotations

from entrepot.errors import ConflictError, NotFoundError, SourceError
from entrepot.model.job import Job, JobState, Step
from entrepot.model.source import Chunk, SplitState
from entrepot.model.steps import Outcome, StepInput, StepOutput
from entrepot.ports.world import Deadline
from entrepot.workflow.chunks import read_chunks, write_chunks
from entrepot.workflow.cutting import Cutter
from entrepot.workflow.inputs import BLOCK, blocks, content_digest, every_input, named, read_block, write_block
from entrepot.workflow.life import answer, end, enter, error_info, finish_step, is_over
from entrepot.workflow.world import World


def split(world: World, step: StepInput, deadline: Deadline) -> StepOutput:
    """Splits the job's source; ``more`` while it is not done, ``profile`` when types are open."""
    job = world.jobs.get(step.tenant, step.job_id)
    if is_over(job, step.leg):
        return answer(step, "stop")
    if Step.SPLIT in job.done:
        return answer(step, _after(world, job), chunks_key=job.chunks_key)
    entered = enter(world, job, JobState.SPLITTING)
    if entered is None:
        return answer(step, "stop")
    try:
        finished = _split(world, entered, deadline)
    except SourceError as error:
        end(world, entered, JobState.REFUSED, error=error_info(error, Step.SPLIT))
        return answer(step, "stop")
    except ConflictError:
        return answer(step, "stop")
    if finished is None:
        return answer(step, "more")
    return answer(step, _after(world, finished), chunks_key=finished.chunks_key)


def _after(world: World, job: Job) -> Outcome:
    """``profile`` when the contract is unknown, so that types come from the whole file (DET4)."""
    if job.kind == "inspection":
        return "profile"
    if job.contract_version:
        return "next"
    head = world.config.contract_head(job.tenant, job.contract)
    return "next" if head is not None and head.latest else "profile"


def _split(world: World, job: Job, deadline: Deadline) -> Job | None:
    """The job with its book of chunks; None when time ran out, and a checkpoint says where to go on."""
    cutter = Cutter(world, job, deadline)
    if job.source.inputs:
        return _split_all(world, job, cutter)
    found = next(every_input(world, job))
    cut = cutter.cut(found, job.split)
    if not cut.done:
        _checkpoint(world, job, cut.state, cut.chunks)
        return None
    return _store(world, job, _earlier(world, job) + cut.chunks, cut.digest, cut.state.n)


def _split_all(world: World, job: Job, cutter: Cutter) -> Job | None:
    """Cuts the objects of a set one after the other; chunks are numbered through all of them."""
    state = job.split or SplitState()
    n, chunks = state.n, list[Chunk]()
    for number in range(state.input // BLOCK, blocks(job)):
        block = read_block(world, job, number)
        for place, found in enumerate(block):
            if found.n < state.input:
                continue
            begun = state if found.n == state.input and state.row else None
            try:
                cut = cutter.cut(found, begun, n=n)
            except (SourceError, NotFoundError) as error:
                raise named(found, error) from None
            chunks += cut.chunks
            n = cut.state.n
            last = found.n + 1 == job.source.inputs
            if cut.done:
                digest = cut.digest or found.source.sha256
                source = found.source.model_copy(update={"sha256": digest})
                block[place] = found.model_copy(update={"source": source})
            if not cut.done or (cutter.time_is_up and not last):
                write_block(world, job, number, block)
                _checkpoint(world, job, SplitState(input=found.n + 1, n=n) if cut.done else cut.state, chunks)
                return None
        write_block(world, job, number, block)
    digest = content_digest([i.source.sha256 for i in every_input(world, job)])
    return _store(world, job, _earlier(world, job) + chunks, digest, n)


def _checkpoint(world: World, job: Job, state: SplitState, chunks: list[Chunk]) -> None:
    """Stores what was cut. The part's number comes from the job, so a repeat overwrites itself."""
    part = job.split.parts if job.split else 0
    write_chunks(world, job.work_key("split", f"{part:06d}.json"), chunks)
    world.jobs.update(job, {"split": state.model_copy(update={"parts": part + 1})}, expect={JobState.SPLITTING})


def _earlier(world: World, job: Job) -> list[Chunk]:
    parts = job.split.parts if job.split else 0
    return [c for n in range(parts) for c in read_chunks(world, job.work_key("split", f"{n:06d}.json"))]


def _store(world: World, job: Job, chunks: list[Chunk], digest: str, count: int) -> Job:
    if not chunks:
        first = job.detection.first_row if job.detection else 1
        size = 0 if job.source.inputs else job.source.size
        chunks = [Chunk(n=0, id=Chunk.number(0), start=size, end=size, first_row=first, records=0)]
    key = job.work_key("chunks.json")
    write_chunks(world, key, chunks)
    changes = {
        "chunks_key": key,
        "split": SplitState(n=count, done=True),
        "progress": job.progress.model_copy(update={"chunks_total": len(chunks)}),
        "source": job.source.model_copy(update={"sha256": digest or job.source.sha256}),
    }
    return finish_step(world, job, Step.SPLIT, changes)
