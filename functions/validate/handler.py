"""Validate: one chunk's rows become typed rows, or entries in quarantine."""

from __future__ import annotations

from aws_lambda_powertools.utilities.typing import LambdaContext

from entrepot.adapters.runtime import step
from entrepot.bootstrap import AwsWorld
from entrepot.bootstrap import world as make_world
from entrepot.model.steps import ChunkInput, ChunkOutput
from entrepot.workflow.validate import validate
from env import Env


@step("validate", Env, ChunkInput, make_world)
def handler(world: AwsWorld, event: ChunkInput, _: LambdaContext) -> ChunkOutput:
    """Parses, casts and checks one chunk."""
    return validate(world, event)
