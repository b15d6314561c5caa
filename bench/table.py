"""The table that everybody loads, and the states that it is in before."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

import psycopg

State = Literal["empty", "half", "changed", "identical"]

STATES: Final[dict[State, str]] = {
    "empty": "no rows",
    "half": "the even orders are there, every fifth of them with an older quantity",
    "changed": "every row is there, every tenth order with an older quantity",
    "identical": "every row is there as the file has it",
}

COLUMNS: Final = (
    ("l_orderkey", "bigint"),
    ("l_partkey", "bigint"),
    ("l_suppkey", "bigint"),
    ("l_linenumber", "bigint"),
    ("l_quantity", "numeric(12,2)"),
    ("l_extendedprice", "numeric(12,2)"),
    ("l_discount", "numeric(12,2)"),
    ("l_tax", "numeric(12,2)"),
    ("l_returnflag", "text"),
    ("l_linestatus", "text"),
    ("l_shipdate", "date"),
    ("l_commitdate", "date"),
    ("l_receiptdate", "date"),
    ("l_shipinstruct", "text"),
    ("l_shipmode", "text"),
    ("l_comment", "text"),
)
KEY: Final = ("l_orderkey", "l_linenumber")
NAMES: Final = ", ".join(name for name, _ in COLUMNS)
DEFINITION: Final = ", ".join(f"{name} {kind}" for name, kind in COLUMNS)


def prepare(dsn: str, path: Path, state: State, table: str = "public.lineitem") -> None:
    """Makes the target anew in a state, and lets the server come to rest.

    Args:
        dsn: Of the database.
        path: The file whose rows are there before, when the state wants some.
        state: What is in the table before.
        table: Its qualified name.
    """
    with psycopg.connect(dsn, autocommit=True) as db:
        db.execute(f"DROP TABLE IF EXISTS {table} CASCADE")
        db.execute(f"CREATE TABLE {table} ({DEFINITION}, PRIMARY KEY ({', '.join(KEY)}))")
        if state != "empty":
            db.execute(f"CREATE UNLOGGED TABLE bench_before ({DEFINITION})")
            copy(db, path, "bench_before")
            older = (
                "l_quantity" if state == "identical" else "CASE WHEN l_orderkey % 10 = 0 THEN 0.5 ELSE l_quantity END"
            )
            chosen = "l_orderkey % 2 = 0" if state == "half" else "true"
            select = NAMES.replace("l_quantity", older)
            db.execute(f"INSERT INTO {table} ({NAMES}) SELECT {select} FROM bench_before WHERE {chosen}")
            db.execute("DROP TABLE bench_before")
        db.execute(f"VACUUM ANALYZE {table}")
        db.execute("CHECKPOINT")


def copy(db: psycopg.Connection[object], path: Path, table: str) -> None:
    """COPY of a file into a table, as it is."""
    with path.open("rb") as data, db.cursor().copy(f"COPY {table} FROM STDIN (FORMAT csv, HEADER)") as into:
        while block := data.read(1 << 18):
            into.write(block)


def fingerprint(dsn: str, table: str = "public.lineitem") -> tuple[int, str]:
    """Row count and a sum over all contents, equal for equal tables."""
    with psycopg.connect(dsn) as db:
        row = db.execute(
            f"SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)::text FROM {table} t"
        ).fetchone()
    assert row is not None
    return int(row[0]), str(row[1])
