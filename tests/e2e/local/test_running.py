"""A running one-machine cloud: a drop goes all its way, and every service on the way behaves as AWS's does."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from tests.e2e.local.process import CloudProcess, until

pytestmark = pytest.mark.xdist_group("trial")


def test_a_drop_becomes_an_execution_and_its_rows(trial_cloud: CloudProcess):
    version = trial_cloud.drop(b"one\ntwo\nthree")
    assert trial_cloud.ended(version)["status"] == "SUCCEEDED"
    assert trial_cloud.rows(version) == ["one", "two", "three"]


def test_a_child_that_fails_for_good_is_caught_and_the_others_go_on(trial_cloud: CloudProcess):
    version = trial_cloud.drop(b"one\nfatal\nthree")
    execution = trial_cloud.ended(version)
    assert execution["status"] == "SUCCEEDED"
    assert {"failed": True} in json.loads(execution["output"])
    assert trial_cloud.rows(version) == ["one", "three"]


def test_the_same_event_ten_times_at_once_is_one_execution(trial_cloud: CloudProcess):
    version = trial_cloud.drop(b"sleep 0.5")
    held = {"bucket": {"name": "trial-inbox"}, "object": {"key": "main/x/file", "version-id": version}}
    threads = [threading.Thread(target=trial_cloud.send, args=(json.dumps({"detail": held}),)) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert trial_cloud.ended(version)["status"] == "SUCCEEDED"
    trial_cloud.send(json.dumps({"detail": held}))
    until(lambda: queue_depth(trial_cloud) == 0)
    executions = trial_cloud.client("stepfunctions").list_executions(
        stateMachineArn="arn:aws:states:us-east-1:123456789012:stateMachine:trial-machine"
    )["executions"]
    assert [e["name"] for e in executions].count(version) == 1
    assert trial_cloud.rows(version) == ["sleep 0.5"]


def test_an_execution_that_is_stopped_is_aborted_from_then_on(trial_cloud: CloudProcess):
    states = trial_cloud.client("stepfunctions")
    version = trial_cloud.drop(b"one\nsleep 1")
    until(lambda: trial_cloud.rows(version))
    arn = until(lambda: trial_cloud.execution(version))["executionArn"]
    states.stop_execution(executionArn=arn, error="Stopped", cause="nobody needs it")

    def told() -> tuple[Any, ...]:
        found = states.describe_execution(executionArn=arn)
        return found["status"], found["error"], found["cause"], found["stopDate"]

    first = told()
    assert first[:3] == ("ABORTED", "Stopped", "nobody needs it")
    # Its function goes on to its end, and changes nothing of that; neither does a second stop.
    until(lambda: len(trial_cloud.rows(version)) == 2)
    states.stop_execution(executionArn=arn, error="Again", cause="again")
    time.sleep(0.5)
    assert told() == first


def test_an_execution_can_be_stopped_as_soon_as_it_is_there(trial_cloud: CloudProcess):
    states = trial_cloud.client("stepfunctions")
    machine = "arn:aws:states:us-east-1:123456789012:stateMachine:trial-machine"
    version = trial_cloud.drop(b"sleep 0.2")
    event = json.dumps({"bucket": "trial-inbox", "key": "main/x/file", "version": version})
    for number in range(20):
        name, ends = f"at-once-{number}", time.monotonic() + 20
        start = {"stateMachineArn": machine, "name": name, "input": event}
        starting = threading.Thread(target=states.start_execution, kwargs=start)
        starting.start()
        arn = f"{machine.replace(':stateMachine:', ':execution:')}:{name}"
        while not _stopped(states, arn) and time.monotonic() < ends:
            pass
        assert states.describe_execution(executionArn=arn)["status"] == "ABORTED"
        starting.join()


def _stopped(states: Any, arn: str) -> Any:
    with contextlib.suppress(states.exceptions.ExecutionDoesNotExist):
        return states.stop_execution(executionArn=arn)


def queue_depth(cloud: CloudProcess, name: str = "trial-queue") -> int:
    sqs = cloud.client("sqs")
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    return sum(int(n) for n in sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"].values())


def test_a_poisoned_message_ends_among_the_dead_letters(trial_cloud: CloudProcess):
    trial_cloud.send(json.dumps({"poison": True}))
    until(lambda: queue_depth(trial_cloud, "trial-dead") == 1)
    sqs = trial_cloud.client("sqs")
    url = sqs.get_queue_url(QueueName="trial-dead")["QueueUrl"]
    message = sqs.receive_message(QueueUrl=url)["Messages"][0]
    assert json.loads(message["Body"]) == {"poison": True}
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def test_a_schedule_of_the_template_fires_into_the_queue(trial_cloud: CloudProcess):
    def messages() -> list[dict[str, Any]]:
        return [json.loads(item["body"]["S"]) for item in trial_cloud.items("MESSAGE")]

    found = until(lambda: [body for body in messages() if "scheduled_at" in body])
    assert found[0]["scheduled_at"].endswith("Z")


def test_a_schedule_made_while_running_is_picked_up(trial_cloud: CloudProcess):
    scheduler = trial_cloud.client("scheduler")
    queue = "arn:aws:sqs:us-east-1:123456789012:trial-queue"
    scheduler.create_schedule(
        Name="mine", GroupName="trial-group", ScheduleExpression="rate(1 hour)", FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": queue, "RoleArn": "arn:aws:iam::123456789012:role/r", "Input": '{"mine": true}'},
    )  # fmt: skip
    until(lambda: [item for item in trial_cloud.items("MESSAGE") if item["body"]["S"] == '{"mine": true}'])
    with pytest.raises(ClientError, match="Validation"):
        scheduler.create_schedule(
            Name="bad", ScheduleExpression="cron(0 9 * * *)", FlexibleTimeWindow={"Mode": "OFF"},
            Target={"Arn": queue, "RoleArn": "arn:aws:iam::123456789012:role/r"},
        )  # fmt: skip


def test_limits_of_lambda_reach_the_caller(trial_cloud: CloudProcess):
    client = trial_cloud.client("lambda")

    def call(name: str, **event: Any) -> tuple[str | None, Any]:
        answer = client.invoke(FunctionName=name, Payload=json.dumps(event))
        return answer.get("FunctionError"), json.loads(answer["Payload"].read())

    error, answer = call("trial-tool")
    assert error is None
    assert answer["env"]["TABLE_NAME"] == "trial-table"
    assert answer["env"]["AWS_ENDPOINT_URL"] == trial_cloud.facts["aws_url"]
    assert (call("trial-tool", do="sleep", seconds=5)[1]["errorType"]) == "Sandbox.Timedout"
    assert (call("trial-tool", do="hog", bytes=400 << 20)[1]["errorType"]) == "Runtime.OutOfMemory"
    assert (call("trial-tool", do="raise", text="x"))[0] == "Unhandled"
    thread = threading.Thread(target=until, args=(lambda: not _throttled(client, seconds=1),))
    thread.start()
    until(lambda: _throttled(client))
    thread.join()
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.invoke(FunctionName="nobody")


def _throttled(client: Any, **event: Any) -> bool:
    try:
        client.invoke(FunctionName="trial-single", Payload=json.dumps(event))
    except client.exceptions.TooManyRequestsException:
        return True
    return False


def test_an_asynchronous_event_that_fails_for_good_is_a_dead_letter(trial_cloud: CloudProcess):
    event = {"do": "raise", "text": "always"}
    answer = trial_cloud.client("lambda").invoke(
        FunctionName="trial-tool", InvocationType="Event", Payload=json.dumps(event)
    )
    assert answer["StatusCode"] == 202
    sqs = trial_cloud.client("sqs")
    url = sqs.get_queue_url(QueueName="trial-dead")["QueueUrl"]
    message = until(lambda: sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages"))[0]
    assert json.loads(message["Body"]) == event
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def test_what_the_template_says_of_its_resources_is_so(trial_cloud: CloudProcess):
    s3 = trial_cloud.client("s3")
    assert s3.get_bucket_versioning(Bucket="trial-inbox")["Status"] == "Enabled"
    rules = until(lambda: _lifecycle(s3))
    assert rules[0]["Expiration"] == {"Days": 7}
    ttl = trial_cloud.client("dynamodb").describe_time_to_live(TableName="trial-table")["TimeToLiveDescription"]
    assert ttl["AttributeName"] == "expires"
    sqs = trial_cloud.client("sqs")
    url = sqs.get_queue_url(QueueName="trial-queue")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert json.loads(attributes["RedrivePolicy"])["maxReceiveCount"] == 2
    assert attributes["VisibilityTimeout"] == "60"


def _lifecycle(s3: Any) -> Any:
    try:
        return s3.get_bucket_lifecycle_configuration(Bucket="trial-work")["Rules"]
    except ClientError:
        return None


def test_the_api_answers_over_http(trial_cloud: CloudProcess):
    url = trial_cloud.facts["api_url"]
    event = httpx.post(f"{url}/jobs/7?a=1", json={"x": 1}).json()
    assert (event["httpMethod"], event["path"], json.loads(event["body"])) == ("POST", "/jobs/7", {"x": 1})
    assert httpx.get(f"{url}/malformed").status_code == 502
    assert httpx.get(f"{url}/raise").status_code == 502
    assert httpx.get(f"{url}/large").status_code == 502
    assert httpx.get(f"{url}/binary").content == bytes(range(256))
    assert httpx.get(f"{url}/cookies").headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert httpx.get(f"{url}/.well-known/jwks.json").json()["keys"][0]["kty"] == "RSA"


def test_nobody_listens_beyond_this_machine(trial_cloud: CloudProcess):
    for name in ("aws_url", "api_url"):
        assert trial_cloud.facts[name].startswith("http://127.0.0.1:")


def test_an_event_on_a_bus_reaches_the_targets_of_its_rules(trial_cloud: CloudProcess):
    events = trial_cloud.client("events")
    events.put_rule(Name="mine", EventBusName="trial-bus", EventPattern='{"source": ["mine"]}')
    queue = "arn:aws:sqs:us-east-1:123456789012:trial-queue"
    events.put_targets(
        Rule="mine", EventBusName="trial-bus", Targets=[{"Id": "q", "Arn": queue, "InputPath": "$.detail"}]
    )
    for source in ("other", "mine"):
        detail = json.dumps({"from": source})
        events.put_events(
            Entries=[{"Source": source, "DetailType": "T", "Detail": detail, "EventBusName": "trial-bus"}]
        )

    def bodies() -> list[str]:
        return [item["body"]["S"] for item in trial_cloud.items("MESSAGE")]

    until(lambda: '{"from": "mine"}' in bodies())
    assert '{"from": "other"}' not in bodies()


def test_one_state_directory_has_one_cloud(trial_cloud: CloudProcess):
    assert trial_cloud.spawn().wait(30) == 3
    assert f"process {trial_cloud.facts['pid']}" in " ".join(trial_cloud.log().split())
    assert trial_cloud.client("s3").list_buckets()["Buckets"]


def test_a_busy_port_is_named_and_another_taken(trial_cloud: CloudProcess):
    port = trial_cloud.options["api_port"]
    assert not trial_cloud.facts["api_url"].endswith(f":{port}")
    until(lambda: f"port {port} is taken" in trial_cloud.log())  # what is printed may come after the cloud is ready


def test_the_start_ends_with_url_token_dsn_and_three_commands(trial_cloud: CloudProcess):
    printed = until(lambda: "Try:" in trial_cloud.log() and trial_cloud.log()).split("Stopping")[0]
    for fact in ("api_url", "dsn"):
        assert trial_cloud.facts[fact] in printed
    assert "token" in printed
    commands = printed.split("Try:")[1].split("\n")[1:4]
    assert all(command.startswith("    ") and command.strip() for command in commands)
    token = Path(trial_cloud.facts["token"])
    assert token.stat().st_mode & 0o077 == 0
    assert token.read_text().count(".") == 2


def test_a_watched_folder_is_an_inbox(trial_cloud: CloudProcess):
    watch = Path(str(trial_cloud.options["watch"]))
    folder = watch / "main" / "watched"
    folder.mkdir(parents=True)
    (folder / "a.csv").write_text("wone\nwtwo")
    until(lambda: (watch / ".done/main/watched/a.csv").exists())
    until(lambda: {"wone", "wtwo"} <= {row["text"]["S"] for row in trial_cloud.items("ROW")})
    assert not (folder / "a.csv").exists()
