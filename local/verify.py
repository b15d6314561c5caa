"""Compares a deployed stack with what the API says of it: what moto dropped and nothing applied is found here."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from local.apply import lifecycle_rule
from local.deploy import Deployment, Resource

Client = Callable[[str], Any]
Facts = Iterator[tuple[str, Any, Any]]


def _bucket(resource: Resource, client: Client) -> Facts:
    s3, name, stated = client("s3"), resource.physical_id, resource.properties
    if versioning := stated.get("VersioningConfiguration"):
        yield "VersioningConfiguration", versioning["Status"], s3.get_bucket_versioning(Bucket=name).get("Status")
    if lifecycle := stated.get("LifecycleConfiguration"):
        held = s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
        wanted = [lifecycle_rule(rule) for rule in lifecycle["Rules"]]
        yield "LifecycleConfiguration", _by_id(wanted), _by_id(held)
    if encryption := stated.get("BucketEncryption"):
        held = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"][0]
        wanted = encryption["ServerSideEncryptionConfiguration"][0]["ServerSideEncryptionByDefault"]["SSEAlgorithm"]
        yield "BucketEncryption", wanted, held["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"]
    if blocked := stated.get("PublicAccessBlockConfiguration"):
        held = s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
        yield "PublicAccessBlockConfiguration", blocked, held


def _by_id(rules: list[dict[str, Any]]) -> dict[str, Any]:
    """Rules without the prefix, which moto may report in another place."""
    return {rule["ID"]: {k: v for k, v in rule.items() if k not in ("Filter", "Prefix")} for rule in rules}


def _queue(resource: Resource, client: Client) -> Facts:
    sqs = client("sqs")
    url = sqs.get_queue_url(QueueName=resource.physical_id.rsplit("/", 1)[-1])["QueueUrl"]
    held = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    for name in ("VisibilityTimeout", "MessageRetentionPeriod", "DelaySeconds", "ReceiveMessageWaitTimeSeconds"):
        if name in resource.properties:
            yield name, str(resource.properties[name]), held.get(name)
    if policy := resource.properties.get("RedrivePolicy"):
        redrive = json.loads(held.get("RedrivePolicy", "{}"))
        yield "RedrivePolicy", {k: str(v) for k, v in policy.items()}, {k: str(v) for k, v in redrive.items()}


def _table(resource: Resource, client: Client) -> Facts:
    dynamodb, stated, name = client("dynamodb"), resource.properties, resource.physical_id
    held = dynamodb.describe_table(TableName=name)["Table"]
    yield "KeySchema", stated["KeySchema"], held["KeySchema"]
    wanted = {index["IndexName"]: index["KeySchema"] for index in stated.get("GlobalSecondaryIndexes", [])}
    indexes = {index["IndexName"]: index["KeySchema"] for index in held.get("GlobalSecondaryIndexes", [])}
    yield "GlobalSecondaryIndexes", wanted, indexes
    if ttl := stated.get("TimeToLiveSpecification"):
        found = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
        yield "TimeToLiveSpecification", ttl["AttributeName"], found.get("AttributeName")


def _function(resource: Resource, client: Client) -> Facts:
    held = client("lambda").get_function_configuration(FunctionName=resource.physical_id)
    stated = resource.properties
    for name in ("Timeout", "MemorySize", "Handler", "Runtime"):
        if name in stated:
            yield name, str(stated[name]), str(held.get(name))
    wanted = (stated.get("Environment") or {}).get("Variables") or {}
    yield "Environment", {k: str(v) for k, v in wanted.items()}, (held.get("Environment") or {}).get("Variables") or {}
    if "ReservedConcurrentExecutions" in stated:
        found = client("lambda").get_function_concurrency(FunctionName=resource.physical_id)
        yield (
            "ReservedConcurrentExecutions",
            int(stated["ReservedConcurrentExecutions"]),
            int(found.get("ReservedConcurrentExecutions", -1)),
        )


def _mapping(resource: Resource, client: Client) -> Facts:
    stated = resource.properties
    found = client("lambda").list_event_source_mappings(EventSourceArn=stated["EventSourceArn"])["EventSourceMappings"]
    held = found[0] if found else {}
    for name in ("BatchSize", "MaximumBatchingWindowInSeconds"):
        if name in stated:
            yield name, int(stated[name]), held.get(name)
    if "FunctionResponseTypes" in stated:
        yield "FunctionResponseTypes", stated["FunctionResponseTypes"], held.get("FunctionResponseTypes")


def _machine(resource: Resource, client: Client) -> Facts:
    held = client("stepfunctions").describe_state_machine(stateMachineArn=resource.physical_id)
    yield "DefinitionString", json.loads(resource.properties["DefinitionString"]), json.loads(held["definition"])


def _schedule(resource: Resource, client: Client) -> Facts:
    stated = resource.properties
    held = client("scheduler").get_schedule(
        Name=stated.get("Name", resource.logical_id), GroupName=stated.get("GroupName", "default")
    )
    yield "ScheduleExpression", stated["ScheduleExpression"], held["ScheduleExpression"]
    zone = stated.get("ScheduleExpressionTimezone", "UTC")
    yield "ScheduleExpressionTimezone", zone, held["ScheduleExpressionTimezone"]
    yield (
        "Target",
        (stated["Target"]["Arn"], stated["Target"].get("Input")),
        (
            held["Target"]["Arn"],
            held["Target"].get("Input"),
        ),
    )


def _rule(resource: Resource, client: Client) -> Facts:
    stated = resource.properties
    bus = stated.get("EventBusName", "default")
    events = client("events")
    held = events.describe_rule(Name=resource.physical_id.rsplit("|", 1)[-1], EventBusName=bus)
    if "EventPattern" in stated:
        yield "EventPattern", stated["EventPattern"], json.loads(held["EventPattern"])
    targets = events.list_targets_by_rule(Rule=held["Name"], EventBusName=bus)["Targets"]
    yield "Targets", sorted(t["Arn"] for t in stated.get("Targets", [])), sorted(t["Arn"] for t in targets)


def _rest_api(resource: Resource, client: Client) -> Facts:
    held = client("apigateway").get_rest_api(restApiId=resource.physical_id)
    wanted = resource.properties.get("BinaryMediaTypes", [])
    yield "BinaryMediaTypes", sorted(wanted), sorted(held.get("binaryMediaTypes", []))


def _log_group(resource: Resource, client: Client) -> Facts:
    if days := resource.properties.get("RetentionInDays"):
        found = client("logs").describe_log_groups(logGroupNamePrefix=resource.physical_id)["logGroups"]
        held = [group.get("retentionInDays") for group in found if group["logGroupName"] == resource.physical_id]
        yield "RetentionInDays", [int(days)], held


def _alarm(resource: Resource, client: Client) -> Facts:
    name = resource.properties.get("AlarmName", resource.logical_id)
    found = client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    yield "AlarmName", [name], [alarm["AlarmName"] for alarm in found]


CHECKS: dict[str, Callable[[Resource, Client], Facts]] = {
    "AWS::S3::Bucket": _bucket,
    "AWS::SQS::Queue": _queue,
    "AWS::DynamoDB::Table": _table,
    "AWS::Lambda::Function": _function,
    "AWS::Lambda::EventSourceMapping": _mapping,
    "AWS::StepFunctions::StateMachine": _machine,
    "AWS::Scheduler::Schedule": _schedule,
    "AWS::Events::Rule": _rule,
    "AWS::ApiGateway::RestApi": _rest_api,
    "AWS::Logs::LogGroup": _log_group,
    "AWS::CloudWatch::Alarm": _alarm,
}


def differences(deployment: Deployment, client: Client) -> list[str]:
    """Asks the API for every resource that it can be asked for.

    Returns:
        A line for each property that is not as the template states it, by resource and property.
    """
    found = []
    for kind, check in CHECKS.items():
        for resource in deployment.of_type(kind):
            for name, wanted, held in check(resource, client):
                if wanted != held:
                    found.append(f"{resource.logical_id} ({kind}) {name}: {held!r:.200} instead of {wanted!r:.200}")
    return found
