"""What every step is given: the ports, and the few settings that steps look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from entrepot.ports.blobs import BlobStore
from entrepot.ports.jobs import ConfigStore, JobStore
from entrepot.ports.target import Target
from entrepot.ports.world import Clock, EventBus, Executions, Meter


@dataclass(frozen=True, slots=True)
class StepSettings:
    """Settings of a deployment that steps look at."""

    stage: str = "local"
    inbox_bucket: str = ""
    work_bucket: str = ""
    outbox_bucket: str = ""
    chunk_bytes: int = 16 << 20
    """Least size of a chunk in bytes; a large file gets larger ones (size/5000)."""
    await_days: float = 7
    staging_keep_hours: float = 24
    undo_days: float = 7
    """How long a publish can be taken back."""
    staging_unlogged: bool = True
    late_minutes: float = 60
    """A job that runs longer counts as late."""
    tenants: tuple[str, ...] = ()
    """Known tenants; any when empty."""


class World(Protocol):
    """The ports. A step touches only those that its function is granted."""

    @property
    def settings(self) -> StepSettings:
        """The settings."""

    @property
    def jobs(self) -> JobStore:
        """Jobs, chunks and events."""

    @property
    def config(self) -> ConfigStore:
        """Contracts, templates, schedules."""

    @property
    def blobs(self) -> BlobStore:
        """Objects."""

    @property
    def executions(self) -> Executions:
        """The state machine."""

    @property
    def bus(self) -> EventBus:
        """Where job events are announced."""

    @property
    def clock(self) -> Clock:
        """The time."""

    @property
    def meter(self) -> Meter:
        """What the invocation uses."""

    @property
    def target(self) -> Target:
        """The database."""


def work_uri(world: World, key: str) -> str:
    """URI of an object in the work bucket."""
    return f"s3://{world.settings.work_bucket}/{key}"


def now(world: World) -> str:
    """The time as ISO text in UTC, to the millisecond."""
    return world.clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
