"""Plans: what is planned is what is published, or nothing is."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from entrepot.adapters.postgres import PostgresTarget
from entrepot.errors import NotFoundError, PlanStaleError, TargetError
from entrepot.model.contract import Mode
from entrepot.model.steps import LoadSpec

from .making import a_contract, publish, ready, run


@pytest.fixture
def people(db: psycopg.Connection, schema: str) -> str:
    db.execute(f"CREATE TABLE {schema}.people (id bigint PRIMARY KEY, name text, age integer, note text)")
    db.execute(f"INSERT INTO {schema}.people VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3)")
    return f"{schema}.people"


GIVEN = [(1, "a", 1), (2, "B", 2), (4, "d", 4)]


def planned(target: PostgresTarget, schema: str, rows: list = GIVEN, **how: Any) -> tuple[LoadSpec, str]:
    mode = how.pop("mode", Mode.REPLACE)
    spec = ready(target, a_contract(schema, **({"max_removed_percent": 100} | how)), rows, mode=mode)
    return spec, target.plan(spec).summary.hash


def table(db: psycopg.Connection, people: str) -> list[tuple]:
    return db.execute(f"SELECT xmin::text, ctid::text, * FROM {people} ORDER BY id").fetchall()


def test_a_plan_counts_and_changes_nothing(
    target: PostgresTarget, db: psycopg.Connection, schema: str, people: str
) -> None:
    before = table(db, people)
    spec = ready(target, a_contract(schema, max_removed_percent=100), GIVEN, mode=Mode.REPLACE)
    plan = target.plan(spec)
    assert plan.summary.counts.model_dump(exclude_defaults=True) == {
        "insert": 1,
        "update": 1,
        "unchanged": 1,
        "remove": 1,
    }
    assert plan.target_rows == 3
    assert table(db, people) == before
    assert target.plan(spec) == plan, "the same again"
    receipt = publish(target, spec, plan_hash=plan.summary.hash)
    assert (receipt.inserted, receipt.updated, receipt.unchanged, receipt.removed) == (1, 1, 1, 1)
    assert receipt.plan_hash == plan.summary.hash


def test_a_plans_rows_show_what_changes(target: PostgresTarget, schema: str, people: str) -> None:
    spec, _ = planned(target, schema)
    rows = target.plan_rows(spec)
    assert [(r.n, r.action, r.key, r.old, r.new, r.row, r.moved) for r in rows] == [
        (1, "update", {"id": "2"}, {"name": "b"}, {"name": "B"}, 3, False),
        (2, "remove", {"id": "3"}, {"id": "3", "name": "c", "age": "3"}, None, 0, False),
        (3, "insert", {"id": "4"}, None, {"id": "4", "name": "d", "age": "4"}, 4, False),
    ]
    assert rows[0].chunk_id == "000000"
    assert [r.n for r in target.plan_rows(spec, after=1, limit=1)] == [2]
    assert [r.action for r in target.plan_rows(spec, action="insert")] == ["insert"]
    assert target.plan_rows(spec, action="nothing") == []


def test_rows_that_changed_since_are_marked(
    target: PostgresTarget, db: psycopg.Connection, schema: str, people: str
) -> None:
    spec, _ = planned(target, schema)
    db.execute(
        f"UPDATE {people} SET note = 'other' WHERE id = 2; DELETE FROM {people} WHERE id = 3; INSERT INTO {people} VALUES (4)"
    )
    assert {r.key["id"]: r.moved for r in target.plan_rows(spec)} == {"2": True, "3": True, "4": True}


@pytest.mark.parametrize(
    ("edit", "named"),
    [
        ("UPDATE {0} SET note = 'x' WHERE id = 2", ["2"]),
        ("UPDATE {0} SET name = 'B' WHERE id = 2", ["2"]),
        ("UPDATE {0} SET name = 'x' WHERE id = 1", ["1"]),
        ("UPDATE {0} SET note = 'x' WHERE id = 3", ["3"]),
        ("DELETE FROM {0} WHERE id = 3", ["3"]),
        ("DELETE FROM {0} WHERE id = 1", ["1"]),
        ("INSERT INTO {0} VALUES (4, 'd', 4)", ["4"]),
        ("INSERT INTO {0} VALUES (5, 'e', 5)", ["5"]),
        ("DELETE FROM {0}", ["1", "2", "3"]),
    ],
)
def test_a_plan_that_is_not_what_would_be_done_is_refused_and_names_the_rows(
    target: PostgresTarget, db: psycopg.Connection, schema: str, people: str, edit: str, named: list[str]
) -> None:
    spec, digest = planned(target, schema)
    db.execute(edit.format(people))
    before = table(db, people)
    for _ in range(2):
        with pytest.raises(PlanStaleError) as caught:
            publish(target, spec, plan_hash=digest)
        assert [row["id"] for row in caught.value.rows] == named
    assert table(db, people) == before
    again = target.plan(spec).summary.hash
    assert again != digest
    assert publish(target, spec, plan_hash=again).plan_hash == again


def test_edits_that_the_plan_does_not_look_at_do_not_matter(
    target: PostgresTarget, db: psycopg.Connection, schema: str, people: str
) -> None:
    spec, digest = planned(target, schema)
    db.execute(f"UPDATE {people} SET note = 'x' WHERE id = 1")
    db.execute(f"UPDATE {people} SET name = name")
    assert publish(target, spec, plan_hash=digest).updated == 1


@pytest.mark.parametrize("digest", ["0", "deadbeef" * 5])
def test_a_hash_that_was_never_given_out_is_refused(
    target: PostgresTarget, db: psycopg.Connection, schema: str, people: str, digest: str
) -> None:
    spec = ready(target, a_contract(schema), GIVEN)
    with pytest.raises(PlanStaleError) as caught:
        publish(target, spec, plan_hash=digest)
    assert caught.value.rows == []
    assert len(table(db, people)) == 3


def test_keys_that_must_not_be_shown_are_masked(
    target: PostgresTarget, db: psycopg.Connection, schema: str, people: str
) -> None:
    fields = a_contract(schema).model_dump(mode="json")["fields"]
    fields[0]["classification"] = "personal"
    spec, digest = planned(target, schema, fields=fields)
    db.execute(f"DELETE FROM {people} WHERE id = 3")
    with pytest.raises(PlanStaleError) as caught:
        publish(target, spec, plan_hash=digest)
    assert caught.value.rows == [{"id": "***"}]


def test_a_plan_is_published_once(target: PostgresTarget, db: psycopg.Connection, schema: str, people: str) -> None:
    spec, digest = planned(target, schema)
    first = publish(target, spec, plan_hash=digest)
    after = table(db, people)
    assert publish(target, spec, plan_hash=digest) == first
    assert table(db, people) == after


def test_a_plan_of_a_table_that_is_gone_or_altered(
    target: PostgresTarget, db: psycopg.Connection, schema: str, people: str
) -> None:
    spec, digest = planned(target, schema)
    db.execute(f"ALTER TABLE {people} ADD more text")
    with pytest.raises(PlanStaleError):
        publish(target, spec, plan_hash=digest)
    db.execute(f"ALTER TABLE {people} DROP COLUMN age")
    with pytest.raises(TargetError, match="column is missing"):
        publish(target, spec, plan_hash=digest)
    with pytest.raises(TargetError, match="column is missing"):
        target.plan(spec)
    db.execute(f"DROP TABLE {people}")
    for attempt in (lambda: publish(target, spec, plan_hash=digest), lambda: target.plan(spec)):
        with pytest.raises(TargetError, match="gone"):
            attempt()


@pytest.mark.parametrize("mode", [Mode.UPSERT, Mode.APPEND, Mode.INSERT_ONLY, Mode.REPLACE])
def test_a_plan_for_a_table_that_is_made_by_it(target: PostgresTarget, schema: str, mode: Mode) -> None:
    spec, digest = planned(target, schema, mode=mode)
    assert [r.action for r in target.plan_rows(spec)] == ["insert"] * 3
    assert publish(target, spec, plan_hash=digest).inserted == 3


def test_a_plan_for_a_history(target: PostgresTarget, db: psycopg.Connection, schema: str) -> None:
    kept = a_contract(schema, mode="history", history={"close_missing": True})
    run(target, kept, [(1, "a", 1), (2, "b", 2)])
    spec = ready(target, kept, [(1, "A", 1), (3, "c", 3)])
    plan = target.plan(spec)
    assert plan.summary.counts.model_dump(exclude_defaults=True) == {"insert": 1, "update": 1, "close": 2}
    assert next((r.action, r.key, r.new) for r in target.plan_rows(spec)) == ("update", {"id": "1"}, {"name": "A"})
    assert not any(r.moved for r in target.plan_rows(spec))
    assert publish(target, spec, plan_hash=plan.summary.hash).closed == 2


def test_a_plan_without_a_key(target: PostgresTarget, db: psycopg.Connection, schema: str) -> None:
    db.execute(f"CREATE TABLE {schema}.people (id bigint, name text, age integer)")
    db.execute(f"INSERT INTO {schema}.people VALUES (1, 'a', 1), (1, 'a', 1), (2, 'b', 2)")
    keyless = a_contract(schema, key=[], max_removed_percent=100)
    spec = ready(target, keyless, [(1, "a", 1), (3, "c", 3)], mode=Mode.REPLACE)
    plan = target.plan(spec)
    assert [(r.action, r.key, r.moved) for r in target.plan_rows(spec)] == [
        ("remove", {}, False), ("remove", {}, False), ("insert", {}, False)
    ]  # fmt: skip
    db.execute(f"INSERT INTO {schema}.people VALUES (2, 'b', 2)")
    with pytest.raises(PlanStaleError):
        publish(target, spec, plan_hash=plan.summary.hash)
    db.execute(f"DELETE FROM {schema}.people WHERE ctid = (SELECT max(ctid) FROM {schema}.people)")
    assert publish(target, spec, plan_hash=plan.summary.hash).removed == 2


def test_columns_with_strange_names_and_defaults_that_draw_numbers(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    db.execute(f'CREATE TABLE {schema}.people (id bigint PRIMARY KEY, "a%s""b" text, t serial)')
    fields = [{"name": "id", "type": "integer"}, {"name": 'a%s"b'}, {"name": "t", "type": "integer"}]
    spec = ready(target, a_contract(schema, fields=fields), [(1, "x", None), (2, "%(after)s", 5)])
    first = target.plan(spec).summary.hash
    assert target.plan_rows(spec)[0].new == {"id": "1", 'a%s"b': "x", "t": None}
    assert target.plan(spec).summary.hash == first
    publish(target, spec, plan_hash=first)
    assert db.execute(f"SELECT id, t FROM {schema}.people ORDER BY id").fetchall() == [(1, 1), (2, 5)]


def test_the_rows_of_a_plan_that_is_gone(target: PostgresTarget, schema: str, people: str) -> None:
    spec, _ = planned(target, schema)
    target.drop_staging(spec.tenant, spec.job_id)
    with pytest.raises(NotFoundError, match="gone"):
        target.plan_rows(spec)


def test_two_rows_of_a_plan_do_not_cancel_each_other(target: PostgresTarget, schema: str, people: str) -> None:
    hashes = {
        planned(target, schema, rows)[1] for rows in ([], [(1, "a", 1)], [(1, "a", 1), (2, "b", 2)], GIVEN, GIVEN[:2])
    }
    assert len(hashes) == 5
