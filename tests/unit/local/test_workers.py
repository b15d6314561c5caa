"""Worker processes: a function's own world, and Lambda's limits by killing."""

from __future__ import annotations

import json
import os
import signal
import textwrap
import threading
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from local.asynchronous import AsyncQueue
from local.specs import FunctionSpec
from local.state import Journal
from local.workers import WorkerPool

HANDLER = """
    import json, os, sys, time
    COLD = os.urandom(8).hex()
    class RetriableError(Exception):
        pass
    def handler(event, context):
        do = event.get("do")
        if do == "sleep":
            time.sleep(event["seconds"])
        elif do == "hog":
            held = bytearray(event["bytes"])
            held[::4096] = b"x" * len(held[::4096])
            time.sleep(event.get("seconds", 0.3))
        elif do == "exit":
            os._exit(3)
        elif do == "kill":
            os.kill(os.getpid(), 11)
        elif do == "raise":
            raise RetriableError("row 7")
        elif do == "big":
            return "x" * event["bytes"]
        elif do == "set":
            return {1}
        elif do == "print":
            print(json.dumps({"message": "hello from the handler"}))
        elif do == "count":
            with open(event["path"], "a") as stream:
                stream.write("x")
            if os.path.getsize(event["path"]) < event["until"]:
                raise RetriableError("not yet")
        return {"env": dict(os.environ), "cold": COLD, "pid": os.getpid(), "ppid": os.getppid(),
                "name": context.function_name, "memory": context.memory_limit_in_mb,
                "left": context.get_remaining_time_in_millis(), "arn": context.invoked_function_arn,
                "local": [m for m in sys.modules if m.split(".")[0] in ("local", "stacks", "tests")],
                "helper": __import__("helper").VALUE if event.get("helper") else None}
"""
ARN = "arn:aws:lambda:us-east-1:123456789012:function:tool"


class Rig:
    """A pool with functions that can be changed."""

    def __init__(self, folder: Path) -> None:
        code, layer = folder / "code", folder / "layer"
        code.mkdir()
        layer.mkdir()
        (code / "handler.py").write_text(textwrap.dedent(HANDLER))
        (code / "broken.py").write_text("import no_such_module\n")
        (layer / "helper.py").write_text("VALUE = 'from the layer'\n")
        self.logs = folder / "logs"
        self.logs.mkdir()
        spec = FunctionSpec("tool", ARN, "handler.handler", (str(code), str(layer)), {"MINE": "1"}, 1.0, 200)
        self.specs = {
            "tool": spec,
            "single": replace(spec, name="single", reserved=1, timeout=5.0),
            "off": replace(spec, name="off", reserved=0),
            "broken": replace(spec, name="broken", handler="broken.handler"),
            "missing": replace(spec, name="missing", handler="handler.nothing"),
        }
        self.pool = WorkerPool(self.specs.get, self.logs, concurrency=4, preload=("json",))
        self.pool.start()

    def call(self, event: dict, name: str = "tool"):
        outcome = self.pool.invoke(name, json.dumps(event).encode())
        return outcome, json.loads(outcome.payload)


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory):
    rig = Rig(tmp_path_factory.mktemp("workers"))
    yield rig
    rig.pool.stop()


