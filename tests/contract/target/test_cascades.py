"""Deletes that reach further rows by foreign keys: refused, counted through every table, and never of the table itself."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from entrepot.adapters.postgres import PostgresTarget
from entrepot.errors import IntegrityError, TargetError
from entrepot.model.contract import Mode

from .making import a_contract, publish, ready, run
from .undoing import a_undo, table, undo

REPLACE: dict[str, Any] = {"mode": Mode.REPLACE}


def contract(schema: str, **changes: Any) -> Any:
    return a_contract(schema, **({"max_removed_percent": 100, "allow_cascade": True} | changes))


def a_tree(db: psycopg.Connection, schema: str, rule: str) -> str:
    name = f"{schema}.people"
    db.execute(
        f"CREATE TABLE {name} (id bigint PRIMARY KEY, name text, age bigint DEFAULT 9 "
        f"CONSTRAINT boss REFERENCES {name} ON DELETE {rule})"
    )
    db.execute(f"INSERT INTO {name} VALUES (9, 'nobody', NULL), (1, 'root', 9), (2, 'leaf', 1), (3, 'twig', 2)")
    return name


@pytest.mark.capability("LOD1")
@pytest.mark.parametrize("rule", ["CASCADE", "SET NULL", "SET DEFAULT"])
@pytest.mark.parametrize(
    "given", [[(9, "nobody", None), (2, "leaf", 1), (3, "twig", 2)], [(9, "nobody", None), (3, "twig", 2)]]
)
def test_rows_of_the_table_itself_that_are_to_stay_are_never_taken_along(
    target: PostgresTarget, db: psycopg.Connection, schema: str, rule: str, given: list[tuple]
) -> None:
    name = a_tree(db, schema, rule)
    before = table(db, name)
    spec = ready(target, contract(schema), given, mode=Mode.DELETE_MISSING)
    for attempt in (lambda: publish(target, spec), lambda: target.plan(spec)):
        with pytest.raises(TargetError, match="same table that are to stay") as caught:
            attempt()
        assert caught.value.facts["constraint"] == "boss"
        assert caught.value.facts["table"] == name
        assert not {"root", "leaf", "twig"} & set(repr((caught.value, caught.value.facts)).replace("'", " ").split())
    assert table(db, name) == before
    assert target.receipt("main", spec.job_id) is None


@pytest.mark.capability("LOD1")
def test_whole_branches_of_a_table_that_refers_to_itself_may_go(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    name = a_tree(db, schema, "CASCADE")
    receipt = run(target, contract(schema), [(9, "nobody", None)], **REPLACE)
    assert (receipt.removed, receipt.unchanged, receipt.children) == (3, 1, {})
    assert table(db, name) == [(9, "nobody", None)]


@pytest.mark.capability("LOD1")
def test_a_cascade_that_comes_back_through_another_table_is_refused(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    db.execute(f"CREATE TABLE {schema}.people (id bigint PRIMARY KEY, name text, age bigint)")
    db.execute(
        f"CREATE TABLE {schema}.teams (id bigint PRIMARY KEY, lead bigint REFERENCES {schema}.people ON DELETE CASCADE)"
    )
    db.execute(
        f"ALTER TABLE {schema}.people ADD CONSTRAINT team FOREIGN KEY (age) REFERENCES {schema}.teams ON DELETE CASCADE"
    )
    db.execute(f"INSERT INTO {schema}.people VALUES (1, 'lead', NULL), (3, 'other', NULL)")
    db.execute(f"INSERT INTO {schema}.teams VALUES (7, 1); INSERT INTO {schema}.people VALUES (2, 'member', 7)")
    with pytest.raises(TargetError, match="1 rows") as caught:
        run(target, contract(schema), [(2, "member", 7), (3, "other", None)], **REPLACE)
    assert caught.value.facts["constraint"] == "team"
    assert db.execute(f"SELECT count(*) FROM {schema}.people").fetchone() == (3,)
    assert run(target, contract(schema), [(3, "other", None)], **REPLACE).children == {
        f"teams_lead_fkey ({schema}.teams)": 1
    }


def a_shop(db: psycopg.Connection, schema: str) -> str:
    """People have orders, these have lines and an invoice; a line may follow a line."""
    name = f"{schema}.people"
    db.execute(f"CREATE TABLE {name} (id bigint PRIMARY KEY, name text, age integer)")
    db.execute(f"INSERT INTO {name} VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3)")
    db.execute(
        f"CREATE TABLE {schema}.orders (n int PRIMARY KEY, person bigint CONSTRAINT by REFERENCES {name} ON DELETE CASCADE)"
    )
    db.execute(
        f"CREATE TABLE {schema}.lines (n int, o int CONSTRAINT in_order REFERENCES {schema}.orders ON DELETE CASCADE, "
        f"part int NOT NULL, up int, PRIMARY KEY (n, part)) PARTITION BY LIST (part)"
    )
    for part in (1, 2):
        db.execute(f"CREATE TABLE {schema}.lines_{part} PARTITION OF {schema}.lines FOR VALUES IN ({part})")
    db.execute(
        f"ALTER TABLE {schema}.lines ADD CONSTRAINT after FOREIGN KEY (up, part) REFERENCES {schema}.lines ON DELETE CASCADE"
    )
    db.execute(f"CREATE TABLE {schema}.invoices (o int CONSTRAINT of REFERENCES {schema}.orders ON DELETE SET NULL)")
    db.execute(f"INSERT INTO {schema}.orders VALUES (10, 1), (11, 1), (12, 2)")
    db.execute(
        f"INSERT INTO {schema}.lines VALUES (1, 10, 1, NULL), (2, 10, 2, NULL), (3, 12, 1, NULL), (4, NULL, 1, 1), (5, NULL, 1, 4)"
    )
    db.execute(f"INSERT INTO {schema}.invoices VALUES (10), (11), (12)")
    return name


def reached(schema: str) -> dict[str, int]:
    names = {"by": ("orders", 2), "in_order": ("lines", 2), "after": ("lines", 2), "of": ("invoices", 2)}
    return {f"{key} ({schema}.{where})": n for key, (where, n) in names.items()}


@pytest.mark.capability("LOD1")
def test_rows_are_counted_however_many_keys_away(target: PostgresTarget, db: psycopg.Connection, schema: str) -> None:
    a_shop(db, schema)
    keep = [(2, "b", 2), (3, "c", 3)]
    with pytest.raises(TargetError, match="2 rows") as caught:
        run(target, contract(schema, allow_cascade=False), keep, **REPLACE)
    assert caught.value.facts["children"] == reached(schema)
    spec = ready(target, contract(schema), keep, **REPLACE)
    assert target.plan(spec).summary.counts.children == reached(schema)
    receipt = publish(target, spec)
    assert (receipt.removed, receipt.children) == (1, reached(schema))
    assert target.receipt("main", spec.job_id).children == reached(schema)
    assert db.execute(f"SELECT array_agg(n) FROM {schema}.lines").fetchone() == ([3],)
    assert table(db, f"{schema}.invoices") == [(12,), (None,), (None,)]


@pytest.mark.capability("LOD5")
def test_an_undo_says_what_of_other_tables_does_not_come_back(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    name = a_shop(db, schema)
    first = run(target, contract(schema), [(2, "b", 2), (3, "c", 3)], **REPLACE)
    second = run(target, contract(schema), [(3, "c", 3)], **REPLACE)
    lost = reached(schema) | {f"by ({schema}.orders)": 3, f"in_order ({schema}.lines)": 3, f"of ({schema}.invoices)": 3}
    plan = target.plan_undo(a_undo(second.job_id, first.job_id))
    assert (plan.summary.counts.insert, plan.summary.counts.lost) == (2, lost)
    receipt = undo(target, second.job_id, first.job_id)
    assert (receipt.undo.reinserted, receipt.undo.lost, receipt.children) == (2, lost, {})
    assert len(table(db, name)) == 3
    assert table(db, f"{schema}.orders") == []


@pytest.mark.capability("LOD5")
def test_an_undo_counts_what_its_own_deletes_reach(target: PostgresTarget, db: psycopg.Connection, schema: str) -> None:
    a_shop(db, schema)
    done = run(target, contract(schema), [(4, "d", 4)])
    db.execute(f"INSERT INTO {schema}.orders VALUES (20, 4); INSERT INTO {schema}.invoices VALUES (20)")
    children = {f"by ({schema}.orders)": 1, f"of ({schema}.invoices)": 1}
    with pytest.raises(TargetError, match="take along 1 rows") as caught:
        undo(target, done.job_id)
    assert caught.value.facts["children"] == children
    assert undo(target, done.job_id, allow_cascade=True).children == children


@pytest.mark.capability("LOD5")
def test_an_undo_takes_no_row_of_the_table_along_that_is_not_its_own(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    name = a_tree(db, schema, "CASCADE")
    done = run(target, contract(schema), [(5, "new", 1)])
    db.execute(f"INSERT INTO {name} VALUES (6, 'theirs', 5)")
    with pytest.raises(TargetError, match="same table that are to stay"):
        undo(target, done.job_id, allow_cascade=True)
    assert len(table(db, name)) == 6


@pytest.mark.capability("LOD2")
def test_a_trigger_that_takes_rows_which_the_file_has_breaks_the_books(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    name = f"{schema}.people"
    db.execute(f"CREATE TABLE {name} (id bigint PRIMARY KEY, name text, age integer)")
    db.execute(f"INSERT INTO {name} VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3)")
    db.execute(
        f"CREATE FUNCTION {schema}.more() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN DELETE FROM {name} WHERE id = OLD.id + 1; RETURN NULL; END $$"
    )
    db.execute(f"CREATE TRIGGER more AFTER DELETE ON {name} FOR EACH ROW EXECUTE FUNCTION {schema}.more()")
    spec = ready(target, contract(schema), [(2, "b", 2), (3, "c", 3)], **REPLACE)
    for hash_ in ("", target.plan(spec).summary.hash):
        with pytest.raises(IntegrityError, match="took rows that the job keeps"):
            publish(target, spec, plan_hash=hash_)
    assert len(table(db, name)) == 3


@pytest.mark.capability("LOD1")
def test_a_row_that_comes_to_refer_while_a_job_deletes_is_not_missed(
    migrated: str, target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    name = a_shop(db, schema)
    db.execute(f"DELETE FROM {schema}.orders")
    spec = ready(target, contract(schema, allow_cascade=False), [(2, "b", 2), (3, "c", 3)], **REPLACE)
    with psycopg.connect(migrated) as other, ThreadPoolExecutor(1) as pool:
        other.execute(f"INSERT INTO {schema}.orders VALUES (30, 1)")
        done = pool.submit(publish, target, spec)
        waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'CALL entrepot%'"
        while db.execute(waits).fetchone() == (0,):
            assert not done.done()
        other.commit()
        with pytest.raises(TargetError, match="1 rows"):
            done.result()
    assert len(table(db, name)) == 3
