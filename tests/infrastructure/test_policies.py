"""What every role may do, to the action: a grant more or less fails here."""

from __future__ import annotations

import ast
import re
from typing import Any

import pytest

from stacks.bundling import ROOT
from stacks.settings import DATABASE_FUNCTIONS, FUNCTIONS
from tests.infrastructure.assemblies import FULL, KEY, Assembly, Resource, as_list, statements

# Names of resources, as the tables below write them.
_JOBS = "work:jobs/*"
_BODIES = "work:bodies/*"
_COLLECTIONS = "work:collections/*"

READ_JOBS = {"table": {"dynamodb:GetItem"}, _BODIES: {"s3:GetObject"}}
MOVE_JOBS = {
    "table": {"dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"},
    _BODIES: {"s3:GetObject", "s3:PutObject"},
}
READ_DROPS = {"inbox:*": {"s3:GetObject", "s3:GetObjectVersion"}, "inbox": {"s3:ListBucket"}}
READ_WORK = {_JOBS: {"s3:GetObject"}, "work": {"s3:ListBucket"}}
LIST_DROPS = {**READ_DROPS, "inbox": {"s3:ListBucket", "s3:ListBucketVersions"}}
WRITE_WORK = {_JOBS: {"s3:GetObject", "s3:PutObject"}, "work": {"s3:ListBucket"}}
TELL = {"outbox:*": {"s3:PutObject"}, "bus": {"events:PutEvents"}}

GRANTS: dict[str, dict[str, set[str]]] = {
    "intake": {
        **MOVE_JOBS,
        **LIST_DROPS,
        **TELL,
        "machine": {"states:StartExecution"},
        "queue": {
            "sqs:ChangeMessageVisibility",
            "sqs:DeleteMessage",
            "sqs:GetQueueAttributes",
            "sqs:ReceiveMessage",
        },
    },
    "detect": {
        **MOVE_JOBS,
        **READ_DROPS,
        **WRITE_WORK,
        _COLLECTIONS: {"s3:GetObject", "s3:PutObject"},
        "outbox:*": {"s3:PutObject"},
    },
    "split": {**MOVE_JOBS, **READ_DROPS, **WRITE_WORK},
    "profile": {**READ_JOBS, **READ_DROPS, **WRITE_WORK},
    "map": {**MOVE_JOBS, **WRITE_WORK},
    "validate": {**READ_JOBS, **READ_DROPS, **WRITE_WORK},
    "load": {**MOVE_JOBS, _JOBS: {"s3:DeleteObject", "s3:GetObject"}, "work": {"s3:ListBucket"}},
    "check": {
        **MOVE_JOBS,
        **READ_DROPS,
        **WRITE_WORK,
        "table": MOVE_JOBS["table"] | {"dynamodb:BatchGetItem", "dynamodb:DeleteItem", "dynamodb:Query"},
    },
    "gate": {**MOVE_JOBS, **WRITE_WORK},
    "publish": {**MOVE_JOBS, **READ_WORK, _COLLECTIONS: {"s3:GetObject", "s3:PutObject"}},
    "notify": {**MOVE_JOBS, **TELL},
    "sweep": {
        **MOVE_JOBS,
        **TELL,
        "table": MOVE_JOBS["table"] | {"dynamodb:BatchGetItem"},
        "index:live": {"dynamodb:Query"},
        "machine": {"states:StartExecution"},
        "executions": {"states:DescribeExecution"},
    },
    "api": {
        **MOVE_JOBS,
        **LIST_DROPS,
        **READ_WORK,
        _COLLECTIONS: {"s3:GetObject"},
        "table": MOVE_JOBS["table"] | {"dynamodb:BatchGetItem", "dynamodb:Query"},
        "index:by_state": {"dynamodb:Query"},
        "index:by_time": {"dynamodb:Query"},
        "inbox:*": {"s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"},
        "machine": {"states:StartExecution"},
        "executions": {"states:DescribeExecution"},
        "schedules": {"scheduler:CreateSchedule", "scheduler:DeleteSchedule", "scheduler:UpdateSchedule"},
        "schedule-role": {"iam:PassRole"},
    },
}

NETWORK = {
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
}


def granted(role: Resource, assembly: Assembly) -> dict[str, set[str]]:
    """Actions that a role is allowed, by the short name of the resource."""
    found: dict[str, set[str]] = {}
    for statement in statements(role):
        if statement["Effect"] == "Allow":
            for resource in as_list(statement["Resource"]):
                found.setdefault(short(resource, assembly), set()).update(as_list(statement["Action"]))
    return found


