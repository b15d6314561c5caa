"""Publish: corners of the modes' classification, each told by the rows that are there afterwards."""

from __future__ import annotations

from datetime import date
from typing import Any

import psycopg
import pytest

from entrepot.adapters.postgres import PostgresTarget
from entrepot.errors import IntegrityError, NotFoundError
from entrepot.model.contract import Mode

from .making import a_contract, a_spec, load, publish, ready, run

DATED = [
    {"name": "id", "type": "integer"},
    {"name": "name", "type": "string"},
    {"name": "day", "type": "date"},
]
BY_DAY: dict[str, Any] = {"at": "day", "valid_from": "day", "valid_to": "until"}


def dated(schema: str, **changes: Any) -> Any:
    given: dict[str, Any] = {"mode": "history", "fields": DATED, "history": BY_DAY, "max_removed_percent": 100}
    return a_contract(schema, **(given | changes))


def rows(db: psycopg.Connection, schema: str, columns: str) -> list[tuple[Any, ...]]:
    return db.execute(f"SELECT {columns} FROM {schema}.people ORDER BY {columns}").fetchall()


def test_a_version_older_than_one_that_has_ended_is_left_out(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    run(target, dated(schema), [(1, "a", date(2024, 1, 10)), (2, "b", date(2024, 1, 10))])
    db.execute(f"UPDATE {schema}.people SET until = '2024-03-01', is_current = false WHERE id = 1")
    given = [(1, "before", date(2024, 1, 5)), (1, "within", date(2024, 2, 1)), (3, "c", date(2024, 1, 1))]
    for row in given[:2]:
        receipt = run(target, dated(schema), [row])
        assert (receipt.filtered_by, receipt.inserted) == ({"older": 1}, 0)
    assert run(target, dated(schema), [given[2]]).inserted == 1
    assert run(target, dated(schema), [(1, "after", date(2024, 3, 1))]).inserted == 1
    assert rows(db, schema, "id, name, is_current") == [
        (1, "a", False), (1, "after", True), (2, "b", True), (3, "c", True)
    ]  # fmt: skip


def test_versions_that_begin_at_the_same_time_change_nothing(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    run(target, dated(schema), [(1, "a", date(2024, 1, 10))])
    receipt = run(target, dated(schema), [(1, "other", date(2024, 1, 10))])
    assert (receipt.filtered_by, receipt.updated) == ({"older": 1}, 0)
    assert rows(db, schema, "id, name") == [(1, "a")]


def test_another_mode_than_history_compares_the_time_as_any_value(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    db.execute(f"CREATE TABLE {schema}.people (id bigint PRIMARY KEY, name text, day date)")
    db.execute(f"INSERT INTO {schema}.people VALUES (1, 'a', '2024-01-01')")
    assert run(target, dated(schema), [(1, "a", date(2024, 1, 2))], mode=Mode.UPSERT).updated == 1
    assert rows(db, schema, "id, day") == [(1, date(2024, 1, 2))]


def test_replace_without_a_key_leaves_other_slices_alone(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    db.execute(f"CREATE TABLE {schema}.people (id bigint, name text, age integer)")
    db.execute(f"INSERT INTO {schema}.people VALUES (1, 'EU', 1), (1, 'EU', 1), (2, 'US', 2), (3, NULL, 3)")
    keyless = a_contract(schema, key=[], max_removed_percent=100)
    receipt = run(target, keyless, [(1, "EU", 1), (9, "EU", 9)], mode=Mode.REPLACE, slice_={"name": "EU"})
    assert (receipt.inserted, receipt.unchanged, receipt.removed) == (1, 1, 1)
    assert rows(db, schema, "id, name") == [(1, "EU"), (2, "US"), (3, None), (9, "EU")]


def test_replace_without_a_key_compares_with_the_defaults_that_blanks_become(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    db.execute(f"CREATE TABLE {schema}.people (id bigint, name text DEFAULT 'ours', age integer NOT NULL DEFAULT 5)")
    db.execute(f"INSERT INTO {schema}.people VALUES (1, 'ours', 5), (2, NULL, 5)")
    fields = [
        {"name": "id", "type": "integer"},
        {"name": "name", "blank": "keep"},
        {"name": "age", "type": "integer"},
    ]
    keyless = a_contract(schema, key=[], fields=fields, max_removed_percent=100)
    receipt = run(target, keyless, [(1, None, None), (2, None, None)], mode=Mode.REPLACE)
    assert (receipt.inserted, receipt.unchanged, receipt.removed) == (1, 1, 1)
    assert rows(db, schema, "id, name, age") == [(1, "ours", 5), (2, "ours", 5)]


@pytest.mark.parametrize("mode", [Mode.UPDATE_ONLY, Mode.INSERT_ONLY, Mode.UPSERT])
def test_what_each_mode_leaves_out_is_counted(
    target: PostgresTarget, db: psycopg.Connection, schema: str, mode: Mode
) -> None:
    db.execute(f"CREATE TABLE {schema}.people (id bigint PRIMARY KEY, name text, age integer)")
    db.execute(f"INSERT INTO {schema}.people VALUES (1, 'a', 1), (2, 'b', 2)")
    receipt = run(target, a_contract(schema), [(1, "A", 1), (2, "b", 2), (3, "c", 3)], mode=mode)
    counted = (receipt.inserted, receipt.updated, receipt.unchanged, receipt.filtered_by)
    left: dict[Mode, tuple[Any, list[tuple[Any, ...]]]] = {
        Mode.UPDATE_ONLY: ((0, 1, 1, {"missing": 1}), [(1, "A"), (2, "b")]),
        Mode.INSERT_ONLY: ((1, 0, 0, {"exists": 2}), [(1, "a"), (2, "b"), (3, "c")]),
        Mode.UPSERT: ((1, 1, 1, {}), [(1, "A"), (2, "b"), (3, "c")]),
    }
    assert (counted, rows(db, schema, "id, name")) == left[mode]


def test_a_key_of_two_columns_is_matched_by_both(target: PostgresTarget, db: psycopg.Connection, schema: str) -> None:
    db.execute(f"CREATE TABLE {schema}.people (id bigint, name text, age integer, PRIMARY KEY (id, name))")
    db.execute(f"INSERT INTO {schema}.people VALUES (1, 'a', 1), (1, 'b', 1), (2, 'a', 1)")
    both = a_contract(schema, key=["id", "name"], max_removed_percent=100)
    receipt = run(target, both, [(1, "a", 9), (2, "b", 9)], mode=Mode.REPLACE)
    assert (receipt.inserted, receipt.updated, receipt.removed) == (1, 1, 2)
    assert rows(db, schema, "id, name, age") == [(1, "a", 9), (2, "b", 9)]


def test_the_rows_of_a_plan_that_is_gone_say_whose_it_was(target: PostgresTarget, schema: str) -> None:
    spec = ready(target, a_contract(schema), [(1, "a", 1)])
    with pytest.raises(NotFoundError, match=spec.job_id) as gone:
        target.plan_rows(spec)
    assert gone.value.facts == {"job_id": spec.job_id}
    assert gone.value.hint
    assert publish(target, spec).inserted == 1


def test_pages_of_a_plan_follow_each_other_and_know_one_action(target: PostgresTarget, schema: str) -> None:
    run(target, a_contract(schema), [(1, "a", 1), (2, "b", 2)])
    spec = ready(target, a_contract(schema), [(1, "A", 1), (3, "c", 3), (4, "d", 4)])
    target.plan(spec)
    every = target.plan_rows(spec)
    assert [r.n for r in every] == sorted(r.n for r in every)
    assert {(r.action, r.key["id"]) for r in every} == {("update", "1"), ("insert", "3"), ("insert", "4")}
    assert target.plan_rows(spec, after=every[0].n) == every[1:]
    assert target.plan_rows(spec, after=-5) == every
    assert target.plan_rows(spec, limit=1) == every[:1]
    assert (target.plan_rows(spec, limit=0), target.plan_rows(spec, limit=-1)) == ([], [])
    assert [r.key["id"] for r in target.plan_rows(spec, action="update")] == ["1"]
    assert target.plan_rows(spec, action="remove") == []
    assert target.plan_rows(spec, action="no such action") == []
    (update,) = target.plan_rows(spec, action="update")
    assert (update.old, update.new) == ({"name": "a"}, {"name": "A"})
    assert (update.row, update.chunk_id, update.moved) == (2, "000000", False)


@pytest.mark.parametrize("mode", [Mode.UPSERT, Mode.APPEND])
def test_a_chunk_that_was_never_loaded_is_missed_in_the_database(
    target: PostgresTarget, schema: str, mode: Mode
) -> None:
    spec = a_spec(target, a_contract(schema), chunks=3, mode=mode)
    load(target, spec, [(1, "a", 1)], chunk=0)
    load(target, spec, [(2, "b", 2)], chunk=2, first_row=9)
    target.check(spec)
    with pytest.raises(IntegrityError):
        publish(target, spec)
    assert target.describe(schema, "people") is None


def test_staging_that_survives_a_crash_is_published_as_any(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    run(target, a_contract(schema), [(1, "a", 1), (2, "b", 2)], unlogged=False)
    spec = ready(target, a_contract(schema), [(1, "A", 1), (3, "c", 3)], unlogged=False)
    query = "SELECT relpersistence::text FROM pg_class WHERE relname LIKE %s ORDER BY relname"
    plan = target.plan(spec)
    made = db.execute(query, (f"{spec.staging_table}%",)).fetchall()
    assert len(made) > 1, "staging and the plan beside it"
    assert set(made) == {("p",)}
    assert publish(target, spec, plan_hash=plan.summary.hash).updated == 1
    assert rows(db, schema, "id, name") == [(1, "A"), (2, "b"), (3, "c")]
