"""Runs inside the workers of a cloud under test: notes every call of a port, and kills its own process at one.

`write_functions` copies the functions and arms their handlers. A worker then appends each call of a port
to ``calls.txt`` and looks at ``orders``, which holds a file per contract: the first worker that comes to the
stated call for that contract takes the order (by moving the file to ``struck``) and dies by SIGKILL, before the
call or after it. ``throttles.json`` has a share of the DynamoDB requests answered as throttled, below boto3's own
retries.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

ROOT = Path(__file__).resolve().parents[2]
CONTRACT = r"chaos-[a-z]+-[0-9]+"
"""What the contracts (and collections) are called whose work is struck."""

PORTS = ("blobs", "jobs", "config", "executions", "bus", "scheduler", "secrets", "target")

_HEADER = """
import sys as _sys
_sys.path.append({root!r})
from tests.chaos import strike as _strike
_strike.arm({folder!r})
"""
_FOOTER = """

handler = _strike.armed({name!r}, handler)
"""


def write_functions(folder: Path) -> Path:
    """Copies the functions to ``folder/functions`` with handlers that can be struck; that folder."""
    target = folder / "functions"
    for name in ("orders", "struck"):
        (folder / name).mkdir()
    shutil.copytree(ROOT / "functions", target, ignore=shutil.ignore_patterns("__pycache__"))
    for path in target.glob("*/handler.py"):
        text = path.read_text(encoding="utf-8")
        head, mark, rest = text.partition("from __future__ import annotations\n")
        header = _HEADER.format(root=str(ROOT), folder=str(folder))
        path.write_text(head + mark + header + rest + _FOOTER.format(name=path.parent.name), encoding="utf-8")
    return target


def throttle(folder: Path, share: float) -> None:
    """Has a share of DynamoDB's requests throttled from now on, of the functions written to this folder."""
    part = folder / "throttles.part"
    part.write_text(json.dumps({"share": share}))
    part.rename(folder / "throttles.json")


class _Here:
    """Where this process is: its function, for whom, and how often each call was made in this invocation."""

    folder: ClassVar[Path] = Path()
    function: ClassVar[str] = ""
    contracts: ClassVar[tuple[str, ...]] = ()
    counts: ClassVar[Counter[tuple[str, str]]] = Counter()
    throttled: ClassVar[float] = 0.0
    rng: ClassVar[random.Random] = random.Random(os.getpid())


def arm(folder: str) -> None:
    """Has every world of this process hand out ports that can be struck."""
    from entrepot.bootstrap import AwsWorld

    _Here.folder = Path(folder)
    for name in PORTS:
        made = AwsWorld.__dict__.get(name)
        if isinstance(made, cached_property):
            armed = cached_property(_armed_port(name, made.func))
            armed.__set_name__(AwsWorld, name)
            setattr(AwsWorld, name, armed)
    _arm_throttles()


def armed(name: str, handler: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """A handler that says where it is."""

    def struck(event: Any, context: Any) -> Any:
        _Here.function = name
        _Here.contracts = _whose(name, json.dumps(event))
        _Here.counts = Counter()
        throttles = _Here.folder / "throttles.json"
        _Here.throttled = json.loads(throttles.read_text())["share"] if throttles.exists() else 0.0
        return handler(event, context)

    return struck


def _armed_port(name: str, make: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda world: _Port(name, make(world))


class _Port:
    """A port whose every call may be the last of its process."""

    def __init__(self, name: str, real: Any) -> None:
        self._name = name
        self._real = real

    def __getattr__(self, method: str) -> Any:
        found = getattr(self._real, method)
        if not callable(found):
            return found

        def call(*arguments: Any, **options: Any) -> Any:
            _Here.counts[self._name, method] += 1
            nth = _Here.counts[self._name, method]
            if (self._name, method) == ("jobs", "create"):
                _note(arguments[0])
            _strike(self._name, method, nth, "before")
            answer = found(*arguments, **options)
            _strike(self._name, method, nth, "after")
            return answer

        return call


def _note(job: Any) -> None:
    """Writes down whose job is made."""
    name = job.collection.name if job.collection else job.contract
    with (_Here.folder / "jobs.txt").open("a") as jobs:
        jobs.write(f"{name} {job.job_id}\n")


def _strike(port: str, method: str, nth: int, when: str) -> None:
    here = f"{_Here.function} {port}.{method} {nth} {when}"
    for contract in _Here.contracts:
        with (_Here.folder / "calls.txt").open("a") as calls:
            calls.write(f"{contract} {here}\n")
        order = _Here.folder / "orders" / contract
        try:
            if order.read_text() != here:
                continue
            order.rename(_Here.folder / "struck" / contract)
        except FileNotFoundError:
            continue
        sys.stdout.flush()
        os.kill(os.getpid(), signal.SIGKILL)


def _whose(function: str, event: str) -> tuple[str, ...]:
    """The contracts that an invocation is about: by its own words, or by the jobs that it names."""
    if function == "sweep":
        return ("sweep",)
    named = set(re.findall(CONTRACT, event))
    if not named:
        known = jobs_of(_Here.folder)
        named = {contract for contract, ids in known.items() if any(job in event for job in ids)}
    return tuple(sorted(named))


def jobs_of(folder: Path) -> dict[str, list[str]]:
    """The jobs of each contract, oldest first."""
    found: dict[str, list[str]] = {}
    path = folder / "jobs.txt"
    for line in path.read_text().splitlines() if path.exists() else ():
        contract, job_id = line.split()
        ids = found.setdefault(contract, [])
        if job_id not in ids:
            ids.append(job_id)
    return found


def _arm_throttles() -> None:
    """Answers a share of DynamoDB's requests as AWS does when it throttles."""
    from botocore.awsrequest import AWSResponse
    from botocore.httpsession import URLLib3Session

    real = URLLib3Session.send

    class _Body:
        def __init__(self, data: bytes) -> None:
            self._data = data

        def stream(self, **_: Any) -> Any:
            yield self._data

        def read(self, *_: Any) -> bytes:
            return self._data

    def send(session: Any, request: Any) -> Any:
        wanted = request.headers.get("X-Amz-Target", b"")
        wanted = wanted.decode() if isinstance(wanted, bytes) else wanted
        if not wanted.startswith("DynamoDB") or _Here.rng.random() >= _Here.throttled:
            return real(session, request)
        error = "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"
        body = json.dumps({"__type": error, "message": "slow down"}).encode()
        headers = {"content-type": "application/x-amz-json-1.0", "content-length": str(len(body))}
        return AWSResponse(request.url, 400, headers, _Body(body))

    URLLib3Session.send = send
