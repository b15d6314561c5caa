"""Conditional publishes, and publishes beside other writers."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from entrepot.adapters.postgres import ConnectionSettings, PostgresTarget
from entrepot.errors import ConditionError, RetriableError, TargetError
from entrepot.model.contract import Mode
from entrepot.model.receipt import Receipt
from entrepot.ports.target import UndoSpec

from .making import a_contract, a_draft, publish, ready, run

ROWS = [(1, "a", 1), (2, "b", 2), (3, "c", 3)]


def again(target: PostgresTarget, schema: str, rows: list, **how: Any) -> Receipt:
    return run(target, a_contract(schema, max_removed_percent=100), rows, **how)


def test_only_into_an_empty_table(target: PostgresTarget, db: psycopg.Connection, schema: str) -> None:
    assert again(target, schema, ROWS, only_if="empty").inserted == 3
    with pytest.raises(ConditionError, match="is not empty"):
        again(target, schema, [(9, "i", 9)], only_if="empty")
    spec = ready(target, a_contract(schema), [(9, "i", 9)], only_if="empty")
    with pytest.raises(ConditionError):
        target.plan(spec)
    db.execute(f"DELETE FROM {schema}.people")
    assert publish(target, spec).inserted == 1


def test_only_into_an_empty_slice(target: PostgresTarget, schema: str) -> None:
    again(target, schema, ROWS)
    sliced: dict[str, Any] = {"mode": Mode.REPLACE, "only_if": "empty"}
    assert again(target, schema, [(9, "i", 9)], slice_={"age": 9}, **sliced).inserted == 1
    with pytest.raises(ConditionError, match="in the slice"):
        again(target, schema, [(9, "i", 9)], slice_={"age": 9}, **sliced)


SLICED_MODES = [Mode.APPEND, Mode.UPSERT, Mode.INSERT_ONLY, Mode.UPDATE_ONLY, Mode.REPLACE, Mode.DELETE_MISSING]


@pytest.mark.parametrize("mode", SLICED_MODES)
@pytest.mark.capability("LOD8")
def test_every_mode_with_slices_refuses_rows_outside_and_looks_at_the_slice_alone(
    target: PostgresTarget, schema: str, mode: Mode
) -> None:
    again(target, schema, ROWS)
    sliced: dict[str, Any] = {"mode": mode, "slice_": {"age": [9, 8]}}
    spec = ready(target, a_contract(schema), [(9, "i", 9), (1, "a", 1)], only_if="empty", **sliced)
    assert [(r.row, r.code) for r in target.refusals(spec)] == [(3, "outside_slice")]
    done = publish(target, spec)
    assert (done.inserted, done.filtered, done.quarantined) == (
        (1, 0, 1) if mode not in {Mode.UPDATE_ONLY, Mode.DELETE_MISSING} else (0, 1, 1)
    )
    again(target, schema, [(9, "i", 9)])
    with pytest.raises(ConditionError, match="in the slice"):
        again(target, schema, [(8, "h", 8)], only_if="empty", **sliced)
    assert again(target, schema, [(9, "i", 9)], only_if="unchanged", **sliced).status == "published"


def test_updates_within_a_slice_are_counted_wherever_their_row_was(target: PostgresTarget, schema: str) -> None:
    again(target, schema, ROWS)
    done = again(target, schema, [(1, "a", 9), (2, "b", 9), (7, "g", 9)], mode=Mode.UPDATE_ONLY, slice_={"age": 9})
    assert (done.updated, done.unchanged, done.filtered) == (2, 0, 1)


@pytest.mark.parametrize("mode", [Mode.HISTORY, Mode.FEED])
def test_other_modes_refuse_a_slice(target: PostgresTarget, schema: str, mode: Mode) -> None:
    fields = [*a_contract(schema).model_dump(mode="json")["fields"], {"name": "operation"}]
    for slices in ({"slice_": {"age": 9}}, {}):
        made = a_contract(schema, fields=fields, **({} if slices else {"slice": {"age": 9}}))
        with pytest.raises(TargetError, match="knows no slices"):
            ready(target, made, [], mode=mode, **slices)


@pytest.mark.parametrize("mode", [Mode.UPSERT, Mode.REPLACE])
@pytest.mark.parametrize(
    ("edit", "fault"),
    [
        ("DELETE FROM {0} WHERE id = 1", ""),
        ("UPDATE {0} SET name = 'x' WHERE id = 1", ""),
        ("INSERT INTO {0} VALUES (6, 'f', 6)", ""),
        ("UPDATE {0} SET name = 'x' WHERE id = 8", "1 rows .* in the slice were written"),
        ("INSERT INTO {0} VALUES (6, 'f', 9)", "1 rows .* in the slice were written"),
        ("UPDATE {0} SET age = 9 WHERE id = 1", "1 rows .* in the slice were written"),
        ("DELETE FROM {0} WHERE id = 8", "1 rows in the slice, and 2 after"),
        ("UPDATE {0} SET age = 1 WHERE id = 8", "1 rows in the slice, and 2 after"),
        ("DELETE FROM {0} WHERE id = 8; INSERT INTO {0} VALUES (6, 'f', 6)", "1 rows in the slice, and 2 after"),
    ],
)
@pytest.mark.capability("LOD8")
def test_unchanged_looks_at_the_slice_alone(
    target: PostgresTarget, db: psycopg.Connection, schema: str, mode: Mode, edit: str, fault: str
) -> None:
    again(target, schema, ROWS)
    given = [(8, "h", 9), (9, "i", 9)]
    how: dict[str, Any] = {"mode": mode, "slice_": {"age": 9}}
    first = again(target, schema, given, **how)
    db.execute(edit.format(f"{schema}.people"))
    for only_if in ("unchanged", f"unchanged:{first.job_id}"):
        spec = ready(target, a_contract(schema), given, only_if=only_if, **how)
        if fault:
            for attempt in (lambda spec=spec: target.plan(spec), lambda spec=spec: publish(target, spec)):
                with pytest.raises(ConditionError, match=fault):
                    attempt()
    if not fault:
        assert publish(target, spec).unchanged == 2


def test_what_cannot_be_proved_of_a_slice_does_not_hold(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    again(target, schema, ROWS)
    how: dict[str, Any] = {"slice_": {"age": 9}}
    first = again(target, schema, [(9, "i", 9)], **how)
    again(target, schema, [(7, "g", 7)])
    # The whole table is as Entrepot left it, and so is any part.
    assert again(target, schema, [(9, "i", 9)], only_if=f"unchanged:{first.job_id}", **how).unchanged == 1
    again(target, schema, [(7, "g", 7)], slice_={"age": 7})
    db.execute(f"DELETE FROM {schema}.people WHERE id = 1")
    for only_if in ("unchanged", f"unchanged:{first.job_id}"):
        with pytest.raises(ConditionError, match="cannot be told"):
            again(target, schema, [(9, "i", 9)], only_if=only_if, **how)
    again(target, schema, [(9, "i", 9)], slice_={"age": ["9"]})
    db.execute(f"DELETE FROM {schema}.people WHERE id = 2")
    assert again(target, schema, [(9, "i", 9)], only_if="unchanged", **how).unchanged == 1


@pytest.mark.capability("LOD8")
def test_a_table_that_is_missing_is_empty_and_not_unchanged(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    spec = ready(target, a_contract(schema), ROWS, only_if="unchanged")
    for attempt in (lambda: target.plan(spec), lambda: publish(target, spec)):
        with pytest.raises(ConditionError, match="There is no table"):
            attempt()
    assert target.describe(schema, "people") is None
    again(target, schema, ROWS)
    db.execute(f"DROP TABLE {schema}.people")
    with pytest.raises(ConditionError, match="There is no table"):
        again(target, schema, ROWS, only_if="unchanged")
    spec = ready(target, a_contract(schema), ROWS, only_if="empty", slice_={"age": [1, 2, 3]})
    assert target.plan(spec).summary.counts.insert == 3
    assert publish(target, spec).inserted == 3


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE {0} SET name = 'x' WHERE id = 1",
        "UPDATE {0} SET name = name WHERE id = 1",
        "DELETE FROM {0} WHERE id = 1",
        "INSERT INTO {0} VALUES (8, 'h', 8)",
        "DELETE FROM {0} WHERE id = 1; INSERT INTO {0} VALUES (1, 'a', 1)",
        "TRUNCATE {0}",
        "VACUUM FULL {0}",
    ],
)
def test_only_if_nobody_else_changed_the_table(
    target: PostgresTarget, db: psycopg.Connection, schema: str, edit: str
) -> None:
    first = again(target, schema, ROWS)
    second = again(target, schema, [(2, "B", 2), (4, "d", 4)], only_if="unchanged")
    third = again(
        target, schema, [(2, "B", 2), (3, "c", 3), (4, "d", 4)], mode=Mode.REPLACE, only_if=f"unchanged:{first.job_id}"
    )
    assert (second.inserted, third.removed) == (1, 1)
    db.execute("SELECT 1")
    for statement in edit.format(f"{schema}.people").split("; "):
        db.execute(statement.replace("id = 1", "id = 2").replace("(1,", "(2,"))
    for only_if in ("unchanged", f"unchanged:{second.job_id}", f"unchanged:{first.job_id}"):
        with pytest.raises(ConditionError):
            again(target, schema, [(9, "i", 9)], only_if=only_if)
    last = again(target, schema, [(9, "i", 9)])
    if "FULL" not in edit and "TRUNCATE" not in edit:
        assert again(target, schema, [(9, "j", 9)], only_if="unchanged").updated == 1
    with pytest.raises(ConditionError, match=third.job_id):
        again(target, schema, [(9, "k", 9)], only_if=f"unchanged:{third.job_id}")
    assert last.inserted == 1


def test_an_undo_is_no_foreign_change(target: PostgresTarget, schema: str) -> None:
    first = again(target, schema, ROWS)
    second = again(target, schema, [(1, "A", 1), (3, "c", 3), (4, "d", 4)], mode=Mode.REPLACE)
    undo = UndoSpec(tenant="main", job_id="undo" + second.job_id, jobs=[second.job_id])
    spec = ready(target, a_contract(schema), ROWS)
    draft = a_draft(spec, job_id=undo.job_id, mode="undo", parent=second.job_id)
    assert target.start_undo(undo, draft, seconds=20) is not None
    assert again(target, schema, ROWS, only_if="unchanged").unchanged == 3
    assert again(target, schema, ROWS, only_if=f"unchanged:{first.job_id}").unchanged == 3


@pytest.mark.parametrize("only_if", ["unchanged", "unchanged:nobody"])
def test_nothing_to_compare_with(target: PostgresTarget, db: psycopg.Connection, schema: str, only_if: str) -> None:
    db.execute(f"CREATE TABLE {schema}.people (id bigint PRIMARY KEY, name text, age integer)")
    with pytest.raises(ConditionError):
        again(target, schema, ROWS, only_if=only_if)


def test_a_writer_that_had_begun_before_the_publish_is_noticed(
    migrated: str, target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    db.execute(f"CREATE TABLE {schema}.other (n int)")
    again(target, schema, ROWS)
    with psycopg.connect(migrated) as slow:
        slow.execute(f"INSERT INTO {schema}.other VALUES (1)")
        again(target, schema, [(4, "d", 4)])
        slow.execute(f"UPDATE {schema}.people SET name = 'late' WHERE id = 1")
    with pytest.raises(ConditionError, match="1 rows"):
        again(target, schema, ROWS, only_if="unchanged")


# --- beside other writers -----------------------------------------------------------------------------------------


def beside(schema: str, **changes: Any) -> Any:
    return a_contract(schema, **({"writers": "interleave", "max_removed_percent": 100} | changes))


def test_other_writers_go_on_while_a_job_publishes(target: PostgresTarget, db: psycopg.Connection, schema: str) -> None:
    db.execute(f"CREATE TABLE {schema}.people (id bigint PRIMARY KEY, name text, age integer)")
    db.execute(f"INSERT INTO {schema}.people VALUES (1, 'a', 1), (2, 'b', 2)")
    db.execute(
        f"CREATE FUNCTION {schema}.wait() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN IF NEW.name = 'slow' THEN PERFORM pg_sleep(1); END IF; RETURN NEW; END $$"
    )
    db.execute(f"CREATE TRIGGER wait BEFORE UPDATE ON {schema}.people FOR EACH ROW EXECUTE FUNCTION {schema}.wait()")
    spec = ready(target, beside(schema), [(1, "slow", 1)])
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(publish, target, spec)
        time.sleep(0.4)
        started = time.monotonic()
        db.execute(
            f"INSERT INTO {schema}.people VALUES (9, 'i', 9); UPDATE {schema}.people SET name = 'B' WHERE id = 2"
        )
        assert time.monotonic() - started < 0.4
        assert not done.done()
        assert done.result().updated == 1
    assert db.execute(f"SELECT name FROM {schema}.people ORDER BY id").fetchall() == [("slow",), ("B",), ("i",)]


@pytest.mark.parametrize("edit", ["UPDATE {0} SET age = 77 WHERE id = 1", "DELETE FROM {0} WHERE id = 1"])
def test_a_row_that_changes_between_is_classified_anew(
    migrated: str, target: PostgresTarget, db: psycopg.Connection, schema: str, edit: str
) -> None:
    db.execute(f"CREATE TABLE {schema}.people (id bigint PRIMARY KEY, name text, age integer)")
    db.execute(f"INSERT INTO {schema}.people VALUES (1, 'a', 1), (2, 'b', 2)")
    spec = ready(target, beside(schema), [(1, "new", 5), (2, "b", 2)])
    with psycopg.connect(migrated) as other, ThreadPoolExecutor(1) as pool:
        other.execute(edit.format(f"{schema}.people"))
        done = pool.submit(publish, target, spec)
        time.sleep(0.4)
        other.commit()
        receipt = done.result()
    assert receipt.inserted + receipt.updated == 1
    assert receipt.inserted == int("DELETE" in edit)
    assert db.execute(f"SELECT * FROM {schema}.people ORDER BY id").fetchall() == [(1, "new", 5), (2, "b", 2)]
    if receipt.updated:
        name = db.execute("SELECT undo_table FROM entrepot.receipt WHERE job_id = %s", (spec.job_id,)).fetchone()[0]
        assert db.execute(f"SELECT age FROM entrepot.{name}").fetchall() == [(77,)], (
            "what the other wrote can come back"
        )


def test_an_insert_that_another_made_first_becomes_an_update(
    migrated: str, target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    db.execute(f"CREATE TABLE {schema}.people (id bigint PRIMARY KEY, name text, age integer)")
    db.execute(f"INSERT INTO {schema}.people VALUES (5, 'e', 5)")
    spec = ready(target, beside(schema), [(1, "ours", 1)])
    with psycopg.connect(migrated) as other, ThreadPoolExecutor(1) as pool:
        other.execute(f"INSERT INTO {schema}.people VALUES (1, 'theirs', 1)")
        done = pool.submit(publish, target, spec)
        time.sleep(0.4)
        other.commit()
        assert done.result().updated == 1


def test_a_unique_value_that_stays_taken_ends_the_job(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    db.execute(f"CREATE TABLE {schema}.people (id bigint PRIMARY KEY, name text, age integer)")
    db.execute(f"INSERT INTO {schema}.people VALUES (5, 'e', 5)")
    spec = ready(target, beside(schema), [(1, "e", 1)])
    db.execute(f"ALTER TABLE {schema}.people ADD UNIQUE (name)")
    with pytest.raises(TargetError, match="unique"):
        publish(target, spec)


def test_jobs_and_writers_on_one_table_never_lose_a_row(
    migrated: str, target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    db.execute(f"CREATE TABLE {schema}.people (id bigint PRIMARY KEY, name text, age integer)")
    db.execute(f"INSERT INTO {schema}.people SELECT n, 'start', 0 FROM generate_series(1, 50) n")
    stop = threading.Event()

    def write() -> int:
        done = 0
        with psycopg.connect(migrated, autocommit=True) as other:
            while not stop.is_set():
                key = done % 60 + 1
                other.execute(
                    f"INSERT INTO {schema}.people VALUES (%s, 'w', 1) ON CONFLICT (id) DO UPDATE SET age = coalesce(people.age, 0) + 1",
                    (key,),
                )
                done += 1
        return done

    def work(n: int) -> Receipt:
        mine = PostgresTarget(migrated)
        try:
            spec = ready(mine, beside(schema), [(k, f"job{n}", None) for k in range(n, 60, 2)], fields=["id", "name"])
            while True:
                try:
                    return publish(mine, spec)
                except RetriableError:
                    continue
        finally:
            mine.close()

    with ThreadPoolExecutor(5) as pool:
        writer = pool.submit(write)
        receipts = list(pool.map(work, range(4)))
        stop.set()
        wrote = writer.result()
    assert all(r.read == r.inserted + r.updated + r.unchanged for r in receipts)
    # The jobs never write the age: every one of the writer's increments must be there.
    total, held = db.execute(f"SELECT sum(age), count(*) FROM {schema}.people").fetchone()
    assert (total, held) == (wrote, 61)


def test_a_table_that_another_session_holds_is_a_passing_fault(
    migrated: str, target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    db.execute(f"CREATE TABLE {schema}.people (id bigint PRIMARY KEY, name text, age integer)")
    spec = ready(target, beside(schema), ROWS)
    hasty = PostgresTarget(ConnectionSettings.from_dsn(migrated, lock_seconds=1))
    with psycopg.connect(migrated) as other:
        other.execute(f"LOCK TABLE {schema}.people IN ACCESS EXCLUSIVE MODE")
        started = time.monotonic()
        with pytest.raises(RetriableError, match="lock"):
            hasty.start_publish(spec, a_draft(spec), seconds=20)
        assert time.monotonic() - started < 10
    assert publish(hasty, spec).inserted == 3
    hasty.close()
