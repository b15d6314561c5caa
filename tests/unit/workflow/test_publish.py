"""The publish step's own moves: what it asks, what it drops, what it says of how it ended."""

from __future__ import annotations

from typing import Any

import pytest

from entrepot.errors import HeldError, IntegrityError, PlanStaleError, TargetError
from entrepot.model.collection import CollectionAsk
from entrepot.model.contract import Mode
from entrepot.model.job import Job, JobOptions, JobState, PlanCounts, PlanSummary, Step, Tally
from entrepot.model.steps import StepInput, StepOutput
from entrepot.ports.target import Plan
from entrepot.workflow.access import Caller, Role
from entrepot.workflow.collections import Collections
from entrepot.workflow.detect import detect
from entrepot.workflow.idempotency import Once
from entrepot.workflow.inputs import bundle
from entrepot.workflow.publish import MARGIN_SECONDS, publish
from entrepot.workflow.undo import UndoAsk, Undos
from entrepot.workflow.world import work_uri
from tests.builders import any_contract, any_job, any_load_spec, any_receipt, any_source
from tests.fakes.world import FakeDeadline
from tests.unit.workflow.test_cutting import Looks
from tests.unit.workflow.test_plan_and_undo import TABLE, planned, staged, state

STEWARD = Caller("main", "ada", Role.STEWARD)


def run(world: Any, job: Job, deadline: Any = None, *, leg: int = 1, chunks_key: str = "") -> StepOutput:
    step = StepInput(tenant="main", job_id=job.job_id, leg=leg, chunks_key=chunks_key)
    return publish(world, step, deadline or FakeDeadline())


def fresh(world: Any, job: Job) -> Job:
    return world.jobs.get("main", job.job_id)


def raising(error: Exception) -> Any:
    def call(*_: Any, **__: Any) -> Any:
        raise error

    return call


def told(answer: StepOutput, job: Job, outcome: str) -> bool:
    return (answer.tenant, answer.job_id, answer.leg, answer.outcome) == ("main", job.job_id, 1, outcome)


@pytest.mark.parametrize(
    "over", [{"leg": 2}, {"to": JobState.CANCELLED}, {"to": JobState.PUBLISHED}, {"to": JobState.AWAITING_APPROVAL}]
)
def test_a_leg_that_is_over_is_left_alone(world: Any, over: dict[str, Any]) -> None:
    job = staged(world)
    if "to" in over:
        world.jobs.transition(job, over["to"], expect=set(JobState))
    before = fresh(world, job)
    answer = run(world, job, leg=over.get("leg", 1))
    assert (answer.outcome, answer.job_id) == ("stop", job.job_id)
    assert fresh(world, job) == before
    assert TABLE not in world.target.keyed


def test_a_receipt_says_what_was_done_where_and_what_is_hidden(world: Any) -> None:
    job = staged(world, tally=Tally(read=2, accepted=2))
    assert told(run(world, job), job, "next")
    receipt = fresh(world, job).receipt
    # What check accepted is no count of what was published: the database recounts that.
    assert (receipt.mode, receipt.target, receipt.status) == ("upsert", TABLE, "published")
    assert (receipt.accepted, receipt.masked, receipt.plan_hash) == (0, ["name"], "")
    assert (receipt.inserted, receipt.finished_at != "") == (2, True)
    assert world.target.staged == {}


def test_a_publish_that_takes_long_is_waited_for_and_done_once(world: Any) -> None:
    job = staged(world)
    world.target.slow = 2
    assert [told(run(world, job), job, o) for o in ("more", "more", "next")] == [True] * 3
    assert state(world, job) is JobState.PUBLISHED


@pytest.mark.parametrize(("left", "seconds"), [(90.0, 90.0 - MARGIN_SECONDS), (1.05, 0.1), (0.0, 0.1)])
def test_the_step_waits_no_longer_than_it_may_and_always_a_little(world: Any, left: float, seconds: float) -> None:
    job = staged(world)
    start, given = world.target.start_publish, []

    def timed(*a: Any, **how: Any) -> Any:
        given.append(how["seconds"])
        return start(*a, **how)

    world.target.start_publish = timed
    run(world, job, Looks(left))
    assert given == [pytest.approx(seconds)]


