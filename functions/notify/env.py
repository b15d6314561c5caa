"""The environment of the notify function."""

from __future__ import annotations

from entrepot.model.environment import OutboxPart, TablePart, WorkPart


class Env(OutboxPart, TablePart, WorkPart):
    """What this function is given."""
