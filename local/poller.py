"""SQS → Lambda: what AWS's event source mappings do.

Takes batches, invokes the function, deletes what succeeded (all, or all but ``batchItemFailures``), and leaves
the rest to become visible again; messages received too often end in the dead-letter queue.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from moto.awslambda.models import EventSourceMapping
from moto.sqs.exceptions import ReceiptHandleIsInvalid
from moto.sqs.models import Message

from local.services.functions import backend as functions
from local.services.functions import short_name
from local.services.queues import LocalQueue, find_queue
from local.specs import Outcome

LOG = logging.getLogger("entrepot.local")
DEFAULT_CONCURRENCY = 5
THROTTLE_SECONDS = 0.2

Invoke = Callable[[str, bytes], Outcome]


class Poller:
    """Feeds one function from one queue.

    Args:
        mapping: The event source mapping; read again for every batch, so that it can be changed.
        queue: The queue.
        invoke: Runs the function.
        retry_seconds: The longest that failed messages stay invisible.
    """

    def __init__(self, mapping: EventSourceMapping, queue: LocalQueue, invoke: Invoke, retry_seconds: float) -> None:
        self._mapping = mapping
        self._queue = queue
        self._invoke = invoke
        self._retry_seconds = retry_seconds
        self._stopping = threading.Event()
        scaling = mapping.scaling_config or {}
        self._slots = threading.Semaphore(int(scaling.get("MaximumConcurrency") or DEFAULT_CONCURRENCY))
        self._threads: set[threading.Thread] = set()
        self._main = threading.Thread(target=self._run, daemon=True, name=f"poller-{queue.name}")

    def start(self) -> None:
        """Begins to poll."""
        self._main.start()

    def stop(self, grace_seconds: float = 0.0) -> None:
        """Stops taking messages and waits a moment for running batches."""
        self._stopping.set()
        self._queue.wake()
        ends = time.monotonic() + grace_seconds
        for thread in [self._main, *self._threads]:
            thread.join(max(0.0, ends - time.monotonic()))

    def _run(self) -> None:
        while not self._stopping.is_set():
            if not self._mapping.enabled:
                self._stopping.wait(0.2)
                continue
            with self._slots:
                pass
            batch = self._collect()
            if batch:
                self._slots.acquire()
                thread = threading.Thread(target=self._work, args=(batch,), daemon=True, name="batch")
                self._threads.add(thread)
                thread.start()

    def _collect(self) -> list[Message]:
        """One batch: full, or as old as the batching window."""
        size, window = int(self._mapping.batch_size), float(self._mapping.max_batch_window or 0)
        visibility = float(self._queue.visibility_timeout)  # type: ignore[attr-defined]
        batch = self._queue.take(size, visibility, 1.0)
        ends = time.monotonic() + window
        while batch and len(batch) < size and not self._stopping.is_set():
            left = ends - time.monotonic()
            if left <= 0:
                break
            batch += self._queue.take(size - len(batch), visibility, min(left, 0.5))
        return batch

    def _work(self, batch: list[Message]) -> None:
        try:
            self._deliver(batch)
        except Exception:
            LOG.exception("a batch of queue %s failed", self._queue.name)
        finally:
            self._slots.release()
            self._threads.discard(threading.current_thread())

    def _deliver(self, batch: list[Message]) -> None:
        event = {"Records": [self._record(message) for message in batch]}
        name = short_name(self._mapping.function_arn)
        outcome = self._invoke(name, json.dumps(event).encode())
        while outcome.throttled and not self._stopping.wait(THROTTLE_SECONDS):
            outcome = self._invoke(name, json.dumps(event).encode())
        failed = self._failures(outcome, {message.id for message in batch})
        for message in batch:
            self._settle(message, again=message.id in failed)

    def _failures(self, outcome: Outcome, ids: set[str]) -> set[str]:
        """The messages that have to come again.

        https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html: an answer that cannot be
        read, or that names a message that was not in the batch, fails the whole batch.
        """
        if outcome.error:
            return ids
        if "ReportBatchItemFailures" not in (self._mapping.function_response_types or []):
            return set()
        answer: Any = json.loads(outcome.payload)
        entries = answer.get("batchItemFailures") if isinstance(answer, dict) else None
        if not entries:
            return set() if answer is None or isinstance(answer, dict) else ids
        named = {str(entry.get("itemIdentifier")) for entry in entries if isinstance(entry, dict)}
        return named if named and named <= ids else ids

    def _settle(self, message: Message, *, again: bool) -> None:
        assert message.receipt_handle is not None
        try:
            if again:
                visibility = float(self._queue.visibility_timeout)  # type: ignore[attr-defined]
                self._queue.defer(message.receipt_handle, min(visibility, self._retry_seconds))
            else:
                self._queue.delete_message(message.receipt_handle)
        except ReceiptHandleIsInvalid:
            LOG.debug("message %s is gone already", message.id)

    def _record(self, message: Message) -> dict[str, Any]:
        return {
            "messageId": message.id,
            "receiptHandle": message.receipt_handle,
            "body": message.body,
            "attributes": {
                "ApproximateReceiveCount": str(message.approximate_receive_count),
                "SentTimestamp": str(message.sent_timestamp),
                "SenderId": message.sender_id,
                "ApproximateFirstReceiveTimestamp": str(message.approximate_first_receive_timestamp),
            },
            "messageAttributes": {
                name: {
                    "stringValue": value.get("StringValue"),
                    "dataType": value.get("DataType"),
                    "stringListValues": [],
                    "binaryListValues": [],
                }
                for name, value in message.message_attributes.items()
            },
            "md5OfBody": message.body_md5,
            "eventSource": "aws:sqs",
            "eventSourceARN": self._queue.queue_arn,
            "awsRegion": self._queue.region,
        }


def start_pollers(invoke: Invoke, retry_seconds: float) -> list[Poller]:
    """Starts a poller for every event source mapping of a queue."""
    pollers = []
    for mapping in functions().list_event_source_mappings("", ""):
        queue = find_queue(mapping.event_source_arn) if ":sqs:" in mapping.event_source_arn else None
        if queue is None:
            LOG.warning("the event source %s is not emulated", mapping.event_source_arn)
            continue
        # moto would invoke the function inside the sender's request.
        queue.lambda_event_source_mappings.clear()
        poller = Poller(mapping, queue, invoke, retry_seconds)
        poller.start()
        pollers.append(poller)
    return pollers
