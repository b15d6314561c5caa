"""Sweep: what got stuck goes on or ends; staging that nobody needs is dropped."""

from __future__ import annotations

from dataclasses import asdict

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel

from entrepot.adapters.runtime import step
from entrepot.bootstrap import AwsWorld
from entrepot.bootstrap import world as make_world
from entrepot.workflow.sweep import sweep
from env import Env


class SweepInput(BaseModel):
    """The schedule's input; nothing in it matters."""


@step("sweep", Env, SweepInput, make_world)
def handler(world: AwsWorld, _event: SweepInput, _: LambdaContext) -> dict[str, int]:
    """Looks at every live job and every staging table once."""
    swept = asdict(sweep(world))
    metrics = Metrics()
    metrics.add_metric(name="LateJobs", unit=MetricUnit.Count, value=swept["late"])
    metrics.add_metric(name="RestartedJobs", unit=MetricUnit.Count, value=swept["restarted"])
    metrics.flush_metrics()
    return swept
