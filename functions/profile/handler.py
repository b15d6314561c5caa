"""Profile: evidence for every column's type, one chunk at a time."""

from __future__ import annotations

from aws_lambda_powertools.utilities.typing import LambdaContext

from entrepot.adapters.runtime import step
from entrepot.bootstrap import AwsWorld
from entrepot.bootstrap import world as make_world
from entrepot.model.steps import ChunkInput
from entrepot.workflow.profile import profile
from env import Env


@step("profile", Env, ChunkInput, make_world)
def handler(world: AwsWorld, event: ChunkInput, _: LambdaContext) -> dict[str, str]:
    """Profiles one chunk."""
    return profile(world, event)
