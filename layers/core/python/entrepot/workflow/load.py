"""The load step: one chunk's accepted rows go into staging, exactly once."""

from __future__ import annotations

import pyarrow as pa

from entrepot.model.job import ChunkRecord
from entrepot.model.steps import ChunkOutput
from entrepot.ports.target import ChunkCounts
from entrepot.workflow.chunks import is_idle
from entrepot.workflow.spec import read_spec
from entrepot.workflow.world import World, work_uri


def load(world: World, step: ChunkOutput) -> dict[str, str]:
    """Copies one chunk into staging and counts it once.

    The ledger in the database decides: a second attempt finds the chunk there and only completes
    the job item. The hand-over object is removed last, so that every earlier crash can be repeated.
    """
    job = world.jobs.get(step.tenant, step.job_id)
    if is_idle(world, job, step):
        return {}
    spec = world.target.prepare(read_spec(world, job))
    chunk = step.chunk
    counts = ChunkCounts(chunk.id, step.read, step.accepted, step.quarantined)
    key = job.work_key("chunks", f"{chunk.id}.arrow")
    world.target.load(spec, counts, _batches(world, key, step.accepted))
    world.jobs.finish_chunk(step.tenant, step.job_id, _record(step))
    if step.accepted:
        world.blobs.delete(work_uri(world, key))
    return {}


def _batches(world: World, key: str, accepted: int) -> list[pa.RecordBatch]:
    if not accepted:
        return []
    with pa.ipc.open_stream(world.blobs.read(work_uri(world, key))) as reader:
        return list(reader)


def _record(step: ChunkOutput) -> ChunkRecord:
    return ChunkRecord(
        id=step.chunk.id,
        chunk_state="loaded",
        read=step.read,
        accepted=step.accepted,
        quarantined=step.quarantined,
        bytes=step.chunk.end - step.chunk.start,
    )
