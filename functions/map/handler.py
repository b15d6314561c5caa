"""Map: which column feeds which field, and does the target fit?"""

from __future__ import annotations

from aws_lambda_powertools.utilities.typing import LambdaContext

from entrepot.adapters.runtime import step
from entrepot.bootstrap import AwsWorld
from entrepot.bootstrap import world as make_world
from entrepot.model.steps import StepInput, StepOutput
from entrepot.workflow.mapping import map_source
from env import Env


@step("map", Env, StepInput, make_world)
def handler(world: AwsWorld, event: StepInput, _: LambdaContext) -> StepOutput:
    """Pins contract, mapping and target."""
    return map_source(world, event)
