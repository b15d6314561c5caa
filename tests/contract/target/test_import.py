"""The main road: prepare, load, check, publish, and what the receipt says of it."""

from __future__ import annotations

import psycopg

from entrepot.adapters.postgres import PostgresTarget
from entrepot.model.contract import Mode

from .making import a_batch, a_contract, a_draft, a_spec, load, publish, run


def rows_of(db: psycopg.Connection, schema: str, table: str = "people") -> list[tuple]:
    return db.execute(f"SELECT * FROM {schema}.{table} ORDER BY 1").fetchall()


def test_rows_reach_a_table_that_is_made_for_them(target: PostgresTarget, db: psycopg.Connection, schema: str) -> None:
    receipt = run(target, a_contract(schema), [(1, "Ann", 30), (2, "Böb", None)])
    assert (receipt.inserted, receipt.updated, receipt.unchanged) == (2, 0, 0)
    assert rows_of(db, schema) == [(1, "Ann", 30), (2, "Böb", None)]
    assert target.describe(schema, "people").primary_key == ["id"]
