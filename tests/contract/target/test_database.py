"""Migrations, rights, catalogue and connections."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from entrepot.adapters.postgres import ConnectionSettings, PostgresTarget, grants_sql, migration_sql
from entrepot.adapters.postgres.migrate import migrations
from entrepot.errors import ConfigurationError, NotFoundError, TargetError, ThrottledError, UnavailableError

from .making import a_contract, a_spec, load, publish, run


@pytest.fixture
def empty(dsn: str) -> Iterator[str]:
    """A database without Entrepot's schemas."""
    name = f"empty_{uuid.uuid4().hex[:10]}"
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        yield make_conninfo(dsn, dbname=name)
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def role(migrated: str, db: psycopg.Connection) -> Iterator[str]:
    name = f'r"{uuid.uuid4().hex[:10]}'
    quoted = name.replace('"', '""')
    db.execute(f'CREATE ROLE "{quoted}" LOGIN')
    yield name
    db.execute(f'DROP OWNED BY "{quoted}"; DROP ROLE "{quoted}"')


def test_migrations_are_numbered_without_gaps() -> None:
    assert [n for n, _, _ in migrations()] == list(range(1, len(migrations()) + 1))


def test_migrations_run_once_however_many_start_them(empty: str) -> None:
    targets = [PostgresTarget(empty) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda t: t.migrate(), targets))
    names = [n for _, n, _ in migrations()]
    assert sorted(done) == [[], [], [], names]
    assert targets[0].migrate() == []
    with psycopg.connect(empty) as look:
        assert [r[0] for r in look.execute("SELECT name FROM entrepot.schema_version ORDER BY version")] == names
    for target in targets:
        target.close()


def test_the_script_for_a_dba_does_what_migrate_does(empty: str) -> None:
    with psycopg.connect(empty, autocommit=True) as dba:
        dba.execute(migration_sql())
    target = PostgresTarget(empty)
    assert target.migrate() == []
    run(target, a_contract("public"), [(1, "a", 1)])
    target.close()


