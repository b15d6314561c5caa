"""The process that workers are forked from.

It imports what most functions import (pyarrow, boto3 and the like take a second) once, before there is any
thread, and then forks a worker for every order on its socket: a cold start takes milliseconds and workers
share the memory of what they have in common.

It also sees to it that nothing outlives the cloud. When the cloud's end of the socket closes, however the
cloud died, it kills the workers and stops the database server it was asked to guard.

Run as ``python -I zygote.py FD PID_FILE TOKEN``: the server to guard is the one whose id is in the file, if it has
the token in its environment. Orders and answers are lines of JSON; the order to fork carries the worker's
socket as a file descriptor.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import importlib.util
import json
import os
import signal
import socket
import sys
import time
from typing import Any

PR_SET_PDEATHSIG = 1
GUARD_SECONDS = 2.0
CLIENTS = ("s3", "dynamodb", "stepfunctions", "sqs", "events", "secretsmanager", "scheduler")


def _worker_module() -> Any:
    # Loaded by path: with this folder on sys.path its modules would hide the standard library's.
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "worker.py")
    spec = importlib.util.spec_from_file_location("entrepot_worker", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _preload(names: list[str]) -> None:
    for name in names:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    if "boto3" in names and "boto3" in sys.modules:
        # Service models are parsed once here, in the session that handlers use by default.
        import boto3

        for name in CLIENTS:
            boto3.client(name, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")


def _die_with_parent(parent: int) -> None:
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)


def _stop_database(pid_file: str, token: str) -> None:
    """PostgreSQL's fast shutdown: transactions are rolled back, nothing is lost.

    A server that was launched a moment ago has not written its file yet, so the file is waited for.
    """
    ends = time.monotonic() + GUARD_SECONDS
    while time.monotonic() < ends:
        with contextlib.suppress(OSError, ValueError), open(pid_file) as stream:
            pid = int(stream.readline())
            if pid > 1 and _has_token(pid, token):
                os.kill(pid, signal.SIGINT)
            return
        time.sleep(0.05)


def _has_token(pid: int, token: str) -> bool:
    """Whether our own cloud started the process: the file may name the next cloud's server, or anybody."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as stream:
            return os.fsencode(token) in stream.read()
    except OSError:
        return not sys.platform.startswith("linux")


class Zygote:
    """Carries out orders until the socket closes."""

    def __init__(self, control: socket.socket, guarded: str, token: str) -> None:
        self.control = control
        self.children: set[int] = set()
        self.statuses: dict[int, int] = {}
        self.guarded = guarded
        self.token = token
        self.worker = _worker_module()

    def run(self) -> None:
        """Answers orders until there is nobody to order."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, lambda *_: self.reap())
        buffer = b""
        fds: list[int] = []
        while True:
            try:
                data, got, _, _ = socket.recv_fds(self.control, 65536, 4)
            except ConnectionError:
                # The cloud died before it read all our answers.
                break
            fds += got
            if not data:
                break
            buffer += data
            while b"\n" in buffer:
                line, _, buffer = buffer.partition(b"\n")
                self.answer(json.loads(line), fds)
        self.end()

    def answer(self, order: dict[str, Any], fds: list[int]) -> None:
        """Carries out one order."""
        reply: dict[str, Any] = {}
        if order["do"] == "preload":
            _preload(order["names"])
            # What is here now stays: the collector need not touch (and so copy) it in every child.
            gc.collect()
            gc.freeze()
        elif order["do"] == "fork":
            reply["pid"] = self.fork(fds.pop(0))
        elif order["do"] == "status":
            self.reap()
            reply["status"] = self.statuses.pop(order["pid"], None)
        elif order["do"] == "guard":
            self.guarded = order["path"]
        # Orders of a cloud that is gone are still carried out: one may say what to leave running nowhere.
        with contextlib.suppress(OSError):
            self.control.sendall(json.dumps(reply).encode() + b"\n")

    def fork(self, fd: int) -> int:
        """Forks a worker that serves a socket; returns its process id."""
        parent = os.getpid()
        pid = os.fork()
        if pid:
            os.close(fd)
            self.children.add(pid)
            return pid
        code = 1
        try:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _die_with_parent(parent)
            self.control.close()
            self.worker.serve(socket.socket(fileno=fd))
            code = 0
        except SystemExit as ending:
            code = ending.code if isinstance(ending.code, int) else 1
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            with contextlib.suppress(Exception):
                sys.stdout.flush()
            os._exit(code)

    def reap(self) -> None:
        """Notes how children ended."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            self.children.discard(pid)
            self.statuses[pid] = status
            if len(self.statuses) > 1000:
                del self.statuses[next(iter(self.statuses))]

    def end(self) -> None:
        """Leaves nothing running."""
        for pid in list(self.children):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self.guarded:
            _stop_database(self.guarded, self.token)


if __name__ == "__main__":
    Zygote(socket.socket(fileno=int(sys.argv[1])), sys.argv[2], sys.argv[3]).run()
