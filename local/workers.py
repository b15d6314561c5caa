"""The worker pool: runs Lambda functions for real, under Lambda's limits.

A worker is a process that keeps one function warm. Time is limited by killing it, memory by looking at its
resident size every 50 ms and killing it above ``MemorySize`` (an address-space limit breaks pyarrow), and
concurrency by ``ReservedConcurrentExecutions``; functions without a reservation share what the machine has and
wait instead of being throttled.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import signal
import socket
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from local import worker as wire
from local.errors import LocalCloudError
from local.logs import append_report, rotate
from local.nursery import PRELOAD, Nursery, Worker
from local.specs import MAX_REQUEST_BYTES, FunctionSpec, Invocation, Outcome

LOG = logging.getLogger("entrepot.local")
SAMPLE_SECONDS = 0.05
INIT_SECONDS = 60.0
KEPT_RECORDS = 100_000
IDLE_SECONDS = 300.0


class _Function:
    """The workers of one function."""

    def __init__(self) -> None:
        self.condition = threading.Condition()
        self.idle: list[Worker] = []
        self.busy: set[Worker] = set()
        self.running = 0


class WorkerPool:
    """Runs functions.

    Args:
        find: A function's spec by name, None when there is no such function.
        logs: Folder of the functions' log files.
        concurrency: How many invocations of one function run at once when it has no reservation.
    """

    def __init__(
        self,
        find: Callable[[str], FunctionSpec | None],
        logs: Path,
        *,
        concurrency: int | None = None,
        preload: Sequence[str] = PRELOAD,
    ) -> None:
        self._find = find
        self._logs = logs
        self._limit = concurrency or max(4, 2 * (os.cpu_count() or 1))
        self._functions: dict[str, _Function] = {}
        self._guard = threading.Lock()
        self._stopping = threading.Event()
        self.nursery = Nursery(preload)
        self.invocations: deque[Invocation] = deque(maxlen=KEPT_RECORDS)
        self.submit: Callable[[str, bytes], None] = lambda _name, _payload: None
        """Queues an asynchronous event; set by `local.asynchronous`."""
        self._monitor = threading.Thread(target=self._watch_memory, daemon=True, name="worker-memory")

    def start(self) -> None:
        """Starts the process that workers are forked from."""
        self.nursery.start()
        self._monitor.start()

    def warm(self, names: Sequence[str]) -> None:
        """Starts one worker for each function, so that the first event need not wait."""
        for name in names:
            spec = self._find(name)
            if self._stopping.is_set() or spec is None:
                continue
            function = self._function(name)
            with function.condition:
                if function.idle or function.busy:
                    continue
            with contextlib.suppress(OSError, EOFError, LocalCloudError):
                worker, problem = self._spawn(spec)
                if worker and not problem:
                    with function.condition:
                        function.idle.append(worker)

    def invoke(self, name: str, payload: bytes) -> Outcome:
        """Runs a function and waits for its answer."""
        spec = self._find(name)
        if spec is None or self._stopping.is_set():
            return Outcome(unknown=True, error=True, kind="unknown")
        if len(payload) > MAX_REQUEST_BYTES:
            message = f"{len(payload)} byte payload is too large for the RequestResponse invocation type"
            return _failed("RequestTooLargeException", message)
        function = self._function(name)
        if not self._enter(function, spec):
            return Outcome(throttled=True, error=True, kind="throttled")
        try:
            return self._run(function, spec, payload)
        finally:
            with function.condition:
                function.running -= 1
                function.condition.notify()

    def peaks(self) -> dict[str, int]:
        """The largest resident size that each function's workers reached, in bytes."""
        peaks: dict[str, int] = {}
        for record in list(self.invocations):
            peaks[record.function] = max(peaks.get(record.function, 0), record.peak_rss_bytes)
        return peaks

    def pids(self) -> dict[str, list[int]]:
        """The processes of each function."""
        found: dict[str, list[int]] = {}
        for name, function in list(self._functions.items()):
            with function.condition:
                found[name] = [worker.pid for worker in (*function.idle, *function.busy)]
        return found

    def busy(self) -> dict[str, list[int]]:
        """The processes of each function that run an invocation now."""
        return {
            name: [worker.pid for worker in list(function.busy)] for name, function in list(self._functions.items())
        }

    def stop(self, grace_seconds: float = 0.0) -> None:
        """Ends all workers, after giving running invocations a moment."""
        self._stopping.set()
        ends = time.monotonic() + grace_seconds
        while time.monotonic() < ends and any(function.running for function in self._functions.values()):
            time.sleep(0.02)
        self.nursery.stop()
        for function in self._functions.values():
            for worker in (*function.idle, *function.busy):
                worker.close()
        if self._monitor.is_alive():
            self._monitor.join()

    # -- inside

    def _function(self, name: str) -> _Function:
        with self._guard:
            return self._functions.setdefault(name, _Function())

    def _enter(self, function: _Function, spec: FunctionSpec) -> bool:
        with function.condition:
            if spec.reserved is not None:
                if function.running >= spec.reserved:
                    return False
            else:
                while function.running >= self._limit and not self._stopping.is_set():
                    function.condition.wait(1.0)
            function.running += 1
            return True

    def _run(self, function: _Function, spec: FunctionSpec, payload: bytes) -> Outcome:
        request_id, started = str(uuid.uuid4()), time.time()
        worker, problem, cold = None, None, False
        try:
            worker, problem, cold = self._checkout(function, spec)
            if worker is None:
                outcome = Outcome(json.dumps(problem).encode(), error=True, kind=str((problem or {}).get("errorType")))
            else:
                started = time.time()
                outcome = self._exchange(worker, spec, payload, request_id)
        finally:
            if worker:
                self._checkin(function, worker)
        seconds = time.time() - started
        peak = worker.peak if worker else 0
        self.invocations.append(Invocation(spec.name, request_id, started, seconds, peak, outcome.kind, cold))
        append_report(self._log(spec), request_id, seconds, peak, outcome.kind)
        return outcome

    def _checkout(self, function: _Function, spec: FunctionSpec) -> tuple[Worker | None, Any, bool]:
        fingerprint = _fingerprint(spec)
        while True:
            with function.condition:
                worker = function.idle.pop() if function.idle else None
            if worker is None:
                worker, problem = self._spawn(spec)
                if problem:
                    return None, problem, True
                assert worker is not None
                cold = True
            elif worker.fingerprint != fingerprint or _is_closed(worker.connection):
                # Its configuration changed, or it died while idle: Lambda would start another environment too. It
                # ends by its closed socket; its id may be somebody else's already.
                worker.close()
                continue
            else:
                cold = False
            worker.peak, worker.over_memory = 0, False
            worker.limit = spec.memory_mb << 20
            with function.condition:
                function.busy.add(worker)
            return worker, None, cold

    def _checkin(self, function: _Function, worker: Worker) -> None:
        with function.condition:
            function.busy.discard(worker)
            if not worker.killed and not self._stopping.is_set():
                worker.idle_since = time.monotonic()
                function.idle.append(worker)
                return
        worker.close()

    def _spawn(self, spec: FunctionSpec) -> tuple[Worker | None, Any]:
        rotate(self._log(spec))
        pid, connection = self.nursery.fork()
        worker = Worker(pid, connection, _fingerprint(spec))
        connection.settimeout(INIT_SECONDS)
        try:
            wire.send(connection, self._introduction(spec))
            head, _ = wire.receive(connection)
        except TimeoutError:
            worker.kill()
            worker.close()
            return None, {"errorType": "Sandbox.Timedout", "errorMessage": "The function's init did not end in time"}
        except (EOFError, OSError):
            worker.close()
            return None, {"errorType": "Runtime.ExitError", "errorMessage": self._ending(pid)}
        if not head["ready"]:
            worker.close()
            return None, head["problem"]
        return worker, None

    def _introduction(self, spec: FunctionSpec) -> dict[str, Any]:
        root = str(Path(__file__).resolve().parents[1])
        return {
            "name": spec.name,
            "arn": spec.arn,
            "handler": spec.handler,
            "memory_mb": spec.memory_mb,
            "paths": list(spec.paths),
            "hidden_paths": ["", root, str(Path(__file__).resolve().parent)],
            "env": {**_runtime_environment(spec), **spec.environment},
            "stream": uuid.uuid4().hex,
            "log": str(self._log(spec)),
        }

    def _log(self, spec: FunctionSpec) -> Path:
        return self._logs / f"{spec.name}.log"

    def _exchange(self, worker: Worker, spec: FunctionSpec, payload: bytes, request_id: str) -> Outcome:
        deadline = time.time() + spec.timeout
        try:
            worker.connection.settimeout(spec.timeout)
            wire.send(worker.connection, {"request_id": request_id, "deadline": deadline}, payload)
            worker.connection.settimeout(max(0.001, deadline - time.time()))
            head, body = wire.receive(worker.connection)
        except TimeoutError:
            worker.kill()
            message = f"RequestId: {request_id} Error: Task timed out after {spec.timeout:.2f} seconds"
            return _failed("Sandbox.Timedout", message)
        except (EOFError, OSError):
            over, worker.killed = worker.over_memory, True
            if over:
                return _out_of_memory(request_id)
            return _failed("Runtime.ExitError", f"RequestId: {request_id} Error: {self._ending(worker.pid)}")
        worker.peak = max(worker.peak, int(head["peak"]))
        if worker.limit and worker.peak > worker.limit:
            # It was over between two looks at it, where Lambda would have ended it at once.
            worker.kill()
            return _out_of_memory(request_id)
        if not head["error"]:
            return Outcome(body)
        return Outcome(body, error=True, kind=str(json.loads(body).get("errorType")))

    def _ending(self, pid: int) -> str:
        status = self.nursery.status(pid)
        if status is None:
            return "Runtime exited without providing a reason"
        if os.WIFSIGNALED(status):
            name = signal.Signals(os.WTERMSIG(status)).name
            return f"Runtime exited with error: signal: {'killed' if name == 'SIGKILL' else name}"
        return f"Runtime exited with error: exit status {os.WEXITSTATUS(status)}"

    def _watch_memory(self) -> None:
        rounds = 0
        while not self._stopping.wait(SAMPLE_SECONDS):
            rounds += 1
            for function in list(self._functions.values()):
                for worker in list(function.busy):
                    worker.sample()
                if rounds % 200 == 0:
                    self._drop_idle(function)

    @staticmethod
    def _drop_idle(function: _Function) -> None:
        """Keeps one worker warm for ever, the others for a while."""
        horizon = time.monotonic() - IDLE_SECONDS
        with function.condition:
            old = [worker for worker in function.idle[:-1] if worker.idle_since < horizon]
            function.idle = [worker for worker in function.idle if worker not in old]
        for worker in old:
            worker.close()


