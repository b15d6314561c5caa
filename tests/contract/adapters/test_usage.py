"""What a job used goes with the writes that are made anyway."""

from __future__ import annotations

import json

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from entrepot.adapters import aws, metering
from entrepot.adapters.dynamodb import DynamoJobs, chunks, usages
from entrepot.adapters.dynamodb.table import Table
from entrepot.adapters.metering import ProcessMeter
from entrepot.adapters.s3 import S3Blobs
from entrepot.errors import ConflictError
from entrepot.model.job import RUNNING, JobState
from entrepot.model.usage import Usage
from tests.builders import any_chunk_record, any_job, any_name
from tests.contract.adapters.motocloud import create_bucket, create_table
from tests.fakes.world import FakeClock, FakeMeter

A = Usage(cpu_us=1500, mb_ms=20_000, invocations=1, transitions=2, peak_mb=100, requests={"s3_get": 2, "dynamodb": 3})
B = Usage(cpu_us=500, mb_ms=1000, peak_mb=90, requests={"dynamodb": 1, "dynamodb_write_units": 9})

numbers = st.integers(min_value=0, max_value=10**12)
any_usage = st.builds(
    Usage,
    cpu_us=numbers,
    mb_ms=numbers,
    invocations=numbers,
    transitions=numbers,
    peak_mb=st.integers(min_value=0, max_value=10_240).map(lambda n: n // 8 * 8),
    requests=st.dictionaries(
        st.sampled_from(["s3_put", "s3_get", "dynamodb", "dynamodb_read_units", "states"]),
        st.integers(min_value=1, max_value=10**9),
    ),
)


@pytest.fixture
def meter() -> FakeMeter:
    return FakeMeter()


@pytest.fixture
def jobs(cloud: None, meter: FakeMeter) -> DynamoJobs:
    name = any_name("jobs")
    create_table(name)
    return DynamoJobs(Table(name, sleep=lambda _: None), clock=FakeClock(), meter=meter)


@pytest.fixture
def job(jobs: DynamoJobs):
    made = any_job()
    assert jobs.create(made)
    return made


@given(any_usage)
def test_attributes_tell_the_usage_that_made_them(usage: Usage):
    rest, told = usages.taken({"state": {"S": "loading"}, **usages.attributes(usage)})
    assert (rest, told) == ({"state": {"S": "loading"}}, usage)


def test_a_new_job_has_what_its_intake_used(jobs: DynamoJobs, meter: FakeMeter):
    meter.used = A
    job = any_job()
    assert jobs.create(job)
    assert jobs.get("main", job.job_id).usage == A.model_copy(update={"peak_mb": 104})
    assert not meter.used


def test_chunks_and_ends_of_legs_add_what_is_new(jobs: DynamoJobs, meter: FakeMeter, job):
    meter.used = A
    assert jobs.finish_chunk("main", job.job_id, any_chunk_record(0))
    meter.used = B
    stored = jobs.transition(jobs.get("main", job.job_id), JobState.AWAITING_MAPPING, expect={JobState.RECEIVED})
    assert stored.usage == (A + chunks.ITSELF + B).model_copy(update={"peak_mb": 104})
    assert jobs.get("main", job.job_id).usage == stored.usage
    assert stored.progress.chunks_done == 1
    assert not meter.used


def test_between_them_nothing_is_written_and_all_goes_on(jobs: DynamoJobs, meter: FakeMeter, job):
    meter.used = A
    moved = jobs.transition(job, JobState.LOADING, expect={JobState.RECEIVED})
    assert not jobs.update(moved, {"spec_key": "k"}).usage
    assert meter.used == A


def test_a_write_that_is_refused_adds_nothing_and_the_meter_keeps_it(jobs: DynamoJobs, meter: FakeMeter, job):
    jobs.finish_chunk("main", job.job_id, any_chunk_record(0))
    meter.used = A
    assert not jobs.finish_chunk("main", job.job_id, any_chunk_record(0))
    for refused in (
        lambda: jobs.transition(job, JobState.PUBLISHED, expect={JobState.PUBLISHING}),
        lambda: jobs.update(job, {"spec_key": "k"}, expect={JobState.PUBLISHING}),
    ):
        with pytest.raises(ConflictError):
            refused()
    assert meter.used == A
    assert not jobs.get("main", job.job_id).usage


def test_a_lost_race_adds_once(jobs: DynamoJobs, meter: FakeMeter, job):
    jobs.transition(job, JobState.DETECTING, expect={JobState.RECEIVED})
    meter.used = A
    moved = jobs.transition(job, JobState.FAILED, expect=RUNNING)
    assert moved.usage == A
    assert jobs.get("main", job.job_id).usage.invocations == 1


def test_an_item_from_before_usage_was_kept_takes_it(jobs: DynamoJobs, meter: FakeMeter, job):
    meter.used = A
    jobs.transition(job, JobState.FAILED, expect=RUNNING)
    assert jobs.get("main", job.job_id).usage.requests == A.requests


def test_no_caller_sets_a_usage(jobs: DynamoJobs, job):
    from entrepot.errors import UsageError

    with pytest.raises(UsageError):
        jobs.update(job, {"usage": A})


@settings(max_examples=20, deadline=None)
@given(parts=st.lists(any_usage, max_size=5))
def test_a_usage_is_the_sum_of_its_parts_in_any_order(parts: list[Usage]):
    assert sum(parts, Usage()) == sum(reversed(parts), Usage())


def test_requests_are_counted_by_what_they_are_billed_as(cloud: None, monkeypatch):
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")
    name = any_name("bucket")
    create_bucket(name)
    table = any_name("table")
    create_table(table)
    blobs, meter = S3Blobs(buckets=[name]), ProcessMeter()
    meter.begin(Usage(transitions=2))
    blobs.write(f"s3://{name}/a", b"x")
    assert blobs.read(f"s3://{name}/a") == b"x"
    assert [b.uri for b in blobs.list(f"s3://{name}/")] == [f"s3://{name}/a"]
    blobs.delete(f"s3://{name}/a")
    Table(table).put({"pk": {"S": "p"}, "sk": {"S": "s"}, "text": {"S": "x" * 3000}})
    Table(table).get("p", "s")
    used = meter.unwritten()
    assert used.requests["s3_put"] == 2
    assert used.requests["s3_get"] >= 1
    assert used.requests["s3_delete"] == 1
    assert used.requests["dynamodb"] == 2
    assert used.requests["dynamodb_write_units"] >= 1
    assert used.requests["dynamodb_read_units"] >= 1
    assert (used.invocations, used.transitions) == (1, 2)
    assert used.mb_ms >= 512
    assert used.peak_mb > 10
    assert json.loads(used.model_dump_json())["requests"] == used.requests


def test_units_go_by_size_where_nobody_tells_them():
    class Model:
        name = "UpdateItem"

    class Answer:
        content = b"x" * 2500

    before = metering._requests["dynamodb_write_units"]
    metering._count_units(Answer(), {}, Model(), {metering._SENT: 900})
    assert metering._requests["dynamodb_write_units"] - before == 3
    Model.name = "TransactWriteItems"
    metering._count_units(Answer(), {}, Model(), {metering._SENT: 1500})
    assert metering._requests["dynamodb_write_units"] - before == 3 + 6
    metering._count_units(Answer(), {"ConsumedCapacity": [{"CapacityUnits": 11.5}]}, Model(), {})
    assert metering._requests["dynamodb_write_units"] - before == 3 + 6 + 12


def test_a_meter_counts_what_was_not_written_and_nothing_between_invocations(cloud: None):
    meter = ProcessMeter()
    assert not meter.unwritten()
    meter.begin(A)
    first = meter.unwritten()
    assert first.invocations == 2
    meter.written(first)
    aws.client("dynamodb").list_tables()
    rest = meter.unwritten()
    assert (rest.invocations, rest.transitions, rest.requests) == (0, 0, {"dynamodb": 1})
    meter.stop()
    assert not meter.unwritten()


def test_processor_time_adds_up_to_the_processes(monkeypatch):
    meter = ProcessMeter()
    meter.begin()
    total = Usage()
    for _ in range(5):
        sum(i * i for i in range(100_000))
        used = meter.unwritten()
        meter.written(used)
        total += used
    assert 0 < total.cpu_us < 5_000_000
    assert total.invocations == 1
