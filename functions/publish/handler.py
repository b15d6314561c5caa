"""Publish: start the one transaction that makes the rows visible, and wait for it."""

from __future__ import annotations

from aws_lambda_powertools.utilities.typing import LambdaContext

from entrepot.adapters.runtime import step
from entrepot.adapters.system import LambdaDeadline
from entrepot.bootstrap import AwsWorld
from entrepot.bootstrap import world as make_world
from entrepot.model.steps import StepInput, StepOutput
from entrepot.workflow.publish import publish
from env import Env


@step("publish", Env, StepInput, make_world)
def handler(world: AwsWorld, event: StepInput, context: LambdaContext) -> StepOutput:
    """Publishes once, however often it is called."""
    return publish(world, event, LambdaDeadline(context))
