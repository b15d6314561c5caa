"""GeoJSON (RFC 7946): a row for each feature, its properties as columns, its geometry as well-known text.

One of the two plug-ins that come with Entrepot: what it does, anybody's may do.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import PurePosixPath
from typing import IO, Any

from entrepot.errors import SourceError
from entrepot.formats.readers.jsonstream import Values
from entrepot.formats.reading import BATCH_BYTES, BATCH_ROWS, Batch, ReadOptions, Table
from entrepot.formats.wkt import TYPES, to_wkt
from entrepot.model.findings import Finding, QuarantinedRow

_TYPE = re.compile(rb'"type"\s*:\s*"(?:FeatureCollection|Feature)"')
_MEMBER = re.compile(rb'"(?:features|geometry)"\s*:')
_BARE = re.compile(
    rb'\{\s*"type"\s*:\s*"(?:(?:Multi)?(?:Point|LineString|Polygon)"\s*,\s*"coordinates"\s*:\s*\['
    rb'|GeometryCollection"\s*,\s*"geometries"\s*:\s*\[)'
)
_KNOWN = frozenset({"type", "id", "geometry", "properties"})
Row = dict[str, str | None]


class GeoJson:
    """The plug-in."""

    format = "geojson"

    def recognise(self, head: bytes, name: str) -> float:
        """Sure of collections and features; of bare geometries too."""
        start = head.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n\x1e")
        if b"\0" in start[:4]:
            start = start.replace(b"\0", b"").lstrip(b"\xff\xfe")
        if not start.startswith(b"{"):
            return 0.0
        if (_TYPE.search(start) and _MEMBER.search(start)) or _BARE.match(start):
            return 1.0
        return 0.9 if name.lower().endswith(".geojson") and b'"type"' in start else 0.0

    def open(self, file: IO[bytes], name: str, options: ReadOptions) -> GeoJsonReader:
        """Opens a file; as `entrepot.formats.reading.Opener`."""
        return GeoJsonReader(file, name, options)


class GeoJsonReader:
    """The features of one file, read twice: for the columns, and for the rows."""

    format = "geojson"

    def __init__(self, file: IO[bytes], name: str, options: ReadOptions) -> None:
        self._file = file
        self._name = PurePosixPath(name).stem
        self._options = options
        self._table: Table | None = None
        self._id = self._geometry = ""
        self.doubts: list[str] = []

    @property
    def encoding(self) -> str:
        """As `Reader.encoding`."""
        from entrepot.formats.readers.jsonstream import Utf8

        return Utf8(self._file, self._options.encoding).encoding

    def tables(self) -> list[Table]:
        """The one table: as many rows as features.

        Raises:
            SourceError: It is not GeoJSON, breaks off, or passes a limit.
        """
        if self._table is None:
            self._table = self._survey()
        return [self._table]

    def batches(self, table: int) -> Iterator[Batch]:
        """The rows; a feature whose geometry cannot be read is refused.

        Raises:
            SourceError: As for `tables`.
        """
        found = self.tables()[table]
        names = found.schema.names
        rows: list[list[str | None]] = []
        numbers: list[int] = []
        refused: list[QuarantinedRow] = []
        first = size = 0
        for number, feature in enumerate(self._features(), 1):
            first = first or number
            try:
                row = self._row(feature)
            except SourceError as error:
                refused.append(_refusal(number, feature, error))
                size += len(refused[-1].raw)
            else:
                rows.append([row.get(name) for name in names])
                numbers.append(number)
                size += sum(len(cell) for cell in rows[-1] if cell)
            if len(rows) + len(refused) >= BATCH_ROWS or size >= BATCH_BYTES:
                yield _batch(found, rows, numbers, refused, first)
                rows, numbers, refused, first, size = [], [], [], 0, 0
        if rows or refused:
            yield _batch(found, rows, numbers, refused, first)

    def _survey(self) -> Table:
        import pyarrow as pa

        names: dict[str, None] = {}
        others: dict[str, None] = {}
        ids = count = 0
        for feature in self._features():
            count += 1
            names.update(dict.fromkeys(_properties(feature)))
            others.update(dict.fromkeys(k for k in feature if k not in _KNOWN and k not in others))
            ids += "id" in feature
            if len(names) + len(others) > self._options.limits.columns:
                raise SourceError(
                    f"The features have more than {self._options.limits.columns} properties.",
                    hint="Send fewer columns.",
                    reason="columns",
                )
        self._id = _free("id", names, "feature_id") if ids else ""
        self._geometry = _free("geometry", names, "geometry_wkt")
        columns = [*([self._id] if ids else []), *names, self._geometry]
        if others:
            listed = ", ".join(repr(o) for o in list(others)[:10])
            self.doubts.append(f"Members of features that are no properties were left out: {listed}.")
        return Table(
            name=self._name,
            schema=pa.schema([pa.field(c, pa.string()) for c in columns]),
            header=columns,
            first_row=1,
            rows=count,
            weight=float(len(columns) * (count + 1)),
        )

    def _row(self, feature: dict[str, Any]) -> Row:
        row = _properties(feature)
        if self._id:
            row[self._id] = _cell(feature.get("id"))
        geometry = feature.get("geometry")
        row[self._geometry] = to_wkt(geometry) if geometry is not None else None
        return row

    def _features(self) -> Iterator[dict[str, Any]]:
        """Every feature, of collections and alone; a bare geometry as a feature without properties."""
        options = self._options
        values = Values(self._file, options.encoding, options.limits, "The GeoJSON text")
        found = False
        while (event := values.next()) is not None:
            if event[0] != "start_map":
                raise values.broken("is not an object", "geojson")
            found = True
            yield from self._object(values)
        if not found:
            raise values.broken("is empty", "empty")

    def _object(self, values: Values) -> Iterator[dict[str, Any]]:
        members: dict[str, Any] = {}
        listed = False
        while (event := values.next()) is not None and event[0] != "end_map":
            name = event[1]
            start = values.next()
            if start is None or name in members or (listed and name == "features"):
                raise values.broken("has an object with a name twice", "duplicate_key")
            if name == "features" and start[0] == "start_array":
                listed = True
                yield from self._listed(values)
            else:
                members[name] = values.value(start)
        kind = members.get("type")
        if kind == "FeatureCollection" and listed:
            self._look(members)
        elif kind == "Feature":
            yield members
        elif kind in TYPES:
            yield {"geometry": members}
        else:
            raise values.broken("holds neither features nor a geometry", "geojson")

    def _listed(self, values: Values) -> Iterator[dict[str, Any]]:
        while (event := values.next()) is not None and event[0] != "end_array":
            feature = values.value(event)
            if not isinstance(feature, dict):
                raise values.broken("lists something that is no feature", "geojson")
            yield feature

    def _look(self, members: dict[str, Any]) -> None:
        """Notes what a collection says of itself."""
        crs = members.get("crs")
        named = crs.get("properties", {}).get("name") if isinstance(crs, dict) else None
        if isinstance(named, str):
            note = f"The coordinates are stated to be in {named[:100]!r}; they are kept as they are."
            if note not in self.doubts:
                self.doubts.append(note)


def _properties(feature: dict[str, Any]) -> Row:
    row: Row = {}
    properties = feature.get("properties")
    if isinstance(properties, dict):
        _flatten(properties, "", row)
    return row


def _flatten(members: dict[str, Any], prefix: str, row: Row) -> None:
    for key, value in members.items():
        name = f"{prefix}{key}" or "property"
        if isinstance(value, dict) and value:
            _flatten(value, f"{name}.", row)
        else:
            row[name] = _cell(value)


def _cell(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value or None
    if isinstance(value, bool):
        return "true" if value else "false"
    return _json(value) if isinstance(value, list | dict) else str(value)


def _json(value: Any) -> str:
    """Compact JSON; numbers keep their digits."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(k, ensure_ascii=False)}:{_json(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return f"[{','.join(_json(v) for v in value)}]"
    return str(value) if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False)


def _free(name: str, taken: dict[str, None], other: str) -> str:
    while name in taken:
        name, other = other, f"{other}_2"
    return name


def _refusal(number: int, feature: dict[str, Any], error: SourceError) -> QuarantinedRow:
    finding = Finding(
        code="geometry",
        field="geometry",
        message=error.message,
        action="Mend the geometry; RFC 7946 says how one is written.",
    )
    return QuarantinedRow(row=number, raw=_json(feature), findings=[finding])


def _batch(
    table: Table, rows: list[list[str | None]], numbers: list[int], refused: list[QuarantinedRow], first: int
) -> Batch:
    import pyarrow as pa

    columns = list(zip(*rows, strict=True)) if rows else [() for _ in table.schema.names]
    data = pa.record_batch([pa.array(c, pa.string()) for c in columns], schema=table.schema)
    return Batch(data, first, rows=numbers if refused else None, refused=refused)
