"""Casting a column is casting its cells: the fast way never accepts, refuses or means anything else."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrepot.model.contract import FieldSpec
from entrepot.validate.casts.base import Caster, RefusedValueError
from entrepot.validate.types import arrow_type, caster

FIELDS = {
    "integer": FieldSpec(name="f", type="integer"),
    "integer thousands": FieldSpec(name="f", type="integer", formats=["thousands:,"]),
    "decimal(12,2)": FieldSpec(name="f", type="decimal(12,2)"),
    "decimal(5,0)": FieldSpec(name="f", type="decimal(5,0)"),
    "decimal(3,3)": FieldSpec(name="f", type="decimal(3,3)"),
    "decimal(50,10)": FieldSpec(name="f", type="decimal(50,10)"),
    "decimal(90,2)": FieldSpec(name="f", type="decimal(90,2)"),
    "decimal comma": FieldSpec(name="f", type="decimal(12,2)", formats=["decimal:,", "thousands:."]),
    "decimal space": FieldSpec(name="f", type="decimal(12,2)", formats=["thousands:space"]),
    "decimal": FieldSpec(name="f", type="decimal"),
    "float": FieldSpec(name="f", type="float"),
    "float not finite": FieldSpec(name="f", type="float", formats=["not-finite"]),
    "boolean": FieldSpec(name="f", type="boolean"),
    "boolean words": FieldSpec(name="f", type="boolean", formats=["ja/nein"]),
    "date": FieldSpec(name="f", type="date"),
    "date one format": FieldSpec(name="f", type="date", formats=["%d/%m/%Y"]),
    "date month first": FieldSpec(name="f", type="date", formats=["%m.%d.%Y"]),
    "date formats": FieldSpec(name="f", type="date", formats=["%d/%m/%Y", "%d %b %Y"]),
    "date both": FieldSpec(name="f", type="date", formats=["iso", "%d/%m/%Y", "%m/%d/%Y"]),
    "datetime": FieldSpec(name="f", type="datetime"),
    "datetime zoned": FieldSpec(name="f", type="datetime", formats=["iso%z"]),
    "datetime zone": FieldSpec(name="f", type="datetime", formats=["iso", "iso%z", "tz:Europe/Vilnius"]),
    "datetime formats": FieldSpec(name="f", type="datetime", formats=["%d/%m/%Y %H:%M"]),
    "time": FieldSpec(name="f", type="time"),
    "uuid": FieldSpec(name="f", type="uuid"),
    "json": FieldSpec(name="f", type="json"),
    "string": FieldSpec(name="f"),
}

NUMBERS = st.one_of(
    st.integers(-(10**20), 10**20).map(str),
    st.from_regex(r"[ ]?[+-]?[0-9]{0,12}([.,][0-9]{0,4})?([eE][+-]?[0-9]{1,2})?[ ]?", fullmatch=True),
    st.from_regex(r"-?[0-9]{1,3}([., ][0-9]{3}){0,3}([.,][0-9]{1,3})?", fullmatch=True),
    st.sampled_from(
        [
            "0x10",
            "0X1F",
            "nan",
            "NaN",
            "inf",
            "-Infinity",
            "1e999",
            "1e-999",
            "1_000",
            "\u0661",
            "\uff11",
            "+",
            "-",
            ".",
            "1 000",
        ]
    ),
)
MOMENTS = st.one_of(
    st.dates().map(lambda d: f"{d.day:02d}/{d.month:02d}/{d.year:04d}"),
    st.dates().map(lambda d: f"{d.month:02d}.{d.day:02d}.{d.year:04d}"),
    st.datetimes().map(lambda d: f"{d.day:02d}/{d.month:02d}/{d.year:04d} {d.hour:02d}:{d.minute:02d}"),
    st.dates().map(str),
    st.datetimes().map(str),
    st.datetimes().map(lambda d: d.isoformat("T", "minutes")),
    st.from_regex(
        r"[0-2][0-9]{3}-[0-9]{1,2}-[0-9]{1,2}([T ][0-9]{1,2}(:[0-9]{2}){0,2}(\.[0-9]{0,7})?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?",
        fullmatch=True,
    ),
    st.from_regex(r"[0-9]{1,2}[/ .-]([0-9]{1,2}|Jan|feb)[/ .-][0-9]{2,4}( [0-9]{1,2}:[0-9]{2})?", fullmatch=True),
    st.from_regex(r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,7})?)?", fullmatch=True),
    st.sampled_from(
        [
            "2024-10-27 03:30",
            "2024-03-31T03:30:00",
            "0000-01-01",
            "9999-12-31T23:59:59-12:00",
            "2023-02-29",
            "24:00",
            "23:59:60",
        ]
    ),
)
WORDS = st.one_of(
    st.sampled_from(["true", "Yes", "F", "0", "1", "ja", "NEIN", "maybe", "", " ", "\u00a0", "null"]),
    st.uuids().map(str),
    st.uuids().map(lambda u: "{" + str(u).upper() + "}"),
    st.uuids().map(lambda u: u.hex),
    st.sampled_from(
        ['{"a": 1}', "[1,", "[[]]", '"x"', "1.0", '{"a":"\\u0000"}', "{'a':1}", "[" * 200 + "]" * 200, "\ud7ff"]
    ),
    st.text(max_size=8),
)
CELLS = st.one_of(st.none(), NUMBERS, MOMENTS, WORDS)


def singly(cast: Caster, text: str | None) -> tuple[str, object]:
    """What one cell becomes: a value, nothing, or a code."""
    if text is None or (cast.trims and not text.strip()):
        return "value", None
    try:
        value = cast.one(text)
    except RefusedValueError as refusal:
        return "code", refusal.code
    return "value", pa.scalar(value, cast.type).as_py()


@pytest.mark.parametrize("name", FIELDS)
@given(cells=st.lists(CELLS, max_size=12))
@settings(max_examples=40, deadline=None)
def test_a_column_is_cast_as_its_cells_are(name: str, cells: list[str | None]) -> None:
    cast = caster(FIELDS[name])
    column = cast.cast(pa.array(cells, pa.string()))
    found = [
        ("code", column.refused[i].code) if i in column.refused else ("value", value)
        for i, value in enumerate(column.values.to_pylist())
    ]
    assert repr(found) == repr([singly(cast, text) for text in cells])  # repr: NaN is not equal to itself
    assert column.values.type == cast.type


@pytest.mark.parametrize("name", FIELDS)
@given(cells=st.lists(st.one_of(NUMBERS, MOMENTS), min_size=1, max_size=1))
@settings(max_examples=60, deadline=None)
def test_a_cell_means_the_same_alone(name: str, cells: list[str]) -> None:
    test_a_column_is_cast_as_its_cells_are.hypothesis.inner_test(name, cells)


@pytest.mark.parametrize("name", FIELDS)
def test_the_caster_has_the_arrow_type_of_its_word(name: str) -> None:
    field = FIELDS[name]
    zoned = any("%z" in f or f.startswith("tz:") for f in field.formats)
    assert caster(field).type == arrow_type(field.type, zoned=zoned)
