"""What the one-machine cloud does with each resource of a stack template, and the page that says so.

`docs/fidelity.md` is written by ``python -m local.fidelity`` and compared by a test, so a resource or a property
that is new in the template has to be classified here before the build is green.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Status = Literal["executed", "emulated", "checked"]

INTRODUCTION = """\
# What the one-machine cloud does and does not do

The one-machine cloud deploys the same stack template that AWS would get. This page says, for each of its resources,
how much of it happens here. **We have not run this on AWS ourselves**: what is only checked below is held by tests of
the template and by AWS's documentation, not by experience.

- **executed**: the thing itself runs, from the same definition.
- **emulated**: something of ours or of moto stands in for the service, with the behaviour that the product relies on.
- **checked**: it is in the template, and tests assert it; on one machine it changes nothing.

A property is named when it does less here than its resource. A test compares this page with the template.
"""

REMARKS = """\
## What differs, whatever the resource

- Permissions are not enforced: every function may call everything. Tests assert each role's actions.
- Encryption at rest and in transit is not done here; addresses are `http://127.0.0.1` and a Unix socket.
- Endpoints listen on this machine only, and check the signatures of presigned links alone.
- A message whose function failed comes again after five seconds at most, not after the queue's visibility timeout;
  failed asynchronous events after one and two seconds, not minutes.
- Functions without reserved concurrency wait for each other when the machine is busy; AWS would run more of them.
- Functions run on the Python of the environment, with the packages installed there, not on the Lambda runtime with
  the packages of its layers; a test imports each handler from its packaged layers.
- Memory is the resident size, looked at every 50 ms; processors are not limited by memory as Lambda limits them.
- An execution that runs when the cloud ends is `ABORTED` after the next start, with the error `Local.Stopped`. AWS's
  would have gone on; here the sweep starts the job's next leg.
- Step Functions' histories end with the process. Names of ended executions stay taken, without the 90 days.
- Schedules that were due while the cloud was not running are not run later. A machine that slept runs each once. A
  schedule in a flexible window fires at the window's beginning.
- State is written before a request is answered, so that `kill -9` loses nothing; it is forced to disk every second,
  so that a power cut may lose the last second.
