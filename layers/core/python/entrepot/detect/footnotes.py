"""Finds where the rows of a table end and what is said about it begins."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from entrepot.formats.kinds import TYPED, ColumnKinds, kind_of

_MARK = re.compile(
    r"\s*(?:[*†‡§#©]|\(c\)|\([0-9*]\)|--|==|source|note|footnote|remark|total|generated|exported|printed"
    r"|created (?:on|by)|end of|downloaded|updated|last |copyright|disclaimer|[0-9]+ (?:rows|records)|rows:|records:"
    r"|quelle|hinweis|anmerkung|stand:|summe|gesamt|fuente|nota|remarque|fonte|bron|kilde|källa|źródło|uwaga)",
    re.IGNORECASE,
)
_SAID = re.compile(r"[^\W\d_]{2}.*\s")
_SPARSE = 0.05
"""Share of rows with their first cell alone from which on such rows are nothing special."""
_FEW = 3
"""Rows with a first cell that tell how long one is; fewer tell nothing, and a row would be lost."""


def is_thin(row: Sequence[str]) -> bool:
    """Whether a record has its first cell alone."""
    return bool(row) and bool(row[0].strip()) and not any(c.strip() for c in row[1:])


@dataclass(slots=True)
class Below:
    """The records of a table and of what stands below it.

    Attributes:
        rows: The cells of all records.
        blanks: Which of them are blank.
        thin: Whether a record has its first cell alone and is not a row in disguise.
        width: How many columns the table has.
        kinds: What they hold.
    """

    rows: Sequence[list[str]]
    blanks: Sequence[bool]
    thin: Callable[[int], bool]
    width: int
    kinds: ColumnKinds

    def end(self, first: int, end: int, *, broken: bool = False) -> int:
        """Behind which record the rows end, when what follows up to ``end`` is said about them.

        Args:
            first: The first row.
            end: Behind the last record that could be a row.
            broken: Whether the last record breaks off.
        """
        at = end
        while at > first and (self.blanks[at - 1] or (self.width > 1 and self.thin(at - 1))):
            at -= 1
        below = [i for i in range(at, end) if not self.blanks[i]]
        if not below or at == first or self.width == 1:
            return self._filled(first, end)
        if self.blanks[at] and len(self.rows[at]) != self.width:
            return self._filled(first, at)
        sparse = sum(is_thin(self.rows[i]) for i in range(first, at) if not self.blanks[i])
        cut_off = broken and len(below) == 1
        if sparse <= _SPARSE * (at - first) and not cut_off and self._says_something(below[0], first, at):
            return self._filled(first, at)
        return self._filled(first, end)

    def _filled(self, first: int, end: int) -> int:
        # A record of as many empty cells as there are columns is a row; a line with nothing on it is none.
        while end > first and self.blanks[end - 1] and len(self.rows[end - 1]) != self.width:
            end -= 1
        return end

    def _says_something(self, i: int, first: int, end: int) -> bool:
        """Whether the only cell of a record is a remark, not the beginning of a row."""
        text = self.rows[i][0]
        if _MARK.match(text):
            return True
        if self.kinds.rows and self.kinds.typed(0):
            return kind_of(text) not in TYPED and any(c.isalpha() for c in text)
        near = range(max(first, end - 200), end)
        lengths = [len(self.rows[j][0]) for j in near if self.rows[j] and self.rows[j][0]]
        return bool(_SAID.match(text)) and len(lengths) >= _FEW and len(text) > 2 * max(lengths)
