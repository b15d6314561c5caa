"""Gate: may this job be published?"""

from __future__ import annotations

from aws_lambda_powertools.utilities.typing import LambdaContext

from entrepot.adapters.runtime import step
from entrepot.bootstrap import AwsWorld
from entrepot.bootstrap import world as make_world
from entrepot.model.steps import StepInput, StepOutput
from entrepot.workflow.gate import gate
from env import Env


@step("gate", Env, StepInput, make_world)
def handler(world: AwsWorld, event: StepInput, _: LambdaContext) -> StepOutput:
    """Applies the thresholds over the whole file."""
    return gate(world, event)
