"""The three buckets: what arrives, what is worked on, what leaves."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.constructs.house import House


class Storage(Construct):
    """Inbox (versioned), work and outbox; encrypted, TLS only, not public, tidied by lifecycle rules."""

    def __init__(self, scope: Construct, construct_id: str, house: House) -> None:
        super().__init__(scope, construct_id)
        keep = house.settings.retention
        self._house = house
        self._access_logs = self._access_log_bucket()
        self.inbox = self._bucket(
            "Inbox",
            house.names.inbox,
            s3.LifecycleRule(
                id="replaced-drops",
                noncurrent_version_expiration=cdk.Duration.days(keep.inbox_old_versions),
            ),
            versioned=True,
        )
        self._announce(self.inbox)
        self.work = self._bucket(
            "Work",
            house.names.work,
            s3.LifecycleRule(id="jobs", prefix="jobs/", expiration=cdk.Duration.days(keep.work)),
        )
        self.outbox = self._bucket(
            "Outbox",
            house.names.outbox,
            s3.LifecycleRule(id="results", expiration=cdk.Duration.days(keep.outbox)),
        )

    def _bucket(self, construct_id: str, name: str, rule: s3.LifecycleRule, *, versioned: bool = False) -> s3.Bucket:
        key = self._house.key
        return s3.Bucket(
            self,
            construct_id,
            bucket_name=name,
            versioned=versioned,
            encryption=s3.BucketEncryption.KMS if key else s3.BucketEncryption.S3_MANAGED,
            encryption_key=key,
            bucket_key_enabled=True if key else None,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            lifecycle_rules=[
                rule,
                s3.LifecycleRule(
                    id="unfinished-uploads",
                    abort_incomplete_multipart_upload_after=cdk.Duration.days(7),
                ),
            ],
            server_access_logs_bucket=self._access_logs,
            server_access_logs_prefix=f"{construct_id.lower()}/",
            removal_policy=self._house.removal,
        )

    def _access_log_bucket(self) -> s3.Bucket:
        return s3.Bucket(
            self,
            "AccessLogs",
            bucket_name=self._house.names.access_logs,
            # S3 delivers access logs only to buckets under its own keys.
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="access-logs",
                    expiration=cdk.Duration.days(self._house.settings.retention.access_logs),
                )
            ],
            removal_policy=self._house.removal,
        )

    @staticmethod
    def _announce(bucket: s3.Bucket) -> None:
        """Sends the bucket's events to EventBridge.

        On the resource itself: the construct's own switch deploys a custom resource with a function of
        its own for the same property.
        """
        resource = bucket.node.default_child
        assert isinstance(resource, s3.CfnBucket)
        resource.notification_configuration = s3.CfnBucket.NotificationConfigurationProperty(
            event_bridge_configuration=s3.CfnBucket.EventBridgeConfigurationProperty(event_bridge_enabled=True)
        )
