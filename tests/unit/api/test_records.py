"""Single records and small batches, with the receipt in the answer."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrepot.model.findings import QuarantinedRow
from entrepot.model.job import JobState
from entrepot.model.receipt import Receipt
from tests.unit.api.support import Api, load_function

PATH = "/contracts/people/records"


@pytest.fixture(autouse=True)
def people(api: Api) -> None:
    api.put("/contracts/people", role="steward", json_body={"name": "people", "fields": [{"name": "id"}]})


def send(api: Api, body: str | bytes, **headers: str) -> Any:
    return api.post(PATH, body=body, headers={"Content-Type": "application/json", **headers})


def lines(api: Api, job: dict[str, Any]) -> str:
    return api.world.blobs.read(job["source"]["uri"]).decode()


@pytest.mark.capability("SRC2")
def test_one_record_or_many_become_json_lines_in_the_inbox(api: Api) -> None:
    one = send(api, '{"id": 1}')
    assert one.status == 202
    assert one.json["job"]["origin"] == "records"
    assert one.json["job"]["source"]["name"].startswith("records-")
    assert one.json["job"]["source"]["name"].endswith(".jsonl")
    assert lines(api, one.json["job"]) == '{"id":1}\n'
    many = send(api, '[{"id": 1}, {"id": 2}]')
    assert lines(api, many.json["job"]) == '{"id":1}\n{"id":2}\n'


def test_values_arrive_as_they_were_written(api: Api) -> None:
    sent = (
        '{"a":12345678901234567890123,"b":1.50,"c":1e400,"d":-0,"e":"ü\\u0000\\n","a":2,"f":null,"g":true,"h":[1.0,{}]}'
    )
    arrived = lines(api, send(api, sent).json["job"])
    assert arrived == sent.replace("ü\\u0000", "ü\\u0000") + "\n"


@pytest.mark.capability("SRC2")
def test_the_receipt_comes_with_the_answer_when_the_job_ends_in_time(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(__import__("sys").modules["rest.records"], "PATIENCE", 5.0)

    def work() -> None:
        for _ in range(500):
            if api.world.executions.started:
                break
            time.sleep(0.005)
        tenant, job_id, _ = api.world.executions.started[0]
        job = api.world.jobs.get(tenant, job_id)
        receipt = Receipt(job_id=job_id, tenant=tenant, status="published", read=2, inserted=1, quarantined=1)
        refused = QuarantinedRow(row=2, raw='{"id":"x"}').model_dump_json().encode()
        api.world.blobs.write(f"s3://work-bucket/jobs/{job_id}/quarantine/000000.jsonl", refused + b"\n")
        api.world.jobs.transition(job, JobState.PUBLISHED, expect=[job.state], changes={"receipt": receipt})

    worker = threading.Thread(target=work)
    worker.start()
    answer = send(api, '[{"id": 1}, {"id": "x"}]')
    worker.join()
    assert answer.status == 200, answer.text
    assert (answer.json["receipt"]["inserted"], answer.json["receipt"]["status"]) == (1, "published")
    assert [r["row"] for r in answer.json["quarantine"]] == [2]


def test_no_wait_is_longer_than_the_functions_own_time(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(__import__("sys").modules["rest.records"], "PATIENCE", 20.0)
    api.context.milliseconds = 3_200
    started = time.monotonic()
    assert send(api, '{"id": 1}').status == 202
    assert time.monotonic() - started < 1


def test_an_unknown_contract_is_not_found(api: Api) -> None:
    answer = api.post("/contracts/nope/records", json_body={"id": 1})
    assert answer.status == 404
    assert list(api.world.blobs.list("s3://inbox-bucket/")) == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("", 400),
        ("{", 400),
        ("[", 400),
        ("[1]", 422),
        ("[[{}]]", 422),
        ('"text"', 422),
        ("null", 422),
        ("[]", 422),
        ("NaN", 400),
        ('{"a": NaN}', 400),
        ('{"a": Infinity}', 400),
        ('{"a": "\ud800"}', 400),
        (b'{"a": "\xff"}'.decode("latin-1").encode("latin-1"), 400),
        ("[" * 5000 + "]" * 5000, 400),
        ("[" * 500_000, 400),
        ('{"a":' * 100 + "1" + "}" * 100, 413),
        ("[" + ",".join(["{}"] * 1001) + "]", 422),
        (json.dumps([{"a": "x" * (1 << 20)}]), 413),
    ],
)
def test_what_is_no_batch_of_records_is_refused(api: Api, body: str | bytes, status: int) -> None:
    if isinstance(body, bytes):
        answer = api.post(PATH, body=body, headers={"Content-Type": "application/json"}, binary=True)
    else:
        answer = send(api, body)
    assert answer.status == status, answer.text[:300]
    assert list(api.world.blobs.list("s3://inbox-bucket/")) == []


def test_a_thousand_records_are_taken(api: Api) -> None:
    answer = send(api, "[" + ",".join(['{"id":1}'] * 1000) + "]")
    assert answer.status == 202


def test_another_media_type_is_refused(api: Api) -> None:
    assert api.post(PATH, body="id\n1\n", headers={"Content-Type": "text/csv"}).status == 415


def test_the_same_key_is_the_same_job(api: Api) -> None:
    first, again = (send(api, '{"id": 1}', **{"Idempotency-Key": "k"}) for _ in range(2))
    assert first.json["job"]["job_id"] == again.json["job"]["job_id"]
    assert send(api, '{"id": 2}', **{"Idempotency-Key": "k"}).status == 409
    assert send(api, '{"id": 1}').json["job"]["job_id"] != first.json["job"]["job_id"]


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)


@settings(max_examples=50)
@given(st.lists(st.dictionaries(st.text(), values, max_size=4), min_size=1, max_size=3))
def test_json_lines_hold_what_was_sent(records: list[dict[str, Any]]) -> None:
    load_function()
    module = __import__("sys").modules["rest.records"]
    pairs = json.loads(
        json.dumps(records), object_pairs_hook=module._Pairs, parse_int=module._Number, parse_float=module._Number
    )
    text = module.to_lines(pairs).decode()
    assert [json.loads(line) for line in text.split("\n")[:-1]] == records
