"""What the pipeline stack consists of, as far as somebody would be hurt by its absence."""

from __future__ import annotations

import json
import re

import pytest

from stacks.constructs.job_table import INDEXES
from stacks.settings import DATABASE_FUNCTIONS, FUNCTIONS
from tests.infrastructure.assemblies import KEY, SECURITY_GROUPS, SUBNETS, Assembly, flat

DEPLOYED_BY_MOTO = {
    "AWS::ApiGateway::Deployment",
    "AWS::ApiGateway::Method",
    "AWS::ApiGateway::Resource",
    "AWS::ApiGateway::RestApi",
    "AWS::CloudWatch::Dashboard",
    "AWS::DynamoDB::Table",
    "AWS::Events::EventBus",
    "AWS::Events::Rule",
    "AWS::IAM::Role",
    "AWS::Lambda::EventSourceMapping",
    "AWS::Lambda::Function",
    "AWS::Lambda::LayerVersion",
    "AWS::Lambda::Permission",
    "AWS::Lambda::Version",
    "AWS::Logs::LogGroup",
    "AWS::S3::Bucket",
    "AWS::SNS::Topic",
    "AWS::SQS::Queue",
    "AWS::StepFunctions::StateMachine",
}


def test_buckets_are_closed_encrypted_and_tidied(either: Assembly) -> None:
    buckets = either.of_type("AWS::S3::Bucket")
    assert len(buckets) == 4
    for bucket in buckets:
        assert set(bucket.properties["PublicAccessBlockConfiguration"].values()) == {True}
        assert bucket.properties["BucketEncryption"]
        assert bucket.properties["LifecycleConfiguration"]["Rules"]
        assert bucket.body["DeletionPolicy"] == "Retain"


def test_only_tls_reaches_buckets_and_queues(either: Assembly) -> None:
    for kind, count in (("AWS::S3::BucketPolicy", 4), ("AWS::SQS::QueuePolicy", 2)):
        policies = either.of_type(kind)
        assert len(policies) == count
        for policy in policies:
            denied = [s for s in policy.properties["PolicyDocument"]["Statement"] if s["Effect"] == "Deny"]
            assert {"Bool": {"aws:SecureTransport": "false"}} in [s.get("Condition") for s in denied]


def test_the_inbox_keeps_versions_and_announces_drops_without_a_custom_resource(either: Assembly) -> None:
    inbox = either.one("AWS::S3::Bucket", BucketName=either.settings.names.inbox)
    assert inbox.properties["VersioningConfiguration"] == {"Status": "Enabled"}
    announced = inbox.properties["NotificationConfiguration"]["EventBridgeConfiguration"]
    assert announced == {"EventBridgeEnabled": True}
    assert not [r for r in either.template["Resources"].values() if r["Type"].startswith("Custom::")]
    assert len(either.of_type("AWS::Lambda::Function")) == len(FUNCTIONS)


def test_work_files_of_jobs_expire_and_what_items_refer_to_does_not(either: Assembly) -> None:
    work = either.one("AWS::S3::Bucket", BucketName=either.settings.names.work)
    expiring = [r for r in work.properties["LifecycleConfiguration"]["Rules"] if "ExpirationInDays" in r]
    assert [(r["Prefix"], r["ExpirationInDays"]) for r in expiring] == [("jobs/", either.settings.retention.work)]


def test_a_drop_goes_to_intake_and_is_never_lost(either: Assembly) -> None:
    names = either.settings.names
    rule = either.one("AWS::Events::Rule").properties
    assert rule["EventPattern"]["detail-type"] == ["Object Created"]
    [target] = rule["Targets"]
    queue = either.one("AWS::SQS::Queue", QueueName=names.intake_queue)
    dead = either.one("AWS::SQS::Queue", QueueName=names.dead_letters)
    assert flat(target["Arn"]) == f"{{{queue.logical_id}.Arn}}"
    assert flat(target["DeadLetterConfig"]["Arn"]) == f"{{{dead.logical_id}.Arn}}"
    assert flat(queue.properties["RedrivePolicy"]["deadLetterTargetArn"]) == f"{{{dead.logical_id}.Arn}}"
    assert queue.properties["VisibilityTimeout"] >= 6 * either.settings.timeout_of("intake")
    mapping = either.one("AWS::Lambda::EventSourceMapping").properties
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["FunctionName"] == {"Ref": either.function("intake").logical_id}


def test_the_table_has_its_indexes_recovery_and_expiry(either: Assembly) -> None:
    table = either.one("AWS::DynamoDB::Table").properties
    keys = {i["IndexName"]: tuple(k["AttributeName"] for k in i["KeySchema"]) for i in table["GlobalSecondaryIndexes"]}
    assert keys == INDEXES
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires", "Enabled": True}
    assert table["DeletionProtectionEnabled"] is True


