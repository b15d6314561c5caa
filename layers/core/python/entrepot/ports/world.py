"""Small ports: time, ids, executions, events, what is used."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from entrepot.model.usage import Usage


class Clock(Protocol):
    """The time of day."""

    def now(self) -> datetime:
        """Now, with UTC as its zone."""


class Deadline(Protocol):
    """How long this invocation may still work."""

    def remaining(self) -> float:
        """Seconds left; never negative."""


class Ids(Protocol):
    """New identifiers."""

    def new(self) -> str:
        """A fresh id of 26 lower-case letters and digits, sortable by time."""


class Executions(Protocol):
    """The state machine."""

    def start(self, tenant: str, job_id: str, leg: int) -> bool:
        """Starts a leg; False when an execution of that name exists already, running or ended."""

    def running(self, job_id: str, leg: int) -> bool:
        """Whether the leg's execution is running now."""

    def stop(self, job_id: str, leg: int, reason: str) -> None:
        """Stops the leg's execution if it runs."""


class EventBus(Protocol):
    """Where job events are announced to the outside."""

    def publish(self, detail_type: str, detail: Mapping[str, Any]) -> None:
        """Puts one event: ids and counts only."""


class Meter(Protocol):
    """What the running invocation uses for its job."""

    def unwritten(self) -> Usage:
        """What was used and is not yet written with the job; nothing where nothing is measured."""

    def written(self, usage: Usage) -> None:
        """Takes note that this much is written down now."""

    def add(self, usage: Usage) -> None:
        """Counts something that was measured elsewhere."""


class Scheduler(Protocol):
    """EventBridge Scheduler, for import schedules."""

    def put(
        self,
        tenant: str,
        name: str,
        *,
        expression: str,
        timezone: str,
        start: str | None,
        end: str | None,
        enabled: bool,
    ) -> None:
        """Creates or replaces a schedule whose target is the intake queue.

        Raises:
            UsageError: The expression, zone or dates cannot be read.
        """

    def delete(self, tenant: str, name: str) -> None:
        """Removes it; no error when gone."""
