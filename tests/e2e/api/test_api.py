"""The API of a running cloud, over HTTP: ways in, tokens, limits, schedules, refused rows."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.e2e.driver import Driver, csv

pytestmark = pytest.mark.timeout(240)
REST = ["published", "already_published", "refused", "failed", "awaiting_approval", "awaiting_mapping"]


class Http:
    """Plain HTTP with a user's token: what a caller without our client sends."""

    def __init__(self, driver: Driver, role: str = "operator", user: str = "ada", tenant: str = "main") -> None:
        token = driver.cloud.issue_token(user, role, tenant=tenant)
        self.url = driver.cloud.api_url.rstrip("/")
        self.http = httpx.Client(headers={"Authorization": f"Bearer {token}"}, timeout=40)

    def __call__(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self.http.request(method, self.url + path, **options)


@pytest.fixture
def http(driver: Driver) -> Http:
    return Http(driver)


def rest(http: Http, job_id: str, patience: float = 60) -> dict[str, Any]:
    """The job, once it rests."""
    end = time.monotonic() + patience
    while True:
        job = http("GET", f"/jobs/{job_id}").json()["job"]
        if job["state"] in REST or time.monotonic() > end:
            return dict(job)
        time.sleep(0.1)


@pytest.mark.capability("SRC2")
def test_a_presigned_upload_becomes_a_job_of_its_user(driver: Driver, http: Http) -> None:
    contract = driver.people()
    data = csv([(1, "Ada", 36), (2, "Bob", 41)])
    ask = {"contract": contract, "upload": {"name": "Jüne 1.csv", "size": len(data)}, "options": {"message": "June"}}
    upload = http("POST", "/imports", json=ask).json()["upload"]
    assert http("GET", f"/imports/{upload['id']}").json()["upload"]["state"] == "waiting"
    sent = httpx.put(upload["url"], content=data, headers=upload["headers"], timeout=30)
    assert sent.status_code == 200, sent.text
    end = time.monotonic() + 30
    while not (stands := http("GET", f"/imports/{upload['id']}").json()["upload"])["job_id"]:
        assert time.monotonic() < end
        time.sleep(0.1)
    assert stands["state"] == "received"
    job = rest(http, stands["job_id"])
    assert (job["state"], job["actor"], job["origin"], job["options"]["message"]) == (
        "published",
        "ada",
        "upload",
        "June",
    )
    assert job["receipt"]["inserted"] == 2
    assert driver.rows(contract) == [(1, "Ada", 36), (2, "Bob", 41)]


def test_the_metadata_of_a_presigned_upload_is_signed(driver: Driver, http: Http) -> None:
    ask = {"contract": driver.people(), "upload": {"name": "a.csv", "size": 5}}
    upload = http("POST", "/imports", json=ask).json()["upload"]
    assert set(upload["headers"]) == {"x-amz-meta-entrepot-upload"}
    assert "x-amz-meta-entrepot-upload" in httpx.URL(upload["url"]).params["X-Amz-SignedHeaders"]


@pytest.mark.capability("SRC2")
def test_an_upload_in_parts_is_completed_into_one_job(driver: Driver, http: Http) -> None:
    contract = driver.people()
    ask = {"contract": contract, "upload": {"name": "big.csv", "size": 100 << 20}}
    upload = http("POST", "/imports", json=ask).json()["upload"]
    assert len(upload["parts"]) == 4
    data = csv([(n, "Ada", n % 100) for n in range(1, 100)])
    sent = httpx.put(upload["parts"][0]["url"], content=data, timeout=30)
    tags = [{"number": 1, "etag": sent.headers["etag"].strip('"')}]
    done = http("POST", upload["complete_url"], json={"parts": tags})
    assert done.status_code == 202, done.text
    again = http("POST", upload["complete_url"], json={"parts": tags})
    assert again.json()["job"]["job_id"] == done.json()["job"]["job_id"]
    job = rest(http, done.json()["job"]["job_id"])
    assert (job["state"], job["receipt"]["inserted"]) == ("published", 99)
    assert len(driver.jobs(contract)) == 1


@pytest.mark.capability("SRC2", "LOD4")
def test_a_form_is_one_job_however_often_it_is_sent_with_its_key(driver: Driver, http: Http) -> None:
    contract = driver.people()
    data = csv([(1, "Ada", 36)])

    def send(_: int) -> httpx.Response:
        return http(
            "POST", "/imports", data={"contract": contract}, files={"file": ("june.csv", data, "text/csv")},
            headers={"Idempotency-Key": f"form-{contract}"},
        )  # fmt: skip

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(send, range(4)))
    assert {a.status_code for a in answers} == {202}, [a.text for a in answers]
    jobs = {a.json()["job"]["job_id"] for a in answers}
    assert len(jobs) == 1
    assert rest(http, jobs.pop())["state"] == "published"
    time.sleep(1)  # the object's own event has come by then
    assert len(driver.jobs(contract)) == 1


