"""The environment of the sweep function."""

from __future__ import annotations

from entrepot.model.environment import (
    DatabasePart,
    JournalPart,
    MachinePart,
    OutboxPart,
    TablePart,
    WaitPart,
    WorkPart,
)


class Env(DatabasePart, JournalPart, MachinePart, OutboxPart, TablePart, WaitPart, WorkPart):
    """What this function is given."""
