"""The LoadSpec: what map pinned once for all later steps."""

from __future__ import annotations

from entrepot.model.job import Job
from entrepot.model.steps import LoadSpec
from entrepot.workflow.world import World, work_uri


def read_spec(world: World, job: Job) -> LoadSpec:
    """The spec that map stored."""
    return LoadSpec.model_validate_json(world.blobs.read(work_uri(world, job.spec_key)))
