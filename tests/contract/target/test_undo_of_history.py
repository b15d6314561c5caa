"""Undo of a history: a version comes back only where none of its key follows it, so that one is current."""

from __future__ import annotations

from datetime import date
from typing import Any

import psycopg
import pytest

from entrepot.adapters.postgres import PostgresTarget
from entrepot.model.receipt import Receipt

from .making import a_contract, run
from .undoing import counts, undo

pytestmark = pytest.mark.capability("LOD5", "LOD2")

FIELDS = [
    {"name": "id", "type": "integer"},
    {"name": "city", "type": "string"},
    {"name": "day", "type": "date"},
]
JANUARY, FEBRUARY, MARCH = date(2024, 1, 1), date(2024, 2, 1), date(2024, 3, 1)
ROME, OSLO = (1, "Rome", JANUARY), (2, "Oslo", JANUARY)


@pytest.fixture(params=["made", "free"])
def places(request: pytest.FixtureRequest, target: PostgresTarget, db: psycopg.Connection, schema: str) -> str:
    """A history of two keys; in the table that publish makes an index allows one current version, in the other not."""
    name = f"{schema}.places"
    if request.param == "free":
        db.execute(
            f"CREATE TABLE {name} (id bigint, city text, day date, valid_from date, valid_to date, "
            "is_current boolean, PRIMARY KEY (id, valid_from))"
        )
    publish(target, schema, [ROME, OSLO])
    return name


def publish(target: PostgresTarget, schema: str, rows: list[tuple[Any, ...]], **history: Any) -> Receipt:
    contract = a_contract(
        schema, "places", mode="history", fields=FIELDS, history={"at": "day", **history}, max_removed_percent=100
    )
    return run(target, contract, rows)


def versions(db: psycopg.Connection, places: str) -> list[tuple[Any, ...]]:
    return db.execute(f"SELECT id, city, valid_from, valid_to, is_current FROM {places} ORDER BY 1, 3").fetchall()


def told(receipt: Receipt) -> list[tuple[Any, ...]]:
    assert receipt.undo is not None
    return sorted((k.key["id"], k.key["valid_from"], k.reason, k.by) for k in receipt.undo.kept_rows)


def test_a_version_that_was_edited_stays_and_so_does_the_one_before_it(
    target: PostgresTarget, db: psycopg.Connection, schema: str, places: str
) -> None:
    before = versions(db, places)
    job = publish(target, schema, [(1, "Nice", FEBRUARY), (2, "Bonn", FEBRUARY)])
    db.execute(f"UPDATE {places} SET city = 'Nizza' WHERE city = 'Nice'")
    receipt = undo(target, job.job_id)
    assert versions(db, places) == [
        (1, "Rome", JANUARY, FEBRUARY, False),
        (1, "Nizza", FEBRUARY, None, True),
        *[v for v in before if v[0] == 2],
    ]
    assert counts(receipt.undo) == (1, 1, 0, 2)
    assert told(receipt) == [("1", "2024-01-01", "edited", ""), ("1", "2024-02-01", "edited", "")]


def test_a_version_that_a_later_job_follows_stays_and_names_it(
    target: PostgresTarget, db: psycopg.Connection, schema: str, places: str
) -> None:
    first = publish(target, schema, [(1, "Nice", FEBRUARY), (2, "Bonn", FEBRUARY)])
    second = publish(target, schema, [(1, "Lyon", MARCH)])
    middle = versions(db, places)
    receipt = undo(target, first.job_id)
    assert versions(db, places) == [*(v for v in middle if v[0] == 1), (2, "Oslo", JANUARY, None, True)]
    assert {(key, reason, by) for key, _, reason, by in told(receipt)} == {("1", "later_job", second.job_id)}
    # The later one can still be taken back: its version goes, and the one before it is current again.
    undo(target, second.job_id)
    assert versions(db, places)[:2] == [(1, "Rome", JANUARY, FEBRUARY, False), (1, "Nice", FEBRUARY, None, True)]


def test_jobs_that_are_taken_back_together_leave_what_was_before_them_but_where_a_row_was_edited(
    target: PostgresTarget, db: psycopg.Connection, schema: str, places: str
) -> None:
    before = versions(db, places)
    jobs = [
        publish(target, schema, [(1, "Nice", FEBRUARY), (2, "Bonn", FEBRUARY)]).job_id,
        publish(target, schema, [(1, "Lyon", MARCH), (2, "Kiel", MARCH)]).job_id,
    ]
    after = versions(db, places)
    db.execute(f"UPDATE {places} SET city = 'Lione' WHERE city = 'Lyon'")
    undo(target, *reversed(jobs))
    mine = [v if v[1] != "Lyon" else (1, "Lione", *v[2:]) for v in after if v[0] == 1]
    assert versions(db, places) == [*mine, *(v for v in before if v[0] == 2)]


def test_a_key_that_was_closed_and_came_back_is_current_once(
    target: PostgresTarget, db: psycopg.Connection, schema: str, places: str
) -> None:
    closing = publish(target, schema, [(1, "Rome", JANUARY)], close_missing=True)
    assert not versions(db, places)[1][4]
    db.execute(f"INSERT INTO {places} (id, city, day, valid_from, is_current) VALUES (2, 'Oslo', now(), now(), true)")
    receipt = undo(target, closing.job_id)
    assert [v[4] for v in versions(db, places)] == [True, False, True]
    assert [(key, reason) for key, _, reason, _ in told(receipt)] == [("2", "edited")]


def test_without_edits_all_versions_come_back(
    target: PostgresTarget, db: psycopg.Connection, schema: str, places: str
) -> None:
    before = versions(db, places)
    job = publish(target, schema, [(1, "Nice", FEBRUARY)], close_missing=True)
    assert counts(undo(target, job.job_id).undo) == (1, 2, 0, 0)
    assert versions(db, places) == before
