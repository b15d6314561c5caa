"""S3's buckets: moto keeps them and their configuration, `local.objects` keeps what is in them."""

from __future__ import annotations

from typing import Any

from moto.s3.exceptions import BucketNotEmpty
from moto.s3.models import FakeBucket, S3Backend, s3_backends

from local.s3api import event_detail
from local.s3request import BucketView
from local.services.current import ACCOUNT, current, standing_for
from local.services.events import publish


@standing_for
class LocalS3Backend(S3Backend):
    """moto's backend, which does not see the objects."""

    def delete_bucket(self, bucket_name: str) -> FakeBucket | None:
        objects = current().objects
        if objects is not None and not objects.is_empty(bucket_name):
            raise BucketNotEmpty(bucket_name=bucket_name)
        return super().delete_bucket(bucket_name)


class MotoBuckets:
    """What the object half needs to know of moto's buckets."""

    def find(self, name: str) -> BucketView | None:
        """A bucket, None when it does not exist."""
        bucket = s3_backends[ACCOUNT]["aws"].buckets.get(name)
        if bucket is None:
            return None
        notification = bucket.notification_configuration
        return BucketView(
            name,
            versioned=bucket.is_versioned,
            events=bool(notification and notification.event_bridge is not None),
            encryption=_encryption_headers(bucket.encryption),
        )


def _encryption_headers(configuration: Any) -> dict[str, str]:
    try:
        rule = configuration["Rule"]
        rule = rule[0] if isinstance(rule, list) else rule
        default = rule["ApplyServerSideEncryptionByDefault"]
    except (KeyError, TypeError, IndexError):
        return {"x-amz-server-side-encryption": "AES256"}
    headers = {"x-amz-server-side-encryption": str(default["SSEAlgorithm"])}
    if default.get("KMSMasterKeyID"):
        headers["x-amz-server-side-encryption-aws-kms-key-id"] = str(default["KMSMasterKeyID"])
    return headers


def announce(version: Any, reason: str) -> None:
    """Sends the event of a new object to the default bus, as S3 does."""
    publish("aws.s3", "Object Created", event_detail(version, reason, ACCOUNT), [f"arn:aws:s3:::{version.bucket}"])


def install() -> None:
    """Makes moto use this backend from now on."""
    s3_backends.backend = LocalS3Backend
