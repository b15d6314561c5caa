"""Builders for tests of undo."""

from __future__ import annotations

import uuid
from typing import Any

import psycopg

from entrepot.model.receipt import Receipt, Undone
from entrepot.ports.target import Target, UndoSpec


def a_undo(*jobs: str, **changes: Any) -> UndoSpec:
    return UndoSpec(tenant="main", job_id=uuid.uuid4().hex, jobs=list(jobs), **changes)


def a_undo_draft(spec: UndoSpec) -> Receipt:
    return Receipt(job_id=spec.job_id, tenant=spec.tenant, status="published", actor="tester", mode="undo")


def undo(target: Target, *jobs: str, plan_hash: str = "", **changes: Any) -> Receipt:
    spec = a_undo(*jobs, **changes)
    receipt = target.start_undo(spec, a_undo_draft(spec), seconds=60, plan_hash=plan_hash)
    assert receipt is not None
    receipt.check()
    return receipt


def counts(undone: Undone | None) -> tuple[int, int, int, int]:
    """Removed, restored, reinserted, kept."""
    assert undone is not None
    return undone.removed, undone.restored, undone.reinserted, undone.kept


def table(db: psycopg.Connection, name: str) -> list[tuple[Any, ...]]:
    return sorted(db.execute(f"SELECT * FROM {name}").fetchall(), key=repr)


def kept(receipt: Receipt) -> list[tuple[Any, str, str]]:
    """(key's first value, reason, by) of each kept row."""
    assert receipt.undo is not None
    return sorted((next(iter(k.key.values()), None), k.reason, k.by) for k in receipt.undo.kept_rows)


def rewrite(db: psycopg.Connection, name: str) -> None:
    """Gives the table another file in which no row has its xmin any more."""
    db.execute(f"ALTER TABLE {name} ADD COLUMN made_anew double precision DEFAULT random()")
    db.execute(f"ALTER TABLE {name} DROP COLUMN made_anew")
