"""Detect: what is this file?"""

from __future__ import annotations

from aws_lambda_powertools.utilities.typing import LambdaContext

from entrepot.adapters.runtime import step
from entrepot.adapters.system import LambdaDeadline
from entrepot.bootstrap import AwsWorld
from entrepot.bootstrap import world as make_world
from entrepot.model.steps import StepInput, StepOutput
from entrepot.workflow.detect import detect
from env import Env


@step("detect", Env, StepInput, make_world)
def handler(world: AwsWorld, event: StepInput, context: LambdaContext) -> StepOutput:
    """Recognises the job's source."""
    return detect(world, event, LambdaDeadline(context))
