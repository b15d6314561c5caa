"""Refused rows: paged, summed up, veiled by classification and clearance, and as the submitter's own file."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from entrepot.model.contract import Classification, Contract, ContractStatus, ContractVersion, FieldSpec
from entrepot.model.findings import Finding, QuarantinedRow
from entrepot.model.job import Job, JobState, MappedColumn
from entrepot.model.source import Detection, Dialect
from tests.builders import any_job, any_source
from tests.unit.api.support import Api

COLUMNS = ["id", "name", "token", "remark"]
CLASSES = {"id": Classification.PUBLIC, "name": Classification.PERSONAL, "token": Classification.SECRET}


def stored(api: Api, **given: Any) -> Job:
    """A published job of three mapped columns and one that is not mapped."""
    fields = [FieldSpec(name=n, classification=c) for n, c in CLASSES.items()]
    contract = Contract(name="people", fields=fields)
    version = api.world.config.put_contract(
        ContractVersion(tenant="main", contract=contract, status=ContractStatus.APPROVED)
    )
    usual: dict[str, Any] = {
        "contract": "people",
        "contract_version": version.contract.version,
        "state": JobState.PUBLISHED,
        "source": any_source(name="June.csv"),
        "detection": Detection(columns=COLUMNS, dialect=Dialect(delimiter=";")),
        "mapping": [MappedColumn(index=n, column=c, field=c) for n, c in enumerate(COLUMNS[:3])],
        "actor": "pat",
    }
    job = any_job(**{**usual, **given})
    api.world.jobs.create(job)
    return job


def put(api: Api, job: Job, chunk: str, rows: list[QuarantinedRow]) -> None:
    lines = [r.model_dump_json(exclude_defaults=True) for r in rows]
    api.world.blobs.write(
        f"s3://work-bucket/jobs/{job.job_id}/quarantine/{chunk}.jsonl", "\n".join(lines).encode() + b"\n"
    )


def row(
    n: int, raw: str = "7;Ada;s3cr3t;shy", code: str = "integer", field: str = "id", value: str = "x7"
) -> QuarantinedRow:
    found = Finding(
        code=code, field=field, column=field, value=value, message=f"{field} is not right.", action="Mend it."
    )
    return QuarantinedRow(row=n, raw=raw, findings=[found])


def shown(api: Api, job: Job, role: str, **query: Any) -> dict[str, Any]:
    answer = api.get(f"/jobs/{job.job_id}/quarantine", role=role, user="pat", query=query)
    assert answer.status == 200, answer.text
    return dict(answer.json)


@pytest.mark.capability("PRV2")
@pytest.mark.parametrize(
    ("role", "raw"),
    [
        ("viewer", "7;***;***;***"),
        ("operator", "7;***;***;***"),
        ("partner", "7;***;***;***"),
        ("steward", "7;Ada;***;shy"),
        ("engineer", "7;Ada;***;shy"),
    ],
)
def test_a_raw_row_shows_only_the_cells_of_fields_that_may_be_seen(api: Api, role: str, raw: str) -> None:
    job = stored(api)
    put(api, job, "000000", [row(2)])
    assert shown(api, job, role)["rows"][0]["raw"] == raw


@pytest.mark.capability("PRV2")
@pytest.mark.parametrize(
    ("field", "seen"),
    [
        ("id", {"viewer", "operator", "partner", "steward", "engineer"}),
        ("name", {"steward", "engineer"}),
        ("token", set()),
        ("", {"steward", "engineer"} - {"steward", "engineer"}),
    ],
)
def test_a_findings_value_is_shown_by_its_fields_class(api: Api, field: str, seen: set[str]) -> None:
    job = stored(api)
    put(api, job, "000000", [row(2, field=field, value="the value")])
    for role in ("viewer", "operator", "partner", "steward", "engineer"):
        value = shown(api, job, role)["rows"][0]["findings"][0]["value"]
        assert value == ("the value" if role in seen else "***"), role


def test_without_secret_fields_a_steward_sees_the_row_verbatim(api: Api) -> None:
    job = stored(api)
    open_contract = Contract(
        name="people", fields=[FieldSpec(name="id"), FieldSpec(name="name", classification="personal")]
    )
    api.world.config.put_contract(
        ContractVersion(tenant="main", contract=open_contract, status=ContractStatus.APPROVED)
    )
    api.world.jobs.update(api.world.jobs.get("main", job.job_id), {"contract_version": 2})
    put(api, job, "000000", [row(2, raw='7;"Ada";"a ""q"""  ;odd;and more')])
    assert shown(api, job, "steward")["rows"][0]["raw"] == '7;"Ada";"a ""q"""  ;odd;and more'


