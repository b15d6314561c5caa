"""A target in memory: tables of keyed rows, upserts that are staged as finished rows, plans, undos.

Faithful in what the workflow sees: a plan's hash covers actions, keys and old rows; publish with a hash
does that or raises; receipts are the truth; an undo keeps rows that were edited since.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from entrepot.errors import ConditionError, HeldError, PlanStaleError, PrecededError, UndoError
from entrepot.model.job import PlanCounts, PlanSummary
from entrepot.model.receipt import KeptRow, Receipt, Undone
from entrepot.model.steps import LoadSpec
from entrepot.ports.target import ColumnShape, Expired, Plan, PlannedRow, TableShape, UndoSpec
from tests.fakes.faults import Faults, faulty

Row = dict[str, str | None]
Job = tuple[str, str]


@dataclass
class Published:
    """What a publish left for its undo."""

    receipt: Receipt
    before: dict[str, Row | None]
    after: dict[str, Row | None]


@faulty
@dataclass
class FakeTarget:
    """Target in memory, as far as the workflow looks at it."""

    faults: Faults = field(default_factory=Faults)
    tables: dict[tuple[str, str], tuple[list[str], list[list[object]]]] = field(default_factory=dict)
    """Tables as `rows` shows them."""
    keyed: dict[str, dict[str, Row]] = field(default_factory=dict)
    """``schema.table`` → key → row: the tables that publish and undo change."""
    staged: dict[Job, dict[str, Row]] = field(default_factory=dict)
    """Job → key → row that it brings; None in place of a row deletes."""
    plans: dict[Job, list[PlannedRow]] = field(default_factory=dict)
    published: dict[Job, Published] = field(default_factory=dict)
    held: dict[Job, str] = field(default_factory=dict)
    """Jobs that a person must see first, with the reason."""
    condition: set[Job] = field(default_factory=set)
    """Jobs whose condition does not hold."""
    meanwhile: dict[Job, tuple[str, Receipt | None]] = field(default_factory=dict)
    """Jobs before whose publish another delivery is published: which look-up then finds it, and what."""
    found: dict[str, Receipt | None] = field(default_factory=dict)
    slow: int = 0
    """How many looks find that a transaction still runs."""
    expired: list[str] = field(default_factory=list)
    kept_journals: set[Job] = field(default_factory=set)

    # -- publish

    def plan(self, spec: LoadSpec) -> Plan:
        job = spec.tenant, spec.job_id
        if job in self.condition:
            raise ConditionError("The target is not empty.")
        self.plans[job] = _planned(self._table(spec), self._staged(job))
        return _plan(self.plans[job])

    def plan_rows(self, spec: LoadSpec, *, after: int = 0, limit: int = 100, action: str = "") -> list[PlannedRow]:
        return _page(self.plans[spec.tenant, spec.job_id], after, limit, action)

    def start_publish(self, spec: LoadSpec, draft: Receipt, *, seconds: float, plan_hash: str = "") -> Receipt | None:
        assert seconds > 0
        job = spec.tenant, spec.job_id
        if job in self.published:
            return self.published[job].receipt
        if job in self.condition:
            raise ConditionError("The target is not empty.")
        if job in self.meanwhile:
            self.found.update([self.meanwhile[job]])
            raise PrecededError("Another job was published first.")
        table, staged = self._table(spec), self._staged(job)
        rows = _planned(table, staged)
        if plan_hash and _plan(rows).summary.hash != plan_hash:
            raise PlanStaleError("The plan is stale.", rows=_moved(self.plans.get(job, []), rows))
        if not plan_hash and job in self.held:
            raise HeldError(self.held[job])
        if self.slow:
            self.slow -= 1
            return None
        before = {r.key["id"] or "": table.get(r.key["id"] or "") for r in rows}
        counts = _plan(rows).summary.counts
        table.update({k: dict(v) for k, v in staged.items()})
        receipt = draft.model_copy(
            update={
                "read": len(staged),
                "inserted": counts.insert,
                "updated": counts.update,
                "unchanged": len(staged) - len(rows),
            }
        )
        self.published[job] = Published(receipt, before, {k: dict(table[k]) for k in before})
        return receipt

    # -- undo

    def plan_undo(self, spec: UndoSpec) -> Plan:
        self.plans[spec.tenant, spec.job_id] = rows = self._undo_rows(spec)
        return _plan(rows)

    def undo_rows(self, spec: UndoSpec, *, after: int = 0, limit: int = 100, action: str = "") -> list[PlannedRow]:
        return _page(self.plans[spec.tenant, spec.job_id], after, limit, action)

    def start_undo(self, spec: UndoSpec, draft: Receipt, *, seconds: float, plan_hash: str = "") -> Receipt | None:
        assert seconds > 0
        job = spec.tenant, spec.job_id
        if job in self.published:
            return self.published[job].receipt
        rows = self._undo_rows(spec)
        counts = _plan(rows).summary.counts
        if plan_hash and _plan(rows).summary.hash != plan_hash:
            raise PlanStaleError("The plan is stale.", rows=_moved(self.plans.get(job, []), rows))
        for row in rows:
            key, table = row.key["id"] or "", self.keyed[draft.target]
            if row.action == "remove":
                del table[key]
            elif row.action == "restore":
                table[key] = dict(row.new or {})
        kept = [KeptRow(job=spec.jobs[0], key=r.key, reason=r.detail) for r in rows if r.action == "keep"]
        done = Undone(
            removed=counts.remove, restored=counts.update, kept=len(kept), kept_rows=kept, jobs=list(spec.jobs)
        )
        receipt = draft.model_copy(update={"undo": done})
        for job_id in spec.jobs:
            known = self.published[spec.tenant, job_id]
            known.receipt = known.receipt.model_copy(update={"undone_by": spec.job_id})
        self.published[job] = Published(receipt, {}, {})
        return receipt

    def jobs_since(self, tenant: str, schema: str, table: str, since: str) -> list[str]:
        return [
            job_id
            for (owner, job_id), p in reversed(self.published.items())
            if owner == tenant
            and p.receipt.target == f"{schema}.{table}"
            and p.receipt.mode != "undo"
            and not p.receipt.undone_by
            and p.receipt.finished_at.replace("Z", "+00:00") > since.replace("Z", "+00:00")
        ]

    def expire_journals(self, before: str, keep: Collection[Job] = ()) -> Expired:
        self.expired.append(before)
        self.kept_journals = set(keep)
        return Expired(0)

    # -- books

    def receipt(self, tenant: str, job_id: str) -> Receipt | None:
        found = self.published.get((tenant, job_id))
        return found.receipt if found else None

    def published_before(self, *_: str) -> Receipt | None:
        return self.found.get("published_before")

    def newer_published(self, *_: str) -> Receipt | None:
        return self.found.get("newer_published")

    def drop_staging(self, tenant: str, job_id: str) -> None:
        self.staged.pop((tenant, job_id), None)
        self.plans.pop((tenant, job_id), None)

    def staged_jobs(self) -> list[Job]:
        return sorted(self.staged)

    # -- tables

    def ping(self) -> str:
        return "PostgreSQL 18"

    def describe(self, schema: str, table: str) -> TableShape | None:
        found = self.tables.get((schema, table))
        if found is None:
            return None
        return TableShape(schema, table, [ColumnShape(c, "text", True, False) for c in found[0]])

    def rows(self, schema: str, table: str, *, limit: int) -> tuple[list[str], list[list[object]]]:
        columns, rows = self.tables[schema, table]
        return columns, rows[:limit]

    def count(self, schema: str, table: str) -> int:
        return len(self.tables[schema, table][1])

    def empty(self, schema: str, table: str) -> int:
        held = self.tables[schema, table][1]
        count = len(held)
        held.clear()
        return count

    def _table(self, spec: LoadSpec) -> dict[str, Row]:
        return self.keyed.setdefault(f"{spec.target_schema}.{spec.target_table}", {})

    def _staged(self, job: Job) -> dict[str, Row]:
        if job not in self.staged:
            from entrepot.errors import IntegrityError

            raise IntegrityError("Staging is gone.", reason="staging_lost")
        return self.staged[job]

    def _undo_rows(self, spec: UndoSpec) -> list[PlannedRow]:
        rows: list[PlannedRow] = []
        for job_id in spec.jobs:
            known = self.published.get((spec.tenant, job_id))
            if known is None or known.receipt.undone_by:
                raise UndoError(f"Job {job_id} cannot be taken back.", job=job_id)
            table = self.keyed[known.receipt.target]
            for key, before in known.before.items():
                now = table.get(key)
                mine = "remove" if before is None else "restore"
                action = mine if now == known.after[key] else "keep"
                detail = ("gone" if now is None else "edited") if action == "keep" else ""
                rows.append(PlannedRow(len(rows) + 1, action, {"id": key}, now, before, detail=detail))
        return rows


def _planned(table: dict[str, Row], staged: dict[str, Row]) -> list[PlannedRow]:
    rows = []
    for key, new in sorted(staged.items()):
        old = table.get(key)
        if old != new:
            rows.append(PlannedRow(len(rows) + 1, "update" if old else "insert", {"id": key}, old, new))
    return rows


def _plan(rows: Sequence[PlannedRow]) -> Plan:
    names = {"insert": "insert", "update": "update", "remove": "remove", "restore": "update", "keep": "keep"}
    counts: dict[str, int] = {}
    for row in rows:
        counts[names[row.action]] = counts.get(names[row.action], 0) + 1
    digest = hashlib.sha256(json.dumps(sorted([r.action, r.key["id"], str(r.old)] for r in rows)).encode())
    return Plan(PlanSummary(hash=digest.hexdigest()[:32], counts=PlanCounts(**counts)), len(rows))


def _moved(before: Sequence[PlannedRow], after: Sequence[PlannedRow]) -> list[dict[str, Any]]:
    old = {r.key["id"]: (r.action, r.old) for r in before}
    new = {r.key["id"]: (r.action, r.old) for r in after}
    return [{"id": key} for key in sorted({*old, *new}, key=str) if old.get(key) != new.get(key)]


def _page(rows: Sequence[PlannedRow], after: int, limit: int, action: str) -> list[PlannedRow]:
    return [r for r in rows if r.n > after and action in {"", r.action}][:limit]