- Lifecycle rules and items' time to live are looked at every minute; S3 takes a day, DynamoDB up to two.
"""


@dataclass(frozen=True)
class Entry:
    """What becomes of one type of resource.

    Args:
        status: Of the resource.
        remark: How.
        done: Properties that have the resource's status.
        less: Properties that do less, and why.
    """

    status: Status
    remark: str
    done: frozenset[str]
    less: dict[str, str] = field(default_factory=dict)


def _entry(status: Status, remark: str, done: str, **less: str) -> Entry:
    return Entry(status, remark, frozenset(done.split()), less)


CATALOGUE: dict[str, Entry] = {
    "AWS::Lambda::Function": _entry(
        "executed",
        "in worker processes, under its own timeout, memory and reserved concurrency, with its own variables",
        "Code Environment FunctionName Handler Layers MemorySize ReservedConcurrentExecutions Timeout DeadLetterConfig "
        "Description",
        Architectures="this machine's",
        Runtime="this environment's Python",
        Role="not enforced",
        TracingConfig="no X-Ray",
        LoggingConfig="logs are files",
        VpcConfig="no network of its own",
        KmsKeyArn="not encrypted",
        EphemeralStorage="the machine's temporary folder",
        Tags="ignored",
    ),
    "AWS::Lambda::LayerVersion": _entry(
        "executed",
        "its own code comes from the source tree, third parties' from the environment",
        "Content LayerName",
        CompatibleArchitectures="not looked at",
        CompatibleRuntimes="not looked at",
        Description="not looked at",
    ),
    "AWS::Lambda::EventSourceMapping": _entry(
        "emulated",
        "by our own poller: batches, windows, partial failures, dead letters",
        "BatchSize Enabled EventSourceArn FunctionName FunctionResponseTypes MaximumBatchingWindowInSeconds "
        "ScalingConfig",
    ),
    "AWS::Lambda::EventInvokeConfig": _entry(
        "emulated",
        "by our own queue of asynchronous events",
        "FunctionName MaximumRetryAttempts",
        Qualifier="there is one version",
        MaximumEventAgeInSeconds="events do not age",
    ),
    "AWS::Lambda::Permission": _entry(
        "checked", "permissions are not enforced", "Action FunctionName Principal SourceArn"
    ),
    "AWS::Lambda::Version": _entry("checked", "there is one version", "FunctionName Description CodeSha256"),
    "AWS::Lambda::Alias": _entry("checked", "there is one version", "FunctionName FunctionVersion Name"),
    "AWS::StepFunctions::StateMachine": _entry(
        "executed",
        "by moto's interpreter; every map, retry and catch of the definition",
        "DefinitionString StateMachineName",
        RoleArn="not enforced",
        LoggingConfiguration="no log is written",
        TracingConfiguration="no X-Ray",
        Tags="ignored",
        EncryptionConfiguration="not encrypted",
    ),
    "AWS::S3::Bucket": _entry(
        "emulated",
        "objects are files; versions, multipart uploads, conditions, ranges, links, one event per object",
        "BucketName LifecycleConfiguration NotificationConfiguration VersioningConfiguration",
        BucketEncryption="shown in headers, not encrypted",
        OwnershipControls="kept, not enforced",
        PublicAccessBlockConfiguration="kept, not enforced",
        LoggingConfiguration="no access log is written",
        Tags="ignored",
    ),
    "AWS::S3::BucketPolicy": _entry("checked", "kept, not enforced", "Bucket PolicyDocument"),
    "AWS::SQS::Queue": _entry(
        "emulated",
        "by moto over our own queues: visibility, receive counts, delays, dead letters, over a restart",
        "MessageRetentionPeriod QueueName RedrivePolicy VisibilityTimeout DelaySeconds MaximumMessageSize FifoQueue "
        "ContentBasedDeduplication ReceiveMessageWaitTimeSeconds",
        SqsManagedSseEnabled="not encrypted",
        KmsMasterKeyId="not encrypted",
        KmsDataKeyReusePeriodSeconds="not encrypted",
        RedriveAllowPolicy="not enforced",
        Tags="ignored",
    ),
    "AWS::SQS::QueuePolicy": _entry("checked", "not enforced", "PolicyDocument Queues"),
    "AWS::DynamoDB::Table": _entry(
        "emulated",
        "by moto, one request at a time: conditions, transactions, indexes, time to live, over a restart",
        "AttributeDefinitions GlobalSecondaryIndexes KeySchema TableName TimeToLiveSpecification BillingMode",
        DeletionProtectionEnabled="not enforced",
        PointInTimeRecoverySpecification="kept, nothing is backed up",
        SSESpecification="not encrypted",
        Tags="ignored",
        KinesisStreamSpecification="no stream",
    ),
    "AWS::Events::EventBus": _entry("emulated", "by moto", "Name Description", KmsKeyIdentifier="not encrypted"),
    "AWS::Events::Rule": _entry(
        "emulated",
        "patterns by moto, delivery by us to queues, functions, state machines, topics, logs and buses",
        "EventPattern Name State Targets EventBusName Description",
        ScheduleExpression="not fired: use a Schedule",
    ),
    "AWS::Scheduler::Schedule": _entry(
        "emulated",
        "by our own clock: rate, cron and at, time zones, start and end, retries, dead letters",
        "Description GroupName Name ScheduleExpression ScheduleExpressionTimezone StartDate EndDate State Target",
        FlexibleTimeWindow="fires at the beginning of the window",
        KmsKeyArn="not encrypted",
    ),
    "AWS::Scheduler::ScheduleGroup": _entry("emulated", "by moto", "Name", Tags="ignored"),
    "AWS::ApiGateway::RestApi": _entry(
        "emulated",
        "over HTTP, with API Gateway's and Lambda's limits: 10 MB, 6 MB after Base64, 29 s",
        "BinaryMediaTypes Description Name",
        EndpointConfiguration="this machine alone",
        Policy="not enforced",
        Tags="ignored",
        MinimumCompressionSize="nothing is compressed",
    ),
    "AWS::ApiGateway::Resource": _entry("emulated", "a route", "ParentId PathPart RestApiId"),
    "AWS::ApiGateway::Method": _entry(
        "emulated",
        "a route to its function",
        "HttpMethod Integration ResourceId RestApiId",
        AuthorizationType="the function verifies tokens, here as there",
        ApiKeyRequired="not enforced",
        RequestValidatorId="the function validates, here as there",
    ),
    "AWS::ApiGateway::Deployment": _entry("checked", "routes are live at once", "RestApiId Description"),
    "AWS::ApiGateway::Stage": _entry(
        "emulated",
        "its name may begin a path",
        "DeploymentId RestApiId StageName",
        AccessLogSetting="no log is written",
        MethodSettings="no throttling",
        TracingEnabled="no X-Ray",
        Variables="none",
        Tags="ignored",
    ),
    "AWS::ApiGateway::Account": _entry("checked", "kept", "CloudWatchRoleArn"),
    "AWS::WAFv2::WebACLAssociation": _entry("checked", "no firewall", "ResourceArn WebACLArn"),
    "AWS::IAM::Role": _entry(
        "checked",
        "permissions are not enforced",
        "AssumeRolePolicyDocument Policies RoleName ManagedPolicyArns Description",
    ),
    "AWS::IAM::Policy": _entry("checked", "permissions are not enforced", "PolicyDocument PolicyName Roles"),
    "AWS::KMS::Key": _entry("checked", "nothing is encrypted", "KeyPolicy EnableKeyRotation Description"),
    "AWS::KMS::Alias": _entry("checked", "nothing is encrypted", "AliasName TargetKeyId"),
    "AWS::Logs::LogGroup": _entry(
        "checked", "functions log to files, kept by size", "LogGroupName RetentionInDays KmsKeyId"
    ),
    "AWS::CloudWatch::Alarm": _entry(
        "checked",
        "kept and shown by the API, never evaluated",
        "ActionsEnabled AlarmActions AlarmDescription AlarmName ComparisonOperator DatapointsToAlarm Dimensions "
        "EvaluationPeriods MetricName Metrics Namespace OKActions Period Statistic Threshold TreatMissingData",
    ),
    "AWS::CloudWatch::Dashboard": _entry("checked", "kept", "DashboardBody DashboardName"),
    "AWS::SNS::Topic": _entry(
        "emulated",
        "by moto: subscribed queues get messages, nobody gets mail",
        "TopicName",
        KmsMasterKeyId="not encrypted",
    ),
    "AWS::SNS::TopicPolicy": _entry("checked", "not enforced", "PolicyDocument Topics"),
    "AWS::SNS::Subscription": _entry("checked", "nobody gets mail", "Endpoint Protocol TopicArn"),
}


@dataclass(frozen=True)
class Row:
    """One resource of the template."""

    logical_id: str
    kind: str
    status: Status
    remark: str
    less: tuple[tuple[str, str], ...]


def rows(template: dict[str, Any]) -> Iterator[Row]:
    """What becomes of each resource, by type and name.

    Raises:
        LookupError: A type or a property that `CATALOGUE` does not classify.
    """
    for logical_id, resource in sorted(template["Resources"].items(), key=lambda item: (item[1]["Type"], item[0])):
        kind = resource["Type"]
        entry = CATALOGUE.get(kind)
        if entry is None:
            raise LookupError(f"{kind} ({logical_id}) is not classified in local/fidelity.py")
        names = sorted(resource.get("Properties", {}))
        unknown = [name for name in names if name not in entry.done and name not in entry.less]
        if unknown:
            raise LookupError(f"{', '.join(unknown)} of {kind} ({logical_id}) is not classified in local/fidelity.py")
        less = tuple((name, entry.less[name]) for name in names if name in entry.less)
        yield Row(_readable(logical_id), kind, entry.status, entry.remark, less)


def _readable(logical_id: str) -> str:
    """A logical id without the hash that the CDK puts at its end, which changes with the tree's shape."""
    return re.sub(r"(?<=.)[0-9A-F]{8}(?:[0-9a-f]{32})?$", "", logical_id)


