"""The same stack template is created in the one-machine emulation, and only what is known is skipped."""

from __future__ import annotations

import io
import json
import re
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from stacks.settings import Settings
from tests.infrastructure.assemblies import Assembly, assemble

# Known to CloudFormation and not to moto's; docs/fidelity.md says what stands in for each.
SKIPPED = {
    "AWS::ApiGateway::Account",
    "AWS::ApiGateway::Stage",
    "AWS::CloudWatch::Alarm",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
    "AWS::Scheduler::Schedule",
    "AWS::Scheduler::ScheduleGroup",
}


@pytest.fixture(scope="session")
def local(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    """What the one-machine cloud deploys."""
    return assemble(Settings.local().model_dump(mode="json", by_alias=True), tmp_path_factory.mktemp("local"))


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch, local: Assembly) -> Iterator[None]:
    """An empty account with the bootstrap's parts that a stack template refers to."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", local.settings.region)
    monkeypatch.setenv("MOTO_ACCOUNT_ID", local.settings.account)
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    with mock_aws(config={"lambda": {"use_docker": False}}):
        boto3.client("ssm").put_parameter(Name="/cdk-bootstrap/hnb659fds/version", Value="21", Type="String")
        _stage_assets(local.path)
        yield


def _stage_assets(template: Path) -> None:
    s3 = boto3.client("s3")
    stub = io.BytesIO()
    with zipfile.ZipFile(stub, "w") as archive:
        archive.writestr("handler.py", "")
    assets = json.loads(template.with_name(template.name.replace(".template.", ".assets.")).read_text())
    for asset in assets["files"].values():
        for place in asset["destinations"].values():
            region = place.get("region", "us-east-1")
            elsewhere = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
            s3.create_bucket(Bucket=place["bucketName"], **elsewhere)
            s3.put_object(Bucket=place["bucketName"], Key=place["objectKey"], Body=stub.getvalue())


def _create(assembly: Assembly) -> tuple[dict[str, Any], set[str]]:
    cloudformation = boto3.client("cloudformation")
    name = assembly.settings.names.stack
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        body = assembly.path.read_text(encoding="utf-8")
        cloudformation.create_stack(StackName=name, TemplateBody=body, Capabilities=["CAPABILITY_NAMED_IAM"])
    skipped = {found[0] for one in told if (found := re.findall(r"AWS::\w+::\w+", str(one.message)))}
    return cloudformation.describe_stacks(StackName=name)["Stacks"][0], skipped


@pytest.mark.usefixtures("account")
def test_the_local_stack_template_deploys_and_only_known_types_are_skipped(local: Assembly) -> None:
    names = local.settings.names
    stack, skipped = _create(local)
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert skipped == SKIPPED
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    assert re.fullmatch(r"https://\w+\.execute-api\.us-east-1\.amazonaws\.com/v1", outputs.pop("ApiUrl"))
    assert outputs == {
        "Inbox": names.inbox,
        "Work": names.work,
        "Outbox": names.outbox,
        "Table": names.table,
        "StateMachine": names.state_machine_arn,
        "IntakeQueue": names.intake_queue,
        "EventBus": names.event_bus,
        "AlarmTopic": f"arn:aws:sns:us-east-1:{names.account}:{names.base}-alarms",
    }


@pytest.mark.usefixtures("account")
def test_names_are_those_that_the_functions_are_given(local: Assembly) -> None:
    names = local.settings.names
    _create(local)
    assert boto3.client("dynamodb").describe_table(TableName=names.table)["Table"]["TableArn"] == names.table_arn
    queue = boto3.client("sqs").get_queue_url(QueueName=names.intake_queue)["QueueUrl"]
    attributes = boto3.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    assert attributes["Attributes"]["QueueArn"] == names.intake_queue_arn
    machine = boto3.client("stepfunctions").describe_state_machine(stateMachineArn=names.state_machine_arn)
    definition = json.loads(machine["definition"])
    assert definition["StartAt"] == "Detect"
    assert definition["States"]["Detect"]["Resource"] == names.function_arn("detect")
    assert boto3.client("events").describe_event_bus(Name=names.event_bus)["Arn"] == names.event_bus_arn


def test_the_settings_of_the_local_cloud_survive_a_round_trip_as_json(local: Assembly) -> None:
    assert local.settings == Settings.local()
