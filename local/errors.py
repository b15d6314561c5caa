"""What can go wrong when the one-machine cloud starts or runs.

LocalCloudError
├── AlreadyRunningError    another cloud owns this state directory
├── DeployError            the stack template does not deploy
├── StateError             the state on disk cannot be read
├── DatabaseStartError     the embedded PostgreSQL does not start
└── ScheduleError          a schedule expression cannot be read
"""

from __future__ import annotations


class LocalCloudError(Exception):
    """Base of all errors of the one-machine cloud."""


class AlreadyRunningError(LocalCloudError):
    """Another cloud owns the state directory.

    Args:
        state: The directory.
        pid: The owner's process id, 0 when unknown.
    """

    def __init__(self, state: str, pid: int) -> None:
        super().__init__(
            f"a one-machine cloud already runs on {state} (process {pid}); "
            "stop it with Ctrl-C there, or give another --state directory"
        )
        self.state = state
        self.pid = pid


class DeployError(LocalCloudError):
    """The stack template cannot be deployed here."""


class StateError(LocalCloudError):
    """A state file cannot be read, or was written by a newer version."""


class DatabaseStartError(LocalCloudError):
    """The embedded PostgreSQL does not come up; carries the end of its log."""


class ScheduleError(LocalCloudError, ValueError):
    """A schedule expression, date or time zone cannot be read."""
