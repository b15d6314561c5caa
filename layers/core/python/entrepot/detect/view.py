"""The records of a text, with what every look at its tables asks of them."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence

from entrepot.formats.grammar import BLANK, GOOD
from entrepot.formats.kinds import ColumnKinds
from entrepot.formats.mend import SHORT, Mended

NEAR = 12
"""Rows further down that say how wide the table is."""

Mend = Callable[[int, list[str], int, "ColumnKinds | None"], Mended]
"""``mend(record, cells, width, kinds)``: the cells of an odd record as they were meant."""


def is_blank(kind: int, cells: Sequence[str]) -> bool:
    """Whether a record has nothing in it."""
    return kind == BLANK or not any(c.strip() for c in cells)


class View:
    """Records by their places.

    Args:
        kinds: The kind of each record.
        rows: The cells of each record.
        mend: Reads an odd record for a table of known width.

    Attributes:
        filled: The places of records that are not blank.
    """

    def __init__(self, kinds: Sequence[int], rows: list[list[str]], mend: Mend) -> None:
        self.kinds = kinds
        self.rows = rows
        self.mend = mend
        self.blanks = [is_blank(kind, row) for kind, row in zip(kinds, rows, strict=True)]
        self.filled = [i for i, blank in enumerate(self.blanks) if not blank]
        self._filled_of: dict[int, list[int]] = {}
        for i in self.filled:
            self._filled_of.setdefault(len(rows[i]), []).append(i)

    def blank(self, i: int) -> bool:
        """Whether a record has nothing in it."""
        return self.blanks[i]

    def behind(self, i: int, width: int) -> tuple[int, int]:
        """How many records from ``i`` on are not blank, and how many of them have so many cells."""
        same = self._filled_of.get(width, [])
        return len(self.filled) - bisect_left(self.filled, i), len(same) - bisect_left(same, i)

    def next(self, i: int) -> int:
        """The next record that is not blank."""
        while i < len(self.rows) and self.blank(i):
            i += 1
        return i

    def width(self, i: int) -> tuple[int, float]:
        """The usual number of cells of the records from ``i`` on, and the share of those that have it."""
        found = []
        for j in range(i, min(len(self.rows), i + 4 * NEAR)):
            if not self.blank(j):
                found.append(len(self.rows[j]))
                if len(found) == NEAR:
                    break
        if not found:
            return 1, 0.0
        widths = Counter(found)
        width = max(widths, key=lambda w: (widths[w], w))
        return width, widths[width] / len(found)

    def cells(self, i: int, width: int, kinds: ColumnKinds | None) -> list[str]:
        """The cells of a record, of an odd one as they were meant where that is clear."""
        row = self.rows[i]
        if self.kinds[i] == GOOD and len(row) == width:
            return row
        mended = self.mend(i, row, width, kinds)
        return row if mended.how == SHORT and self.kinds[i] == GOOD else mended.cells
