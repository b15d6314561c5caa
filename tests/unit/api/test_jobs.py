"""Jobs: looked at, followed event by event, and answered; an answer that is repeated changes nothing."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from entrepot.errors import UnavailableError
from entrepot.model.contract import Contract, ContractStatus, ContractVersion, FieldSpec
from entrepot.model.job import Awaiting, ErrorInfo, Job, JobState, MappedColumn
from entrepot.model.source import Detection
from tests.builders import any_job
from tests.unit.api.support import Api

INTERNALS = {"detection", "split", "chunks_key", "spec_key", "done", "seq", "tally", "reloads", "schema_version"}


def stored(api: Api, state: JobState = JobState.RECEIVED, **given: Any) -> Job:
    job = any_job(**given)
    api.world.jobs.create(job)
    if state is not JobState.RECEIVED:
        job = api.world.jobs.transition(job, state, expect=[JobState.RECEIVED])
    return job


def waiting(api: Api, question: str) -> Job:
    """A job that waits for a person, with a draft contract."""
    contract = Contract(name="people", fields=[FieldSpec(name="id"), FieldSpec(name="full_name")])
    status = ContractStatus.DRAFT if question == "contract" else ContractStatus.APPROVED
    version = api.world.config.put_contract(ContractVersion(tenant="main", contract=contract, status=status))
    job = any_job(
        contract="people", contract_version=version.contract.version, detection=Detection(columns=["id", "who"])
    )
    api.world.jobs.create(job)
    state = JobState.AWAITING_APPROVAL if question == "contract" else JobState.AWAITING_MAPPING
    asked = Awaiting(question=question, since="2026-01-01T00:00:00Z", deadline="2026-01-08T00:00:00Z")
    return api.world.jobs.transition(job, state, expect=[JobState.RECEIVED], changes={"awaiting": asked})


def move(api: Api, job: Job, what: str, body: Any = None, *, key: str = "", role: str = "operator") -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    return api.post(f"/jobs/{job.job_id}/{what}", json_body={} if body is None else body, role=role, headers=headers)


def test_a_job_is_shown_without_its_internals(api: Api) -> None:
    job = stored(api, mapping=[MappedColumn(index=0, column="Id", field="id")], doubts=["one"])
    view = api.get(f"/jobs/{job.job_id}", role="viewer").json["job"]
    assert not INTERNALS & set(view)
    assert view["job_id"] == job.job_id
    assert view["mapping"] == [{"index": 0, "column": "Id", "field": "id", "reason": "exact"}]
    assert set(view["source"]) == {"uri", "name", "size", "version", "sha256", "inputs"}


@pytest.mark.parametrize("job_id", ["x", "0" * 26, "A" * 26, "..", "a" * 500, "%2e%2e", "a'b", "job id"])
def test_what_cannot_be_a_job_is_not_found(api: Api, job_id: str) -> None:
    answer = api.get(f"/jobs/{job_id}")
    assert (answer.status, answer.error["code"]) == (404, "not_found")


def test_lists_are_filtered_and_paged_newest_first(api: Api) -> None:
    made = [
        stored(api, contract=("people", "places")[n % 2], received_at=f"2026-01-01T00:00:{n:02d}.000Z")
        for n in range(10)
    ]
    first = api.get("/jobs", role="viewer", query={"limit": 3, "contract": "people"}).json
    second = api.get("/jobs", role="viewer", query={"limit": 3, "contract": "people", "cursor": first["cursor"]}).json
    found = [j["job_id"] for j in (*first["jobs"], *second["jobs"])]
    assert found == [j.job_id for j in reversed(made[::2])]
    assert second["cursor"] is None
    assert api.get("/jobs", query={"state": "published"}).json["jobs"] == []
    assert len(api.get("/jobs", query={"state": "received", "limit": "200"}).json["jobs"]) == 10


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "201"},
        {"limit": "many"},
        {"state": "unheard"},
        {"contract": "x" * 64},
        {"cursor": "x" * 5000},
    ],
)
def test_a_query_outside_the_bounds_is_422(api: Api, query: dict[str, str]) -> None:
    answer = api.get("/jobs", query=query)
    assert (answer.status, answer.error["code"]) == (422, "validation")
    assert answer.error["facts"]["errors"][0]["path"] == next(iter(query))
    assert "x" * 300 not in answer.text


def test_a_list_of_wide_jobs_fits_an_answer(api: Api) -> None:
    wide = [MappedColumn(index=n, column="c" * 4000, field=f"f{n}") for n in range(100)]
    for n in range(15):
        stored(api, mapping=wide, received_at=f"2026-01-01T00:00:{n:02d}.000Z")
    seen: list[str] = []
    cursor = ""
    for _ in range(15):
        answer = api.get("/jobs", query={"limit": 200, "cursor": cursor})
        assert len(answer.text) < 5 << 20
        seen += [j["job_id"] for j in answer.json["jobs"]]
        cursor = answer.json["cursor"] or ""
        if not cursor:
            break
    assert len(seen) == len(set(seen)) == 15


@pytest.mark.capability("OPS1")
def test_events_are_followed_by_number_without_gaps(api: Api) -> None:
    job = stored(api)
    for state in (JobState.DETECTING, JobState.SPLITTING, JobState.LOADING):
        job = api.world.jobs.transition(job, state, expect=list(JobState))
    every = api.get(f"/jobs/{job.job_id}/events", role="viewer").json
    assert [e["state"] for e in every["events"]] == ["received", "detecting", "splitting", "loading"]
    numbers = [e["seq"] for e in every["events"]]
    assert numbers == list(range(numbers[0], numbers[0] + 4))
    assert every["last"] == numbers[-1]
    some = api.get(f"/jobs/{job.job_id}/events", query={"after": numbers[1], "limit": 1}).json
    assert ([e["seq"] for e in some["events"]], some["last"]) == ([numbers[2]], numbers[-1])
    assert api.get(f"/jobs/{job.job_id}/events", query={"after": "-1"}).status == 422


@pytest.mark.capability("LOD8")
@pytest.mark.parametrize("state", [s for s in JobState if s is not JobState.CANCELLED])
def test_cancel_wins_until_publishing_begins(api: Api, state: JobState) -> None:
    job = stored(api, state)
    answer = move(api, job, "cancel")
    free = state in {
        JobState.RECEIVED, JobState.DETECTING, JobState.SPLITTING, JobState.LOADING, JobState.CHECKING,
        JobState.AWAITING_APPROVAL, JobState.AWAITING_MAPPING, JobState.FAILED,
    }  # fmt: skip
    if free:
        assert (answer.status, answer.json["job"]["state"]) == (200, "cancelled")
    else:
        assert (answer.status, answer.error["facts"]["state"]) == (409, state.value)


@pytest.mark.capability("REV1")
def test_approving_approves_the_contract_and_starts_the_next_leg(api: Api) -> None:
    job = waiting(api, "contract")
    answer = move(api, job, "approve")
    assert answer.status == 200, answer.text
    assert answer.json["job"]["leg"] == 2
    head = api.world.config.contract_head("main", "people")
    assert head is not None
    assert head.current == 1
    assert ("main", job.job_id, 2) in api.world.executions.started


def test_approving_takes_no_other_tenants_table(api: Api) -> None:
    north = {"name": "people", "target": "public.people", "fields": [{"name": "id"}]}
    assert api.put("/contracts/people", json_body=north, role="steward", tenant="north").status == 200
    job = waiting(api, "contract")
    answer = move(api, job, "approve")
    assert (answer.status, "north" in answer.text) == (409, False)
    assert api.world.jobs.get("main", job.job_id).state is JobState.AWAITING_APPROVAL


def test_rejecting_ends_it_with_the_reason(api: Api) -> None:
    job = waiting(api, "contract")
    answer = move(api, job, "reject", {"reason": "wrong file"}).json["job"]
    assert (answer["state"], "wrong file" in answer["error"]["message"]) == ("refused", True)
    for bad in ({"reason": "x" * 501}, {"why": "x"}, [1]):
        assert move(api, waiting(api, "contract"), "reject", bad).status == 422


def test_rejecting_needs_no_body(api: Api) -> None:
    job = waiting(api, "contract")
    assert api.post(f"/jobs/{job.job_id}/reject").status == 200


@pytest.mark.capability("MAP2")
def test_confirming_goes_on_with_the_mapping(api: Api) -> None:
    job = waiting(api, "mapping")
    answer = move(api, job, "confirm", {"mapping": {"who": "full_name"}})
    assert answer.status == 200, answer.text
    assert answer.json["job"]["options"]["mapping"] == {"who": "full_name"}
    assert answer.json["job"]["leg"] == 2


@pytest.mark.parametrize(
    ("mapping", "status"),
    [({"nope": "id"}, 400), ({"who": "nope"}, 400), ({}, 422), ({"who": 1}, 422), (["who"], 422), (None, 422)],
)
def test_a_mapping_of_what_is_not_there_is_refused(api: Api, mapping: Any, status: int) -> None:
    job = waiting(api, "mapping")
    assert move(api, job, "confirm", {"mapping": mapping}).status == status
    assert api.world.jobs.get("main", job.job_id).state is JobState.AWAITING_MAPPING


@pytest.mark.capability("LOD7")
def test_resuming_a_failed_job_starts_the_next_leg(api: Api) -> None:
    job = stored(api, JobState.FAILED, error=ErrorInfo(code="x", message="y"))
    answer = move(api, job, "resume").json["job"]
    assert (answer["leg"], answer["error"]) == (2, None)


@pytest.mark.parametrize("what", ["approve", "reject", "resume"])
def test_a_move_that_the_state_does_not_allow_is_a_conflict(api: Api, what: str) -> None:
    answer = move(api, stored(api, JobState.LOADING), what)
    assert (answer.status, answer.error["facts"]["state"]) == (409, "loading")


MOVES = [
    ("cancel", None, lambda api: stored(api, JobState.LOADING)),
    ("approve", None, lambda api: waiting(api, "contract")),
    ("reject", {"reason": "no"}, lambda api: waiting(api, "contract")),
    ("confirm", {"mapping": {"who": "full_name"}}, lambda api: waiting(api, "mapping")),
    ("resume", None, lambda api: stored(api, JobState.FAILED)),
]


@pytest.mark.parametrize(("what", "body", "make"), MOVES)
def test_a_move_repeated_with_its_key_finds_it_made(api: Api, what: str, body: Any, make: Any) -> None:
    job = make(api)
    first = move(api, job, what, body, key="k1")
    again = move(api, job, what, body, key="k1")
    assert (first.status, again.status) == (200, 200), again.text
    assert again.json["job"]["leg"] == first.json["job"]["leg"]
    other = move(api, job, what, body, key="k2")
    assert other.status == 409
    assert move(api, job, what, body, key="k2").status == 409, "what was refused stays refused"


@pytest.mark.parametrize(("what", "body", "make"), MOVES)
def test_a_move_whose_answer_was_lost_is_not_made_twice(api: Api, what: str, body: Any, make: Any) -> None:
    job = make(api)
    api.world.executions.faults.fail("start", UnavailableError("gone"))
    first = move(api, job, what, body, key="k1")
    second = move(api, job, what, body, key="k1")
    assert first.status in {200, 503}
    assert second.status == 200, second.text
    now = api.world.jobs.get("main", job.job_id)
    assert now.leg <= 3
    assert now.leg == job.leg or ("main", job.job_id, now.leg) in api.world.executions.started


def test_a_key_of_one_move_is_no_key_of_another(api: Api) -> None:
    job = waiting(api, "contract")
    move(api, job, "reject", {"reason": "no"}, key="k1")
    assert move(api, job, "reject", {"reason": "yes"}, key="k1").status == 409
    assert move(api, job, "cancel", key="k1").status == 409


def test_no_answer_holds_a_rows_value_in_the_log(
    api: Api, logged: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    api.put("/contracts/people", role="steward", json_body={"name": "people", "fields": [{"name": "id"}]})
    api.post("/contracts/people/records", json_body={"id": "Ada-Lovelace-1815"}, headers={"Idempotency-Key": "sesame"})
    api.post(
        "/contracts/people/records", body='{"id": "Ada-Lovelace-1815"', headers={"Content-Type": "application/json"}
    )
    api.post("/imports", json_body={"contract": "people", "surname": "Ada-Lovelace-1815"})
    printed = capsys.readouterr()
    everything = printed.out + printed.err + logged.getvalue()
    assert '"answered"' in everything
    for secret in ("Ada-Lovelace-1815", "sesame", "Bearer", "eyJ"):
        assert secret not in everything


def test_every_line_of_the_log_is_json_with_the_requests_id(
    api: Api, logged: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    job = stored(api)
    api.get(f"/jobs/{job.job_id}")
    lines = [json.loads(line) for line in (logged.getvalue() + capsys.readouterr().out).splitlines()]
    told = next(line for line in lines if line.get("message") == "answered")
    assert (told["status"], told["job_id"], told["tenant"]) == (200, job.job_id, "main")
    assert told["request_id"]
    assert any("_aws" in line for line in lines)
