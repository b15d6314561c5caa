"""Publish: once, whole, and without its function if need be."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from entrepot.adapters.postgres import PostgresTarget
from entrepot.errors import ConfigurationError, IntegrityError, RetriableError, TargetError, UnavailableError
from entrepot.model.receipt import Receipt
from entrepot.model.steps import LoadSpec

from .making import a_contract, a_draft, a_spec, load, publish, run


@pytest.fixture
def slow(db: psycopg.Connection, schema: str) -> float:
    """A target whose first row takes a while to write."""
    seconds = 1.5
    db.execute(f"CREATE TABLE {schema}.people (id bigint PRIMARY KEY, name text, age integer)")
    db.execute(
        f"CREATE FUNCTION {schema}.wait() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN IF NEW.id = 1 THEN PERFORM pg_sleep({seconds}); END IF; RETURN NEW; END $$"
    )
    db.execute(f"CREATE TRIGGER wait BEFORE INSERT ON {schema}.people FOR EACH ROW EXECUTE FUNCTION {schema}.wait()")
    return seconds


def ready(target: PostgresTarget, schema: str, rows: list | None = None, **changes: Any) -> LoadSpec:
    spec = a_spec(target, a_contract(schema, **changes))
    load(target, spec, rows or [(1, "a", 1), (2, "b", 2)])
    target.check(spec)
    return spec


def names(db: psycopg.Connection, schema: str) -> list[str]:
    return [r[0] for r in db.execute(f"SELECT name FROM {schema}.people ORDER BY id")]


def test_a_publish_longer_than_its_step_is_published_once(
    target: PostgresTarget, db: psycopg.Connection, schema: str, slow: float
) -> None:
    spec = ready(target, schema)
    answers: list[Receipt | None] = []
    while not answers or answers[-1] is None:
        answers.append(target.start_publish(spec, a_draft(spec), seconds=0.3))
        assert len(answers) < 20
    assert len(answers) > 3
    assert answers[-1].inserted == 2
    assert names(db, schema) == ["a", "b"]
    query = "SELECT attempts FROM entrepot.publish_spec WHERE job_id = %s"
    assert db.execute(query, (spec.job_id,)).fetchone() == (1,)


def test_another_process_awaits_the_publish_that_runs(
    migrated: str, target: PostgresTarget, db: psycopg.Connection, schema: str, slow: float
) -> None:
    spec = ready(target, schema)
    assert target.start_publish(spec, a_draft(spec), seconds=0.2) is None
    others = [PostgresTarget(migrated) for _ in range(3)]
    assert others[0].start_publish(spec, a_draft(spec), seconds=0.2) is None
    with ThreadPoolExecutor(3) as pool:
        receipts = list(pool.map(lambda o: o.start_publish(spec, a_draft(spec), seconds=20), others))
    assert [r.inserted for r in receipts] == [2, 2, 2]
    assert target.start_publish(spec, a_draft(spec), seconds=5) == receipts[0]
    assert db.execute("SELECT count(*) FROM entrepot.audit WHERE job_id = %s", (spec.job_id,)).fetchone() == (1,)
    for other in others:
        other.close()


def test_a_publish_goes_on_when_its_process_is_killed(
    migrated: str, target: PostgresTarget, db: psycopg.Connection, schema: str, slow: float
) -> None:
    import os

    spec = ready(target, schema)
    code = f"""
import sys, os, signal
from entrepot.adapters.postgres import PostgresTarget
from entrepot.model.steps import LoadSpec
from entrepot.model.receipt import Receipt
spec = LoadSpec.model_validate_json(sys.stdin.readline())
draft = Receipt.model_validate_json(sys.stdin.readline())
assert PostgresTarget({migrated!r}).start_publish(spec, draft, seconds=0.3) is None
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run(
        [sys.executable, "-c", code],
        input=f"{spec.model_dump_json()}\n{a_draft(spec).model_dump_json()}\n",
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )
    assert names(db, schema) == []
    receipt = target.start_publish(spec, a_draft(spec), seconds=20)
    assert receipt.inserted == 2
    query = "SELECT attempts FROM entrepot.publish_spec WHERE job_id = %s"
    assert db.execute(query, (spec.job_id,)).fetchone() == (1,), "the killed process's publish was the one"


def test_a_publish_whose_backend_dies_leaves_nothing_and_starts_again(
    migrated: str, target: PostgresTarget, db: psycopg.Connection, schema: str, slow: float
) -> None:
    victim = PostgresTarget(migrated, application_name=f"victim-{schema}")
    spec = ready(victim, schema)
    assert victim.start_publish(spec, a_draft(spec), seconds=0.5) is None
    kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s AND state = 'active'"
    assert db.execute(kill, (f"victim-{schema}",)).fetchall() == [(True,)]
    with pytest.raises(UnavailableError):
        victim.start_publish(spec, a_draft(spec), seconds=5)
    assert names(db, schema) == []
    assert target.receipt("main", spec.job_id) is None
    assert victim.start_publish(spec, a_draft(spec), seconds=20).inserted == 2
    victim.close()


