"""Plans that wait and are published exactly, and jobs that are taken back: the workflow's own moves."""

from __future__ import annotations

from typing import Any

import pytest

from entrepot.errors import ConflictError, NotFoundError, RetriableError, UsageError
from entrepot.model.contract import Classification
from entrepot.model.job import Job, JobOptions, JobState, Step
from entrepot.model.receipt import Receipt
from entrepot.model.source import Source
from entrepot.model.steps import StepInput, StepOutput
from entrepot.workflow.access import Caller, Role
from entrepot.workflow.detect import detect
from entrepot.workflow.disclosure import MASK
from entrepot.workflow.idempotency import Once
from entrepot.workflow.lifecycle import Lifecycle
from entrepot.workflow.notify import NotifyInput, notify
from entrepot.workflow.plans import Plans
from entrepot.workflow.publish import publish
from entrepot.workflow.sweep import sweep
from entrepot.workflow.undo import UndoAsk, Undos
from entrepot.workflow.world import work_uri
from tests.builders import any_contract, any_field, any_job, any_load_spec
from tests.fakes.target import Row
from tests.fakes.world import FakeDeadline

TABLE = "public.incidents"
STEWARD = Caller("main", "ada", Role.STEWARD)
DONE = [Step.DETECT, Step.SPLIT, Step.MAP, Step.CHECK, Step.GATE]


def row(id_: str, name: str) -> Row:
    return {"id": id_, "name": name}


def staged(world: Any, rows: dict[str, Row] | None = None, **given: Any) -> Job:
    """A job before publish, with its rows in staging."""
    job = any_job(tenant="main", done=DONE, spec_key="spec", chunks_key="chunks.json", **given)
    fields = [any_field("id"), any_field("name", classification=Classification.PERSONAL), any_field("amount")]
    spec = any_load_spec(job_id=job.job_id, contract=any_contract(fields=fields))
    job.spec_key = job.work_key("spec.json")
    world.blobs.write(work_uri(world, job.spec_key), spec.model_dump_json().encode())
    assert world.jobs.create(job)
    world.target.staged["main", job.job_id] = rows if rows is not None else {"1": row("1", "Ada"), "2": row("2", "Bo")}
    return world.jobs.transition(job, JobState.CHECKING, expect=[JobState.RECEIVED])


def leg(world: Any, job: Job) -> StepOutput:
    """Runs the leg that stands before publish; the job then rests, or publish goes on."""
    fresh = world.jobs.get("main", job.job_id)
    step = StepInput(tenant="main", job_id=job.job_id, leg=fresh.leg)
    if fresh.leg > 1 or fresh.kind == "undo":
        assert detect(world, step, FakeDeadline()).outcome == "publish"
    answer = publish(world, step, FakeDeadline())
    if answer.outcome != "more":
        notify(world, NotifyInput(**step.model_dump()))
    return answer


def state(world: Any, job: Job) -> JobState:
    return world.jobs.get("main", job.job_id).state


def planned(world: Any, **given: Any) -> Job:
    job = staged(world, options=JobOptions(plan=True), **given)
    leg(world, job)
    job = world.jobs.get("main", job.job_id)
    assert job.state is JobState.AWAITING_APPROVAL
    return job


@pytest.mark.capability("LOD3")
def test_a_job_that_wants_a_plan_waits_with_it_and_changes_nothing(world: Any) -> None:
    world.target.keyed[TABLE] = {"1": row("1", "Old")}
    job = planned(world)
    assert job.plan is not None
    assert job.awaiting is not None
    assert (job.plan.counts.insert, job.plan.counts.update, job.awaiting.question) == (1, 1, "plan")
    assert world.target.keyed[TABLE] == {"1": row("1", "Old")}
    assert [d for d, _ in world.bus.events] == ["Job Awaiting"]


