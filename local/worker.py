"""One Lambda environment: a process that runs one function's handler, one event after the other.

Run by `local.zygote` after a fork, or as ``python worker.py FD`` where forking is not safe. It imports nothing
of this project, because the function must see only what its own package and layers hold.

Frames on the socket: two big-endian 32-bit lengths, a JSON head, a body of bytes.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import socket
import struct
import sys
import time
import traceback
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

Spec = dict[str, Any]
FRAME = struct.Struct(">II")
MAX_RESPONSE_BYTES = 6_291_556


def send(connection: socket.socket, head: dict[str, Any], body: bytes = b"") -> None:
    """Sends one frame."""
    data = json.dumps(head).encode()
    connection.sendall(FRAME.pack(len(data), len(body)) + data + body)


def receive(connection: socket.socket) -> tuple[dict[str, Any], bytes]:
    """One frame as ``(head, body)``; EOFError when the peer is gone."""
    head_size, body_size = FRAME.unpack(_exactly(connection, FRAME.size))
    head = json.loads(_exactly(connection, head_size))
    return head, _exactly(connection, body_size)


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        block = connection.recv(min(1 << 20, size - len(data)))
        if not block:
            raise EOFError
        data += block
    return bytes(data)


class Context:
    """What Lambda gives a handler beside its event."""

    def __init__(self, spec: Spec, head: dict[str, Any]) -> None:
        self.function_name = spec["name"]
        self.function_version = "$LATEST"
        self.invoked_function_arn = spec["arn"]
        self.memory_limit_in_mb = str(spec["memory_mb"])
        self.aws_request_id = head["request_id"]
        self.log_group_name = "/aws/lambda/" + spec["name"]
        self.log_stream_name = spec["stream"]
        self.identity = SimpleNamespace(cognito_identity_id=None, cognito_identity_pool_id=None)
        self.client_context = None
        self._deadline = head["deadline"]

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the timeout."""
        return max(0, int((self._deadline - time.time()) * 1000))

    def log(self, message: object) -> None:
        """Writes to the log."""
        sys.stdout.write(str(message))


def _failure(error: BaseException) -> dict[str, Any]:
    frames = traceback.extract_tb(error.__traceback__)[1:]
    return {
        "errorMessage": str(error),
        "errorType": type(error).__name__,
        "stackTrace": traceback.format_list(frames),
    }


def _prepare(spec: Spec) -> None:
    """Makes this process the function's: environment, paths, log, working directory."""
    os.environ.clear()
    os.environ.update(spec["env"])
    with contextlib.suppress(AttributeError):
        time.tzset()
    sys.path[:] = [*spec["paths"], *(path for path in sys.path if path not in spec["hidden_paths"])]
    importlib.invalidate_caches()
    sys.argv = ["bootstrap"]
    os.chdir(spec["paths"][0])
    _open_log(spec["log"])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _open_log(path: str) -> None:
    """Writes to the log file; again when it was rotated."""
    with contextlib.suppress(OSError):
        held = os.fstat(1)
        if os.stat(path).st_ino == held.st_ino:
            return
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    sys.stdout.flush()
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    os.close(fd)


def _load(spec: Spec) -> tuple[Callable[[Any, Any], Any] | None, dict[str, Any] | None]:
    """The handler, or what is wrong with it."""
    module_name, _, attribute = spec["handler"].rpartition(".")
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        message = f"Unable to import module '{module_name}': {error}"
        return None, {**_failure(error), "errorType": "Runtime.ImportModuleError", "errorMessage": message}
    except Exception as error:  # The function's own code may raise anything; it is reported, not handled.
        return None, _failure(error)
    handler = getattr(module, attribute, None)
    if handler is None:
        message = f"Handler '{attribute}' missing on module '{module_name}'"
        return None, {"errorType": "Runtime.HandlerNotFound", "errorMessage": message}
    return handler, None


def _reset_peak() -> None:
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w") as stream:
        stream.write("5")


def _peak_bytes() -> int:
    try:
        with open("/proc/self/status") as stream:
            for line in stream:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _run(handler: Callable[[Any, Any], Any], spec: Spec, head: dict[str, Any], body: bytes) -> tuple[bool, bytes]:
    """One invocation: ``(is_error, payload)``."""
    try:
        event = json.loads(body or b"null")
        result = handler(event, Context(spec, head))
    except Exception as error:  # Reported to the caller, as Lambda does.
        failure = _failure(error)
        sys.stderr.write(
            json.dumps({"level": "ERROR", "requestId": head["request_id"], "errorType": failure["errorType"]}) + "\n"
        )
        return True, json.dumps({**failure, "requestId": head["request_id"]}).encode()
    try:
        payload = json.dumps(result).encode()
    except (TypeError, ValueError) as error:
        failure = {"errorType": "Runtime.MarshalError", "errorMessage": f"Unable to marshal response: {error}"}
        return True, json.dumps(failure).encode()
    if len(payload) > MAX_RESPONSE_BYTES:
        message = f"Response payload size exceeded maximum allowed payload size ({MAX_RESPONSE_BYTES} bytes)."
        return True, json.dumps({"errorType": "Function.ResponseSizeTooLarge", "errorMessage": message}).encode()
    return False, payload


def serve(connection: socket.socket) -> None:
    """Runs until the other end closes the socket."""
    try:
        spec, _ = receive(connection)
        _prepare(spec)
        handler, problem = _load(spec)
        send(connection, {"ready": problem is None, "problem": problem})
        while handler is not None:
            head, body = receive(connection)
            _open_log(spec["log"])
            _reset_peak()
            failed, payload = _run(handler, spec, head, body)
            sys.stdout.flush()
            sys.stderr.flush()
            send(connection, {"error": failed, "peak": _peak_bytes()}, payload)
    except (EOFError, ConnectionError):
        pass


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
