"""The validate step: one chunk's rows become typed rows for load, or entries in quarantine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import orjson
import pyarrow as pa

from entrepot.model.findings import QuarantinedRow
from entrepot.model.job import Job, JobState
from entrepot.model.source import Chunk
from entrepot.model.steps import ChunkInput, ChunkOutput
from entrepot.validate import validate_chunk
from entrepot.workflow.mapping import read_spec
from entrepot.workflow.world import World, work_uri


def validate(world: World, step: ChunkInput) -> ChunkOutput:
    """Parses, casts and checks one chunk; hands the accepted rows to load as Arrow IPC.

    Repeating it writes the same objects again. A chunk that is loaded already, or whose job is no
    longer loading, is skipped.
    """
    job = world.jobs.get(step.tenant, step.job_id)
    if is_idle(world, job, step):
        return ChunkOutput(**step.model_dump(), outcome="skip")
    chunk, spec = step.chunk, read_spec(world, job)
    checked = validate_chunk(read_chunk(world, job, chunk), spec, chunk)
    _write_arrow(world, job.work_key("chunks", f"{chunk.id}.arrow"), checked.batches)
    write_quarantine(world, job, chunk.id, checked.quarantined)
    return ChunkOutput(
        **step.model_dump(),
        read=checked.read,
        accepted=checked.accepted,
        quarantined=len(checked.quarantined),
    )


def is_idle(world: World, job: Job, step: ChunkInput) -> bool:
    """Whether there is nothing to do for this chunk: the job rests or moved on, or it is loaded."""
    if job.leg != step.leg or job.state is not JobState.LOADING:
        return True
    record = world.jobs.chunk(step.tenant, step.job_id, step.chunk.id)
    return record is not None and record.chunk_state == "loaded"


def read_chunk(world: World, job: Job, chunk: Chunk) -> bytes:
    """A chunk's bytes, from the source or from its piece."""
    if chunk.uri:
        return world.blobs.read(chunk.uri, start=chunk.start, end=chunk.end)
    if chunk.start == chunk.end:
        return b""
    return world.blobs.read(job.source.uri, version=job.source.version, start=chunk.start, end=chunk.end)


def write_quarantine(world: World, job: Job, name: str, rows: Iterable[QuarantinedRow]) -> None:
    """Stores refused rows verbatim, one JSON document a line, and a count of each reason beside them."""
    reasons: Counter[str] = Counter()
    lines = []
    for row in rows:
        lines.append(row.model_dump_json(exclude_defaults=True).encode())
        reasons.update({f"{f.code}|{f.field}" for f in row.findings})
    if lines:
        world.blobs.write(work_uri(world, job.work_key("quarantine", f"{name}.jsonl")), b"\n".join(lines) + b"\n")
        world.blobs.write(work_uri(world, job.work_key("reasons", f"{name}.json")), orjson.dumps(dict(reasons)))


def _write_arrow(world: World, key: str, batches: list[pa.RecordBatch]) -> None:
    if not batches:
        return
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batches[0].schema, options=options) as writer:
        for batch in batches:
            writer.write_batch(batch)
    world.blobs.write(work_uri(world, key), sink.getvalue().to_pybytes())
