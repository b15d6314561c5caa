"""What an empty cell and a missing column do to rows that exist: per field of the contract."""

from __future__ import annotations

import pytest

from tests.e2e.driver import Driver, csv

FIELDS = [
    {"name": "id", "type": "integer", "required": True},
    {"name": "kept", "blank": "keep"},
    {"name": "cleared", "blank": "clear"},
    {"name": "filled", "blank": "default", "default": "none told"},
    {"name": "refused", "blank": "refuse"},
]
HEADER = "id,kept,cleared,filled,refused"


@pytest.mark.capability("LOD9")
def test_a_blank_keeps_clears_fills_or_refuses_as_its_field_says(driver: Driver) -> None:
    contract = driver.contract(FIELDS, key=["id"])
    assert driver.deliver(contract, csv([(1, "a", "b", "c", "d"), (2, "a", "b", "c", "d")], HEADER)).published
    job = driver.deliver(contract, csv([(1, "", "", "", "e"), (2, "x", "x", "x", "")], HEADER), "later.csv")
    assert driver.rows(contract) == [(1, "a", None, "none told", "e"), (2, "a", "b", "c", "d")]
    assert job.receipt is not None
    assert (job.receipt.read, job.receipt.updated, job.receipt.quarantined) == (2, 1, 1)


@pytest.mark.capability("LOD9")
def test_a_missing_column_leaves_what_is_there(driver: Driver) -> None:
    """Nothing was said about it: that is another thing than a blank."""
    contract = driver.contract(FIELDS, key=["id"])
    assert driver.deliver(contract, csv([(1, "a", "b", "c", "d")], HEADER)).published
    job = driver.deliver(contract, csv([(1, "x")], "id,kept"), "later.csv")
    assert job.published, job.data
    assert driver.rows(contract) == [(1, "x", "b", "c", "d")]


@pytest.mark.capability("LOD9")
def test_a_blank_that_keeps_needs_a_row_where_the_column_needs_a_value(driver: Driver) -> None:
    contract = driver.contract(FIELDS[:3], key=["id"])
    table = driver.table(contract)
    driver.sql(f"create table {table} (id bigint primary key, kept text not null, cleared text)")
    driver.sql(f"insert into {table} values (1, 'there', 'x')")
    job = driver.deliver(contract, csv([(1, "", "new"), (2, "", "new"), (3, "given", "new")], "id,kept,cleared"))
    assert driver.rows(contract) == [(1, "there", "new"), (3, "given", "new")]
    assert job.receipt is not None, job.data
    assert (job.receipt.inserted, job.receipt.updated, job.receipt.quarantined) == (1, 1, 1)
    (refused,) = driver.client.jobs.quarantine(job.id)
    assert [(refused["row"], f["code"], f["field"]) for f in refused["findings"]] == [(3, "required", "kept")]
