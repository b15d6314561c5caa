"""Applies, through the AWS API, what moto's CloudFormation ignored, and reports what nothing here does.

moto creates a bucket without its versioning, skips schedules, and forgets a function's layers. Each of
`APPLIERS` sets what its type of resource can be given through the API; `unapplied` says what is left.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

from local.deploy import Deployment, Resource

LOG = logging.getLogger("entrepot.local")
Client = Callable[[str], Any]


def _bucket_behaviour(resource: Resource, client: Client) -> None:
    """Versioning and events: without them drops have no version and nothing starts."""
    s3, name, properties = client("s3"), resource.physical_id, resource.properties
    if status := (properties.get("VersioningConfiguration") or {}).get("Status"):
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": status})
    notification = properties.get("NotificationConfiguration") or {}
    if (notification.get("EventBridgeConfiguration") or {}).get("EventBridgeEnabled", False) in (True, "true"):
        s3.put_bucket_notification_configuration(
            Bucket=name, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )


def _bucket_configuration(resource: Resource, client: Client) -> None:
    """What does not change how a drop is worked on."""
    s3, name, properties = client("s3"), resource.physical_id, resource.properties
    if lifecycle := properties.get("LifecycleConfiguration"):
        rules = [lifecycle_rule(rule) for rule in lifecycle["Rules"]]
        s3.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": rules})
    if encryption := properties.get("BucketEncryption"):
        rules = [
            {"ApplyServerSideEncryptionByDefault": rule["ServerSideEncryptionByDefault"]}
            for rule in encryption["ServerSideEncryptionConfiguration"]
        ]
        s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": rules})
    if blocked := properties.get("PublicAccessBlockConfiguration"):
        s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=blocked)
    if ownership := properties.get("OwnershipControls"):
        s3.put_bucket_ownership_controls(Bucket=name, OwnershipControls=ownership)


def lifecycle_rule(rule: dict[str, Any]) -> dict[str, Any]:
    """A lifecycle rule as the API words it, from how CloudFormation words it."""
    answer: dict[str, Any] = {
        "ID": rule.get("Id", "rule"), "Status": rule["Status"], "Filter": {"Prefix": rule.get("Prefix", "")},
    }  # fmt: skip
    if "ExpirationInDays" in rule:
        answer["Expiration"] = {"Days": int(rule["ExpirationInDays"])}
    elif rule.get("ExpiredObjectDeleteMarker"):
        answer["Expiration"] = {"ExpiredObjectDeleteMarker": True}
    if old := rule.get("NoncurrentVersionExpiration"):
        answer["NoncurrentVersionExpiration"] = {key: int(value) for key, value in old.items()}
    if abort := rule.get("AbortIncompleteMultipartUpload"):
        answer["AbortIncompleteMultipartUpload"] = {"DaysAfterInitiation": int(abort["DaysAfterInitiation"])}
    return answer


_QUEUE_ATTRIBUTES = (
    "DelaySeconds", "MaximumMessageSize", "MessageRetentionPeriod", "ReceiveMessageWaitTimeSeconds",
    "VisibilityTimeout", "KmsMasterKeyId",
)  # fmt: skip


def _queue(resource: Resource, client: Client) -> None:
    properties = resource.properties
    attributes = {name: str(properties[name]) for name in _QUEUE_ATTRIBUTES if name in properties}
    if policy := properties.get("RedrivePolicy"):
        attributes["RedrivePolicy"] = json.dumps(policy)
    if attributes:
        sqs = client("sqs")
        url = sqs.get_queue_url(QueueName=resource.physical_id.rsplit("/", 1)[-1])["QueueUrl"]
        sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)


def _schedule_group(resource: Resource, client: Client) -> None:
    scheduler = client("scheduler")
    name = resource.properties.get("Name", resource.logical_id)
    groups = scheduler.list_schedule_groups(NamePrefix=name)["ScheduleGroups"]
    if name not in [group["Name"] for group in groups]:
        scheduler.create_schedule_group(Name=name)


def _schedule(resource: Resource, client: Client) -> None:
    scheduler, properties = client("scheduler"), dict(resource.properties)
    properties.setdefault("Name", resource.logical_id)
    group = properties.setdefault("GroupName", "default")
    try:
        scheduler.delete_schedule(Name=properties["Name"], GroupName=group)
    except scheduler.exceptions.ResourceNotFoundException:
        LOG.debug("schedule %s is new", properties["Name"])
    scheduler.create_schedule(**_numbers(properties))


def _numbers(value: Any) -> Any:
    """CloudFormation writes some numbers as text."""
    if isinstance(value, dict):
        return {
            key: int(entry) if key.startswith("Maximum") and str(entry).isdigit() else _numbers(entry)
            for key, entry in value.items()
        }
    return value


def _table(resource: Resource, client: Client) -> None:
    dynamodb, properties = client("dynamodb"), resource.properties
    if ttl := properties.get("TimeToLiveSpecification"):
        dynamodb.update_time_to_live(
            TableName=resource.physical_id,
            TimeToLiveSpecification={
                "AttributeName": ttl["AttributeName"],
                "Enabled": ttl["Enabled"] in (True, "true"),
            },
        )
    recovery = properties.get("PointInTimeRecoverySpecification") or {}
    if recovery.get("PointInTimeRecoveryEnabled") in (True, "true"):
        dynamodb.update_continuous_backups(
            TableName=resource.physical_id, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
        )


def _rest_api(resource: Resource, client: Client) -> None:
    """Types of bodies that travel as Base64."""
    types = resource.properties.get("BinaryMediaTypes") or []
    gateway = client("apigateway")
    known = gateway.get_rest_api(restApiId=resource.physical_id).get("binaryMediaTypes") or []
    operations = [
        # AWS reads the type from the path, moto from the value.
        {"op": "add", "path": "/binaryMediaTypes/" + kind.replace("~", "~0").replace("/", "~1"), "value": kind}
        for kind in types
        if kind not in known
    ]
    if operations:
        gateway.update_rest_api(restApiId=resource.physical_id, patchOperations=operations)


def _state_machine(resource: Resource, client: Client) -> None:
    properties = resource.properties
    update: dict[str, Any] = {}
    if tracing := properties.get("TracingConfiguration"):
        update["tracingConfiguration"] = {"enabled": bool(tracing.get("Enabled"))}
    if logging_configuration := properties.get("LoggingConfiguration"):
        update["loggingConfiguration"] = {
            "level": logging_configuration.get("Level", "OFF"),
            "includeExecutionData": bool(logging_configuration.get("IncludeExecutionData")),
            "destinations": [
                {"cloudWatchLogsLogGroup": {"logGroupArn": entry["CloudWatchLogsLogGroup"]["LogGroupArn"]}}
                for entry in logging_configuration.get("Destinations", [])
            ],
        }
    if update:
        client("stepfunctions").update_state_machine(stateMachineArn=resource.physical_id, **update)


def _alarm(resource: Resource, client: Client) -> None:
    properties = dict(resource.properties)
    properties.setdefault("AlarmName", resource.logical_id)
    properties.pop("Tags", None)
    for name in ("EvaluationPeriods", "DatapointsToAlarm", "Period"):
        if name in properties:
            properties[name] = int(properties[name])
    client("cloudwatch").put_metric_alarm(**properties)


def _bucket_policy(resource: Resource, client: Client) -> None:
    properties = resource.properties
    client("s3").put_bucket_policy(Bucket=properties["Bucket"], Policy=json.dumps(properties["PolicyDocument"]))


def _log_group(resource: Resource, client: Client) -> None:
    if days := resource.properties.get("RetentionInDays"):
        client("logs").put_retention_policy(logGroupName=resource.physical_id, retentionInDays=int(days))


Applier = Callable[[Resource, Client], None]
APPLIERS: dict[str, Applier] = {
    "AWS::S3::Bucket": _bucket_behaviour,
    "AWS::SQS::Queue": _queue,
    "AWS::DynamoDB::Table": _table,
    "AWS::ApiGateway::RestApi": _rest_api,
    "AWS::Scheduler::ScheduleGroup": _schedule_group,
    "AWS::Scheduler::Schedule": _schedule,
}
"""What a job's way depends on; applied before the cloud is ready, in this order."""
LATER: dict[str, Applier] = {
    "AWS::S3::BucketPolicy": _bucket_policy,
    "AWS::StepFunctions::StateMachine": _state_machine,
    "AWS::CloudWatch::Alarm": _alarm,
    "AWS::Logs::LogGroup": _log_group,
}
"""What is kept and shown but changes nothing here; applied in the background."""


def apply(deployment: Deployment, client: Client) -> list[str]:
    """Applies what a job's way depends on.

    Returns:
        A line for each thing that could not be applied.
    """
    return _run(deployment, client, list(APPLIERS.items()))


def apply_later(deployment: Deployment, client: Client) -> list[str]:
    """Applies the rest; returns as `apply` does."""
    return _run(deployment, client, [*LATER.items(), ("AWS::S3::Bucket", _bucket_configuration)])


def _run(deployment: Deployment, client: Client, appliers: list[tuple[str, Applier]]) -> list[str]:
    from botocore.exceptions import BotoCoreError, ClientError

    problems = []
    for kind, applier in appliers:
        for resource in deployment.of_type(kind):
            try:
                applier(resource, client)
            except (ClientError, BotoCoreError, KeyError) as error:
                problems.append(f"{resource.logical_id} ({kind}): {error}")
                LOG.warning("%s of type %s cannot be applied: %s", resource.logical_id, kind, error)
    return problems
