"""A dropped file is rows in PostgreSQL: the main job, through the front door."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.driver import Driver, balanced, csv

pytestmark = pytest.mark.timeout(180)


@pytest.mark.capability("SRC1", "LOD1", "LOD6")
def test_a_dropped_file_is_rows(driver: Driver) -> None:
    contract = driver.people()
    job = driver.deliver(contract, csv([(1, "Zoë", 31), (2, "Łukasz", ""), (3, "李", 7)]))
    assert job.state == "published", job.data
    assert driver.rows(contract) == [(1, "Zoë", 31), (2, "Łukasz", None), (3, "李", 7)]
    receipt = job.receipt
    assert receipt is not None
    assert (receipt.read, receipt.inserted, receipt.quarantined) == (3, 3, 0)
    assert balanced(receipt)
    assert driver.staging(job.id) == 1, "what the job brought is kept, so that it can be undone"


@pytest.mark.capability("SRC1", "LOD6", "LOD2")
def test_a_file_of_many_chunks_is_the_same_rows(driver: Driver) -> None:
    contract = driver.people()
    rows = [(n, f"person {n} of many, quoted" if n % 7 else 'a "quoted"\nbreak', n % 100) for n in range(1, 20_001)]
    body = "id,name,age\r\n" + "".join(
        '{},"{}",{}\r\n'.format(n, name.replace('"', '""'), age) for n, name, age in rows
    )
    job = driver.deliver(contract, body.encode())
    assert job.state == "published", job.data
    assert job.data["progress"]["chunks_total"] > 5
    assert driver.rows(contract) == rows
    assert job.receipt.inserted == len(rows)


@pytest.mark.capability("DET2")
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-8-sig", "cp1252"])
def test_other_encodings_give_the_same_rows(driver: Driver, encoding: str) -> None:
    contract = driver.people()
    rows = [(n, "Zoë Müller-Größe", 31) for n in range(1, 6001)]
    job = driver.deliver(contract, csv(rows).decode().encode(encoding))
    assert job.state == "published", job.data
    assert driver.rows(contract) == rows


@pytest.mark.capability("REV1", "VAL1", "VAL3")
def test_refused_rows_are_kept_verbatim_with_their_reasons(driver: Driver) -> None:
    contract = driver.people()
    job = driver.deliver(contract, b"id,name,age\n1,Ada,36\nx2,Bob,41\n\n3,Cy,200\n4,Di\n5,Eve,20\n")
    assert job.state == "published", job.data
    assert [r[0] for r in driver.rows(contract)] == [1, 5]
    refused = {r["row"]: r for r in job.quarantine()}
    assert set(refused) == {3, 5, 6}
    assert refused[3]["raw"] == "x2,Bob,41"
    finding = refused[3]["findings"][0]
    assert (finding["field"], finding["value"]) == ("id", "x2")
    assert finding["message"]
    assert finding["action"]
    assert refused[5]["findings"][0]["field"] == "age"
    assert job.receipt.quarantined == 3
    assert balanced(job.receipt)


@pytest.mark.capability("LOD1")
def test_a_second_file_updates_by_the_key(driver: Driver) -> None:
    contract = driver.people()
    driver.deliver(contract, csv([(1, "Ada", 36), (2, "Bob", 41)]))
    job = driver.deliver(contract, csv([(2, "Bob", 42), (1, "Ada", 36), (3, "Cy", 1)]), "second.csv")
    receipt = job.receipt
    assert (receipt.inserted, receipt.updated, receipt.unchanged) == (1, 1, 1)
    assert driver.rows(contract) == [(1, "Ada", 36), (2, "Bob", 42), (3, "Cy", 1)]


@pytest.mark.capability("LOD4")
def test_the_same_content_again_changes_nothing(driver: Driver) -> None:
    contract = driver.people()
    data = csv([(1, "Ada", 36)])
    first = driver.deliver(contract, data)
    driver.sql(f"update {driver.table(contract)} set age = 99")
    again = driver.deliver(contract, data, "another-name.csv")
    assert (first.state, again.state) == ("published", "already_published")
    assert driver.rows(contract) == [(1, "Ada", 99)]


@pytest.mark.capability("LOD4")
def test_one_event_ten_times_at_once_is_one_job(driver: Driver) -> None:
    contract = driver.people()
    key = driver.drop(contract, csv([(1, "Ada", 36)]))
    first = driver.settle(contract)
    head = driver.s3.head_object(Bucket=driver.cloud.names["inbox"], Key=key)
    version = head["VersionId"]
    event = {
        "source": "aws.s3",
        "detail-type": "Object Created",
        "detail": {
            "bucket": {"name": driver.cloud.names["inbox"]},
            "object": {"key": key, "size": head["ContentLength"], "version-id": version, "sequencer": "00"},
        },
    }
    queue = driver.cloud.client("sqs")
    url = driver.cloud.names["queue"]
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda _: queue.send_message(QueueUrl=url, MessageBody=json.dumps(event)), range(10)))
    marker = driver.people()
    driver.deliver(marker, csv([(1, "after", 1)]))  # the queue is in order enough: this one came later
    assert [j.id for j in driver.jobs(contract)] == [first.id]
    executions = driver.cloud.client("stepfunctions").list_executions(
        stateMachineArn=driver.cloud.names["state_machine"]
    )
    assert sum(first.id in e["name"] for e in executions["executions"]) == 1


@pytest.mark.capability("LOD4", "LOD1")
def test_forcing_a_repeat_runs_it_again(driver: Driver) -> None:
    contract = driver.people()
    key = driver.drop(contract, csv([(1, "Ada", 36)]))
    driver.settle(contract)
    uri = f"s3://{driver.cloud.names['inbox']}/{key}"
    job = driver.client.imports.from_uri(uri, contract=contract, options={"force": True})
    job = driver.client.jobs.wait(job.id, timeout=60)
    assert job.state == "published"
    assert (job.receipt.inserted, job.receipt.unchanged) == (0, 1)


@pytest.mark.capability("DET4", "MAP2")
def test_an_unknown_contract_is_drafted_held_and_approved_once(driver: Driver) -> None:
    contract = driver.fresh("unknown")
    job = driver.deliver(contract, b"code,when,amount\n007,2024-02-01,1.50\n010,2024-02-29,12.25\n")
    assert job.state == "awaiting_approval", job.data
    draft = driver.client.contracts.get(contract)
    types = {f["name"]: f["type"] for f in draft.contract["fields"]}
    assert types["code"] == "string"
    assert types["when"] == "date"
    driver.client.jobs.approve(job.id)
    job = driver.client.jobs.wait(job.id, timeout=60)
    assert job.state == "published", job.data
    assert [r[0] for r in driver.rows(contract)] == ["007", "010"]
    later = driver.deliver(contract, b"code,when,amount\n011,2024-03-01,2.00\n", "later.csv")
    assert later.state == "published"
    assert len(driver.rows(contract)) == 3


@pytest.mark.capability("MAP2")
def test_a_rejected_draft_publishes_nothing(driver: Driver) -> None:
    contract = driver.fresh("unknown")
    job = driver.deliver(contract, b"a,b\n1,2\n")
    driver.client.jobs.reject(job.id)
    assert driver.client.jobs.get(job.id).state == "refused"
    assert driver.sql("select to_regclass(%s)", driver.table(contract)) == [(None,)]


@pytest.mark.capability("MAP1", "MAP2")
def test_columns_are_mapped_by_name_and_alias_and_a_person_confirms_the_rest(driver: Driver) -> None:
    fields = [
        {"name": "id", "type": "integer", "required": True, "aliases": ["Customer No."]},
        {"name": "full_name", "type": "string", "required": True},
    ]
    contract = driver.contract(fields, key=["id"])
    job = driver.deliver(contract, b"customer no.,Full Name\n1,Ada\n")
    assert job.state == "published", job.data
    job = driver.deliver(contract, b"customer no.,who\n2,Bob\n", "odd.csv")
    assert job.state == "awaiting_mapping", job.data
    assert job.data["awaiting"]["detail"]["missing"] == ["full_name"]
    driver.client.jobs.confirm(job.id, {"who": "full_name"})
    assert driver.client.jobs.wait(job.id, timeout=60).state == "published"
    assert driver.rows(contract) == [(1, "Ada"), (2, "Bob")]


@pytest.mark.capability("VAL4")
def test_too_many_refused_rows_refuse_the_whole_file(driver: Driver) -> None:
    contract = driver.people(thresholds={"max_refused_percent": 10})
    rows = [(n, f"p{n}", 5 if n % 5 else "old") for n in range(1, 6001)]
    job = driver.deliver(contract, csv(rows))
    assert job.state == "refused"
    assert "20.00%" in job.error["message"]
    assert job.receipt.accepted == 4800
    assert driver.staging(job.id) == 0
    assert driver.sql("select to_regclass(%s)", driver.table(contract)) == [(None,)]


@pytest.mark.capability("VAL4")
def test_strict_refuses_at_the_first_refused_row(driver: Driver) -> None:
    contract = driver.people(on_invalid="strict")
    assert driver.deliver(contract, csv([(1, "Ada", 36), (2, "Bob", "x")])).state == "refused"


@pytest.mark.capability("LOD1", "LOD6")
def test_of_rows_with_one_key_the_last_counts_and_the_others_are_listed(driver: Driver) -> None:
    contract = driver.people()
    job = driver.deliver(contract, csv([(1, "first", 1), (2, "Bob", 2), (1, "last", 3)]))
    assert job.state == "published", job.data
    assert driver.rows(contract) == [(1, "last", 3), (2, "Bob", 2)]
    assert job.receipt.duplicate == 1
    assert balanced(job.receipt)
    listed = list(job.quarantine())
    assert [(r["row"], r["outcome"]) for r in listed] == [(2, "duplicate")]


@pytest.mark.capability("LOD1")
def test_without_a_key_every_row_is_appended(driver: Driver) -> None:
    contract = driver.people(key=[])
    driver.deliver(contract, csv([(1, "a", 1), (1, "a", 1)]))
    assert len(driver.rows(contract)) == 2


@pytest.mark.capability("LOD8")
def test_a_waiting_job_is_cancelled_and_then_stays_so(driver: Driver) -> None:
    from entrepot_client import ConflictError

    contract = driver.fresh("unknown")
    job = driver.deliver(contract, b"a,b\n1,2\n")
    driver.client.jobs.cancel(job.id)
    assert driver.client.jobs.get(job.id).state == "cancelled"
    with pytest.raises(ConflictError):
        driver.client.jobs.approve(job.id)


@pytest.mark.capability("OPS6")
def test_a_paused_contract_holds_its_files_until_it_is_unpaused(driver: Driver) -> None:
    contract = driver.people()
    driver.client.contracts.pause(contract)
    driver.drop(contract, csv([(1, "Ada", 36)]))
    held = driver.newest(contract)
    marker = driver.people()
    driver.deliver(marker, csv([(1, "after", 1)]))
    assert driver.client.jobs.get(held.id).state == "received"
    driver.client.contracts.unpause(contract)
    assert driver.client.jobs.wait(held.id, timeout=60).state == "published"


@pytest.mark.capability("OPS1")
def test_events_are_numbered_without_gaps(driver: Driver) -> None:
    contract = driver.people()
    job = driver.deliver(contract, csv([(1, "Ada", 36)]))
    events = list(job.events())
    assert [e.seq for e in events] == list(range(1, len(events) + 1))
    assert events[-1].state == "published"


@pytest.mark.capability("REV3", "OPS2")
def test_the_partner_finds_the_result_in_the_outbox(driver: Driver) -> None:
    contract = driver.people()
    job = driver.deliver(contract, csv([(1, "Ada", 36)]), "june.csv")
    key = f"main/{contract}/june.csv.{job.id}.result.json"
    bucket = driver.cloud.names["outbox"]
    body = driver.until(lambda: _read(driver, bucket, key))
    assert body["state"] == "published"
    assert body["receipt"]["inserted"] == 1


def _read(driver: Driver, bucket: str, key: str) -> dict[str, object] | None:
    try:
        return json.loads(driver.s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    except driver.s3.exceptions.NoSuchKey:
        return None