def short(arn: Any, assembly: Assembly) -> str:
    """A resource's name in the tables above; an ARN that has none stays as it is."""
    names, secret = assembly.settings.names, assembly.settings.database.secret
    known = {
        names.table_arn: "table",
        names.state_machine_arn: "machine",
        names.executions_arn: "executions",
        names.event_bus_arn: "bus",
        names.intake_queue_arn: "queue",
        names.dead_letters_arn: "dead-letters",
        names.schedules_arn: "schedules",
        names.schedule_role_arn: "schedule-role",
        names.secret_arn(secret): "secret",
    }
    for bucket in ("inbox", "work", "outbox"):
        whole = names.bucket_arn(getattr(names, bucket))
        known[whole] = bucket
        if arn.startswith(f"{whole}/"):
            return f"{bucket}:{arn.removeprefix(f'{whole}/')}"
    index = f"{names.table_arn}/index/"
    return f"index:{arn.removeprefix(index)}" if arn.startswith(index) else known.get(arn, arn)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_may_do_exactly_what_its_step_does(plain: Assembly, name: Any) -> None:
    names = plain.settings.names
    expected = {
        **GRANTS[name],
        "*": {"xray:PutTelemetryRecords", "xray:PutTraceSegments"},
        names.log_group_arn(f"/aws/lambda/{names.function(name)}:*"): {"logs:CreateLogStream", "logs:PutLogEvents"},
    }
    if name in DATABASE_FUNCTIONS:
        expected["secret"] = {"secretsmanager:GetSecretValue"}
    assert granted(plain.role(name), plain) == expected


@pytest.mark.parametrize("name", FUNCTIONS)
def test_vpc_key_and_further_buckets_add_only_their_own(plain: Assembly, full: Assembly, name: Any) -> None:
    settings = full.settings
    added: dict[str, set[str]] = {KEY: {"kms:Decrypt", "kms:GenerateDataKey"}}
    if name in DATABASE_FUNCTIONS:
        added[str(settings.database.secret_kms_key_arn)] = {"kms:Decrypt"}
    if "inbox:*" in GRANTS[name]:
        added["arn:aws:s3:::partner-files/*"] = {"s3:GetObject", "s3:GetObjectVersion"}
        added["arn:aws:s3:::partner-files"] = GRANTS[name]["inbox"]
    without = granted(plain.role(name), plain)
    expected = without | added
    if name in DATABASE_FUNCTIONS:
        expected["*"] = without["*"] | NETWORK
    assert granted(full.role(name), full) == expected


def test_a_function_s_own_code_may_not_use_the_network_s_grants(full: Assembly) -> None:
    for name, _ in full.functions():
        denied = [s for s in statements(full.role(name)) if s["Effect"] == "Deny"]
        if name not in DATABASE_FUNCTIONS:
            assert denied == []
            continue
        [deny] = denied
        assert set(deny["Action"]) == NETWORK
        arn = full.settings.names.function_arn(name)
        assert deny["Condition"] == {"ArnEquals": {"lambda:SourceFunctionArn": arn}}


def test_no_role_has_a_wildcard_among_its_actions_or_more_than_one_policy(either: Assembly) -> None:
    assert either.of_type("AWS::IAM::Policy") == []
    assert either.of_type("AWS::IAM::ManagedPolicy") == []
    for role in either.of_type("AWS::IAM::Role"):
        if "ManagedPolicyArns" in role.properties:
            continue
        for statement in statements(role):
            assert not [action for action in as_list(statement["Action"]) if "*" in action]


def test_only_the_account_s_api_gateway_role_has_a_managed_policy(plain: Assembly, full: Assembly) -> None:
    managed = [r for r in plain.of_type("AWS::IAM::Role") if "ManagedPolicyArns" in r.properties]
    assert [plain.one("AWS::ApiGateway::Account").properties["CloudWatchRoleArn"]["Fn::GetAtt"][0]] == [
        role.logical_id for role in managed
    ]
    assert not [r for r in full.of_type("AWS::IAM::Role") if "ManagedPolicyArns" in r.properties]


def test_each_function_has_a_role_of_its_own(either: Assembly) -> None:
    assert len({either.role(name).logical_id for name in FUNCTIONS}) == len(FUNCTIONS)


def test_a_secret_given_by_name_is_opened_under_that_name_only(plain: Assembly) -> None:
    names = plain.settings.names
    arn = names.secret_arn("entrepot/database")
    assert arn == "arn:aws:secretsmanager:eu-central-1:111122223333:secret:entrepot/database-??????"
    assert names.secret_arn(FULL["database"]["secret"]) == FULL["database"]["secret"]


