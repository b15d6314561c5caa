"""What people and the sweep do to jobs: every race has one winner, nothing stays stuck."""

from __future__ import annotations

from typing import Any

import pytest

from entrepot.errors import ConflictError, UsageError
from entrepot.model.contract import ContractStatus
from entrepot.model.job import Awaiting, Job, JobState, Step, UndoRequest
from entrepot.model.steps import StepInput
from entrepot.workflow.detect import detect
from entrepot.workflow.gate import verdict
from entrepot.workflow.lifecycle import Lifecycle
from entrepot.workflow.sweep import sweep
from tests.builders import any_contract, any_contract_version, any_job
from tests.fakes.world import FakeDeadline


def _put(world: Any, state: JobState, **given: Any) -> Job:
    job = any_job(tenant="main", **given)
    assert world.jobs.create(job)
    return world.jobs.transition(job, state, expect=set(JobState)) if state is not JobState.RECEIVED else job


def _awaiting(world: Any, days: float = 7) -> Awaiting:
    start = world.clock.now()
    from datetime import timedelta

    return Awaiting(question="contract", since=start.isoformat(), deadline=(start + timedelta(days=days)).isoformat())


def test_a_job_without_an_execution_starts_its_leg_and_then_the_next(world: Any) -> None:
    job = _put(world, JobState.LOADING)
    assert sweep(world).restarted == 1
    assert world.executions.running(job.job_id, 1)
    assert sweep(world).restarted == 0
    world.executions.end(job.job_id, 1, "FAILED")
    assert sweep(world).restarted == 1
    assert world.executions.running(job.job_id, 2)
    assert world.jobs.get("main", job.job_id).leg == 2


def test_a_wait_is_reminded_at_half_time_and_then_expires(world: Any) -> None:
    job = _put(world, JobState.SPLITTING)
    world.jobs.transition(
        job, JobState.AWAITING_APPROVAL, expect={JobState.SPLITTING}, changes={"awaiting": _awaiting(world)}
    )
    world.clock.move(4 * 86400)
    assert sweep(world).reminded == 1
    assert sweep(world).reminded == 0
    world.clock.move(4 * 86400)
    assert sweep(world).expired == 1
    assert world.jobs.get("main", job.job_id).state is JobState.EXPIRED
    assert [d for d, _ in world.bus.events] == ["Job Awaiting", "Job Expired"]


def test_staging_of_a_failed_job_is_kept_and_then_dropped(world: Any) -> None:
    job = _put(world, JobState.FAILED)
    world.target.staged["main", job.job_id] = {}
    sweep(world)
    assert world.target.staged
    world.clock.move(25 * 3600)
    sweep(world)
    assert not world.target.staged
    assert world.jobs.get("main", job.job_id).state is JobState.EXPIRED


def test_staging_that_no_job_needs_is_dropped(world: Any) -> None:
    live = _put(world, JobState.LOADING)
    done = _put(world, JobState.PUBLISHED)
    world.target.staged |= {("main", job_id): {} for job_id in (live.job_id, done.job_id, "nobody")}
    assert sweep(world).dropped == 2
    assert world.target.staged_jobs() == [("main", live.job_id)]


def test_a_late_job_is_counted(world: Any) -> None:
    _put(world, JobState.LOADING, received_at=world.clock.now().isoformat())
    assert sweep(world).late == 0
    world.clock.move(2 * 3600)
    assert sweep(world).late == 1


def test_one_approval_lets_every_waiting_file_of_the_contract_go_on(world: Any) -> None:
    draft = world.config.put_contract(any_contract_version(tenant="main", status=ContractStatus.DRAFT))
    name = draft.contract.name
    jobs = [_put(world, JobState.AWAITING_APPROVAL, contract=name) for _ in range(3)]
    Lifecycle(world).approve("main", jobs[0].job_id, "ada")
    assert world.config.contract_head("main", name).current == 1
    for job in jobs:
        fresh = world.jobs.get("main", job.job_id)
        assert (fresh.leg, fresh.contract_version) == (2, 1)
        assert world.executions.running(job.job_id, 2)


