"""Slots for connections, on one item of the table: who holds one until when, and who waits for one.

A slot is taken by one conditional write, which DynamoDB does one after the other, so there are never
more holders than slots. A holder that was killed is taken over by the next attempt at its step, or runs
out. Waiters write themselves down; of these, the one that is due first takes what comes free.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from entrepot.adapters.dynamodb.items import Typed, decode_item
from entrepot.adapters.dynamodb.table import ConditionFailedError, Expression, Table
from entrepot.adapters.invocation import Invocation
from entrepot.adapters.system import parse_iso
from entrepot.errors import BusyError, EntrepotError
from entrepot.model.job import Job

log = logging.getLogger(__name__)

PK: Final = "DATABASE"
SK: Final = "CONNECTIONS"
PATIENCE_SECONDS: Final = 20.0
"""How long a step waits for a slot. Longer would be paid for; then the state machine waits, which costs nothing."""
API_PATIENCE_SECONDS: Final = 3.0
MARGIN_SECONDS: Final = 120.0
"""How long after its function's end a slot runs out: a server notices within a minute that its client is gone."""
PRIORITY_SECONDS: Final = 600.0
"""What a step of priority is worth in age: a job of priority 9 goes before those of priority 0 that were received
up to 90 minutes before it, and after all that are older. So none waits for ever."""
_STALE_SECONDS: Final = 5.0
"""A waiter that was not heard of for so long is gone."""
_PAUSE: Final = (0.15, 0.45)


def due(job: Job) -> float:
    """When a job's turn is, in seconds since 1970: its receipt, earlier by what its priority is worth."""
    moment = parse_iso(job.received_at) or datetime.now(UTC)
    return moment.timestamp() - job.options.priority * PRIORITY_SECONDS


@dataclass(frozen=True, slots=True)
class Board:
    """The item: who holds a slot until when, who waits; times in microseconds since 1970."""

    holders: Mapping[str, int]
    waiting: Mapping[str, Mapping[str, int]]

    @classmethod
    def read(cls, item: Typed) -> Board:
        """The board of a stored item."""
        found = decode_item(item)
        return cls(found["holders"], found["waiting"])

    def expired(self, now: int) -> dict[str, int]:
        """Holders whose time is over."""
        return {name: until for name, until in self.holders.items() if until < now}

    def gone(self, now: int) -> dict[str, int]:
        """Waiters that were not heard of for long, with when they were last."""
        horizon = now - int(_STALE_SECONDS * 1e6)
        return {name: waiter["seen"] for name, waiter in self.waiting.items() if waiter["seen"] < horizon}

    def may_take(self, name: str, slots: int, now: int) -> bool:
        """Whether a waiter is among the first, of whom there are as many as free slots."""
        free = slots - len(self.holders) + len(self.expired(now))
        gone = self.gone(now)
        order = sorted((waiter["due"], other) for other, waiter in self.waiting.items() if other not in gone)
        return name in [other for _, other in order[: max(0, free)]]