def test_publishing_again_changes_nothing(target: PostgresTarget, db: psycopg.Connection, schema: str) -> None:
    spec = ready(target, schema)
    first = publish(target, spec)
    db.execute(f"UPDATE {schema}.people SET name = 'edited'")
    assert publish(target, spec) == first
    target.drop_staging(spec.tenant, spec.job_id)
    assert publish(target, spec) == first
    assert names(db, schema) == ["edited", "edited"]


def test_ten_callers_at_once_publish_once(
    migrated: str, target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    spec = ready(target, schema, key=[])
    callers = [PostgresTarget(migrated) for _ in range(10)]
    start = threading.Barrier(10)

    def work(caller: PostgresTarget) -> Receipt | None:
        start.wait()
        return caller.start_publish(spec, a_draft(spec), seconds=30)

    with ThreadPoolExecutor(10) as pool:
        receipts = list(pool.map(work, callers))
    assert all(r == receipts[0] for r in receipts)
    assert names(db, schema) == ["a", "b"]
    for caller in callers:
        caller.close()


def test_jobs_on_one_target_take_turns(
    migrated: str, target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    specs = [ready(target, schema, [(n, f"w{w}", w) for n in range(w, w + 20)]) for w in range(8)]
    callers = [PostgresTarget(migrated) for _ in specs]
    with ThreadPoolExecutor(8) as pool:
        receipts = list(pool.map(publish, callers, specs))
    assert sum(r.inserted for r in receipts) == 27 == target.count(schema, "people")
    assert all(r.read == r.inserted + r.updated + r.unchanged for r in receipts)
    # Each row holds what the last job to publish it brought: nothing was lost between them.
    order = [int(r.job_id == s.job_id) for r, s in zip(receipts, specs, strict=True)]
    assert all(order)
    for caller in callers:
        caller.close()


def test_a_writer_of_the_target_waits_and_readers_do_not(
    migrated: str, target: PostgresTarget, db: psycopg.Connection, schema: str, slow: float
) -> None:
    spec = ready(target, schema)
    db.execute(f"INSERT INTO {schema}.people VALUES (2, 'before', 0)")
    assert target.start_publish(spec, a_draft(spec), seconds=0.3) is None
    assert names(db, schema) == ["before"]
    db.execute(f"UPDATE {schema}.people SET name = 'after' WHERE id = 2")
    assert target.start_publish(spec, a_draft(spec), seconds=5).updated == 1
    assert names(db, schema) == ["a", "after"], "the writer came after the publish"


def test_a_table_that_another_session_has_locked_is_a_passing_fault(
    migrated: str, target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    from entrepot.adapters.postgres import ConnectionSettings

    spec = ready(target, schema)
    publish(target, spec)
    spec = ready(target, schema, [(1, "z", 1)])
    hasty = PostgresTarget(ConnectionSettings.from_dsn(migrated, lock_seconds=1))
    with psycopg.connect(migrated) as other:
        other.execute(f"LOCK TABLE {schema}.people IN ROW EXCLUSIVE MODE")
        with pytest.raises(RetriableError, match="lock"):
            hasty.start_publish(spec, a_draft(spec), seconds=10)
    assert hasty.start_publish(spec, a_draft(spec), seconds=10).updated == 1
    hasty.close()


def test_a_trigger_that_refuses_a_row_refuses_the_publish(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    db.execute(f"CREATE TABLE {schema}.people (id bigint PRIMARY KEY, name text, age integer)")
    db.execute(
        f"CREATE FUNCTION {schema}.no() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN IF NEW.id = 2 THEN RAISE EXCEPTION 'row % of secret', NEW.name; END IF; RETURN NEW; END $$"
    )
    db.execute(f"CREATE TRIGGER no BEFORE INSERT ON {schema}.people FOR EACH ROW EXECUTE FUNCTION {schema}.no()")
    spec = ready(target, schema)
    for _ in range(2):
        with pytest.raises(TargetError) as caught:
            publish(target, spec)
        assert "secret" not in str(caught.value)
        assert "P0001" in str(caught.value)
    assert names(db, schema) == []
    db.execute(f"DROP TRIGGER no ON {schema}.people")
    assert publish(target, spec).inserted == 2


def test_a_trigger_that_swallows_a_row_breaks_the_books(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    db.execute(f"CREATE TABLE {schema}.people (id bigint PRIMARY KEY, name text, age integer)")
    db.execute(
        f"CREATE FUNCTION {schema}.no() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN IF NEW.id = 2 THEN RETURN NULL; END IF; RETURN NEW; END $$"
    )
    db.execute(f"CREATE TRIGGER no BEFORE INSERT ON {schema}.people FOR EACH ROW EXECUTE FUNCTION {schema}.no()")
    spec = ready(target, schema)
    with pytest.raises(IntegrityError, match="2 rows to insert"):
        publish(target, spec)
    assert names(db, schema) == []


def test_an_error_reaches_whoever_asks_next(
    migrated: str, target: PostgresTarget, db: psycopg.Connection, schema: str, slow: float
) -> None:
    spec = ready(target, schema)
    db.execute(
        f"CREATE FUNCTION {schema}.no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$"
    )
    db.execute(f"CREATE TRIGGER zz AFTER INSERT ON {schema}.people FOR EACH STATEMENT EXECUTE FUNCTION {schema}.no()")
    assert target.start_publish(spec, a_draft(spec), seconds=0.2) is None
    other = PostgresTarget(migrated)
    with pytest.raises(TargetError, match="trigger"):
        other.start_publish(spec, a_draft(spec), seconds=20)
    other.close()


def test_deferred_constraints_speak_before_the_receipt(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    db.execute(f"CREATE TABLE {schema}.people (id bigint PRIMARY KEY, name text, age integer)")
    spec = ready(target, schema)
    # The reference appears after check has looked.
    db.execute(f"CREATE TABLE {schema}.ages (age integer PRIMARY KEY)")
    db.execute(
        f"ALTER TABLE {schema}.people ADD FOREIGN KEY (age) REFERENCES {schema}.ages DEFERRABLE INITIALLY DEFERRED"
    )
    with pytest.raises(TargetError, match="foreign key"):
        publish(target, spec)
    assert names(db, schema) == []


def test_a_target_that_was_dropped_or_altered_is_named(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    publish(target, ready(target, schema))
    spec = ready(target, schema)
    db.execute(f"ALTER TABLE {schema}.people RENAME name TO nom")
    with pytest.raises(TargetError, match="column is missing"):
        publish(target, spec)
    db.execute(f"DROP TABLE {schema}.people")
    with pytest.raises(TargetError, match="gone"):
        publish(target, spec)


def test_a_target_made_meanwhile_by_another_job_is_used(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    first, second = ready(target, schema), ready(target, schema, [(2, "B", 2), (3, "C", 3)])
    assert first.create_target
    assert second.create_target
    publish(target, first)
    receipt = publish(target, second)
    assert (receipt.inserted, receipt.updated) == (1, 1)
    assert names(db, schema) == ["a", "B", "C"]


def test_a_partitioned_target(target: PostgresTarget, db: psycopg.Connection, schema: str) -> None:
    db.execute(f"CREATE TABLE {schema}.people (id bigint PRIMARY KEY, name text, age integer) PARTITION BY RANGE (id)")
    db.execute(f"CREATE TABLE {schema}.low PARTITION OF {schema}.people FOR VALUES FROM (0) TO (5)")
    db.execute(f"CREATE TABLE {schema}.high PARTITION OF {schema}.people FOR VALUES FROM (5) TO (100)")
    run(target, a_contract(schema), [(n, f"n{n}", n) for n in range(10)])
    receipt = run(target, a_contract(schema), [(n, f"n{n}" if n % 2 else "new", n) for n in range(12)])
    assert (receipt.inserted, receipt.updated, receipt.unchanged) == (2, 5, 5)
    assert names(db, schema)[:4] == ["new", "n1", "new", "n3"]


def test_columns_without_an_equality_are_compared_by_their_text(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    db.execute(f"CREATE TYPE {schema}.mood AS ENUM ('glad', 'sad')")
    db.execute(
        f"CREATE TABLE {schema}.people (id bigint PRIMARY KEY, doc json, spot point, tags text[], mood {schema}.mood)"
    )
    fields = [
        {"name": "id", "type": "integer"},
        {"name": "doc", "type": "json"},
        *({"name": n} for n in ("spot", "tags", "mood")),
    ]
    contract = a_contract(schema, fields=fields)
    rows = [(1, '{"a":1}', "(1,2)", "{a,b}", "glad"), (2, None, None, None, None)]
    assert run(target, contract, rows).inserted == 2
    assert run(target, contract, rows).unchanged == 2
    assert run(target, contract, [(1, '{"a":2}', "(1,2)", "{a,b}", "sad")]).updated == 1


def test_row_level_security_is_never_half_obeyed(
    migrated: str, target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    role = f"r_{uuid.uuid4().hex[:10]}"
    publish(target, ready(target, schema))
    db.execute(f"CREATE ROLE {role} LOGIN")
    try:
        from entrepot.adapters.postgres import grants_sql

        db.execute(grants_sql(role, [schema]))
        db.execute(f"ALTER TABLE {schema}.people ENABLE ROW LEVEL SECURITY")
        db.execute(f"CREATE POLICY mine ON {schema}.people USING (id > 1)")
        mine = PostgresTarget(psycopg.conninfo.make_conninfo(migrated, user=role))
        spec = ready(mine, schema, [(1, "x", 1)])
        with pytest.raises(ConfigurationError, match="42501"):
            publish(mine, spec)
        mine.close()
    finally:
        db.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_publish_holds_no_connection_once_it_is_done(migrated: str, db: psycopg.Connection, schema: str) -> None:
    target = PostgresTarget(migrated, application_name=f"count-{schema}")
    publish(target, ready(target, schema))
    time.sleep(0.1)
    query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
    assert db.execute(query, (f"count-{schema}",)).fetchone() == (1,)
    target.close()