def _out_of_memory(request_id: str) -> Outcome:
    return _failed("Runtime.OutOfMemory", f"RequestId: {request_id} Error: Runtime exited with error: signal: killed")


def _failed(kind: str, message: str) -> Outcome:
    return Outcome(json.dumps({"errorType": kind, "errorMessage": message}).encode(), error=True, kind=kind)


def _runtime_environment(spec: FunctionSpec) -> dict[str, str]:
    """What Lambda's runtime sets for every function."""
    region = spec.arn.split(":")[3]
    return {
        "PATH": os.environ.get("PATH", ""),
        "HOME": os.environ.get("HOME", "/tmp"),
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "TMPDIR": os.environ.get("TMPDIR", "/tmp"),
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_LAMBDA_FUNCTION_NAME": spec.name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(spec.memory_mb),
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{spec.name}",
        "LAMBDA_TASK_ROOT": spec.paths[0],
        "_HANDLER": spec.handler,
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _fingerprint(spec: FunctionSpec) -> str:
    facts = json.dumps([spec.handler, spec.paths, sorted(spec.environment.items())])
    return hashlib.sha256(facts.encode()).hexdigest()


def _is_closed(connection: socket.socket) -> bool:
    """Whether the worker at the other end is gone; an idle one has nothing to say."""
    connection.setblocking(False)
    try:
        return not connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        connection.setblocking(True)
