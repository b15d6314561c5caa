"""Random sequences of imports, plans, edits by others, undos and redeliveries, against a model in memory.

The model knows only what DESIGN says: which rows a mode writes, that a plan is published exactly or not at
all, and that undo gives back what nobody touched since. Table and receipts must agree with it after every
step. ``ENTREPOT_SEQUENCES`` sets how many sequences are tried.
"""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from entrepot.adapters.postgres import PostgresTarget
from entrepot.errors import HeldError, PlanStaleError, UndoError
from entrepot.model.contract import Mode
from entrepot.model.receipt import Receipt
from entrepot.model.steps import LoadSpec
from entrepot.ports.target import UndoSpec

from .making import a_contract, a_draft, a_spec, load

Row = tuple[str | None, int | None]

SEQUENCES = int(os.environ.get("ENTREPOT_SEQUENCES", "40"))

keys = st.integers(0, 9)
values = st.tuples(st.sampled_from([None, "a", "b"]), st.sampled_from([None, 1, 2]))
files = st.lists(st.tuples(keys, values), max_size=8)
modes = st.sampled_from(
    [Mode.UPSERT, Mode.INSERT_ONLY, Mode.UPDATE_ONLY, Mode.REPLACE, Mode.DELETE_MISSING, Mode.FEED, Mode.APPEND]
)
operations = st.lists(st.tuples(keys, values, st.sampled_from("IUD")), max_size=8)

COUNTED = (
    "inserted", "updated", "unchanged", "deleted", "removed", "duplicate", "collapsed", "filtered", "quarantined",
)  # fmt: skip
"""The receipt's counts that a row of a file, or a row that it lacks, can have."""


@dataclass
class Held:
    """A row of the model, and who wrote it last."""

    values: Row
    writer: str


@dataclass
class Done:
    """What a job of the model did."""

    spec: LoadSpec
    inserted: list[int] = field(default_factory=list)
    before: dict[int, Held] = field(default_factory=dict)
    """Key → the row that was updated or taken away."""
    gone: set[int] = field(default_factory=set)
    counts: dict[str, int] = field(default_factory=dict)


@dataclass
class Effect:
    """Key → new values (None: taken away), and the receipt's counts."""

    writes: dict[int, Row | None]
    counts: dict[str, int]


def effect(mode: Mode, table: dict[int, Held], rows: list[tuple[int, Row, str]]) -> Effect:
    """What a file does to a table, said as plainly as possible."""
    last = {key: (values, word) for key, values, word in rows}
    counts = dict.fromkeys(COUNTED, 0)
    counts["collapsed" if mode is Mode.FEED else "duplicate"] = len(rows) - len(last)
    writes: dict[int, Row | None] = {}
    for key, (new, word) in last.items():
        old = table.get(key)
        what = fate(mode, old.values if old else None, new, word)
        counts[what] += 1
        if what in {"inserted", "updated", "deleted"}:
            writes[key] = None if what == "deleted" else new
    if mode in {Mode.REPLACE, Mode.DELETE_MISSING}:
        gone = table.keys() - last.keys()
        writes |= dict.fromkeys(gone)
        counts["removed"] = len(gone)
    return Effect(writes, counts)


def fate(mode: Mode, old: Row | None, new: Row, word: str) -> str:
    """What becomes of one row of a file, by its count in the receipt."""
    if mode is Mode.DELETE_MISSING:
        return "filtered"
    if mode is Mode.FEED and word == "D":
        return "deleted" if old else "filtered"
    if old is None:
        return "filtered" if mode is Mode.UPDATE_ONLY else "inserted"
    if mode is Mode.APPEND:
        return "quarantined"
    if mode is Mode.INSERT_ONLY:
        return "filtered"
    return "unchanged" if old == new else "updated"


