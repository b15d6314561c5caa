"""Queues: visibility, receive counts, dead letters, restarts; and the poller that feeds a function."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from moto.sqs.models import Message

from local.poller import Poller
from local.services.queues import LocalQueue, LocalSqsBackend
from local.specs import Outcome
from local.state import Journal


class Rig:
    """A queue with a dead-letter queue, journalled."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.journal = Journal(path, "queues")
        self.backend = LocalSqsBackend("us-east-1", "123456789012")
        self.dead = self._queue("dead")
        self.queue = self._queue("main")
        self.queue.dead_letter_queue = self.dead
        self.queue.redrive_policy = {"maxReceiveCount": 2}
        for key, record in self.journal.values.items():
            self.backend.queues[key.partition("/")[0]].restore(record)

    def _queue(self, name: str) -> LocalQueue:
        queue = LocalQueue(name, region="us-east-1", account_id="123456789012", VisibilityTimeout=30)
        queue.journal = lambda: self.journal
        self.backend.queues[name] = queue
        return queue

    def send(self, body: str, **more: Any) -> Message:
        return self.backend.send_message("main", body, **more)

    def bodies(self, queue: LocalQueue) -> list[str]:
        return [message.body for message in queue.held.values()]


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path / "queues.jsonl")


def test_a_received_message_is_invisible_until_its_time_is_over(rig: Rig):
    rig.send("a")
    taken = rig.queue.take(10, 0.1)
    assert [message.body for message in taken] == ["a"]
    assert rig.queue.take(10, 30) == []
    again = rig.queue.take(10, 30, wait_seconds=1)
    assert [message.approximate_receive_count for message in again] == [2]


def test_a_deleted_message_is_gone_even_by_an_older_handle(rig: Rig):
    rig.send("a")
    first = rig.queue.take(1, 0)[0]
    second = rig.queue.take(1, 0)[0]
    assert first.receipt_handle != second.receipt_handle
    rig.queue.delete_message(first.receipt_handle or "")
    rig.queue.delete_message(second.receipt_handle or "")
    assert rig.bodies(rig.queue) == []


def test_a_message_received_too_often_is_a_dead_letter(rig: Rig):
    rig.send("poison")
    for _ in range(2):
        assert rig.queue.take(1, 0)
    assert rig.queue.take(1, 0) == []
    assert rig.bodies(rig.queue) == []
    assert rig.bodies(rig.dead) == ["poison"]


def test_a_delayed_message_waits(rig: Rig):
    rig.send("later", delay_seconds=1)
    assert rig.queue.take(1, 30) == []
    assert [message.body for message in rig.queue.take(1, 30, wait_seconds=2)] == ["later"]


def test_a_waiting_receiver_is_woken_at_once(rig: Rig):
    times: list[float] = []

    def wait() -> None:
        rig.queue.take(1, 30, wait_seconds=5)
        times.append(time.monotonic())

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.1)
    sent = time.monotonic()
    rig.send("a")
    thread.join()
    assert times[0] - sent < 0.05


def test_messages_survive_a_restart_with_their_counts(rig: Rig):
    rig.send("held", message_attributes={"k": {"DataType": "String", "StringValue": "v"}})
    rig.send("done")
    rig.send("poison")
    taken = {message.body: message for message in rig.queue.take(10, 3600)}
    rig.queue.delete_message(taken["done"].receipt_handle or "")
    rig.queue.defer(taken["poison"].receipt_handle or "", 0)
    rig.queue.take(10, 0)
    rig.queue.take(10, 0)
    rig.journal.close()
    again = Rig(rig.path)
    assert rig.bodies(again.dead) == ["poison"]
    taken = again.queue.take(10, 30)
    assert [(m.body, m.approximate_receive_count) for m in taken] == [("held", 2)]
    assert taken[0].message_attributes == {"k": {"DataType": "String", "StringValue": "v"}}


def test_purging_empties_the_journal_too(rig: Rig):
    rig.send("a")
    rig.backend.purge_queue("main")
    rig.journal.close()
    assert Rig(rig.path).queue.take(1, 30) == []


