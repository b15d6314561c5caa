"""Contracts, templates and schedules: versions, documents, pausing, and what may not be."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.inference import data_to_yaml, to_yaml
from entrepot.errors import (
    ContractError,
    TooLargeError,
    UnavailableError,
    UsageError,
)
from entrepot.model.contract import Contract
from entrepot.model.job import JobState
from entrepot.workflow import documents
from tests.builders import any_job
from tests.unit.api.support import Api

YAML = {"Content-Type": "application/yaml"}
PEOPLE = {"name": "people", "key": ["id"], "fields": [{"name": "id", "type": "integer"}, {"name": "name"}]}


def put(api: Api, path: str, body: Any, **options: Any) -> Any:
    return api.put(path, json_body=body, role="steward", **options)


def post(api: Api, path: str, body: Any, key: str = "") -> Any:
    return api.post(path, json_body=body, role="steward", headers={"Idempotency-Key": key} if key else {})


# Contracts


@pytest.mark.capability("OPS6")
def test_a_contract_is_created_changed_and_read_by_version(api: Api) -> None:
    made = post(api, "/contracts", PEOPLE)
    assert (made.status, made.json["version"], made.json["status"], made.json["paused"]) == (201, 1, "approved", False)
    wider = {**PEOPLE, "fields": [*PEOPLE["fields"], {"name": "age"}]}
    assert put(api, "/contracts/people", wider).json["version"] == 2
    assert put(api, "/contracts/people", wider).json["version"] == 2, "the same content makes no version"
    assert api.get("/contracts/people", role="viewer").json["version"] == 2
    assert (
        api.get("/contracts/people", query={"version": 1}).json["contract"]["fields"] == made.json["contract"]["fields"]
    )
    assert api.get("/contracts/people", query={"version": 3}).status == 404
    versions = api.get("/contracts/people/versions", role="viewer").json["versions"]
    assert [v["version"] for v in versions] == [2, 1]


def test_creating_it_twice_is_a_conflict_but_for_the_same_request(api: Api) -> None:
    assert post(api, "/contracts", PEOPLE, "k1").status == 201
    assert post(api, "/contracts", PEOPLE, "k1").status == 201
    assert post(api, "/contracts", PEOPLE, "k2").status == 409
    assert post(api, "/contracts", PEOPLE, "k2").status == 409
    assert post(api, "/contracts", PEOPLE).status == 409
    assert post(api, "/contracts", {**PEOPLE, "description": "x"}, "k1").status == 409
    assert len(api.get("/contracts/people/versions").json["versions"]) == 1


@pytest.mark.parametrize("fault", ["put_contract", "claim_key"])
def test_a_creation_that_died_is_finished_by_its_repetition(api: Api, fault: str) -> None:
    api.world.config.faults.fail(fault, UnavailableError("gone"))
    assert post(api, "/contracts", PEOPLE, "k1").status == 503
    assert post(api, "/contracts", PEOPLE, "k1").status == 201
    api.world.config.faults.lose_answer("put_contract")
    other = {**PEOPLE, "name": "places"}
    assert post(api, "/contracts", other, "k2").status in {201, 503}
    assert post(api, "/contracts", other, "k2").json["version"] == 1


def test_lists_are_paged_by_name(api: Api) -> None:
    for n in (3, 1, 2):
        put(api, f"/contracts/c{n}", {**PEOPLE, "name": f"c{n}"})
    first = api.get("/contracts", query={"limit": 2}, role="viewer").json
    assert [c["contract"]["name"] for c in first["contracts"]] == ["c1", "c2"]
    rest = api.get("/contracts", query={"limit": 2, "cursor": first["cursor"]}).json
    assert ([c["contract"]["name"] for c in rest["contracts"]], rest["cursor"]) == (["c3"], None)


def test_wide_contracts_share_pages_that_fit_an_answer(api: Api) -> None:
    fields = [{"name": f"field {n}", "description": "x" * 1000} for n in range(500)]
    for n in range(12):
        put(api, f"/contracts/w{n:02d}", {"name": f"w{n:02d}", "fields": fields})
    seen: list[str] = []
    cursor = ""
    for _ in range(12):
        answer = api.get("/contracts", query={"limit": 200, "cursor": cursor})
        assert len(answer.text) < 5_500_000
        seen += [c["contract"]["name"] for c in answer.json["contracts"]]
        cursor = answer.json["cursor"] or ""
        if not cursor:
            break
    assert seen == [f"w{n:02d}" for n in range(12)]


def test_a_draft_is_approved_later_and_jobs_that_waited_go_on(api: Api) -> None:
    draft = put(api, "/contracts/people", PEOPLE, query={"draft": "true"}).json
    assert (draft["status"], draft["current"]) == ("draft", 0)
    job = any_job(contract="people")
    api.world.jobs.create(job)
    api.world.jobs.transition(job, JobState.AWAITING_APPROVAL, expect=[JobState.RECEIVED])
    approved = post(api, "/contracts/people/approve", {"version": 1})
    assert (approved.json["status"], approved.json["current"]) == ("approved", 1)
    assert post(api, "/contracts/people/approve", {"version": 1}).status == 200
    assert post(api, "/contracts/people/approve", {"version": 7}).status == 404
    assert ("main", job.job_id, 2) in api.world.executions.started


@pytest.mark.capability("LOD8")
def test_a_paused_contract_holds_its_jobs_until_it_is_unpaused(api: Api) -> None:
    put(api, "/contracts/people", PEOPLE)
    for _ in range(2):
        assert post(api, "/contracts/people/pause", {}).json["paused"] is True
    api.world.blobs.write("s3://partner-bucket/x.csv", b"id\n1\n")
    job = api.post("/imports", json_body={"contract": "people", "source": "s3://partner-bucket/x.csv"}).json["job"]
    assert api.world.executions.started == []
    assert post(api, "/contracts/people/unpause", {}).json["paused"] is False
    assert api.world.executions.started == [("main", job["job_id"], 1)]


def test_a_retired_contract_is_gone_from_sight(api: Api) -> None:
    put(api, "/contracts/people", PEOPLE)
    assert api.delete("/contracts/people", role="steward").json == {"deleted": "people"}
    assert api.get("/contracts/people").status == 404
    assert api.get("/contracts").json["contracts"] == []
    assert api.delete("/contracts/people", role="steward").status == 404
    assert put(api, "/contracts/people", PEOPLE).json["version"] == 2


@pytest.mark.capability("ACC2")
@pytest.mark.parametrize(
    "target",
    [
        "entrepot.receipt",
        "entrepot_staging.x",
        "pg_catalog.pg_authid",
        "information_schema.tables",
        "ENTREPOT.audit",
        "PG_toast.x",
    ],
)
def test_no_contract_reaches_into_our_books_or_the_catalogue(api: Api, target: str) -> None:
    answer = put(api, "/contracts/people", {**PEOPLE, "target": target})
    assert (answer.status, answer.error["code"]) == (400, "contract")


@pytest.mark.capability("ACC2")
def test_a_table_is_one_tenants(api: Api) -> None:
    shared = {**PEOPLE, "target": "public.people"}
    assert put(api, "/contracts/people", shared, tenant="north").status == 200
    answer = put(api, "/contracts/other", {**shared, "name": "other"}, tenant="south")
    assert (answer.status, "north" in answer.text) == (409, False)
    assert put(api, "/contracts/other", {**shared, "name": "other"}, tenant="north").status == 200
    assert (
        put(api, "/contracts/draft", {**shared, "name": "draft"}, tenant="south", query={"draft": "true"}).status == 409
    )


def rows_of(api: Api) -> None:
    fields = [
        {"name": "id", "type": "integer"},
        {"name": "name", "classification": "personal"},
        {"name": "pin", "classification": "secret"},
    ]
    put(api, "/contracts/people", {"name": "people", "fields": fields})
    from datetime import UTC, datetime
    from decimal import Decimal

    api.world.target.tables["public", "people"] = (
        ["id", "name", "pin", "extra"],
        [
            [2**60, "Ada", "1234", Decimal("1.50")],
            [7, None, None, datetime(2026, 1, 2, tzinfo=UTC)],
            [1.5, b"\xff", True, None],
        ],
    )


@pytest.mark.capability("PRV2")
def test_rows_are_shown_by_clearance_and_as_json_can_hold_them(api: Api) -> None:
    rows_of(api)
    viewer = api.get("/contracts/people/rows", role="viewer", query={"limit": 2}).json
    assert viewer == {
        "columns": ["id", "name", "pin", "extra"],
        "rows": [[str(2**60), "***", "***", "***"], [7, None, None, "***"]],
        "count": 3,
    }
    steward = api.get("/contracts/people/rows", role="steward").json["rows"]
    assert steward == [
        [str(2**60), "Ada", "***", "1.50"],
        [7, None, None, "2026-01-02T00:00:00+00:00"],
        [1.5, "ff", "***", None],
    ]


def test_rows_of_a_table_that_is_not_there_yet_are_not_found(api: Api) -> None:
    put(api, "/contracts/people", PEOPLE)
    assert api.get("/contracts/people/rows").status == 404
    put(api, "/contracts/draft", {**PEOPLE, "name": "draft", "target": "public.x"}, query={"draft": "true"})
    api.world.target.tables["public", "x"] = (["id"], [[1]])
    assert api.get("/contracts/draft/rows").status == 404


# Documents


CONTRACT = """\
# incidents of the registry
name: people
mode: upsert
key: id
fields:
  - {name: id, type: integer, required: true, range: "[1, 100)"}
  - name: country
    enum: [NO, SE, "010", 010, 12:30, 1.50, 2026-01-01, yes, null_island]
    null_tokens: [~, NULL, n/a]
