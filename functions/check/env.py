"""The environment of the check function."""

from __future__ import annotations

from entrepot.model.environment import DatabasePart, SourcePart, TablePart, WorkPart


class Env(DatabasePart, SourcePart, TablePart, WorkPart):
    """What this function is given."""
