"""Drops files and announces them as S3 may: late, twice, in another order."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from tests.chaos.victim import Host, until

_COPIES = "chaos-copies"


class Announcer:
    """Holds the announcements of files back, and gives them to intake's queue when it is told to.

    Args:
        host: The cloud.

    Attributes:
        held: What was held back, in the order in which it happened.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self.held: list[str] = []
        self._written = 0

    def put(self, key: str, body: bytes) -> str:
        """Writes an object into the inbox; its version."""
        answer = self._host.aws("s3").put_object(Bucket=self._host.ready["names"]["inbox"], Key=key, Body=body)
        self._written += 1
        version: str = answer["VersionId"]
        return version

    @contextlib.contextmanager
    def holding(self) -> Iterator[None]:
        """Holds back what is announced meanwhile: a copy of the rule has a queue of ours for its target."""
        events, sqs = self._host.aws("events"), self._host.aws("sqs")
        rules = (r for r in events.list_rules()["Rules"] if r["Name"] != _COPIES)
        (rule,) = (r for r in rules if "aws.s3" in r.get("EventPattern", ""))
        queue = sqs.create_queue(QueueName=_COPIES)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        events.put_rule(Name=_COPIES, EventPattern=rule["EventPattern"], State="ENABLED")
        events.put_targets(Rule=_COPIES, Targets=[{"Id": "copies", "Arn": arn}])
        events.disable_rule(Name=rule["Name"])
        began = self._written
        try:
            yield
            until(lambda: self._collect(sqs, queue) or len(self.held) == self._written - began, 20)
        finally:
            events.enable_rule(Name=rule["Name"])
            events.disable_rule(Name=_COPIES)

    def _collect(self, sqs: Any, queue: str) -> None:
        for message in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
            self.held.append(message["Body"])
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])

    def announce(self, messages: Sequence[str]) -> None:
        """Gives intake announcements, in this order."""
        sqs = self._host.aws("sqs")
        intake = sqs.get_queue_url(QueueName=self._host.ready["names"]["queue"])["QueueUrl"]
        for body in messages:
            sqs.send_message(QueueUrl=intake, MessageBody=body)