@pytest.mark.capability("SRC2")
def test_a_form_of_four_megabytes_passes_and_a_larger_one_is_told_the_other_way(driver: Driver, http: Http) -> None:
    contract = driver.people()
    row = "1,Ada,36\n"
    fits = ("id,name,age\n" + row * ((4 << 20) // len(row) - 2)).encode()
    answer = http("POST", "/imports", data={"contract": contract}, files={"file": ("a.csv", fits)})
    assert answer.status_code == 202, answer.text
    larger = fits + row.encode() * 10
    answer = http("POST", "/imports", data={"contract": contract}, files={"file": ("a.csv", larger)})
    assert answer.status_code == 413
    assert "presigned" in answer.json()["error"]["hint"]
    http("POST", f"/jobs/{driver.jobs(contract)[0].id}/cancel")


@pytest.mark.capability("SRC2", "VAL3")
def test_records_are_answered_with_their_receipt_and_what_was_refused(driver: Driver, http: Http) -> None:
    contract = driver.people()
    records = [
        {"id": 1, "name": "Ada", "age": 36},
        {"id": "x", "name": "Bob", "age": 41},
        {"id": 3, "name": None, "age": 200},
    ]
    answer = http("POST", f"/contracts/{contract}/records", json=records, headers={"Idempotency-Key": contract})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["receipt"]["status"], body["receipt"]["inserted"], body["receipt"]["quarantined"]) == (
        "published",
        1,
        2,
    )
    assert {f["field"] for r in body["quarantine"] for f in r["findings"]} == {"id", "age"}
    again = http("POST", f"/contracts/{contract}/records", json=records, headers={"Idempotency-Key": contract})
    assert again.json()["receipt"]["job_id"] == body["receipt"]["job_id"]
    assert driver.rows(contract) == [(1, "Ada", 36)]
    assert http("POST", "/contracts/nobody-knows-it/records", json={"id": 1}).status_code == 404


@pytest.mark.capability("SRC1", "LOD4")
def test_a_source_is_imported_where_it_lies(driver: Driver, http: Http, files: Any) -> None:
    contract = driver.people()
    path = files / f"{contract}.csv"
    path.write_bytes(csv([(1, "Ada", 36)]))
    ask = {"contract": contract, "source": path.as_uri()}
    first = http("POST", "/imports", json=ask).json()["job"]
    assert rest(http, first["job_id"])["state"] == "published"
    assert http("POST", "/imports", json=ask).json()["job"]["job_id"] == first["job_id"]
    assert http("POST", "/imports", json={"contract": contract, "source": "file:///etc/passwd"}).status_code == 403


@pytest.mark.capability("OPS1")
def test_events_are_gap_free_to_the_end(driver: Driver, http: Http) -> None:
    contract = driver.people()
    job = driver.deliver(contract, csv([(1, "Ada", 36)]))
    seen, after = [], 0
    while page := http("GET", f"/jobs/{job.id}/events", params={"after": after, "limit": 2}).json()["events"]:
        seen += page
        after = page[-1]["seq"]
    assert [e["seq"] for e in seen] == list(range(1, len(seen) + 1))
    assert (seen[0]["state"], seen[-1]["state"]) == ("received", "published")


@pytest.mark.capability("REV3", "PRV2")
def test_refused_rows_are_veiled_and_come_back_as_a_file(driver: Driver) -> None:
    fields = [
        {"name": "id", "type": "integer", "required": True},
        {"name": "name", "classification": "personal"},
        {"name": "pin", "type": "integer", "classification": "secret"},
    ]
    contract = driver.contract(fields, key=["id"])
    job = driver.deliver(contract, b"id;name;pin\n1;Ada;1111\nx;Bob;2222\n3;Cy;abcd\n")
    assert job.state == "published", job.data
    shown = {role: Http(driver, role)("GET", f"/jobs/{job.id}/quarantine").json() for role in ("viewer", "steward")}
    assert [r["raw"] for r in shown["viewer"]["rows"]] == ["x;***;***", "3;***;***"]
    assert [r["raw"] for r in shown["steward"]["rows"]] == ["x;Bob;***", "3;Cy;***"]
    assert {(s["field"], s["count"]) for s in shown["viewer"]["summary"]} == {("id", 1), ("pin", 1)}
    assert all(s["title"] and s["action"] for s in shown["viewer"]["summary"])
    file = Http(driver, "viewer")("GET", f"/jobs/{job.id}/refused")
    assert file.text.splitlines()[0] == "id;name;pin;row;reasons"
    assert "Bob" not in file.text
    rows = Http(driver, "viewer")("GET", f"/contracts/{contract}/rows").json()
    assert (rows["rows"], rows["count"]) == ([[1, "***", "***"]], 1)


@pytest.mark.capability("ACC2")
def test_another_tenant_finds_nothing_of_it(driver: Driver) -> None:
    contract = driver.people()
    job = driver.deliver(contract, csv([(1, "Ada", 36)]))
    stranger = Http(driver, "engineer", tenant="elsewhere")
    for path in (f"/jobs/{job.id}", f"/jobs/{job.id}/events", f"/jobs/{job.id}/quarantine", f"/jobs/{job.id}/refused",
                 f"/contracts/{contract}", f"/contracts/{contract}/rows"):  # fmt: skip
        assert stranger("GET", path).status_code == 404, path
    assert stranger("POST", f"/jobs/{job.id}/cancel").status_code == 404
    assert stranger("GET", "/jobs").json()["jobs"] == []
    taken = {"name": contract, "target": driver.table(contract), "fields": [{"name": "id"}]}
    assert stranger("PUT", f"/contracts/{contract}", json=taken).status_code == 409


@pytest.mark.capability("ACC1")
def test_strangers_and_bearers_of_other_tokens_are_sent_away(driver: Driver) -> None:
    url = driver.cloud.api_url.rstrip("/")
    assert httpx.get(f"{url}/jobs").status_code == 401
    assert httpx.get(f"{url}/health").json()["status"] == "ok"
    token = driver.cloud.issue_token("ada", "viewer", tenant="main")
    assert httpx.get(f"{url}/jobs", headers={"Authorization": f"Bearer {token[:-6]}AAAAAA"}).status_code == 401
    assert httpx.get(f"{url}/jobs", headers={"Authorization": f"Bearer {token}"}).status_code == 200


@pytest.mark.capability("OPS3")
def test_an_engineer_sees_that_all_peers_are_well(driver: Driver) -> None:
    answer = Http(driver, "engineer")("GET", "/health")
    assert answer.status_code == 200, answer.text
    assert all(check["ok"] for check in answer.json()["checks"].values())
    assert "PostgreSQL" in answer.json()["checks"]["database"]["detail"]


@pytest.mark.capability("SRC3")
def test_a_schedule_imports_again_and_again_what_lies_there(driver: Driver, files: Any) -> None:
    steward = Http(driver, "steward")
    contract = driver.people()
    path = files / f"{contract}.csv"
    path.write_bytes(csv([(1, "Ada", 36)]))
    template = {"name": f"t-{contract}", "contract": contract, "options": {"message": "by the clock"}}
    assert steward("PUT", f"/templates/{template['name']}", json=template).status_code == 200
    schedule = {
        "name": f"s-{contract}", "expression": "rate(1 minute)", "source": path.as_uri(), "template": template["name"],
    }  # fmt: skip
    made = steward("PUT", f"/schedules/{schedule['name']}", json=schedule)
    assert made.status_code == 200, made.text
    try:
        job = driver.client.jobs.wait(driver.until(lambda: driver.jobs(contract), 100)[0].id, timeout=60)
        assert (job.state, job.data["origin"], job.data["template"]) == ("published", "schedule", template["name"])
        assert job.data["options"]["message"] == "by the clock"
    finally:
        assert steward("DELETE", f"/schedules/{schedule['name']}").status_code == 200


@pytest.mark.capability("OPS6")
def test_a_contract_in_yaml_is_versioned_and_its_errors_name_the_line(driver: Driver) -> None:
    steward = Http(driver, "steward")
    name = driver.fresh()
    text = f"name: {name}\nkey: id\nfields:\n  - {{name: id, type: integer}}\n"
    kind = {"Content-Type": "application/yaml"}
    assert steward("POST", "/contracts", content=text, headers=kind).status_code == 201
    assert steward("POST", "/contracts", content=text, headers=kind).status_code == 409
    wrong = steward("PUT", f"/contracts/{name}", content=text.replace("integer", "intger"), headers=kind)
    assert (wrong.status_code, "Line 4, fields[0].type" in wrong.json()["error"]["message"]) == (400, True)
    changed = steward("PUT", f"/contracts/{name}", content=text + "description: wider\n", headers=kind)
    assert changed.json()["version"] == 2
    assert [v["version"] for v in steward("GET", f"/contracts/{name}/versions").json()["versions"]] == [2, 1]


def test_the_description_is_served(driver: Driver) -> None:
    document = json.loads(httpx.get(f"{driver.cloud.api_url.rstrip('/')}/openapi.json", timeout=30).text)
    assert document["openapi"].startswith("3.1")
    assert "/imports" in document["paths"]


def test_a_body_over_the_gateways_limit_is_413(http: Http) -> None:
    answer = http(
        "POST", "/contracts/x/records", content=b" " * (11 << 20), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 413