def test_every_function_has_limits_logs_and_traces_of_its_own(either: Assembly) -> None:
    groups = {g.properties["LogGroupName"]: g for g in either.of_type("AWS::Logs::LogGroup")}
    for name, function in either.functions():
        chosen = function.properties
        assert chosen["Timeout"] == either.settings.timeout_of(name)
        assert chosen["MemorySize"] == either.settings.memory_of(name)
        assert chosen["Runtime"] == either.settings.runtime
        assert chosen["Handler"] == "handler.handler"
        assert chosen["TracingConfig"] == {"Mode": "Active"}
        assert chosen["LoggingConfig"]["LogFormat"] == "JSON"
        group = groups[f"/aws/lambda/{chosen['FunctionName']}"]
        assert chosen["LoggingConfig"]["LogGroup"] == {"Ref": group.logical_id}


def test_every_log_group_ends(either: Assembly) -> None:
    groups = either.of_type("AWS::Logs::LogGroup")
    assert len(groups) == len(FUNCTIONS) + 2
    assert {g.properties["RetentionInDays"] for g in groups} == {either.settings.retention.logs}


def test_only_functions_that_open_the_database_join_the_vpc(full: Assembly) -> None:
    for name, function in full.functions():
        joined = function.properties.get("VpcConfig")
        expected = {"SubnetIds": SUBNETS, "SecurityGroupIds": SECURITY_GROUPS} if name in DATABASE_FUNCTIONS else None
        assert joined == expected, name


def test_without_a_vpc_nothing_joins_one(plain: Assembly) -> None:
    assert not [name for name, function in plain.functions() if "VpcConfig" in function.properties]
    assert not [kind for kind in _types(plain) if kind.startswith("AWS::EC2::")]


def test_a_certificate_authority_is_shipped_to_those_who_verify_it(full: Assembly, plain: Assembly) -> None:
    assert plain.function("load").properties["Environment"]["Variables"]["DATABASE_CA"] == "system"
    certificates = full.one("AWS::Lambda::LayerVersion", LayerName=f"{full.settings.names.base}-certificates")
    for name, function in full.functions():
        layers = [layer["Ref"] for layer in function.properties["Layers"]]
        assert (certificates.logical_id in layers) is (name in DATABASE_FUNCTIONS)
        assert len(layers) <= 5


KEY_PROPERTIES = {
    "AWS::DynamoDB::Table": lambda p: p["SSESpecification"]["KMSMasterKeyId"],
    "AWS::Events::EventBus": lambda p: p["KmsKeyIdentifier"],
    "AWS::Lambda::Function": lambda p: p["KmsKeyArn"],
    "AWS::Logs::LogGroup": lambda p: p["KmsKeyId"],
    "AWS::S3::Bucket": lambda p: _encryption(p)["KMSMasterKeyID"],
    "AWS::SNS::Topic": lambda p: p["KmsMasterKeyId"],
    "AWS::SQS::Queue": lambda p: p["KmsMasterKeyId"],
    "AWS::Scheduler::Schedule": lambda p: p["KmsKeyArn"],
    "AWS::StepFunctions::StateMachine": lambda p: p["EncryptionConfiguration"]["KmsKeyId"],
}


@pytest.mark.parametrize("kind", sorted(KEY_PROPERTIES))
def test_a_customer_s_key_encrypts_every_store_queue_and_log(full: Assembly, kind: str) -> None:
    resources = [r for r in full.of_type(kind) if r.properties.get("BucketName") != full.settings.names.access_logs]
    assert resources
    assert {KEY_PROPERTIES[kind](r.properties) for r in resources} == {KEY}


def test_access_logs_alone_stay_under_s3_s_own_key(full: Assembly) -> None:
    logs = full.one("AWS::S3::Bucket", BucketName=full.settings.names.access_logs)
    assert _encryption(logs.properties) == {"SSEAlgorithm": "AES256"}
    prefixes = {
        b.properties["LoggingConfiguration"]["LogFilePrefix"] for b in full.of_type("AWS::S3::Bucket") if b != logs
    }
    assert prefixes == {"inbox/", "work/", "outbox/"}


