"""Step Functions: moto's interpreter, told apart from a restart.

Every execution is journalled when it starts and when it ends. Those that ended are known after a restart, so
that their names stay taken; those that were running are ``ABORTED`` then, because nobody runs them any more.

An execution that is stopped is ``ABORTED`` from that moment on, as AWS has it. moto would say ``RUNNING`` until
the function that it waits for has ended, and could not stop one whose interpreter is not up yet.
"""

from __future__ import annotations

import datetime
import json
import threading
import time
from collections import deque
from types import SimpleNamespace
from typing import Any

import boto3
import moto.stepfunctions.models as sfn_models
from botocore.config import Config
from moto.core.responses import ActionResult
from moto.stepfunctions.parser.api import ExecutionStatus
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.asl.utils import boto_client
from moto.stepfunctions.parser.backend.execution import BaseExecutionWorkerCommunication, Execution
from moto.stepfunctions.parser.models import StepFunctionsParserBackend, stepfunctions_parser_backends
from moto.stepfunctions.parser.utils import TMP_THREADS
from moto.stepfunctions.responses import StepFunctionResponse

from local.services.current import ACCOUNT, Services, current, find_current, standing_for
from local.services.functions import short_name

_START = threading.Lock()
_END = threading.Lock()
"""Held while an execution ends: by itself, or because it is stopped."""
KEPT_HISTORIES = 100
# Names of ended executions can be used again after so long.
NAME_DAYS = 90
_INTERPRETER_SECONDS = 5.0
"""How long an interpreter may take to come up."""
LOST = "the one-machine cloud was stopped while this execution ran"


@standing_for
class LocalStatesBackend(StepFunctionsParserBackend):
    """moto's executing backend with a journal."""

    def start_execution(  # type: ignore[override]
        self, state_machine_arn: str, name: Any = None, execution_input: Any = None, trace_header: Any = None
    ) -> Execution:
        # The look for an execution of that name and its start are one step, also for ten callers at once.
        with _START:
            machine = self.describe_state_machine(state_machine_arn)
            known = len(machine.executions)
            execution: Execution = super().start_execution(state_machine_arn, name, execution_input, trace_header)
            if len(machine.executions) > known:
                current().executions.put(execution.exec_arn, _record(execution))
        return execution

    def stop_execution(self, execution_arn: str, error: str = "", cause: str = "") -> Any:
        """Ends an execution for everybody who asks; what it runs at this moment comes to its own end, unheard."""
        execution: Any = self.describe_execution(execution_arn)
        with _END:
            if execution.exec_status not in (None, ExecutionStatus.RUNNING):
                return execution
            stopped = datetime.datetime.now(tz=datetime.UTC)
            _interpreter(execution).set_stop(stop_date=stopped, error=error, cause=cause)
            execution.stop_date, execution.error, execution.cause = stopped, error or None, cause or None
            execution.exec_status = ExecutionStatus.ABORTED
            current().executions.put(execution.exec_arn, _record(execution))
        return execution

    def restore(self, record: dict[str, Any]) -> None:
        """Makes an execution of an earlier run known again."""
        try:
            machine = self.describe_state_machine(record["machine"])
        except Exception as error:
            if type(error).__name__ != "StateMachineDoesNotExist":
                raise
            return
        executions: list[Any] = machine.executions
        executions.append(_revive(record, machine))


def _interpreter(execution: Execution) -> Any:
    """What interprets an execution. Its thread makes it, a moment after the execution can be found."""
    ends = time.monotonic() + _INTERPRETER_SECONDS
    while time.monotonic() < ends:
        if (found := getattr(execution.exec_worker, "env", None)) is not None:
            return found
        time.sleep(0.001)
    raise TimeoutError(f"execution {execution.name} has not begun after {_INTERPRETER_SECONDS:.0f} s")


def _record(execution: Execution) -> dict[str, Any]:
    status = execution.exec_status or ExecutionStatus.RUNNING
    return {
        "machine": execution.state_machine_arn,
        "name": execution.name,
        "arn": execution.exec_arn,
        "role": execution.role_arn,
        "input": execution.execution_input,
        "status": status.value,
        "started": execution.start_date.isoformat(),
        "stopped": execution.stop_date.isoformat() if execution.stop_date else None,
        "output": execution.output if status == ExecutionStatus.SUCCEEDED else None,
        "error": execution.error,
        "cause": execution.cause,
    }


def _revive(record: dict[str, Any], machine: Any) -> Execution:
    """An execution object that has ended; nothing of its interpreter is left."""
    execution = Execution(
        name=record["name"],
        sm_type=machine.sm_type,
        role_arn=record["role"],
        exec_arn=record["arn"],
        account_id=ACCOUNT,
        region_name=current().region,
        state_machine=machine,
        start_date=datetime.datetime.fromisoformat(record["started"]),
        cloud_watch_logging_session=None,
        input_data=record["input"],
        activity_store={},
    )
    running = record["status"] == "RUNNING"
    execution.exec_status = ExecutionStatus.ABORTED if running else ExecutionStatus(record["status"])
    stopped = record["stopped"]
    execution.stop_date = (
        datetime.datetime.fromisoformat(stopped) if stopped else datetime.datetime.now(tz=datetime.UTC)
    )
    execution.output = record["output"]
    execution.error = record["error"] or ("Local.Stopped" if running else None)
    execution.cause = record["cause"] or (LOST if running else None)
    execution.exec_worker = _no_interpreter()
    if running:
        current().executions.put(execution.exec_arn, _record(execution))
    return execution


