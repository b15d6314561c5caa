"""The profile step: evidence for every column's type, chunk by chunk, from the whole file."""

from __future__ import annotations

from entrepot.detect.profile import profile_chunk
from entrepot.errors import FatalError
from entrepot.model.steps import ChunkInput
from entrepot.workflow.chunks import read_chunk
from entrepot.workflow.life import is_over
from entrepot.workflow.world import World, work_uri


def profile(world: World, step: ChunkInput) -> dict[str, str]:
    """Profiles one chunk and stores the mergeable result in the work bucket."""
    job = world.jobs.get(step.tenant, step.job_id)
    if is_over(job, step.leg):
        return {}
    if job.detection is None:
        msg = "The job was never detected."
        raise FatalError(msg, job_id=job.job_id)
    chunk = step.chunk
    found = profile_chunk(read_chunk(world, job, chunk), job.detection, chunk)
    key = job.work_key("profile", f"{chunk.id}.json")
    world.blobs.write(work_uri(world, key), found.model_dump_json().encode())
    return {}
