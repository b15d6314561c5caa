"""Contract types and the Arrow types that carry them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from entrepot.model.contract import FieldSpec, decimal_parts
from entrepot.validate.casts import dates, numbers, times, words
from entrepot.validate.casts.base import Caster

if TYPE_CHECKING:
    import pyarrow as pa

MAX_ARROW_DIGITS = 76
"""Digits of Arrow's widest decimal; longer ones are carried as text."""


def arrow_type(word: str, *, zoned: bool = False) -> pa.DataType:
    """The Arrow type of a contract's type word.

    Args:
        word: ``string integer decimal decimal(p,s) float boolean date datetime time uuid json``.
        zoned: Whether a datetime's values are instants (see `is_zoned`).
    """
    import pyarrow as pa

    parts = decimal_parts(word)
    if parts and parts[0] <= MAX_ARROW_DIGITS:
        return pa.decimal128(*parts) if parts[0] <= 38 else pa.decimal256(*parts)
    if word == "datetime":
        return pa.timestamp("us", "UTC") if zoned else pa.timestamp("us")
    simple = {
        "integer": pa.int64(),
        "float": pa.float64(),
        "boolean": pa.bool_(),
        "date": pa.date32(),
        "time": pa.time64("us"),
    }
    return simple.get(word, pa.string())


def is_zoned(field: FieldSpec, pg_type: str = "") -> bool:
    """Whether a datetime field holds instants: its formats say so, or its target column does.

    Args:
        field: The contract's field.
        pg_type: Type of the target column, as ``format_type`` prints it.
    """
    return field.type == "datetime" and (times.has_zone(field.formats) or pg_type.endswith(" with time zone"))


def caster(field: FieldSpec, decimal_mark: str = ".", pg_type: str = "") -> Caster:
    """How a field's cells are cast.

    Raises:
        ContractError: The field's formats cannot be read.
    """
    word = field.type
    if word in {"integer", "float", "decimal"} or decimal_parts(word):
        return _number(word, numbers.NumberStyle.of(field.formats, decimal_mark))
    if word == "datetime":
        return times.datetime(field.formats, zoned=is_zoned(field, pg_type))
    if word == "boolean":
        return words.boolean(field.formats)
    if word == "date":
        return dates.date(field.formats)
    if word == "time":
        return times.time(field.formats)
    return {"uuid": words.uuid, "json": words.json_text}.get(word, words.string)()


def canonical(field: FieldSpec, pg_type: str = "") -> Caster:
    """How a contract's own values (bounds, defaults, enums) are read: plain numbers, ISO dates."""
    formats = ["not-finite"] if field.type == "float" else ["iso%z"] if is_zoned(field, pg_type) else []
    return caster(field.model_copy(update={"formats": formats}), ".", pg_type)


def _number(word: str, style: numbers.NumberStyle) -> Caster:
    if word == "integer":
        return numbers.integer(style)
    if word == "float":
        return numbers.double(style)
    precision, scale = decimal_parts(word) or (0, 0)
    if 0 < precision <= MAX_ARROW_DIGITS:
        return numbers.decimal(precision, scale, style)
    return numbers.decimal_text(precision, scale, style)
