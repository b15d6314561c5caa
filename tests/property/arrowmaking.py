"""Arrow columns of every type, for hypothesis."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

Made = tuple[pa.DataType, st.SearchStrategy[Any]]
"""A type, and its values as pyarrow takes them."""

_INTS = {pa.int8(): 8, pa.int16(): 16, pa.int32(): 32, pa.int64(): 64}
_UINTS = {pa.uint8(): 8, pa.uint16(): 16, pa.uint32(): 32, pa.uint64(): 64}
_NS = (dt.datetime(1678, 1, 1), dt.datetime(2261, 1, 1))
ZONES = ("UTC", "Europe/Vilnius", "America/New_York", "+05:30")

_TEXT = st.text(max_size=8)
_BYTES = st.binary(max_size=8)

SIMPLE: list[Made] = [
    (pa.bool_(), st.booleans()),
    *((t, st.integers(-(2 ** (b - 1)), 2 ** (b - 1) - 1)) for t, b in _INTS.items()),
    *((t, st.integers(0, 2**b - 1)) for t, b in _UINTS.items()),
    (pa.float16(), st.floats(width=16, allow_nan=False)),
    (pa.float32(), st.floats(width=32, allow_nan=False)),
    (pa.float64(), st.floats(allow_nan=False)),
    *((t, _TEXT) for t in (pa.string(), pa.large_string(), pa.string_view())),
    *((t, _BYTES) for t in (pa.binary(), pa.large_binary(), pa.binary_view())),
    (pa.binary(3), st.binary(min_size=3, max_size=3)),
    (pa.date32(), st.dates()),
    (pa.date64(), st.dates()),
    (pa.time32("s"), st.times().map(lambda t: t.replace(microsecond=0))),
    (pa.time32("ms"), st.times().map(lambda t: t.replace(microsecond=t.microsecond // 1000 * 1000))),
    (pa.time64("us"), st.times()),
    (pa.time64("ns"), st.times()),
    (pa.timestamp("s"), st.datetimes(*_NS).map(lambda t: t.replace(microsecond=0))),
    (pa.timestamp("ms"), st.datetimes(*_NS).map(lambda t: t.replace(microsecond=t.microsecond // 1000 * 1000))),
    (pa.timestamp("us"), st.datetimes(*_NS)),
    (pa.timestamp("ns"), st.integers(-(2**62), 2**62)),
    *((pa.timestamp("us", z), st.datetimes(*_NS).map(lambda t: t.replace(tzinfo=dt.UTC))) for z in ZONES),
    (pa.duration("us"), st.timedeltas(dt.timedelta(days=-9999), dt.timedelta(days=9999))),
    (pa.null(), st.none()),
]


@st.composite
def _decimals(draw: st.DrawFn) -> Made:
    make, most = draw(
        st.sampled_from([(pa.decimal32, 9), (pa.decimal64, 18), (pa.decimal128, 38), (pa.decimal256, 76)])
    )
    precision = draw(st.integers(1, most))
    scale = draw(st.integers(0, precision))
    top = 10**precision - 1
    return make(precision, scale), st.integers(-top, top).map(
        lambda n: Decimal((int(n < 0), tuple(map(int, str(abs(n)))), -scale))
    )


@st.composite
def types(draw: st.DrawFn, depth: int = 2, *, extensions: bool = True) -> Made:
    """A type with a strategy for its values (null not among them)."""
    shape = draw(st.sampled_from(["simple"] * 6 + ["decimal"] * 2 + ["list", "struct", "map", "dictionary"]))
    if shape == "simple" or (not depth and shape != "decimal"):
        return draw(st.sampled_from(SIMPLE))
    if shape == "decimal":
        return draw(_decimals())
    if shape == "dictionary":
        return pa.dictionary(draw(st.sampled_from([pa.int8(), pa.int32()])), pa.string()), _TEXT
    kind, values = draw(types(depth - 1, extensions=extensions))
    if shape == "list":
        make = draw(
            st.sampled_from([pa.list_, pa.large_list, pa.list_view, pa.large_list_view, lambda t: pa.list_(t, 2)])
        )
        made = make(kind)
        size = 2 if pa.types.is_fixed_size_list(made) else None
        return made, st.lists(st.none() | values, min_size=size or 0, max_size=size or 3)
    if shape == "map":
        entries = st.dictionaries(_TEXT, st.none() | values, max_size=3)
        return pa.map_(pa.string(), kind), entries.map(lambda d: list(d.items()))
    names = draw(st.lists(st.text("abcé .", min_size=1, max_size=3), min_size=1, max_size=3, unique=True))
    return pa.struct([(n, kind) for n in names]), st.fixed_dictionaries(dict.fromkeys(names, st.none() | values))


@st.composite
def columns(draw: st.DrawFn, rows: int, depth: int = 2) -> pa.Array:
    """A column of any type with some nulls."""
    if draw(st.integers(0, 9)) == 0:
        return _extension(draw, rows)
    kind, values = draw(types(depth))
    cells = [draw(st.none() | values) for _ in range(rows)]
    if draw(st.integers(0, 9)) == 0 and not pa.types.is_nested(kind) and not pa.types.is_dictionary(kind) and rows:
        plain = pa.array(cells, kind)
        return pa.RunEndEncodedArray.from_arrays(pa.array(range(1, rows + 1), pa.int32()), plain)
    if pa.types.is_dictionary(kind):
        return pa.array(cells, pa.string()).dictionary_encode().cast(kind)
    return pa.array(cells, kind)


def _extension(draw: st.DrawFn, rows: int) -> pa.Array:
    kind, values = draw(
        st.sampled_from(
            [
                (pa.uuid(), st.uuids().map(lambda u: u.bytes)),
                (pa.bool8(), st.integers(0, 1)),
                (pa.json_(), st.sampled_from(["{}", '{"a": [1, 2.50]}', "null"])),
            ]
        )
    )
    cells = [draw(st.none() | values) for _ in range(rows)]
    return pa.ExtensionArray.from_storage(kind, pa.array(cells, kind.storage_type))


@st.composite
def batches(draw: st.DrawFn, most_rows: int = 6, most_columns: int = 4, depth: int = 2) -> pa.RecordBatch:
    """A batch of any columns."""
    rows = draw(st.integers(0, most_rows))
    names = draw(st.lists(_NAMES, min_size=1, max_size=most_columns, unique=True))
    return pa.RecordBatch.from_arrays([draw(columns(rows, depth)) for _ in names], names)


_NAMES = st.text("abcXYZ_09 .é\"'", min_size=1, max_size=6).filter(str.strip)


def canonical_uuid(data: bytes) -> str:
    """A UUID as text."""
    return str(uuid.UUID(bytes=data))
