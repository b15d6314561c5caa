"""The cloud that moto's backends of this process belong to.

moto makes its backends itself, one per account and region, and keeps them in module globals; so the parts
that they call (journals, workers, the clock) are found through one global too. There is one cloud per process.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from local.errors import LocalCloudError

if TYPE_CHECKING:
    from local.objects import ObjectStore
    from local.state import Journal
    from local.workers import WorkerPool

ACCOUNT = "123456789012"
Backend = TypeVar("Backend")


@dataclass
class Services:
    """What the backends call.

    Args:
        region: The deployment's region.
        queues, tables, executions, schedules, invocations: Journals of what must survive a restart.
        objects: The object store.
        pool: Runs functions.
        schedules_changed: Wakes the clock.
    """

    region: str
    queues: Journal
    tables: Journal
    executions: Journal
    schedules: Journal
    invocations: Journal
    objects: ObjectStore | None = None
    pool: WorkerPool | None = None
    schedules_changed: Callable[[], None] = lambda: None
    stopping: bool = False
    undelivered: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=1000))


_current: Services | None = None


def use(services: Services | None) -> None:
    """Makes ``services`` the ones that the backends call; None when the cloud ends.

    Raises:
        LocalCloudError: Another cloud runs in this process.
    """
    global _current
    if services is not None and _current is not None:
        raise LocalCloudError("one process can run one one-machine cloud at a time; stop the other one first")
    _current = services


def find_current() -> Services | None:
    """The running cloud's parts, None when no cloud runs."""
    return _current


def current() -> Services:
    """The running cloud's parts.

    Raises:
        LocalCloudError: No cloud runs.
    """
    if _current is None:
        raise LocalCloudError("no one-machine cloud runs in this process")
    return _current


def standing_for(backend: type[Backend]) -> type[Backend]:
    """Marks a subclass of one of moto's backends: moto finds a backend's routes by the module of its class."""
    backend.__module__ = backend.__mro__[1].__module__
    return backend