thresholds: {max_refused_percent: 2.5}
"""


def test_yaml_is_read_as_it_was_meant(api: Api) -> None:
    answer = api.post("/contracts", body=CONTRACT.replace("~, NULL, ", '"~", "NULL", '), headers=YAML, role="steward")
    assert answer.status == 201, answer.text
    contract = answer.json["contract"]
    assert contract["key"] == ["id"]
    assert contract["fields"][1]["enum"] == [
        "NO",
        "SE",
        "010",
        "010",
        "12:30",
        "1.50",
        "2026-01-01",
        "yes",
        "null_island",
    ]
    assert contract["thresholds"]["max_refused_percent"] == 2.5
    assert contract["fields"][0]["range"] == {"min": "1", "max": "100", "min_open": False, "max_open": True}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name: people\nfields:\n  - name: id\n    type: intger\n", "Line 4, fields[0].type"),
        ("name: people\nfields:\n  - name: id\n    requird: true\n", "Line 4, fields[0].requird"),
        ("name: people\nmode: upsert\nfields: [{name: a}]\n", "needs a key"),
        ("name: people\nname: people\n", "Line 2"),
        ("name: people\nfields: [\n", "Line 3"),
        ("name: 'x\n", "Line 2"),
        ("a: &x 1\nb: *x\n", "Line 2: aliases"),
        ("a: !!python/object/apply:os.system [id]\n", "name"),
        ("- 1\n", "mapping"),
        ("", "mapping"),
        ("? [a, b]\n: 1\n", "Line 1: a name is expected"),
        ("name: \x00\n", "character"),
    ],
)
@pytest.mark.parametrize("path", ["/contracts", "/templates", "/schedules"])
def test_a_document_that_cannot_be_read_is_told_by_its_line(api: Api, path: str, text: str, told: str) -> None:
    answer = api.post(path, body=text, headers=YAML, role="steward")
    assert (answer.status, answer.error["code"]) == (400, "contract"), answer.text
    if path == "/contracts":
        assert told in answer.error["message"]


def test_a_long_value_is_not_sent_back(api: Api) -> None:
    answer = api.post(
        "/contracts", body=f"name: people\nfields: [{{name: a, type: {'x' * 9000}}}]\n", headers=YAML, role="steward"
    )
    assert (answer.status, len(answer.text) < 2000) == (400, True)


@pytest.mark.parametrize("text", ["[" * 5000, "a: " + "{b: " * 3000 + "1" + "}" * 3000, "x" * (1 << 20) + "x"])
def test_a_document_over_the_bounds_is_refused(text: str) -> None:
    with pytest.raises((TooLargeError, ContractError)):
        documents.read(Contract, text.encode(), yaml=True)


def test_a_bomb_of_aliases_does_not_go_off() -> None:
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(12)
    )
    with pytest.raises(ContractError, match="aliases"):
        documents.read(Contract, bomb.encode(), yaml=True)


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda t: t.encode("utf-8", "replace")))
def test_no_document_raises_anything_but_our_errors(data: bytes) -> None:
    for yaml in (True, False):
        with contextlib.suppress(UsageError):
            documents.read(Contract, data, yaml=yaml)


words = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=12)


@given(st.lists(words, min_size=1, max_size=6))
def test_quoted_words_keep_every_letter(texts: list[str]) -> None:
    import yaml as pyyaml

    document = pyyaml.safe_dump(
        {"name": "people", "fields": [{"name": "a", "enum": texts}]}, default_style='"', allow_unicode=True
    )
    assert documents.read(Contract, document.encode(), yaml=True).fields[0].enum == texts


@pytest.mark.parametrize("media", ["text/plain", "text/csv", "application/xml", "multipart/form-data"])
def test_other_media_types_are_refused(api: Api, media: str) -> None:
    answer = api.post("/contracts", body="name: people", headers={"Content-Type": media}, role="steward")
    assert (answer.status, answer.error["code"]) == (415, "unsupported_media")


def test_the_path_and_the_document_name_the_same_thing(api: Api) -> None:
    assert put(api, "/contracts/other", PEOPLE).status == 400


# Templates


def test_templates_are_versioned_and_kept_while_a_schedule_needs_them(api: Api) -> None:
    put(api, "/contracts/people", PEOPLE)
    template = {"name": "monthly", "contract": "people", "options": {"mode": "upsert"}}
    assert post(api, "/templates", template, "k").status == 201
    assert post(api, "/templates", template, "k").json["version"] == 1
    assert put(api, "/templates/monthly", {**template, "description": "June"}).json["version"] == 2
    assert api.get("/templates/monthly", role="viewer", query={"version": 1}).json["template"]["description"] == ""
    assert [t["version"] for t in api.get("/templates").json["templates"]] == [2]
    assert put(api, "/schedules/nightly", SCHEDULE).status == 200
    used = api.delete("/templates/monthly", role="steward")
    assert (used.status, used.error["facts"]["schedules"]) == (409, ["nightly"])
    api.delete("/schedules/nightly", role="steward")
    assert api.delete("/templates/monthly", role="steward").status == 200
    assert api.get("/templates/monthly").status == 404


def test_a_template_needs_its_contract(api: Api) -> None:
    assert post(api, "/templates", {"name": "monthly", "contract": "nope"}).status == 404


# Schedules


SCHEDULE = {
    "name": "nightly", "expression": "cron(0 6 ? * MON-FRI *)", "timezone": "Europe/Berlin",
    "source": "s3://partner-bucket/people.csv", "template": "monthly",
}  # fmt: skip


@pytest.fixture
def monthly(api: Api) -> None:
    put(api, "/contracts/people", PEOPLE)
    put(api, "/templates/monthly", {"name": "monthly", "contract": "people"})


@pytest.mark.capability("SRC3")
@pytest.mark.usefixtures("monthly")
def test_a_schedule_is_stored_fired_paused_and_deleted(api: Api) -> None:
    made = post(api, "/schedules", SCHEDULE, "k")
    assert made.status == 201, made.text
    assert post(api, "/schedules", SCHEDULE, "k").json["version"] == 1
    fires = api.world.scheduler.schedules["main", "nightly"]
    assert (fires.expression, fires.timezone, fires.enabled) == (SCHEDULE["expression"], "Europe/Berlin", True)
    paused = post(api, "/schedules/nightly/pause", {}).json
    assert (paused["version"], paused["schedule"]["enabled"]) == (2, False)
    assert api.world.scheduler.schedules["main", "nightly"].enabled is False
    assert post(api, "/schedules/nightly/pause", {}).json["version"] == 2
    assert post(api, "/schedules/nightly/unpause", {}).json["schedule"]["enabled"] is True
    changed = put(api, "/schedules/nightly", {**SCHEDULE, "expression": "rate(2 hours)"}).json
    assert (changed["version"], api.world.scheduler.schedules["main", "nightly"].expression) == (4, "rate(2 hours)")
    page = api.get("/schedules/nightly/versions", query={"limit": 3}, role="viewer").json
    assert ([v["version"] for v in page["versions"]], page["cursor"]) == ([4, 3, 2], "2")
    rest = api.get("/schedules/nightly/versions", query={"limit": 3, "cursor": page["cursor"]}).json
    assert [v["version"] for v in rest["versions"]] == [1]
    assert [s["schedule"]["name"] for s in api.get("/schedules").json["schedules"]] == ["nightly"]
    assert api.delete("/schedules/nightly", role="steward").status == 200
    assert api.world.scheduler.schedules == {}
    assert api.get("/schedules/nightly").status == 404
    assert api.get("/schedules").json["schedules"] == []


@pytest.mark.usefixtures("monthly")
@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"expression": "every day"}, 400),
        ({"expression": "cron(0 6 * * *)"}, 400),
        ({"expression": "rate(-1 hours)"}, 400),
        ({"expression": "at(tomorrow)"}, 400),
        ({"timezone": "Mars/Olympus"}, 400),
        ({"timezone": "../etc/passwd"}, 400),
        ({"start": "soon"}, 400),
        ({"start": "2026-12-01T00:00:00Z", "end": "2026-11-01T00:00:00Z"}, 400),
        ({"source": "s3://work-bucket/x"}, 403),
        ({"source": "s3://inbox-bucket/north/x"}, 403),
        ({"source": "file:///etc/passwd"}, 403),
        ({"source": "ftp://x"}, 400),
        ({"template": "nope"}, 404),
        ({"name": "Nightly!"}, 422),
        ({"colour": "red"}, 422),
    ],
)
def test_a_schedule_that_cannot_work_is_neither_stored_nor_fired(api: Api, wrong: dict[str, str], status: int) -> None:
    answer = post(api, "/schedules", {**SCHEDULE, **wrong})
    assert answer.status == status, answer.text
    assert api.world.scheduler.schedules == {}
    assert api.get("/schedules").json["schedules"] == []


@pytest.mark.usefixtures("monthly")
def test_a_schedule_whose_firing_failed_is_mended_by_putting_it_again(api: Api) -> None:
    api.world.scheduler.faults.fail("put", UnavailableError("gone"))
    assert put(api, "/schedules/nightly", SCHEDULE).status == 503
    assert api.world.scheduler.schedules == {}
    mended = put(api, "/schedules/nightly", SCHEDULE)
    assert (mended.status, mended.json["version"]) == (200, 1)
    assert ("main", "nightly") in api.world.scheduler.schedules


@pytest.mark.usefixtures("monthly")
def test_an_expression_that_the_scheduler_refuses_leaves_what_was(api: Api) -> None:
    put(api, "/schedules/nightly", SCHEDULE)
    api.world.scheduler.faults.fail("put", UsageError("The scheduler does not take this expression."))
    assert put(api, "/schedules/nightly", {**SCHEDULE, "expression": "rate(5 minutes)"}).status == 400
    assert api.get("/schedules/nightly").json["schedule"]["expression"] == SCHEDULE["expression"]
    assert api.world.scheduler.schedules["main", "nightly"].expression == SCHEDULE["expression"]
    api.world.scheduler.faults.fail("put", UsageError("Nor this one."))
    assert post(api, "/schedules", {**SCHEDULE, "name": "other"}).status == 400
    assert api.get("/schedules/other").status == 404


def test_no_value_in_a_slice_is_a_blank_and_a_contract_that_is_shown_can_be_read_again() -> None:
    head = "name: x\nkey: [id]\nmode: replace\nfields:\n- {name: id, type: integer}\n"
    head += "- {name: region, null_tokens: [NULL, ~]}\n- {name: zone}\n"
    tests = "slice:\n  region: [north, null, ~, 'null']\n  zone:\n"
    found = documents.read(Contract, (head + tests).encode(), yaml=True)
    assert found.slice["region"].values == ["north", None, None, "null"]
    assert found.slice["zone"].values == [None]
    assert found.fields[1].null_tokens == ["NULL", "~"]
    shown = data_to_yaml(found.model_dump(mode="json"))
    assert documents.read(Contract, shown.encode(), yaml=True) == found
    assert documents.read(Contract, to_yaml(found).encode(), yaml=True) == found
