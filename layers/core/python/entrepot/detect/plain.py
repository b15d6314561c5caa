"""Columns of plain numbers, the quick way: nothing but digits, one point and a minus in front."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from entrepot.detect.model import ColumnProfile, NumberShape, Seen
from entrepot.detect.moments import moments
from entrepot.detect.shapes import Ints, Places, Shape, Texts, Token
from entrepot.detect.sketch import WORD

if TYPE_CHECKING:
    import pyarrow as pa

Bools = npt.NDArray[np.bool_]

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
    rest = texts.data[:-WORD].tobytes().translate(None, _DIGITS)
    if rest.translate(None, b".-") or not texts.lengths.all():
        return False
    points = rest.count(b".")
    minus = texts.data[texts.starts] == ord("-") if len(rest) > points else None
    if len(rest) - points != (0 if minus is None else int(minus.sum())):
        return False
    where = _points(texts, points) if points else None
    if points and where is None:
        return False
    measure = _Measure(texts, column, minus, where)
    if not measure.sound():
        return False
    profile.numbers = dict(sorted(measure.ways().items()))
    profile.signs = {} if minus is None else {"minus": texts.cells(np.flatnonzero(minus))}
    profile.moments = {} if points or minus is not None else _compact(texts)
    return True


def _points(texts: Texts, points: int) -> Ints | None:
    """Where each text has its point, -1 for none; None when one has two."""
    at = np.flatnonzero(texts.data[:-WORD] == ord("."))
    if points == len(texts.starts):
        where = at - texts.starts
        # With a point for each text, none has two when each lies within its own.
        return where if (where >= 0).all() and (where < texts.lengths).all() else None
    owner = np.repeat(np.arange(len(texts.starts), dtype=np.int32), texts.lengths)[at]
    if (owner[1:] == owner[:-1]).any():
        return None
    where = np.full(len(texts.starts), -1, dtype=np.int64)
    where[owner] = at - texts.starts[owner]
    return where


class _Measure:
    def __init__(self, texts: Texts, column: pa.Array, minus: Bools | None, where: Ints | None) -> None:
        self._texts = texts
        self._column = column
        signs = 0 if minus is None else minus.astype(np.int64)
        self._signs = minus is not None
        first = texts.starts + signs
        self._zero = texts.data[first] == ord("0")
        if where is None:
            self._has_point: Bools | None = None
            self._whole: Ints = texts.lengths - signs
            self._scale: Ints | None = None
            return
        has_point = where >= 0
        self._has_point = has_point
        self._whole = where * has_point + texts.lengths * ~has_point - signs
        self._scale = (texts.lengths - where - 1) * has_point
        self._zero &= self._whole > 0

    def _aligned(self) -> bool:
        """Whether the numbers compare as their bytes do from the right: alike in decimals, and no zero too many."""
        if self._signs or (self._zero & (self._whole > 1)).any() or not self._whole.all():
            return False
        return self._scale is None or int(self._scale.min()) == int(self._scale.max())

    def sound(self) -> bool:
        """Whether every cell has a digit."""
        return bool(((self._whole if self._scale is None else self._whole + self._scale) > 0).all())

    def ways(self) -> dict[str, NumberShape]:
        """The measures of each way of writing."""
        if self._has_point is None or self._scale is None:
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
        whole = self._whole[at]
        scale = None if self._scale is None else self._scale[at]
        digits = whole if scale is None else whole + scale
        zeros = np.flatnonzero(self._zero[at])
        zeros = zeros[whole[zeros] > 1]
        least, most = self._extremes(rows, digits, whole=scale is None or not scale.any())
        return NumberShape(
            cells=self._texts.cells(rows),
            whole=int(whole.max()),
            scale=0 if scale is None else int(scale.max()),
            digits=int(digits.max()),
            zeros=self._texts.cells(zeros if rows is None else rows[zeros]) if len(zeros) else 0,
            least=least,
            most=most,
        )

    def _extremes(self, rows: Places | None, digits: Ints, *, whole: bool) -> tuple[str, str]:
        import pyarrow as pa
        import pyarrow.compute as pc

        exact = int(digits.max()) <= MAX_EXACT
        if exact and rows is None and self._aligned():
            least, most = self._texts.ends()
            return _normal(least), _normal(most)
        if not exact:
            short = np.flatnonzero(digits <= MAX_EXACT)
            rows = short if rows is None else rows[short]
        if rows is not None and not len(rows):
            return "", ""
        column = self._column if rows is None else self._column.take(pa.array(rows))
        if whole and self._has_point is None:
            found = pc.min_max(pc.cast(column, pa.int64())).as_py()
            return str(found["min"]), str(found["max"])
        values = pc.cast(column, pa.float64())
        found = pc.min_max(values).as_py()
        lowest, highest = (column.filter(pc.equal(values, found[m])).unique().to_pylist() for m in ("min", "max"))
        return min(map(_normal, lowest), key=_order), max(map(_normal, highest), key=_order)


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