def test_a_failed_migration_leaves_nothing_of_itself(empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from entrepot.adapters.postgres import migrate

    whole = migrations()
    broken = [*whole, (len(whole) + 1, "9999_broken", "CREATE TABLE entrepot.half (); SELECT 1/0")]
    monkeypatch.setattr(migrate, "migrations", lambda: broken)
    target = PostgresTarget(empty)
    with pytest.raises(TargetError):
        target.migrate()
    with psycopg.connect(empty) as look:
        assert look.execute("SELECT to_regclass('entrepot.half'), to_regclass('entrepot.receipt')").fetchone() == (
            None,
            "entrepot.receipt",
        )
    monkeypatch.setattr(migrate, "migrations", lambda: whole)
    assert target.migrate() == []
    target.close()


def test_a_database_that_was_never_migrated_is_told_so(empty: str) -> None:
    target = PostgresTarget(empty)
    spec_of = PostgresTarget(empty)
    for ask in (
        lambda: target.receipt("main", "x"),
        lambda: target.drop_staging("main", "x"),
        lambda: a_spec(spec_of, a_contract("public")),
    ):
        with pytest.raises(ConfigurationError, match="schema is missing") as caught:
            ask()
        assert "db init" in caught.value.hint
    assert target.staged_jobs() == []
    assert target.describe("public", "nothing") is None
    target.close()
    spec_of.close()


def test_a_role_with_the_least_rights_can_do_everything(
    migrated: str, db: psycopg.Connection, schema: str, role: str
) -> None:
    db.execute(f"CREATE TABLE {schema}.old (id bigint PRIMARY KEY, name text, age integer)")
    db.execute(grants_sql(role, [schema]))
    target = PostgresTarget(make_conninfo(migrated, user=role))
    assert target.migrate() == []
    for table in ("made", "old"):
        contract = a_contract(schema, table=table)
        run(target, contract, [(1, "a", 1), (2, "b", 2)])
        spec = a_spec(target, contract)
        load(target, spec, [(1, "z", 1), (1, "y", 1), (3, "c", 3)])
        assert target.check(spec).duplicate == 1
        assert len(list(target.refusals(spec))) == 1
        assert publish(target, spec).updated == 1
        target.drop_staging(spec.tenant, spec.job_id)
        assert target.count(schema, table) == 3
    target.close()


def test_a_missing_right_is_a_matter_of_configuration(
    migrated: str, db: psycopg.Connection, schema: str, role: str
) -> None:
    target = PostgresTarget(make_conninfo(migrated, user=role))
    with pytest.raises(ConfigurationError, match="42501"):
        target.receipt("main", "x")
    db.execute(grants_sql(role, []))
    db.execute(f"CREATE TABLE {schema}.people (id bigint PRIMARY KEY, name text, age integer)")
    with pytest.raises(TargetError, match="may not create"):
        a_spec(target, a_contract(schema, table="other"))
    spec = a_spec(target, a_contract(schema))
    load(target, spec, [(1, "a", 1)])
    target.check(spec)
    with pytest.raises(ConfigurationError, match="42501"):
        publish(target, spec)
    target.close()


def test_a_schema_that_is_not_there_is_told_before_anything_is_loaded(target: PostgresTarget) -> None:
    with pytest.raises(TargetError, match="no schema 'nowhere'"):
        a_spec(target, a_contract("nowhere"))


def test_a_table_is_described_as_the_catalogue_has_it(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    db.execute(f"CREATE DOMAIN {schema}.pct AS numeric(5,2) NOT NULL CHECK (VALUE <= 100)")
    db.execute(f"CREATE DOMAIN {schema}.share AS {schema}.pct")
    db.execute(f"CREATE TYPE {schema}.mood AS ENUM ('glad', 'sad')")
    db.execute(
        f"""CREATE TABLE {schema}.t (
            a bigint GENERATED ALWAYS AS IDENTITY, b integer GENERATED BY DEFAULT AS IDENTITY,
            c text NOT NULL, d varchar(7) DEFAULT 'x', e numeric(12,2), f timestamp(3) with time zone,
            g {schema}.share, h {schema}.mood, i text[], j integer GENERATED ALWAYS AS (b * 2) STORED, gone text,
            PRIMARY KEY (b, c), UNIQUE (e), UNIQUE (d, c) DEFERRABLE)"""
    )
    db.execute(f"ALTER TABLE {schema}.t DROP COLUMN gone")
    db.execute(f"CREATE UNIQUE INDEX ON {schema}.t (a) WHERE a > 0; CREATE UNIQUE INDEX ON {schema}.t (lower(c))")
    db.execute(f"CREATE UNIQUE INDEX ON {schema}.t (a, e) INCLUDE (c)")
    shape = target.describe(schema, "t")
    found = {c.name: (c.pg_type, c.nullable, c.has_default, c.generated) for c in shape.columns}
    assert found == {
        "a": ("bigint", False, True, True),
        "b": ("integer", False, True, False),
        "c": ("text", False, False, False),
        "d": ("character varying(7)", True, True, False),
        "e": ("numeric(12,2)", True, False, False),
        "f": ("timestamp(3) with time zone", True, False, False),
        "g": ("numeric(5,2)", False, False, False),
        "h": (f"{schema}.mood", True, False, False),
        "i": ("text[]", True, False, False),
        "j": ("integer", True, True, True),
    }
    assert shape.columns[7].labels == ("glad", "sad")
    assert shape.primary_key == ["b", "c"]
    assert shape.unique_keys == [["b", "c"], ["e"], ["a", "e"]]
    assert shape.kind == "r"
    db.execute(f"CREATE VIEW {schema}.v AS SELECT 1 AS one")
    assert target.describe(schema, "v").kind == "v"
    assert target.describe(schema, "nothing") is None


def test_values_of_a_domain_arrive(target: PostgresTarget, db: psycopg.Connection, schema: str) -> None:
    db.execute(f"CREATE DOMAIN {schema}.pct AS numeric(5,2)")
    db.execute(f"CREATE TABLE {schema}.people (id bigint PRIMARY KEY, share {schema}.pct)")
    fields = [{"name": "id", "type": "integer"}, {"name": "share", "type": "decimal"}]
    spec = a_spec(target, a_contract(schema, fields=fields))
    assert spec.contract.field("share").type == "decimal(5,2)"
    load(target, spec, [(1, 50)])
    target.check(spec)
    assert publish(target, spec).inserted == 1


def test_rows_of_a_table_that_is_not_there(target: PostgresTarget, schema: str) -> None:
    for ask in (lambda: target.rows(schema, "none", limit=5), lambda: target.count(schema, "none")):
        with pytest.raises(NotFoundError):
            ask()


def test_nobody_listens(tmp_path: object) -> None:
    for dsn in (f"host={tmp_path} dbname=x", "postgresql://nobody:s3cret@127.0.0.1:1/x?connect_timeout=2"):
        with pytest.raises(UnavailableError) as caught:
            PostgresTarget(dsn).ping()
        assert "s3cret" not in str(caught.value) + repr(caught.value.__cause__)


def test_a_database_or_user_that_is_not_there(migrated: str) -> None:
    for wrong in ({"dbname": "nowhere"}, {"user": "nobody"}):
        with pytest.raises(ThrottledError, match="is up, but refuses") as caught:
            PostgresTarget(make_conninfo(migrated, **wrong)).ping()
        assert "database name" in caught.value.hint


def test_settings_are_asked_for_at_every_connection(migrated: str) -> None:
    asked = []

    def connect() -> dict[str, object]:
        asked.append(1)
        parts = psycopg.conninfo.conninfo_to_dict(migrated)
        return {
            "host": parts["host"],
            "port": int(parts.get("port", 5432)),
            "username": parts.get("user", "postgres"),
            "password": "",
            "dbname": parts["dbname"],
        }

    target = PostgresTarget(connect, application_name="entrepot-dev-load")
    assert asked == []
    target.ping()
    target.ping()
    assert asked == [1]
    target.close()
    target.ping()
    assert asked == [1, 1]
    target.close()


def test_a_session_behaves_as_its_settings_say(migrated: str, db: psycopg.Connection) -> None:
    settings = ConnectionSettings.from_dsn(migrated, application_name="entrepot-test-x", lock_seconds=7, idle_seconds=9)
    target = PostgresTarget(settings)
    with target._database.use("asking") as session:
        names = (
            "application_name",
            "lock_timeout",
            "idle_in_transaction_session_timeout",
            "timezone",
            "client_encoding",
        )
        assert [session.execute(f"SHOW {n}").fetchone()[0] for n in names] == [
            "entrepot-test-x",
            "7s",
            "9s",
            "UTC",
            "UTF8",
        ]
    target.close()


def test_the_module_imports_without_a_database_or_arrow() -> None:
    code = (
        "import sys, entrepot.adapters.postgres; print([m for m in ('pyarrow', 'pgpq', 'numpy') if m in sys.modules])"
    )
    import os

    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert done.stdout.strip() == "[]"
