"""Geometries as well-known text, and back: the shapes of GeoJSON (RFC 7946), in the words of OGC 06-103r4.

>>> to_wkt({"type": "Point", "coordinates": [4, 52.5]})
'POINT (4 52.5)'
>>> from_wkt("LINESTRING Z (1 2 3, 4 5 6)")
{'type': 'LineString', 'coordinates': [[1, 2, 3], [4, 5, 6]]}
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from entrepot.errors import SourceError
from entrepot.formats.flatten import Number

Geometry = dict[str, Any]

_DEPTHS = {"Point": 0, "MultiPoint": 1, "LineString": 1, "MultiLineString": 2, "Polygon": 2, "MultiPolygon": 3}
"""How many lists are around a position."""
_COLLECTION = "GeometryCollection"
_TYPES = {name.upper(): name for name in (*_DEPTHS, _COLLECTION)}
TYPES = frozenset(_TYPES.values())
"""The words of GeoJSON for geometries."""
_DEEP = 32
_LONG = 400
"""Digits of a number, at most."""
_SIZES = {"": 2, "Z": 3, "ZM": 4}


def to_wkt(geometry: object) -> str:
    """A geometry of GeoJSON as well-known text.

    Args:
        geometry: With ``type`` and ``coordinates`` (or ``geometries``); numbers as Python has them, or as `Number`.

    Raises:
        SourceError: It is none; ``facts["reason"]`` is ``geometry``.
    """
    return _written(geometry, 0)


def _written(geometry: object, depth: int) -> str:
    kind = geometry.get("type") if isinstance(geometry, dict) else None
    if not isinstance(geometry, dict) or not isinstance(kind, str) or kind not in TYPES or depth > _DEEP:
        raise _bad("It is none of the types of GeoJSON, or nested too deeply.")
    if kind == _COLLECTION:
        inner = geometry.get("geometries")
        if not isinstance(inner, list):
            raise _bad("A collection lacks its geometries.")
        texts = [_written(g, depth + 1) for g in inner]
        return f"GEOMETRYCOLLECTION ({', '.join(texts)})" if texts else "GEOMETRYCOLLECTION EMPTY"
    places = geometry.get("coordinates")
    if not isinstance(places, list):
        raise _bad("A geometry lacks its coordinates.")
    if not places:
        return f"{kind.upper()} EMPTY"
    sizes: set[int] = set()
    body = _places(places, _DEPTHS[kind], kind == "MultiPoint", sizes)
    if len(sizes) > 1:
        raise _bad("Its positions have different numbers of coordinates.")
    size = sizes.pop() if sizes else 2
    word = {2: "", 3: "Z ", 4: "ZM "}[size]
    return f"{kind.upper()} {word}{body if kind != 'Point' else f'({body})'}"


def _places(places: object, depth: int, points: bool, sizes: set[int]) -> str:
    if not isinstance(places, list):
        raise _bad("Its coordinates are not nested as its type asks.")
    if depth == 0:
        if len(places) not in {2, 3, 4}:
            raise _bad("A position has not 2, 3 or 4 coordinates.")
        sizes.add(len(places))
        return " ".join(_number(n) for n in places)
    if not places:
        return "EMPTY"
    if depth == 1 and not points and all(map(_is_pair, places)):
        sizes.add(2)
        return f"({b', '.join([b' '.join(place) for place in places]).decode()})"
    inner = [_places(p, depth - 1, points, sizes) for p in places]
    return f"({', '.join(f'({text})' for text in inner)})" if points and depth == 1 else f"({', '.join(inner)})"


def _is_pair(place: object) -> bool:
    """Whether it is a position as nearly all are, whose numbers can be written as they stand."""
    return type(place) is list and len(place) == 2 and type(place[0]) is Number and type(place[1]) is Number


def _number(value: object) -> str:
    if isinstance(value, Number):
        return value.decode()
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise _bad("A coordinate is not a number.")
    if isinstance(value, int):
        if abs(value) >= 10**_LONG:
            raise _bad("A coordinate is not a number.")
        return str(value)
    if value != value or value in {float("inf"), float("-inf")}:  # noqa: PLR0124 - NaN
        raise _bad("A coordinate is not a number.")
    return str(value) if isinstance(value, Decimal) else repr(value)


_TOKEN = re.compile(r"\s*(?:([A-Za-z]+)|([-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)|([(),])|(\S))")


def from_wkt(text: str) -> Geometry:
    """A geometry of GeoJSON from well-known text; whole numbers are ints, others `Decimal`, so that none changes.

    Args:
        text: Of one geometry; any case, with or without blanks.

    Raises:
        SourceError: It is none, or one that GeoJSON lacks (curves, surfaces, measures alone).
    """
    tokens = _Tokens(text)
    geometry = _geometry(tokens, 0)
    if tokens.next != "":
        raise _bad("Something stands behind the geometry.")
    return geometry


class _Tokens:
    def __init__(self, text: str) -> None:
        self._found = self._all(text)
        self.next = next(self._found)

    @staticmethod
    def _all(text: str) -> Iterator[str]:
        for match in _TOKEN.finditer(text.rstrip()):
            if match[4]:
                raise _bad(f"A character at {match.start(4)} has no meaning there.")
            yield match[1].upper() if match[1] else match[2] or match[3]
        yield ""

    def take(self) -> str:
        taken, self.next = self.next, next(self._found, "")
        return taken

    def expect(self, token: str) -> None:
        if self.take() != token:
            raise _bad(f"A {token!r} is missing.")


def _geometry(tokens: _Tokens, depth: int) -> Geometry:
    word = tokens.take()
    if word not in _TYPES and word[-2:] == "ZM" and word[:-2] in _TYPES:
        word, measure = word[:-2], "ZM"
    elif word not in _TYPES and word[-1:] == "Z" and word[:-1] in _TYPES:
        word, measure = word[:-1], "Z"
    else:
        measure = tokens.take() if tokens.next in {"Z", "M", "ZM"} else ""
    if word not in _TYPES or measure == "M" or depth > _DEEP:
        raise _bad("Its type is none that GeoJSON has.")
    kind = _TYPES[word]
    if tokens.next == "EMPTY":
        tokens.take()
        return {"type": kind, "geometries" if kind == _COLLECTION else "coordinates": []}
    if kind == _COLLECTION:
        return {"type": kind, "geometries": _list(tokens, lambda: _geometry(tokens, depth + 1))}
    if kind == "Point":
        tokens.expect("(")
        place = _position(tokens, measure)
        tokens.expect(")")
        return {"type": kind, "coordinates": place}
    return {"type": kind, "coordinates": _nested(tokens, _DEPTHS[kind], measure, kind == "MultiPoint")}


def _list(tokens: _Tokens, read: Callable[[], Any]) -> list[Any]:
    tokens.expect("(")
    found = [read()]
    while tokens.next == ",":
        tokens.take()
        found.append(read())
    tokens.expect(")")
    return found


def _nested(tokens: _Tokens, depth: int, measure: str, points: bool) -> list[Any]:
    if tokens.next == "EMPTY":
        tokens.take()
        return []
    if depth == 0:
        if not (points and tokens.next == "("):
            return _position(tokens, measure)
        tokens.take()
        place = _position(tokens, measure)
        tokens.expect(")")
        return place
    return _list(tokens, lambda: _nested(tokens, depth - 1, measure, points))


def _position(tokens: _Tokens, measure: str) -> list[int | Decimal]:
    place: list[int | Decimal] = []
    while tokens.next not in {",", ")", "(", ""}:
        number = tokens.take()
        if number[0].isalpha() or len(number) > _LONG:
            raise _bad("A coordinate is not a number.")
        place.append(int(number) if number.lstrip("+-").isdigit() else Decimal(number))
    # Many programs leave the Z out.
    if len(place) != _SIZES[measure] and not (measure == "" and len(place) == 3):
        raise _bad("A position has another number of coordinates than its type says.")
    return place


def _bad(why: str) -> SourceError:
    return SourceError(f"The geometry cannot be read. {why}", hint="Correct it where it comes from.", reason="geometry")
