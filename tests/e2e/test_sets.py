"""Many objects in one job: read each in its own way, published together, or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from entrepot_client import Job
from tests.e2e.driver import Driver, balanced, csv

pytestmark = pytest.mark.timeout(240)


class Partner:
    """Somebody who has objects below a prefix of the inbox's own bucket."""

    def __init__(self, driver: Driver, folder: str) -> None:
        self.driver = driver
        # Below a folder that is no contract's: their arrival makes jobs of another contract.
        self.prefix = f"s3://{driver.cloud.names['inbox']}/{driver.tenant}/{folder}/"

    def put(self, name: str, data: bytes) -> str:
        """Puts an object; its URI."""
        uri = self.prefix + name
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        self.driver.s3.put_object(Bucket=bucket, Key=key, Body=data)
        return uri

    def ask(self, contract: str, sources: list[Any], **options: Any) -> httpx.Response:
        """Asks for an import of several sources."""
        body = {"contract": contract, "sources": sources, "options": options}
        token = self.driver.cloud.issue_token("ada", "steward", tenant=self.driver.tenant)
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.post(f"{self.driver.cloud.api_url.rstrip('/')}/imports", json=body, headers=headers, timeout=40)

    def job(self, contract: str, sources: list[Any], **options: Any) -> Job:
        """The job of several sources, at rest."""
        answer = self.ask(contract, sources, **options)
        assert answer.status_code == 202, answer.text
        return self.rest(answer.json())

    def rest(self, answer: Mapping[str, Any]) -> Job:
        """The answer's job, at rest."""
        return self.driver.client.jobs.wait(answer["job"]["job_id"], timeout=90, poll_interval=0.1)


@pytest.fixture
def partner(driver: Driver) -> Partner:
    """A folder that no other test uses."""
    return Partner(driver, driver.fresh("loose"))


@pytest.mark.capability("SRC4", "LOD2", "LOD6")
def test_objects_of_different_shape_become_one_job(driver: Driver, partner: Partner) -> None:
    contract = driver.people()
    partner.put("june/a.csv", csv([(n, f"a{n}", n % 90) for n in range(1, 6001)]))
    partner.put("june/b.csv", b'name;age;id\r\n"Zo\xeb";31;7001\r\nBob;x;7002\r\n')
    partner.put("june/sub/c.jsonl", b'{"age": 5, "id": 7003, "name": "Cy"}\n')
    partner.put("june/d.csv", csv([(8000 + n, "Müller", 4) for n in range(300)]).decode().encode("utf-16"))
    job = partner.job(contract, [partner.prefix + "june/"], message="June", metadata={"batch": 6})
    assert job.state == "published", job.error
    receipt = job.receipt.data
    assert (receipt["read"], receipt["inserted"], receipt["quarantined"]) == (6303, 6302, 1)
    assert balanced(job.receipt)
    assert (receipt["message"], receipt["metadata"]) == ("June", {"batch": 6})
    told = {i["name"]: (i["read"], i["accepted"], i["quarantined"]) for i in receipt["inputs"]}
    assert told == {"a.csv": (6000, 6000, 0), "b.csv": (2, 1, 1), "d.csv": (300, 300, 0), "sub/c.jsonl": (1, 1, 0)}
    assert all(len(i["sha256"]) == 64 for i in receipt["inputs"])
    assert job.data["source"]["inputs"] == 4
    assert driver.sql(f"select name, age from {driver.table(contract)} where id = 7001") == [("Zoë", 31)]
    [refused] = job.quarantine()
    assert (refused["member"], refused["row"]) == ("b.csv", 3)
    assert len(driver.rows(contract)) == 6302


@pytest.mark.capability("SRC4", "LOD4")
def test_the_same_set_again_changes_nothing(driver: Driver, partner: Partner) -> None:
    contract = driver.people()
    a, b = partner.put("a.csv", csv([(1, "Ada", 36)])), partner.put("b.csv", csv([(2, "Bob", 41)]))
    first = partner.job(contract, [a, b])
    assert partner.job(contract, [b, a]).id == first.id
    # The same content, laid there anew.
    partner.put("a.csv", csv([(1, "Ada", 36)]))
    again = partner.job(contract, [a, {"uri": b, "name": "bob.csv"}])
    assert (again.state, again.id == first.id) == ("already_published", False)
    assert again.receipt.data["parent"] == first.id


@pytest.mark.capability("SRC4", "LOD2")
@pytest.mark.parametrize("wrong", [b"", b"\x00\x01\x02\x03" * 500, b"other,columns\n1,2\n"])
def test_one_wrong_object_refuses_all_of_them_and_is_named(driver: Driver, partner: Partner, wrong: bytes) -> None:
    contract = driver.people()
    good, bad = partner.put("good.csv", csv([(1, "Ada", 36)])), partner.put("wrong.csv", wrong)
    job = partner.job(contract, [good, bad])
    assert job.state == "refused", job.data
    assert "wrong.csv" in job.error["message"]
    assert driver.sql("select to_regclass(%s)", driver.table(contract)) == [(None,)]


