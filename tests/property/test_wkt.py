"""Well-known text: what is written is read back."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrepot.errors import SourceError
from entrepot.formats.wkt import from_wkt, to_wkt

_NUMBERS = st.integers(-(10**20), 10**20) | st.decimals(allow_nan=False, allow_infinity=False, places=9)


def _coordinates(kind: str, size: int) -> st.SearchStrategy[Any]:
    place: st.SearchStrategy[Any] = st.lists(_NUMBERS, min_size=size, max_size=size)
    depth = {"Point": 0, "MultiPoint": 1, "LineString": 1, "MultiLineString": 2, "Polygon": 2, "MultiPolygon": 3}[kind]
    for level in range(depth):
        place = st.lists(place, min_size=0 if level == depth - 1 else 1, max_size=3)
    return place if depth else st.just([]) | place


def _simple() -> st.SearchStrategy[dict[str, Any]]:
    kinds = ["Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon"]
    return st.tuples(st.sampled_from(kinds), st.sampled_from([2, 3, 4])).flatmap(
        lambda of: st.fixed_dictionaries({"type": st.just(of[0]), "coordinates": _coordinates(*of)})
    )


GEOMETRIES = st.recursive(
    _simple(),
    lambda inner: st.fixed_dictionaries(
        {"type": st.just("GeometryCollection"), "geometries": st.lists(inner, max_size=3)}
    ),
    max_leaves=5,
)


@given(GEOMETRIES)
def test_what_is_written_is_read_back(geometry: dict[str, Any]) -> None:
    text = to_wkt(geometry)
    assert from_wkt(text) == geometry
    assert from_wkt(text.lower().replace(", ", ",")) == geometry
    assert to_wkt(from_wkt(text)) == text


@pytest.mark.parametrize(
    ("text", "geometry"),
    [
        ("POINT(1 2)", {"type": "Point", "coordinates": [1, 2]}),
        ("pointz (1 2 3)", {"type": "Point", "coordinates": [1, 2, 3]}),
        ("POINT (1 2 3)", {"type": "Point", "coordinates": [1, 2, 3]}),
        ("POINT ZM (1 2 3 4)", {"type": "Point", "coordinates": [1, 2, 3, 4]}),
        ("POINT Z EMPTY", {"type": "Point", "coordinates": []}),
        ("MULTIPOINT (1 2, 3 4)", {"type": "MultiPoint", "coordinates": [[1, 2], [3, 4]]}),
        ("MULTIPOINT ((1 2), (3 4))", {"type": "MultiPoint", "coordinates": [[1, 2], [3, 4]]}),
        ("LINESTRING (-1.5 2e3, +.5 4.)", {"type": "LineString", "coordinates": [[Decimal("-1.5"), Decimal("2e3")], [Decimal("0.5"), 4]]}),
    ],
)  # fmt: skip
def test_forms_that_others_write(text: str, geometry: dict[str, Any]) -> None:
    assert from_wkt(text) == geometry


@pytest.mark.parametrize(
    "text",
    ["", "POINT", "POINT (1)", "POINT (1 2", "POINT (1 2) x", "POINT M (1 2 3)", "CIRCLE (1 2)", "POINT (a b)", "POINT ((1 2))",
     "POLYGON (1 2)", "LINESTRING ((1 2))", "SRID=4326;POINT (1 2)", "POINT Z (1 2)", "POINT (1 " + "9" * 5000 + ")", "POINT (1 ٣)", "GEOMETRYCOLLECTION (" * 5000, "(" * 100_000],
)  # fmt: skip
def test_what_is_no_geometry_is_refused(text: str) -> None:
    with pytest.raises(SourceError) as caught:
        from_wkt(text)
    assert caught.value.facts["reason"] == "geometry"


@given(st.text(alphabet="POINTZ MULEGNSRY()0123456789.,-+eE ", max_size=60))
def test_any_text_is_a_geometry_or_refused(text: str) -> None:
    try:
        geometry = from_wkt(text)
    except SourceError:
        return
    to_wkt(geometry)
