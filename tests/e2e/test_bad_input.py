"""What partners send when things go wrong: a clear answer, a job at rest, nothing left behind."""

from __future__ import annotations

import json
import os

import pytest

from tests.e2e.driver import Driver, balanced, csv

pytestmark = pytest.mark.timeout(180)

REFUSED_WHOLE = {
    "empty": b"",
    "only a byte-order mark": b"\xef\xbb\xbf",
    "binary junk": bytes(range(256)) * 64,
    "a zip that says csv": b"PK\x03\x04" + b"\x00" * 60,
    "other columns": b"foo,bar\n1,2\n",
}


@pytest.mark.capability("DET1", "VAL3")
@pytest.mark.parametrize("what", sorted(REFUSED_WHOLE))
def test_a_file_that_cannot_be_read_is_refused_with_its_reason(driver: Driver, what: str) -> None:
    contract = driver.people()
    job = driver.deliver(contract, REFUSED_WHOLE[what])
    assert job.state in {"refused", "awaiting_mapping"}, job.data
    if job.state == "refused":
        assert job.error["message"]
        assert job.error["hint"]
    assert driver.staging(job.id) == 0
    assert driver.sql("select to_regclass(%s)", driver.table(contract)) == [(None,)]


@pytest.mark.capability("DET3", "VAL3")
def test_a_delimiter_that_is_stated_wrongly_is_refused_with_its_reason(driver: Driver) -> None:
    contract = driver.people()
    driver.client.contracts.pause(contract)
    key = driver.drop(contract, csv([(1, "Ada", 36)]))
    uri = f"s3://{driver.cloud.names['inbox']}/{key}"
    job = driver.client.imports.from_uri(uri, contract=contract, options={"delimiter": ";", "force": True})
    driver.client.contracts.unpause(contract)
    job = driver.client.jobs.wait(job.id, timeout=60)
    assert job.state in {"refused", "awaiting_mapping"}, job.data


@pytest.mark.capability("LOD6")
def test_a_header_alone_is_no_rows(driver: Driver) -> None:
    contract = driver.people()
    job = driver.deliver(contract, b"id,name,age\n")
    assert job.state == "published", job.data
    assert job.receipt.read == 0


@pytest.mark.capability("VAL3", "LOD6")
@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("too few cells", b"7,short"),
        ("too many cells", b"7,a,1,2,3"),
        ("NUL", b"7,a\x00b,1"),
        ("invalid UTF-8", b"7,a\xff\xfeb\x80,1"),
        ("out of bigint", b"99999999999999999999999,a,1"),
        ("no key", b",a,1"),
        ("too long", b"7," + b"x" * 41 + b",1"),
    ],
)
def test_a_bad_row_is_refused_and_its_neighbours_are_not(driver: Driver, what: str, line: bytes) -> None:
    contract = driver.people()
    body = "id,name,age\n1,Zoë,36\n".encode() + line + "\n2,Łukasz,41\n".encode()
    job = driver.deliver(contract, body)
    assert job.state == "published", (what, job.data)
    assert driver.rows(contract) == [(1, "Zoë", 36), (2, "Łukasz", 41)]
    refused = list(job.quarantine())
    assert [r["row"] for r in refused] == [3]
    assert refused[0]["findings"][0]["message"]
    assert balanced(job.receipt)


@pytest.mark.capability("LOD2")
def test_odd_column_names_are_quoted_not_obeyed(driver: Driver) -> None:
    evil = 'na"me"; drop table x; --'
    fields = [{"name": "id", "type": "integer", "required": True}, {"name": evil, "type": "string"}]
    contract = driver.contract(fields, key=["id"])
    header = 'id,"' + evil.replace('"', '""') + '"\n'
    job = driver.deliver(contract, header.encode() + b"1,hello\n")
    assert job.state == "published", job.data
    assert driver.rows(contract) == [(1, "hello")]


@pytest.mark.capability("DET3")
def test_duplicate_blank_and_long_column_names_of_an_unknown_file(driver: Driver) -> None:
    contract = driver.fresh("odd")
    long_a, long_b = "x" * 70 + "a", "x" * 70 + "b"
    job = driver.deliver(contract, f"a,a,,{long_a},{long_b}\n1,2,3,4,5\n".encode())
    assert job.state == "awaiting_approval", job.data
    driver.client.jobs.approve(job.id)
    job = driver.client.jobs.wait(job.id, timeout=60)
    assert job.state == "published", job.data
    assert driver.rows(contract) == [(1, 2, 3, 4, 5)]


@pytest.mark.capability("LOD3", "VAL1")
def test_a_target_whose_columns_do_not_fit_is_named(driver: Driver) -> None:
    contract = driver.people()
    driver.sql(f"create table {driver.table(contract)} (id bigint primary key, name text, age timestamptz)")
    job = driver.deliver(contract, csv([(1, "Ada", 36)]))
    assert job.state == "refused", job.data
    assert "age" in job.error["message"]
    assert driver.rows(contract) == []
    assert driver.staging(job.id) == 0


@pytest.mark.capability("ACC2")
@pytest.mark.parametrize("key", ["nobody/people/x.csv", "stray.csv", "main/stray.csv", "main/UPPER Case/x.csv"])
def test_a_key_that_cannot_become_a_job_is_answered_in_the_outbox(driver: Driver, key: str) -> None:
    driver.s3.put_object(Bucket=driver.cloud.names["inbox"], Key=key, Body=os.urandom(8))
    found = driver.until(lambda: _rejections(driver, key))
    assert found["error"]["hint"]


def _rejections(driver: Driver, key: str) -> dict[str, object] | None:
    bucket = driver.cloud.names["outbox"]
    for item in driver.s3.list_objects_v2(Bucket=bucket).get("Contents", []):
        if "/_rejected/" in item["Key"]:
            body = json.loads(driver.s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read())
            if body["key"] == key:
                return body
    return None


@pytest.mark.capability("DET3")
def test_a_line_of_a_hundred_megabytes_is_refused_in_bounded_memory(driver: Driver) -> None:
    contract = driver.people()
    job = driver.deliver(contract, b"id,name,age\n1," + b"x" * (100 << 20) + b",5\n2,Bob,3\n")
    assert job.state in {"refused", "published"}, job.data
    if job.state == "published":
        assert driver.rows(contract) == [(2, "Bob", 3)]
    assert max(driver.cloud.peaks().values()) <= 512 << 20
