"""What a cell looks like at first sight, and what the cells of each column usually look like.

Nothing is cast here. Rows that do not fit are put in order by it, and headers are told from rows.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

_KINDS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("integer", re.compile(r"[+-]?[0-9]+")),
    ("number", re.compile(r"[+-]?(?:[0-9]{1,3}(?:[ .,'\u00a0\u2019][0-9]{3})*|[0-9]*)[.,]?[0-9]+(?:[eE][+-]?[0-9]+)?")),
    ("money", re.compile(r"[+-]?[$€£¥]\s?[0-9][0-9.,]*|[+-]?[0-9][0-9.,]*\s?[$€£¥]")),
    ("percent", re.compile(r"[+-]?[0-9][0-9.,]*\s?%")),
    ("time", re.compile(r"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?(?:\s?[AaPp][Mm])?")),
    ("date", re.compile(r"[0-9]{1,4}([-/.])[0-9]{1,2}\1[0-9]{1,4}|[0-9]{1,2}[- ][A-Za-z]{3,9}\.?[-, ]+[0-9]{2,4}")),
    ("moment", re.compile(r"[0-9]{1,4}([-/.])[0-9]{1,2}\1[0-9]{1,4}[T ][0-9]{1,2}:[0-9]{2}.{0,24}")),
    ("address", re.compile(r"[a-z][a-z0-9+.-]*://\S+|www\.\S+", re.IGNORECASE)),
    ("mail", re.compile(r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}")),
    ("code", re.compile(r"(?=\S*[0-9])[\w./#:-]+")),
    ("word", re.compile(r"[\w'\u2019-]+")),
)
TYPED = frozenset({"integer", "number", "money", "percent", "time", "date", "moment", "address", "mail"})
"""Kinds that no name of a column has, but for years."""

MISSING = frozenset({"", "-", "--", ".", "..", "...", "*", "?", "na", "n/a", "nan", "null", "none", "nil", "#n/a", "x"})
"""Stands for a value that is not there; says nothing of its column."""

_NEAR = ({"integer", "number", "money", "percent"}, {"word", "text", "code"}, {"date", "moment"})
_LONGEST = 200
_MOST_VALUES = 60


@lru_cache(maxsize=1 << 14)
def kind_of(cell: str) -> str:
    """The kind of a cell's text: empty, one of the named kinds, or text. A stray quote at its edge is not looked at."""
    text = cell.strip(" \t\"'")
    if text.lower() in MISSING:
        return ""
    if len(text) <= _LONGEST:
        for name, pattern in _KINDS:
            if pattern.fullmatch(text):
                return name
    return "text"


@dataclass(slots=True)
class ColumnKinds:
    """How often each kind, and each value where there are few, stands in each column of well-formed rows."""

    counts: list[Counter[str]]
    values: list[Counter[str]] = field(default_factory=list)
    rows: int = 0
    _likely: dict[tuple[int, str], float] = field(default_factory=dict)

    @staticmethod
    def of(rows: Iterable[Sequence[str]], width: int) -> ColumnKinds:
        """Learns from rows of the right width."""
        kinds = ColumnKinds([Counter() for _ in range(width)], [Counter() for _ in range(width)])
        for row in rows:
            kinds.rows += 1
            for count, values, cell in zip(kinds.counts, kinds.values, row, strict=True):
                count[kind_of(cell)] += 1
                if len(values) <= _MOST_VALUES:
                    values[cell] += 1
        return kinds

    def fit(self, column: int, cell: str) -> float:
        """The logarithm of how likely the cell is in that column; 0 for certain."""
        if not self.rows:
            return 0.0
        kind = kind_of(cell)
        likely = self._likely.get((column, kind))
        if likely is None:
            count = self.counts[column]
            near = sum(count[k] for group in _NEAR if kind in group for k in group if k != kind)
            likely = (count[kind] + 0.3 * near + 0.01 * self.rows + 0.05) / (self.rows * 1.3 + 0.1)
            self._likely[column, kind] = likely
        values = self.values[column]
        if cell and self.rows >= 10 and len(values) <= min(_MOST_VALUES, self.rows // 2):
            likely *= 1.3 if cell in values else 0.15
        return math.log(min(1.0, likely))

    def accepts(self, cells: Sequence[str], *, blanks: bool = False) -> bool:
        """Whether every cell is of a kind that its column is known for.

        Args:
            cells: Of one row.
            blanks: Whether any cell may be empty.
        """
        return all(
            (blanks and not cell) or self.counts[i][kind_of(cell)] > 0.02 * self.rows or self._near(i, cell)
            for i, cell in enumerate(cells)
        )

    def anchors(self) -> int:
        """How many columns have values that words are not."""
        return sum(self.typed(i) for i in range(len(self.counts)))

    def _near(self, column: int, cell: str) -> bool:
        kind = kind_of(cell)
        return any(self.counts[column][k] for group in _NEAR if kind in group for k in group)

    def typed(self, column: int) -> bool:
        """Whether nearly all filled cells of a column are of kinds that no name has."""
        count = self.counts[column]
        filled = sum(n for kind, n in count.items() if kind)
        return filled > 0 and sum(n for kind, n in count.items() if kind in TYPED) >= 0.8 * filled