@pytest.mark.parametrize(
    ("raw", "code"),
    [("7;Ada;s3cr3t", "integer"), ("7;Ada;s3cr3t;shy;more", "integer"), ('7;"Ada;s3cr3t;shy;x', "unclosed_quote"),
     ('7;"Ada"x;s3cr3t;shy', "bad_quote")],
)  # fmt: skip
def test_a_row_that_cannot_be_taken_apart_is_hidden_whole(api: Api, raw: str, code: str) -> None:
    from entrepot.formats.refusals import STRUCTURE

    if code != "integer":
        code = next(c for c in STRUCTURE if "quote" in c)
    job = stored(api)
    put(api, job, "000000", [row(2, raw=raw, code=code)])
    for role in ("viewer", "steward"):
        assert shown(api, job, role)["rows"][0]["raw"] == "***"


def test_bytes_that_are_no_text_are_hidden_too(api: Api) -> None:
    job = stored(api)
    put(api, job, "000000", [QuarantinedRow(row=2, raw_base64="AAAA", findings=[])])
    found = shown(api, job, "steward")["rows"][0]
    assert (found["raw"], found["raw_base64"]) == ("", "")


def test_records_are_veiled_by_their_names(api: Api) -> None:
    job = stored(api, detection=Detection(format="jsonl", columns=COLUMNS))
    record = {"id": 7, "name": "Ada", "token": "s3cr3t", "remark": "shy", "new": {"deep": "x"}, "none": None}
    put(api, job, "000000", [row(2, raw=json.dumps(record)), row(3, raw="not json")])
    seen = shown(api, job, "viewer")["rows"]
    assert json.loads(seen[0]["raw"]) == {**dict.fromkeys(record, "***"), "id": 7, "none": None}
    assert seen[1]["raw"] == "***"


def test_when_the_contract_is_gone_nothing_personal_is_shown(api: Api) -> None:
    job = stored(api, contract="vanished", contract_version=3)
    put(api, job, "000000", [row(2)])
    found = shown(api, job, "viewer")["rows"][0]
    assert (found["raw"], found["findings"][0]["value"]) == ("***;***;***;***", "***")


def test_pages_go_through_every_row_once_in_order(api: Api) -> None:
    job = stored(api)
    put(api, job, "000000", [row(n) for n in range(2, 9)])
    put(api, job, "000001", [row(n) for n in range(9, 12)])
    put(api, job, "check", [row(n, code="duplicate") for n in range(20, 23)])
    api.world.blobs.write(f"s3://work-bucket/jobs/{job.job_id}/quarantine/summary.json", b"{}")
    for limit in (1, 2, 3, 7, 10, 13, 200):
        seen: list[int] = []
        cursor = ""
        for _ in range(20):
            page = shown(api, job, "viewer", limit=limit, **({"cursor": cursor} if cursor else {}))
            assert len(page["rows"]) <= limit
            seen += [r["row"] for r in page["rows"]]
            cursor = page["cursor"]
            if not cursor:
                break
        assert seen == [*range(2, 12), *range(20, 23)]


@pytest.mark.parametrize(
    "cursor", ["x", "../../x:0", "000000:-1", "000000:99999999999999999999", "summary:0", "000000"]
)
def test_a_cursor_that_is_none_is_refused(api: Api, cursor: str) -> None:
    job = stored(api)
    assert api.get(f"/jobs/{job.job_id}/quarantine", query={"cursor": cursor}).status == 400


def test_a_cursor_of_another_job_shows_nothing_of_it(api: Api) -> None:
    one, other = stored(api), stored(api)
    put(api, other, "000005", [row(99)])
    assert shown(api, one, "viewer", cursor="000005:0")["rows"] == []


