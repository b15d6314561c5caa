"""The environment of the split function."""

from __future__ import annotations

from entrepot.model.environment import ChunkPart, SourcePart, TablePart, WorkPart


class Env(ChunkPart, SourcePart, TablePart, WorkPart):
    """What this function is given."""
