"""GeoJSON (RFC 7946): a row for each feature, its properties as columns, its geometry as well-known text.

One of the two plug-ins that come with Entrepot: what it does, anybody's may do.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import IO, Any, cast

from entrepot.errors import SourceError
from entrepot.formats.encoding import codec_name
from entrepot.formats.flatten import MAX_DEPTH, NotFlatError, Row, cell, flatten, written
from entrepot.formats.readers.json_text import Cursor
from entrepot.formats.reading import BATCH_BYTES, BATCH_ROWS, Batch, ReadOptions, Table
from entrepot.formats.refusals import structural
from entrepot.formats.wkt import TYPES, to_wkt
from entrepot.model.findings import QuarantinedRow

_COLLECTION = re.compile(rb'"type"\s*:\s*"FeatureCollection"')
_LIST = re.compile(rb'"features"\s*:\s*\[')
_FEATURE = re.compile(rb'"type"\s*:\s*"Feature"')
_GEOMETRY = re.compile(rb'"geometry"\s*:\s*(?:\{|null)')
_OWN = re.compile(rb'\{\s*"(?:type|id|bbox|geometry|properties)"\s*:')
_BARE = re.compile(
    rb'\{\s*"type"\s*:\s*"(?:(?:Multi)?(?:Point|LineString|Polygon)"\s*,\s*"coordinates"\s*:\s*\['
    rb'|GeometryCollection"\s*,\s*"geometries"\s*:\s*\[)'
)
_KNOWN = frozenset({"type", "id", "geometry", "properties"})
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


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
        feature = bool(_FEATURE.search(start) and _GEOMETRY.search(start))
        if _LIST.search(start) and (feature or _COLLECTION.search(start)):
            return 1.0
        if (feature and _OWN.match(start)) or _BARE.match(start):
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
        self._found = _encoding(file, options.encoding)
        self.doubts: list[str] = []

    @property
    def encoding(self) -> str:
        """As `Reader.encoding`."""
        return "utf-8-sig" if self._found == ("utf-8", 3) else self._found[0]

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
            row[self._id] = cell(feature.get("id"))
        geometry = feature.get("geometry")
        row[self._geometry] = to_wkt(_plain(geometry)) if geometry is not None else None
        return row

    def _features(self) -> Iterator[dict[str, Any]]:
        """Every feature, of collections and alone; a bare geometry as a feature without properties."""
        encoding, start = self._found
        file = cast("IO[bytes]", _Sequence(self._file))
        cursor = Cursor(file, encoding, start, self._options.limits)
        if not cursor.peek():
            raise _not("is empty", "empty")
        count = 0
        while cursor.peek():
            if cursor.peek() != "{":
                raise _not("is not an object")
            for feature in self._object(cursor):
                count += 1
                cursor.row = count + 1
                yield feature

    def _object(self, cursor: Cursor) -> Iterator[dict[str, Any]]:
        members: dict[str, Any] = {}
        listed = False
        for name in cursor.members():
            if name in members or (listed and name == "features"):
                raise _not("has an object with a name twice", "duplicate_key")
            if name == "features" and cursor.peek() == "[":
                listed = True
                yield from (_members(f) for f in cursor.elements())
            else:
                members[name] = cursor.value()
        kind = members.get("type")
        if kind == "FeatureCollection" and listed:
            self._look(members)
        elif kind == "Feature":
            yield members
        elif isinstance(kind, str) and kind in TYPES:
            yield {"geometry": tuple(members.items())}
        else:
            raise _not("holds neither features nor a geometry")

    def _look(self, members: dict[str, Any]) -> None:
        """Notes what a collection says of itself."""
        name = _at(_at(members.get("crs"), "properties"), "name")
        if isinstance(name, str):
            note = f"The coordinates are stated to be in {name[:100]!r}; they are kept as they are."
            if note not in self.doubts:
                self.doubts.append(note)


class _Sequence:
    """A file whose record separators (RFC 7464: in front of each value, nowhere else in JSON) are blanks."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def seek(self, offset: int) -> int:
        return self._file.seek(offset)

    def read(self, size: int) -> bytes:
        return self._file.read(size).replace(b"\x1e", b" ")


def _not(what: str, reason: str = "geojson") -> SourceError:
    return SourceError(f"The GeoJSON text {what}.", hint="Export it again and send that.", reason=reason)


def _members(feature: Any) -> dict[str, Any]:
    """A feature's own members, each once."""
    if type(feature) is not tuple:
        raise _not("lists something that is no feature")
    found = dict(feature)
    if len(found) != len(feature):
        raise _not("has an object with a name twice", "duplicate_key")
    return found


def _at(value: Any, name: str) -> Any:
    return dict(value).get(name) if type(value) is tuple else None


def _properties(feature: dict[str, Any]) -> Row:
    properties = feature.get("properties")
    if type(properties) is not tuple:
        return {}
    try:
        return {name or "property": cell for name, cell in flatten(properties).items()}
    except NotFlatError as error:
        reason = "duplicate_key" if "twice" in str(error) else "depth" if "deep" in str(error) else "properties"
        raise _not(f"has properties that cannot be columns: {error}", reason) from None


def _plain(value: Any, depth: int = 0) -> Any:
    """A geometry as `to_wkt` wants it."""
    if depth > MAX_DEPTH:
        raise SourceError(f"The geometry is nested more than {MAX_DEPTH} deep.", hint="Flatten it.", reason="geometry")
    if type(value) is tuple:
        return {name: _plain(inner, depth + 1) for name, inner in value}
    if type(value) is list and value and type(value[0]) is tuple:
        return [_plain(inner, depth + 1) for inner in value]
    return value


def _raw(feature: dict[str, Any]) -> str:
    try:
        return written(tuple(feature.items()))
    except NotFlatError:
        return ""


def _encoding(file: IO[bytes], stated: str | None) -> tuple[str, int]:
    """The encoding, stated or by its mark, and how many bytes that has."""
    file.seek(0)
    head = file.read(4)
    for mark, name in _MARKS:
        if head.startswith(mark) and stated in {None, name}:
            return name, len(mark)
    return codec_name(stated or "utf-8").removesuffix("-sig"), 0


def _free(name: str, taken: dict[str, None], other: str) -> str:
    while name in taken:
        name, other = other, f"{other}_2"
    return name


def _refusal(number: int, feature: dict[str, Any], error: SourceError) -> QuarantinedRow:
    finding = structural("geometry", detail=error.message.rstrip(".")).model_copy(update={"field": "geometry"})
    return QuarantinedRow(row=number, raw=_raw(feature), findings=[finding])


def _batch(
    table: Table, rows: list[list[str | None]], numbers: list[int], refused: list[QuarantinedRow], first: int
) -> Batch:
    import pyarrow as pa

    columns = list(zip(*rows, strict=True)) if rows else [() for _ in table.schema.names]
    data = pa.record_batch([pa.array(c, pa.string()) for c in columns], schema=table.schema)
    return Batch(data, first, rows=numbers if refused else None, refused=refused)