def page(template: dict[str, Any]) -> str:
    """The page, in Markdown."""
    found = list(rows(template))
    parts = [INTRODUCTION]
    for status in ("executed", "emulated", "checked"):
        chosen = [row for row in found if row.status == status]
        parts.append(f"## {status.capitalize()}: {len(chosen)} of {len(found)} resources\n")
        parts.append("| type | resources | how | properties that do less |\n|---|---|---|---|")
        kinds = sorted({row.kind for row in chosen})
        parts.extend(_line(kind, [row for row in chosen if row.kind == kind]) for kind in kinds)
        parts.append("")
    parts.append(REMARKS)
    return "\n".join(parts)


def _line(kind: str, chosen: list[Row]) -> str:
    names = ", ".join(f"`{row.logical_id}`" for row in chosen)
    less = sorted({pair for row in chosen for pair in row.less})
    shown = "; ".join(f"`{name}`: {why}" for name, why in less)
    return f"| `{kind.removeprefix('AWS::')}` | {names} | {chosen[0].remark} | {shown} |"


def main(arguments: list[str] | None = None) -> None:
    """Writes the page for the template of the one-machine cloud."""
    from local.template import cached_template, source_root

    parser = argparse.ArgumentParser(prog="python -m local.fidelity", description="Writes docs/fidelity.md.")
    parser.add_argument("--template", type=Path, help="a stack template; that of the one-machine cloud when not given")
    parser.add_argument("--out", type=Path, default=source_root() / "docs" / "fidelity.md")
    options = parser.parse_args(arguments)
    path = options.template or cached_template(source_root() / ".cache" / "templates")
    options.out.write_text(page(json.loads(path.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main()
