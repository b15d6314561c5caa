"""Every error of the driver leaves as one of ours, with names and without values."""

from __future__ import annotations

import psycopg
import pytest
from psycopg.errors import lookup

from entrepot.adapters.postgres.errors import by_state, database_errors, translate
from entrepot.errors import (
    ConfigurationError,
    EntrepotError,
    FatalError,
    IntegrityError,
    RetriableError,
    TargetError,
    ThrottledError,
    UnavailableError,
)

TABLE = {
    "08006": UnavailableError,
    "22001": TargetError,
    "22003": TargetError,
    "22P02": TargetError,
    "23502": TargetError,
    "23503": TargetError,
    "23505": TargetError,
    "23514": TargetError,
    "25P03": UnavailableError,
    "28P01": ConfigurationError,
    "28000": ConfigurationError,
    "3D000": ConfigurationError,
    "3F000": TargetError,
    "40001": RetriableError,
    "40P01": RetriableError,
    "42501": ConfigurationError,
    "42703": TargetError,
    "42P01": TargetError,
    "42P07": RetriableError,
    "53100": UnavailableError,
    "53200": UnavailableError,
    "53300": ThrottledError,
    "54000": TargetError,
    "55006": RetriableError,
    "55P03": RetriableError,
    "57014": RetriableError,
    "57P01": UnavailableError,
    "57P02": UnavailableError,
    "57P03": UnavailableError,
    "58030": UnavailableError,
    "EN001": IntegrityError,
    "EN002": TargetError,
    "EN003": IntegrityError,
    "P0001": TargetError,
    "XX000": FatalError,
    "XX001": FatalError,
    "ZZ999": FatalError,
}


@pytest.mark.parametrize(("state", "kind"), TABLE.items())
def test_a_sqlstate_has_its_error(state: str, kind: type[EntrepotError]) -> None:
    error = by_state(state, "publishing", {"table": "t", "constraint": None})
    assert type(error) is kind
    assert error.facts["sqlstate"] == state
    assert error.facts["table"] == "t"


def test_every_error_the_driver_knows_is_one_of_ours() -> None:
    from psycopg import errors

    states = {
        e.sqlstate
        for e in vars(errors).values()
        if isinstance(e, type) and isinstance(getattr(e, "sqlstate", None), str)
    }
    assert len(states) > 200, "the driver lists them all"
    for state in states:
        made = translate(lookup(state)("hush 42"), "testing")
        assert isinstance(made, (FatalError, RetriableError))
        assert "hush" not in str(made)


def test_the_servers_words_do_not_pass(db: psycopg.Connection, schema: str) -> None:
    db.execute(f"CREATE TABLE {schema}.t (id integer CONSTRAINT one PRIMARY KEY, v varchar(3) CHECK (v <> 'bad'))")
    db.execute(f"INSERT INTO {schema}.t VALUES (424242, 'abc')")
    for statement in (
        "INSERT INTO {}.t VALUES (424242, 'x')",
        "INSERT INTO {}.t VALUES (1, 'secret')",
        "INSERT INTO {}.t VALUES (2, 'bad')",
        "SELECT 'secret'::integer",
        "SELECT '424242424242424242'::integer",
        "DO $$ BEGIN RAISE EXCEPTION 'secret 424242'; END $$",
    ):
        with pytest.raises(TargetError) as caught, database_errors("trying"):
            db.execute(statement.format(schema))
        told = str(caught.value) + repr(caught.value.facts) + repr(caught.value.__cause__)
        assert "424242" not in told
        assert "secret" not in told
    with pytest.raises(TargetError) as caught, database_errors("trying"):
        db.execute(f"INSERT INTO {schema}.t VALUES (424242, 'x')")
    assert caught.value.facts["constraint"] == "one"
    assert "'one'" in str(caught.value)


def test_a_row_without_a_partition_is_told_from_one_that_breaks_a_constraint(
    db: psycopg.Connection, schema: str
) -> None:
    db.execute(
        f"CREATE TABLE {schema}.t (id integer, v text CONSTRAINT short CHECK (length(v) < 4)) PARTITION BY RANGE (id)"
    )
    db.execute(f"CREATE TABLE {schema}.low PARTITION OF {schema}.t FOR VALUES FROM (0) TO (5)")
    for values, constraint, words in (("(9, 'x')", None, "no partition"), ("(1, 'long')", "short", "check constraint")):
        with pytest.raises(TargetError, match=f"(?i){words}") as caught, database_errors("trying"):
            db.execute(f"INSERT INTO {schema}.t VALUES {values}")
        assert caught.value.facts.get("constraint") == constraint
    raised = "DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = 'check_violation'; END $$"
    with pytest.raises(TargetError, match=r"(?i)check constraint"), database_errors("trying"):
        db.execute(raised)


def test_two_sessions_that_make_the_same_table_are_a_passing_fault() -> None:
    error = by_state("23505", "making staging", {"schema": "pg_catalog", "table": "pg_type"})
    assert type(error) is RetriableError


def test_errors_without_a_state() -> None:
    assert type(translate(psycopg.OperationalError("secret"), "x")) is UnavailableError
    assert type(translate(psycopg.DataError("secret"), "x")) is TargetError
    assert type(translate(psycopg.ProgrammingError("secret"), "x")) is FatalError