def test_passing_the_role_is_for_the_scheduler_only(either: Assembly) -> None:
    [passing] = [s for s in statements(either.role("api")) if s["Action"] == "iam:PassRole"]
    assert passing["Condition"] == {"StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}}


def test_the_state_machine_may_run_its_steps_and_its_own_children(either: Assembly) -> None:
    names = either.settings.names
    machine = either.one("AWS::StepFunctions::StateMachine").properties["RoleArn"]["Fn::GetAtt"][0]
    role = next(r for r in either.of_type("AWS::IAM::Role") if r.logical_id == machine)
    found = granted(role, either)
    found.pop(KEY, None)
    invoked = {arn for arn, actions in found.items() if "lambda:InvokeFunction" in actions}
    steps = set(FUNCTIONS) - {"intake", "sweep", "api"}
    assert invoked == {f"{names.function_arn(name)}:*" for name in steps}
    rest = {key: actions for key, actions in found.items() if key not in invoked | {"*"}}
    children = {"states:DescribeExecution", "states:StopExecution"}
    assert rest == {
        "table": {"dynamodb:UpdateItem"},
        _JOBS: {"s3:GetObject"},
        "machine": {"states:StartExecution"},
        "executions": children,
        names.map_executions_arn("ProfileChunks"): children,
        names.map_executions_arn("LoadChunks"): children,
    }
    assert {action.split(":")[0] for action in found["*"]} == {"logs", "xray"}


def test_schedules_deliver_and_the_sweep_s_starts_it_and_nobody_else_may_borrow_them(either: Assembly) -> None:
    names = either.settings.names
    roles = [r for r in either.of_type("AWS::IAM::Role") if _trusted(r) == "scheduler.amazonaws.com"]
    found = []
    for role in roles:
        grants = granted(role, either)
        grants.pop(KEY, None)
        condition = role.properties["AssumeRolePolicyDocument"]["Statement"][0]["Condition"]["StringEquals"]
        assert condition["aws:SourceAccount"] == names.account
        found.append((condition["aws:SourceArn"].rsplit("/", 1)[-1], grants))
    send = {"sqs:SendMessage"}
    assert sorted(found, key=str) == sorted(
        [
            (names.schedule_group, {"queue": send, "dead-letters": send}),
            (names.house_schedule_group, {names.function_arn("sweep"): {"lambda:InvokeFunction"}}),
        ],
        key=str,
    )


# What each call of an AWS client needs. Completing and listing parts come with putting; a transaction
# is authorised by the writes in it.
NEEDED = {
    "abort_multipart_upload": {"s3:AbortMultipartUpload"},
    "batch_get_item": {"dynamodb:BatchGetItem"},
    "complete_multipart_upload": {"s3:PutObject"},
    "create_multipart_upload": {"s3:PutObject"},
    "create_schedule": {"scheduler:CreateSchedule"},
    "delete_item": {"dynamodb:DeleteItem"},
    "delete_object": {"s3:DeleteObject"},
    "delete_schedule": {"scheduler:DeleteSchedule"},
    "describe_execution": {"states:DescribeExecution"},
    "generate_presigned_url": set(),
    "get_item": {"dynamodb:GetItem"},
    "get_object": {"s3:GetObject", "s3:GetObjectVersion"},
    "get_secret_value": {"secretsmanager:GetSecretValue"},
    "head_object": {"s3:GetObject", "s3:GetObjectVersion"},
    "list_object_versions": {"s3:ListBucketVersions"},
    "list_objects_v2": {"s3:ListBucket"},
    "put_events": {"events:PutEvents"},
    "put_item": {"dynamodb:PutItem"},
    "put_object": {"s3:PutObject"},
    "query": {"dynamodb:Query"},
    "start_execution": {"states:StartExecution"},
    "stop_execution": {"states:StopExecution"},
    "transact_write_items": {"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"},
    "update_item": {"dynamodb:UpdateItem"},
    "update_schedule": {"scheduler:UpdateSchedule"},
    "upload_part": {"s3:PutObject"},
}

# Nobody is granted these: an upload that is given up is tidied by the bucket's lifecycle rule, and the steps of
# a job that was cancelled see so themselves.
UNGRANTED = {"s3:AbortMultipartUpload", "states:StopExecution"}

# Granted without a call in our code: Lambda itself receives in intake's name, and the scheduler asks
# whether the role may be passed.
UNCALLED = {"iam:PassRole"} | GRANTS["intake"]["queue"]


def test_the_grants_are_of_calls_that_the_adapters_make_and_no_call_lacks_one(plain: Assembly) -> None:
    called = _client_calls()
    assert called <= set(NEEDED), f"calls without an entry: {called - set(NEEDED)}"
    needed = set().union(*(NEEDED[call] for call in called)) - UNGRANTED
    given = {
        action for name in FUNCTIONS for actions in granted(plain.role(name), plain).values() for action in actions
    }
    given = {action for action in given if not action.startswith(("logs:", "xray:"))} - UNCALLED
    assert given == needed


def _client_calls() -> set[str]:
    """Operations of AWS clients that the adapters name, by attribute or as text."""
    found: set[str] = set()
    for path in (ROOT / "layers/core/python/entrepot/adapters").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                if re.fullmatch(r".*\bself\.(_?client)", ast.unparse(node.func.value)):
                    found.add(node.func.attr)
            elif isinstance(node, ast.Constant) and node.value in NEEDED:
                found.add(node.value)
    return found


def _trusted(role: Resource) -> Any:
    return role.properties["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]["Service"]
