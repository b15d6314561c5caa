"""Undo: what a job wrote goes back, what anybody touched since stays and is named."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from entrepot.adapters.postgres import PostgresTarget
from entrepot.adapters.postgres.undo import expire_journals
from entrepot.errors import NotFoundError, PlanStaleError, TargetError, UndoError
from entrepot.model.contract import Mode
from entrepot.model.receipt import Receipt
from entrepot.ports.target import Expired

from .making import a_contract, a_draft, a_spec, load, run
from .undoing import a_undo, a_undo_draft, counts, kept, rewrite, table, undo

pytestmark = pytest.mark.capability("LOD5")

BEFORE = [(1, "ann", 10), (2, "bob", 20), (3, "cat", 30), (4, "dan", 40)]


@pytest.fixture
def people(db: psycopg.Connection, schema: str) -> str:
    name = f"{schema}.people"
    db.execute(f"CREATE TABLE {name} (id bigint PRIMARY KEY, name text, age integer)")
    with db.cursor() as cursor:
        cursor.executemany(f"INSERT INTO {name} VALUES (%s, %s, %s)", BEFORE)
    return name


def publish(target: PostgresTarget, schema: str, rows: list[tuple[Any, ...]], **how: Any) -> Receipt:
    return run(target, a_contract(schema), rows, **how)


def test_inserted_rows_go_and_updated_ones_get_their_values_back(
    target: PostgresTarget, db: psycopg.Connection, schema: str, people: str
) -> None:
    done = publish(target, schema, [(1, "ann", 10), (2, "BOB", 21), (5, "eve", 50), (6, "fay", 60)])
    target.drop_staging("main", done.job_id)
    receipt = undo(target, done.job_id)
    assert table(db, people) == BEFORE
    assert counts(receipt.undo) == (2, 1, 0, 0)
    assert receipt.undo.jobs == [done.job_id]
    assert (receipt.mode, receipt.parent, receipt.status) == ("undo", done.job_id, "published")
    assert target.receipt("main", receipt.job_id) == receipt
    assert target.receipt("main", done.job_id).undone_by == receipt.job_id
    audit = db.execute(
        "SELECT action FROM entrepot.audit WHERE job_id = ANY(%s) ORDER BY id", ([done.job_id, receipt.job_id],)
    )
    assert [r[0] for r in audit] == ["publish", "undo", "undone"]


def test_rows_edited_since_are_kept_and_listed(
    target: PostgresTarget, db: psycopg.Connection, schema: str, people: str
) -> None:
    done = publish(
        target, schema, [(1, "ANN", 11), (2, "BOB", 21), (3, "CAT", 31), (5, "eve", 50), (6, "fay", 60), (7, "gus", 70)]
    )
    target.drop_staging("main", done.job_id)
    db.execute(f"UPDATE {people} SET age = 99 WHERE id IN (1, 5)")
    db.execute(f"DELETE FROM {people} WHERE id IN (2, 6)")
    receipt = undo(target, done.job_id)
    assert table(db, people) == [(1, "ANN", 99), (3, "cat", 30), (4, "dan", 40), (5, "eve", 99)]
    assert counts(receipt.undo) == (1, 1, 0, 4)
    assert kept(receipt) == [("1", "edited", ""), ("2", "gone", ""), ("5", "edited", ""), ("6", "gone", "")]


def test_rows_of_a_later_job_are_kept_and_name_it(
    target: PostgresTarget, db: psycopg.Connection, schema: str, people: str
) -> None:
    first = publish(target, schema, [(1, "ANN", 11), (5, "eve", 50), (6, "fay", 60)])
    second = publish(target, schema, [(1, "Anna", 12), (5, "Eva", 51)])
    receipt = undo(target, first.job_id)
    assert table(db, people) == [(1, "Anna", 12), *BEFORE[1:], (5, "Eva", 51)]
    assert kept(receipt) == [("1", "later_job", second.job_id), ("5", "later_job", second.job_id)]
    assert counts(receipt.undo) == (1, 0, 0, 2)
    undo(target, second.job_id)
    assert table(db, people) == [(1, "ANN", 11), *BEFORE[1:], (5, "eve", 50)], "what the first had left"


@pytest.mark.parametrize("at_once", [True, False])
def test_three_jobs_on_the_same_rows_go_back_one_after_the_other(
    target: PostgresTarget, db: psycopg.Connection, schema: str, people: str, at_once: bool
) -> None:
    jobs = [
        publish(target, schema, [(1, "a1", 1), (2, "a2", 1), (5, "a5", 1)]).job_id,
        publish(target, schema, [(1, "b1", 2), (5, "b5", 2), (6, "b6", 2), (3, "b3", 2)]).job_id,
        publish(target, schema, [(1, "c1", 3), (6, "c6", 3), (7, "c7", 3), (3, "c3", 3)]).job_id,
    ]
    if at_once:
        receipt = undo(target, *reversed(jobs))
        assert receipt.undo.jobs == jobs[::-1]
        assert counts(receipt.undo) == (3, 8, 0, 0)
    else:
        for job in reversed(jobs):
            assert undo(target, job).undo.kept == 0
    assert table(db, people) == BEFORE


def test_an_undo_between_jobs_is_seen_through(
    target: PostgresTarget, db: psycopg.Connection, schema: str, people: str
) -> None:
    first = publish(target, schema, [(1, "a1", 1), (2, "a2", 1), (5, "a5", 1)])
    second = publish(target, schema, [(1, "b1", 2), (5, "b5", 2)])
    undo(target, second.job_id)
    third = publish(target, schema, [(1, "c1", 3), (5, "c5", 3), (2, "c2", 3)])
    undo(target, third.job_id)
    assert table(db, people) == [(1, "a1", 1), (2, "a2", 1), *BEFORE[2:], (5, "a5", 1)]
    assert counts(undo(target, first.job_id).undo) == (1, 2, 0, 0)
    assert table(db, people) == BEFORE


@pytest.mark.parametrize("mode", [Mode.APPEND, Mode.INSERT_ONLY, Mode.UPDATE_ONLY])
def test_every_simple_mode(
    target: PostgresTarget, db: psycopg.Connection, schema: str, people: str, mode: Mode
) -> None:
    done = publish(target, schema, [(2, "BOB", 21), (5, "eve", 50)], mode=mode)
    assert (done.inserted, done.updated) == ((0, 1) if mode is Mode.UPDATE_ONLY else (1, 0))
    undo(target, done.job_id)
    assert table(db, people) == BEFORE


def test_a_table_without_a_key(target: PostgresTarget, db: psycopg.Connection, schema: str) -> None:
    name = f"{schema}.people"
    db.execute(f"CREATE TABLE {name} (id bigint, name text, age integer)")
    db.execute(f"INSERT INTO {name} VALUES (1, 'same', 1), (1, 'same', 1)")
    done = run(target, a_contract(schema, key=[], mode="append"), [(1, "same", 1), (1, "same", 1), (2, "x", 2)])
    db.execute(f"DELETE FROM {name} WHERE id = 2")
    receipt = undo(target, done.job_id)
    assert table(db, name) == [(1, "same", 1), (1, "same", 1)]
    assert counts(receipt.undo) == (2, 0, 0, 1)
    assert kept(receipt) == [(None, "gone", "")]


def test_a_target_that_the_job_made_is_empty_again(target: PostgresTarget, db: psycopg.Connection, schema: str) -> None:
    done = publish(target, schema, [(1, "a", 1), (2, "b", 2)])
    undo(target, done.job_id)
    assert table(db, f"{schema}.people") == []


def test_generated_columns_identities_and_defaults(target: PostgresTarget, db: psycopg.Connection, schema: str) -> None:
    name = f"{schema}.people"
    db.execute(
        f"CREATE TABLE {name} (n integer GENERATED ALWAYS AS IDENTITY, id bigint PRIMARY KEY, name text DEFAULT 'none', "
        "age integer, twice integer GENERATED ALWAYS AS (age * 2) STORED, note text DEFAULT 'new', changed integer DEFAULT 0)"
    )
    db.execute(f"INSERT INTO {name} (id, name, age, note) VALUES (1, 'ann', 10, 'old'), (2, 'bob', 20, 'old')")
    before = table(db, name)
    db.execute(
        f"CREATE FUNCTION {schema}.touch() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN NEW.changed := OLD.changed + 1; RETURN NEW; END $$"
    )
    db.execute(
        f"CREATE TRIGGER t BEFORE UPDATE ON {name} FOR EACH ROW WHEN (NEW.name = 'BOB') EXECUTE FUNCTION {schema}.touch()"
    )
    done = publish(target, schema, [(2, "BOB", 21), (3, "cat", 30)])
    undo(target, done.job_id)
    assert table(db, name) == before


def test_a_partitioned_target(target: PostgresTarget, db: psycopg.Connection, schema: str) -> None:
    name = f"{schema}.people"
    db.execute(f"CREATE TABLE {name} (id bigint PRIMARY KEY, name text, age integer) PARTITION BY RANGE (id)")
    db.execute(f"CREATE TABLE {name}_1 PARTITION OF {name} FOR VALUES FROM (0) TO (100)")
    db.execute(f"CREATE TABLE {name}_2 PARTITION OF {name} FOR VALUES FROM (100) TO (200)")
    first = publish(target, schema, [(1, "a", 1), (101, "b", 1)])
    second = publish(target, schema, [(1, "A", 2), (101, "B", 2), (2, "c", 2), (102, "d", 2)])
    third = publish(target, schema, [(1, "AA", 3), (102, "dd", 3)])
    db.execute(f"UPDATE {name} SET age = 7 WHERE id = 102")
    receipt = undo(target, third.job_id, second.job_id)
    assert kept(receipt) == [("102", "edited", ""), ("102", "edited", "")]
    assert table(db, name) == [(1, "a", 1), (101, "b", 1), (102, "dd", 7)]
    assert counts(undo(target, first.job_id).undo) == (2, 0, 0, 0)


def test_a_row_that_moved_between_partitions(target: PostgresTarget, db: psycopg.Connection, schema: str) -> None:
    name = f"{schema}.people"
    db.execute(f"CREATE TABLE {name} (id bigint, name text, age integer) PARTITION BY RANGE (age)")
    db.execute(f"CREATE TABLE {name}_1 PARTITION OF {name} FOR VALUES FROM (0) TO (100)")
    db.execute(f"CREATE TABLE {name}_2 PARTITION OF {name} FOR VALUES FROM (100) TO (200)")
    for part in ("_1", "_2"):
        db.execute(f"CREATE UNIQUE INDEX ON {name}{part} (id)")
    db.execute(f"CREATE UNIQUE INDEX ON {name} (id, age)")
    contract = a_contract(schema, key=["id", "age"])
    first = run(target, contract, [(1, "a", 1), (2, "b", 1)])
    db.execute(f"UPDATE {name} SET age = 150 WHERE id = 1")
    receipt = undo(target, first.job_id)
    assert table(db, name) == [(1, "a", 150)]
    assert counts(receipt.undo) == (1, 0, 0, 1)


@pytest.mark.parametrize("how", ["alter", "vacuum"])
def test_a_table_rewritten_since_is_compared_by_its_contents(
    target: PostgresTarget, db: psycopg.Connection, schema: str, people: str, how: str
) -> None:
    first = publish(target, schema, [(1, "a1", 1), (2, "a2", None), (5, "a5", 1), (6, None, 1), (7, "a7", 1)])
    second = publish(target, schema, [(1, "b1", 2), (5, "b5", 2)])
    undo(target, second.job_id)
    if how == "alter":
        rewrite(db, people)
    else:
        db.execute(f"VACUUM FULL {people}")
    db.execute(f"UPDATE {people} SET age = 9 WHERE id IN (2, 7)")
    receipt = undo(target, first.job_id)
    assert table(db, people) == [BEFORE[0], (2, "a2", 9), *BEFORE[2:], (7, "a7", 9)]
    assert counts(receipt.undo) == (2, 1, 0, 2)


def test_a_rewritten_table_without_key_is_compared_row_by_row(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    name = f"{schema}.people"
    db.execute(f"CREATE TABLE {name} (id bigint, name text, age integer)")
    db.execute(f"INSERT INTO {name} VALUES (1, 'same', NULL)")
    done = run(target, a_contract(schema, key=[], mode="append"), [(1, "same", None), (1, "same", None), (2, "x", 2)])
    rewrite(db, name)
    db.execute(f"UPDATE {name} SET age = 3 WHERE id = 2")
    receipt = undo(target, done.job_id)
    assert table(db, name) == [(1, "same", None), (2, "x", 3)]
    assert counts(receipt.undo) == (2, 0, 0, 1)


def test_a_rewritten_table_whose_staging_was_emptied_cannot_be_undone(
    target: PostgresTarget, db: psycopg.Connection, schema: str, people: str
) -> None:
    done = publish(target, schema, [(1, "a1", 1), (5, "a5", 1)])
    name = db.execute("SELECT staging_table FROM entrepot.receipt WHERE job_id = %s", (done.job_id,)).fetchone()[0]
    db.execute(f'TRUNCATE entrepot_staging."{name}", entrepot_staging."{name}_w"')
    spec = a_undo(done.job_id)
    assert target.plan_undo(spec).summary.counts.delete == 1, "xmin alone is enough while the table is as it was"
    rewrite(db, people)
    with pytest.raises(UndoError, match="rewritten") as caught:
        undo(target, done.job_id)
    assert caught.value.facts["job_id"] == done.job_id


def test_rows_are_counted_when_a_crash_took_what_would_name_them(
    target: PostgresTarget, db: psycopg.Connection, schema: str, people: str
) -> None:
    done = publish(target, schema, [(1, "a1", 1), (5, "a5", 1), (6, "a6", 1)])
    name = db.execute("SELECT staging_table FROM entrepot.receipt WHERE job_id = %s", (done.job_id,)).fetchone()[0]
    db.execute(f'TRUNCATE entrepot_staging."{name}", entrepot_staging."{name}_w"')
    db.execute(f"UPDATE {people} SET age = 9 WHERE id = 5")
    receipt = undo(target, done.job_id)
    assert table(db, people) == [*BEFORE, (5, "a5", 9)]
    assert counts(receipt.undo) == (1, 1, 0, 1)
    assert kept(receipt) == []


def test_columns_that_came_or_went_since(
    target: PostgresTarget, db: psycopg.Connection, schema: str, people: str
) -> None:
    done = publish(target, schema, [(1, "a1", 1), (5, "a5", 1)])
    db.execute(f"ALTER TABLE {people} ADD COLUMN note text DEFAULT 'x'")
    inserts = publish(target, schema, [(8, "h", 8)])
    db.execute(f"ALTER TABLE {people} RENAME COLUMN age TO years")
    with pytest.raises(UndoError, match="Column age"):
        undo(target, done.job_id)
    undo(target, inserts.job_id)
    db.execute(f"ALTER TABLE {people} RENAME COLUMN years TO age")
    undo(target, done.job_id)
    assert table(db, people) == [(*row, "x") for row in BEFORE]


def test_what_cannot_be_undone_says_why(
    target: PostgresTarget, db: psycopg.Connection, schema: str, people: str
) -> None:
    done = publish(target, schema, [(1, "a1", 1), (5, "a5", 1)])
    other = run(target, a_contract(schema, table="others"), [(1, "x", 1)])
    third = publish(target, schema, [(9, "i", 1)])
    with pytest.raises(NotFoundError):
        undo(target, "no-such-job")
    stranger = a_undo(done.job_id)
    stranger = type(stranger)("someone", stranger.job_id, stranger.jobs)
    with pytest.raises(NotFoundError):
        target.start_undo(stranger, a_undo_draft(stranger), seconds=5)
    with pytest.raises(UndoError, match="one table"):
        undo(target, other.job_id, done.job_id)
    first = undo(target, done.job_id)
    with pytest.raises(UndoError, match="already") as caught:
        undo(target, done.job_id)
    assert caught.value.facts["undone_by"] == first.job_id
    with pytest.raises(UndoError, match="undo itself"):
        undo(target, first.job_id)
    db.execute("UPDATE entrepot.receipt SET published_at = '2001-01-01' WHERE job_id = %s", (third.job_id,))
    assert target.expire_journals("2001-01-02T00:00:00Z").dropped == 1
    with pytest.raises(UndoError, match="gone") as caught:
        target.plan_undo(a_undo(third.job_id))
    assert caught.value.facts["reason"] == "expired"
    db.execute(f"DROP TABLE {schema}.others")
    with pytest.raises(UndoError, match="dropped"):
        undo(target, other.job_id)
    db.execute(f"CREATE TABLE {schema}.others (id bigint PRIMARY KEY, name text, age integer)")
    with pytest.raises(UndoError, match="made anew"):
        undo(target, other.job_id)


def test_a_journal_that_lost_rows_is_not_undone(
    target: PostgresTarget, db: psycopg.Connection, schema: str, people: str
) -> None:
    done = publish(target, schema, [(1, "ANN", 11), (2, "BOB", 21), (5, "eve", 50)])
    after = table(db, people)
    journal = db.execute("SELECT undo_table FROM entrepot.receipt WHERE job_id = %s", [done.job_id]).fetchone()
    assert journal is not None
    db.execute(f'DELETE FROM entrepot."{journal[0]}" WHERE id = 1')
    with pytest.raises(UndoError, match=r"of 2 rows .* 1 are left") as caught:
        undo(target, done.job_id)
    assert caught.value.facts["reason"] == "half_gone"
    assert table(db, people) == after


def test_a_job_that_was_not_published_is_told_from_one_that_is_unknown(
    target: PostgresTarget, schema: str, people: str
) -> None:
    spec = a_spec(target, a_contract(schema), chunks=2)
    load(target, spec, [(1, "z", 1)])
    with pytest.raises(Exception, match="chunks"):
        target.start_publish(spec, a_draft(spec), seconds=10)
    with pytest.raises(UndoError, match="never published"):
        undo(target, spec.job_id)


def test_the_journal_is_kept_when_staging_is_dropped_and_expires(
    target: PostgresTarget, db: psycopg.Connection, schema: str, people: str
) -> None:
    done = publish(target, schema, [(1, "a1", 1), (5, "a5", 1)])
    query = "SELECT count(*) FROM pg_class WHERE relname ~ (SELECT substr(staging_table, 5) FROM entrepot.receipt WHERE job_id = %s)"
    target.drop_staging("main", done.job_id)
    assert ("main", done.job_id) not in target.staged_jobs()
    assert db.execute(query, (done.job_id,)).fetchone() == (3,), "staging, its work table, former values"
    target.expire_journals("2001-01-01T00:00:00Z")
    assert db.execute(query, (done.job_id,)).fetchone() == (3,)
    db.execute("UPDATE entrepot.receipt SET published_at = '2000-01-01' WHERE job_id = %s", (done.job_id,))
    assert target.expire_journals("2001-01-01T00:00:00Z", {("main", done.job_id)}) == Expired(0)
    assert target.expire_journals("2001-01-01T00:00:00Z") == Expired(1)
    assert target.expire_journals("2001-01-01T00:00:00Z") == Expired(0)
    assert db.execute(query, (done.job_id,)).fetchone() == (0,)


def test_a_delivery_that_was_taken_back_may_come_again(
    target: PostgresTarget, db: psycopg.Connection, schema: str, people: str
) -> None:
    spec = a_spec(target, a_contract(schema))
    load(target, spec, [(5, "a5", 1)])
    draft = a_draft(spec, sequencer="02")
    done = target.start_publish(spec, draft, seconds=10)
    given = ("main", done.contract, done.source)
    assert target.published_before(*given, done.source_version, done.sha256) is not None
    assert target.newer_published(*given, "01") is not None
    undo(target, done.job_id)
    assert target.published_before(*given, done.source_version, done.sha256) is None
    assert target.newer_published(*given, "01") is None


def test_jobs_of_a_table_since_a_time(target: PostgresTarget, db: psycopg.Connection, schema: str, people: str) -> None:
    jobs = [publish(target, schema, [(n, "x", n)]).job_id for n in (5, 6, 7)]
    since = db.execute("SELECT published_at::text FROM entrepot.receipt WHERE job_id = %s", (jobs[0],)).fetchone()[0]
    assert target.jobs_since("main", schema, "people", since) == [jobs[2], jobs[1]]
    assert target.jobs_since("other", schema, "people", since) == []
    undo(target, jobs[1])
    assert target.jobs_since("main", schema, "people", since) == [jobs[2]]


def test_undo_again_is_the_same_undo(target: PostgresTarget, schema: str, people: str) -> None:
    done = publish(target, schema, [(5, "a5", 1)])
    spec = a_undo(done.job_id)
    first = target.start_undo(spec, a_undo_draft(spec), seconds=10)
    assert target.start_undo(spec, a_undo_draft(spec), seconds=10) == first


# Plan ------------------------------------------------------------------------------------------


def test_a_plan_shows_every_row_and_changes_nothing(
    target: PostgresTarget, db: psycopg.Connection, schema: str, people: str
) -> None:
    done = publish(target, schema, [(1, "ANN", 10), (2, "BOB", 21), (5, "eve", 50), (6, "fay", 60)])
    db.execute(f"UPDATE {people} SET age = 61 WHERE id = 6")
    before = table(db, people)
    spec = a_undo(done.job_id)
    plan = target.plan_undo(spec)
    assert table(db, people) == before
    c = plan.summary.counts
    assert (c.delete, c.update, c.insert, c.keep) == (1, 2, 0, 1)
    assert plan.target_rows == 6
    rows = {r.key["id"]: r for r in target.undo_rows(spec)}
    assert (rows["1"].action, rows["1"].old, rows["1"].new) == ("restore", {"name": "ANN"}, {"name": "ann"})
    assert (rows["2"].old, rows["2"].new) == ({"name": "BOB", "age": "21"}, {"name": "bob", "age": "20"})
    assert (rows["5"].action, rows["5"].old, rows["5"].new) == ("remove", {"id": "5", "name": "eve", "age": "50"}, None)
    assert (rows["6"].action, rows["6"].detail) == ("keep", "edited")
    pages = [r.n for after in range(4) for r in target.undo_rows(spec, after=after, limit=1)]
    assert pages == [1, 2, 3, 4]
    assert [r.key["id"] for r in target.undo_rows(spec, action="restore")] == ["1", "2"]
    receipt = target.start_undo(spec, a_undo_draft(spec), seconds=10, plan_hash=plan.summary.hash)
    assert counts(receipt.undo) == (1, 2, 0, 1)
    assert receipt.plan_hash == plan.summary.hash
    target.drop_staging("main", spec.job_id)
    with pytest.raises(NotFoundError):
        target.undo_rows(spec)


def test_the_same_plan_has_the_same_hash(
    target: PostgresTarget, db: psycopg.Connection, schema: str, people: str
) -> None:
    done = publish(target, schema, [(1, "ANN", 10), (5, "eve", 50)])
    hashes = {target.plan_undo(a_undo(done.job_id)).summary.hash for _ in range(2)}
    assert len(hashes) == 1
    db.execute(f"UPDATE {people} SET age = 61 WHERE id = 5")
    assert target.plan_undo(a_undo(done.job_id)).summary.hash not in hashes


def test_a_stale_plan_is_refused_and_names_the_rows(
    target: PostgresTarget, db: psycopg.Connection, schema: str, people: str
) -> None:
    done = publish(target, schema, [(1, "ANN", 10), (2, "BOB", 21), (5, "eve", 50)])
    spec = a_undo(done.job_id)
    plan = target.plan_undo(spec)
    db.execute(f"UPDATE {people} SET age = 51 WHERE id = 5")
    db.execute(f"DELETE FROM {people} WHERE id = 2")
    before = table(db, people)
    with pytest.raises(PlanStaleError) as caught:
        target.start_undo(spec, a_undo_draft(spec), seconds=10, plan_hash=plan.summary.hash)
    assert caught.value.rows == [{"id": "2"}, {"id": "5"}]
    assert table(db, people) == before
    assert target.receipt("main", done.job_id).undone_by == ""
    moved = {r.key["id"]: (r.moved, r.old) for r in target.undo_rows(spec)}
    assert moved["1"][0] is False
    assert moved["2"] == (True, None)
    assert moved["5"] == (True, {"id": "5", "name": "eve", "age": "51"})
    again = target.plan_undo(spec)
    assert target.start_undo(spec, a_undo_draft(spec), seconds=10, plan_hash=again.summary.hash).undo.kept == 2


def test_masked_keys_are_not_shown(target: PostgresTarget, db: psycopg.Connection, schema: str, people: str) -> None:
    done = publish(target, schema, [(1, "ANN", 10), (5, "eve", 50)])
    spec = a_undo(done.job_id, masked=["id"])
    plan = target.plan_undo(spec)
    db.execute(f"UPDATE {people} SET age = 51 WHERE id = 5")
    with pytest.raises(PlanStaleError) as caught:
        target.start_undo(spec, a_undo_draft(spec), seconds=10, plan_hash=plan.summary.hash)
    assert caught.value.rows == [{"id": "***"}]
    assert kept(undo(target, done.job_id, masked=["id"])) == [("***", "edited", "")]


def test_a_journal_that_cannot_be_dropped_stops_no_other(
    migrated: str,
    target: PostgresTarget,
    db: psycopg.Connection,
    schema: str,
    people: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    used, foreign, last = (publish(target, schema, [(n, "new", n)]) for n in (1, 2, 3))
    tables = dict(db.execute("SELECT job_id, undo_table FROM entrepot.receipt WHERE undo_table IS NOT NULL").fetchall())
    jobs = [used.job_id, foreign.job_id, last.job_id]
    days = "SELECT id, n FROM unnest(%s::text[]) WITH ORDINALITY AS u (id, n)"
    db.execute(
        f"UPDATE entrepot.receipt SET published_at = '2000-01-01'::date + d.n::int FROM ({days}) d WHERE job_id = d.id",
        (jobs,),
    )
    role = f"r_{schema}"
    db.execute(f"CREATE ROLE {role}; GRANT USAGE ON SCHEMA entrepot TO {role}")
    db.execute(f"GRANT SELECT, UPDATE ON entrepot.receipt TO {role}")
    for job in (used, last):
        db.execute(f"ALTER TABLE entrepot.{tables[job.job_id]} OWNER TO {role}")
        name = db.execute("SELECT staging_table FROM entrepot.receipt WHERE job_id = %s", (job.job_id,)).fetchone()[0]
        db.execute(f"ALTER TABLE entrepot_staging.{name} OWNER TO {role}")
        db.execute(f"ALTER TABLE entrepot_staging.{name}_w OWNER TO {role}")
    db.execute(f"GRANT USAGE ON SCHEMA entrepot_staging TO {role}")
    try:
        with psycopg.connect(migrated) as reader, psycopg.connect(migrated, autocommit=True) as other:
            reader.execute(f"SELECT FROM entrepot.{tables[used.job_id]}")
            other.execute(f"SET ROLE {role}")
            assert expire_journals(other, "2001-01-01T00:00:00Z") == Expired(1, [used.job_id, foreign.job_id])
        assert all(job in caplog.text for job in (used.job_id, foreign.job_id))
        assert target.expire_journals("2001-01-01T00:00:00Z") == Expired(2)
    finally:
        db.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


# Foreign keys and triggers ---------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["CASCADE", "SET NULL", "NO ACTION"])
def test_rows_that_others_refer_to(
    target: PostgresTarget, db: psycopg.Connection, schema: str, people: str, rule: str
) -> None:
    db.execute(f"CREATE TABLE {schema}.pets (id int PRIMARY KEY, owner bigint REFERENCES {people} ON DELETE {rule})")
    done = publish(target, schema, [(5, "eve", 50), (6, "fay", 60)])
    db.execute(f"INSERT INTO {schema}.pets VALUES (1, 5), (2, 5), (3, 1)")
    with pytest.raises(TargetError, match="pets_owner_fkey") as caught:
        undo(target, done.job_id)
    assert len(table(db, people)) == 6
    if rule == "NO ACTION":
        with pytest.raises(TargetError, match="pets_owner_fkey"):
            undo(target, done.job_id, allow_cascade=True)
        return
    assert caught.value.facts["children"] == {f"pets_owner_fkey ({schema}.pets)": 2}
    plan = target.plan_undo(a_undo(done.job_id, allow_cascade=True))
    assert plan.summary.counts.children == {f"pets_owner_fkey ({schema}.pets)": 2}
    undo(target, done.job_id, allow_cascade=True)
    assert table(db, people) == BEFORE
    assert table(db, f"{schema}.pets") == ([(3, 1)] if rule == "CASCADE" else [(1, None), (2, None), (3, 1)])


def test_rows_of_a_table_that_refers_to_itself_go_together(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    name = f"{schema}.people"
    db.execute(
        f"CREATE TABLE {name} (id bigint PRIMARY KEY, name text, age bigint REFERENCES {name} ON DELETE CASCADE)"
    )
    done = publish(target, schema, [(1, "root", None), (2, "leaf", 1)])
    undo(target, done.job_id)
    assert table(db, name) == []


def test_a_trigger_that_keeps_a_row_rolls_all_of_it_back(
    target: PostgresTarget, db: psycopg.Connection, schema: str, people: str
) -> None:
    done = publish(target, schema, [(1, "ANN", 10), (5, "eve", 50), (6, "fay", 60)])
    db.execute(
        f"CREATE FUNCTION {schema}.no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF OLD.id = 6 THEN RETURN NULL; END IF; RETURN OLD; END $$"
    )
    db.execute(f"CREATE TRIGGER no BEFORE DELETE ON {people} FOR EACH ROW EXECUTE FUNCTION {schema}.no()")
    before = table(db, people)
    with pytest.raises(Exception, match="trigger"):
        undo(target, done.job_id)
    assert table(db, people) == before
    assert target.receipt("main", done.job_id).undone_by == ""


def test_writers_wait_while_an_undo_runs_and_their_rows_are_safe(
    migrated: str, target: PostgresTarget, db: psycopg.Connection, schema: str, people: str
) -> None:
    done = publish(target, schema, [(1, "ANN", 10), (5, "eve", 50)])
    spec = a_undo(done.job_id)
    with psycopg.connect(migrated) as writer:
        writer.execute(f"UPDATE {people} SET age = 11 WHERE id = 1")
        assert target.start_undo(spec, a_undo_draft(spec), seconds=0.5) is None
    receipt = target.start_undo(spec, a_undo_draft(spec), seconds=10)
    assert kept(receipt) == [("1", "edited", "")]
    assert table(db, people) == [(1, "ANN", 11), *BEFORE[1:]]
