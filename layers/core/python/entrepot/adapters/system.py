"""Time, identifiers and deadlines of the machine that we run on."""

from __future__ import annotations

import os
import threading
import time
from datetime import UTC, datetime
from typing import Protocol

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_RANDOM_BITS = 80


def iso(moment: datetime) -> str:
    """A moment as UTC text to the millisecond; such texts sort by time.

    Example:
        >>> iso(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
        '2026-01-02T03:04:05.000Z'
    """
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_iso(text: str) -> datetime | None:
    """The moment that ISO text names (UTC when it names no zone), or None when it is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Now, with UTC as its zone."""
        return datetime.now(UTC)


class UlidIds:
    """Identifiers of 48 bits of milliseconds and 80 random bits, as https://github.com/ulid/spec.

    Written in lower case. Within one process they rise even within a millisecond. Nothing random is
    kept from start-up, so that environments restored from one snapshot do not repeat each other.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last_ms = -1
        self._last_random = 0

    def new(self) -> str:
        """A fresh id of 26 lower-case letters and digits, sortable by time."""
        with self._lock:
            ms = max(time.time_ns() // 1_000_000, self._last_ms)
            # One bit less than fits, so that counting up within a millisecond cannot overflow.
            fresh = int.from_bytes(os.urandom(_RANDOM_BITS // 8)) >> 1
            # A restored snapshot repeats the last id; new random bits below keep the next one apart.
            step = (fresh >> 40) + 1
            self._last_random = self._last_random + step if ms == self._last_ms else fresh
            if self._last_random >> _RANDOM_BITS:
                ms, self._last_random = ms + 1, fresh
            self._last_ms = ms
            return _base32((ms << _RANDOM_BITS) | self._last_random)


def _base32(number: int) -> str:
    return "".join(_ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5))


class LambdaContext(Protocol):
    """The part of AWS Lambda's context that tells the time left."""

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the invocation is killed."""


class LambdaDeadline:
    """The invocation's own deadline, less what is needed to put the work away.

    Args:
        context: What Lambda hands the handler.
        margin: Seconds to keep back.
    """

    def __init__(self, context: LambdaContext, margin: float = 10.0) -> None:
        self._context = context
        self._margin = margin

    def remaining(self) -> float:
        """Seconds left; never negative."""
        return max(0.0, self._context.get_remaining_time_in_millis() / 1000 - self._margin)


class FixedDeadline:
    """A deadline some seconds from now.

    Args:
        seconds: From now on.
    """

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def remaining(self) -> float:
        """Seconds left; never negative."""
        return max(0.0, self._end - time.monotonic())
