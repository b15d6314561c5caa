"""What a target column's type adds to a field's constraints.

`validate` must refuse, row by row and with a reason, what the target would refuse for a whole chunk;
so the target's limits are folded into the contract before the first row is read.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation

from entrepot.load.names import MAX_BYTES
from entrepot.load.types import TEXT_TYPES, PgType
from entrepot.model.contract import FieldSpec, Length, Range, decimal_parts

_INTEGERS = {"smallint": 15, "integer": 31, "bigint": 63}
_TIMESTAMPS = frozenset({"timestamp without time zone", "timestamp with time zone"})
_TIMES = frozenset({"time without time zone", "time with time zone"})
_WHOLE_IN_DOUBLE = 2**53
_WHOLE_IN_REAL = 2**24
_BIGINT_DIGITS = 18
"""Every number of 18 digits is a bigint."""


def tightened(field: FieldSpec, pg: PgType) -> FieldSpec | None:
    """The field with the column's limits folded in; None when its values cannot go there.

    Args:
        field: A field of the contract.
        pg: The target column's type.
    """
    if pg.array:
        return field if field.type == "string" else None
    if pg.base in TEXT_TYPES:
        return _text(field, pg)
    if pg.base in _INTEGERS:
        return _integer(field, _INTEGERS[pg.base])
    if pg.base == "numeric":
        return _numeric(field, pg)
    rule = _RULES.get(pg.base)
    if rule is not None:
        return rule(field)
    # Enumerations, arrays, networks, geometry …: PostgreSQL parses the text.
    return field if field.type == "string" else None


def _text(field: FieldSpec, pg: PgType) -> FieldSpec | None:
    limit = MAX_BYTES if pg.base == "name" else pg.args[0] if pg.args else None
    if limit is None:
        return field
    if field.type in {"string", "json", "uuid"}:
        old = field.length or Length()
        longest = limit if old.max is None else min(old.max, limit)
        return field.model_copy(update={"length": Length(min=old.min, max=longest)})
    # Lengths are checked on texts only; other values have a longest form.
    return field if limit >= _LONGEST.get(field.type, 10_000) else None


_LONGEST = {"integer": 20, "boolean": 5, "date": 10, "datetime": 27, "time": 15}


def _integer(field: FieldSpec, bits: int) -> FieldSpec | None:
    if field.type == "integer":
        return field if bits == 63 else _within(field, -(2**bits), 2**bits - 1)
    parts = decimal_parts(field.type)
    if parts and parts[1] == 0 and parts[0] <= _BIGINT_DIGITS:
        return _within(field.model_copy(update={"type": "integer"}), -(2**bits), 2**bits - 1)
    return None


def _numeric(field: FieldSpec, pg: PgType) -> FieldSpec | None:
    parts = decimal_parts(field.type)
    if field.type not in {"integer", "decimal", "float"} and not parts:
        return None
    if not pg.args:
        # A float's text is an exact decimal; numeric keeps it as written.
        return field.model_copy(update={"type": "decimal"}) if field.type == "float" else field
    precision, scale = pg.args[0], pg.args[1] if len(pg.args) > 1 else 0
    if scale < 0 or scale > precision:
        return None
    if field.type == "integer":
        most = 10 ** (precision - scale) - 1
        return field if most >= 2**63 else _within(field, -most, most)
    before, after = precision - scale, scale
    if parts:
        before, after = min(before, parts[0] - parts[1]), min(after, parts[1])
    return field.model_copy(update={"type": f"decimal({before + after},{after})"}) if before + after else None


def _float(field: FieldSpec, whole: int) -> FieldSpec | None:
    if field.type == "float":
        return field
    if field.type == "integer":
        return _within(field, -whole, whole)
    if field.type == "decimal" or decimal_parts(field.type):
        return field.model_copy(update={"type": "float"})
    return None


def _real(field: FieldSpec) -> FieldSpec | None:
    found = _float(field, _WHOLE_IN_REAL)
    if found is None or found.type != "float":
        return found
    return _within(found, Decimal("-3.4e38"), Decimal("3.4e38"))


def _one_of(*words: str) -> Callable[[FieldSpec], FieldSpec | None]:
    return lambda field: field if field.type in words else None


def _as(word: str) -> Callable[[FieldSpec], FieldSpec | None]:
    """Text that must read as ``word``, whatever else the contract says of it."""

    def rule(field: FieldSpec) -> FieldSpec | None:
        if field.type == word:
            return field
        return field.model_copy(update={"type": word}) if field.type == "string" else None

    return rule


_RULES: dict[str, Callable[[FieldSpec], FieldSpec | None]] = {
    "double precision": lambda f: _float(f, _WHOLE_IN_DOUBLE),
    "real": _real,
    "boolean": _one_of("boolean"),
    "date": _one_of("date"),
    **dict.fromkeys(_TIMESTAMPS, _one_of("datetime", "date")),
    **dict.fromkeys(_TIMES, _one_of("time")),
    "uuid": _as("uuid"),
    "json": _as("json"),
    "jsonb": _as("json"),
}


def _within(field: FieldSpec, low: int | Decimal, high: int | Decimal) -> FieldSpec:
    """The field's range, cut to ``[low, high]``."""
    old = field.range or Range()
    new = {"min": old.min, "max": old.max, "min_open": old.min_open, "max_open": old.max_open}
    if old.min is None or _number(old.min) < low:
        new |= {"min": str(low), "min_open": False}
    if old.max is None or _number(old.max) > high:
        new |= {"max": str(high), "max_open": False}
    return field.model_copy(update={"range": Range.model_validate(new)})


def _number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal(0)
