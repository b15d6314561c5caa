"""From the inbox to intake: S3 announces a drop, EventBridge routes it, SQS keeps it until it is taken."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from stacks.constructs.house import House, acknowledge

_RECEIVES = 5
_BATCH = 10


class IntakeQueue(Construct):
    """The queue that every way in ends at, its dead letters, and the rule that fills it."""

    def __init__(self, scope: Construct, construct_id: str, house: House, inbox: s3.Bucket) -> None:
        super().__init__(scope, construct_id)
        self._house = house
        retention = cdk.Duration.days(house.settings.retention.dead_letters)
        self.dead_letters = self._queue("DeadLetters", house.names.dead_letters, retention_period=retention)
        acknowledge(
            self.dead_letters,
            "This queue is itself the dead-letter queue; an alarm watches its depth.",
            "Serverless-SQSRedrivePolicy",
        )
        self.queue = self._queue(
            "Queue",
            house.names.intake_queue,
            # Six times the function's limit, as Lambda asks of a queue that feeds a function.
            visibility_timeout=cdk.Duration.seconds(6 * house.settings.timeout_of("intake")),
            retention_period=cdk.Duration.days(14),
            dead_letter_queue=sqs.DeadLetterQueue(max_receive_count=_RECEIVES, queue=self.dead_letters),
        )
        self._route(inbox)

    def _queue(self, construct_id: str, name: str, **settings: object) -> sqs.Queue:
        key = self._house.key
        return sqs.Queue(
            self,
            construct_id,
            queue_name=name,
            encryption=sqs.QueueEncryption.KMS if key else sqs.QueueEncryption.SQS_MANAGED,
            encryption_master_key=key,
            enforce_ssl=True,
            removal_policy=self._house.removal,
            **settings,  # type: ignore[arg-type]  # Forwarded to the keyword arguments of Queue.
        )

    def _route(self, inbox: s3.Bucket) -> None:
        events.Rule(
            self,
            "Drops",
            rule_name=f"{self._house.names.base}-drops",
            event_pattern=events.EventPattern(
                source=["aws.s3"],
                detail_type=["Object Created"],
                detail={"bucket": {"name": [inbox.bucket_name]}},
            ),
            targets=[targets.SqsQueue(self.queue, dead_letter_queue=self.dead_letters)],
        )

    def feed(self, intake: lambda_.IFunction) -> None:
        """Hands the queue's messages to intake; each message succeeds or fails by itself."""
        mapping = lambda_.EventSourceMapping(
            self,
            "Feed",
            target=intake,
            event_source_arn=self.queue.queue_arn,
            batch_size=_BATCH,
            report_batch_item_failures=True,
        )
        acknowledge(
            mapping,
            "A queue's failed messages go to the queue's own dead letters; SQS mappings take no destination.",
            "Serverless-LambdaEventSourceMappingDestination",
        )
