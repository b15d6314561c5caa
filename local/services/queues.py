"""SQS: moto's API over queues that survive a restart, count receives and fill dead-letter queues.

moto delivers to functions inside the sender's request, looks at queues by polling, and copies every message
it receives. Here a message is journalled when it is sent, received, deferred or deleted, and waiters are woken.
After a restart all messages are visible at once: whoever held them is gone.
"""

from __future__ import annotations

import copy
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from moto.sqs import models as sqs
from moto.sqs.exceptions import ReceiptHandleIsInvalid
from moto.sqs.models import Message, Queue, SQSBackend, sqs_backends

from local.services.current import ACCOUNT, current, standing_for
from local.state import Journal

KEPT_HANDLES = 10_000


def _now_ms() -> float:
    return time.time() * 1000


class LocalQueue(Queue):
    """One queue. Its lock is also what receivers wait on."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.condition = threading.Condition(threading.RLock())
        self.held: dict[str, Message] = {}
        # Of messages that are there and of those deleted last: deleting twice is no error.
        self._handles: OrderedDict[str, str] = OrderedDict()
        self._wakes = 0
        self.journal: Callable[[], Journal] = lambda: current().queues

    # moto's own code (attributes, listing) reads this.
    @property
    def _messages(self) -> list[Message]:
        return list(self.held.values())

    @_messages.setter
    def _messages(self, value: list[Message]) -> None:
        """Set by moto when it purges a queue, and by its constructor."""
        held = getattr(self, "held", None)
        if held is not None and not value:
            with self.condition:
                self.journal().change([(self._journal_key(message), None) for message in held.values()])
                held.clear()

    def add_message(self, message: Message) -> None:
        with self.condition:
            if self.fifo_queue and self._is_duplicate(message):
                return
            self._keep(message)
            self.condition.notify_all()

    def take(self, count: int, visibility_seconds: float, wait_seconds: float = 0) -> list[Message]:
        """Receives up to ``count`` messages; those received too often go to the dead-letter queue instead.

        Args:
            count: At most so many.
            visibility_seconds: How long nobody else gets them.
            wait_seconds: How long to wait for the first.
        """
        ends = time.monotonic() + wait_seconds
        with self.condition:
            wakes = self._wakes
            while True:
                taken, soonest = self._take_visible(count, visibility_seconds)
                left = ends - time.monotonic()
                if taken or left <= 0 or wakes != self._wakes:
                    return taken
                self.condition.wait(min(left, soonest))

    def delete_message(self, receipt_handle: str) -> None:
        with self.condition:
            message_id = self._handles.get(receipt_handle)
            if message_id is None:
                raise ReceiptHandleIsInvalid
            message = self.held.pop(message_id, None)
            if message is not None:
                self.pending_messages.discard(message)
                self.journal().delete(self._journal_key(message))

    def defer(self, receipt_handle: str, seconds: float) -> None:
        """Makes a received message visible after ``seconds``."""
        with self.condition:
            message = self.held.get(self._handles.get(receipt_handle, ""))
            if message is None:
                raise ReceiptHandleIsInvalid
            message.visible_at = _now_ms() + seconds * 1000 - 1
            if seconds <= 0:
                self.pending_messages.discard(message)
            self._keep(message)
            self.condition.notify_all()

    def wake(self) -> None:
        """Sends waiting receivers away empty-handed."""
        with self.condition:
            self._wakes += 1
            self.condition.notify_all()

    def restore(self, record: dict[str, Any]) -> None:
        """Puts a journalled message back, visible at once."""
        message = Message(record["id"], record["body"], record.get("system") or {})
        message.message_attributes = record.get("attributes") or {}
        message.sent_timestamp = record["sent"]
        message.approximate_receive_count = record["receives"]
        message.approximate_first_receive_timestamp = record.get("first_received")
        message.delayed_until = record.get("delayed_until", 0.0)
        message.group_id = record.get("group")
        message.deduplication_id = record.get("deduplication")
        message.sequence_number = record.get("sequence")
        with self.condition:
            self.held[message.id] = message
            self.condition.notify_all()

    def _take_visible(self, count: int, visibility_seconds: float) -> tuple[list[Message], float]:
        now = _now_ms()
        retained = now - float(getattr(self, "message_retention_period", 345600)) * 1000
        taken: list[Message] = []
        changes: list[tuple[str, Any]] = []
        soonest = 60.0
        groups = {m.group_id for m in self.held.values() if m.group_id and m.visible_at > now}
        for message in list(self.held.values()):
            ready = max(message.visible_at, message.delayed_until)
            if ready > now:
                soonest = min(soonest, (ready - now) / 1000 + 0.001)
            elif (message.sent_timestamp or now) < retained:
                del self.held[message.id]
                changes.append((self._journal_key(message), None))
            elif self._is_dead(message):
                changes += self._bury(message)
            elif not (self.fifo_queue and message.group_id in groups) and len(taken) < count:
                taken.append(self._receive(message, now + visibility_seconds * 1000))
                changes.append((self._journal_key(message), _record(message)))
                if self.fifo_queue and message.group_id:
                    groups.add(message.group_id) if visibility_seconds else None
        if changes:
            self.journal().change(changes)
        return taken, soonest

    def _receive(self, message: Message, visible_at: float) -> Message:
        message.approximate_receive_count += 1
        message.approximate_first_receive_timestamp = message.approximate_first_receive_timestamp or int(_now_ms())
        message.visible_at = visible_at
        message.receipt_handle = uuid.uuid4().hex
        self._handles[message.receipt_handle] = message.id
        while len(self._handles) > KEPT_HANDLES + len(self.held):
            self._handles.popitem(last=False)
        self.pending_messages.add(message)
        return copy.copy(message)

    def _is_dead(self, message: Message) -> bool:
        policy = getattr(self, "redrive_policy", None)
        return bool(
            self.dead_letter_queue is not None
            and policy
            and message.approximate_receive_count >= int(policy["maxReceiveCount"])
        )

    def _bury(self, message: Message) -> list[tuple[str, Any]]:
        target = self.dead_letter_queue
        assert isinstance(target, LocalQueue)
        del self.held[message.id]
        self.pending_messages.discard(message)
        gone = (self._journal_key(message), None)
        message.visible_at = 0.0
        with target.condition:
            target.held[message.id] = message
            target.condition.notify_all()
        return [gone, (target._journal_key(message), _record(message))]

    def _is_duplicate(self, message: Message) -> bool:
        horizon = _now_ms() - sqs.DEDUPLICATION_TIME_IN_SECONDS * 1000
        return bool(message.deduplication_id) and any(
            other.deduplication_id == message.deduplication_id and (other.sent_timestamp or 0) > horizon
            for other in self.held.values()
        )

    def _keep(self, message: Message) -> None:
        self.held[message.id] = message
        self.journal().put(self._journal_key(message), _record(message))

    def _journal_key(self, message: Message) -> str:
        return f"{self.name}/{message.id}"


def _record(message: Message) -> dict[str, Any]:
    return {
        "id": message.id,
        "body": message.body,
        "attributes": {k: v for k, v in message.message_attributes.items() if "BinaryValue" not in v},
        "system": message.system_attributes,
        "sent": message.sent_timestamp,
        "receives": message.approximate_receive_count,
        "first_received": message.approximate_first_receive_timestamp,
        "delayed_until": message.delayed_until,
        "group": message.group_id,
        "deduplication": message.deduplication_id,
        "sequence": message.sequence_number,
    }


@standing_for
class LocalSqsBackend(SQSBackend):
    """moto's backend with receiving replaced."""

    def receive_message(
        self,
        queue_name: str,
        count: int,
        wait_seconds_timeout: int,
        visibility_timeout: int,
        message_attribute_names: list[str] | None = None,
    ) -> list[Message]:
        queue = self.get_queue(queue_name)
        assert isinstance(queue, LocalQueue)
        messages = queue.take(int(count), float(visibility_timeout), float(wait_seconds_timeout or 0))
        for message in messages:
            message.message_attributes = dict(message.message_attributes)
            sqs._filter_message_attributes(message, message_attribute_names or [])
        return messages

    def change_message_visibility(self, queue_name: str, receipt_handle: str, visibility_timeout: int) -> None:
        queue = self.get_queue(queue_name)
        assert isinstance(queue, LocalQueue)
        queue.defer(receipt_handle, float(visibility_timeout))


def install() -> None:
    """Makes moto use these queues from now on."""
    sqs_backends.backend = LocalSqsBackend
    sqs.Queue = LocalQueue  # type: ignore[misc]


def find_queue(arn: str) -> LocalQueue | None:
    """A queue by its ARN."""
    parts = arn.split(":")
    queue = sqs_backends[ACCOUNT][parts[3]].queues.get(parts[-1])
    return queue if isinstance(queue, LocalQueue) else None


def restore() -> None:
    """Puts the journalled messages back into the queues that exist; others are kept for later starts."""
    services = current()
    backend = sqs_backends[ACCOUNT][services.region]
    values, services.queues.values = services.queues.values, {}
    for key, record in values.items():
        queue = backend.queues.get(key.partition("/")[0])
        if isinstance(queue, LocalQueue):
            queue.restore(record)