def test_the_sweep_runs_every_five_minutes_and_users_schedules_are_apart(either: Assembly) -> None:
    names = either.settings.names
    sweep = either.one("AWS::Scheduler::Schedule").properties
    assert sweep["ScheduleExpression"] == "rate(5 minutes)"
    assert sweep["Target"]["Arn"] == names.function_arn("sweep")
    assert sweep["GroupName"] == names.house_schedule_group != names.schedule_group
    groups = {group.properties["Name"] for group in either.of_type("AWS::Scheduler::ScheduleGroup")}
    assert groups == {names.schedule_group, names.house_schedule_group}
    assert either.settings.timeout_of("sweep") < 300


def test_the_api_hands_everything_to_its_function(either: Assembly) -> None:
    api = either.one("AWS::ApiGateway::RestApi").properties
    assert api["BinaryMediaTypes"] == ["multipart/form-data"]
    assert either.one("AWS::ApiGateway::Resource").properties["PathPart"] == "{proxy+}"
    methods = either.of_type("AWS::ApiGateway::Method")
    assert [m.properties["HttpMethod"] for m in methods] == ["ANY", "ANY"]
    function = either.function("api").logical_id
    for method in methods:
        integration = method.properties["Integration"]
        assert integration["Type"] == "AWS_PROXY"
        assert f"{{{function}.Arn}}" in flat(integration["Uri"])


def test_the_api_s_stage_logs_without_bodies_and_is_throttled(either: Assembly) -> None:
    stage = either.one("AWS::ApiGateway::Stage").properties
    [method] = stage["MethodSettings"]
    assert method["DataTraceEnabled"] is False
    assert (method["ThrottlingRateLimit"], method["ThrottlingBurstLimit"]) == (50, 100)
    assert stage["TracingEnabled"] is True
    logged = json.loads(stage["AccessLogSetting"]["Format"])
    assert "$context.requestId" in logged.values()
    assert not any("querystring" in value or "authorizer" in value for value in logged.values())


def test_only_the_api_s_own_stage_may_invoke_its_function(either: Assembly) -> None:
    permission = either.one("AWS::Lambda::Permission").properties
    assert permission["Principal"] == "apigateway.amazonaws.com"
    assert re.search(r":execute-api:eu-central-1:111122223333:\{\w+\}/v1/\*$", flat(permission["SourceArn"]))


def test_somebody_is_woken(either: Assembly) -> None:
    alarms = {
        a.properties["AlarmName"].removeprefix(f"{either.settings.names.base}-"): a.properties
        for a in either.of_type("AWS::CloudWatch::Alarm")
    }
    assert set(alarms) == {
        "DeadLetters",
        "FailedExecutions",
        "LateJobs",
        "IntakeErrors",
        "SweepErrors",
        "ApiErrors",
        "NotifyErrors",
    }
    topic = either.one("AWS::SNS::Topic").logical_id
    assert all(alarm["AlarmActions"] == [{"Ref": topic}] for alarm in alarms.values())
    late = alarms["LateJobs"]
    assert (late["Namespace"], late["MetricName"]) == ("Entrepot", "LateJobs")
    sweep = either.function("sweep").properties["Environment"]["Variables"]
    assert late["Dimensions"] == [{"Name": "service", "Value": sweep["POWERTOOLS_SERVICE_NAME"]}]
    assert late["Namespace"] == sweep["POWERTOOLS_METRICS_NAMESPACE"]


def test_deleting_the_stack_keeps_the_data(either: Assembly) -> None:
    kept = {"AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::SQS::Queue", "AWS::Logs::LogGroup"}
    for body in either.template["Resources"].values():
        if body["Type"] in kept:
            assert body["DeletionPolicy"] == body["UpdateReplacePolicy"] == "Retain"


def test_tags_reach_the_resources(full: Assembly) -> None:
    assert {"Key": "owner", "Value": "data-office"} in full.one("AWS::DynamoDB::Table").properties["Tags"]


def test_nothing_refers_to_what_the_one_machine_cloud_skips(either: Assembly) -> None:
    resources = either.template["Resources"]
    skipped = {key for key, body in resources.items() if body["Type"] not in DEPLOYED_BY_MOTO}
    for key, body in resources.items():
        if key not in skipped:
            assert not skipped & _references(body.get("Properties")), key
    assert not skipped & _references(either.template["Outputs"])


def _types(assembly: Assembly) -> set[str]:
    return {body["Type"] for body in assembly.template["Resources"].values()}


def _encryption(properties: dict) -> dict:
    [rule] = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    return rule["ServerSideEncryptionByDefault"]


def _references(value: object) -> set[str]:
    if isinstance(value, list):
        return set().union(*map(_references, value))
    if not isinstance(value, dict):
        return set()
    if "Ref" in value:
        return {value["Ref"]}
    if "Fn::GetAtt" in value:
        return {value["Fn::GetAtt"][0]}
    return set().union(*map(_references, value.values()))