def test_a_plan_is_published_by_its_hash_and_by_no_other(world: Any) -> None:
    job = planned(world)
    assert job.plan is not None
    with pytest.raises(ConflictError, match="another hash"):
        Lifecycle(world).publish("main", job.job_id, "0" * 32, "ada")
    Lifecycle(world).publish("main", job.job_id, job.plan.hash, "ada")
    assert leg(world, job).outcome == "next"
    done = world.jobs.get("main", job.job_id)
    assert (done.state, done.receipt.plan_hash) == (JobState.PUBLISHED, job.plan.hash)
    assert done.receipt.masked == ["name"]
    with pytest.raises(ConflictError) as twice:
        Lifecycle(world).publish("main", job.job_id, job.plan.hash, "ada")
    assert twice.value.facts["state"] == "published"


def test_a_stale_plan_makes_a_new_one_and_names_the_rows(world: Any) -> None:
    world.target.keyed[TABLE] = {"1": row("1", "Old")}
    job = planned(world)
    assert job.plan is not None
    world.target.keyed[TABLE]["1"] = row("1", "Edited")
    Lifecycle(world).publish("main", job.job_id, job.plan.hash, "ada")
    leg(world, job)
    again = world.jobs.get("main", job.job_id)
    assert (again.state, again.error.code, again.approved_plan) == (JobState.AWAITING_APPROVAL, "plan_stale", "")
    assert again.plan.stale == [{"id": "1"}]
    assert again.plan.hash != job.plan.hash
    assert world.target.keyed[TABLE]["1"] == row("1", "Edited")
    Lifecycle(world).publish("main", job.job_id, again.plan.hash, "ada")
    assert world.jobs.get("main", job.job_id).error is None
    leg(world, job)
    assert state(world, job) is JobState.PUBLISHED


@pytest.mark.capability("LOD1")
def test_a_held_job_waits_with_a_plan_and_the_reason(world: Any) -> None:
    job = staged(world)
    world.target.held["main", job.job_id] = "It would remove 40% of the rows."
    leg(world, job)
    held = world.jobs.get("main", job.job_id)
    assert (held.state, held.plan.held) == (JobState.AWAITING_APPROVAL, "It would remove 40% of the rows.")
    Lifecycle(world).publish("main", job.job_id, held.plan.hash, "ada")
    leg(world, job)
    assert state(world, job) is JobState.PUBLISHED


@pytest.mark.capability("LOD4")
@pytest.mark.parametrize(
    ("look", "end"),
    [("newer_published", JobState.SUPERSEDED), ("published_before", JobState.ALREADY_PUBLISHED)],
)
def test_a_delivery_that_is_overtaken_while_it_publishes_changes_nothing(world: Any, look: str, end: JobState) -> None:
    job = staged(world, source=Source(uri="s3://inbox/main/incidents/a.csv", version="1", sequencer="01"))
    other = Receipt(job_id="other", tenant="main", status="published")
    world.target.meanwhile["main", job.job_id] = look, other
    leg(world, job)
    assert state(world, job) is end
    assert world.target.staged == {}
    assert world.target.published == {}


def test_a_publish_is_tried_again_when_what_came_first_was_taken_back(world: Any) -> None:
    job = staged(world, source=Source(uri="s3://inbox/main/incidents/a.csv", version="1", sequencer="01"))
    world.target.meanwhile["main", job.job_id] = "newer_published", None
    with pytest.raises(RetriableError):
        leg(world, job)
    del world.target.meanwhile["main", job.job_id]
    leg(world, job)
    assert state(world, job) is JobState.PUBLISHED


@pytest.mark.capability("LOD8")
@pytest.mark.parametrize("plan", [False, True])
def test_a_condition_that_does_not_hold_refuses_the_job(world: Any, plan: bool) -> None:
    job = staged(world, options=JobOptions(plan=plan))
    world.target.condition.add(("main", job.job_id))
    leg(world, job)
    ended = world.jobs.get("main", job.job_id)
    assert (ended.state, ended.error.code) == (JobState.REFUSED, "condition")
    assert world.target.staged == {}


@pytest.mark.capability("LOD8")
@pytest.mark.parametrize("how", ["reject", "cancel"])
def test_a_plan_that_is_turned_down_drops_staging(world: Any, how: str) -> None:
    job = planned(world)
    getattr(Lifecycle(world), how)("main", job.job_id, "ada")
    assert state(world, job) is {"reject": JobState.REFUSED, "cancel": JobState.CANCELLED}[how]
    assert world.target.staged == {}