@pytest.mark.capability("SRC4")
def test_an_object_that_feeds_other_fields_is_refused_by_name(driver: Driver, partner: Partner) -> None:
    contract = driver.people()
    a = partner.put("a.csv", csv([(1, "Ada", 36)]))
    job = partner.job(contract, [a, partner.put("b.csv", b"id,name\n2,Bob\n")])
    assert job.state == "refused"
    assert job.error["facts"]["input"] == "b.csv"
    assert job.error["facts"]["lacks"] == ["age"]


@pytest.mark.capability("SRC4")
def test_what_cannot_be_a_set_is_refused_at_once(driver: Driver, partner: Partner) -> None:
    contract = driver.people()
    a = partner.put("a.csv", csv([(1, "Ada", 36)]))
    assert partner.ask(contract, [a, a]).status_code == 400
    assert partner.ask(contract, [partner.prefix + "nothing/"]).status_code == 404
    assert partner.ask(contract, [a, partner.prefix + "missing.csv"]).status_code == 404
    other = a.replace("/main/", "/other/")
    assert partner.ask(contract, [a, other]).status_code == 403
    assert partner.ask(contract, [a, {"uri": a, "upload": "x" * 26}]).status_code == 422
    assert driver.jobs(contract) == []


@pytest.mark.capability("SRC4", "DET4")
def test_an_unknown_set_is_drafted_from_all_its_objects(driver: Driver, partner: Partner) -> None:
    contract = driver.fresh("drafted")
    a = partner.put("a.csv", b"code,amount\n17,1\n")
    b = partner.put("b.csv", b"amount,code\n2.50,007\n")
    job = partner.job(contract, [a, b])
    assert job.state == "awaiting_approval", job.data
    fields = {f["name"]: f["type"] for f in driver.client.contracts.get(contract).contract["fields"]}
    assert fields["code"] == "string"
    assert fields["amount"].startswith("decimal")
    driver.client.jobs.approve(job.id)
    assert driver.client.jobs.wait(job.id, timeout=60).published
    assert driver.rows(contract, "code, amount::text") == [("007", "2.50"), ("17", "1.00")]


@pytest.mark.capability("SRC4", "LOD8")
def test_only_what_is_new_below_a_prefix_is_taken(driver: Driver, partner: Partner) -> None:
    contract = driver.people()
    partner.put("in/a.csv", csv([(1, "Ada", 36)]))
    partner.put("in/b.csv", csv([(2, "Bob", 41)]))
    prefix = [partner.prefix + "in/"]
    first = partner.job(contract, prefix, incremental=True)
    assert (first.state, first.receipt.inserted) == ("published", 2)
    nothing = partner.ask(contract, prefix, incremental=True)
    assert (nothing.status_code, nothing.json()["nothing_new"]) == (200, True)
    assert nothing.json()["job"]["job_id"] == first.id
    partner.put("in/b.csv", csv([(2, "Bob", 42)]))
    partner.put("in/c.csv", csv([(3, "Cy", 5)]))
    second = partner.job(contract, prefix, incremental=True)
    assert (second.receipt.read, second.receipt.inserted, second.receipt.updated) == (2, 1, 1)
    assert driver.rows(contract) == [(1, "Ada", 36), (2, "Bob", 42), (3, "Cy", 5)]


@pytest.mark.capability("SRC4", "LOD8")
def test_what_was_not_published_is_taken_again(driver: Driver, partner: Partner) -> None:
    contract = driver.people(on_invalid="strict")
    partner.put("in/a.csv", csv([(1, "Ada", 36)]))
    partner.put("in/b.csv", csv([(2, "Bob", "old")]))
    prefix = [partner.prefix + "in/"]
    assert partner.job(contract, prefix, incremental=True).state == "refused"
    again = partner.job(contract, prefix, incremental=True)
    assert again.state == "refused"
    partner.put("in/b.csv", csv([(2, "Bob", 41)]))
    job = partner.job(contract, prefix, incremental=True)
    assert (job.state, job.receipt.inserted) == ("published", 2)


