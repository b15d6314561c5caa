"""Plans and undos through the API: shown page by page, published by their hash, asked for once."""

from __future__ import annotations

from typing import Any

import pytest

from entrepot.model.job import Awaiting, Job, JobState, PlanCounts, PlanSummary, Step
from entrepot.ports.target import PlannedRow
from tests.builders import any_job, any_load_spec, any_receipt
from tests.fakes.target import Published
from tests.unit.api.support import Api

HASH = "ab" * 16


def waiting(api: Api, rows: int = 5, **given: Any) -> Job:
    """A job that waits with a plan."""
    done = [Step.DETECT, Step.SPLIT, Step.MAP, Step.CHECK, Step.GATE]
    job = any_job(done=done, **given)
    job.spec_key = job.work_key("spec.json")
    api.world.blobs.write(
        f"s3://work-bucket/{job.spec_key}", any_load_spec(job_id=job.job_id).model_dump_json().encode()
    )
    api.world.jobs.create(job)
    api.world.target.staged["main", job.job_id] = {}
    api.world.target.plans["main", job.job_id] = [
        PlannedRow(n, "update" if n % 2 else "insert", {"id": str(n)}, {"name": "x"}, {"name": "y"}, row=n + 1)
        for n in range(1, rows + 1)
    ]
    plan = PlanSummary(hash=HASH, counts=PlanCounts(insert=2, update=3), held="It would remove 40%.")
    asked = Awaiting(question="plan", since="2026-01-01T00:00:00Z", deadline="2026-01-08T00:00:00Z")
    changes = {"awaiting": asked, "plan": plan}
    return api.world.jobs.transition(job, JobState.AWAITING_APPROVAL, expect=[JobState.RECEIVED], changes=changes)


def published(api: Api, tenant: str = "main") -> Job:
    job = any_job(tenant=tenant)
    api.world.jobs.create(job)
    receipt = any_receipt(job_id=job.job_id, tenant=tenant, target="public.people", contract=job.contract)
    api.world.target.published[tenant, job.job_id] = Published(receipt, {}, {})
    return api.world.jobs.transition(job, JobState.PUBLISHED, expect=[JobState.RECEIVED], changes={"receipt": receipt})


@pytest.mark.capability("LOD3")
def test_a_plan_is_shown_page_by_page(api: Api) -> None:
    job = waiting(api)
    path = f"/jobs/{job.job_id}/plan"
    first = api.get(path, role="viewer", query={"limit": 2}).json
    assert (first["plan"]["hash"], first["plan"]["counts"]["update"], first["after"]) == (HASH, 3, 2)
    assert first["plan"]["held"] == "It would remove 40%."
    assert (first["rows"][0]["old"], first["rows"][0]["new"]) == ({"name": "x"}, {"name": "y"})
    seen = [r["n"] for r in first["rows"]]
    while first["after"]:
        first = api.get(path, query={"limit": 2, "after": first["after"]}).json
        seen += [r["n"] for r in first["rows"]]
    assert seen == [1, 2, 3, 4, 5]
    inserts = api.get(path, query={"action": "insert"}).json["rows"]
    assert [r["n"] for r in inserts] == [2, 4]
    shown = api.get(f"/jobs/{job.job_id}").json["job"]
    assert (shown["plan"]["hash"], shown["awaiting"]["question"]) == (HASH, "plan")


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 201}, {"after": -1}, {"action": "drop table"}])
def test_a_page_outside_the_bounds_is_422(api: Api, query: dict[str, Any]) -> None:
    assert api.get(f"/jobs/{waiting(api).job_id}/plan", query=query).status == 422


def test_a_job_without_a_plan_has_none_to_show(api: Api) -> None:
    job = any_job()
    api.world.jobs.create(job)
    answer = api.get(f"/jobs/{job.job_id}/plan")
    assert (answer.status, answer.error["code"]) == (404, "not_found")


def test_a_partner_sees_no_plan(api: Api) -> None:
    job = waiting(api, actor="pat")
    assert api.get(f"/jobs/{job.job_id}/plan", role="partner", user="pat").status == 403


@pytest.mark.capability("LOD3")
def test_a_plan_is_published_by_its_hash_alone(api: Api) -> None:
    job = waiting(api)
    path = f"/jobs/{job.job_id}/publish"
    for bad in ({}, {"hash": ""}, {"hash": "a b"}, {"hash": HASH, "force": True}):
        assert api.post(path, json_body=bad).status == 422
    stale = api.post(path, json_body={"hash": "0" * 32})
    assert (stale.status, stale.error["facts"]["plan_hash"]) == (409, HASH)
    assert "Look at the plan" in stale.error["hint"]
    assert api.post(path, role="viewer", json_body={"hash": HASH}).status == 403
    assert api.post(path, role="engineer", tenant="north", json_body={"hash": HASH}).status == 404
    done = api.post(path, json_body={"hash": HASH})
    assert (done.status, done.json["job"]["leg"], done.json["job"]["awaiting"]) == (200, 2, None)
    assert ("main", job.job_id, 2) in api.world.executions.started
    assert api.world.jobs.get("main", job.job_id).approved_plan == HASH
    twice = api.post(path, json_body={"hash": HASH})
    assert (twice.status, twice.error["facts"]["state"]) == (409, "checking")


