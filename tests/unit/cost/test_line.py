"""The line about costs under a receipt."""

from __future__ import annotations

from cli.receipts import cost_line

COST = {
    "cpu_seconds": 2.618,
    "peak_memory_mb": 160,
    "gb_seconds": 3.3,
    "invocations": 1036,
    "state_transitions": 19,
    "usd": 0.000616,
    "prices": "us-east-1 2026-11",
}


def test_small_and_large_amounts_are_told():
    assert cost_line({"cost": COST}) == (
        "used 2.62 CPU seconds in 1,036 invocations, at most 160 MB; on AWS $0.0006 by the list of us-east-1 2026-11,"
        " the database not counted"
    )
    assert "on AWS $1,234.50 by" in cost_line({"cost": COST | {"usd": 1234.5}})


def test_nothing_is_said_where_nothing_was_measured():
    assert not cost_line({})
    assert not cost_line({"cost": None})
    assert not cost_line({"cost": COST | {"invocations": 0}})
