"""Lambda's queue of asynchronous events: journalled, tried again twice, then given to the dead-letter target."""

from __future__ import annotations

import heapq
import itertools
import json
import logging
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from local.specs import FunctionSpec
from local.state import Journal
from local.workers import WorkerPool

LOG = logging.getLogger("entrepot.local")
# AWS waits one minute and then two.
RETRY_SECONDS = (1.0, 2.0)
THROTTLE_SECONDS = 0.5
THREADS = 8


class AsyncQueue:
    """Events that nobody waits for.

    Args:
        pool: Runs them.
        find: A function's spec by name.
        journal: Keeps them over a restart.
        give_up: Told the dead-letter ARN and the event that failed for good.
    """

    def __init__(
        self,
        pool: WorkerPool,
        find: Callable[[str], FunctionSpec | None],
        journal: Journal,
        give_up: Callable[[str, str], None],
    ) -> None:
        self._pool = pool
        self._find = find
        self._journal = journal
        self._give_up = give_up
        self._condition = threading.Condition()
        self._due: list[tuple[float, int, str, dict[str, Any]]] = []
        self._order = itertools.count()
        self._stopping = False
        self._threads = ThreadPoolExecutor(THREADS, "async-event")
        self._main = threading.Thread(target=self._run, daemon=True, name="async-events")

    def start(self) -> None:
        """Begins to run events, those of an earlier run first."""
        values, self._journal.values = self._journal.values, {}
        for key, record in values.items():
            self._schedule(key, record, 0.0)
        self._main.start()

    def submit(self, name: str, payload: bytes) -> None:
        """Takes an event; it is on disk when this returns."""
        record = {"function": name, "payload": payload.decode(), "attempts": 0}
        key = str(uuid.uuid4())
        self._journal.put(key, record)
        self._schedule(key, record, 0.0)

    def stop(self) -> None:
        """Stops; what is not done stays in the journal."""
        with self._condition:
            self._stopping = True
            self._condition.notify_all()
        if self._main.is_alive():
            self._main.join()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _schedule(self, key: str, record: dict[str, Any], delay: float) -> None:
        with self._condition:
            heapq.heappush(self._due, (time.monotonic() + delay, next(self._order), key, record))
            self._condition.notify_all()

    def _run(self) -> None:
        while True:
            with self._condition:
                while not self._stopping and (not self._due or self._due[0][0] > time.monotonic()):
                    self._condition.wait(self._due[0][0] - time.monotonic() if self._due else None)
                if self._stopping:
                    return
                _, _, key, record = heapq.heappop(self._due)
                self._threads.submit(self._attempt, key, record)

    def _attempt(self, key: str, record: dict[str, Any]) -> None:
        try:
            self._try(key, record)
        except Exception:
            LOG.exception("an asynchronous event of %s failed", record["function"])

    def _try(self, key: str, record: dict[str, Any]) -> None:
        name = record["function"]
        outcome = self._pool.invoke(name, record["payload"].encode())
        if self._stopping:
            return
        if outcome.throttled:
            self._schedule(key, record, THROTTLE_SECONDS)
            return
        spec = self._find(name)
        if not outcome.error or spec is None:
            self._journal.delete(key)
            return
        attempts = record["attempts"] + 1
        if attempts <= spec.retries:
            record = {**record, "attempts": attempts}
            self._journal.put(key, record)
            self._schedule(key, record, RETRY_SECONDS[min(attempts, len(RETRY_SECONDS)) - 1])
            return
        LOG.warning("an asynchronous event of %s failed for good: %s", name, outcome.kind)
        if spec.dead_letters:
            self._give_up(spec.dead_letters, json.dumps(json.loads(record["payload"])))
        self._journal.delete(key)
