"""Merge: rows of one key from several objects become one row, by the objects' precedence."""

from __future__ import annotations

from typing import Any

import psycopg

from entrepot.adapters.postgres import PostgresTarget
from entrepot.model.steps import LoadSpec, MergeRange

from .making import a_contract, a_spec, load, publish

FIRST, SECOND, THIRD = ([(1, "a", None), (2, None, 2)], [(1, "b", 1), (3, "c", 3)], [(1, "z", 9), (2, "y", 8)])


def merged(target: PostgresTarget, contract: Any, *objects: Any, order: tuple[int, ...] = ()) -> LoadSpec:
    """A job of one chunk an object; the objects whose values come first are named by ``order``."""
    spec = a_spec(target, contract, chunks=len(objects))
    places = order or tuple(range(len(objects)))
    spec = spec.model_copy(update={"merge": [MergeRange(first=n, last=n) for n in places]})
    for n, rows in enumerate(objects):
        load(target, spec, rows, chunk=n)
    return spec


def staged(db: psycopg.Connection, spec: LoadSpec) -> list[tuple[Any, ...]]:
    return db.execute(f'SELECT id, name, age FROM entrepot_staging."{spec.staging_table}" ORDER BY id').fetchall()


def found(target: PostgresTarget, spec: LoadSpec) -> list[tuple[str, int, str, str]]:
    return [(r.chunk_id, r.row, r.code, r.field) for r in target.refusals(spec)]


def test_of_each_field_the_first_object_that_has_a_value_counts(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    spec = merged(target, a_contract(schema), FIRST, SECOND, THIRD)
    result = target.check(spec)
    assert (result.accepted, result.duplicate, result.quarantined, result.collapsed) == (3, 0, 0, 3)
    assert target.check(spec) == result
    assert staged(db, spec) == [(1, "a", 1), (2, "y", 2), (3, "c", 3)]
    assert found(target, spec) == []
    receipt = publish(target, spec)
    assert (receipt.read, receipt.inserted, receipt.collapsed) == (6, 3, 3)


def test_the_stated_precedence_counts_and_not_the_objects_places(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    spec = merged(target, a_contract(schema), FIRST, SECOND, THIRD, order=(2, 0, 1))
    target.check(spec)
    assert staged(db, spec) == [(1, "z", 9), (2, "y", 8), (3, "c", 3)]


def test_within_one_object_the_last_row_of_a_key_wins_as_ever(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    spec = merged(target, a_contract(schema), [(1, "old", 1), (1, "new", None)], [(1, "x", 7)])
    result = target.check(spec)
    assert (result.accepted, result.duplicate, result.collapsed) == (1, 1, 1)
    assert staged(db, spec) == [(1, "new", 7)]
    assert found(target, spec) == [("000000", 2, "duplicate", "id")]


def test_what_no_object_brings_is_missing(target: PostgresTarget, db: psycopg.Connection, schema: str) -> None:
    fields = [
        {"name": "id", "type": "integer"},
        {"name": "name", "required": True},
        {"name": "age", "type": "integer", "blank": "refuse"},
    ]
    first = [(1, None, 1), (2, None, 2), (3, "c", None), (4, "d", None)]
    spec = merged(target, a_contract(schema, fields=fields), first, [(1, "a", None), (3, None, 3)])
    result = target.check(spec)
    assert (result.accepted, result.quarantined, result.collapsed) == (2, 2, 2)
    assert staged(db, spec) == [(1, "a", 1), (3, "c", 3)]
    assert found(target, spec) == [("000000", 3, "required", "name"), ("000000", 5, "blank", "age")]


def test_objects_without_a_key_in_common_are_left_as_they_are(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    spec = merged(target, a_contract(schema), [(1, None, 1)], [(2, "b", None)])
    assert target.check(spec).collapsed == 0
    assert staged(db, spec) == [(1, None, 1), (2, "b", None)]