@pytest.mark.capability("VAL3")
def test_the_summary_counts_reasons_and_says_what_to_do(api: Api) -> None:
    job = stored(api)
    counts = {"integer|id": 3, "required|name": 12, "of_the_future|x": 1}
    api.world.blobs.write(f"s3://work-bucket/jobs/{job.job_id}/quarantine/summary.json", json.dumps(counts).encode())
    summary = shown(api, job, "viewer")["summary"]
    assert [(s["code"], s["field"], s["count"]) for s in summary] == [
        ("required", "name", 12), ("integer", "id", 3), ("of_the_future", "x", 1),
    ]  # fmt: skip
    assert all(s["title"] and s["action"] for s in summary[:2])


def test_before_the_gate_reasons_are_counted_on_the_spot(api: Api) -> None:
    job = stored(api)
    put(api, job, "000000", [row(2), row(3), row(4, code="required", field="name")])
    assert [(s["code"], s["count"]) for s in shown(api, job, "viewer")["summary"]] == [("integer", 2), ("required", 1)]


def test_an_enormous_row_does_not_make_an_enormous_answer(api: Api) -> None:
    job = stored(api)
    long = "7;" + "x" * (9 << 20)
    put(api, job, "000000", [row(2, raw=long), row(3, value="y" * 100_000), row(4)])
    answer = api.get(f"/jobs/{job.job_id}/quarantine", role="engineer")
    rows = answer.json["rows"]
    cursor = answer.json["cursor"]
    while cursor:
        more = api.get(f"/jobs/{job.job_id}/quarantine", role="engineer", query={"cursor": cursor}).json
        rows, cursor = rows + more["rows"], more["cursor"]
    assert len(answer.text) < 1 << 20
    assert [r["row"] for r in rows] == [2, 3, 4]


# The submitter's own file


@pytest.mark.capability("REV3")
def test_the_file_has_the_submitters_columns_and_the_reasons(api: Api) -> None:
    job = stored(api)
    put(api, job, "000000", [row(2), row(5, raw="=1+1;Bob;t;u")])
    answer = api.get(f"/jobs/{job.job_id}/refused", role="steward")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/csv; charset=utf-8")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="June.refused.csv"'
    table = list(csv.reader(io.StringIO(answer.text), delimiter=";"))
    assert table[0] == [*COLUMNS, "row", "reasons"]
    assert table[1][:5] == ["7", "Ada", "***", "shy", "2"]
    assert "Mend it." in table[1][5]
    assert table[2][0] == "'=1+1"


@pytest.mark.capability("PRV2")
def test_the_file_is_veiled_as_the_rows_are(api: Api) -> None:
    job = stored(api)
    put(api, job, "000000", [row(2)])
    text = api.get(f"/jobs/{job.job_id}/refused", role="viewer").text
    assert "Ada" not in text
    assert "s3cr3t" not in text


def test_a_large_file_is_fetched_by_a_short_link_kept_by_clearance(api: Api) -> None:
    job = stored(api)
    put(api, job, "000000", [row(n, raw=f"{'x' * 500};Ada;s;shy") for n in range(2, 4000)])
    links = {}
    for role in ("viewer", "steward"):
        answer = api.get(f"/jobs/{job.job_id}/refused", role=role)
        assert answer.status == 303
        links[role] = answer.headers["Location"]
    assert links["viewer"].partition("?")[0] != links["steward"].partition("?")[0]
    place = links["viewer"].partition("/get/")[2].partition("?")[0]
    body = api.world.blobs.read(f"s3://{place}")
    assert len(body.splitlines()) == 3999
    assert b"Ada" not in body


def test_a_file_in_another_encoding_comes_by_link(api: Api) -> None:
    job = stored(
        api, detection=Detection(columns=["naïve", "b", "c", "d"], encoding="cp1252", dialect=Dialect(delimiter=";"))
    )
    put(api, job, "000000", [row(2)])
    answer = api.get(f"/jobs/{job.job_id}/refused", role="steward")
    assert answer.status == 303
    place = answer.headers["Location"].partition("/get/")[2].partition("?")[0]
    assert api.world.blobs.read(f"s3://{place}").startswith("naïve;".encode("cp1252"))


def test_a_job_without_refused_rows_has_a_file_of_one_line(api: Api) -> None:
    assert api.get(f"/jobs/{stored(api).job_id}/refused").text == "id;name;token;remark;row;reasons\n"
