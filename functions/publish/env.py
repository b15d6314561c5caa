"""The environment of the publish function."""

from __future__ import annotations

from entrepot.model.environment import DatabasePart, TablePart, WaitPart, WorkPart


class Env(DatabasePart, TablePart, WaitPart, WorkPart):
    """What this function is given."""
