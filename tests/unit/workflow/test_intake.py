"""Intake: exactly one job for a delivery, however often and however broken the announcements."""

from __future__ import annotations

import json
from typing import Any

import pytest

from entrepot.errors import UsageError
from entrepot.model.job import JobOptions, JobState
from entrepot.workflow.deliveries import receive
from entrepot.workflow.intake import Delivery, Intake
from tests.builders import any_contract_version, any_source


def _intake(world: Any) -> Intake:
    return Intake(world.jobs, world.config, world.executions, world.clock)


def _event(key: str, version: str = "v1") -> dict[str, Any]:
    item = {"key": key, "size": 3, "version-id": version, "sequencer": "0055AED6DCD90281E5"}
    return {
        "source": "aws.s3",
        "detail-type": "Object Created",
        "detail": {"bucket": {"name": "inbox"}, "object": item},
    }


def test_the_same_delivery_is_the_same_job(world: Any) -> None:
    delivery = Delivery(tenant="main", contract="people", source=any_source())
    first, second = _intake(world).receive(delivery), _intake(world).receive(delivery)
    assert first.job_id == second.job_id
    assert len(list(world.jobs.live())) == 1


def test_another_version_another_tenant_or_another_contract_is_another_job(world: Any) -> None:
    source = any_source(version="1")
    base = Delivery(tenant="main", contract="people", source=source)
    others = [
        Delivery(tenant="main", contract="people", source=any_source(uri=source.uri, version="2")),
        Delivery(tenant="other", contract="people", source=source),
        Delivery(tenant="main", contract="places", source=source),
    ]
    ids = {_intake(world).receive(d).job_id for d in [base, *others]}
    assert len(ids) == 4


def test_a_crash_between_the_put_and_the_start_heals_with_the_next_announcement(world: Any) -> None:
    delivery = Delivery(tenant="main", contract="people", source=any_source())
    world.executions.start = lambda *_: (_ for _ in ()).throw(RuntimeError("crash"))
    with pytest.raises(RuntimeError):
        _intake(world).receive(delivery)
    del world.executions.start
    job = _intake(world).receive(delivery)
    assert world.executions.running(job.job_id, 1)


def test_forcing_counts_attempts(world: Any) -> None:
    source = any_source()
    plain = _intake(world).receive(Delivery(tenant="main", contract="people", source=source))
    forced = Delivery(tenant="main", contract="people", source=source, options=JobOptions(force=True))
    jobs = [_intake(world).receive(forced) for _ in range(2)]
    assert [j.attempt for j in jobs] == [1, 2]
    assert len({plain.job_id, *(j.job_id for j in jobs)}) == 3


def test_a_stated_attempt_finds_its_own_job_again(world: Any) -> None:
    forced = Delivery(tenant="main", contract="people", source=any_source(), options=JobOptions(force=True), attempt=7)
    assert _intake(world).receive(forced).job_id == _intake(world).receive(forced).job_id


def test_a_paused_contract_holds_its_jobs_until_released(world: Any) -> None:
    version = world.config.put_contract(any_contract_version(tenant="main"))
    name = version.contract.name
    world.config.pause_contract("main", name, paused=True)
    job = _intake(world).receive(Delivery(tenant="main", contract=name, source=any_source()))
    assert not world.executions.running(job.job_id, 1)
    world.config.pause_contract("main", name, paused=False)
    assert _intake(world).release("main", name) == 1
    assert world.executions.running(job.job_id, 1)


@pytest.mark.parametrize("name", ["", "UPPER", "../up", "a b", "x" * 64, "ü"])
def test_names_that_cannot_be_names_are_refused(world: Any, name: str) -> None:
    with pytest.raises(UsageError, match="contract"):
        _intake(world).receive(Delivery(tenant="main", contract=name, source=any_source()))


def test_a_dropped_object_becomes_a_job(world: Any) -> None:
    job = receive(world, _event("main/people/2026/june.csv"))
    assert job is not None
    assert (job.tenant, job.contract, job.source.name, job.source.version) == ("main", "people", "june.csv", "v1")
    assert job.state is JobState.RECEIVED


@pytest.mark.parametrize("key", ["file.csv", "main/file.csv", "nobody/people/x.csv", "/people/x.csv", "main//x.csv"])
def test_a_key_that_says_too_little_is_answered_in_the_outbox(world: Any, key: str) -> None:
    assert receive(world, _event(key)) is None
    assert list(world.jobs.live()) == []
    answers = [b for b in world.blobs.list("s3://outbox/") if "_rejected/" in b.uri]
    assert len(answers) == 1
    assert json.loads(world.blobs.read(answers[0].uri))["error"]["hint"]
    assert world.bus.events[0][0] == "Delivery Rejected"


def test_a_folder_marker_is_nothing(world: Any) -> None:
    assert receive(world, _event("main/people/")) is None
    assert list(world.blobs.list("s3://outbox/")) == []


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"source": "aws.s3"},
        {"source": "x", "detail": {}},
        {"source": "entrepot.schedule", "tenant": "main", "schedule": "gone"},
    ],
)
def test_a_message_that_is_no_delivery_is_answered_once_and_for_all(world: Any, message: dict[str, Any]) -> None:
    assert receive(world, message) is None
    assert [d for d, _ in world.bus.events] == ["Delivery Rejected"]
