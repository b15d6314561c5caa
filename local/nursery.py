"""Where worker processes come from, and how one is watched and ended."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from local.errors import LocalCloudError

PRELOAD = (
    "json", "decimal", "zoneinfo", "logging.config", "pydantic", "pydantic_settings", "orjson", "boto3",
    "botocore.config",
    "aws_lambda_powertools", "aws_lambda_powertools.event_handler", "aws_lambda_powertools.utilities.parser",
    "aws_lambda_powertools.utilities.batch", "pyarrow", "pyarrow.csv", "pyarrow.compute", "pyarrow.ipc", "psycopg",
)  # fmt: skip


ALLOCATORS = {
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(512 << 20),
    "MIMALLOC_PURGE_DELAY": "-1",
}
"""What the stack gives to functions that work on columns. Allocators read it once, when a process starts: workers
are forked from one that has it."""


class Worker:
    """One process."""

    def __init__(self, pid: int, connection: socket.socket, fingerprint: str) -> None:
        self.pid = pid
        self.connection = connection
        self.fingerprint = fingerprint
        self.peak = 0
        self.limit = 0
        self.over_memory = False
        self.killed = False
        self.idle_since = time.monotonic()

    def sample(self) -> None:
        """Looks at the resident size; kills the process when it is over the limit."""
        size = resident_bytes(self.pid)
        self.peak = max(self.peak, size)
        if self.limit and size > self.limit and not self.over_memory:
            self.over_memory = True
            self.kill()

    def kill(self) -> None:
        """Ends the process at once."""
        if not self.killed:
            self.killed = True
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """Ends the process by closing its socket."""
        self.connection.close()


class Nursery:
    """Starts worker processes, by forking a process that has imported the usual libraries."""

    def __init__(self, preload: Sequence[str] = PRELOAD) -> None:
        self._preload = list(preload)
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self.guarded: Path | None = None
        """PID file of a database server that must not outlive this process; set before `start`."""
        self.token = uuid.uuid4().hex
        """In the environment of that server, to tell it from the server of a later cloud."""

    @property
    def pid(self) -> int:
        """The process that forks, 0 before it runs."""
        return self._process.pid if self._process else 0

    def start(self) -> None:
        """Starts the process and lets it import in the background."""
        with self._lock:
            self._start()

    def fork(self) -> tuple[int, socket.socket]:
        """A new worker process and the socket to it."""
        for attempt in (1, 2):
            ours, theirs = socket.socketpair()
            try:
                with self._lock:
                    reply = self._order({"do": "fork"}, [theirs.fileno()])
                return int(reply["pid"]), ours
            except (OSError, EOFError, LocalCloudError):
                ours.close()
                if attempt == 2:
                    raise
                with self._lock:
                    self._start()
            finally:
                theirs.close()
        raise AssertionError

    def status(self, pid: int) -> int | None:
        """How a worker ended, as ``os.waitpid`` tells it."""
        # Its socket closes a moment before the process is gone.
        for _ in range(20):
            with contextlib.suppress(OSError, EOFError, LocalCloudError):
                with self._lock:
                    status = self._order({"do": "status", "pid": pid}).get("status")
                if status is not None:
                    return int(status)
            time.sleep(0.01)
        return None

    def stop(self) -> None:
        """Ends the process and with it all workers."""
        with self._lock:
            if self._control:
                # This is an orderly end, in which the database is stopped after the workers.
                with contextlib.suppress(OSError):
                    self._send({"do": "guard", "path": ""})
                self._hang_up()
            if self._process:
                try:
                    self._process.wait(5)
                except subprocess.TimeoutExpired:
                    self._process.kill()
                    self._process.wait()
            self._process = self._control = None

    def _start(self) -> None:
        if self._process and self._process.poll() is None:
            return
        if self._control:
            self._hang_up()
        ours, theirs = socket.socketpair()
        script = Path(__file__).with_name("zygote.py")
        environment = {
            name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR") if name in os.environ
        } | ALLOCATORS
        # Its own session: Ctrl-C on the terminal reaches the cloud alone, which then ends the workers in order.
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(script), str(theirs.fileno()), str(self.guarded or ""), self.token],
            stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()], env=environment, start_new_session=True,
        )  # fmt: skip
        theirs.close()
        self._control = ours
        self._reader = ours.makefile("rb")
        self._pending = 0
        self._send({"do": "preload", "names": self._preload})

    def _hang_up(self) -> None:
        assert self._control is not None
        self._reader.close()
        self._control.close()
        self._control = None

    def _order(self, order: dict[str, Any], fds: Sequence[int] = ()) -> dict[str, Any]:
        if self._control is None:
            raise LocalCloudError("the worker pool is not running")
        self._send(order, fds)
        reply: dict[str, Any] = {}
        while self._pending:
            line = self._reader.readline()
            if not line:
                raise EOFError
            self._pending -= 1
            reply = json.loads(line)
        return reply

    def _send(self, order: dict[str, Any], fds: Sequence[int] = ()) -> None:
        assert self._control is not None
        socket.send_fds(self._control, [json.dumps(order).encode() + b"\n"], list(fds))
        self._pending += 1


_STATM = Path("/proc/self/statm").exists()
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


def resident_bytes(pid: int) -> int:
    """A process's resident size in bytes, 0 when it is gone."""
    if _STATM:
        try:
            with open(f"/proc/{pid}/statm", "rb") as stream:
                return int(stream.read().split()[1]) * _PAGE
        except (OSError, IndexError):
            return 0
    import psutil

    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0