def test_a_plan_is_no_contract(world: Any) -> None:
    job = planned(world)
    with pytest.raises(ConflictError, match="by its hash") as refused:
        Lifecycle(world).approve("main", job.job_id, "ada")
    assert "publish" in refused.value.hint
    contract = any_contract(name=job.contract)
    from entrepot.model.contract import ContractVersion

    world.config.put_contract(ContractVersion(tenant="main", contract=contract))
    assert Lifecycle(world).contract_approved("main", job.contract) == 0
    assert state(world, job) is JobState.AWAITING_APPROVAL


def test_a_plan_that_nobody_answers_expires(world: Any) -> None:
    job = planned(world)
    world.clock.move(8 * 86400)
    assert sweep(world).expired == 1
    assert state(world, job) is JobState.EXPIRED
    assert world.target.staged == {}


@pytest.mark.capability("LOD7")
@pytest.mark.parametrize("wants", [True, False])
def test_staging_that_a_crash_emptied_is_loaded_again(world: Any, wants: bool) -> None:
    job = staged(world, options=JobOptions(plan=wants))
    world.target.staged.clear()
    answer = leg(world, job)
    assert (answer.outcome, answer.chunks_key) == ("reload", "chunks.json")
    after = world.jobs.get("main", job.job_id)
    assert (after.state, after.done) == (JobState.LOADING, DONE[:3])


def test_a_cancel_while_the_plan_is_made_wins(world: Any) -> None:
    job = staged(world, options=JobOptions(plan=True))
    made = world.target.plan

    def meanwhile(spec: Any) -> Any:
        Lifecycle(world).cancel("main", job.job_id, "ada")
        return made(spec)

    world.target.plan = meanwhile
    assert leg(world, job).outcome == "stop"
    assert state(world, job) is JobState.CANCELLED
    assert world.target.staged == {}


def test_values_of_a_plan_are_masked_by_class_and_clearance(world: Any) -> None:
    world.target.keyed[TABLE] = {"1": row("1", "Old")}
    job = planned(world)

    def seen(role: Role) -> Any:
        return Plans(world).page(Caller("main", "x", role), job, after=0, limit=10, action="update")[1][0]

    assert (seen(Role.VIEWER).old, seen(Role.VIEWER).key) == ({"id": "1", "name": MASK}, {"id": "1"})
    assert seen(Role.STEWARD).new == {"id": "1", "name": "Ada"}


def test_a_job_without_a_plan_and_one_that_ended_show_none(world: Any) -> None:
    with pytest.raises(NotFoundError):
        Plans(world).page(STEWARD, staged(world), after=0, limit=1, action="")
    job = planned(world)
    Lifecycle(world).reject("main", job.job_id, "ada")
    with pytest.raises(ConflictError, match="gone"):
        Plans(world).page(STEWARD, world.jobs.get("main", job.job_id), after=0, limit=1, action="")


# -- undo


def published(world: Any, rows: dict[str, Row] | None = None) -> Job:
    job = staged(world, rows)
    leg(world, job)
    assert state(world, job) is JobState.PUBLISHED
    return job


def undos(world: Any) -> Undos:
    numbers = iter(range(1000))
    return Undos(world, lambda: str(next(numbers)))


