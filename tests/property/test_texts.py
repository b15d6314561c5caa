"""What a typed cell is written as, its cast reads back as the same value."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import numpy as np
import orjson
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from entrepot.formats.texts import as_text
from entrepot.model.contract import FieldSpec
from entrepot.validate.types import caster

FEW = settings(max_examples=60, deadline=None)
ZONES = st.sampled_from(["UTC", "Europe/Vilnius", "America/New_York", "Asia/Kathmandu", "+05:30", "-03:00"])


def cast(cells: pa.Array, word: str, *formats: str) -> list:
    found = caster(FieldSpec(name="f", type=word, formats=list(formats))).cast(as_text(cells))
    assert not found.refused
    return found.values.to_pylist()


def lists(values: st.SearchStrategy) -> st.SearchStrategy[list]:
    return st.lists(st.none() | values, max_size=20)


@FEW
@given(lists(st.integers(-(2**63), 2**63 - 1)))
def test_integers(values):
    assert cast(pa.array(values, pa.int64()), "integer") == values


@FEW
@given(lists(st.floats()))
@example([123456789012345.0, 1e15 + 0.5, 9007199254740993.0, -1e16, 5e-324])
def test_doubles(values):
    read = cast(pa.array(values, pa.float64()), "float", "not-finite")
    assert [None if v is None else str(v) for v in read] == [None if v is None else str(v) for v in values]


@FEW
@given(lists(st.floats(width=32)))
def test_singles(values):
    read = cast(pa.array(values, pa.float32()), "float", "not-finite")
    back = [None if v is None else float(np.float32(v)) for v in read]
    assert [str(v) for v in back] == [str(v) for v in values]


@FEW
@given(lists(st.floats(width=16)))
def test_halves(values):
    read = cast(pa.array([None if v is None else np.float16(v) for v in values], pa.float16()), "float", "not-finite")
    back = [None if v is None else float(np.float16(v)) for v in read]
    assert [str(v) for v in back] == [str(v) for v in values]


@FEW
@given(st.data(), st.integers(1, 76))
def test_decimals(data, precision):
    scale = data.draw(st.integers(0, precision))
    digits = data.draw(lists(st.integers(-(10**precision) + 1, 10**precision - 1)))
    values = [None if d is None else Decimal((int(d < 0), tuple(map(int, str(abs(d)))), -scale)) for d in digits]
    kind = pa.decimal128(precision, scale) if precision <= 38 else pa.decimal256(precision, scale)
    cells = pa.array(values, kind)
    assert cast(cells, f"decimal({precision},{scale})") == values
    assert all(text is None or len(text.partition(".")[2]) == scale for text in as_text(cells).to_pylist())


@FEW
@given(lists(st.booleans()))
def test_booleans(values):
    assert cast(pa.array(values, pa.bool_()), "boolean") == values


@FEW
@given(lists(st.dates()), st.sampled_from([pa.date32(), pa.date64()]))
def test_dates(values, kind):
    assert cast(pa.array(values, kind), "date") == values


@FEW
@given(lists(st.times()))
def test_times(values):
    assert cast(pa.array(values, pa.time64("us")), "time") == values


@FEW
@given(lists(st.datetimes()))
def test_local_times(values):
    assert cast(pa.array(values, pa.timestamp("us")), "datetime") == values


@FEW
@given(lists(st.datetimes(dt.datetime(2, 1, 1), dt.datetime(9998, 12, 31))), ZONES)
@example(
    [dt.datetime(1850, 1, 1), dt.datetime(2024, 10, 27, 0, 30), dt.datetime(2024, 10, 27, 1, 30)], "Europe/Vilnius"
)
def test_instants(values, zone):
    instants = [None if v is None else v.replace(tzinfo=dt.UTC) for v in values]
    assert cast(pa.array(instants, pa.timestamp("us", zone)), "datetime", "iso%z") == instants


@FEW
@given(lists(st.text()), st.sampled_from([pa.string(), pa.large_string(), pa.string_view()]))
def test_texts(values, kind):
    assert as_text(pa.array(values, kind)).to_pylist() == values


@FEW
@given(lists(st.binary()), st.sampled_from([pa.binary(), pa.large_binary(), pa.binary_view()]))
def test_bytes(values, kind):
    texts = as_text(pa.array(values, kind)).to_pylist()
    assert [None if t is None else bytes.fromhex(t.removeprefix("\\x")) for t in texts] == values


LEAVES = [
    (pa.int64(), st.integers(-(2**53), 2**53)),
    (pa.string(), st.text()),
    (pa.bool_(), st.booleans()),
    (pa.float64(), st.floats(allow_nan=False, allow_infinity=False)),
    (pa.null(), st.none()),
]


@st.composite
def nested(draw, depth: int = 3) -> tuple[pa.DataType, st.SearchStrategy]:
    shape = draw(st.sampled_from(["leaf", "list", "struct", "map", "dictionary"] if depth else ["leaf"]))
    if shape == "leaf":
        return draw(st.sampled_from(LEAVES))
    kind, values = draw(nested(depth - 1))
    if shape == "list":
        return draw(st.sampled_from([pa.list_, pa.large_list, pa.list_view]))(kind), st.lists(
            st.none() | values, max_size=3
        )
    if shape == "map":
        return pa.map_(pa.string(), kind), st.dictionaries(st.text(max_size=3), st.none() | values, max_size=3)
    if shape == "dictionary":
        return pa.dictionary(pa.int8(), pa.string()), st.text(max_size=3)
    names = draw(st.lists(st.text(max_size=4), min_size=1, max_size=3, unique=True))
    return pa.struct([(n, kind) for n in names]), st.fixed_dictionaries(dict.fromkeys(names, st.none() | values))


def stored(value, kind: pa.DataType):
    """A value as pyarrow takes it: maps as pairs."""
    if value is None:
        return None
    if pa.types.is_map(kind):
        return [(k, stored(v, kind.item_type)) for k, v in value.items()]
    if pa.types.is_struct(kind):
        return {f.name: stored(value[f.name], f.type) for f in kind}
    if pa.types.is_nested(kind) and not pa.types.is_dictionary(kind):
        return [stored(v, kind.value_type) for v in value]
    return value


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_nested_cells(data):
    kind, strategy = data.draw(nested())
    values = data.draw(st.lists(st.none() | strategy, max_size=4))
    cells = pa.array([stored([v], pa.list_(kind)) for v in values], pa.list_(kind))
    texts = as_text(cells).to_pylist()
    assert [orjson.loads(t)[0] for t in texts] == values
    for start in range(len(values)):
        assert as_text(cells[start:]).to_pylist() == texts[start:]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@given(st.integers(-(2**63), 2**63 - 1))
@settings(max_examples=60, deadline=None)
def test_any_count_is_some_text(unit, number):
    cell = pa.array([number], pa.int64())
    for kind in (pa.timestamp(unit), pa.duration(unit), pa.timestamp(unit, "Europe/Vilnius")):
        text = as_text(cell.view(kind)).to_pylist()[0]
        assert text and "<" not in text
