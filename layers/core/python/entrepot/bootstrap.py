"""Joins ports to adapters: the only place that knows which world a process is in.

Everything is made on first use and kept for the life of the process, so that a warm function keeps
its clients and a cold one makes only what it needs. A connection to the database that counts is closed at
the end of every invocation.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from entrepot.model.environment import Part
from entrepot.workflow.world import StepSettings

if TYPE_CHECKING:
    from entrepot.adapters.dynamodb import DynamoConfig, DynamoJobs
    from entrepot.adapters.dynamodb.slots import DynamoSlots
    from entrepot.adapters.eventbus import EventBridgeBus
    from entrepot.adapters.metering import ProcessMeter
    from entrepot.adapters.postgres import PostgresTarget
    from entrepot.adapters.s3 import S3Blobs
    from entrepot.adapters.scheduler import EventBridgeScheduler
    from entrepot.adapters.secrets import SecretsManagerSecrets
    from entrepot.adapters.stepfunctions import StepFunctionsExecutions
    from entrepot.adapters.system import SystemClock, UlidIds


class AwsWorld:
    """The world of a deployed function, and of the one-machine cloud: the same adapters.

    Args:
        env: The function's validated environment; an adapter whose variables it lacks cannot be made.
        step: Name of the step, for the database's application name.
    """

    def __init__(self, env: Part, step: str = "") -> None:
        self._env = env
        self._step = step

    def _get(self, name: str, default: Any = "") -> Any:
        return getattr(self._env, name, default)

    @cached_property
    def settings(self) -> StepSettings:
        """The settings that steps look at."""
        return StepSettings(
            stage=self._env.STAGE,
            inbox_bucket=self._get("INBOX_BUCKET"),
            work_bucket=self._get("WORK_BUCKET"),
            outbox_bucket=self._get("OUTBOX_BUCKET"),
            chunk_bytes=self._get("CHUNK_BYTES", 16 << 20),
            await_days=self._get("AWAIT_DAYS", 7),
            staging_keep_hours=self._get("STAGING_KEEP_HOURS", 24),
            undo_days=self._get("UNDO_DAYS", 7),
            staging_unlogged=self._get("STAGING_UNLOGGED", True),
            late_minutes=self._get("LATE_MINUTES", 60),
            tenants=tuple(self._get("TENANTS", ())),
        )

    @cached_property
    def blobs(self) -> S3Blobs:
        """Objects in our buckets and in those that the settings name."""
        from entrepot.adapters.s3 import S3Blobs

        settings = self.settings
        own = (settings.inbox_bucket, settings.work_bucket, settings.outbox_bucket)
        return S3Blobs(
            buckets=[b for b in own if b],
            read_only=self._get("SOURCE_BUCKETS", ()),
            roots=self._get("SOURCE_ROOTS", ()),
        )

    @cached_property
    def jobs(self) -> DynamoJobs:
        """Jobs, chunks and events."""
        from entrepot.adapters.dynamodb import DynamoJobs

        table: str = self._env.TABLE_NAME  # type: ignore[attr-defined]
        return DynamoJobs(table, blobs=self.blobs, bodies=self._bodies, meter=self.meter)

    @cached_property
    def meter(self) -> ProcessMeter:
        """What the invocation uses."""
        from entrepot.adapters.metering import METER

        return METER

    @cached_property
    def config(self) -> DynamoConfig:
        """Contracts, templates, schedules."""
        from entrepot.adapters.dynamodb import DynamoConfig

        return DynamoConfig(self._env.TABLE_NAME, blobs=self.blobs, bodies=self._bodies)  # type: ignore[attr-defined]

    @cached_property
    def executions(self) -> StepFunctionsExecutions:
        """The state machine."""
        from entrepot.adapters.stepfunctions import StepFunctionsExecutions

        return StepFunctionsExecutions(self._env.STATE_MACHINE_ARN)  # type: ignore[attr-defined]

    @cached_property
    def bus(self) -> EventBridgeBus:
        """The bus of job events."""
        from entrepot.adapters.eventbus import EventBridgeBus

        return EventBridgeBus(self._env.EVENT_BUS_NAME)  # type: ignore[attr-defined]

    @cached_property
    def scheduler(self) -> EventBridgeScheduler:
        """Import schedules."""
        from entrepot.adapters.scheduler import EventBridgeScheduler

        return EventBridgeScheduler(
            group=self._get("SCHEDULE_GROUP"),
            role_arn=self._get("SCHEDULE_ROLE_ARN"),
            queue_arn=self._get("INTAKE_QUEUE_ARN"),
            dead_letters_arn=self._get("SCHEDULE_DEAD_LETTERS_ARN"),
        )

    @cached_property
    def secrets(self) -> SecretsManagerSecrets:
        """Secrets by reference."""
        from entrepot.adapters.secrets import SecretsManagerSecrets

        return SecretsManagerSecrets()

    @cached_property
    def clock(self) -> SystemClock:
        """The time."""
        from entrepot.adapters.system import SystemClock

        return SystemClock()

    @cached_property
    def ids(self) -> UlidIds:
        """New ids."""
        from entrepot.adapters.system import UlidIds

        return UlidIds()

    @cached_property
    def target(self) -> PostgresTarget:
        """The database behind the secret."""
        from entrepot.adapters.postgres import PostgresTarget

        return PostgresTarget(
            lambda: self.secrets.database(self._env.DATABASE_SECRET_ID),  # type: ignore[attr-defined]
            sslmode=self._get("DATABASE_SSLMODE", "verify-full"),
            ca=self._get("DATABASE_CA", "system"),
            application_name=f"entrepot-{self._env.STAGE}-{self._step}",
            slots=self._slots,
        )

    def rest(self) -> None:
        """At the end of an invocation: no connection that counts stays open."""
        # Looked up where it is kept: asking for it would make it.
        if (target := self.__dict__.get("target")) is not None:
            target.rest()

    @cached_property
    def _slots(self) -> DynamoSlots | None:
        """The connections that the deployment may hold; None without a limit."""
        connections = self._get("DATABASE_CONNECTIONS", 0)
        if not connections:
            return None
        from entrepot.adapters import invocation
        from entrepot.adapters.dynamodb import slots

        return slots.DynamoSlots(
            self._env.TABLE_NAME,  # type: ignore[attr-defined]
            connections,
            invocation=invocation.current,
            find=self.jobs.get,
            # Behind the API waits a person, who can ask again.
            patience=slots.API_PATIENCE_SECONDS if self._step == "api" else slots.PATIENCE_SECONDS,
        )

    @property
    def _bodies(self) -> str:
        """Where bodies go that are too large for an item."""
        return f"s3://{self.settings.work_bucket}/bodies"


_worlds: dict[str, AwsWorld] = {}


def world(env: Part, step: str = "") -> AwsWorld:
    """The process's world for a step, made once."""
    if step not in _worlds:
        _worlds[step] = AwsWorld(env, step)
    return _worlds[step]
