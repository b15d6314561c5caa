"""Check: every chunk there and whole, and the rows hold together as a set."""

from __future__ import annotations

from aws_lambda_powertools.utilities.typing import LambdaContext

from entrepot.adapters.runtime import step
from entrepot.adapters.system import LambdaDeadline
from entrepot.bootstrap import AwsWorld
from entrepot.bootstrap import world as make_world
from entrepot.model.steps import StepInput, StepOutput
from entrepot.workflow.check import check
from env import Env


@step("check", Env, StepInput, make_world)
def handler(world: AwsWorld, event: StepInput, context: LambdaContext) -> StepOutput:
    """Checks staging against the ledger, and the rows as a set."""
    return check(world, event, LambdaDeadline(context))
