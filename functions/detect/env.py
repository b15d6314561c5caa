"""The environment of the detect function."""

from __future__ import annotations

from pydantic import Field

from entrepot.model.environment import SourcePart, TablePart, WorkPart


class Env(SourcePart, TablePart, WorkPart):
    """What this function is given."""

    OUTBOX_BUCKET: str = Field(min_length=3)
    """Where files of collections are exported to."""
