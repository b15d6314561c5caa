"""The state machine, by Step Functions."""

from __future__ import annotations

import json
from typing import Any

from entrepot.adapters import aws
from entrepot.adapters.errors import aws_errors, error_code

_MAX_CAUSE = 1000


class StepFunctionsExecutions:
    """Executions of one state machine, named ``<job_id>-<leg>``.

    Args:
        state_machine_arn: The machine.
        client: A Step Functions client; the process's own when None.
    """

    def __init__(self, state_machine_arn: str, client: Any = None) -> None:
        self._machine = state_machine_arn
        self._client = client

    @property
    def client(self) -> Any:
        """The client, made when first needed."""
        return self._client if self._client is not None else aws.client("stepfunctions")

    @aws_errors("starting an execution")
    def start(self, tenant: str, job_id: str, leg: int) -> bool:
        """Starts a leg; False when an execution of that name exists already.

        Step Functions answers a second start with the same name and the same text of input as if it
        were the first, as long as that one runs: True then means that the leg runs, whoever started it.
        The text is therefore always the same, to the space.
        """
        text = json.dumps({"tenant": tenant, "job_id": job_id, "leg": leg}, separators=(",", ":"))
        try:
            self.client.start_execution(stateMachineArn=self._machine, name=_name(job_id, leg), input=text)
        except Exception as error:
            if error_code(error) == "ExecutionAlreadyExists":
                return False
            raise
        return True

    @aws_errors("looking at an execution")
    def running(self, job_id: str, leg: int) -> bool:
        """Whether the leg's execution is running now."""
        try:
            answer = self.client.describe_execution(executionArn=self._arn(job_id, leg))
        except Exception as error:
            if error_code(error) == "ExecutionDoesNotExist":
                return False
            raise
        return bool(answer["status"] in {"RUNNING", "PENDING_REDRIVE"})

    @aws_errors("stopping an execution")
    def stop(self, job_id: str, leg: int, reason: str) -> None:
        """Stops the leg's execution if it runs.

        Args:
            job_id: The job.
            leg: Its leg.
            reason: For people; kept with the execution.
        """
        try:
            self.client.stop_execution(executionArn=self._arn(job_id, leg), error="Stopped", cause=reason[:_MAX_CAUSE])
        except Exception as error:
            if error_code(error) != "ExecutionDoesNotExist":
                raise

    def _arn(self, job_id: str, leg: int) -> str:
        return f"{self._machine.replace(':stateMachine:', ':execution:')}:{_name(job_id, leg)}"


def _name(job_id: str, leg: int) -> str:
    return f"{job_id}-{leg}"