def _no_interpreter() -> Any:
    """Stands for an interpreter that is gone; readers of histories and of map runs find nothing."""
    return SimpleNamespace(
        env=SimpleNamespace(
            event_manager=SimpleNamespace(get_event_history=list),
            map_run_record_pool_manager=SimpleNamespace(get=lambda _: None, get_all=list),
            callback_pool_manager=SimpleNamespace(notify=lambda **_: False, heartbeat=lambda **_: False),
            set_stop=lambda **_: None,
        ),
        stop=lambda **_: None,
    )


_reflect = BaseExecutionWorkerCommunication.terminated
_ended: deque[Any] = deque()


def _terminated(self: BaseExecutionWorkerCommunication) -> None:
    services = _running()
    with _END:
        if self.execution.exec_status is not ExecutionStatus.ABORTED:
            _reflect(self)
            services.executions.put(self.execution.exec_arn, _record(self.execution))
    _forget_histories(self.execution)


def _forget_histories(execution: Execution) -> None:
    """Keeps the histories of the newest executions alone: they hold every input and output of every state."""
    _ended.append(execution)
    while len(_ended) > KEPT_HISTORIES:
        _ended.popleft().exec_worker = _no_interpreter()
    TMP_THREADS[:] = [thread for thread in TMP_THREADS if thread.is_alive()]


def _running() -> Services:
    """The running cloud's parts. While it stops, the interpreter's thread ends here, as by a kill.

    Otherwise the workers' end would be recorded as the execution's failure; so it is taken up again after the
    next start.
    """
    services = find_current()
    if services is None or services.stopping:
        raise SystemExit
    return services


def _stop(self: StepFunctionResponse) -> ActionResult:
    """Answers StopExecution; moto's own answer leaves out why."""
    arn, error, cause = (self._get_param(name) for name in ("executionArn", "error", "cause"))
    return ActionResult({"stopDate": backend().stop_execution(arn, error or "", cause or "").stop_date})


class _Clients:
    """One client per service instead of one per task: making one takes longer than using it."""

    def __init__(self, boto3: Any) -> None:
        self._boto3 = boto3
        self._clients: dict[tuple[str, str, str], Any] = {}
        self._lock = threading.Lock()

    def client(self, **kwargs: Any) -> Any:
        key = (kwargs["service_name"], kwargs["region_name"], kwargs.get("endpoint_url", ""))
        with self._lock:
            if key not in self._clients:
                config = kwargs["config"].merge(Config(max_pool_connections=100))
                self._clients[key] = self._boto3.client(**{**kwargs, "config": config})
            return self._clients[key]


def _invoke(parameters: dict[str, Any], region: str, state_credentials: Any) -> dict[str, Any]:
    """Runs a task's function without a detour over HTTP."""
    from botocore.exceptions import ClientError

    pool = _running().pool
    assert pool is not None
    body = parameters.get("Payload") or b"{}"
    outcome = pool.invoke(short_name(parameters["FunctionName"]), body.encode() if isinstance(body, str) else body)
    _running()
    if outcome.throttled or outcome.unknown:
        code = "TooManyRequestsException" if outcome.throttled else "ResourceNotFoundException"
        answer: Any = {
            "Error": {"Code": code, "Message": "Rate Exceeded." if outcome.throttled else "Function not found"},
            "ResponseMetadata": {"HTTPStatusCode": 429 if outcome.throttled else 404, "RequestId": "local"},
        }
        raise ClientError(answer, "Invoke")
    try:
        payload = json.loads(outcome.payload)
    except ValueError:
        payload = outcome.payload.decode(errors="replace")
    response: dict[str, Any] = {"StatusCode": 200, "ExecutedVersion": "$LATEST", "Payload": payload}
    if outcome.error:
        response["FunctionError"] = "Unhandled"
    return response


def install() -> None:
    """Makes moto use this backend from now on, also for CloudFormation's state machines."""
    stepfunctions_parser_backends.backend = LocalStatesBackend
    # CloudFormation registers state machines in the backend that does not execute.
    models: Any = sfn_models
    models.stepfunctions_backends = stepfunctions_parser_backends
    BaseExecutionWorkerCommunication.terminated = _terminated  # type: ignore[method-assign]
    StepFunctionResponse.stop_execution = _stop  # type: ignore[method-assign]
    clients: Any = boto_client
    # New ones at every start: the endpoint's port is another.
    clients.boto3 = _Clients(boto3)
    lambda_eval_utils._invoke_lambda_function = _invoke


def backend() -> LocalStatesBackend:
    """The state machines of the deployment's region."""
    found = stepfunctions_parser_backends[ACCOUNT][current().region]
    assert isinstance(found, LocalStatesBackend)
    return found


def restore() -> None:
    """Makes the executions of earlier runs known again."""
    services = current()
    states = backend()
    values, services.executions.values = services.executions.values, {}
    horizon = (datetime.datetime.now(tz=datetime.UTC) - datetime.timedelta(days=NAME_DAYS)).isoformat()
    for arn, record in values.items():
        if (record["stopped"] or record["started"]) < horizon:
            services.executions.delete(arn)
        else:
            states.restore(record)
