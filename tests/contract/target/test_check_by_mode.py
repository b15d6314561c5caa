"""Check: what each rule spares, mode by mode: rows that a mode skips, moves or deletes are not refused for others."""

from __future__ import annotations

from datetime import date
from typing import Any

import psycopg
import pytest

from entrepot.adapters.postgres import PostgresTarget, check
from entrepot.errors import IntegrityError, TargetError
from entrepot.model.contract import Mode
from entrepot.model.steps import LoadSpec

from .making import a_contract, a_spec, load, publish, ready, run

IDS = {"name": "id", "type": "integer"}
FIELDS = [IDS, {"name": "name", "type": "string"}, {"name": "age", "type": "integer"}]
FEED = [{"name": "operation", "type": "string"}, *FIELDS]


@pytest.fixture(params=["few rows", "many rows"])
def size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many rows are proved unique by an index, few by grouping: the answers must be the same."""
    if request.param == "many rows":
        monkeypatch.setattr(check, "INDEX_BYTES", 0)


def found(target: PostgresTarget, spec: LoadSpec) -> list[tuple[int, str, str, str]]:
    return [(r.row, r.code, r.field, r.detail) for r in target.refusals(spec)]


def feed(schema: str, **changes: Any) -> Any:
    return a_contract(schema, **({"fields": FEED, "mode": "feed", "max_removed_percent": 100} | changes))


# --- what the check itself needs ------------------------------------------------------------------------------


@pytest.mark.parametrize("named", [True, False])
def test_staging_that_is_gone_is_told_as_such(
    target: PostgresTarget, db: psycopg.Connection, schema: str, named: bool
) -> None:
    spec = a_spec(target, a_contract(schema))
    db.execute(f'DROP TABLE entrepot_staging."{spec.staging_table}"')
    with pytest.raises(IntegrityError, match=spec.job_id) as lost:
        target.check(spec if named else spec.model_copy(update={"staging_table": ""}))
    assert lost.value.facts == {"job_id": spec.job_id, "reason": "staging_lost"}


def test_staging_is_found_by_the_job_alone(target: PostgresTarget, schema: str) -> None:
    spec = a_spec(target, a_contract(schema))
    load(target, spec, [(1, "a", 1), (1, "b", 1), (None, "c", 1)])
    nameless = spec.model_copy(update={"staging_table": ""})
    result = target.check(nameless)
    assert (result.accepted, result.duplicate, result.quarantined, result.collapsed) == (1, 1, 1, 0)
    assert [r[:3] for r in found(target, nameless)] == [(2, "duplicate", "id"), (4, "key_null", "id")]


def test_a_job_without_rows_has_nothing_to_refuse(target: PostgresTarget, schema: str) -> None:
    spec = a_spec(target, a_contract(schema))
    load(target, spec, [], quarantined=2)
    result = target.check(spec)
    assert (result.accepted, result.duplicate, result.quarantined, result.collapsed) == (0, 0, 0, 0)
    assert found(target, spec) == []


def test_refusals_come_page_by_page_in_the_order_of_chunks_and_rows(
    target: PostgresTarget, schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "ROWS_AT_A_TIME", 2)
    other = ready(target, a_contract(schema), [(1, "x", 1), (1, "y", 1)])
    spec = a_spec(target, a_contract(schema), chunks=3)
    for chunk, first in ((2, 20), (0, 2), (1, 10)):
        load(target, spec, [(None, "a", 1), (None, "b", 1), (chunk, "c", 1)], chunk=chunk, first_row=first)
    assert target.check(spec).quarantined == 6
    assert [(r.chunk_id, r.row) for r in target.refusals(spec)] == [
        ("000000", 2), ("000000", 3), ("000001", 10), ("000001", 11), ("000002", 20), ("000002", 21)
    ]  # fmt: skip
    assert [r[0] for r in found(target, other)] == [2]


# --- keys -----------------------------------------------------------------------------------------------------


def test_an_append_refuses_keys_that_the_table_has(
    target: PostgresTarget, db: psycopg.Connection, schema: str, size: None
) -> None:
    db.execute(f"CREATE TABLE {schema}.people (id bigint PRIMARY KEY, name text, age integer)")
    db.execute(f"INSERT INTO {schema}.people VALUES (1, 'a', 1)")
    spec = ready(target, a_contract(schema), [(1, "again", 1), (2, "b", 2), (2, "c", 3)], mode=Mode.APPEND)
    assert [r[:3] for r in found(target, spec)] == [(2, "key_exists", "id"), (3, "duplicate", "id")]
    assert publish(target, spec).inserted == 1


def test_a_key_of_two_columns_that_the_table_has_names_no_one_field(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    db.execute(f"CREATE TABLE {schema}.people (id bigint, name text, age integer, PRIMARY KEY (id, name))")
    db.execute(f"INSERT INTO {schema}.people VALUES (1, 'a', 1)")
    both = a_contract(schema, key=["id", "name"])
    spec = ready(target, both, [(1, "a", 9), (1, "b", 9), (1, "b", 8)], mode=Mode.APPEND)
    assert [r[:3] for r in found(target, spec)] == [(2, "key_exists", ""), (3, "duplicate", "")]


def test_a_history_keeps_the_latest_of_a_key_by_its_own_time(target: PostgresTarget, schema: str, size: None) -> None:
    fields = [IDS, {"name": "name"}, {"name": "day", "type": "date"}]
    by_day = {"at": "day", "valid_from": "day", "valid_to": "until"}
    kept = a_contract(schema, mode="history", fields=fields, history=by_day)
    spec = ready(target, kept, [(1, "late", date(2024, 2, 1)), (1, "early", date(2024, 1, 1))])
    assert found(target, spec) == [(3, "duplicate", "id", "row 2 was kept")]


def test_a_feed_of_one_row_a_key_collapses_nothing(target: PostgresTarget, schema: str) -> None:
    spec = a_spec(target, feed(schema))
    load(target, spec, [("I", 1, "a", 1), ("I", 2, "b", 2)])
    assert target.check(spec).collapsed == 0
    spec = a_spec(target, feed(schema))
    load(target, spec, [("I", 1, "a", 1), ("U", 1, "b", 2), ("X", 2, "b", 2)])
    result = target.check(spec)
    assert (result.accepted, result.collapsed, result.quarantined, result.duplicate) == (1, 1, 1, 0)
    assert target.check(spec) == result
    assert [r[:3] for r in found(target, spec)] == [(4, "operation", "operation")]


# --- rules of the table ---------------------------------------------------------------------------------------


def test_rules_over_columns_that_the_source_does_not_bring_wait_for_publish(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    db.execute(
        f"CREATE TABLE {schema}.people (id bigint PRIMARY KEY, name text, age integer, least integer DEFAULT 18, "
        "CONSTRAINT grown CHECK (age >= least))"
    )
    spec = ready(target, a_contract(schema), [(1, "a", 3)])
    assert found(target, spec) == []
    with pytest.raises(TargetError, match="grown"):
        publish(target, spec)


def test_rules_over_values_that_a_blank_keeps_wait_for_publish(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    rule = "CONSTRAINT named CHECK (coalesce(name, '') <> '' OR age > 50)"
    db.execute(f"CREATE TABLE {schema}.people (id bigint PRIMARY KEY, name text, age integer, {rule})")
    db.execute(f"INSERT INTO {schema}.people VALUES (1, 'a', 3)")
    keeping = [IDS, {"name": "name", "blank": "keep"}, FIELDS[2]]
    spec = ready(target, a_contract(schema, fields=keeping), [(1, None, 4)])
    assert found(target, spec) == []
    assert publish(target, spec).updated == 1
    assert [r[:2] for r in found(target, ready(target, a_contract(schema), [(1, None, 4)]))] == [(2, "check")]


def test_a_rule_names_its_field_where_it_has_one(target: PostgresTarget, db: psycopg.Connection, schema: str) -> None:
    db.execute(
        f"CREATE TABLE {schema}.people (id bigint PRIMARY KEY, name text, age integer CONSTRAINT grown CHECK (age > 17), "
        "CONSTRAINT apart CHECK (id <> age))"
    )
    spec = ready(target, a_contract(schema), [(1, "a", 3), (20, "b", 20), (2, "c", 30)])
    assert found(target, spec) == [
        (2, "check", "age", "constraint grown"),
        (3, "check", "", "constraint apart"),
    ]


def test_what_a_feed_deletes_need_not_fit_the_table(
    target: PostgresTarget, db: psycopg.Connection, schema: str, size: None
) -> None:
    db.execute(f"CREATE TABLE {schema}.towns (code text PRIMARY KEY)")
    db.execute(f"INSERT INTO {schema}.towns VALUES ('B'), ('C')")
    db.execute(
        f"CREATE TABLE {schema}.people (id bigint PRIMARY KEY, name text CONSTRAINT of REFERENCES {schema}.towns, "
        "age integer CONSTRAINT grown CHECK (age > 17))"
    )
    db.execute(f"INSERT INTO {schema}.people VALUES (1, 'B', 20), (2, 'B', 30), (3, 'C', 40)")
    given = [("D", 1, "X", 1), ("U", 2, "X", 30), ("U", 3, "C", 1), ("D", 9, None, 2), ("I", 4, "C", 44)]
    spec = ready(target, feed(schema), given)
    assert found(target, spec) == [
        (3, "reference", "name", "constraint of"),
        (4, "check", "age", "constraint grown"),
    ]
    receipt = publish(target, spec)
    assert (receipt.deleted, receipt.inserted) == (1, 1)


# --- references -----------------------------------------------------------------------------------------------


def test_a_reference_of_two_columns_counts_where_both_are_given(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    db.execute(f"CREATE TABLE {schema}.towns (country text, code integer, PRIMARY KEY (code, country))")
    db.execute(f"INSERT INTO {schema}.towns VALUES ('DE', 1), ('FR', 2)")
    db.execute(
        f"CREATE TABLE {schema}.people (id bigint PRIMARY KEY, name text, age integer, "
        f"CONSTRAINT lives FOREIGN KEY (name, age) REFERENCES {schema}.towns (country, code))"
    )
    given = [(1, "DE", 1), (2, "DE", 2), (3, "XX", None), (4, None, 7), (5, "FR", 2)]
    spec = ready(target, a_contract(schema), given)
    assert found(target, spec) == [(3, "reference", "", "constraint lives")]
    assert publish(target, spec).inserted == 4


def test_a_reference_that_the_source_does_not_bring_whole_waits_for_publish(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    db.execute(f"CREATE TABLE {schema}.towns (country text, code integer, PRIMARY KEY (country, code))")
    db.execute(
        f"CREATE TABLE {schema}.people (id bigint PRIMARY KEY, name text, age integer, country text DEFAULT 'DE', "
        f"CONSTRAINT lives FOREIGN KEY (country, age) REFERENCES {schema}.towns)"
    )
    spec = ready(target, a_contract(schema), [(1, "a", 7)])
    assert found(target, spec) == []
    with pytest.raises(TargetError, match="lives"):
        publish(target, spec)


def test_a_tree_by_a_column_that_the_source_does_not_bring_waits_for_publish(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    db.execute(
        f"CREATE TABLE {schema}.people (id bigint PRIMARY KEY, name text, "
        f"age integer CONSTRAINT under REFERENCES {schema}.people (place), place integer UNIQUE DEFAULT 7)"
    )
    spec = ready(target, a_contract(schema), [(1, "a", 7), (2, "b", None)], mode=Mode.UPSERT)
    assert found(target, spec) == []


def test_in_a_feed_nothing_stands_below_a_row_that_goes(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    db.execute(
        f"CREATE TABLE {schema}.people (id bigint PRIMARY KEY, name text, "
        f"age bigint CONSTRAINT under REFERENCES {schema}.people)"
    )
    given = [("D", 1, None, None), ("I", 2, "b", 1), ("I", 3, "c", None), ("I", 4, "d", 3), ("D", 5, None, 99)]
    spec = ready(target, feed(schema), given)
    assert found(target, spec) == [(3, "reference", "age", "constraint under")]
    assert publish(target, spec).inserted == 2


# --- unique values --------------------------------------------------------------------------------------------


@pytest.fixture
def named(db: psycopg.Connection, schema: str) -> str:
    """A table whose names are unique beside its key."""
    table = f"{schema}.people"
    db.execute(f"CREATE TABLE {table} (id bigint PRIMARY KEY, name text UNIQUE, age integer, UNIQUE (id, age))")
    db.execute(f"INSERT INTO {table} VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3), (4, NULL, 4)")
    return table


def test_a_value_that_the_feed_takes_away_is_free(target: PostgresTarget, schema: str, named: str, size: None) -> None:
    given = [("D", 1, "b", None), ("I", 5, "a", 5), ("U", 2, "x", 2), ("I", 6, "b", 6), ("I", 7, "c", 7)]
    spec = ready(target, feed(schema), given)
    assert found(target, spec) == [(6, "unique", "name", "in the table")]
    receipt = publish(target, spec)
    assert (receipt.deleted, receipt.inserted, receipt.updated) == (1, 2, 1)


def test_rows_that_a_feed_deletes_repeat_nothing(target: PostgresTarget, schema: str, named: str, size: None) -> None:
    given = [("D", 1, "z", None), ("I", 5, "z", 5), ("I", 6, "z", 6), ("D", 2, "z", None)]
    spec = ready(target, feed(schema), given)
    assert found(target, spec) == [(4, "unique", "name", "row 3 has it")]


@pytest.mark.parametrize("mode", [Mode.APPEND, Mode.INSERT_ONLY])
def test_modes_that_change_no_row_free_no_value(
    target: PostgresTarget, schema: str, named: str, mode: Mode, size: None
) -> None:
    given = [(5, "a", 5), (6, "f", 6), (7, None, 7), (8, "f", 8), (9, None, 9)]
    spec = ready(target, a_contract(schema), given, mode=mode)
    assert found(target, spec) == [
        (2, "unique", "name", "in the table"),
        (5, "unique", "name", "row 3 has it"),
    ]
    assert publish(target, spec).inserted == 3


def test_an_insert_skipped_for_its_key_frees_no_value(target: PostgresTarget, schema: str, named: str) -> None:
    spec = ready(target, a_contract(schema), [(1, "moved", 1), (9, "a", 9)], mode=Mode.INSERT_ONLY)
    assert found(target, spec) == [(3, "unique", "name", "in the table")]


def test_an_update_frees_the_value_of_its_row(target: PostgresTarget, schema: str, named: str) -> None:
    spec = ready(target, a_contract(schema), [(1, "b", 1), (2, "a2", 2), (9, "c", 9)], mode=Mode.UPDATE_ONLY)
    assert found(target, spec) == []


def test_a_replace_frees_the_values_of_its_slice_alone(
    target: PostgresTarget, db: psycopg.Connection, schema: str, named: str
) -> None:
    how: dict[str, Any] = {"mode": Mode.REPLACE, "slice_": {"age": "[1, 2]"}}
    contract = a_contract(schema, max_removed_percent=100)
    spec = ready(target, contract, [(9, "a", 1), (8, "c", 2), (2, "b", 2)], **how)
    assert found(target, spec) == [(3, "unique", "name", "in the table")]
    # A row of another slice that this file takes over may move as well.
    spec = ready(target, contract, [(9, "c", 1), (3, "z", 2)], **how)
    assert found(target, spec) == []


def test_a_replace_without_a_key_frees_the_values_of_its_slice_alone(
    target: PostgresTarget, db: psycopg.Connection, schema: str, size: None
) -> None:
    db.execute(f"CREATE TABLE {schema}.people (id bigint, name text UNIQUE, age integer)")
    db.execute(f"INSERT INTO {schema}.people VALUES (1, 'a', 1), (2, 'b', 2), (3, 'n', NULL)")
    contract = a_contract(schema, key=[], max_removed_percent=100)
    given = [(5, "a", 1), (6, "b", 1), (7, "n", 1), (8, "a", 1)]
    spec = ready(target, contract, given, mode=Mode.REPLACE, slice_={"age": ["1"]})
    assert found(target, spec) == [
        (3, "unique", "name", "in the table"),
        (4, "unique", "name", "in the table"),
        (5, "unique", "name", "row 2 has it"),
    ]
    assert found(target, ready(target, contract, [(5, "a", 2), (6, "b", 2)], mode=Mode.REPLACE)) == []


def test_an_append_without_a_key_refuses_what_the_table_has(
    target: PostgresTarget, db: psycopg.Connection, schema: str, size: None
) -> None:
    db.execute(f"CREATE TABLE {schema}.people (id bigint, name text UNIQUE, age integer)")
    db.execute(f"INSERT INTO {schema}.people VALUES (1, 'a', 1)")
    spec = ready(target, a_contract(schema, key=[]), [(1, "a", 1), (1, "b", 1), (1, "b", 1)], mode=Mode.APPEND)
    assert found(target, spec) == [
        (2, "unique", "name", "in the table"),
        (4, "unique", "name", "row 3 has it"),
    ]


def test_in_a_history_only_versions_that_hold_stand_in_the_way(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    unique = [IDS, {"name": "name", "unique": True}, FIELDS[2]]
    kept = a_contract(schema, mode="history", fields=unique)
    run(target, kept, [(1, "a", 1), (2, "b", 2)])
    run(target, kept, [(1, "A", 1)])
    spec = ready(target, kept, [(3, "a", 3), (4, "b", 4), (5, "A", 5)])
    assert found(target, spec) == [
        (3, "unique", "name", "in the table"),
        (4, "unique", "name", "in the table"),
    ]
    moved = ready(target, kept, [(2, "bb", 2), (6, "b", 6)])
    assert found(target, moved) == []


def test_sets_that_hold_the_whole_key_say_nothing_more(
    target: PostgresTarget, db: psycopg.Connection, schema: str, named: str
) -> None:
    # (id, age) is unique because id is: a row that changes its age is no clash.
    spec = ready(target, a_contract(schema), [(1, "a", 2), (2, "b", 1)])
    assert found(target, spec) == []
    assert publish(target, spec).updated == 2


def test_delete_missing_asks_for_keys_and_nothing_else(
    target: PostgresTarget, db: psycopg.Connection, schema: str, named: str
) -> None:
    db.execute(f"ALTER TABLE {named} ADD CONSTRAINT grown CHECK (age < 18)")
    given = [(1, "b", 99), (2, "b", 2), (None, "c", 3), (3, "c", 3), (3, "c", 3)]
    spec = ready(target, a_contract(schema, max_removed_percent=100), given, mode=Mode.DELETE_MISSING)
    assert [r[:3] for r in found(target, spec)] == [(4, "key_null", "id"), (5, "duplicate", "id")]


def test_unique_fields_of_a_table_that_is_not_there_yet(target: PostgresTarget, schema: str, size: None) -> None:
    unique = [IDS, {"name": "name", "unique": True}, {"name": "age", "type": "integer", "unique": True}]
    spec = ready(target, a_contract(schema, fields=unique), [(1, "a", 1), (2, "a", 2), (3, "c", 1), (4, "d", 2)])
    # The second row went for its name before its age was looked at.
    assert found(target, spec) == [(3, "unique", "name", "row 2 has it"), (4, "unique", "age", "row 2 has it")]
    assert publish(target, spec).inserted == 2


def test_a_reference_is_checked_before_a_key_wins(
    target: PostgresTarget, db: psycopg.Connection, schema: str, size: None
) -> None:
    db.execute(f"CREATE TABLE {schema}.towns (code text PRIMARY KEY)")
    db.execute(f"INSERT INTO {schema}.towns VALUES ('B')")
    db.execute(
        f"CREATE TABLE {schema}.people (id bigint PRIMARY KEY, name text REFERENCES {schema}.towns, age integer)"
    )
    spec = ready(target, a_contract(schema), [(1, "B", 1), (1, "X", 2)])
    assert [r[:3] for r in found(target, spec)] == [(3, "reference", "name")]
    assert publish(target, spec).inserted == 1


def test_rows_that_are_unique_as_a_whole(target: PostgresTarget, db: psycopg.Connection, schema: str) -> None:
    db.execute(f"CREATE TABLE {schema}.people (id bigint, name text, age integer, UNIQUE (age, id, name))")
    db.execute(f"INSERT INTO {schema}.people VALUES (1, 'a', 1)")
    spec = ready(target, a_contract(schema, key=[]), [(1, "a", 1), (1, "a", 2), (1, "a", 2)], mode=Mode.APPEND)
    assert found(target, spec) == [(2, "unique", "", "in the table"), (4, "unique", "", "row 3 has it")]