class Sequences(RuleBasedStateMachine):
    """One table, its model, and the jobs that touched it."""

    target: PostgresTarget
    db: psycopg.Connection

    def __init__(self) -> None:
        super().__init__()
        self.schema = f"m_{uuid.uuid4().hex[:12]}"
        self.db.execute(f"CREATE SCHEMA {self.schema}")
        self.db.execute(f"CREATE TABLE {self.schema}.people (id bigint PRIMARY KEY, name text, age bigint)")
        self.table: dict[int, Held] = {}
        self.jobs: dict[str, Done] = {}
        self.undone: set[str] = set()
        self.waiting: tuple[LoadSpec, str, Effect, dict[int, Held]] | None = None

    def teardown(self) -> None:
        self.db.execute(f"DROP SCHEMA {self.schema} CASCADE")

    # What happens ------------------------------------------------------------------------------

    @rule(mode=modes.filter(lambda m: m is not Mode.FEED), rows=files)
    def imports(self, mode: Mode, rows: list[tuple[int, Row]]) -> None:
        self._import(mode, [(key, values, "") for key, values in rows])

    @rule(rows=operations)
    def feeds(self, rows: list[tuple[int, Row, str]]) -> None:
        self._import(Mode.FEED, rows)

    @precondition(lambda self: self.waiting is None)
    @rule(mode=modes.filter(lambda m: m is not Mode.FEED), rows=files)
    def plans(self, mode: Mode, rows: list[tuple[int, Row]]) -> None:
        told = [(key, values, "") for key, values in rows]
        spec = self._staged(mode, told)
        expected = effect(mode, self.table, told)
        summary = self.target.plan(spec).summary
        counts = summary.counts
        assert (counts.insert, counts.update, counts.unchanged, counts.delete, counts.remove) == tuple(
            expected.counts[k] for k in ("inserted", "updated", "unchanged", "deleted", "removed")
        )
        pages = self.target.plan_rows(spec, limit=100)
        written = {int(p.key["id"] or -1): p.action for p in pages if p.action != "unchanged"}
        assert written.keys() == expected.writes.keys()
        self.waiting = (spec, summary.hash, expected, dict(self.table))

    @precondition(lambda self: self.waiting is not None)
    @rule()
    def publishes_the_plan(self) -> None:
        assert self.waiting is not None
        spec, plan_hash, expected, then = self.waiting
        self.waiting = None
        rows = self._touched_rows(spec, then)
        stale: set[int] | None = None
        receipt = None
        try:
            receipt = self.target.start_publish(spec, a_draft(spec), seconds=30, plan_hash=plan_hash)
        except PlanStaleError as error:
            stale = {int(r["id"]) for r in error.rows}
        if stale is None:
            assert not rows & expected.writes.keys(), "a row of the plan had changed"
            self._note(spec, expected, receipt)
        else:
            assert rows, "nothing that the plan looks at has changed"
            assert stale <= rows

    def _touched_rows(self, spec: LoadSpec, then: dict[int, Held]) -> set[int]:
        """Keys whose planned action or old row is another now."""
        return {k for k in then.keys() | self.table.keys() if _seen(then.get(k)) != _seen(self.table.get(k))}

    @rule(key=keys, new=values)
    def somebody_writes(self, key: int, new: Row) -> None:
        self.db.execute(
            f"INSERT INTO {self.schema}.people VALUES (%s, %s, %s) "
            "ON CONFLICT (id) DO UPDATE SET name = excluded.name, age = excluded.age",
            (key, *new),
        )
        self.table[key] = Held(new, f"edit {uuid.uuid4()}")

    @rule(key=keys)
    def somebody_deletes(self, key: int) -> None:
        self.db.execute(f"DELETE FROM {self.schema}.people WHERE id = %s", (key,))
        self.table.pop(key, None)

    @precondition(lambda self: self.jobs.keys() - self.undone)
    @rule(data=st.data())
    def undoes(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from([j for j in self.jobs if j not in self.undone]))
        self._undo([job])

    @precondition(lambda self: self.jobs.keys() - self.undone)
    @rule(data=st.data())
    def undoes_back_to(self, data: st.DataObject) -> None:
        left = [j for j in self.jobs if j not in self.undone]
        first = data.draw(st.integers(0, len(left) - 1))
        self._undo(left[first:][::-1])

    @precondition(lambda self: self.undone)
    @rule(data=st.data())
    def undoes_twice(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(sorted(self.undone)))
        spec = UndoSpec("main", uuid.uuid4().hex, [job])
        with pytest.raises(UndoError):
            self.target.start_undo(spec, self._undo_draft(spec), seconds=30)

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def publishes_again(self, data: st.DataObject) -> None:
        """A step that is repeated finds the receipt and does nothing; the same file again changes what it must."""
        job = data.draw(st.sampled_from(list(self.jobs)))
        spec = self.jobs[job].spec
        before = self.target.receipt("main", job)
        assert before is not None
        again = self.target.start_publish(spec, a_draft(spec), seconds=30)
        assert again is not None
        assert (again.inserted, again.updated) == (before.inserted, before.updated)

    @rule(mode=modes.filter(lambda m: m is not Mode.FEED), rows=files)
    def cancels(self, mode: Mode, rows: list[tuple[int, Row]]) -> None:
        """A job that is given up before publish leaves neither rows nor staging."""
        spec = self._staged(mode, [(key, values, "") for key, values in rows])
        self.target.drop_staging("main", spec.job_id)
        assert self.target.receipt("main", spec.job_id) is None

    @precondition(lambda self: self.waiting is not None)
    @rule()
    def gives_the_plan_up(self) -> None:
        assert self.waiting is not None
        self.target.drop_staging("main", self.waiting[0].job_id)
        self.waiting = None

    # How it is done ----------------------------------------------------------------------------

    def _contract(self, mode: Mode) -> Any:
        fields = [{"name": "id", "type": "integer"}, {"name": "name"}, {"name": "age", "type": "integer"}]
        if mode is Mode.FEED:
            fields.append({"name": "operation"})
        return a_contract(self.schema, mode=mode.value, fields=fields, max_removed_percent=100, backup_percent=100)

    def _staged(self, mode: Mode, rows: list[tuple[int, Row, str]]) -> LoadSpec:
        spec = a_spec(self.target, self._contract(mode), mode=mode)
        wide = [(key, *new, word) if mode is Mode.FEED else (key, *new) for key, new, word in rows]
        load(self.target, spec, wide)
        self.target.check(spec)
        return spec

    def _import(self, mode: Mode, rows: list[tuple[int, Row, str]]) -> None:
        expected = effect(mode, self.table, rows)
        spec = self._staged(mode, rows)
        try:
            receipt = self.target.start_publish(spec, a_draft(spec), seconds=30)
        except HeldError:
            assert expected.counts["quarantined"]
            assert expected.counts["removed"]
            return
        self._note(spec, expected, receipt)
        self.target.drop_staging("main", spec.job_id)

    def _note(self, spec: LoadSpec, expected: Effect, receipt: Receipt | None) -> None:
        assert receipt is not None
        receipt.check()
        assert {k: getattr(receipt, k) for k in expected.counts} == expected.counts
        job, done = spec.job_id, Done(spec, counts=expected.counts)
        for key, new in expected.writes.items():
            old = self.table.get(key)
            if old is None:
                done.inserted.append(key)
            else:
                done.before[key] = old
            if new is None:
                done.gone.add(key)
                del self.table[key]
            else:
                self.table[key] = Held(new, job)
        self.jobs[job] = done

    def _undo(self, jobs: list[str]) -> None:
        spec = UndoSpec("main", uuid.uuid4().hex, jobs)
        expected = {"removed": 0, "restored": 0, "reinserted": 0, "kept": 0}
        table = dict(self.table)
        for job in jobs:
            _take_back(job, self.jobs[job], table, expected)
        plan = self.target.plan_undo(spec).summary
        assert plan.counts.keep == expected["kept"]
        receipt = self.target.start_undo(spec, self._undo_draft(spec), seconds=30, plan_hash=plan.hash)
        assert receipt is not None
        assert receipt.undo is not None
        assert {k: getattr(receipt.undo, k) for k in expected} == expected
        assert len(receipt.undo.kept_rows) == expected["kept"]
        self.table = table
        self.undone |= set(jobs)

    def _undo_draft(self, spec: UndoSpec) -> Receipt:
        return Receipt(
            job_id=spec.job_id, tenant="main", status="published", actor="tester", mode="undo", parent=spec.jobs[0]
        )

    @invariant()
    def table_is_the_models(self) -> None:
        found = self.db.execute(f"SELECT id, name, age FROM {self.schema}.people").fetchall()
        assert {r[0]: (r[1], r[2]) for r in found} == {k: h.values for k, h in self.table.items()}


def _seen(held: Held | None) -> tuple[Row, str] | None:
    return (held.values, held.writer) if held else None


def _take_back(job: str, done: Done, table: dict[int, Held], counts: dict[str, int]) -> None:
    """The rule of undo: what this job wrote and nobody touched since goes back, all else is kept."""
    for key in done.inserted:
        mine = key in table and table[key].writer == job
        counts["removed" if mine else "kept"] += 1
        if mine:
            del table[key]
    for key, old in done.before.items():
        if key in done.gone:
            counts["kept" if key in table else "reinserted"] += 1
            table.setdefault(key, old)
        elif key in table and table[key].writer == job:
            table[key] = old
            counts["restored"] += 1
        else:
            counts["kept"] += 1


@pytest.fixture
def machine(target: PostgresTarget, db: psycopg.Connection) -> type[Sequences]:
    return type("Machine", (Sequences,), {"target": target, "db": db})


@pytest.mark.timeout(3600)
@pytest.mark.capability("LOD1", "LOD3", "LOD4", "LOD5", "LOD6")
def test_table_and_receipts_agree_with_the_model(machine: type[Sequences]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=SEQUENCES,
            stateful_step_count=10,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            derandomize=SEQUENCES <= 100,
        ),
    )