class Function:
    """A function whose outcomes are given."""

    def __init__(self, *outcomes: Outcome) -> None:
        self.outcomes = list(outcomes)
        self.batches: list[list[str]] = []
        self.events: list[dict] = []

    def __call__(self, _name: str, payload: bytes) -> Outcome:
        event = json.loads(payload)
        self.events.append(event)
        self.batches.append([record["body"] for record in event["Records"]])
        return self.outcomes.pop(0) if self.outcomes else Outcome(b'{"batchItemFailures": []}')


def failing(*bodies: str) -> Function:
    """A function that reports the messages with these bodies as failed."""

    class Failing(Function):
        def __call__(self, name: str, payload: bytes) -> Outcome:
            super().__call__(name, payload)
            ids = [r["messageId"] for r in json.loads(payload)["Records"] if r["body"] in bodies]
            return Outcome(json.dumps({"batchItemFailures": [{"itemIdentifier": i} for i in ids]}).encode())

    return Failing()


def polled(rig: Rig, function: Function, until, *, window: float = 0, partial: bool = True, retry: float = 0.01):
    mapping = SimpleNamespace(
        scaling_config=None, enabled=True, batch_size=10, max_batch_window=window,
        function_arn="arn:aws:lambda:us-east-1:123456789012:function:f",
        function_response_types=["ReportBatchItemFailures"] if partial else [],
    )  # fmt: skip
    poller = Poller(mapping, rig.queue, function, retry_seconds=retry)  # type: ignore[arg-type]
    poller.start()
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and not until():
        time.sleep(0.005)
    poller.stop(2)
    assert until()


def test_what_succeeds_is_deleted(rig: Rig):
    function = Function()
    rig.send("a")
    polled(rig, function, lambda: not rig.queue.held)
    record = function.events[0]["Records"][0]
    assert record["body"] == "a"
    assert record["eventSource"] == "aws:sqs"
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert record["eventSourceARN"] == rig.queue.queue_arn


def test_an_event_reaches_the_function_at_once(rig: Rig):
    times: list[float] = []

    class Timed(Function):
        def __call__(self, name: str, payload: bytes) -> Outcome:
            times.append(time.monotonic())
            return super().__call__(name, payload)

    def until() -> bool:
        if not sent:
            time.sleep(0.2)
            sent.append(time.monotonic())
            rig.send("a")
        return not rig.queue.held

    sent: list[float] = []
    polled(rig, Timed(), until)
    assert times[0] - sent[0] < 0.03


def test_only_the_messages_that_failed_come_again_and_end_as_dead_letters(rig: Rig):
    for body in ("good", "poison"):
        rig.send(body)
    polled(rig, failing("poison"), lambda: rig.bodies(rig.dead) == ["poison"] and not rig.queue.held)


def test_an_answer_that_makes_no_sense_fails_the_whole_batch(rig: Rig):
    rig.send("a")
    strange = [Outcome(b'{"batchItemFailures": [{"itemIdentifier": "other"}]}'), Outcome(b'"text"')]
    polled(rig, Function(*strange), lambda: rig.bodies(rig.dead) == ["a"])


def test_a_function_that_fails_gets_the_batch_again(rig: Rig):
    rig.send("a")
    function = Function(Outcome(b"{}", error=True, kind="Runtime.ExitError"))
    polled(rig, function, lambda: not rig.queue.held)
    assert [event["Records"][0]["attributes"]["ApproximateReceiveCount"] for event in function.events] == ["1", "2"]


def test_without_partial_answers_everything_is_deleted(rig: Rig):
    rig.send("a")
    polled(rig, failing("a"), lambda: not rig.queue.held, partial=False)
    assert rig.bodies(rig.dead) == []


def test_throttling_does_not_cost_a_receive(rig: Rig):
    rig.send("a")
    function = Function(Outcome(throttled=True, error=True), Outcome(throttled=True, error=True))
    polled(rig, function, lambda: not rig.queue.held)
    assert len(function.events) == 3
    assert function.events[-1]["Records"][0]["attributes"]["ApproximateReceiveCount"] == "1"


def test_a_window_gathers_a_batch(rig: Rig):
    function = Function()

    def until() -> bool:
        while len(sent) < 3:
            time.sleep(0.05)
            sent.append(rig.send(str(len(sent))))
        return not rig.queue.held

    sent: list[Message] = []
    polled(rig, function, until, window=0.5)
    assert function.batches == [["0", "1", "2"]]
