"""PostgreSQL: the target adapter."""

from __future__ import annotations

from entrepot.adapters.postgres.connection import ConnectionSettings
from entrepot.adapters.postgres.migrate import grants_sql, migration_sql
from entrepot.adapters.postgres.target import PostgresTarget

__all__ = ["ConnectionSettings", "PostgresTarget", "grants_sql", "migration_sql"]