def test_a_cancel_that_comes_first_wins_and_drops_staging(world: Any) -> None:
    job = staged(world)
    move = world.jobs.transition

    def meanwhile(known: Job, to: JobState, **how: Any) -> Any:
        move(known, JobState.CANCELLED, expect=set(JobState))
        return move(known, to, **how)

    world.jobs.transition = meanwhile
    assert told(run(world, job), job, "stop")
    assert state(world, job) is JobState.CANCELLED
    assert world.target.staged == {}
    assert TABLE not in world.target.keyed


# -- overtaken


def by_order(world: Any, mode: Mode = Mode.UPSERT, *, sequencer: str = "02") -> Job:
    job = staged(world, source=any_source(sequencer=sequencer))
    fields = any_contract().fields
    spec = any_load_spec(job_id=job.job_id, mode=mode, contract=any_contract(fields=fields))
    world.blobs.write(work_uri(world, job.spec_key), spec.model_dump_json().encode())
    return job


def test_a_version_that_was_overtaken_while_it_loaded_is_not_published(world: Any) -> None:
    job = by_order(world)
    world.target.newer_published = lambda *_: any_receipt(job_id="newer")
    assert told(run(world, job), job, "stop")
    after = fresh(world, job)
    assert (after.state, after.error.facts["newer_job"]) == (JobState.SUPERSEDED, "newer")
    assert world.target.staged == {}
    assert TABLE not in world.target.keyed


@pytest.mark.parametrize("how", [{"mode": Mode.APPEND}, {"sequencer": ""}])
def test_where_no_order_holds_nothing_is_overtaken(world: Any, how: dict[str, Any]) -> None:
    job = by_order(world, **how)
    world.target.newer_published = lambda *_: any_receipt(job_id="newer")
    assert run(world, job).outcome == "next"


# -- questions


def test_a_plan_that_waits_says_its_hash_its_time_and_why(world: Any) -> None:
    job = planned(world)
    assert (job.plan.held, job.plan.stale) == ("", [])
    assert job.plan.made_at.startswith("2026-01-01T00:00:00")
    assert job.awaiting.detail == {"hash": job.plan.hash}
    assert job.error is None
    last = [e for e in world.jobs.events("main", job.job_id) if e.state is JobState.AWAITING_APPROVAL]
    assert [e.detail for e in last] == [{"question": "plan"}]


def test_a_held_job_says_why_it_waits(world: Any) -> None:
    job = staged(world)
    world.target.start_publish = raising(HeldError("It would remove 40% of the rows."))
    assert told(run(world, job), job, "stop")
    after = fresh(world, job)
    assert after.awaiting.detail == {"hash": after.plan.hash, "held": "It would remove 40% of the rows."}
    assert after.plan.held == "It would remove 40% of the rows."
    assert after.error is None


def test_a_plan_that_would_be_held_says_so(world: Any) -> None:
    job = staged(world, options=JobOptions(plan=True))
    summary = PlanSummary(hash="h", counts=PlanCounts(), held="It would remove much.")
    world.target.plan = lambda spec: Plan(summary, 1)
    run(world, job)
    assert fresh(world, job).plan.held == "It would remove much."


def test_of_a_stale_plan_a_hundred_rows_are_named(world: Any) -> None:
    job = staged(world, approved_plan="old")
    rows: list[dict[str, object]] = [{"id": n} for n in range(101)]
    world.target.start_publish = raising(PlanStaleError("The plan is stale.", rows=rows, hint="Look again."))
    assert told(run(world, job), job, "stop")
    after = fresh(world, job)
    assert (after.state, after.approved_plan) == (JobState.AWAITING_APPROVAL, "")
    assert after.plan.stale == rows[:100]
    assert (after.error.code, after.error.step, after.error.hint) == ("plan_stale", "publish", "Look again.")
    assert world.jobs.events("main", job.job_id)[-1].detail == {"question": "plan", "error": "plan_stale"}


