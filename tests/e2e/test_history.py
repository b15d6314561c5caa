"""A history through the front doors: its versions, a row that does not say since when, and an undo."""

from __future__ import annotations

import pytest

from tests.e2e.driver import Driver, balanced, csv

pytestmark = pytest.mark.timeout(240)

HEADER = "id,city,day"
FIELDS = [
    {"name": "id", "type": "integer", "required": True},
    {"name": "city", "type": "string"},
    {"name": "day", "type": "date"},
]
VERSIONS = "id, city, valid_from::text, valid_to::text, is_current"


@pytest.mark.capability("LOD2", "LOD5")
def test_versions_follow_each_other_and_an_undo_leaves_one_current(driver: Driver) -> None:
    contract = driver.contract(FIELDS, key=["id"], mode="history", history={"at": "day"})
    assert driver.deliver(contract, csv([(1, "Rome", "2024-01-01"), (2, "Oslo", "2024-01-01")], HEADER)).published
    later = csv([(1, "Nice", "2024-02-01"), (2, "Bonn", "2024-02-01"), (3, "Lyon", "")], HEADER)
    job = driver.deliver(contract, later, "later.csv")
    assert job.receipt is not None, job.data
    assert balanced(job.receipt)
    assert (job.receipt.read, job.receipt.updated, job.receipt.quarantined) == (3, 2, 1)
    (refused,) = driver.client.jobs.quarantine(job.id)
    assert [(f["code"], f["field"]) for f in refused["findings"]] == [("required", "day")]
    driver.sql(f"update {driver.table(contract)} set city = 'Nizza' where city = 'Nice'")
    undo = driver.client.jobs.wait(job.undo().id, timeout=60, poll_interval=0.1)
    assert undo.state == "published", undo.data
    assert driver.sql(f"select {VERSIONS} from {driver.table(contract)} order by 1, 3") == [
        (1, "Rome", "2024-01-01", "2024-02-01", False),
        (1, "Nizza", "2024-02-01", None, True),
        (2, "Oslo", "2024-01-01", None, True),
    ]
    assert undo.receipt is not None
    kept = sorted((row["key"]["valid_from"], row["reason"]) for row in undo.receipt.undo["kept_rows"])
    assert kept == [("2024-01-01", "edited"), ("2024-02-01", "edited")]
