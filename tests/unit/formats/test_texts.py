"""Cells of every Arrow type as text."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from entrepot.errors import SourceError
from entrepot.formats.texts import as_text

S = pa.string()


def texts(cells: pa.Array) -> list[str | None]:
    """The texts, asked for whole, in slices, as a dictionary and with nulls around: always the same."""
    found = as_text(cells)
    assert found.type == S
    found.validate(full=True)
    whole = found.to_pylist()
    for start in range(len(cells)):
        assert as_text(cells[start:]).to_pylist() == whole[start:]
    assert as_text(cells[:0]).to_pylist() == []
    return whole


def raw(numbers: list[int], kind: pa.DataType) -> pa.Array:
    width = np.int32 if kind.bit_width == 32 else np.int64
    return pa.Array.from_buffers(kind, len(numbers), [None, pa.py_buffer(np.array(numbers, width))])


NAN, INF = float("nan"), float("inf")

CASES = [
    (pa.array([0, -128, None], pa.int8()), ["0", "-128", None]),
    (pa.array([2**64 - 1], pa.uint64()), ["18446744073709551615"]),
    (pa.array([1.0, 0.1, -0.0, None, NAN, INF, -INF]), ["1", "0.1", "-0", None, "NaN", "Infinity", "-Infinity"]),
    (
        pa.array([1e10, 123456789012345.0, 2.0**53, 1e16, 1e300]),
        ["10000000000", "123456789012345", "9007199254740992", "1e+16", "1e+300"],
    ),
    (pa.array([12345678901.25, -98765432109.5, 1e-7]), ["12345678901.25", "-98765432109.5", "1e-7"]),
    (pa.array([0.1, 16777216.0, 1e12], pa.float32()), ["0.1", "16777216", "999999995904"]),
    (pa.array(np.array([0.1, 2, NAN, -INF], np.float16)), ["0.1", "2", "NaN", "-Infinity"]),
    (
        pa.array([Decimal("1.50"), Decimal("0E-9"), Decimal("1E-9"), None], pa.decimal128(20, 9)),
        ["1.500000000", "0.000000000", "0.000000001", None],
    ),
    (pa.array([Decimal(12300)], pa.decimal128(5, -2)), ["12300"]),
    (pa.array([Decimal("1.5")], pa.decimal32(5, 2)), ["1.50"]),
    (pa.array([Decimal("-1.5")], pa.decimal64(12, 1)), ["-1.5"]),
    (pa.array([Decimal("1" * 70)], pa.decimal256(76, 2)), ["1" * 70 + ".00"]),
    (pa.array([True, False, None]), ["true", "false", None]),
    (pa.array(["a", None, ""], pa.large_string()), ["a", None, ""]),
    (
        pa.array(["a", None, "a string longer than twelve"], pa.string_view()),
        ["a", None, "a string longer than twelve"],
    ),
    (pa.array([b"\x00\xff", None, b""]), ["\\x00ff", None, "\\x"]),
    (pa.array([b"\x00\xff", None], pa.large_binary()), ["\\x00ff", None]),
    (pa.array([b"\x00\xff", None], pa.binary_view()), ["\\x00ff", None]),
    (pa.array([b"\x00\xff", None], pa.binary(2)), ["\\x00ff", None]),
    (pa.array([dt.date(2024, 2, 29), None]), ["2024-02-29", None]),
    (raw([0, -800_000, 2**31 - 1], pa.date32()), ["1970-01-01", "-0221-09-04", "5881580-07-11"]),
    (raw([0, 86_400_001, -1], pa.date64()), ["1970-01-01", "1970-01-02", "1969-12-31"]),
    (pa.array([0, 86_399], pa.time32("s")), ["00:00:00", "23:59:59"]),
    (pa.array([0, 1_500], pa.time32("ms")), ["00:00:00", "00:00:01.5"]),
    (pa.array([10, None], pa.time64("us")), ["00:00:00.00001", None]),
    (pa.array([3_600_000_000_001], pa.time64("ns")), ["01:00:00.000000001"]),
    (raw([86_400_000_000, -1_500_000], pa.time64("us")), ["24:00:00", "-00:00:01.5"]),
    (pa.array([0, -1, None], pa.timestamp("s")), ["1970-01-01T00:00:00", "1969-12-31T23:59:59", None]),
    (pa.array([0, 1_500], pa.timestamp("ms")), ["1970-01-01T00:00:00", "1970-01-01T00:00:01.5"]),
    (pa.array([1_000_000, 2_000_000], pa.timestamp("us")), ["1970-01-01T00:00:01", "1970-01-01T00:00:02"]),
    (pa.array([1, -1], pa.timestamp("ns")), ["1970-01-01T00:00:00.000000001", "1969-12-31T23:59:59.999999999"]),
    (pa.array([253_402_300_800, 2**40], pa.timestamp("s")), ["10000-01-01T00:00:00", "36812-02-20T00:36:16"]),
    (pa.array([0, 1], pa.timestamp("us", "UTC")), ["1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000001Z"]),
    (
        pa.array([0, 10**15], pa.timestamp("us", "Europe/Vilnius")),
        ["1970-01-01T03:00:00+03:00", "2001-09-09T03:46:40+02:00"],
    ),
    (pa.array([0], pa.timestamp("us", "-05:30")), ["1969-12-31T18:30:00-05:30"]),
    (pa.array([0], pa.timestamp("us", "Mars/Olympus")), ["1970-01-01T00:00:00Z"]),
    # Vilnius was 1:41:16 east then: an offset with seconds, which ISO 8601 cannot say.
    (pa.array([-(10**16)], pa.timestamp("us", "Europe/Vilnius")), ["1653-02-10T06:13:20Z"]),
    (pa.array([0, 129_600_500, -1_500, None], pa.duration("ms")), ["PT0S", "PT36H0.5S", "PT-1.5S", None]),
    (pa.array([-500], pa.duration("ms")), ["PT-0.5S"]),
    (pa.array([(14, 3, 4_500_000_000), (0, 0, 0), None], pa.month_day_nano_interval()), ["P1Y2M3DT4.5S", "PT0S", None]),
    (pa.array(["a", None, "a"]).dictionary_encode(), ["a", None, "a"]),
    (pa.array([1, None, 1]).dictionary_encode(), ["1", None, "1"]),
    (pa.RunEndEncodedArray.from_arrays([2, 4, 5], pa.array([7, None, 8])), ["7", "7", None, None, "8"]),
    (pa.array([[1, None], None, []], pa.list_(pa.int8())), ["[1,null]", None, "[]"]),
    (pa.array([['a"\\\n\x01'], None], pa.large_list(S)), ['["a\\"\\\\\\n\\u0001"]', None]),
    (pa.array([[1, 2], None], pa.list_(pa.int8(), 2)), ["[1,2]", None]),
    (pa.array([[1, 2], None, [3]], pa.list_view(pa.int8())), ["[1,2]", None, "[3]"]),
    (pa.array([[1, 2], None, [3]], pa.large_list_view(pa.int8())), ["[1,2]", None, "[3]"]),
    (pa.array([[[1], None], [[]]], pa.list_(pa.list_(pa.int8()))), ["[[1],null]", "[[]]"]),
    (
        pa.array([{"a": 1, 'b"': "x"}, None, {"a": None, 'b"': None}]),
        ['{"a":1,"b\\"":"x"}', None, '{"a":null,"b\\"":null}'],
    ),
    (pa.array([{}, None], pa.struct([])), ["{}", None]),
    (pa.array([[("a", 1), ("b", None)], None, []], pa.map_(S, pa.int8())), ['{"a":1,"b":null}', None, "{}"]),
    (pa.array([[(1, 1.5)]], pa.map_(pa.int8(), pa.float64())), ['{"1":1.5}']),
    (
        pa.array([[("a", 1), ("a", 2)], [("a", 3)]], pa.map_(S, pa.int8())),
        ['[{"key":"a","value":1},{"key":"a","value":2}]', '{"a":3}'],
    ),
    (pa.array([[NAN, 1.0, INF]]), ['["NaN",1,"Infinity"]']),
    (pa.array([[dt.date(2024, 1, 2)]]), ['["2024-01-02"]']),
    (pa.array([[b"\x01"]]), ['["\\\\x01"]']),
    (pa.array([[Decimal("1.10")]]), ["[1.10]"]),
    (pa.array([[True, None]]), ["[true,null]"]),
    (pa.nulls(2), [None, None]),
    (pa.array([[None]], pa.list_(pa.null())), ["[null]"]),
    (pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, 0, None], pa.int8())), ["true", "false", None]),
    (pa.ExtensionArray.from_storage(pa.json_(), pa.array(['{"a": 1}', None])), ['{"a": 1}', None]),
    (pa.ExtensionArray.from_storage(pa.opaque(pa.int8(), "t", "v"), pa.array([1], pa.int8())), ["1"]),
]


@pytest.mark.parametrize(("cells", "expected"), CASES, ids=lambda x: str(x.type) if isinstance(x, pa.Array) else "")
def test_cells_are_written_as_the_types_say(cells, expected):
    assert texts(cells) == expected


@pytest.mark.parametrize(("cells", "expected"), CASES, ids=lambda x: str(x.type) if isinstance(x, pa.Array) else "")
def test_nested_cells_are_json_that_says_the_same(cells, expected):
    del expected
    wrapped = pa.ListArray.from_arrays(pa.array([0, len(cells)], pa.int32()), cells)
    (text,) = texts(wrapped)
    assert len(orjson.loads(text)) == len(cells)


def test_uuids_have_hyphens():
    value = uuid.uuid4()
    cells = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([value.bytes, None], pa.binary(16)))
    assert texts(cells) == [str(value), None]
    assert texts(pa.ListArray.from_arrays([0, 2], cells)) == [f'["{value}",null]']


def test_json_inside_of_lists_stays_json_and_what_is_none_becomes_a_string():
    cells = pa.ExtensionArray.from_storage(pa.json_(), pa.array(['{"a": 1}', "{", None]))
    assert texts(pa.ListArray.from_arrays([0, 3], cells)) == ['[{"a": 1},"{",null]']


@pytest.mark.parametrize("mode", ["dense", "sparse"])
def test_unions_are_written_cell_by_cell_in_their_own_type(mode):
    codes = pa.array([0, 1, 0, 1], pa.int8())
    if mode == "dense":
        cells = pa.UnionArray.from_dense(
            codes, pa.array([0, 0, 1, 1], pa.int32()), [pa.array([1, 2]), pa.array(["a", None])]
        )
    else:
        cells = pa.UnionArray.from_sparse(codes, [pa.array([1, 0, 2, 0]), pa.array(["", "a", "", None])])
    assert texts(cells) == ["1", "a", "2", None]
    assert texts(pa.ListArray.from_arrays([0, 4], cells)) == ['[1,"a",2,null]']


def test_intervals_without_a_class_in_python_are_read_all_the_same():
    schema = pa.schema([("m", pa.month_day_nano_interval())])
    assert as_text(pa.array([(1, 0, 0)], schema.field(0).type)).to_pylist() == ["P1M"]


def test_a_small_slice_of_a_large_dictionary_is_cheap():
    cells = pa.DictionaryArray.from_arrays(pa.array([5, None, 7], pa.int32()), pa.array(range(100_000)))
    assert texts(cells) == ["5", None, "7"]


def test_dictionaries_may_hold_null():
    cells = pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int8()), pa.array(["a", None]))
    assert texts(cells) == ["a", None]


def test_bytes_that_are_no_text_are_refused_without_being_told():
    bad = pa.Array.from_buffers(
        pa.large_string(), 1, [None, pa.py_buffer(np.array([0, 3], np.int64)), pa.py_buffer(b"\xff\xfe!")]
    )
    try:
        as_text(pa.ListArray.from_arrays([0, 1], bad)).to_pylist()
    except (SourceError, UnicodeDecodeError):
        return


def test_strings_are_handed_through():
    cells = pa.array(["x"])
    assert as_text(cells) is cells
    assert pc.equal(as_text(cells.cast(pa.large_string())), cells).to_pylist() == [True]
