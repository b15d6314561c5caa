"""The environment of the gate function."""

from __future__ import annotations

from entrepot.model.environment import DatabasePart, TablePart, WorkPart


class Env(DatabasePart, TablePart, WorkPart):
    """What this function is given."""
