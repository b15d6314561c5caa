"""What functions may do, as exact actions on exact resources. `docs/deploy.md` lists who gets which."""

from __future__ import annotations

from aws_cdk import aws_iam as iam

from stacks.constructs.house import House, allow
from stacks.constructs.job_table import INDEXES


class Grants:
    """Statements for one deployment's resources, named as what a step does with them."""

    def __init__(self, house: House) -> None:
        self._names = house.names
        self._settings = house.settings

    def read_jobs(self) -> list[iam.PolicyStatement]:
        """Reads single items of the table, and what was too large for one."""
        return [
            allow(["dynamodb:GetItem"], [self._names.table_arn]),
            allow(["s3:GetObject"], [self._bodies]),
        ]

    def move_jobs(self) -> list[iam.PolicyStatement]:
        """Reads items, changes them and adds events; a transaction is authorised by its single writes."""
        return [
            allow(["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"], [self._names.table_arn]),
            allow(["s3:GetObject", "s3:PutObject"], [self._bodies]),
        ]

    def recount_chunks(self) -> list[iam.PolicyStatement]:
        """Lists a job's chunks and forgets some, so that they are loaded again."""
        actions = ["dynamodb:BatchGetItem", "dynamodb:DeleteItem", "dynamodb:Query"]
        return [allow(actions, [self._names.table_arn])]

    def list_items(self) -> list[iam.PolicyStatement]:
        """Lists a job's chunks and events, and the versions of a contract."""
        return [allow(["dynamodb:Query"], [self._names.table_arn])]

    def find_jobs(self, *indexes: str) -> list[iam.PolicyStatement]:
        """Finds keys in indexes and reads their items."""
        assert set(indexes) <= set(INDEXES)
        return [
            allow(["dynamodb:BatchGetItem"], [self._names.table_arn]),
            allow(["dynamodb:Query"], [f"{self._names.table_arn}/index/{index}" for index in indexes]),
        ]

    def read_drops(self) -> list[iam.PolicyStatement]:
        """Reads objects of the inbox at their versions, and of the buckets that a source may name.

        Listing lets a missing object be told from a forbidden one.
        """
        buckets = [self._names.inbox, *self._settings.source_buckets]
        return [
            allow(
                ["s3:GetObject", "s3:GetObjectVersion"],
                [self._names.bucket_arn(bucket, "*") for bucket in buckets],
            ),
            allow(["s3:ListBucket"], [self._names.bucket_arn(bucket) for bucket in buckets]),
        ]

    def list_drops(self) -> list[iam.PolicyStatement]:
        """Lists what lies below a prefix, each object at the version that it has."""
        buckets = [self._names.inbox, *self._settings.source_buckets]
        return [allow(["s3:ListBucketVersions"], [self._names.bucket_arn(bucket) for bucket in buckets])]

    def read_work(self) -> list[iam.PolicyStatement]:
        """Reads work files of jobs."""
        return [allow(["s3:GetObject"], [self._work_files]), self._list_work()]

    def write_work(self) -> list[iam.PolicyStatement]:
        """Reads and writes work files of jobs."""
        return [allow(["s3:GetObject", "s3:PutObject"], [self._work_files]), self._list_work()]

    def use_up_work(self) -> list[iam.PolicyStatement]:
        """Reads work files of jobs and removes them when they are loaded."""
        return [allow(["s3:DeleteObject", "s3:GetObject"], [self._work_files]), self._list_work()]

    def read_collections(self) -> list[iam.PolicyStatement]:
        """Reads collections; a signed link may do what its signer may."""
        return [allow(["s3:GetObject"], [self._collections]), self._list_work()]

    def write_collections(self) -> list[iam.PolicyStatement]:
        """Reads collections, and adds to them."""
        return [allow(["s3:GetObject", "s3:PutObject"], [self._collections]), self._list_work()]

    @property
    def _collections(self) -> str:
        return self._names.bucket_arn(self._names.work, "collections/*")

    @property
    def _work_files(self) -> str:
        return self._names.bucket_arn(self._names.work, "jobs/*")

    @property
    def _bodies(self) -> str:
        return self._names.bucket_arn(self._names.work, "bodies/*")

    def _list_work(self) -> iam.PolicyStatement:
        # Beside listing, this lets S3 say that an object is missing, and not only that it is forbidden.
        return allow(["s3:ListBucket"], [self._names.bucket_arn(self._names.work)])

    def write_outbox(self) -> list[iam.PolicyStatement]:
        """Writes results."""
        return [allow(["s3:PutObject"], [self._names.bucket_arn(self._names.outbox, "*")])]

    def take_uploads(self) -> list[iam.PolicyStatement]:
        """Writes into the inbox, whole or in parts; a signed link may do what its signer may."""
        return [
            allow(
                ["s3:PutObject"],
                [self._names.bucket_arn(self._names.inbox, "*")],
            )
        ]

    def start_legs(self) -> list[iam.PolicyStatement]:
        """Starts executions of the one state machine."""
        return [allow(["states:StartExecution"], [self._names.state_machine_arn])]

    def watch_legs(self) -> list[iam.PolicyStatement]:
        """Sees whether a leg's execution runs."""
        return [allow(["states:DescribeExecution"], [self._names.executions_arn])]

    def announce(self) -> list[iam.PolicyStatement]:
        """Puts events on the deployment's bus."""
        return [allow(["events:PutEvents"], [self._names.event_bus_arn])]

    def take_messages(self) -> list[iam.PolicyStatement]:
        """Receives from the intake queue, as its event source mapping does in the function's name."""
        return [
            allow(
                ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"],
                [self._names.intake_queue_arn],
            )
        ]

    def keep_schedules(self) -> list[iam.PolicyStatement]:
        """Makes, changes and removes schedules in the users' group, to run with the one role."""
        actions = [
            "scheduler:CreateSchedule",
            "scheduler:DeleteSchedule",
            "scheduler:UpdateSchedule",
        ]
        return [
            allow(actions, [self._names.schedules_arn]),
            allow(
                ["iam:PassRole"],
                [self._names.schedule_role_arn],
                StringEquals={"iam:PassedToService": "scheduler.amazonaws.com"},
            ),
        ]

    def open_database(self) -> list[iam.PolicyStatement]:
        """Reads the database's secret."""
        database = self._settings.database
        statements = [allow(["secretsmanager:GetSecretValue"], [self._names.secret_arn(database.secret)])]
        if database.secret_kms_key_arn:
            service = f"secretsmanager.{self._settings.region}.amazonaws.com"
            statements.append(
                allow(["kms:Decrypt"], [database.secret_kms_key_arn], StringEquals={"kms:ViaService": service})
            )
        return statements
