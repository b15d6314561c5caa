"""Split: cut the source at exact record boundaries."""

from __future__ import annotations

from aws_lambda_powertools.utilities.typing import LambdaContext

from entrepot.adapters.runtime import step
from entrepot.adapters.system import LambdaDeadline
from entrepot.bootstrap import AwsWorld
from entrepot.bootstrap import world as make_world
from entrepot.model.steps import StepInput, StepOutput
from entrepot.workflow.split import split
from env import Env


@step("split", Env, StepInput, make_world)
def handler(world: AwsWorld, event: StepInput, context: LambdaContext) -> StepOutput:
    """Splits the job's source into chunks."""
    return split(world, event, LambdaDeadline(context))
