"""Time, ids, deadlines, executions, events, schedules and secrets in memory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from entrepot.errors import ConfigurationError, UsageError
from entrepot.model.usage import Usage
from tests.fakes.faults import Faults, faulty


class FakeClock:
    """A clock that moves a millisecond at each look, and further when told to."""

    def __init__(self, start: str = "2026-01-01T00:00:00+00:00") -> None:
        self._now = datetime.fromisoformat(start).astimezone(UTC)

    def now(self) -> datetime:
        self._now += timedelta(milliseconds=1)
        return self._now

    def move(self, seconds: float) -> None:
        """Lets time pass."""
        self._now += timedelta(seconds=seconds)


class FakeDeadline:
    """A deadline after some looks at it, or never."""

    def __init__(self, looks: int | None = None) -> None:
        self._looks = looks

    def remaining(self) -> float:
        if self._looks is None:
            return 900.0
        self._looks = max(0, self._looks - 1)
        return float(self._looks)


class FakeIds:
    """Ids in order."""

    def __init__(self) -> None:
        self._last = 0

    def new(self) -> str:
        self._last += 1
        return f"{self._last:026d}"


@faulty
class FakeExecutions:
    """Executions that do nothing until a test ends them."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.started: list[tuple[str, str, int]] = []
        self.status: dict[tuple[str, int], str] = {}
        self.stopped: dict[tuple[str, int], str] = {}

    def start(self, tenant: str, job_id: str, leg: int) -> bool:
        status = self.status.get((job_id, leg))
        if status is not None:
            # As Step Functions: the same start again, while it runs, is answered as the first.
            return status == "RUNNING" and (tenant, job_id, leg) in self.started
        self.started.append((tenant, job_id, leg))
        self.status[job_id, leg] = "RUNNING"
        return True

    def running(self, job_id: str, leg: int) -> bool:
        return self.status.get((job_id, leg)) == "RUNNING"

    def stop(self, job_id: str, leg: int, reason: str) -> None:
        if self.status.get((job_id, leg)) == "RUNNING":
            self.end(job_id, leg, "ABORTED")
            self.stopped[job_id, leg] = reason

    def end(self, job_id: str, leg: int, status: str = "SUCCEEDED") -> None:
        """Ends an execution, as its last state would."""
        self.status[job_id, leg] = status


class FakeMeter:
    """Has used what a test says."""

    def __init__(self) -> None:
        self.used = Usage()

    def unwritten(self) -> Usage:
        return self.used

    def written(self, usage: Usage) -> None:
        assert usage.cpu_us == self.used.cpu_us
        self.used = Usage()

    def add(self, usage: Usage) -> None:
        self.used += usage


@faulty
class FakeBus:
    """Keeps what was announced."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.events: list[tuple[str, dict[str, Any]]] = []

    def publish(self, detail_type: str, detail: Mapping[str, Any]) -> None:
        self.events.append((detail_type, json.loads(json.dumps(detail))))


@dataclass
class FakeSchedule:
    """One schedule as it was put."""

    expression: str
    timezone: str
    start: str | None
    end: str | None
    enabled: bool


@faulty
@dataclass
class FakeScheduler:
    """Keeps schedules; nothing runs."""

    faults: Faults = field(default_factory=Faults)
    schedules: dict[tuple[str, str], FakeSchedule] = field(default_factory=dict)

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
        if not expression.startswith(("rate(", "cron(", "at(")) or not expression.endswith(")"):
            raise UsageError("That is no schedule expression.")
        self.schedules[tenant, name] = FakeSchedule(expression, timezone, start, end, enabled)

    def delete(self, tenant: str, name: str) -> None:
        self.schedules.pop((tenant, name), None)


@faulty
class FakeSecrets:
    """Secrets given to it."""

    def __init__(self, secrets: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        self.faults = Faults()
        self.secrets = {name: dict(content) for name, content in (secrets or {}).items()}

    def database(self, secret_id: str) -> dict[str, Any]:
        if secret_id not in self.secrets:
            raise ConfigurationError("There is no such secret.", secret=secret_id)
        return dict(self.secrets[secret_id])

    def forget(self, secret_id: str) -> None:
        """Does nothing: nothing is kept."""