def test_a_cancel_while_publishing_comes_too_late(world: Any) -> None:
    job = _put(world, JobState.PUBLISHING)
    with pytest.raises(ConflictError, match="publishing"):
        Lifecycle(world).cancel("main", job.job_id, "ada")
    assert world.jobs.get("main", job.job_id).state is JobState.PUBLISHING


@pytest.mark.parametrize("state", [JobState.AWAITING_MAPPING, JobState.FAILED, JobState.RECEIVED])
def test_a_cancel_of_a_resting_job_starts_the_leg_that_tells_the_world(world: Any, state: JobState) -> None:
    job = _put(world, state)
    assert Lifecycle(world).cancel("main", job.job_id, "ada").state is JobState.CANCELLED
    assert world.executions.running(job.job_id, 2)


@pytest.mark.parametrize("state", [s for s in JobState if s is not JobState.FAILED])
def test_only_a_failed_job_is_resumed(world: Any, state: JobState) -> None:
    job = _put(world, state)
    with pytest.raises(ConflictError):
        Lifecycle(world).resume("main", job.job_id, "ada")


def test_a_confirmed_mapping_must_name_what_exists(world: Any) -> None:
    version = world.config.put_contract(any_contract_version(tenant="main"))
    job = _put(world, JobState.AWAITING_MAPPING, contract=version.contract.name, contract_version=1)
    with pytest.raises(UsageError, match="no column"):
        Lifecycle(world).confirm("main", job.job_id, {"nope": "id"}, "ada")


@pytest.mark.parametrize(
    ("limits", "refused", "read", "passes"),
    [
        ({}, 5, 5, True),
        ({"max_refused": 4}, 4, 100, True),
        ({"max_refused": 4}, 5, 100, False),
        ({"max_refused_percent": 10}, 10, 100, True),
        ({"max_refused_percent": 10}, 11, 100, False),
        ({"max_refused_percent": 0}, 0, 0, True),
        ({"max_refused": 0}, 1, 1_000_000, False),
    ],
)
def test_thresholds_hold_over_the_whole_file(limits: dict[str, Any], refused: int, read: int, passes: bool) -> None:
    from entrepot.model.job import Tally

    contract = any_contract(thresholds=limits)
    assert (verdict(contract, Tally(read=read, quarantined=refused)) == "") is passes


def test_a_leg_that_begins_while_publish_runs_goes_straight_to_publish(world: Any) -> None:
    """As after a crash of everything between the call of publish and the job item's last write."""
    done = [Step.DETECT, Step.SPLIT, Step.MAP, Step.CHECK, Step.GATE]
    job = _put(world, JobState.PUBLISHING, done=done, chunks_key="chunks.json", contract_version=1)
    job = Lifecycle(world).restart(job)
    assert job is not None
    answer = detect(world, StepInput(tenant="main", job_id=job.job_id, leg=job.leg), FakeDeadline())
    assert (answer.outcome, answer.chunks_key) == ("publish", "chunks.json")
    assert world.jobs.get("main", job.job_id).state is JobState.PUBLISHING


def test_a_sweep_lets_journals_expire(world: Any) -> None:
    sweep(world)
    (before,) = world.target.expired
    assert before.startswith("2025-12-25T")  # seven days before the fake clock's first of January


def test_a_sweep_keeps_the_journals_that_an_undo_waits_for(world: Any) -> None:
    asked = _awaiting(world)
    wanted = UndoRequest(jobs=["second", "first"])
    _put(world, JobState.AWAITING_APPROVAL, job_id="waits", kind="undo", undo=wanted, awaiting=asked)
    _put(world, JobState.FAILED, job_id="failed", kind="undo", undo=UndoRequest(jobs=["other"]))
    sweep(world)
    assert world.target.kept_journals == {("main", "second"), ("main", "first")}
