"""The profile step: evidence for every column's type, chunk by chunk, from the whole file."""

from __future__ import annotations

from entrepot.detect.profile import profile_chunk
from entrepot.model.steps import ChunkInput
from entrepot.workflow.chunks import read_chunk
from entrepot.workflow.inputs import detection_of, input_of
from entrepot.workflow.life import is_over
from entrepot.workflow.world import World, work_uri


def profile(world: World, step: ChunkInput) -> dict[str, str]:
    """Profiles one chunk and stores the mergeable result in the work bucket."""
    job = world.jobs.get(step.tenant, step.job_id)
    if is_over(job, step.leg):
        return {}
    chunk = step.chunk
    part_of = input_of(world, job, chunk)
    found = profile_chunk(read_chunk(world, part_of.source, chunk), detection_of(part_of), chunk)
    found.refused += chunk.refused
    # No job write is made here, so what was used lies with the result; the write of that is not in it.
    found.usage = world.meter.unwritten()
    key = job.work_key("profile", f"{chunk.id}.json")
    world.blobs.write(work_uri(world, key), found.model_dump_json().encode())
    return {}
