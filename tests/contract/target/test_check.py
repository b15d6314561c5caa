"""Check: what only the whole set shows, by PostgreSQL's own equality."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from entrepot.adapters.postgres import PostgresTarget, check
from entrepot.model.contract import Contract, Mode
from entrepot.model.steps import LoadSpec

from .making import a_contract, a_spec, load, publish, run


@pytest.fixture(autouse=True, params=["few rows", "many rows"])
def size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many rows are proved unique by an index, few by grouping: the answers must be the same."""
    if request.param == "many rows":
        monkeypatch.setattr(check, "INDEX_BYTES", 0)


def refused(target: PostgresTarget, spec: LoadSpec) -> list[tuple[int, str, str]]:
    return [(r.row, r.code, r.field) for r in target.refusals(spec)]


def staged(db: psycopg.Connection, spec: LoadSpec, column: str = "id") -> list[Any]:
    query = f'SELECT "{column}" FROM entrepot_staging."{spec.staging_table}" ORDER BY 1'
    return [row[0] for row in db.execute(query)]


def checked(target: PostgresTarget, contract: Contract, rows: list, **how: Any) -> LoadSpec:
    spec = a_spec(target, contract, **how)
    load(target, spec, rows)
    result = target.check(spec)
    assert target.check(spec) == result, "check is idempotent"
    assert result.accepted + result.duplicate + result.quarantined == len(rows)
    assert [line.staged for line in target.ledger(spec)] == [len(rows)]
    return spec


def test_the_last_row_of_a_key_wins(target: PostgresTarget, db: psycopg.Connection, schema: str) -> None:
    spec = checked(target, a_contract(schema), [(2, "x", 1), (1, "y", 2), (2, "z", 3), (2, "w", 4)])
    assert refused(target, spec) == [(2, "duplicate", "id"), (4, "duplicate", "id")]
    assert [r.detail for r in target.refusals(spec)] == ["row 5 was kept"] * 2
    assert staged(db, spec, "name") == ["w", "y"]