@pytest.mark.capability("LOD5")
def test_a_job_is_taken_back_but_for_rows_that_were_edited_since(world: Any) -> None:
    world.target.keyed[TABLE] = {"1": row("1", "Old")}
    job = published(world, {"1": row("1", "Ada"), "2": row("2", "Bo"), "3": row("3", "Cy")})
    world.target.keyed[TABLE]["3"] = row("3", "edited")
    undo = undos(world).of_job(STEWARD, job.job_id, UndoAsk(message="wrong file"), Once())
    assert (undo.kind, undo.parent, undo.state) == ("undo", job.job_id, JobState.RECEIVED)
    assert world.executions.running(undo.job_id, 1)
    assert leg(world, undo).outcome == "next"
    assert world.target.keyed[TABLE] == {"1": row("1", "Old"), "3": row("3", "edited")}
    receipt = world.jobs.get("main", undo.job_id).receipt
    assert (receipt.mode, receipt.parent, receipt.message) == ("undo", job.job_id, "wrong file")
    assert (receipt.undo.removed, receipt.undo.restored, receipt.undo.kept) == (1, 1, 1)
    assert receipt.undo.kept_rows[0].key == {"id": "3"}
    assert world.jobs.get("main", job.job_id).receipt.undone_by == undo.job_id
    told = {d: e for d, e in world.bus.events if e["job_id"] in {job.job_id, undo.job_id}}
    assert told["Job Undone"]["job_id"] == job.job_id
    assert told["Job Undone"]["counts"] == {"removed": 1, "restored": 1, "reinserted": 0, "kept": 1}
    assert told["Job Published"]["kind"] == "undo"


def test_an_undo_that_waits_for_the_database_goes_on(world: Any) -> None:
    job = published(world)
    undo = undos(world).of_job(STEWARD, job.job_id, UndoAsk(), Once())
    start, asked = world.target.start_undo, []
    world.target.start_undo = lambda *a, **k: start(*a, **k) if asked else asked.append(1)
    assert leg(world, undo).outcome == "more"
    assert state(world, undo) is JobState.PUBLISHING
    assert leg(world, undo).outcome == "next"


@pytest.mark.capability("LOD5")
def test_an_undo_has_a_plan_of_its_own(world: Any) -> None:
    job = published(world)
    undo = undos(world).of_job(STEWARD, job.job_id, UndoAsk(plan=True), Once())
    leg(world, undo)
    waits = world.jobs.get("main", undo.job_id)
    assert (waits.state, waits.plan.counts.remove) == (JobState.AWAITING_APPROVAL, 2)
    (first, _) = Plans(world).page(STEWARD, waits, after=0, limit=10, action="")[1]
    assert (first.action, first.old) == ("remove", {"id": "1", "name": "Ada"})
    viewer = Caller("main", "eve", Role.VIEWER)
    assert Plans(world).page(viewer, waits, after=0, limit=1, action="")[1][0].old == {"id": MASK, "name": MASK}
    world.target.keyed[TABLE]["1"] = row("1", "edited")
    Lifecycle(world).publish("main", undo.job_id, waits.plan.hash, "ada")
    leg(world, undo)
    stale = world.jobs.get("main", undo.job_id)
    assert (stale.state, stale.plan.stale) == (JobState.AWAITING_APPROVAL, [{"id": "1"}])
    Lifecycle(world).publish("main", undo.job_id, stale.plan.hash, "ada")
    leg(world, undo)
    assert world.target.keyed[TABLE] == {"1": row("1", "edited")}


def test_an_undo_is_asked_for_once_unless_it_came_to_nothing(world: Any) -> None:
    job = published(world)
    first = undos(world).of_job(STEWARD, job.job_id, UndoAsk(plan=True), Once())
    with pytest.raises(ConflictError) as refused:
        undos(world).of_job(STEWARD, job.job_id, UndoAsk(), Once())
    assert refused.value.facts["undo_job"] == first.job_id
    leg(world, first)
    Lifecycle(world).reject("main", first.job_id, "ada")
    second = undos(world).of_job(STEWARD, job.job_id, UndoAsk(), Once())
    assert (second.attempt, second.job_id != first.job_id) == (1, True)
    leg(world, second)
    with pytest.raises(ConflictError, match="was taken back") as again:
        undos(world).of_job(STEWARD, job.job_id, UndoAsk(), Once())
    assert again.value.facts["undo_job"] == second.job_id
    with pytest.raises(ConflictError, match="cannot be taken back"):
        undos(world).of_job(STEWARD, second.job_id, UndoAsk(), Once())


