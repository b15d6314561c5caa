"""Load: one chunk's accepted rows go into staging, exactly once."""

from __future__ import annotations

from aws_lambda_powertools.utilities.typing import LambdaContext

from entrepot.adapters.runtime import step
from entrepot.bootstrap import AwsWorld
from entrepot.bootstrap import world as make_world
from entrepot.model.steps import ChunkOutput
from entrepot.workflow.load import load
from env import Env


@step("load", Env, ChunkOutput, make_world)
def handler(world: AwsWorld, event: ChunkOutput, _: LambdaContext) -> dict[str, str]:
    """Copies one chunk into staging."""
    return load(world, event)
