"""What taking a job back costs: time beside its publish, and the space that its journal keeps until then."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import psycopg

from bench import table
from bench.ours import Bench


@dataclass(frozen=True, slots=True)
class Undo:
    """One import into a half-full table, taken back.

    Args:
        rows: Rows of the file.
        publish: Seconds of the import, drop to receipt.
        seconds: From asking for the undo until its receipt.
        journal: Bytes that the import left for undo: staging, the list of what it did, former rows.
        target: Bytes of the target with its indexes after the import.
        same: Whether the table has the rows again that it had before the import.
    """

    rows: int
    publish: float
    seconds: float
    journal: int
    target: int
    same: bool


def measure(bench: Bench, path: Path) -> Undo:
    """Imports lineitem into a table that is half full and takes it back."""
    dsn = bench.cloud.dsn
    table.prepare(dsn, path, "half")
    before = table.fingerprint(dsn)
    kept = _journals(dsn)
    imported = bench.lineitem(path)
    journal, target = _journals(dsn) - kept, _size(dsn, "pg_total_relation_size('public.lineitem')")
    seconds = bench.undo(imported.receipt["job_id"])
    return Undo(imported.receipt["read"], imported.seconds, seconds, journal, target, table.fingerprint(dsn) == before)


def _journals(dsn: str) -> int:
    return _size(
        dsn,
        "coalesce(sum(pg_total_relation_size(c.oid)), 0) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace "
        "WHERE relkind = 'r' AND (nspname = 'entrepot_staging' OR nspname = 'entrepot' AND relname ~ '^(undo|backup)')",
    )


def _size(dsn: str, what: str) -> int:
    with psycopg.connect(dsn) as db:
        row = db.execute(f"SELECT {what}").fetchone()
    assert row is not None
    return int(row[0])
