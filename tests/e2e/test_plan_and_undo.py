"""Plan, publish exactly that plan, undo: through the API of a running cloud, with a real PostgreSQL behind it."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from entrepot_client import ConflictError, NotFoundError
from entrepot_client.jobs import Job
from tests.e2e.driver import Driver, balanced, csv

pytestmark = pytest.mark.timeout(240)

Row = tuple[Any, ...]


def ask(driver: Driver, contract: str, rows: list[Row], **options: Any) -> Job:
    """Uploads a file with options; its job at rest."""
    path = driver.cloud.state / f"{contract}-{time.monotonic_ns()}.csv"
    path.write_bytes(csv(rows))
    job = driver.client.imports.upload(path, contract=contract, options=options)
    return driver.client.jobs.wait(job.id, timeout=60, poll_interval=0.1)


def settled(driver: Driver, job: Job) -> Job:
    return driver.client.jobs.wait(job.id, timeout=60, poll_interval=0.1)


@pytest.mark.capability("LOD3", "VAL5")
def test_a_plan_is_looked_at_and_published_exactly(driver: Driver) -> None:
    contract = driver.people()
    driver.deliver(contract, csv([(1, "Ada", 36), (2, "Bob", 41), (3, "Cy", 7)]))
    before = driver.rows(contract)
    job = ask(driver, contract, [(1, "Ada", 37), (2, "Bob", 41), (4, "Di", 20)], plan=True)
    assert (job.state, job.question) == ("awaiting_approval", "plan"), job.data
    assert driver.rows(contract) == before
    plan = driver.client.jobs.plan(job.id)
    assert (plan.counts["insert"], plan.counts["update"], plan.counts["unchanged"]) == (1, 1, 1)
    rows = {r.key["id"]: r for r in job.planned()}
    assert set(rows) == {"1", "4"}
    assert (rows["1"].action, rows["1"].old, rows["1"].new) == ("update", {"age": "36"}, {"age": "37"})
    assert (rows["4"].action, rows["4"].old, rows["4"].row) == ("insert", None, 4)
    assert [r.key["id"] for r in job.planned(action="insert")] == ["4"]
    with pytest.raises(ConflictError, match="by its hash"):
        job.approve()
    with pytest.raises(ConflictError) as wrong:
        driver.client.jobs.publish(job.id, "0" * 32)
    assert wrong.value.facts["plan_hash"] == plan.hash
    done = settled(driver, job.publish())
    assert done.state == "published", done.data
    receipt = done.receipt
    assert receipt is not None
    assert (receipt.inserted, receipt.updated, receipt.unchanged, receipt.data["plan_hash"]) == (1, 1, 1, plan.hash)
    assert balanced(receipt)
    assert driver.rows(contract) == [(1, "Ada", 37), (2, "Bob", 41), (3, "Cy", 7), (4, "Di", 20)]
    with pytest.raises(ConflictError):
        driver.client.jobs.publish(job.id, plan.hash)
    with pytest.raises(ConflictError):
        driver.client.jobs.plan(job.id)


@pytest.mark.capability("LOD3")
def test_a_plan_whose_rows_changed_is_not_published_and_names_them(driver: Driver) -> None:
    contract = driver.people()
    driver.deliver(contract, csv([(1, "Ada", 36), (2, "Bob", 41)]))
    job = ask(driver, contract, [(1, "Ada", 37), (2, "Bob", 41)], plan=True)
    first = job.plan
    assert first is not None
    # The first is touched by the plan; the second was unchanged, and would now be.
    driver.sql(f"update {driver.table(contract)} set age = age + 1")
    (seen,) = [r for r in job.planned() if r.key["id"] == "1"]
    assert seen.moved
    again = settled(driver, job.publish())
    assert (again.state, again.question) == ("awaiting_approval", "plan"), again.data
    assert again.error is not None
    assert again.error["code"] == "plan_stale"
    assert again.plan is not None
    assert again.plan.hash != first.hash
    assert sorted(str(row["id"]) for row in again.plan.stale) == ["1", "2"]
    assert driver.rows(contract) == [(1, "Ada", 37), (2, "Bob", 42)]
    done = settled(driver, again.publish())
    assert done.state == "published", done.data
    assert driver.rows(contract) == [(1, "Ada", 37), (2, "Bob", 41)]


@pytest.mark.capability("LOD3")
def test_a_plan_after_its_table_was_dropped_ends_refused(driver: Driver) -> None:
    contract = driver.people()
    driver.deliver(contract, csv([(1, "Ada", 36)]))
    job = ask(driver, contract, [(1, "Ada", 37)], plan=True)
    driver.sql(f"drop table {driver.table(contract)}")
    done = settled(driver, job.publish())
    assert done.state == "refused", done.data
    assert driver.staging(job.id) == 0


@pytest.mark.capability("LOD8")
@pytest.mark.parametrize(("how", "end"), [("reject", "refused"), ("cancel", "cancelled")])
def test_a_plan_that_is_turned_down_leaves_nothing(driver: Driver, how: str, end: str) -> None:
    contract = driver.people()
    job = ask(driver, contract, [(1, "Ada", 36)], plan=True)
    assert driver.staging(job.id) > 0
    getattr(driver.client.jobs, how)(job.id)
    assert driver.client.jobs.get(job.id).state == end
    assert driver.staging(job.id) == 0
    assert driver.sql("select to_regclass(%s)", driver.table(contract)) == [(None,)]


@pytest.mark.capability("LOD1", "LOD3")
def test_a_template_has_every_file_wait_with_its_plan(driver: Driver) -> None:
    contract = driver.people()
    name = f"t-{contract}"
    driver.client.templates.put({"name": name, "contract": contract, "options": {"plan": True}})
    driver.drop(contract, csv([(1, "Ada", 36)]), f"{name}/june.csv")
    job = driver.settle(contract)
    assert (job.state, job.question) == ("awaiting_approval", "plan"), job.data
    path = driver.cloud.state / f"{contract}-july.csv"
    path.write_bytes(csv([(2, "Bob", 41)]))
    sent = driver.client.imports.upload(path, contract=contract, template=name, options={"message": "July"})
    uploaded = settled(driver, sent)
    assert (uploaded.question, uploaded.data["options"]["message"]) == ("plan", "July"), uploaded.data


@pytest.mark.capability("LOD1")
def test_a_replace_that_would_remove_much_is_held_and_then_published(driver: Driver) -> None:
    contract = driver.people()
    driver.deliver(contract, csv([(n, "x", n) for n in range(1, 11)]))
    job = ask(driver, contract, [(1, "x", 1), (11, "new", 11)], mode="replace")
    assert (job.state, job.question) == ("awaiting_approval", "plan"), job.data
    plan = job.plan
    assert plan is not None
    assert plan.held
    assert (plan.counts["remove"], plan.counts["insert"]) == (9, 1)
    assert len(driver.rows(contract)) == 10
    done = settled(driver, job.publish())
    receipt = done.receipt
    assert receipt is not None
    assert (done.state, receipt.removed, receipt.inserted, receipt.unchanged) == ("published", 9, 1, 1), done.data
    assert [r[0] for r in driver.rows(contract)] == [1, 11]
    assert receipt.backup


@pytest.mark.capability("LOD8")
def test_a_condition_that_does_not_hold_refuses_the_job(driver: Driver) -> None:
    contract = driver.people()
    driver.deliver(contract, csv([(1, "Ada", 36)]))
    job = ask(driver, contract, [(2, "Bob", 41)], only_if="empty")
    assert job.state == "refused", job.data
    assert job.error is not None
    assert job.error["code"] == "condition"
    assert ask(driver, contract, [(3, "Cy", 1)], only_if="unchanged").state == "published"
    driver.sql(f"update {driver.table(contract)} set age = 1 where id = 1")
    assert ask(driver, contract, [(4, "Di", 1)], only_if="unchanged").state == "refused"


@pytest.mark.capability("LOD5")
def test_an_undo_gives_everything_back_but_what_was_edited_since(driver: Driver) -> None:
    contract = driver.people()
    table = driver.table(contract)
    driver.deliver(contract, csv([(n, f"old {n}", n) for n in range(1, 51)]))
    before = driver.rows(contract)
    job = driver.deliver(contract, csv([(n, f"new {n}", n) for n in range(26, 101)]), "second.csv")
    assert job.receipt is not None
    assert (job.receipt.inserted, job.receipt.updated) == (50, 25)
    driver.sql(f"update {table} set name = 'by hand' where id in (30, 60)")
    driver.sql(f"delete from {table} where id = 31")
    undo = settled(driver, job.undo(message="the wrong file"))
    assert undo.state == "published", undo.data
    receipt = undo.receipt
    assert receipt is not None
    assert (receipt.mode, receipt.data["parent"], receipt.data["message"]) == ("undo", job.id, "the wrong file")
    assert receipt.undo is not None
    counts = {k: receipt.undo[k] for k in ("removed", "restored", "reinserted", "kept")}
    assert counts == {"removed": 49, "restored": 23, "reinserted": 0, "kept": 3}
    kept = {(row["key"]["id"], row["reason"]) for row in receipt.undo["kept_rows"]}
    assert kept == {("30", "edited"), ("60", "edited"), ("31", "gone")}
    expected = [r for r in before if r[0] not in {30, 31}] + [(30, "by hand", 30), (60, "by hand", 60)]
    assert driver.rows(contract) == sorted(expected)
    shown = driver.client.jobs.get(job.id)
    assert (shown.state, shown.receipt.undone_by if shown.receipt else "") == ("published", undo.id)
    with pytest.raises(ConflictError) as twice:
        job.undo()
    assert twice.value.facts["undo_job"] == undo.id
    with pytest.raises(ConflictError, match="cannot be taken back"):
        undo.undo()


@pytest.mark.capability("LOD5", "LOD3")
def test_an_undo_waits_with_its_plan_and_refuses_when_it_is_stale(driver: Driver) -> None:
    contract = driver.people()
    job = driver.deliver(contract, csv([(1, "Ada", 36), (2, "Bob", 41)]))
    undo = settled(driver, job.undo(plan=True))
    assert (undo.state, undo.question) == ("awaiting_approval", "plan"), undo.data
    assert undo.plan is not None
    assert undo.plan.counts["delete"] == 2
    rows = list(undo.planned())
    assert {(r.key["id"], r.old["name"] if r.old else None, r.new) for r in rows} == {
        ("1", "Ada", None),
        ("2", "Bob", None),
    }
    assert len(driver.rows(contract)) == 2
    driver.sql(f"update {driver.table(contract)} set age = 1 where id = 2")
    again = settled(driver, undo.publish())
    assert again.question == "plan", again.data
    assert again.plan is not None
    assert [str(row["id"]) for row in again.plan.stale] == ["2"]
    done = settled(driver, again.publish())
    assert done.receipt is not None
    assert done.receipt.undo is not None
    assert (done.state, done.receipt.undo["removed"], done.receipt.undo["kept"]) == ("published", 1, 1), done.data
    assert driver.rows(contract) == [(2, "Bob", 1)]


@pytest.mark.capability("LOD5")
def test_a_table_goes_back_to_a_moment(driver: Driver) -> None:
    contract = driver.people()
    driver.deliver(contract, csv([(1, "Ada", 36), (2, "Bob", 41)]))
    before, moment = driver.rows(contract), datetime.now(UTC)
    time.sleep(0.01)
    second = driver.deliver(contract, csv([(2, "Bob", 42), (3, "Cy", 7)]), "second.csv")
    third = driver.deliver(contract, csv([(3, "Cy", 8), (1, "Ada", 1)]), "third.csv")
    undo = settled(driver, driver.client.jobs.undo_to(driver.table(contract), moment))
    assert undo.state == "published", undo.data
    assert undo.data["undo"]["jobs"] == [third.id, second.id]
    assert driver.rows(contract) == before
    assert {driver.client.jobs.get(j.id).receipt.undone_by for j in (second, third)} == {undo.id}
    with pytest.raises(NotFoundError):
        driver.client.jobs.undo_to(driver.table(contract), moment)


@pytest.mark.capability("LOD5", "LOD4")
def test_what_was_taken_back_can_be_imported_again(driver: Driver) -> None:
    contract = driver.people()
    data = csv([(1, "Ada", 36)])
    job = driver.deliver(contract, data)
    settled(driver, job.undo())
    assert driver.rows(contract) == []
    again = driver.deliver(contract, data, "again.csv")
    assert again.state == "published", again.data
    assert driver.rows(contract) == [(1, "Ada", 36)]


@pytest.mark.capability("ACC2", "PRV2")
def test_plans_and_undos_of_others_are_not_found_and_values_are_veiled(driver: Driver) -> None:
    fields = [
        {"name": "id", "type": "integer", "required": True},
        {"name": "name", "classification": "personal"},
        {"name": "pin", "classification": "secret"},
    ]
    contract = driver.contract(fields, key=["id"])
    job = driver.deliver(contract, b"id,name,pin\n1,Ada,1111\n")
    path = driver.cloud.state / f"{contract}.csv"
    path.write_bytes(b"id,name,pin\n1,Eva,2222\n")
    waits = settled(driver, driver.client.imports.upload(path, contract=contract, options={"plan": True}))
    (seen,) = waits.planned()
    assert seen.new == {"name": "Eva", "pin": "***"}
    (veiled,) = driver.as_user("eve", "viewer").jobs.planned(waits.id)
    assert (veiled.old, veiled.new) == ({"name": "***", "pin": "***"}, {"name": "***", "pin": "***"})
    stranger = driver.as_user("sue", "engineer", tenant="other")
    for refused in (
        lambda: stranger.jobs.plan(waits.id),
        lambda: stranger.jobs.publish(waits.id, waits.plan.hash if waits.plan else ""),
        lambda: stranger.jobs.undo(job.id),
        lambda: stranger.jobs.undo_to(driver.table(contract), "2020-01-01T00:00:00Z"),
    ):
        with pytest.raises(NotFoundError):
            refused()
    result = json.loads(driver.outbox(waits))
    assert result["plan"]["counts"]["update"] == 1
    assert "Eva" not in json.dumps(result)
