"""GeoJSON."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from entrepot.errors import SourceError
from entrepot.formats.readers.geojson import GeoJson
from entrepot.formats.reading import Limits, ReadOptions


def rows(text: object, **options: Any) -> list[dict[str, Any]]:
    data = text if isinstance(text, bytes) else (text if isinstance(text, str) else json.dumps(text)).encode()
    reader = GeoJson().open(io.BytesIO(data), "x.geojson", ReadOptions(**options))
    assert reader.tables()[0].schema.names
    return [row for batch in reader.batches(0) for row in batch.data.to_pylist()]


def feature(geometry: Any = None, properties: Any = None, **more: Any) -> dict[str, Any]:
    return {"type": "Feature", "geometry": geometry, "properties": properties, **more}


def collection(*features: Any) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": list(features)}


GEOMETRIES = [
    ({"type": "Point", "coordinates": [4.9, 52]}, "POINT (4.9 52)"),
    ({"type": "Point", "coordinates": [1, 2, 3]}, "POINT Z (1 2 3)"),
    ({"type": "Point", "coordinates": []}, "POINT EMPTY"),
    ({"type": "MultiPoint", "coordinates": [[1, 2], [3, 4]]}, "MULTIPOINT ((1 2), (3 4))"),
    ({"type": "LineString", "coordinates": [[1, 2], [3, 4]]}, "LINESTRING (1 2, 3 4)"),
    ({"type": "MultiLineString", "coordinates": [[[1, 2], [3, 4]]]}, "MULTILINESTRING ((1 2, 3 4))"),
    ({"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]}, "POLYGON ((0 0, 1 0, 1 1, 0 0))"),
    ({"type": "MultiPolygon", "coordinates": [[[[0, 0, 1], [1, 0, 1]]]]}, "MULTIPOLYGON Z (((0 0 1, 1 0 1)))"),
    (
        {"type": "GeometryCollection", "geometries": [{"type": "Point", "coordinates": [1, 2]}]},
        "GEOMETRYCOLLECTION (POINT (1 2))",
    ),
    ({"type": "GeometryCollection", "geometries": []}, "GEOMETRYCOLLECTION EMPTY"),
    (None, None),
]


@pytest.mark.parametrize(("geometry", "text"), GEOMETRIES)
def test_every_geometry(geometry: Any, text: str | None) -> None:
    assert rows(collection(feature(geometry, {"a": 1}))) == [{"a": "1", "geometry": text}]


def test_properties_are_flattened_over_all_features() -> None:
    found = rows(
        collection(
            feature(properties={"name": "A", "size": {"w": 1, "h": 2.5}, "tags": ["x", {"y": True}]}, id=7),
            feature(properties={"name": None, "other": False, "empty": {}}),
            feature(),
        )
    )
    assert found == [
        {"id": "7", "name": "A", "size.w": "1", "size.h": "2.5", "tags": '["x",{"y":true}]', "other": None, "empty": None, "geometry": None},
        {"id": None, "name": None, "size.w": None, "size.h": None, "tags": None, "other": "false", "empty": "{}", "geometry": None},
        {"id": None, "name": None, "size.w": None, "size.h": None, "tags": None, "other": None, "empty": None, "geometry": None},
    ]  # fmt: skip


def test_names_that_are_taken() -> None:
    (row,) = rows(collection(feature({"type": "Point", "coordinates": [1, 2]}, {"id": 1, "geometry": "g"}, id=2)))
    assert row == {"feature_id": "2", "id": "1", "geometry": "g", "geometry_wkt": "POINT (1 2)"}


def test_numbers_keep_their_digits() -> None:
    text = '{"type":"Feature","geometry":{"type":"Point","coordinates":[1.10,0.00000012]},"properties":{"n":12345678901234567890.10}}'
    assert rows(text) == [{"n": "12345678901234567890.10", "geometry": "POINT (1.10 0.00000012)"}]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_every_encoding_of_unicode(encoding: str) -> None:
    text = json.dumps(collection(feature(properties={"näme": "größe"})), ensure_ascii=False)
    stated = encoding if encoding == "utf-16-le" else None
    assert rows(text.encode(encoding), encoding=stated) == [{"näme": "größe", "geometry": None}]


def test_one_feature_a_line_and_text_sequences() -> None:
    lines = "\n".join(json.dumps(feature(properties={"a": n})) for n in range(3))
    assert [r["a"] for r in rows(lines)] == ["0", "1", "2"]
    assert [r["a"] for r in rows("\x1e" + lines.replace("\n", "\n\x1e"))] == ["0", "1", "2"]


def test_a_bare_geometry() -> None:
    assert rows({"type": "Point", "coordinates": [1, 2]}) == [{"geometry": "POINT (1 2)"}]


def test_members_in_any_order() -> None:
    assert len(rows('{"features":[{"geometry":null,"type":"Feature"}],"name":"x","type":"FeatureCollection"}')) == 1


def test_a_geometry_that_cannot_be_read_is_a_refused_row() -> None:
    bad = [
        {"type": "Point", "coordinates": ["1", 2]},
        {"type": "Point", "coordinates": [1]},
        {"type": "Polygon", "coordinates": [1, 2]},
        {"type": "Circle", "coordinates": [1, 2]},
        {"type": "Point"},
        {"type": ["Point"], "coordinates": [1, 2]},
        "POINT (1 2)",
    ]
    features = [feature(g, {"n": n}) for n, g in enumerate([*bad, None])]
    reader = GeoJson().open(io.BytesIO(json.dumps(collection(*features)).encode()), "x", ReadOptions())
    (batch,) = reader.batches(0)
    assert batch.rows == [8]
    assert [r.row for r in batch.refused] == [1, 2, 3, 4, 5, 6, 7]
    assert json.loads(batch.refused[0].raw) == features[0]
    assert all(r.findings[0].code == "geometry" and r.findings[0].action for r in batch.refused)


def test_what_is_left_out_and_said_is_told() -> None:
    text = collection(feature(bbox=[1, 2, 3, 4])) | {"crs": {"type": "name", "properties": {"name": "EPSG:25832"}}}
    reader = GeoJson().open(io.BytesIO(json.dumps(text).encode()), "x", ReadOptions())
    reader.tables()
    assert len(reader.doubts) == 2
    assert "EPSG:25832" in reader.doubts[0]
    assert "'bbox'" in reader.doubts[1]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ('{"type":"FeatureCollection"}', "geojson"),
        ('{"a": 1}', "geojson"),
        ("[1]", "geojson"),
        ('{"type":["Point"],"features":1}', "geojson"),
        ('{"type":"Feature","properties":{"a":{"b":1},"a.b":2}}', "properties"),
        ('{"type":"FeatureCollection","features":[1]}', "geojson"),
        ('{"type":"FeatureCollection","features":[', "truncated"),
        ('{"type":"Feature","properties":{"a":1,"a":2}}', "duplicate_key"),
        ('{"type":"Feature","type":"Feature"}', "duplicate_key"),
        ('{"type":"Feature","properties":{"a":NaN}}', "json"),
        ('{"type":"Feature","properties":{"a":' + "9" * 6000 + "}", "truncated"),
        ('{"type":"Feature","properties":{"a":' + "[" * 200 + "]" * 200 + "}}", "depth"),
        ('{"type":"Feature","properties":' + '{"a":' * 100_000, "depth"),
    ],
)
def test_what_is_refused(text: str, why: str) -> None:
    with pytest.raises(SourceError) as caught:
        rows(text)
    assert caught.value.facts["reason"] == why


def test_limits() -> None:
    many = collection(feature(properties={f"p{n}": n for n in range(30)}))
    with pytest.raises(SourceError) as caught:
        rows(many, limits=Limits(columns=20))
    assert caught.value.facts["reason"] == "columns"
    with pytest.raises(SourceError) as caught:
        rows(collection(feature(properties={"a": "x" * (3 << 20)})), limits=Limits(cell_bytes=1 << 20))
    assert caught.value.facts["reason"] == "cell_bytes"


def test_cut_off_anywhere_it_is_refused() -> None:
    data = json.dumps(collection(feature(GEOMETRIES[0][0], {"a": "ä"}), feature())).encode()
    for n in range(10, len(data), 10):
        with pytest.raises(SourceError):
            rows(data[:n])
