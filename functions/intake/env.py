"""The environment of the intake function."""

from __future__ import annotations

from entrepot.model.environment import MachinePart, OutboxPart, SourcePart, TablePart, TenantPart


class Env(MachinePart, OutboxPart, SourcePart, TablePart, TenantPart):
    """What this function is given."""
