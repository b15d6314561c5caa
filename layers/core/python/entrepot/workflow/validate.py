"""The validate step: one chunk's rows become typed rows for load, or entries in quarantine."""

from __future__ import annotations

import pyarrow as pa

from entrepot.model.steps import ChunkInput, ChunkOutput
from entrepot.validate import validate_chunk, with_missing
from entrepot.workflow.chunks import is_idle, read_chunk, read_refused
from entrepot.workflow.columns import spec_for
from entrepot.workflow.inputs import input_of
from entrepot.workflow.quarantine import write_quarantine
from entrepot.workflow.spec import read_spec
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
    part_of = input_of(world, job, chunk)
    data, unread = read_chunk(world, part_of.source, chunk), read_refused(world, chunk)
    checked = validate_chunk(data, spec_for(spec, part_of), chunk, unread=unread)
    batches = with_missing(checked.batches, spec) if spec.merge else checked.batches
    _write_arrow(world, job.work_key("chunks", f"{chunk.id}.arrow"), batches)
    write_quarantine(world, job, chunk.id, checked.quarantined, member=part_of.source.name if spec.inputs else "")
    return ChunkOutput(
        **step.model_dump(),
        read=checked.read,
        accepted=checked.accepted,
        quarantined=len(checked.quarantined),
    )


def _write_arrow(world: World, key: str, batches: list[pa.RecordBatch]) -> None:
    if not batches:
        return
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batches[0].schema, options=options) as writer:
        for batch in batches:
            writer.write_batch(batch)
    world.blobs.write(work_uri(world, key), sink.getvalue().to_pybytes())
