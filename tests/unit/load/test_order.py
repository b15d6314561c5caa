"""Order facts: they may fail to prove that keys differ, and never prove it wrongly."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from entrepot.load.order import is_provable, key_facts, keys_differ

KEYS = {
    "integer": (st.integers(-3, 12), pa.int64()),
    "text": (st.text("aé𝄞\x01z", max_size=3), pa.string()),
    "decimal": (st.integers(-50, 50).map(lambda n: Decimal(n) / 10), pa.decimal128(5, 1)),
    "date": (st.dates(dt.date(2020, 1, 1), dt.date(2020, 1, 20)), pa.date32()),
    "instant": (
        st.integers(0, 30).map(lambda n: dt.datetime(2020, 1, 1, 0, 0, n, tzinfo=dt.UTC)),
        pa.timestamp("us", "UTC"),
    ),
}


@settings(deadline=None)
@given(st.data())
def test_a_proof_is_never_wrong_and_found_for_ordered_files(data: st.DataObject) -> None:
    kinds = data.draw(st.lists(st.sampled_from(sorted(KEYS)), min_size=1, max_size=2))
    keys = data.draw(st.lists(st.tuples(*(KEYS[k][0] for k in kinds)), max_size=15))
    how = data.draw(st.sampled_from(["as it is", "rising", "falling"]))
    if how != "as it is":
        keys = sorted(set(keys), key=lambda k: [v.encode() if isinstance(v, str) else v for v in k])
    if how == "falling":
        keys.reverse()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(keys)), max_size=4)))
    parts = [keys[a:b] for a, b in zip([0, *cuts], [*cuts, len(keys)], strict=True)]
    facts = [facts_of(part, kinds) for part in parts if part]
    proved = keys_differ(facts)
    if len(set(keys)) < len(keys):
        assert not proved
    if how != "as it is":
        assert proved


def facts_of(part: list[tuple[Any, ...]], kinds: list[str]) -> dict[str, Any]:
    names = [f"k{i}" for i in range(len(kinds))]
    arrays = [pa.array([row[i] for row in part], KEYS[k][1]) for i, k in enumerate(kinds)]
    batch = pa.record_batch(arrays, names=names)
    half = len(part) // 2
    return key_facts([batch.slice(0, half), batch.slice(half)], names)


def test_nulls_are_counted_and_prove_nothing() -> None:
    batch = pa.record_batch([pa.array([1, None, 3]), pa.array([None, "b", "c"])], names=["a", "b"])
    assert key_facts([batch], ["a", "b"]) == {"nulls": 2}
    assert not keys_differ([{"nulls": 2}])


def test_no_rows_and_no_key_say_nothing() -> None:
    batch = pa.record_batch([pa.array([], pa.int64())], names=["a"])
    assert key_facts([batch], ["a"]) == {}
    assert key_facts([batch], []) == {}


def test_wide_decimals_keep_their_digits() -> None:
    first, second = Decimal("1" * 37 + "1"), Decimal("1" * 37 + "2")
    facts = [
        key_facts([pa.record_batch([pa.array([v], pa.decimal128(38, 0))], names=["a"])], ["a"]) for v in (first, second)
    ]
    assert keys_differ(facts)


def test_types_whose_equality_is_not_arrows_are_left_to_the_database() -> None:
    assert is_provable(pa.int64(), "bigint")
    assert is_provable(pa.string(), "text")
    for arrow, pg_type in [
        (pa.float64(), "double precision"),
        (pa.string(), "character(5)"),
        (pa.string(), "citext"),
        (pa.string(), "numeric"),
        (pa.timestamp("us"), "timestamp(0) without time zone"),
        (pa.int64(), "real"),
    ]:
        assert not is_provable(arrow, pg_type)
