"""Whole numbers, decimals and doubles."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import TYPE_CHECKING

from entrepot.validate.casts.base import Caster, RefusedValueError, fail, holds
from entrepot.validate.casts.styles import NumberStyle

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["NumberStyle", "decimal", "decimal_text", "double", "integer"]

_INT64 = 1 << 63
_PLAIN = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?\Z")
_WHOLE = re.compile(r"[+-]?[0-9]+\Z")


def integer(style: NumberStyle) -> Caster:
    """Whole numbers of 64 bits; a sign and leading zeros are fine."""
    import pyarrow as pa
    import pyarrow.compute as pc

    def fast(texts: pa.Array) -> pa.Array:
        _without(texts, "x")  # Arrow reads 0x10
        return pc.cast(texts, pa.int64())

    def one(text: str) -> int:
        text = style.normal(text)
        if _WHOLE.match(text) is None:
            raise RefusedValueError("integer")
        value = int(text) if len(text) <= 4000 else _INT64
        if not -_INT64 <= value < _INT64:
            raise RefusedValueError("integer_range")
        return value

    return Caster(pa.int64(), fast, one, r"^-?[0-9]{1,18}$", None if style.plain else style.prepare)


def _without(texts: pa.Array, letter: str) -> None:
    """Leaves a fast cast when a letter is there that Arrow reads otherwise than we do."""
    import pyarrow.compute as pc

    # Null cells may keep their bytes, so a hit is looked at again.
    both = letter.encode(), letter.upper().encode()
    if holds(texts, *both) and pc.any(pc.match_substring(texts, letter, ignore_case=True)).as_py():
        fail(letter)


def decimal(precision: int, scale: int, style: NumberStyle) -> Caster:
    """Exact decimals of a stated width; nothing is rounded.

    Args:
        precision: Digits in all, at most 76.
        scale: Decimals.
        style: How numbers are written.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = pa.decimal128(precision, scale) if precision <= 38 else pa.decimal256(precision, scale)
    facts = {"whole": precision - scale, "scale": scale, "type": f"decimal({precision},{scale})"}

    def fast(texts: pa.Array) -> pa.Array:
        _without(texts, "e")  # Arrow makes 0 of 1e-999
        return pc.cast(texts, kind)

    def one(text: str) -> Decimal:
        return _fitting(_decimal(text, style), precision, scale, facts)

    whole, fraction = precision - scale, rf"(\.[0-9]{{0,{scale}}})?"
    sure = rf"^[+-]?[0-9]{{1,{whole}}}{fraction}$" if whole else ""
    return Caster(kind, fast, one, sure, None if style.plain else style.prepare)


def decimal_text(precision: int, scale: int, style: NumberStyle) -> Caster:
    """Decimals of any length, kept as plain text that PostgreSQL reads as numeric.

    Args:
        precision: Digits in all; 0 for no bound.
        scale: Decimals.
        style: How numbers are written.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    facts = {"whole": precision - scale, "scale": scale, "type": f"decimal({precision},{scale})"}
    shape = r"^[+-]?[0-9]+(\.[0-9]+)?$"

    def fast(texts: pa.Array) -> pa.Array:
        if precision or pc.all(pc.match_substring_regex(texts, shape)).as_py() is False:
            fail("by cell")
        return texts

    def one(text: str) -> str:
        value = _decimal(text, style)
        if precision:
            return format(_fitting(value, precision, scale, facts), "f")
        written = style.normal(text)
        return written if re.match(shape, written) else format(value, "f")

    return Caster(pa.string(), fast, one, "" if precision else shape, None if style.plain else style.prepare)


def _decimal(text: str, style: NumberStyle) -> Decimal:
    text = style.normal(text)
    if _PLAIN.match(text) is None:
        raise RefusedValueError("decimal", decimal_mark=style.mark)
    return Decimal(text)


def _fitting(value: Decimal, precision: int, scale: int, facts: dict[str, object]) -> Decimal:
    sign, digits, exponent = value.as_tuple()
    exponent = int(exponent)
    kept = list(digits)
    while exponent < -scale and kept and kept[-1] == 0:
        kept.pop()
        exponent += 1
    significant = len("".join(map(str, kept)).lstrip("0"))
    if exponent < -scale and significant:
        raise RefusedValueError("decimal_scale", **facts)
    if significant and significant + exponent > precision - scale:
        raise RefusedValueError("decimal_precision", **facts)
    return Decimal((sign, tuple(kept), exponent)) if significant else Decimal(0)


def double(style: NumberStyle) -> Caster:
    """Doubles, with exponents; NaN and infinity only where the formats say so."""
    import pyarrow as pa
    import pyarrow.compute as pc

    def fast(texts: pa.Array) -> pa.Array:
        values = pc.cast(texts, pa.float64())
        if pc.all(pc.is_finite(values)).as_py() is False:
            fail("not finite")
        return values

    def one(text: str) -> float:
        text = style.normal(text)
        if style.not_finite and text.lstrip("+-").lower() in {"nan", "inf", "infinity"}:
            return float(text)
        if _PLAIN.match(text) is None:
            words = {"nan", "inf", "infinity"}
            code = "float_range" if text.lstrip("+-").lower() in words else "float"
            raise RefusedValueError(code, decimal_mark=style.mark)
        value = float(text)
        if not math.isfinite(value):
            raise RefusedValueError("float_range")
        return value

    sure = r"^[+-]?[0-9]{1,200}(\.[0-9]{1,200})?$"
    return Caster(pa.float64(), fast, one, sure, None if style.plain else style.prepare)
