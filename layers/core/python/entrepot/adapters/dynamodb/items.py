"""JSON values as DynamoDB's typed values, and back, without loss.

What DynamoDB cannot hold as it is (numbers of more than 38 digits or beyond 1e125, nesting beyond 32
levels, empty attribute names) is kept as JSON text in a map of one entry, ``$json``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

Typed = dict[str, Any]
"""A typed value, ``{"S": "text"}``, or an item of them by attribute name."""

JSON = "$json"
REFERENCE = "$ref"
_RESERVED = (JSON, REFERENCE)

_DEPTH = 24
"""DynamoDB's limit is 32; the value itself may lie some levels down, and the escape takes two."""
_WHOLE = 10**38
"""DynamoDB keeps 38 digits: whole numbers below this are exact, and only floats are above."""
_LEAST, _MOST = Decimal("1e-130"), Decimal("9.9e125")


def encode(value: Any, depth: int = 0) -> Typed:
    """A JSON value as a typed value.

    Args:
        value: None, a truth value, a number, text, or a list or dict of such.
        depth: How deep the value lies.
    """
    if isinstance(value, str):
        return {"S": value if value.isascii() else storable(value)}
    if value is None:
        return {"NULL": True}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, (int, float)):
        return _number(value)
    if depth >= _DEPTH and value:
        return _as_text(value)
    if isinstance(value, Mapping):
        if any(not key or key in _RESERVED for key in value):
            return _as_text(value)
        return {"M": {storable(key): encode(part, depth + 1) for key, part in value.items()}}
    return {"L": [encode(part, depth + 1) for part in value]}


def decode(typed: Typed) -> Any:
    """The JSON value of a typed value; numbers without decimals come back as int."""
    ((kind, value),) = typed.items()
    if kind == "N":
        return _read_number(value)
    if kind == "M":
        if JSON in value:
            return json.loads(value[JSON]["S"])
        return {key: decode(part) for key, part in value.items()}
    if kind == "L":
        return [decode(part) for part in value]
    return None if kind == "NULL" else value


def encode_item(attributes: Mapping[str, Any]) -> Typed:
    """Attributes as an item; those that are None are left out."""
    return {name: encode(value) for name, value in attributes.items() if value is not None}


def decode_item(item: Typed) -> dict[str, Any]:
    """An item's attributes as JSON values."""
    return {name: decode(value) for name, value in item.items()}


def storable(text: str) -> str:
    """Text as UTF-8 can hold it: half a surrogate pair, which no store takes, becomes a question mark."""
    return text.encode(errors="replace").decode()


def _as_text(value: Any) -> Typed:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return {"M": {JSON: {"S": storable(text)}}}


def _number(value: float) -> Typed:
    if isinstance(value, int):
        return {"N": str(value)} if abs(value) < _WHOLE else _as_text(value)
    if value.is_integer() and abs(value) < _WHOLE:
        # Exactly, since it comes back as an int.
        return {"N": str(int(value))}
    # repr() is the shortest text that reads back as the same float: at most 17 digits.
    number = Decimal(repr(value))
    fits = number.is_finite() and _LEAST <= abs(number) <= _MOST
    return {"N": str(number)} if fits else _as_text(value)


def _read_number(text: str) -> int | float:
    number = Decimal(text)
    whole = abs(number) < _WHOLE and number == number.to_integral_value()
    return int(number) if whole else float(number)
