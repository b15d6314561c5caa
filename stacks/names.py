"""The physical names and ARNs of a deployment, composed from its settings.

A function, a role and the state machine name each other, so at least one of them must be known by a
composed name. The one-machine cloud reads the same names.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Names:
    """Names of everything that a deployment creates.

    Args:
        prefix: First word of every name.
        stage: The deployment, e.g. ``prod``.
        account: Twelve digits.
        region: E.g. ``eu-central-1``.
    """

    prefix: str
    stage: str
    account: str
    region: str

    @property
    def base(self) -> str:
        """The common start of all names."""
        return f"{self.prefix}-{self.stage}"

    @property
    def partition(self) -> str:
        """The ARN partition that the region belongs to."""
        if self.region.startswith("cn-"):
            return "aws-cn"
        return "aws-us-gov" if self.region.startswith("us-gov-") else "aws"

    @property
    def domain(self) -> str:
        """The DNS suffix of the partition's services."""
        return "amazonaws.com.cn" if self.partition == "aws-cn" else "amazonaws.com"

    @property
    def stack(self) -> str:
        """The CloudFormation stack."""
        return self.base

    @property
    def inbox(self) -> str:
        """The bucket where drops arrive."""
        return self._bucket("inbox")

    @property
    def work(self) -> str:
        """The bucket of chunks, quarantine and profiles."""
        return self._bucket("work")

    @property
    def outbox(self) -> str:
        """The bucket where results leave."""
        return self._bucket("outbox")

    @property
    def access_logs(self) -> str:
        """The bucket of S3 server access logs."""
        return self._bucket("logs")

    def _bucket(self, role: str) -> str:
        # Bucket names are shared by all AWS customers, hence account and region.
        return f"{self.base}-{role}-{self.account}-{self.region}"

    @property
    def table(self) -> str:
        """The DynamoDB table."""
        return f"{self.base}-jobs"

    @property
    def table_arn(self) -> str:
        """ARN of the table."""
        return self._arn("dynamodb", f"table/{self.table}")

    @property
    def intake_queue(self) -> str:
        """The queue that every way in ends at."""
        return f"{self.base}-intake"

    @property
    def intake_queue_arn(self) -> str:
        """ARN of the intake queue."""
        return self._arn("sqs", self.intake_queue)

    @property
    def dead_letters(self) -> str:
        """The queue of drops that intake could not take."""
        return f"{self.base}-intake-dead-letters"

    @property
    def dead_letters_arn(self) -> str:
        """ARN of the dead-letter queue."""
        return self._arn("sqs", self.dead_letters)

    @property
    def event_bus(self) -> str:
        """The bus that carries job events."""
        return f"{self.base}-events"

    @property
    def event_bus_arn(self) -> str:
        """ARN of the event bus."""
        return self._arn("events", f"event-bus/{self.event_bus}")

    @property
    def state_machine(self) -> str:
        """The state machine of an import."""
        return f"{self.base}-import"

    @property
    def state_machine_arn(self) -> str:
        """ARN of the state machine."""
        return self._arn("states", f"stateMachine:{self.state_machine}")

    @property
    def executions_arn(self) -> str:
        """ARN pattern of the state machine's executions."""
        return self._arn("states", f"execution:{self.state_machine}:*")

    def map_executions_arn(self, label: str) -> str:
        """ARN pattern of the executions that are children of a Distributed Map."""
        return self._arn("states", f"execution:{self.state_machine}/{label}:*")

    @property
    def schedule_group(self) -> str:
        """The group of schedules that users make through the API."""
        return f"{self.base}-imports"

    @property
    def schedules_arn(self) -> str:
        """ARN pattern of the schedules in the users' group."""
        return self._arn("scheduler", f"schedule/{self.schedule_group}/*")

    @property
    def house_schedule_group(self) -> str:
        """The group of the deployment's own schedules, which the API cannot touch."""
        return f"{self.base}-house"

    def schedule_group_arn(self, group: str) -> str:
        """ARN of a schedule group."""
        return self._arn("scheduler", f"schedule-group/{group}")

    @property
    def schedule_role(self) -> str:
        """The role that users' schedules deliver with."""
        return f"{self.base}-schedules-{self.region}"

    @property
    def schedule_role_arn(self) -> str:
        """ARN of the schedules' role."""
        return f"arn:{self.partition}:iam::{self.account}:role/{self.schedule_role}"

    def function(self, name: str) -> str:
        """The Lambda function of a step."""
        return f"{self.base}-{name}"

    def function_arn(self, name: str) -> str:
        """ARN of a step's function, without a version."""
        return self._arn("lambda", f"function:{self.function(name)}")

    def log_group_arn(self, log_group: str) -> str:
        """ARN of a log group."""
        return self._arn("logs", f"log-group:{log_group}")

    def bucket_arn(self, bucket: str, keys: str = "") -> str:
        """ARN of a bucket, or of the objects in it whose keys match ``keys``."""
        return f"arn:{self.partition}:s3:::{bucket}" + (f"/{keys}" if keys else "")

    def secret_arn(self, secret: str) -> str:
        """ARN of a secret given by ARN or by name.

        Secrets Manager ends the ARN of a named secret with a hyphen and six random characters.
        """
        if secret.startswith("arn:"):
            return secret
        return self._arn("secretsmanager", f"secret:{secret}-??????")

    def _arn(self, service: str, resource: str) -> str:
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"
