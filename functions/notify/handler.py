"""Notify: tell the partner and the machines how it ended."""

from __future__ import annotations

from aws_lambda_powertools.utilities.typing import LambdaContext

from entrepot.adapters.runtime import step
from entrepot.bootstrap import AwsWorld
from entrepot.bootstrap import world as make_world
from entrepot.model.steps import StepOutput
from entrepot.workflow.notify import NotifyInput, notify
from env import Env


@step("notify", Env, NotifyInput, make_world)
def handler(world: AwsWorld, event: NotifyInput, _: LambdaContext) -> StepOutput:
    """Writes the result into the outbox and announces it."""
    return notify(world, event)
