"""A world of fakes for the workflow's own logic."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from entrepot.workflow.world import StepSettings
from tests.fakes.blobs import FakeBlobs
from tests.fakes.config import FakeConfig
from tests.fakes.jobs import FakeJobs
from tests.fakes.world import FakeBus, FakeClock, FakeExecutions


@dataclass
class StagingOnly:
    """Just enough of a target for moves that only drop staging."""

    staged: set[tuple[str, str]] = field(default_factory=set)

    def staged_jobs(self) -> list[tuple[str, str]]:
        return sorted(self.staged)

    def drop_staging(self, tenant: str, job_id: str) -> None:
        self.staged.discard((tenant, job_id))


class FakeWorld:
    """Implements `entrepot.workflow.world.World`."""

    def __init__(self, **settings: Any) -> None:
        self.clock = FakeClock()
        self.settings = StepSettings(
            inbox_bucket="inbox", work_bucket="work", outbox_bucket="outbox", **{"tenants": ("main",), **settings}
        )
        self.jobs = FakeJobs(self.clock)
        self.config = FakeConfig(self.clock)
        self.blobs = FakeBlobs(buckets=["inbox", "work", "outbox"])
        self.executions = FakeExecutions()
        self.bus = FakeBus()
        self.target = StagingOnly()


@pytest.fixture
def world() -> FakeWorld:
    return FakeWorld()
