"""The environment of the intake function."""

from __future__ import annotations

from entrepot.model.environment import MachinePart, OutboxPart, SourcePart, TablePart, TenantPart, WorkPart


class Env(MachinePart, OutboxPart, SourcePart, TablePart, TenantPart, WorkPart):
    """What this function is given."""
