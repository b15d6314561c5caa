"""Tables of many types, and what our own writers make of them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pyarrow as pa

from tests.unit.formats.documents import written


def simple() -> pa.Table:
    """Types that every format has."""
    return pa.table(
        {
            "id": pa.array([1, 2, 3, None, 2**62], pa.int64()),
            "name": ["Zoë", "", "a,b", None, 'q"uote\nline'],
            "amount": pa.array(
                [Decimal("1.50"), Decimal("-99999999.99"), None, Decimal(0), Decimal("0.01")], pa.decimal128(10, 2)
            ),
            "born": pa.array(
                [dt.date(2024, 2, 29), None, dt.date(1, 1, 1), dt.date(9999, 12, 31), dt.date(1900, 1, 1)]
            ),
            "seen": pa.array([dt.datetime(2024, 1, 1, 12, 30, 15, 123456), None, None, None, None], pa.timestamp("us")),
            "ok": pa.array([True, False, None, True, False]),
            "share": pa.array([0.5, float("inf"), -0.0, 5e-324, None], pa.float64()),
        }
    )


def rich() -> pa.Table:
    """Types that columnar formats have."""
    return pa.table(
        {
            "tags": pa.array([["a", None], [], None], pa.list_(pa.string())),
            "place": pa.array([{"x": 1, "y": {"z": ["q"]}}, None, {"x": None, "y": None}]),
            "map": pa.array([[("a", 1)], [], None], pa.map_(pa.string(), pa.int32())),
            "word": pa.array(["x", "y", "x"]).dictionary_encode(),
            "bytes": pa.array([b"\0\xff", b"", None], pa.binary()),
            "time": pa.array([dt.time(23, 59, 59), None, dt.time(0)], pa.time64("us")),
            "zone": pa.array([0, 2**40, None], pa.timestamp("ms", "Europe/Vilnius")),
            "small": pa.array([1, -128, None], pa.int8()),
            "half": pa.array([1.5, None, -2.0], pa.float32()),
        }
    )


def long() -> pa.Table:
    """Some hundred rows, so that formats use their packings."""
    rows = range(700)
    return pa.table(
        {"n": pa.array(rows, pa.int32()), "word": [f"word {i % 7}" for i in rows], "f": [i / 3 for i in rows]}
    )


def ours(kind: str, *tables: pa.Table, **options: Any) -> list[bytes]:
    """One file of the format for each table."""
    return [written(table, kind, **options)[0] for table in tables or (simple(), long().slice(0, 40))]
