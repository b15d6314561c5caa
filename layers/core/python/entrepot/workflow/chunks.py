"""The job's book of chunks, and the bytes behind each."""

from __future__ import annotations

import orjson

from entrepot.model.findings import QuarantinedRow
from entrepot.model.job import Job, JobState
from entrepot.model.source import Chunk, Source
from entrepot.model.steps import ChunkInput
from entrepot.workflow.world import World, work_uri


def read_chunks(world: World, key: str) -> list[Chunk]:
    """The job's chunks, as split stored them."""
    return [Chunk.model_validate(item) for item in orjson.loads(world.blobs.read(work_uri(world, key)))]


def write_chunks(world: World, key: str, chunks: list[Chunk]) -> None:
    """Stores chunks as the JSON array that the Distributed Map reads."""
    world.blobs.write(work_uri(world, key), orjson.dumps([c.model_dump() for c in chunks]))


def write_refused(world: World, chunk: Chunk, rows: list[QuarantinedRow]) -> None:
    """Lays the rows that a reader refused beside the piece that their neighbours are in."""
    if rows:
        told = [row.model_copy(update={"chunk": chunk.id}).model_dump() for row in rows]
        world.blobs.write(f"{chunk.uri}.refused.json", orjson.dumps(told))


def read_refused(world: World, chunk: Chunk) -> list[QuarantinedRow]:
    """The rows that a reader refused in this part of its source."""
    if not chunk.refused:
        return []
    return [QuarantinedRow.model_validate(row) for row in orjson.loads(world.blobs.read(f"{chunk.uri}.refused.json"))]


def is_idle(world: World, job: Job, step: ChunkInput) -> bool:
    """Whether there is nothing to do for this chunk: the job rests or moved on, or it is loaded."""
    if job.leg != step.leg or job.state is not JobState.LOADING:
        return True
    record = world.jobs.chunk(step.tenant, step.job_id, step.chunk.id)
    return record is not None and record.chunk_state == "loaded"


def read_chunk(world: World, source: Source, chunk: Chunk) -> bytes:
    """A chunk's bytes, from the object it is a part of or from its piece."""
    if chunk.uri:
        return world.blobs.read(chunk.uri, start=chunk.start, end=chunk.end)
    if chunk.start == chunk.end:
        return b""
    return world.blobs.read(source.uri, version=source.version, start=chunk.start, end=chunk.end)
