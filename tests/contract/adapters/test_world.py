"""Executions, events, schedules and secrets: the fakes and AWS as moto plays it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from entrepot.adapters.eventbus import EventBridgeBus
from entrepot.adapters.scheduler import EventBridgeScheduler, check_expression, schedule_name
from entrepot.adapters.secrets import KEEP_SECONDS, SecretsManagerSecrets
from entrepot.adapters.stepfunctions import StepFunctionsExecutions
from entrepot.errors import ConfigurationError, TooLargeError, UsageError
from tests.builders import any_id, any_name
from tests.contract.adapters.motocloud import ACCOUNT, REGION
from tests.fakes.world import FakeBus, FakeExecutions, FakeScheduler, FakeSecrets

WAITING = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 600, "End": True}}}


def client(service: str) -> Any:
    from entrepot.adapters import aws

    return aws.client(service)


@dataclass
class Machine:
    executions: Any
    backend: str

    def end(self, job_id: str, leg: int) -> None:
        if self.backend == "fake":
            self.executions.end(job_id, leg)
        else:
            # moto runs nothing by itself: stopping is the one end that it knows.
            self.executions.stop(job_id, leg, "end of test")


@pytest.fixture
def machine(backend: str) -> Machine:
    if backend == "fake":
        return Machine(FakeExecutions(), backend)
    role = f"arn:aws:iam::{ACCOUNT}:role/any"
    made = client("stepfunctions").create_state_machine(
        name=any_name("import"), definition=json.dumps(WAITING), roleArn=role
    )
    return Machine(StepFunctionsExecutions(made["stateMachineArn"]), backend)


def test_a_leg_starts_once(machine: Machine):
    job = any_id()
    assert machine.executions.start("main", job, 1)
    assert machine.executions.running(job, 1)
    # Asked again in the same words while it runs, the service answers as before.
    assert machine.executions.start("main", job, 1)
    assert not machine.executions.start("other", job, 1)
    machine.end(job, 1)
    assert not machine.executions.running(job, 1)
    assert not machine.executions.start("main", job, 1)
    assert machine.executions.start("main", job, 2)


def test_a_leg_that_was_never_started(machine: Machine):
    assert not machine.executions.running(any_id(), 1)
    machine.executions.stop(any_id(), 1, "nothing to stop")


def test_a_stopped_leg_does_not_run(machine: Machine):
    job = any_id()
    machine.executions.start("main", job, 1)
    machine.executions.stop(job, 1, "cancelled by a person" * 200)
    assert not machine.executions.running(job, 1)
    machine.executions.stop(job, 1, "again")


def test_an_execution_gets_ids_alone_in_the_same_text_always(cloud: None):
    seen: list[dict[str, Any]] = []

    class Client:
        def start_execution(self, **request: Any) -> None:
            seen.append(request)

    arn = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:entrepot-x-import"
    StepFunctionsExecutions(arn, Client()).start("main", "job", 3)
    assert seen == [{"stateMachineArn": arn, "name": "job-3", "input": '{"tenant":"main","job_id":"job","leg":3}'}]


def test_a_machine_that_is_not_there(cloud: None):
    arn = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:none"
    with pytest.raises(ConfigurationError):
        StepFunctionsExecutions(arn).start("main", "job", 1)


def test_an_event_is_announced(backend: str):
    detail = {"job_id": "j", "counts": {"read": 3}}
    if backend == "fake":
        bus = FakeBus()
        bus.publish("Job Published", detail)
        assert bus.events == [("Job Published", detail)]
        return
    events, sqs = client("events"), client("sqs")
    events.create_event_bus(Name="jobs")
    queue = sqs.create_queue(QueueName="heard")["QueueUrl"]
    events.put_rule(Name="all", EventBusName="jobs", EventPattern='{"source": ["entrepot"]}')
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:heard"
    events.put_targets(Rule="all", EventBusName="jobs", Targets=[{"Id": "q", "Arn": arn}])
    EventBridgeBus("jobs").publish("Job Published", detail)
    heard = json.loads(sqs.receive_message(QueueUrl=queue)["Messages"][0]["Body"])
    assert (heard["source"], heard["detail-type"], heard["detail"]) == ("entrepot", "Job Published", detail)


def test_an_event_has_a_bound():
    with pytest.raises(TooLargeError):
        EventBridgeBus("jobs", object()).publish("Job Published", {"x": "y" * 300_000})


@dataclass
class Schedules:
    scheduler: Any
    backend: str

    def get(self, tenant: str, name: str) -> dict[str, Any] | None:
        """Expression, zone, start, end and whether it is on; None when there is no such schedule."""
        if self.backend == "fake":
            found = self.scheduler.schedules.get((tenant, name))
            return vars(found) if found else None
        api = client("scheduler")
        try:
            found = api.get_schedule(GroupName="imports", Name=schedule_name(tenant, name))
        except api.exceptions.ResourceNotFoundException:
            return None
        return {
            "expression": found["ScheduleExpression"],
            "timezone": found["ScheduleExpressionTimezone"],
            "enabled": found["State"] == "ENABLED",
        }


@pytest.fixture(scope="module")
def group(cloud: None) -> None:
    client("scheduler").create_schedule_group(Name="imports")


@pytest.fixture
def schedules(backend: str, request: pytest.FixtureRequest) -> Schedules:
    if backend == "fake":
        return Schedules(FakeScheduler(), backend)
    request.getfixturevalue("group")
    queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:intake"
    role = f"arn:aws:iam::{ACCOUNT}:role/schedules"
    return Schedules(EventBridgeScheduler(group="imports", role_arn=role, queue_arn=queue), backend)


def put(schedules: Schedules, tenant: str, name: str, **how: Any) -> None:
    defaults = {"expression": "rate(5 minutes)", "timezone": "UTC", "start": None, "end": None, "enabled": True}
    schedules.scheduler.put(tenant, name, **(defaults | how))


def test_a_schedule_is_put_replaced_and_removed(schedules: Schedules):
    name = any_name("night")
    put(schedules, "main", name, expression="cron(0 2 * * ? *)", timezone="Europe/Berlin")
    found = schedules.get("main", name)
    assert (found["expression"], found["timezone"], found["enabled"]) == ("cron(0 2 * * ? *)", "Europe/Berlin", True)
    put(schedules, "main", name, enabled=False)
    found = schedules.get("main", name)
    assert (found["expression"], found["enabled"]) == ("rate(5 minutes)", False)
    schedules.scheduler.delete("main", name)
    assert schedules.get("main", name) is None
    schedules.scheduler.delete("main", name)


def test_tenants_do_not_share_schedules(schedules: Schedules):
    put(schedules, "a", "b.c")
    put(schedules, "a.b", "c", enabled=False)
    assert schedules.get("a", "b.c")["enabled"]
    schedules.scheduler.delete("a.b", "c")
    assert schedules.get("a", "b.c") is not None


def test_what_is_no_schedule_expression(schedules: Schedules):
    with pytest.raises(UsageError):
        put(schedules, "main", "bad", expression="every day at noon")
    assert schedules.get("main", "bad") is None


def test_a_schedule_tells_the_queue_whose_it_is_and_when(cloud: None, group: None):
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}"
    role = f"arn:aws:iam::{ACCOUNT}:role/schedules"
    scheduler = EventBridgeScheduler(
        group="imports", role_arn=role, queue_arn=f"{arn}:intake", dead_letters_arn=f"{arn}:dead"
    )
    start, end = "2030-01-01T00:00:00+01:00", "2030-02-01T00:00:00Z"
    scheduler.put("main", "told", expression="rate(1 day)", timezone="UTC", start=start, end=end, enabled=True)
    found = client("scheduler").get_schedule(GroupName="imports", Name="main.told")
    assert json.loads(found["Target"]["Input"]) == {
        "source": "entrepot.schedule",
        "tenant": "main",
        "schedule": "told",
        "scheduled_at": "<aws.scheduler.scheduled-time>",
    }
    assert found["Target"]["Arn"] == f"{arn}:intake"
    assert found["Target"]["RoleArn"] == role
    assert found["Target"]["DeadLetterConfig"] == {"Arn": f"{arn}:dead"}
    assert found["StartDate"] == datetime(2029, 12, 31, 23, tzinfo=UTC)
    assert found["EndDate"] == datetime(2030, 2, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "expression",
    [
        "rate(1 minute)",
        "rate(5 minutes)",
        "rate(12 hours)",
        "at(2026-12-24T18:00:00)",
        "cron(0 6 * * ? *)",
        "cron(0/15 8-18 ? * MON-FRI 2026)",
        "cron(0 0 L * ? *)",
        "cron(0 9 ? * 2#1 *)",
    ],
)
def test_expressions_that_aws_reads(expression):
    check_expression(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "rate(0 minutes)",
        "rate(1 minutes)",
        "rate(2 minute)",
        "rate(-1 hours)",
        "rate(5 fortnights)",
        "at(2026-13-01T00:00:00)",
        "at(2026-12-24T18:00:00Z)",
        "at(tomorrow)",
        "cron(0 6 * * *)",
        "cron(0 6 * * * *)",
        "cron(0 6 * * ? * *)",
        "cron(0 6 * * ? $(id))",
        "0 6 * * ? *",
        "rate(5 minutes) ",
    ],
)
def test_expressions_that_aws_refuses(expression):
    with pytest.raises(UsageError):
        check_expression(expression)


@pytest.mark.parametrize("how", [{"timezone": "Mars/Base"}, {"timezone": "../etc"}, {"start": "soon"}, {"end": "2026"}])
def test_zones_and_times_that_cannot_be_read(how):
    with pytest.raises(UsageError):
        put(
            Schedules(EventBridgeScheduler(group="g", role_arn="r", queue_arn="q", client=object()), "aws"),
            "a",
            "b",
            **how,
        )


def test_schedule_names_are_aws_names_and_never_shared():
    pairs = [
        ("a", "b"),
        ("a", "b.c"),
        ("a.b", "c"),
        ("a", "x" * 63),
        ("y" * 63, "x" * 63),
        ("x_1", "b"),
        ("y" * 63, "z"),
    ]
    names = [schedule_name(*pair) for pair in pairs]
    assert len(set(names)) == len(pairs)
    assert all(len(name) <= 64 for name in names)
    assert names[0] == "a.b"


RDS = {"host": "db", "port": 5433, "username": "u", "password": "p", "dbname": "d", "sslmode": "disable"}


def secrets_of(backend: str, content: Any) -> tuple[Any, str]:
    name = any_name("secret")
    if backend == "fake":
        return FakeSecrets({name: content}), name
    text = content if isinstance(content, str) else json.dumps(content)
    client("secretsmanager").create_secret(Name=name, SecretString=text)
    return SecretsManagerSecrets(), name


def test_a_database_secret(backend: str):
    secrets, name = secrets_of(backend, RDS)
    assert secrets.database(name) == RDS
    secrets.forget(name)
    assert secrets.database(name) == RDS
    with pytest.raises(ConfigurationError):
        secrets.database("no-such-secret")


def test_a_secret_is_read_again_after_five_minutes_or_when_told(cloud: None):
    now = 1000.0
    name = any_name("secret")
    client("secretsmanager").create_secret(Name=name, SecretString=json.dumps(RDS))
    secrets = SecretsManagerSecrets(monotonic=lambda: now)

    def rotate(password: str) -> None:
        client("secretsmanager").put_secret_value(SecretId=name, SecretString=json.dumps(RDS | {"password": password}))

    secrets.database(name)["password"] = "changed by a caller"
    assert secrets.database(name)["password"] == "p"
    rotate("second")
    now += KEEP_SECONDS - 1
    assert secrets.database(name)["password"] == "p"
    now += 1
    assert secrets.database(name)["password"] == "second"
    rotate("third")
    secrets.forget(name)
    assert secrets.database(name)["password"] == "third"


@pytest.mark.parametrize("content", ["hunter2", "[]", '{"host": "db"}', '{"host": "", "username": "u"}'])
def test_a_secret_that_is_none_of_a_database(cloud: None, content):
    secrets, name = secrets_of("moto", content)
    with pytest.raises(ConfigurationError) as caught:
        secrets.database(name)
    assert "hunter2" not in str(caught.value)
