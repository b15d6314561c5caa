"""What an invocation or a whole job used: whole numbers only, so that adding them up loses nothing."""

from __future__ import annotations

from collections import Counter

from pydantic import Field

from entrepot.model.base import Stored


class Usage(Stored):
    """Amounts that add up, and one that does not: of peaks the largest counts."""

    cpu_us: int = 0
    """Microseconds of processor time, children included."""
    mb_ms: int = 0
    """Megabytes that the function is given, times milliseconds that it ran: what Lambda bills."""
    invocations: int = 0
    transitions: int = 0
    """States of the state machine that were entered."""
    peak_mb: int = 0
    """The largest resident size of an invocation."""
    requests: dict[str, int] = Field(default_factory=dict)
    """What was asked of services, by the names of the price table: ``s3_put``, ``dynamodb_write_units`` …"""

    def __bool__(self) -> bool:
        """Whether anything was used."""
        return bool(self.cpu_us or self.mb_ms or self.invocations or self.transitions or any(self.requests.values()))

    def __add__(self, other: Usage) -> Usage:
        """Both together."""
        return Usage(
            cpu_us=self.cpu_us + other.cpu_us,
            mb_ms=self.mb_ms + other.mb_ms,
            invocations=self.invocations + other.invocations,
            transitions=self.transitions + other.transitions,
            peak_mb=max(self.peak_mb, other.peak_mb),
            requests=dict(Counter(self.requests) + Counter(other.requests)),
        )
