"""Columns of plain numbers, the quick way: nothing but digits, one point and a minus in front."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from entrepot.detect.model import ColumnProfile, NumberShape, Seen
from entrepot.detect.moments import moments
from entrepot.detect.shapes import Ints, Places, Shape, Texts, Token

if TYPE_CHECKING:
    import pyarrow as pa

_DIGITS = b"0123456789"
_COMPACT = (8, 12, 14)
MAX_EXACT = 18
"""Digits up to which extremes are kept."""


def plain_numbers(profile: ColumnProfile, texts: Texts, column: pa.Array) -> bool:
    """Measures a column of plain numbers.

    Args:
        profile: Takes the measures.
        texts: The column.
        column: The same column.

    Returns:
        False, and nothing is taken, when some cell is not a plain number.
    """
    rest = texts.data[:-1].tobytes().translate(None, _DIGITS)
    if rest.translate(None, b".-") or not texts.lengths.all():
        return False
    minus = texts.data[texts.starts] == ord("-")
    points = rest.count(b".")
    if len(rest) - points != int(minus.sum()):
        return False
    where = _points(texts, points)
    if where is None:
        return False
    digits = texts.lengths - minus - (where >= 0)
    if not (digits > 0).all():
        return False
    measure = _Measure(texts, column, minus, where)
    profile.numbers = dict(sorted(measure.ways().items()))
    profile.signs = {"minus": texts.cells(np.flatnonzero(minus))} if minus.any() else {}
    profile.moments = {} if points or minus.any() else _compact(texts)
    return True


def _points(texts: Texts, points: int) -> Ints | None:
    """Where each text has its point, -1 for none; None when one has two."""
    where = np.full(len(texts.starts), -1, dtype=np.int64)
    if points:
        at = np.flatnonzero(texts.data[:-1] == ord("."))
        owner = np.repeat(np.arange(len(where), dtype=np.int32), texts.lengths)[at]
        if (owner[1:] == owner[:-1]).any():
            return None
        where[owner] = at - texts.starts[owner]
    return where


class _Measure:
    def __init__(self, texts: Texts, column: pa.Array, minus: npt.NDArray[np.bool_], where: Ints) -> None:
        self._texts = texts
        self._column = column
        self._has_point = where >= 0
        self._whole = np.where(self._has_point, where, texts.lengths) - minus
        self._scale = np.where(self._has_point, texts.lengths - where - 1, 0)
        first = texts.data[texts.starts + minus]
        self._zero = (first == ord("0")) & (self._whole > 0)

    def ways(self) -> dict[str, NumberShape]:
        """The measures of each way of writing."""
        if not self._has_point.any():
            return {"9": self._of(None)}
        thousand = self._has_point & (self._scale == 3) & (self._whole >= 1) & (self._whole <= 3) & ~self._zero
        found = {}
        for way, chosen in (
            ("9", ~self._has_point),
            ("9.9", self._has_point & ~thousand),
            ("9.999", thousand),
        ):
            if chosen.all():
                return {way: self._of(None)}
            if chosen.any():
                found[way] = self._of(np.flatnonzero(chosen))
        return found

    def _of(self, rows: Places | None) -> NumberShape:
        at = slice(None) if rows is None else rows
        whole, scale = self._whole[at], self._scale[at]
        zeros = np.flatnonzero(self._zero[at] & (whole > 1))
        least, most = self._extremes(rows, whole + scale)
        return NumberShape(
            cells=self._texts.cells(rows),
            whole=int(whole.max()),
            scale=int(scale.max()),
            digits=int((whole + scale).max()),
            zeros=self._texts.cells(zeros if rows is None else rows[zeros]) if len(zeros) else 0,
            least=least,
            most=most,
        )

    def _extremes(self, rows: Places | None, digits: Ints) -> tuple[str, str]:
        import pyarrow as pa
        import pyarrow.compute as pc

        if int(digits.max()) > MAX_EXACT:
            short = np.flatnonzero(digits <= MAX_EXACT)
            rows = short if rows is None else rows[short]
        if rows is not None and not len(rows):
            return "", ""
        column = self._column if rows is None else self._column.take(pa.array(rows))
        if not self._scale.any() and not self._has_point.any():
            found = pc.min_max(pc.cast(column, pa.int64())).as_py()
            return str(found["min"]), str(found["max"])
        values = pc.cast(column, pa.float64())
        found = pc.min_max(values).as_py()
        least, most = (column.filter(pc.equal(values, found[m])).unique().to_pylist() for m in ("min", "max"))
        return min(map(_normal, least), key=_order), max(map(_normal, most), key=_order)


def _normal(text: str) -> str:
    value = Decimal(text)
    return format(value.copy_abs() if value.is_zero() else value, "f")


def _order(text: str) -> tuple[Decimal, str]:
    return Decimal(text), text


def _compact(texts: Texts) -> dict[str, Seen]:
    """The dates among numbers of 8, 12 and 14 digits."""
    found: dict[str, Seen] = {}
    for size in _COMPACT:
        rows = np.flatnonzero(texts.lengths == size)
        if len(rows):
            found |= moments(Shape(texts, [Token("9", 0, size)], rows))
    return dict(sorted(found.items()))
