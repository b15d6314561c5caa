"""A world of fakes for the workflow's own logic."""

from __future__ import annotations

from typing import Any

import pytest

from entrepot.workflow.world import StepSettings
from tests.fakes.blobs import FakeBlobs
from tests.fakes.config import FakeConfig
from tests.fakes.jobs import FakeJobs
from tests.fakes.target import FakeTarget
from tests.fakes.world import FakeBus, FakeClock, FakeExecutions, FakeMeter


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
        self.meter = FakeMeter()
        self.target = FakeTarget()


@pytest.fixture
def world() -> FakeWorld:
    return FakeWorld()