def test_a_function_sees_its_own_world_and_nothing_of_ours(rig: Rig, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SECRET_OF_THE_SHELL", "x")
    outcome, answer = rig.call({"helper": True})
    assert not outcome.error
    assert answer["env"]["MINE"] == "1"
    assert answer["env"]["AWS_LAMBDA_FUNCTION_NAME"] == "tool"
    assert answer["env"]["AWS_REGION"] == "us-east-1"
    assert "SECRET_OF_THE_SHELL" not in answer["env"]
    assert answer["helper"] == "from the layer"
    assert answer["local"] == []
    assert (answer["name"], answer["memory"], answer["arn"]) == ("tool", "200", ARN)
    assert 0 < answer["left"] <= 1000


def test_a_worker_stays_warm_until_its_configuration_changes(rig: Rig):
    _, first = rig.call({})
    _, second = rig.call({})
    assert (first["cold"], first["pid"]) == (second["cold"], second["pid"])
    spec = rig.specs["tool"]
    rig.specs["tool"] = replace(spec, environment={"MINE": "2"})
    try:
        _, third = rig.call({})
        assert third["env"]["MINE"] == "2"
        assert third["pid"] != first["pid"]
    finally:
        rig.specs["tool"] = spec


@pytest.mark.parametrize(
    ("event", "kind", "message"),
    [
        ({"do": "sleep", "seconds": 9}, "Sandbox.Timedout", "Task timed out after 1.00 seconds"),
        ({"do": "hog", "bytes": 210 << 20}, "Runtime.OutOfMemory", "signal: killed"),
        ({"do": "exit"}, "Runtime.ExitError", "exit status 3"),
        ({"do": "kill"}, "Runtime.ExitError", "SIGSEGV"),
        ({"do": "raise"}, "RetriableError", "row 7"),
        ({"do": "big", "bytes": 6_300_000}, "Function.ResponseSizeTooLarge", "6291556"),
        ({"do": "set"}, "Runtime.MarshalError", "not JSON serializable"),
    ],
)
def test_failures_are_worded_as_lambda_words_them(rig: Rig, event: dict, kind: str, message: str):
    outcome, answer = rig.call(event)
    assert outcome.error
    assert outcome.kind == answer["errorType"] == kind
    assert message in answer["errorMessage"]
    assert not rig.call({})[0].error, "the next invocation has a worker again"


def test_a_handler_that_cannot_be_loaded_says_why(rig: Rig):
    assert rig.call({}, "broken")[1]["errorType"] == "Runtime.ImportModuleError"
    assert "no_such_module" in rig.call({}, "broken")[1]["errorMessage"]
    assert rig.call({}, "missing")[1]["errorType"] == "Runtime.HandlerNotFound"


def test_reserved_concurrency_throttles_and_others_wait(rig: Rig):
    assert rig.call({}, "off")[0].throttled
    rig.call({}, "single")
    slow = threading.Thread(target=rig.call, args=({"do": "sleep", "seconds": 1}, "single"))
    slow.start()
    time.sleep(0.3)
    assert rig.call({}, "single")[0].throttled
    slow.join()
    assert not rig.call({}, "single")[0].error
    outcomes: list[bool] = []
    threads = [
        threading.Thread(target=lambda: outcomes.append(rig.call({"do": "sleep", "seconds": 0.05})[0].error))
        for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == [False] * 12
    assert len(rig.pool.pids()["tool"]) <= 4


def test_the_peak_of_an_invocation_is_its_own(rig: Rig):
    rig.call({})
    rig.call({"do": "hog", "bytes": 100 << 20, "seconds": 0})
    high = rig.pool.invocations[-1].peak_rss_bytes
    rig.call({})
    low = rig.pool.invocations[-1].peak_rss_bytes
    assert high > 100 << 20
    assert low < high - (50 << 20)
    assert rig.pool.peaks()["tool"] >= high


def test_a_killed_worker_is_replaced(rig: Rig):
    _, answer = rig.call({})
    os.kill(answer["pid"], signal.SIGKILL)
    time.sleep(0.1)
    assert rig.call({})[1]["pid"] != answer["pid"]


def test_a_killed_nursery_is_replaced(rig: Rig):
    rig.call({})
    os.kill(rig.pool.nursery.pid, signal.SIGKILL)
    time.sleep(0.2)
    outcome, answer = rig.call({})
    assert not outcome.error
    assert answer["ppid"] == rig.pool.nursery.pid


def test_what_is_printed_is_in_the_functions_log(rig: Rig):
    rig.call({"do": "print"})
    lines = (rig.logs / "tool.log").read_text().splitlines()
    assert '{"message": "hello from the handler"}' in lines
    assert json.loads(lines[-1])["type"] == "platform.report"


def test_logs_are_rotated(rig: Rig, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("local.logs.MAX_BYTES", 1000)
    for _ in range(30):
        rig.call({"do": "print"})
    assert (rig.logs / "tool.log").stat().st_size < 2000
    assert (rig.logs / "tool.log.3").exists()
    assert not (rig.logs / "tool.log.4").exists()


def test_an_unknown_function_and_a_request_too_large(rig: Rig):
    assert rig.pool.invoke("nobody", b"{}").unknown
    assert rig.pool.invoke("tool", b'"' + b"x" * 6_300_000 + b'"').kind == "RequestTooLargeException"


def test_stopping_leaves_no_process(tmp_path: Path):
    rig = Rig(tmp_path)
    thread = threading.Thread(target=rig.call, args=({"do": "sleep", "seconds": 5}, "single"))
    thread.start()
    rig.call({})
    time.sleep(0.2)
    pids = [rig.pool.nursery.pid, *(pid for pids in rig.pool.pids().values() for pid in pids)]
    assert len(pids) >= 3
    rig.pool.stop()
    thread.join(5)
    assert not thread.is_alive()
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and any(psutil.pid_exists(pid) for pid in pids):
        time.sleep(0.02)
    assert [pid for pid in pids if psutil.pid_exists(pid)] == []


def test_asynchronous_events_are_tried_again_and_then_given_up(rig: Rig, tmp_path: Path, monkeypatch):
    monkeypatch.setattr("local.asynchronous.RETRY_SECONDS", (0.01, 0.02))
    journal = Journal(tmp_path / "invocations.jsonl", "invocations")
    dead: list[tuple[str, str]] = []
    rig.specs["dying"] = replace(rig.specs["tool"], name="dying", dead_letters="arn:dead")
    queue = AsyncQueue(rig.pool, rig.specs.get, journal, lambda arn, body: dead.append((arn, body)))
    queue.start()
    count = tmp_path / "count"
    queue.submit("tool", json.dumps({"do": "count", "path": str(count), "until": 3}).encode())
    queue.submit("dying", b'{"do": "raise"}')
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and not (dead and count.exists() and count.stat().st_size == 3):
        time.sleep(0.02)
    time.sleep(0.1)
    queue.stop()
    journal.close()
    assert count.stat().st_size == 3
    assert dead == [("arn:dead", '{"do": "raise"}')]
    assert Journal(tmp_path / "invocations.jsonl", "invocations").values == {}


def test_asynchronous_events_survive_a_restart(rig: Rig, tmp_path: Path):
    journal = Journal(tmp_path / "invocations.jsonl", "invocations")
    AsyncQueue(rig.pool, rig.specs.get, journal, lambda *_: None).submit(
        "tool", json.dumps({"do": "count", "path": str(tmp_path / "count"), "until": 1}).encode()
    )
    journal.close()
    journal = Journal(tmp_path / "invocations.jsonl", "invocations")
    queue = AsyncQueue(rig.pool, rig.specs.get, journal, lambda *_: None)
    queue.start()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and not (tmp_path / "count").exists():
        time.sleep(0.02)
    queue.stop()
    assert (tmp_path / "count").read_text() == "x"