class DynamoSlots:
    """Slots on one item of the jobs' table.

    Args:
        table: The table, or its name.
        slots: How many there are.
        invocation: Tells what runs now.
        find: Finds the invocation's job, for its priority; called only when it has to wait.
        patience: Seconds to wait for a slot.
    """

    def __init__(
        self,
        table: Table | str,
        slots: int,
        *,
        invocation: Callable[[], Invocation],
        find: Callable[[str, str], Job],
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._table = table if isinstance(table, Table) else Table(table)
        self._slots = slots
        self._invocation = invocation
        self._find = find
        self._patience = patience
        self._held: dict[str, int] = {}
        self._exists = False

    @property
    def own(self) -> str:
        """The name under which the running invocation holds its slot."""
        return self._invocation().name

    def take(self, name: str) -> None:
        """Takes a slot, waiting for it behind those that are due earlier.

        Raises:
            BusyError: None came free in time.
        """
        self._make_board()
        if self._take(name, alone=True):
            return
        turn, ends = self._turn(), time.monotonic() + self._patience
        while True:
            now = _now()
            board = self._tidy(self._wait(name, turn, now), now)
            if board.may_take(name, self._slots, now) and self._take(name):
                return
            if time.monotonic() > ends:
                break
            time.sleep(random.uniform(*_PAUSE))  # noqa: S311 - spreads load, hides nothing
        self._remove("waiting", name)
        msg = f"All {self._slots} connections to the database are in use, and others come first."
        raise BusyError(msg, hint="Try again a little later, or raise database.connections.", connections=self._slots)

    def move(self, name: str, to: str) -> None:
        """Holds the slot under another name."""
        expression, until = Expression(), self._until()
        sets = f"SET {expression.name('holders')}.{_name(expression, to)} = {expression.value(until)}"
        removes = f"REMOVE {expression.name('holders')}.{_name(expression, name)}"
        self._table.update(PK, SK, f"{sets} {removes}", expression, "attribute_exists(pk)")
        self._held.pop(name, None)
        self._held[to] = until

    def extend(self, name: str) -> None:
        """Holds a slot for longer, whoever took it."""
        expression, until = Expression(), self._until()
        update = f"SET {expression.name('holders')}.{_name(expression, name)} = {expression.value(until)}"
        self._table.update(PK, SK, update, expression, "attribute_exists(pk)")
        self._held[name] = until

    def free(self, name: str) -> None:
        """Gives a slot back, unless somebody has taken it over."""
        try:
            self._remove("holders", name, self._held.pop(name, None))
        except EntrepotError as error:
            log.warning("a slot for a connection is left to run out: %s", error.code)

    def _take(self, name: str, *, alone: bool = False) -> bool:
        """One try; ``alone``: only while nobody waits."""
        expression, until = Expression(), self._until()
        holders, waiting = expression.name("holders"), expression.name("waiting")
        mine, own = f"{holders}.{_name(expression, name)}", f"{waiting}.{_name(expression, name)}"
        free = f"size({holders}) < {expression.value(self._slots)}"
        if alone:
            free += f" AND size({waiting}) = {expression.value(0)}"
        update = f"SET {mine} = {expression.value(until)}" + ("" if alone else f" REMOVE {own}")
        try:
            self._table.update(PK, SK, update, expression, f"attribute_exists({mine}) OR ({free})")
        except ConditionFailedError:
            return False
        self._held[name] = until
        return True

    def _wait(self, name: str, turn: int, now: int) -> Board:
        """Writes down that somebody waits, and is still there; the board."""
        expression = Expression()
        waiter = f"{expression.name('waiting')}.{_name(expression, name)}"
        update = f"SET {waiter} = {expression.value({'due': turn, 'seen': now})}"
        return Board.read(self._table.update(PK, SK, update, expression, "attribute_exists(pk)"))

    def _tidy(self, board: Board, now: int) -> Board:
        """Removes holders that ran out, unless they come back this moment, and waiters that are gone."""
        for name, until in board.expired(now).items():
            self._remove("holders", name, until)
        for name, seen in board.gone(now).items():
            self._remove("waiting", name, seen, part="seen")
        return board

    def _remove(self, what: str, name: str, value: int | None = None, part: str = "") -> None:
        expression = Expression()
        entry = f"{expression.name(what)}.{_name(expression, name)}"
        condition = f"attribute_exists({entry})"
        if value is not None:
            place = f"{entry}.{expression.name(part)}" if part else entry
            condition = f"{place} = {expression.value(value)}"
        try:
            self._table.update(PK, SK, f"REMOVE {entry}", expression, condition)
        except ConditionFailedError:
            log.debug("%s moved on by itself", name)

    def _make_board(self) -> None:
        if self._exists:
            return
        item: dict[str, Any] = {"pk": {"S": PK}, "sk": {"S": SK}, "holders": {"M": {}}, "waiting": {"M": {}}}
        try:
            self._table.put(item, "attribute_not_exists(pk)")
        except ConditionFailedError:
            log.debug("the board is there")
        self._exists = True

    def _turn(self) -> int:
        """When the running invocation is due; those for no job at once, since a person waits, or few come."""
        running = self._invocation()
        return int(due(self._find(running.tenant, running.job_id)) * 1e6) if running.job_id else 0

    def _until(self) -> int:
        """When a slot that is taken now runs out. The last digits tell one holder of a name from the next."""
        ends = int(self._invocation().ends + MARGIN_SECONDS)
        return ends * 1_000_000 + random.randrange(1_000_000)  # noqa: S311 - a mark, no secret


def _name(expression: Expression, name: str) -> str:
    # A dot would be taken for a path.
    return expression.name(name.replace(".", ":"))


def _now() -> int:
    return time.time_ns() // 1000