def test_a_question_after_an_end_wakes_nobody_and_drops_staging(world: Any) -> None:
    job = staged(world)

    def meanwhile(*_: Any, **__: Any) -> Any:
        world.jobs.transition(fresh(world, job), JobState.FAILED, expect=set(JobState))
        raise HeldError("Held.")

    world.target.start_publish = meanwhile
    assert told(run(world, job), job, "stop")
    assert (state(world, job), world.target.staged) == (JobState.FAILED, {})


# -- ends


def test_what_the_table_refuses_ends_the_job_and_drops_staging(world: Any) -> None:
    job = staged(world)
    world.target.start_publish = raising(TargetError("The table refused a row.", hint="Mend it.", table="x"))
    assert told(run(world, job), job, "stop")
    after = fresh(world, job)
    assert (after.state, after.error.code, after.error.step) == (JobState.REFUSED, "target", "publish")
    assert (after.error.hint, after.error.facts) == ("Mend it.", {"table": "x"})
    assert world.target.staged == {}


def test_a_recount_that_disagrees_fails_the_job_and_keeps_staging(world: Any) -> None:
    job = staged(world)
    world.target.start_publish = raising(IntegrityError("Chunk 000001 does not balance.", chunk="000001"))
    assert told(run(world, job), job, "stop")
    after = fresh(world, job)
    assert (after.state, after.error.code, after.error.step) == (JobState.FAILED, "integrity", "publish")
    assert after.error.facts == {"chunk": "000001"}
    assert world.target.staged != {}


def test_staging_that_is_gone_sends_the_job_back_to_load_what_is_missing(world: Any) -> None:
    job = staged(world)
    world.target.staged.clear()
    answer = run(world, job, chunks_key="another.json")
    assert told(answer, job, "reload")
    assert answer.chunks_key == "chunks.json"
    after = fresh(world, job)
    assert (after.state, after.done) == (JobState.LOADING, [Step.DETECT, Step.SPLIT, Step.MAP])
    assert after.tally is None
    assert "again" in world.jobs.events("main", job.job_id)[-1].detail


def test_staging_that_is_gone_after_a_cancel_sends_nothing_back(world: Any) -> None:
    job = staged(world)

    def meanwhile(*_: Any, **__: Any) -> Any:
        world.jobs.transition(fresh(world, job), JobState.FAILED, expect=set(JobState))
        raise IntegrityError("Staging is gone.", reason="staging_lost")

    world.target.start_publish = meanwhile
    assert told(run(world, job), job, "stop")
    assert state(world, job) is JobState.FAILED


def test_an_undo_has_no_staging_to_go_back_for(world: Any) -> None:
    job = staged(world)
    run(world, job)
    undo = Undos(world, lambda: "u1").of_job(STEWARD, job.job_id, UndoAsk(), Once())
    world.target.start_undo = raising(IntegrityError("It does not balance.", reason="staging_lost"))
    assert told(run(world, undo), undo, "stop")
    assert state(world, undo) is JobState.FAILED


def test_a_job_that_vanished_from_the_books_is_refused(world: Any) -> None:
    job = staged(world)
    world.blobs.delete(work_uri(world, job.spec_key))
    assert told(run(world, job), job, "stop")
    assert (state(world, job), world.target.staged) == (JobState.REFUSED, {})


def test_a_collection_is_committed_and_touches_no_table(world: Any) -> None:
    sources = []
    for name in ("a.txt", "b.txt"):
        source = any_source(name=name, size=1)
        sources.append(source.model_copy(update={"version": world.blobs.write(source.uri, name[:1].encode())}))
    source = bundle(world.blobs, "work", "main", sources, "set")
    job = any_job(kind="collection", collection=CollectionAsk(name="maps"), source=source)
    world.jobs.create(job)
    assert detect(world, StepInput(tenant="main", job_id=job.job_id, leg=1), FakeDeadline()).outcome == "publish"
    assert told(run(world, job), job, "next")
    assert state(world, job) is JobState.PUBLISHED
    assert sorted(Collections(world.blobs, "work").entries("main", "maps", job.job_id)) == ["a.txt", "b.txt"]
    assert world.target.faults.calls == []