def test_a_request_repeated_with_its_key_finds_its_undo(world: Any) -> None:
    job = published(world)
    service, once = undos(world), Once.of("k1", "undo")
    first = service.of_job(STEWARD, job.job_id, UndoAsk(), once)
    assert service.of_job(STEWARD, job.job_id, UndoAsk(), once).job_id == first.job_id
    leg(world, first)
    assert service.of_job(STEWARD, job.job_id, UndoAsk(), once).job_id == first.job_id


@pytest.mark.parametrize("at", [JobState.LOADING, JobState.REFUSED, JobState.AWAITING_APPROVAL, JobState.FAILED])
def test_only_what_was_published_is_taken_back(world: Any, at: JobState) -> None:
    job = staged(world)
    world.jobs.transition(job, at, expect=set(JobState))
    with pytest.raises(ConflictError) as refused:
        undos(world).of_job(STEWARD, job.job_id, UndoAsk(), Once())
    assert refused.value.facts["state"] == at.value


def test_another_tenants_job_is_not_found(world: Any) -> None:
    job = published(world)
    with pytest.raises(NotFoundError):
        undos(world).of_job(Caller("other", "eve", Role.STEWARD), job.job_id, UndoAsk(), Once())


def test_the_targets_books_are_enough(world: Any) -> None:
    """A one-shot with another state directory knows the job from its receipt alone."""
    job = published(world)
    world.jobs._jobs.clear()
    undo = undos(world).of_job(STEWARD, job.job_id, UndoAsk(), Once())
    leg(world, undo)
    assert state(world, undo) is JobState.PUBLISHED
    assert world.target.keyed[TABLE] == {}


@pytest.mark.capability("LOD5")
def test_a_table_goes_back_to_a_moment_newest_job_first(world: Any) -> None:
    first = published(world, {"1": row("1", "Ada")})
    moment = world.clock.now().isoformat()
    second = published(world, {"1": row("1", "Bo")})
    third = published(world, {"2": row("2", "Cy")})
    undo = undos(world).to_time(STEWARD, TABLE, moment, UndoAsk(), Once())
    assert undo.undo is not None
    assert undo.undo.jobs == [third.job_id, second.job_id]
    leg(world, undo)
    assert world.target.keyed[TABLE] == {"1": row("1", "Ada")}
    assert world.jobs.get("main", first.job_id).receipt.undone_by == ""
    with pytest.raises(NotFoundError):
        undos(world).to_time(STEWARD, TABLE, moment, UndoAsk(), Once())
    with pytest.raises(NotFoundError):
        undos(world).to_time(Caller("other", "eve", Role.STEWARD), TABLE, "2026-01-01T00:00:00Z", UndoAsk(), Once())


@pytest.mark.parametrize(
    ("target", "to"),
    [
        ("a.b.c", "2026-01-01T00:00:00Z"),
        (".", "2026-01-01T00:00:00Z"),
        (TABLE, "yesterday"),
        (TABLE, "2999-01-01T00:00Z"),
    ],
)
def test_a_moment_or_table_that_cannot_be_one(world: Any, target: str, to: str) -> None:
    with pytest.raises(UsageError):
        undos(world).to_time(STEWARD, target, to, UndoAsk(), Once())


def test_an_undo_that_the_database_refuses_ends_refused_with_the_reason(world: Any) -> None:
    job = published(world)
    undo = undos(world).of_job(STEWARD, job.job_id, UndoAsk(), Once())
    known = world.target.published["main", job.job_id]
    known.receipt = known.receipt.model_copy(update={"undone_by": "somebody"})
    leg(world, undo)
    ended = world.jobs.get("main", undo.job_id)
    assert (ended.state, ended.error.code) == (JobState.REFUSED, "undo")


def test_a_paused_contract_holds_no_undo(world: Any) -> None:
    job = published(world)
    undo = undos(world).of_job(STEWARD, job.job_id, UndoAsk(), Once())
    from entrepot.model.contract import ContractVersion

    world.config.put_contract(ContractVersion(tenant="main", contract=any_contract(name=job.contract)))
    world.config.pause_contract("main", job.contract, paused=True)
    world.executions.end(undo.job_id, 1, "FAILED")
    assert sweep(world).restarted == 1
