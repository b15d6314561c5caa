"""The same tests over the fakes and over moto."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from entrepot.ports.jobs import ConfigStore, JobStore
from tests.builders import any_name
from tests.contract.adapters.motocloud import create_bucket, create_table, moto_cloud
from tests.fakes.blobs import FakeBlobs
from tests.fakes.config import FakeConfig
from tests.fakes.jobs import FakeJobs
from tests.fakes.world import FakeClock


@pytest.fixture(scope="module")
def cloud() -> Iterator[None]:
    with moto_cloud():
        yield


@pytest.fixture(params=["fake", "moto"])
def backend(request: pytest.FixtureRequest) -> str:
    if request.param == "moto":
        request.getfixturevalue("cloud")
    return str(request.param)


@dataclass
class Stores:
    """A job store and a configuration store, empty."""

    jobs: JobStore
    config: ConfigStore
    clock: FakeClock
    fail_chunk: Callable[[str, str, str, str], None]
    """Does what the state machine does itself: tenant, job, chunk, error."""


@pytest.fixture
def stores(backend: str) -> Stores:
    return make_stores(backend)


def make_stores(backend: str) -> Stores:
    clock = FakeClock()
    if backend == "fake":
        fake = FakeJobs(clock)
        return Stores(fake, FakeConfig(clock), clock, fake.fail_chunk)
    from entrepot.adapters.dynamodb import DynamoConfig, DynamoJobs
    from entrepot.adapters.dynamodb.table import Table

    name = any_name("jobs")
    create_table(name)
    table = Table(name, sleep=lambda seconds: time.sleep(min(seconds, 0.005)))
    bodies: dict[str, Any] = {"blobs": FakeBlobs(["work"]), "bodies": "s3://work/bodies"}
    jobs = DynamoJobs(table, clock=clock, **bodies)
    return Stores(jobs, DynamoConfig(table, clock=clock, **bodies), clock, _fail_chunk(name))


def _fail_chunk(table: str) -> Callable[[str, str, str, str], None]:
    from entrepot.adapters import aws

    def fail(tenant: str, job_id: str, chunk_id: str, error: str) -> None:
        client = aws.client("dynamodb")
        try:
            client.update_item(
                TableName=table,
                Key={"pk": {"S": f"T#{tenant}#JOB#{job_id}"}, "sk": {"S": f"CHUNK#{chunk_id}"}},
                UpdateExpression="SET chunk_state = :failed, #error = :error, cause = :cause",
                ConditionExpression="attribute_not_exists(chunk_state) OR chunk_state <> :loaded",
                ExpressionAttributeNames={"#error": "error"},
                ExpressionAttributeValues={
                    ":failed": {"S": "failed"},
                    ":loaded": {"S": "loaded"},
                    ":error": {"S": error},
                    ":cause": {"S": ""},
                },
            )
        except client.exceptions.ConditionalCheckFailedException:
            return

    return fail


@dataclass
class BlobWorld:
    """A blob store with a versioned bucket ``inbox``, plain ``work`` and read-only ``partners``."""

    store: Any
    backend: str

    def put_part(self, uri: str, multipart_id: str, number: int, data: bytes) -> str:
        """What a client does with a part's link."""
        if self.backend == "fake":
            return str(self.store.put_part(multipart_id, number, data))
        from entrepot.adapters import aws

        bucket, key = uri.removeprefix("s3://").split("/", 1)
        answer = aws.client("s3").upload_part(
            Bucket=bucket, Key=key, UploadId=multipart_id, PartNumber=number, Body=data
        )
        return str(answer["ETag"])


@pytest.fixture(scope="module")
def buckets(cloud: None) -> None:
    create_bucket("inbox", versioned=True)
    create_bucket("work")
    create_bucket("partners")


@pytest.fixture
def blobs(backend: str, request: pytest.FixtureRequest) -> BlobWorld:
    if backend == "fake":
        return BlobWorld(FakeBlobs(["inbox", "work"], versioned=["inbox"], read_only=["partners"]), backend)
    from entrepot.adapters.s3 import S3Blobs

    request.getfixturevalue("buckets")
    return BlobWorld(S3Blobs(buckets=["inbox", "work"], read_only=["partners"]), backend)
