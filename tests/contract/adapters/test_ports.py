"""Adapters and fakes have the ports' methods, argument for argument."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from entrepot.adapters.dynamodb import DynamoConfig, DynamoJobs
from entrepot.adapters.eventbus import EventBridgeBus
from entrepot.adapters.s3 import S3Blobs
from entrepot.adapters.scheduler import EventBridgeScheduler
from entrepot.adapters.secrets import SecretsManagerSecrets
from entrepot.adapters.stepfunctions import StepFunctionsExecutions
from entrepot.adapters.system import FixedDeadline, LambdaDeadline, SystemClock, UlidIds
from entrepot.ports.blobs import BlobStore
from entrepot.ports.jobs import ConfigStore, JobStore
from entrepot.ports.world import Clock, Deadline, EventBus, Executions, Ids, Scheduler
from entrepot.workflow.requests import UploadStore
from tests.fakes.blobs import FakeBlobs
from tests.fakes.config import FakeConfig
from tests.fakes.jobs import FakeJobs
from tests.fakes.world import (
    FakeBus,
    FakeClock,
    FakeDeadline,
    FakeExecutions,
    FakeIds,
    FakeScheduler,
    FakeSecrets,
)

PAIRS = [
    (BlobStore, S3Blobs),
    (BlobStore, FakeBlobs),
    (UploadStore, S3Blobs),
    (UploadStore, FakeBlobs),
    (JobStore, DynamoJobs),
    (JobStore, FakeJobs),
    (ConfigStore, DynamoConfig),
    (ConfigStore, FakeConfig),
    (Executions, StepFunctionsExecutions),
    (Executions, FakeExecutions),
    (EventBus, EventBridgeBus),
    (EventBus, FakeBus),
    (Scheduler, EventBridgeScheduler),
    (Scheduler, FakeScheduler),
    (Clock, SystemClock),
    (Clock, FakeClock),
    (Ids, UlidIds),
    (Ids, FakeIds),
    (Deadline, LambdaDeadline),
    (Deadline, FixedDeadline),
    (Deadline, FakeDeadline),
    (SecretsManagerSecrets, FakeSecrets),
]


def methods(cls: type[Any]) -> list[str]:
    return [
        name
        for name, member in inspect.getmembers(cls)
        if inspect.isfunction(member) and not name.startswith("_") and name != "client"
    ]


def arguments(cls: type[Any], name: str) -> list[tuple[str, Any, Any]]:
    signature = inspect.signature(getattr(cls, name))
    return [(p.name, p.kind, p.default) for p in signature.parameters.values()]


@pytest.mark.parametrize(("port", "implementation"), PAIRS, ids=lambda cls: cls.__name__)
def test_an_implementation_takes_what_its_port_says(port, implementation):
    assert methods(port)
    for name in methods(port):
        assert arguments(implementation, name) == arguments(port, name), name
