"""Checks of cast values: range, length, pattern, enum and known formats, a column at a time."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

from entrepot.errors import ContractError
from entrepot.model.contract import FieldSpec, Range, decimal_parts
from entrepot.validate.casts.base import Caster, RefusedValueError
from entrepot.validate.casts.numbers import NumberStyle, decimal_text
from entrepot.validate.known import known_format
from entrepot.validate.types import canonical

if TYPE_CHECKING:
    import pyarrow as pa

Facts = Callable[[Any], dict[str, object]]


@dataclass(frozen=True, slots=True)
class Check:
    """One rule of a field.

    ``wrong`` gives a mask of the cells that break it (null or false elsewhere), from the values
    and the texts they were cast from. ``facts`` are what the finding's message names, from the
    broken cell's value.
    """

    code: str
    wrong: Callable[[pa.Array, pa.Array], pa.Array]
    facts: Facts


def checks_of(field: FieldSpec, pg_type: str = "") -> list[Check]:
    """A field's rules, compiled.

    Args:
        field: The contract's field.
        pg_type: Type of the target column.

    Raises:
        ContractError: A bound, an allowed value, a pattern or a format's name cannot be read.
    """
    found: list[Check] = []
    plain = canonical(field, pg_type)
    if field.range is not None:
        found += _range(field, field.range, plain)
    if field.length is not None and field.type in {"string", "json", "uuid"}:
        found += _length(field)
    if field.pattern is not None:
        found.append(_pattern(field.pattern))
    if field.enum is not None:
        found.append(_enum(field, field.enum, plain))
    if field.type == "string" and field.formats:
        found.append(_formats(field.formats))
    return found


def value_of(field: FieldSpec, text: str, plain: Caster, what: str) -> Any:
    """One of a contract's own values.

    Raises:
        ContractError: It is not of the field's type.
    """
    try:
        return plain.one(text)
    except RefusedValueError:
        raise ContractError(
            f"Field {field.name!r}: {what} {text!r} is not of type {field.type}.",
            hint="Write numbers with a point, dates as 2024-12-31.",
            field=field.name,
        ) from None


def _range(field: FieldSpec, bounds: Range, plain: Caster) -> list[Check]:
    words = f"{'(' if bounds.min_open else '['}{bounds.min or ''}, {bounds.max or ''}{')' if bounds.max_open else ']'}"
    sides = (
        ("too_small", bounds.min, "less_equal" if bounds.min_open else "less"),
        ("too_large", bounds.max, "greater_equal" if bounds.max_open else "greater"),
    )
    found = []
    for code, text, compare in sides:
        if text is not None:
            bound = value_of(field, text, _unbounded(plain, field), "the bound")
            found.append(Check(code, partial(_compare, compare=compare, bound=bound), _told(range=words)))
    return found


def _unbounded(plain: Caster, field: FieldSpec) -> Caster:
    """A decimal's bound may have more digits than the values that it bounds."""
    if field.type != "decimal" and not decimal_parts(field.type):
        return plain
    text = decimal_text(0, 0, NumberStyle())
    return replace(text, one=lambda written: Decimal(text.one(written)))


_OPERATORS = {
    "less": operator.lt,
    "less_equal": operator.le,
    "greater": operator.gt,
    "greater_equal": operator.ge,
}


def _compare(values: pa.Array, _texts: pa.Array, *, compare: str, bound: Any) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    if not isinstance(bound, Decimal):
        return pc.call_function(compare, [values, pa.scalar(bound, values.type)])
    if pa.types.is_decimal(values.type):
        try:
            return pc.call_function(compare, [values, pa.scalar(bound)])
        except pa.ArrowInvalid:  # no Arrow decimal has the digits of both
            pass
    wrong = _OPERATORS[compare]
    cells = (None if v is None else Decimal(v) for v in values.to_pylist())
    return pa.array([c is not None and wrong(c, bound) for c in cells], pa.bool_())


def _told(**facts: object) -> Facts:
    return lambda _value: facts


def _length(field: FieldSpec) -> list[Check]:
    import pyarrow.compute as pc

    low, high = (field.length.min, field.length.max) if field.length else (None, None)
    found = []
    if low:
        found.append(
            Check("too_short", lambda v, _: pc.less(pc.utf8_length(v), low), lambda v: {"actual": len(v), "min": low})
        )
    if high is not None:
        found.append(
            Check(
                "too_long", lambda v, _: pc.greater(pc.utf8_length(v), high), lambda v: {"actual": len(v), "max": high}
            )
        )
    return found


def _pattern(pattern: str) -> Check:
    """The whole value has to match. Compiled by RE2 here and run by Arrow's own RE2: linear time."""
    import pyarrow.compute as pc
    import re2

    options = re2.Options()
    options.log_errors = False
    whole = rf"\A(?:{pattern})\z"
    try:
        re2.compile(pattern, options)
        re2.compile(whole, options)
    except re2.error as error:
        raise ContractError(
            f"Pattern {pattern!r} cannot be read.",
            hint="Patterns are RE2's: no look-around, no back references.",
            pattern=pattern,
            reason=str(error),
        ) from None
    return Check(
        "pattern",
        lambda _, texts: pc.invert(pc.match_substring_regex(texts, whole)),
        _told(pattern=pattern),
    )


def _enum(field: FieldSpec, allowed: list[str], plain: Caster) -> Check:
    import pyarrow as pa
    import pyarrow.compute as pc

    values = [value_of(field, text, plain, "the allowed value") for text in allowed]
    known = pa.array(values, plain.type)
    shown = ", ".join(allowed[:20]) + (f" … ({len(allowed)} in all)" if len(allowed) > 20 else "")

    def wrong(cells: pa.Array, _texts: pa.Array) -> pa.Array:
        return pc.and_(pc.is_valid(cells), pc.invert(pc.is_in(cells, value_set=known)))

    return Check("enum", wrong, _told(accepted=shown))


def _formats(names: list[str]) -> Check:
    """The value has to be in one of the named formats."""
    import pyarrow as pa
    import pyarrow.compute as pc

    formats = [known_format(name) for name in names]

    sure = "|".join(f"({f.sure})" for f in formats if f.sure)

    def wrong(cells: pa.Array, _texts: pa.Array) -> pa.Array:
        if sure:
            passed = pc.match_substring_regex(cells, sure)
            if pc.all(passed).as_py() is not False:
                return pa.array([], pa.bool_())
            cells = pc.if_else(passed, pa.scalar(None, pa.string()), cells)
        encoded = cells.dictionary_encode()
        bad = [not any(f.holds(text) for f in formats) for text in encoded.dictionary.to_pylist()]
        return pc.take(pa.array(bad, pa.bool_()), encoded.indices)

    return Check("format", wrong, _told(accepted=" or ".join(f.title for f in formats)))
