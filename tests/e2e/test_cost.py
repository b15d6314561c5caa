"""What a receipt says that its job used, against what the cloud saw."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import pytest

from tests.e2e.driver import Driver, csv

pytestmark = pytest.mark.timeout(180)


def entered(driver: Driver, job_id: str) -> int:
    """States that a job's executions entered, by their histories; the children's are not among them."""
    states, number = driver.cloud.client("stepfunctions"), 0
    machine = driver.cloud.names["state_machine"]
    for execution in states.get_paginator("list_executions").paginate(stateMachineArn=machine).search("executions"):
        if not execution["name"].startswith(job_id):
            continue
        arn = execution["executionArn"]
        driver.until(lambda arn=arn: states.describe_execution(executionArn=arn)["status"] == "SUCCEEDED")
        events = states.get_paginator("get_execution_history").paginate(executionArn=arn).search("events")
        number += sum(event["type"].endswith("StateEntered") for event in events)
    return number


def invocations(driver: Driver) -> Counter[str]:
    """Invocations so far, by step."""
    return Counter(record.function.rsplit("-", 1)[-1] for record in driver.cloud.invocations)


def at_rest(driver: Driver) -> Counter[str]:
    """Invocations so far, once the announcements of earlier jobs have come."""
    while True:
        before = invocations(driver)
        time.sleep(1.5)
        if invocations(driver) == before:
            return before


@pytest.mark.capability("OPS5")
@pytest.mark.parametrize("count", [3, 12_000])
def test_a_receipt_counts_what_the_cloud_saw(driver: Driver, count: int) -> None:
    contract = driver.people()
    before = at_rest(driver)
    job = driver.deliver(contract, csv([(n, f"person {n} of quite many", n % 100) for n in range(count)]))
    assert job.state == "published", job.data
    chunks = job.data["progress"]["chunks_total"]
    assert (chunks > 3) == (count > 100)
    cost = job.receipt.data["cost"]
    # A child of the map runs as an execution of its own: ValidateChunk, AfterValidate, LoadChunk, ChunkDone.
    assert cost["state_transitions"] == entered(driver, job.id) + 4 * chunks
    steps = driver.until(lambda: (now := invocations(driver) - before)["notify"] and now)
    assert cost["invocations"] == sum(number for step, number in steps.items() if step not in {"api", "sweep"})
    assert cost["cpu_seconds"] > 0
    assert 0 < cost["peak_memory_mb"] <= 512
    assert cost["gb_seconds"] > 0
    # Per chunk at least: its bytes, spec and hand-over read, the hand-over written, two reads and a write of items.
    assert cost["requests"]["s3_put"] > chunks
    assert cost["requests"]["s3_get"] > 3 * chunks
    assert cost["requests"]["dynamodb"] >= 5 * chunks
    assert 0 < cost["usd"] < 0.05
    assert cost["prices"].startswith("us-east-1 20")


@pytest.mark.capability("OPS5")
def test_a_refused_job_has_its_account_too(driver: Driver) -> None:
    contract = driver.people(on_invalid="strict")
    job = driver.deliver(contract, csv([(1, "Ada", "x")]))
    assert job.state == "refused"
    cost = job.receipt.data["cost"]
    # intake, detect, split, map, validate, load, check, gate, notify
    assert cost["invocations"] == 9
    assert cost["state_transitions"] == entered(driver, job.id) + 4


@pytest.mark.capability("OPS5")
def test_every_leg_of_a_job_counts(driver: Driver) -> None:
    contract = driver.fresh("unknown")
    job = driver.deliver(contract, b"a,b\n1,2\n")
    assert job.state == "awaiting_approval"
    driver.client.jobs.approve(job.id)
    job = driver.client.jobs.wait(job.id, timeout=60)
    assert job.state == "published", job.data
    cost: dict[str, Any] = job.receipt.data["cost"]
    # Beside the two legs' own states: ProfileChunk, ProfileDone, and the four of the loading child.
    # Of the first leg the notice (its task and the end) comes after its last write and is not counted.
    assert cost["state_transitions"] == entered(driver, job.id) + 2 + 4 - 2
