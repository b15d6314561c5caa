"""moto inside this process, taking one request at a time as a server would."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

REGION = "eu-central-1"
ACCOUNT = "123456789012"
INDEXES = {"by_state": ("gsi1pk", "gsi1sk"), "by_time": ("gsi2pk", "gsi2sk"), "live": ("live", "live_sk")}


@contextmanager
def moto_cloud() -> Iterator[None]:
    """A fresh AWS; clients made before are forgotten."""
    from moto import mock_aws
    from moto.core.botocore_stubber import BotocoreStubber

    from entrepot.adapters import aws

    real, lock = BotocoreStubber.__call__, threading.RLock()

    def one_at_a_time(self: Any, *args: Any, **kwargs: Any) -> Any:
        with lock:
            return real(self, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("AWS_ENDPOINT_URL", raising=False)
        patch.delenv("AWS_PROFILE", raising=False)
        patch.setenv("AWS_REGION", REGION)
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        # Its transactions restore a copy of the table when they fail: only whole requests are atomic.
        patch.setattr(BotocoreStubber, "__call__", one_at_a_time)
        aws.forget_clients()
        with mock_aws():
            yield
        aws.forget_clients()


def create_table(name: str) -> None:
    """The job table as the stack describes it, with indexes that hold keys alone."""
    from entrepot.adapters import aws

    keys = {"pk", "sk"}.union(*INDEXES.values())
    aws.client("dynamodb").create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in sorted(keys)],
        KeySchema=_schema("pk", "sk"),
        GlobalSecondaryIndexes=[
            {"IndexName": index, "KeySchema": _schema(*pair), "Projection": {"ProjectionType": "KEYS_ONLY"}}
            for index, pair in INDEXES.items()
        ],
    )


def create_bucket(name: str, *, versioned: bool = False) -> None:
    """A bucket."""
    from entrepot.adapters import aws

    client = aws.client("s3")
    client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    if versioned:
        client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})


def _schema(partition: str, sort: str) -> list[dict[str, str]]:
    return [
        {"AttributeName": partition, "KeyType": "HASH"},
        {"AttributeName": sort, "KeyType": "RANGE"},
    ]
