"""Records of JSON become flat rows: nested objects get dotted names, arrays stay JSON or become rows of their own.

One way for JSON documents and JSON Lines alike. Values are decoded by `DECODER`, which loses nothing that a row needs:
numbers keep their own digits, and objects are tuples of pairs, so that a name that is there twice is seen.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from json.encoder import encode_basestring  # writes text with the letters that it has
from typing import Any

MAX_DEPTH = 100
"""Deepest nesting that is read: parsers recurse, and nobody's rows are deeper."""

Row = dict[str, str | None]
Pairs = tuple[tuple[str, Any], ...]
"""An object as it stands in the source; `dict` of it has the last of names that are there twice."""


class NotFlatError(ValueError):
    """A value that cannot be a row; the message says why, without values."""


Number = bytes
"""A number in the source's own digits, which are ASCII. A class of its own would be traced by the garbage collector,
and so would every row that has one: that takes three quarters of the time of reading."""


def _refuse_constant(name: str) -> Any:
    raise NotFlatError(f"{name} is not JSON")


DECODER = json.JSONDecoder(
    parse_int=str.encode, parse_float=str.encode, parse_constant=_refuse_constant, object_pairs_hook=tuple
)
"""Decodes JSON strictly: objects become `Pairs`, arrays lists, numbers `Number`, which is bytes."""


_FLAT = frozenset({str, Number, type(None)})
"""Kinds of values that are cells as they are, but for the empty text."""


def flatten(record: Pairs, *, levels: int = MAX_DEPTH) -> Row:
    """One object as names and cell texts.

    Null is None and so is an empty text; true and false are words; an array is its JSON, as is an empty object.

    Args:
        record: As `DECODER` gives it.
        levels: How many levels of objects are taken apart; deeper ones are cells of JSON.

    Raises:
        NotFlatError: A name is there twice, two paths give the same name, or it is nested too deeply.
    """
    flat: dict[str, Any] = dict(record)
    if len(flat) != len(record):
        raise NotFlatError("a name is there twice")
    # Most records are flat already, and to see that costs little.
    kinds = set(map(type, flat.values()))
    if kinds <= _FLAT and "" not in flat.values():
        if Number in kinds:
            return {name: item.decode() if type(item) is Number else item for name, item in flat.items()}
        return flat
    row: Row = {}
    if _fill(row, record, "", levels, 1) != len(row):
        raise NotFlatError("two of its paths give the same name")
    return row


def explode(record: Pairs, *, levels: int = MAX_DEPTH) -> Iterator[Row]:
    """One object as a row for each element of its arrays; the other fields come again in each.

    Several arrays are taken one after the other, since their elements have nothing to do with each other. Arrays in
    elements are exploded too.

    Raises:
        NotFlatError: As for `flatten`.
    """
    yield from _explode(record, levels, 1)


def cell(value: Any) -> str | None:
    """The text of one value: null and the empty text are None, what is nested is its JSON."""
    kind = type(value)
    if kind is str:
        return value or None
    return None if value is None else written(value)


def written(value: Any, depth: int = 1) -> str:
    """A value as compact JSON, numbers in their own digits.

    Raises:
        NotFlatError: A name is there twice, or it is nested too deeply.
    """
    kind = type(value)
    if kind is Number:
        return value.decode()  # type: ignore[no-any-return]
    if kind is str:
        return encode_basestring(value)
    if kind is list or kind is tuple:
        if depth > MAX_DEPTH:
            raise NotFlatError(f"nested more than {MAX_DEPTH} deep")
        if kind is list:
            return f"[{','.join([written(v, depth + 1) for v in value])}]"
        _once(value)
        return "{" + ",".join([f"{encode_basestring(k)}:{written(v, depth + 1)}" for k, v in value]) + "}"
    return "null" if value is None else "true" if value else "false"


def _once(pairs: Pairs) -> None:
    if len(dict(pairs)) != len(pairs):
        raise NotFlatError("a name is there twice")


def _fill(
    row: Row, pairs: Pairs, prefix: str, levels: int, depth: int, *, lists: list[tuple[str, Any]] | None = None
) -> int:
    """Adds the fields of an object to a row.

    Args:
        row: Where to.
        pairs: The object.
        prefix: In front of its names.
        levels: As for `flatten`.
        depth: Of the object, from 1.
        lists: Takes the arrays that are not empty; else they are written.

    Returns:
        How many fields were added.
    """
    _once(pairs)
    if depth > MAX_DEPTH:
        raise NotFlatError(f"nested more than {MAX_DEPTH} deep")
    count = 0
    for name, item in pairs:
        if prefix:
            name = prefix + name  # noqa: PLW2901 - the usual case has no prefix
        kind = type(item)
        if kind is str:
            row[name] = item or None
        elif kind is Number:
            row[name] = item.decode()
        elif item is None:
            row[name] = None
        elif kind is tuple and item and depth < levels:
            count += _fill(row, item, name + ".", levels, depth + 1, lists=lists)
            continue
        elif kind is list and lists is not None:
            if item:
                lists.append((name, item))
                continue
            row[name] = None
        else:
            row[name] = written(item, depth + 1)
        count += 1
    return count


def _explode(record: Pairs, levels: int, depth: int) -> Iterator[Row]:
    base: Row = {}
    lists: list[tuple[str, Any]] = []
    if _fill(base, record, "", levels, depth, lists=lists) != len(base):
        raise NotFlatError("two of its paths give the same name")
    if not lists:
        yield base
    for name, items in lists:
        for item in items:
            if type(item) is tuple and item:
                for part in _explode(item, levels, depth + 1):
                    row = base | {f"{name}.{key}": value for key, value in part.items()}
                    if len(row) != len(base) + len(part):
                        raise NotFlatError("two of its paths give the same name")
                    yield row
            elif name in base:
                raise NotFlatError("two of its paths give the same name")
            else:
                yield base | {name: cell(item)}
