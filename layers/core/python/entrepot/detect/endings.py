"""Finds the record before which a table ends: another header, other widths, or what a blank line sets apart."""

from __future__ import annotations

from bisect import bisect_left

from entrepot.detect.header import header_rows
from entrepot.detect.view import View
from entrepot.formats.grammar import BLANK
from entrepot.formats.kinds import TYPED, ColumnKinds, kind_of

_FEW = 4
"""Records that are too few to be another table behind a row of empty cells."""
_LOOKS = 500
"""Records of another width that are looked at for a header: where so many are none, the widths only vary."""


class Ending:
    """Finds the end of one table.

    Args:
        view: The records.
        first: The table's first row.
        width: How many columns it has.
        names: The cells of its header; none without one.
        kinds: What its columns hold.
    """

    def __init__(self, view: View, first: int, width: int, names: list[str], kinds: ColumnKinds) -> None:
        self._view = view
        self._first = first
        self._columns = width
        self._names = names
        self._known = kinds
        self._looks = 0
        self._filled = view.filled
        self._alike: dict[int, bool] = {}
        self._counted = (0, 0, 0)

    def find(self) -> int:
        """The place behind the last record that could be one of its rows."""
        size = len(self._view.rows)
        for i in range(self._first, size):
            if self._view.blank(i):
                parts = i + 1 < size and not self._view.blank(i + 1) and not self._is_row(i)
                if parts and self._ends_before(i + 1):
                    return i
                continue
            row = self._view.rows[i]
            if i > self._first and self._repeats(row):
                return i
            if len(row) != self._columns and not self._view.blank(i - 1) and self._few_behind(i) and self._changes(i):
                return i
        return size

    def _is_row(self, i: int) -> bool:
        """Whether a record with nothing in it is a row of empty cells, rather than what sets tables apart."""
        if self._view.kinds[i] == BLANK or len(self._view.rows[i]) != self._columns:
            return False
        return self._columns == 1 or len(self._view.rows) - i <= _FEW

    def _few_behind(self, i: int) -> bool:
        """Whether hardly any record from here on has the table's width."""
        filled, same = self._view.behind(i, self._columns)
        return same <= 0.1 * filled

    def _repeats(self, row: list[str]) -> bool:
        """Whether a row is the header once more, or as much of it as another table shares."""
        names = self._names
        common = min(len(row), len(names))
        if common < 2 or abs(len(row) - len(names)) > max(1, len(names) // 2):
            return False
        return row[:common] == names[:common] and sum(bool(c.strip()) for c in row) >= 2

    def _changes(self, i: int) -> bool:
        """Whether from here on, without a blank line, all rows have another number of cells."""
        width, share = self._view.width(i)
        if width == self._columns or width < 2 or len(self._view.rows[i]) != width or share < 0.7 or i == self._first:
            return False
        self._looks += 1
        if self._looks > _LOOKS:
            return False
        table = [r for j, r in enumerate(self._view.rows[i : i + 60], i) if not self._view.blank(j)]
        return len(table) > 2 and header_rows(table) > 0

    def _ends_before(self, i: int) -> bool:
        """Whether what begins behind a blank line is no further row of the table."""
        row = self._view.rows[i]
        at = bisect_left(self._filled, i)
        rest = self._filled[at : at + 200]
        alike = self._count_alike(at, at + len(rest))
        if alike > 0.5 * len(rest) and not (len(row) == self._columns and self._heads(row)):
            # Rows go on behind the blank line, unless another header comes among them.
            return any(
                self._heads(self._view.rows[j]) and self._view.blank(j - 1) for j in rest[:3] if j > self._first
            ) and not self._like_rows(i)
        if len(row) == self._columns and self._columns > 1:
            return self._heads(row)
        if len(row) == 1 or not any(c.strip() for c in row[1:]):
            return True
        # One row with another number of cells is an odd row; several are another table.
        alike = sum(len(self._view.rows[j]) == len(row) for j in rest)
        return alike > 1 and 2 * alike >= len(rest)

    def _count_alike(self, start: int, end: int) -> int:
        """How many of these filled records are like the table's rows, from the count that was asked for before."""
        before, until, count = self._counted
        if not before <= start < until <= end:
            before, until, count = start, start, 0
        count -= sum(map(self._like_rows, self._filled[before:start]))
        count += sum(map(self._like_rows, self._filled[until:end]))
        self._counted = (start, end, count)
        return count

    def _like_rows(self, i: int) -> bool:
        """Whether a record is like the table's rows; found out once, since each is looked at from many blank lines."""
        if i not in self._alike:
            self._alike[i] = self._is_like_rows(self._view.rows[i])
        return self._alike[i]

    def _is_like_rows(self, row: list[str]) -> bool:
        return (
            len(row) == self._columns
            and (self._columns == 1 or sum(bool(c.strip()) for c in row) > 1)
            and self._known.accepts(row)
        )

    def _heads(self, row: list[str]) -> bool:
        """Whether a row has names where the table's columns have values."""
        if len(row) != self._columns:
            return False
        typed = [i for i in range(self._columns) if self._known.typed(i)]
        words = [i for i in typed if row[i].strip() and kind_of(row[i]) not in TYPED]
        return bool(typed) and len(words) >= max(1, 0.6 * len(typed)) and all(c.strip() for c in row)