@pytest.mark.capability("SRC4")
def test_the_prefix_of_a_schedule_brings_what_is_new_each_time(driver: Driver, partner: Partner) -> None:
    contract = driver.people()
    name = f"{contract}-hourly"
    driver.client.templates.put({"name": name, "contract": contract, "options": {"incremental": True}})
    partner.put("in/a.csv", csv([(1, "Ada", 36)]))
    engineer = driver.as_user("eva", "engineer")
    engineer.schedules.put(
        {"name": name, "expression": "rate(1 day)", "source": partner.prefix + "in/", "template": name}
    )
    message = f'{{"source": "entrepot.schedule", "tenant": "main", "schedule": "{name}"}}'
    queue, url = driver.cloud.client("sqs"), driver.cloud.names["queue"]
    for count, more in ((1, None), (1, None), (2, "b.csv")):
        if more:
            partner.put(f"in/{more}", csv([(2, "Bob", 41)]))
        queue.send_message(QueueUrl=url, MessageBody=message)
        driver.until(lambda: _empty(queue, url))
        job = driver.settle(contract, count)
        assert job.state == "published", job.error
    engineer.schedules.delete(name)
    assert len(driver.jobs(contract)) == 2
    assert driver.rows(contract) == [(1, "Ada", 36), (2, "Bob", 41)]


def _empty(queue: Any, url: str) -> bool:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = queue.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return all(int(found[n]) == 0 for n in names)


CRM = b"id,name,age\n1,Ada,\n2,,41\n3,Cy,5\n"
SHOP = b"age;id;city;name\n36;1;Rome;A. Lovelace\n99;2;;Bob\n7;4;Oslo;Di\n"


def _customers(driver: Driver, **more: Any) -> str:
    fields = [
        {"name": "id", "type": "integer", "required": True},
        {"name": "name", "required": True},
        {"name": "age", "type": "integer", "range": "[0, 150]"},
        {"name": "city"},
    ]
    return driver.contract(fields, **{"key": ["id"], **more})


@pytest.mark.capability("TRF3", "LOD6")
@pytest.mark.parametrize(
    ("precedence", "ada", "bob"),
    [
        (["crm.csv", "shop.csv"], (1, "Ada", 36, "Rome"), (2, "Bob", 41, None)),
        ([2], (1, "A. Lovelace", 36, "Rome"), (2, "Bob", 99, None)),
    ],
)
def test_rows_of_one_key_become_one_by_precedence(
    driver: Driver, partner: Partner, precedence: list[Any], ada: tuple[Any, ...], bob: tuple[Any, ...]
) -> None:
    contract = _customers(driver)
    sources = [partner.put("crm.csv", CRM), partner.put("shop.csv", SHOP)]
    job = partner.job(contract, sources, merge={"precedence": precedence})
    assert job.state == "published", job.error
    assert driver.rows(contract, "id, name, age, city") == [ada, bob, (3, "Cy", 5, None), (4, "Di", 7, "Oslo")]
    receipt = job.receipt.data
    assert (receipt["read"], receipt["collapsed"], receipt["inserted"]) == (6, 2, 4)
    assert balanced(job.receipt)
    assert [(i["name"], i["read"], i["accepted"]) for i in receipt["inputs"]] == [
        ("crm.csv", 3, 3),
        ("shop.csv", 3, 3),
    ]


@pytest.mark.capability("TRF3", "LOD6")
def test_what_no_object_brings_is_refused_and_repeats_within_one_object_are_duplicates(
    driver: Driver, partner: Partner
) -> None:
    contract = _customers(driver)
    crm = partner.put("crm.csv", b"id,name\n1,\n2,Old\n2,New\n3,\n")
    shop = partner.put("shop.csv", b"id,city,age\n1,Rome,36\n2,Oslo,x\n3,Bern,1\n")
    named = partner.put("names.csv", b"id,name\n3,Cy\n")
    job = partner.job(contract, [crm, shop, named], merge={"precedence": ["shop.csv"]})
    assert job.state == "published", job.error
    assert driver.rows(contract, "id, name, age, city") == [(2, "New", None, None), (3, "Cy", 1, "Bern")]
    receipt = job.receipt.data
    # Two of key 1 and three of key 3 became one each; key 1 has no name anywhere, shop's key 2 no valid age.
    counts = [receipt[k] for k in ("read", "collapsed", "inserted", "duplicate", "quarantined")]
    assert counts == [8, 3, 2, 1, 2]
    assert balanced(job.receipt)
    refused = {(r["member"], r["row"]): [f["code"] for f in r["findings"]] for r in job.quarantine()}
    assert refused == {("crm.csv", 3): ["duplicate"], ("shop.csv", 3): ["integer"], ("shop.csv", 2): ["required"]}


@pytest.mark.capability("TRF3")
def test_a_merge_that_cannot_be_meant_is_refused(driver: Driver, partner: Partner) -> None:
    sources = [partner.put("crm.csv", CRM), partner.put("shop.csv", SHOP)]
    for precedence in (["nobody.csv"], [3], ["crm.csv", 1], [0]):
        answer = partner.ask(_customers(driver), sources, merge={"precedence": precedence})
        assert answer.status_code in {400, 422}, answer.text
    job = partner.job(_customers(driver, key=[]), sources, merge={"precedence": [1]})
    assert job.state == "refused"
    assert "key" in job.error["message"]