def test_a_publish_repeated_with_its_key_finds_it_made(api: Api) -> None:
    job = waiting(api)
    path, key = f"/jobs/{job.job_id}/publish", {"Idempotency-Key": "k1"}
    first = api.post(path, json_body={"hash": HASH}, headers=key)
    again = api.post(path, json_body={"hash": HASH}, headers=key)
    assert (first.status, again.status, again.json["job"]["leg"]) == (200, 200, 2)


def test_approving_a_plan_says_how_it_is_done(api: Api) -> None:
    answer = api.post(f"/jobs/{waiting(api).job_id}/approve")
    assert (answer.status, "publish" in answer.error["hint"]) == (409, True)


def test_rejecting_a_plan_drops_staging(api: Api) -> None:
    job = waiting(api)
    assert api.post(f"/jobs/{job.job_id}/reject", json_body={"reason": "too many"}).json["job"]["state"] == "refused"
    assert api.world.target.staged == {}


@pytest.mark.capability("LOD5")
def test_a_job_is_taken_back_by_a_job_of_its_own(api: Api) -> None:
    job = published(api)
    path = f"/jobs/{job.job_id}/undo"
    answer = api.post(path, json_body={"message": "wrong file"})
    made = answer.json["job"]
    assert (answer.status, made["kind"], made["parent"], made["undo"]["jobs"]) == (
        202, "undo", job.job_id, [job.job_id],
    )  # fmt: skip
    assert made["options"]["message"] == "wrong file"
    assert ("main", made["job_id"], 1) in api.world.executions.started
    twice = api.post(path)
    assert (twice.status, twice.error["facts"]["undo_job"]) == (409, made["job_id"])


def test_an_undo_may_name_the_plan_it_means_or_ask_for_one(api: Api) -> None:
    job = published(api)
    path = f"/jobs/{job.job_id}/undo"
    assert api.post(path, json_body={"plan": True, "hash": HASH}).status == 422
    made = api.post(path, json_body={"hash": HASH}).json["job"]
    assert api.world.jobs.get("main", made["job_id"]).approved_plan == HASH


@pytest.mark.parametrize("job_id", ["0" * 26, "..", "a'b", "x" * 100])
def test_what_was_never_published_here_cannot_be_taken_back(api: Api, job_id: str) -> None:
    assert api.post(f"/jobs/{job_id}/undo").status == 404


def test_a_strangers_job_is_not_found(api: Api) -> None:
    job = published(api, tenant="north")
    assert api.post(f"/jobs/{job.job_id}/undo", role="engineer").status == 404
    answer = api.post("/undo", role="engineer", json_body={"target": "public.people", "to": "2025-01-01T00:00:00Z"})
    assert answer.status == 404


@pytest.mark.capability("LOD5")
def test_a_table_is_taken_back_to_a_moment(api: Api) -> None:
    api.world.target.published.clear()
    jobs = [published(api) for _ in range(2)]
    for n, job in enumerate(jobs):
        known = api.world.target.published["main", job.job_id]
        known.receipt = known.receipt.model_copy(update={"finished_at": f"2025-12-0{n + 1}T00:00:00Z"})
    answer = api.post("/undo", json_body={"target": "people", "to": "2025-11-30T00:00:00"})
    assert answer.json["job"]["undo"]["jobs"] == [j.job_id for j in reversed(jobs)]
    assert answer.json["job"]["undo"]["until"] == "2025-11-30T00:00:00Z"
    for bad in ({"target": "people"}, {"to": "2025-11-30T00:00:00"}, {"target": "people", "to": "x" * 99}):
        assert api.post("/undo", json_body=bad).status == 422
    assert api.post("/undo", json_body={"target": "people", "to": "last week"}).status == 400


@pytest.mark.capability("LOD5", "LOD4")
def test_a_source_that_was_taken_back_can_be_imported_again(api: Api) -> None:
    uri = "s3://partner-bucket/june.csv"
    api.world.blobs.write(uri, b"id\n1\n")
    ask = {"contract": "people", "source": uri}
    first = api.post("/imports", json_body=ask).json["job"]["job_id"]
    receipt = any_receipt(job_id=first, undone_by="somebody")
    stored = api.world.jobs.get("main", first)
    api.world.jobs.transition(
        stored, JobState.PUBLISHED, expect=[JobState.RECEIVED], changes={"receipt": any_receipt(job_id=first)}
    )
    assert api.post("/imports", json_body=ask).json["job"]["job_id"] == first
    api.world.jobs.update(stored, {"receipt": receipt})
    again = api.post("/imports", json_body=ask).json["job"]
    assert (again["job_id"] != first, again["attempt"], again["state"]) == (True, 1, "received")
    assert api.post("/imports", json_body=ask).json["job"]["job_id"] == again["job_id"]


def test_options_of_a_job_are_bounded(api: Api) -> None:
    uri = "s3://partner-bucket/june.csv"
    api.world.blobs.write(uri, b"id\n1\n")

    def ask(**options: Any) -> Any:
        return api.post("/imports", json_body={"contract": "people", "source": uri, "options": options})

    for bad in ({"only_if": "full"}, {"priority": 10}, {"priority": -1}, {"mode": "merge"}, {"slice": {"a": []}}):
        assert ask(**bad).status == 422, bad
    good = {"plan": True, "only_if": "empty", "priority": 9, "mode": "replace", "slice": {"region": ["EU", None]}}
    job = ask(**good).json["job"]["options"]
    assert (job["plan"], job["only_if"], job["priority"], job["mode"]) == (True, "empty", 9, "replace")
    assert job["slice"]["region"]["values"] == ["EU", None]
