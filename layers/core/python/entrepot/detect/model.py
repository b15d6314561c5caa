"""Profiles: what is known of every column, bounded in size and mergeable in any order."""

from __future__ import annotations

from pydantic import Field

from entrepot.detect.sketch import estimate, merged
from entrepot.model.base import Stored
from entrepot.model.usage import Usage

MAX_SMALL = 50
"""Distinct values up to which a column's values are kept with their counts."""

EXAMPLES = 5
SHOWN_LENGTH = 100


class NumberShape(Stored):
    """How the numbers of a column are written."""

    whole: int = 0
    """Most digits before the point."""
    scale: int = 0
    """Most digits after it."""
    digits: int = 0
    leading_zeros: bool = False
    """There are cells such as 007: identifiers, not numbers."""
    plus: bool = False
    """There are cells with a plus sign: often phone numbers."""
    exponent: bool = False

    def merge(self, other: NumberShape) -> NumberShape:
        """Both together."""
        return NumberShape(
            whole=max(self.whole, other.whole),
            scale=max(self.scale, other.scale),
            digits=max(self.digits, other.digits),
            leading_zeros=self.leading_zeros or other.leading_zeros,
            plus=self.plus or other.plus,
            exponent=self.exponent or other.exponent,
        )


class ColumnProfile(Stored):
    """One column. ``fits`` are the hypotheses that every cell bears out; None before the first cell."""

    cells: int = 0
    """Cells that are not empty."""
    empty: int = 0
    fits: list[str] | None = None
    max_length: int = 0
    number: NumberShape | None = None
    sketch: list[int] = Field(default_factory=list)
    repeated: bool = False
    """Whether some value came twice within one chunk."""
    examples: dict[str, str] = Field(default_factory=dict)
    """By hash; the smallest ones."""
    small: dict[str, int] | None = Field(default_factory=dict)
    """All values with their counts while they are few; None when they are many."""

    @property
    def distinct(self) -> int:
        """How many distinct values there are, about."""
        return estimate(self.sketch)

    @property
    def may_be_unique(self) -> bool:
        """Whether nothing speaks against every row having its own value."""
        return self.cells > 0 and not self.empty and not self.repeated and self.distinct >= 0.8 * self.cells

    def merge(self, other: ColumnProfile) -> ColumnProfile:
        """Both together; the order does not matter."""
        return ColumnProfile(
            cells=self.cells + other.cells,
            empty=self.empty + other.empty,
            fits=_both(self.fits, other.fits),
            max_length=max(self.max_length, other.max_length),
            number=_number(self, other),
            sketch=merged((self.sketch, other.sketch)),
            repeated=self.repeated or other.repeated,
            examples=dict(sorted({**self.examples, **other.examples}.items(), key=lambda e: int(e[0]))[:EXAMPLES]),
            small=_counts(self.small, other.small),
        )


def _both(first: list[str] | None, second: list[str] | None) -> list[str] | None:
    if first is None or second is None:
        return second if first is None else first
    return [f for f in first if f in second]


def _number(first: ColumnProfile, second: ColumnProfile) -> NumberShape | None:
    """None as soon as one side has cells that are no numbers."""
    if first.number is None or second.number is None:
        return (first.number if not second.cells else None) or (second.number if not first.cells else None)
    return first.number.merge(second.number)


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
