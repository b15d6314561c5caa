"""The split step: cuts the source into chunks at exact record boundaries.

The source is streamed once; every chunk knows the number of its first row. When four fifths of the
invocation's time are used, what was found is stored and the state machine comes back for more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from entrepot.errors import ConflictError, FatalError, SourceError
from entrepot.formats.encoding import piece_detection, to_utf8
from entrepot.formats.split import Splitter, needs_pieces
from entrepot.model.job import Job, JobState, Step
from entrepot.model.source import Chunk, Detection, SplitState
from entrepot.model.steps import Outcome, StepInput, StepOutput
from entrepot.ports.world import Deadline
from entrepot.workflow.chunks import read_chunks, write_chunks
from entrepot.workflow.life import answer, end, enter, error_info, finish_step, is_over
from entrepot.workflow.world import World, work_uri

MAX_CHUNKS = 5000
"""A Distributed Map runs at most 10,000 children; half of that leaves room."""

BLOCK = 8 << 20


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
    if job.contract_version:
        return "next"
    head = world.config.contract_head(job.tenant, job.contract)
    return "next" if head is not None and head.latest else "profile"


def _split(world: World, job: Job, deadline: Deadline) -> Job | None:
    detection = job.detection
    if detection is None:
        msg = "The job was never detected."
        raise FatalError(msg, job_id=job.job_id)
    if needs_pieces(detection):
        pieces, digest = _split_into_pieces(world, job, detection)
        return _store(world, job, pieces, digest, len(pieces))
    state = job.split or SplitState()
    cutter = Splitter(detection, _chunk_bytes(world, job), job.split)
    fresh = job.split is None
    # A digest cannot be carried over a checkpoint: such a file is known by its version alone.
    sha = hashlib.sha256() if fresh else None
    chunks: list[Chunk] = []
    until = deadline.remaining() * 0.2
    start = 0 if fresh else state.offset
    for block in _blocks(world, job, start, detection.data_start if fresh else 0):
        if sha is not None:
            sha.update(block.head + block.data)
        chunks += cutter.feed(block.data)
        if deadline.remaining() < until:
            _checkpoint(world, job, cutter.state, chunks)
            return None
    chunks += cutter.finish()
    return _store(world, job, _earlier(world, job) + chunks, sha.hexdigest() if sha else "", cutter.state.n)


class _Block:
    """A block of the source: ``head`` lies before the first record, ``data`` is to be cut."""

    __slots__ = ("data", "head")

    def __init__(self, head: bytes, data: bytes) -> None:
        self.head = head
        self.data = data


def _blocks(world: World, job: Job, start: int, skip: int) -> Iterator[_Block]:
    source = job.source
    for block in world.blobs.stream(source.uri, version=source.version, start=start, block=BLOCK):
        head, skip = block[:skip], max(0, skip - len(block))
        yield _Block(head, block[len(head) :])


def _chunk_bytes(world: World, job: Job) -> int:
    return max(world.settings.chunk_bytes, job.source.size // MAX_CHUNKS + 1)


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
        size = job.source.size
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


def _split_into_pieces(world: World, job: Job, detection: Detection) -> tuple[list[Chunk], str]:
    """Transcodes a source whose bytes cannot be cut (UTF-16, UTF-32) into UTF-8 pieces."""
    sha = hashlib.sha256()

    def data() -> Iterator[bytes]:
        for block in _blocks(world, job, 0, detection.data_start):
            sha.update(block.head + block.data)
            yield block.data

    cutter = Splitter(piece_detection(detection), _chunk_bytes(world, job))
    waiting, base, pieces = bytearray(), 0, []
    for text in to_utf8(data(), detection.encoding):
        waiting += text
        for chunk in cutter.feed(text):
            pieces.append(_piece(world, job, chunk, waiting, base))
            base = chunk.end
    for chunk in cutter.finish():
        pieces.append(_piece(world, job, chunk, waiting, base))
        base = chunk.end
    return pieces, sha.hexdigest()


def _piece(world: World, job: Job, chunk: Chunk, waiting: bytearray, base: int) -> Chunk:
    size = chunk.end - base
    uri = work_uri(world, job.work_key("pieces", f"{chunk.id}.txt"))
    world.blobs.write(uri, bytes(waiting[chunk.start - base : size]))
    del waiting[:size]
    return chunk.model_copy(update={"uri": uri, "start": 0, "end": chunk.end - chunk.start})
