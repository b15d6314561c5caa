"""The house's states: a step's task with its time limit, retries and catch."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks
from constructs import Construct

# Faults that pass. The construct library's own list knows neither timeouts nor a worker that was killed for
# its memory.
TRANSIENT_ERRORS = (
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.Unknown",
    "Sandbox.Timedout",
    "Runtime.ExitError",
    "Runtime.OutOfMemory",
    "States.Timeout",
    "RetriableError",
)

# No fault at all: others have the database's connections, or the function's reserved executions.
QUEUED_ERRORS = ("BusyError", "Lambda.TooManyRequestsException")

_QUEUED_ATTEMPTS = 4000
"""For days, of which a leg has its own limit. An execution's history has room for 25,000 events, and an attempt
makes up to five."""

# `States.ALL` does not match this one, which ends an execution unless it is caught by its name.
_NOT_IN_ALL = "States.DataLimitExceeded"

ERROR_PATH = "$.error"

_MARGIN_SECONDS = 30
"""A task waits longer than its function may run, so that the function's own limit is the one that is seen."""


def step(
    scope: Construct,
    name: str,
    function: lambda_.IFunction,
    seconds: int,
    *,
    comment: str,
    result_path: str | None = None,
) -> tasks.LambdaInvoke:
    """A task that hands ``$`` to a function and goes on with its answer.

    Args:
        scope: Parent.
        name: The state's name.
        function: The function, at a version.
        seconds: The function's time limit.
        comment: What the step does.
        result_path: Where the answer goes; it replaces ``$`` unless given.
    """
    task = tasks.LambdaInvoke(
        scope,
        name,
        lambda_function=function,
        payload_response_only=True,
        retry_on_service_exceptions=False,
        task_timeout=sfn.Timeout.duration(cdk.Duration.seconds(seconds + _MARGIN_SECONDS)),
        comment=comment,
        result_path=result_path,
    )
    retry(task, *TRANSIENT_ERRORS)
    task.add_retry(
        errors=list(QUEUED_ERRORS),
        interval=cdk.Duration.seconds(1),
        backoff_rate=1.5,
        max_attempts=_QUEUED_ATTEMPTS,
        max_delay=cdk.Duration.seconds(10),
        jitter_strategy=sfn.JitterType.FULL,
    )
    return task


def retry(task: sfn.TaskStateBase, *errors: str) -> None:
    """Tries a task again after passing faults: 1, 2, 4 … seconds, at most a minute, each at random up to that."""
    task.add_retry(
        errors=list(errors),
        interval=cdk.Duration.seconds(1),
        backoff_rate=2,
        max_attempts=6,
        max_delay=cdk.Duration.seconds(60),
        jitter_strategy=sfn.JitterType.FULL,
    )


def catch_all(state: sfn.TaskStateBase | sfn.DistributedMap, handler: sfn.IChainable) -> None:
    """Sends every error that can be caught to a handler, which finds it at ``$.error``."""
    state.add_catch(handler, errors=[_NOT_IN_ALL], result_path=ERROR_PATH)
    state.add_catch(handler, errors=["States.ALL"], result_path=ERROR_PATH)
