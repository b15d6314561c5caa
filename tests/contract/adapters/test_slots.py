"""Slots for connections: never more than there are, in the order of who is due, and none lost for ever."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from entrepot.adapters.dynamodb.items import decode_item
from entrepot.adapters.dynamodb.slots import PK, SK, Board, DynamoSlots, due
from entrepot.adapters.dynamodb.table import Table
from entrepot.adapters.invocation import Invocation
from entrepot.errors import BusyError
from entrepot.model.job import Job, JobOptions
from tests.builders import any_job, any_name
from tests.contract.adapters.motocloud import create_table

pytestmark = [pytest.mark.usefixtures("cloud"), pytest.mark.capability("LOD8")]


@dataclass
class Rig:
    """Functions that share one table."""

    table: Table
    jobs: dict[str, Job]

    def function(self, job: Job | None = None, step: str = "load", *, lasts: float = 60, patience: float = 0) -> Any:
        """The slots as the invocation of a step sees them; there are two."""
        job_id = job.job_id if job else ""
        if job:
            self.jobs[job.job_id] = job
        running = Invocation(f"{step}/{job_id}", time.time() + lasts, "main" if job else "", job_id)
        return DynamoSlots(self.table, 2, invocation=lambda: running, find=self.find, patience=patience)

    def find(self, _tenant: str, job_id: str) -> Job:
        return self.jobs[job_id]

    def board(self) -> Board:
        item = self.table.get(PK, SK)
        assert item is not None
        return Board.read(item)

    def holders(self) -> set[str]:
        return set(self.board().holders)


@pytest.fixture
def rig() -> Rig:
    name = any_name("jobs")
    create_table(name)
    return Rig(Table(name), {})


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as running:
        yield running


def _until(look: Callable[[], Any]) -> None:
    ends = time.monotonic() + 20
    while not look():
        assert time.monotonic() < ends, "it never came"
        time.sleep(0.01)


def _job(priority: int = 5, received_at: str = "2026-01-01T00:00:00.000Z") -> Job:
    return any_job(options=JobOptions(priority=priority), received_at=received_at)


def test_who_comes_when_all_are_taken_is_told_so_and_leaves_no_trace(rig: Rig) -> None:
    for step in ("load", "check"):
        rig.function(_job(), step).take(step)
    late = rig.function(_job())
    with pytest.raises(BusyError) as caught:
        late.take("late")
    assert caught.value.facts["connections"] == 2
    assert rig.holders() == {"load", "check"}
    assert not rig.board().waiting


def test_what_is_given_back_is_taken_by_who_waits(rig: Rig, pool: ThreadPoolExecutor) -> None:
    first, second = rig.function(_job()), rig.function(_job())
    first.take("a")
    second.take("b")
    waiting = pool.submit(rig.function(_job(), patience=20).take, "c")
    _until(lambda: "c" in rig.board().waiting)
    second.free("b")
    waiting.result()
    assert rig.holders() == {"a", "c"}
    assert not rig.board().waiting


def test_the_higher_priority_goes_first_though_it_came_last(rig: Rig, pool: ThreadPoolExecutor) -> None:
    holders = [rig.function(), rig.function()]
    for n, holder in enumerate(holders):
        holder.take(f"held {n}")
    got: list[int] = []

    def work(priority: int) -> None:
        slots = rig.function(_job(priority), patience=20)
        slots.take(str(priority))
        got.append(priority)
        slots.free(str(priority))

    waiting: list[Future[None]] = []
    for priority in (0, 5, 9):
        waiting.append(pool.submit(work, priority))
        _until(lambda priority=priority: str(priority) in rig.board().waiting)
    holders[0].free("held 0")
    for one in waiting:
        one.result()
    assert got == [9, 5, 0]


def test_nobody_overtakes_who_waits(rig: Rig) -> None:
    rig.function().take("held")
    now = time.time_ns() // 1000
    rig.function()._wait("first", 0, now)
    with pytest.raises(BusyError):
        rig.function(_job()).take("later")
    assert rig.holders() == {"held"}


def test_age_outweighs_priority_in_the_end() -> None:
    old = _job(0, "2026-01-01T00:00:00.000Z")
    assert due(_job(9, "2026-01-01T01:29:00.000Z")) < due(old) < due(_job(9, "2026-01-01T01:31:00.000Z"))
    assert due(_job(5, "2026-01-01T00:00:00.000Z")) < due(_job(5, "2026-01-01T00:00:01.000Z"))


def test_the_next_attempt_at_a_step_takes_over_what_the_killed_one_held(rig: Rig) -> None:
    job = _job()
    killed, other, again = rig.function(job), rig.function(), rig.function(job)
    killed.take(killed.own)
    other.take("other")
    again.take(again.own)
    assert rig.holders() == {killed.own, "other"}
    # The killed one, should it have lived on, gives nothing back that is not its own any more.
    killed.free(killed.own)
    assert rig.holders() == {again.own, "other"}


def test_a_slot_whose_function_is_long_over_is_free(rig: Rig) -> None:
    rig.function(lasts=-1000).take("gone")
    rig.function().take("here")
    rig.function(_job()).take("next")
    assert rig.holders() == {"here", "next"}


def test_a_waiter_that_is_gone_holds_up_nobody(rig: Rig) -> None:
    slots = rig.function(_job())
    slots.take("a")
    slots._wait("dead", 0, time.time_ns() // 1000 - 60_000_000)
    slots.take("b")
    assert rig.holders() == {"a", "b"}
    assert not rig.board().waiting


def test_a_call_keeps_its_slot_when_its_function_ends(rig: Rig) -> None:
    publish = rig.function(_job(), "publish")
    publish.take(publish.own)
    publish.move(publish.own, "publish-call/1")
    assert rig.holders() == {"publish-call/1"}
    before = rig.board().holders["publish-call/1"]
    rig.function(_job(), lasts=600).extend("publish-call/1")
    assert rig.board().holders["publish-call/1"] > before
    rig.function().free("publish-call/1")
    assert rig.holders() == set()


def test_the_board_holds_no_names_of_people(rig: Rig) -> None:
    job = _job()
    slots = rig.function(job)
    slots.take(slots.own)
    item = decode_item(rig.table.get(PK, SK) or {})
    assert set(item) == {"pk", "sk", "holders", "waiting"}
    assert list(item["holders"]) == [f"load/{job.job_id}"]