def test_the_newest_row_wins_where_the_contract_says_what_is_new(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    contract = a_contract(schema, order_by="age")
    spec = checked(target, contract, [(1, "newest", 9), (1, "old", 3), (1, "undated", None), (2, "a", 5), (2, "b", 5)])
    assert staged(db, spec, "name") == ["b", "newest"]


def test_a_file_in_the_order_of_its_key_across_chunks(target: PostgresTarget, schema: str) -> None:
    spec = a_spec(target, a_contract(schema), chunks=3)
    load(target, spec, [(1, "a", 1), (2, "b", 1)], chunk=0)
    load(target, spec, [(2, "c", 1), (3, "d", 1)], chunk=1, first_row=4)
    load(target, spec, [(4, "e", 1)], chunk=2, first_row=6)
    assert target.check(spec).duplicate == 1
    assert refused(target, spec) == [(3, "duplicate", "id")]


@pytest.mark.parametrize(
    ("word", "column", "same", "different"),
    [
        ("decimal", "numeric", ["1.0", "1.00", "1"], ["1.01"]),
        ("decimal(10,3)", "numeric(10,3)", [Decimal("1.000"), Decimal("1.000")], [Decimal("1.001")]),
        ("string", "character(5)", ["ab", "ab  "], ["abc"]),
        ("string", "text", ["ab", "ab"], ["ab ", "AB"]),
        ("string", "text COLLATE {schema}.ci", ["ab", "AB", "Ab"], ["abc"]),
        ("float", "double precision", [0.0, -0.0], [1e-300]),
        ("string", "uuid", ["6d56193236c44f21b47f422af7f9e5be", "6D561932-36C4-4F21-B47F-422AF7F9E5BE"], []),
    ],
)
def test_keys_are_equal_as_postgresql_finds_them(
    target: PostgresTarget, db: psycopg.Connection, schema: str, word: str, column: str, same: list, different: list
) -> None:
    if "COLLATE" in column:
        try:
            db.execute(
                f"CREATE COLLATION {schema}.ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
            )
        except psycopg.errors.FeatureNotSupported:
            pytest.skip("this server was built without ICU")
    kind = column.format(schema=schema)
    db.execute(f"CREATE TABLE {schema}.people (id {kind} PRIMARY KEY, n integer)")
    fields = [{"name": "id", "type": word}, {"name": "n", "type": "integer"}]
    rows = [(value, i) for i, value in enumerate([*same, *different])]
    spec = checked(target, a_contract(schema, fields=fields), rows)
    assert [r.code for r in target.refusals(spec)] == ["duplicate"] * (len(same) - 1)
    assert publish(target, spec).inserted == len(different) + 1


def test_a_row_without_its_whole_key_is_refused(target: PostgresTarget, schema: str) -> None:
    contract = a_contract(schema, key=["id", "name"])
    spec = checked(target, contract, [(1, "a", 1), (None, "b", 2), (3, None, 3), (None, None, 4)])
    assert refused(target, spec) == [(3, "key_null", "id"), (4, "key_null", "name"), (5, "key_null", "id")]
    assert publish(target, spec).quarantined == 3


UNIQUE = [{"name": "id", "type": "integer"}, {"name": "mail", "unique": True}]


def test_a_unique_value_belongs_to_its_first_row(target: PostgresTarget, schema: str) -> None:
    rows = [(1, "a"), (2, "b"), (3, "a"), (4, None), (5, None)]
    spec = checked(target, a_contract(schema, fields=UNIQUE), rows)
    assert refused(target, spec) == [(4, "unique", "mail")]
    assert publish(target, spec).inserted == 4


def test_a_unique_value_of_the_table_is_refused_unless_its_row_moves(target: PostgresTarget, schema: str) -> None:
    contract = a_contract(schema, fields=UNIQUE)
    run(target, contract, [(1, "a"), (2, "b"), (3, "c")])
    spec = checked(target, contract, [(1, "a"), (9, "b"), (3, "d"), (8, "c")])
    assert refused(target, spec) == [(3, "unique", "mail")]
    receipt = publish(target, spec)
    assert (receipt.inserted, receipt.updated, receipt.unchanged, receipt.quarantined) == (1, 1, 1, 1)


def test_unique_indexes_that_the_contract_does_not_name_count_too(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    db.execute(f"CREATE TABLE {schema}.people (id bigint PRIMARY KEY, name text, age bigint, UNIQUE (name, age))")
    db.execute(f"INSERT INTO {schema}.people VALUES (7, 'Old', 70)")
    spec = checked(
        target, a_contract(schema), [(1, "A", 1), (2, "A", 1), (3, "A", None), (4, "Old", 70), (5, "A", None)]
    )
    assert refused(target, spec) == [(3, "unique", ""), (5, "unique", "")]
    assert publish(target, spec).inserted == 3


def test_rows_that_the_mode_skips_are_not_refused(target: PostgresTarget, schema: str) -> None:
    contract = a_contract(schema, fields=UNIQUE)
    run(target, contract, [(1, "a"), (2, "b")])
    spec = checked(target, contract, [(1, "b"), (3, "a")], mode=Mode.INSERT_ONLY)
    assert refused(target, spec) == [(3, "unique", "mail")]
    assert publish(target, spec).filtered == 1
    spec = checked(target, contract, [(1, "b"), (3, "a")], mode=Mode.UPDATE_ONLY)
    assert refused(target, spec) == [(2, "unique", "mail")]


def test_rows_that_point_to_nothing_are_refused(target: PostgresTarget, db: psycopg.Connection, schema: str) -> None:
    db.execute(f"CREATE TABLE {schema}.towns (code text PRIMARY KEY); INSERT INTO {schema}.towns VALUES ('B'), ('L')")
    db.execute(f"CREATE TABLE {schema}.people (id bigint PRIMARY KEY, town text REFERENCES {schema}.towns)")
    fields = [{"name": "id", "type": "integer"}, {"name": "town"}]
    spec = checked(target, a_contract(schema, fields=fields), [(1, "B"), (2, "X"), (3, None), (4, "l")])
    assert refused(target, spec) == [(3, "reference", "town"), (5, "reference", "town")]
    assert publish(target, spec).inserted == 2


def test_a_tree_may_come_in_one_file_and_loses_whole_branches(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    db.execute(f"CREATE TABLE {schema}.people (id bigint PRIMARY KEY, boss bigint REFERENCES {schema}.people)")
    db.execute(f"INSERT INTO {schema}.people VALUES (100, NULL)")
    fields = [{"name": "id", "type": "integer"}, {"name": "boss", "type": "integer"}]
    rows = [(1, 100), (2, 1), (3, 99), (4, 3), (5, 4), (6, None), (7, 7)]
    spec = checked(target, a_contract(schema, fields=fields), rows)
    assert refused(target, spec) == [(4, "reference", "boss"), (5, "reference", "boss"), (6, "reference", "boss")]
    assert publish(target, spec).inserted == 4


def test_check_constraints_of_the_table_refuse_rows_not_jobs(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    db.execute(
        f"CREATE TABLE {schema}.people (id bigint PRIMARY KEY, name text, age integer, "
        "CONSTRAINT grown CHECK (age >= 18), CHECK (name <> '' OR age > 50))"
    )
    spec = checked(target, a_contract(schema), [(1, "a", 20), (2, "b", 3), (3, "", 30), (4, "", 60), (5, "c", None)])
    assert refused(target, spec) == [(3, "check", "age"), (4, "check", "")]
    assert next(target.refusals(spec)).detail == "constraint grown"
    assert publish(target, spec).inserted == 3


def test_a_bad_row_does_not_win_over_a_good_one_of_its_key(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    db.execute(f"CREATE TABLE {schema}.people (id bigint PRIMARY KEY, name text, age integer CHECK (age > 0))")
    spec = checked(target, a_contract(schema), [(1, "good", 5), (1, "bad", -5)])
    assert refused(target, spec) == [(3, "check", "age")]
    assert staged(db, spec, "name") == ["good"]


def test_many_refusals_are_streamed_in_order(target: PostgresTarget, schema: str) -> None:
    spec = checked(target, a_contract(schema), [(1, "x", n) for n in range(12_001)])
    found = [r.row for r in target.refusals(spec)]
    assert found == list(range(2, 12_002))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 12) | st.none(), st.sampled_from("abc"), st.integers(0, 3) | st.none()), max_size=40
    ),
    cuts=st.lists(st.integers(0, 40), max_size=3),
    ordered=st.booleans(),
)
def test_check_agrees_with_a_model(
    target: PostgresTarget, db: psycopg.Connection, schema: str, rows: list, cuts: list, ordered: bool
) -> None:
    if ordered:
        rows = sorted(rows, key=lambda r: (r[0] is None, r[0]))
    borders = [0, *sorted(min(c, len(rows)) for c in cuts), len(rows)]
    spec = a_spec(target, a_contract(schema, order_by="age"), chunks=len(borders) - 1)
    for chunk, (start, end) in enumerate(pairwise(borders)):
        load(target, spec, rows[start:end], chunk=chunk, first_row=2 + start)
    result = target.check(spec)
    best: dict[int, tuple] = {}
    for number, row in enumerate(rows):
        if row[0] is not None:
            rank = (row[2] is not None, row[2] or 0, number)
            best[row[0]] = max(best.get(row[0], (False, 0, -1)), rank)
    kept = sorted(b[2] + 2 for b in best.values())
    assert staged(db, spec, "entrepot_row") == kept
    assert result.quarantined == sum(r[0] is None for r in rows)
    assert result.duplicate == len(rows) - len(kept) - result.quarantined
    target.drop_staging(spec.tenant, spec.job_id)
