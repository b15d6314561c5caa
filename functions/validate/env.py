"""The environment of the validate function."""

from __future__ import annotations

from entrepot.model.environment import SourcePart, TablePart, WorkPart


class Env(SourcePart, TablePart, WorkPart):
    """What this function is given."""
