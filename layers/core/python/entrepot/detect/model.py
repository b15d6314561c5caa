"""Profiles: what is known of every column, bounded in size and mergeable in any order."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TypeVar

from pydantic import Field

from entrepot.detect.sketch import estimate, merged
from entrepot.model.base import Stored
from entrepot.model.usage import Usage

T = TypeVar("T")

MAX_SMALL = 50
"""Distinct values up to which a column's values are kept with their counts."""

EXAMPLES = 5
SHOWN_LENGTH = 100


MAX_KINDS = 60
"""Ways of writing moments, numbers or decorations up to which a column may be of them."""


class Seen(Stored):
    """Cells that one pattern reads.

    Attributes:
        cells: How many they are.
        either: How many this pattern reads or another order of its parts does.
        least: The earliest, in ISO form.
        most: The latest.
        firsts: Of dates of three small numbers: the values of the first, as bits.
        lasts: Of the last.
    """

    cells: int = 0
    either: int = 0
    least: str = ""
    most: str = ""
    firsts: int = 0
    lasts: int = 0

    def merge(self, other: Seen) -> Seen:
        """Both together."""
        return Seen(
            cells=self.cells + other.cells,
            either=self.either + other.either,
            least=min(filter(None, (self.least, other.least)), default=""),
            most=max(self.most, other.most),
            firsts=self.firsts | other.firsts,
            lasts=self.lasts | other.lasts,
        )


class NumberShape(Stored):
    """Numbers of one way of writing, such as ``9,999.9``: what parts them is told apart when all are known.

    Attributes:
        cells: How many they are.
        whole: Most digits before the last mark, thousands left out.
        scale: Most digits after it.
        digits: Most digits of one number.
        zeros: Cells that begin with a zero too many, such as 007.
        least: The least, its digits and a point for the last mark.
        most: The greatest.
    """

    cells: int = 0
    whole: int = 0
    scale: int = 0
    digits: int = 0
    zeros: int = 0
    least: str = ""
    most: str = ""

    def merge(self, other: NumberShape) -> NumberShape:
        """Both together."""
        return NumberShape(
            cells=self.cells + other.cells,
            whole=max(self.whole, other.whole),
            scale=max(self.scale, other.scale),
            digits=max(self.digits, other.digits),
            zeros=self.zeros + other.zeros,
            least=_less(self.least, other.least),
            most=_greater(self.most, other.most),
        )


def _less(first: str, second: str) -> str:
    return min((t for t in (first, second) if t), key=_order, default="")


def _greater(first: str, second: str) -> str:
    return max((t for t in (first, second) if t), key=_order, default="")


def _order(text: str) -> tuple[Decimal, str]:
    return Decimal(text), text


class ColumnProfile(Stored):
    """One column.

    Attributes:
        cells: Cells that are not empty.
        empty: Cells that are.
        blank: Cells with nothing but blanks in them.
        marks: Cells of nothing but #: what spreadsheets write where a column was too narrow.
        fits: Of uuid and json, what every cell is; None before the first cell.
        max_length: Characters of the longest cell.
        numbers: Way of writing → its numbers; None when the cells are too various to be looked at.
        signs: What stands around numbers → in how many cells.
        moments: ``kind:pattern`` → the cells that it reads; None as for numbers.
        sketch: Of the distinct values.
        repeated: Whether some value came twice within one chunk.
        twice: Of the sketch's values, those that came in more than one chunk.
        examples: By hash; the smallest ones.
        small: All values with their counts while they are few; None when they are many.
    """

    cells: int = 0
    empty: int = 0
    blank: int = 0
    marks: int = 0
    fits: list[str] | None = None
    max_length: int = 0
    numbers: dict[str, NumberShape] | None = Field(default_factory=dict)
    signs: dict[str, int] = Field(default_factory=dict)
    moments: dict[str, Seen] | None = Field(default_factory=dict)
    sketch: list[int] = Field(default_factory=list)
    repeated: bool = False
    twice: list[int] = Field(default_factory=list)
    examples: dict[str, str] = Field(default_factory=dict)
    small: dict[str, int] | None = Field(default_factory=dict)

    @property
    def distinct(self) -> int:
        """How many distinct values there are, about."""
        return estimate(self.sketch)

    @property
    def may_be_unique(self) -> bool:
        """Whether nothing speaks against every row having its own value."""
        again = self.repeated or bool(self.twice)
        return self.cells > 0 and not self.empty and not again and self.distinct >= 0.8 * self.cells

    def merge(self, other: ColumnProfile) -> ColumnProfile:
        """Both together; the order does not matter."""
        numbers = _merged(self.numbers, other.numbers, NumberShape.merge)
        signs = {s: self.signs.get(s, 0) + other.signs.get(s, 0) for s in sorted({*self.signs, *other.signs})}
        if numbers is None or len(signs) > MAX_KINDS:
            numbers, signs = None, {}
        sketch = merged((self.sketch, other.sketch))
        # A value of the sketch of all chunks is in the sketch of each chunk that has it, however they are merged.
        twice = {*self.twice, *other.twice, *({*self.sketch} & {*other.sketch})}
        return ColumnProfile(
            cells=self.cells + other.cells,
            empty=self.empty + other.empty,
            blank=self.blank + other.blank,
            marks=self.marks + other.marks,
            fits=_both(self.fits, other.fits),
            max_length=max(self.max_length, other.max_length),
            numbers=numbers,
            signs=signs,
            moments=_merged(self.moments, other.moments, Seen.merge),
            sketch=sketch,
            repeated=self.repeated or other.repeated,
            twice=sorted(twice & {*sketch}),
            examples=dict(sorted({**self.examples, **other.examples}.items(), key=lambda e: int(e[0]))[:EXAMPLES]),
            small=_counts(self.small, other.small),
        )


def _both(first: list[str] | None, second: list[str] | None) -> list[str] | None:
    if first is None or second is None:
        return second if first is None else first
    return [f for f in first if f in second]


def _merged(first: dict[str, T] | None, second: dict[str, T] | None, merge: Callable[[T, T], T]) -> dict[str, T] | None:
    """Both, name by name; None once one is, or there are too many names."""
    if first is None or second is None:
        return None
    found = {**first, **second}
    found |= {name: merge(first[name], second[name]) for name in first if name in second}
    return dict(sorted(found.items())) if len(found) <= MAX_KINDS else None


def _counts(first: dict[str, int] | None, second: dict[str, int] | None) -> dict[str, int] | None:
    if first is None or second is None:
        return None
    total = {v: first.get(v, 0) + second.get(v, 0) for v in sorted({*first, *second})}
    return total if len(total) <= MAX_SMALL else None


class Profile(Stored):
    """One chunk, or several merged, or the whole source."""

    rows: int = 0
    """Rows that could be read."""
    refused: int = 0
    columns: list[ColumnProfile] = Field(default_factory=list)
    usage: Usage = Field(default_factory=Usage)
    """What finding this out used, where that was measured."""
