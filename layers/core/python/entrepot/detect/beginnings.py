"""Finds the record with which a table begins: what stands above it is said about it, or is nothing."""

from __future__ import annotations

import re

from entrepot.detect.header import header_rows
from entrepot.detect.view import NEAR, View
from entrepot.formats.kinds import TYPED, kind_of

_SHARE = 0.5
"""Of the rows near by, that have the same number of cells."""
_MOST_ABOVE = 60
_LEARNED = 400
_REMARK = re.compile(r"(#|//|%|!|--)\s")


class Beginnings:
    """Finds beginnings.

    Args:
        view: The records.
        loose: Whether cells may have the delimiter in them unquoted: the header then says how many there are.
    """

    def __init__(self, view: View, *, loose: bool) -> None:
        self._view = view
        self._loose = loose

    def width(self, start: int) -> int:
        """How many cells the rows of a table have that begins with this record."""
        below = self._view.next(start + 1)
        own = len(self._view.rows[start])
        width, share = self._view.width(below) if below < len(self._view.rows) else (own, 1.0)
        if share < _SHARE:
            width = self._view.width(start)[0]
        if self._loose and self._has_names(start) and not self.numbered(below, own + 1):
            return own
        return max(width, 1)

    def start(self, at: int, *, first: bool) -> int | None:
        """The record with which a table begins."""
        begin = self._view.next(at)
        if begin >= len(self._view.rows):
            return None
        for i in range(begin, min(len(self._view.rows), begin + _MOST_ABOVE)):
            if not self._view.blank(i) and (first or len(self._view.rows[i]) > 1) and self._begins(i):
                return i
        # Nothing is orderly: the first record with several cells then begins what there is.
        several = (
            i for i in range(begin, len(self._view.rows)) if len(self._view.rows[i]) > 1 and not self._view.blank(i)
        )
        return next(several, begin) if first else None

    def _begins(self, i: int) -> bool:
        row = self._view.rows[i]
        after = self._view.next(i + 1)
        width, share = self._view.width(after) if after < len(self._view.rows) else (len(row), 1.0)
        if share < _SHARE:
            width, share = self._view.width(i)
        if self._loose and self._has_names(i):
            return True
        if len(row) > width > 0 and sum(bool(c.strip()) for c in row) >= max(2, width):
            return True  # what stands above a table has no more cells than it
        if width == 1 and share > _SHARE:
            # A table of one column, or a text: only what stands with others of more cells is above something.
            return len(row) == 1 and not self._wider_below(i)
        if self._is_said(i, after, width):
            return False
        cells = row if len(row) == width else self._view.cells(i, width, None)
        fits = len(cells) > 1 and share >= _SHARE and abs(len(cells) - width) <= max(1, width // 3)
        return fits and self._filled_enough(i, after, cells, width)

    def _is_said(self, i: int, after: int, width: int) -> bool:
        """Whether a narrower record is a title or a remark above the table."""
        row = self._view.rows[i]
        mark = _REMARK.match(row[0])
        if mark and self._remarks_end(after, mark[1]):
            return True
        if len(row) == 1 < width and self._headed(after):
            return True
        return len(row) < width and (after > i + 1 or row[0].startswith(("#", "//")))

    def _remarks_end(self, i: int, mark: str) -> bool:
        """Whether there are rows without the mark near by."""
        near = [r for r in self._view.rows[i : i + 4 * NEAR] if r]
        return any(not r[0].startswith(mark) for r in near)

    def _filled_enough(self, i: int, after: int, cells: list[str], width: int) -> bool:
        """Whether a record of the table's width has as much in it as its first record would."""
        filled = [j for j, c in enumerate(cells) if c.strip()]
        if filled == [0]:
            return width == 2 and not (after < len(self._view.rows) and (after > i + 1 or self._headed(after)))
        if filled == [0, 1] and width > 3 and self._fuller_below(i, width):
            return False  # a word and its value above the header
        if len(filled) == 1 and not self._fuller_below(i, width):
            return True  # as sparse as the rows below it
        return len(filled) >= min(2, width - 1)

    def _has_names(self, i: int) -> bool:
        """Whether a record has a word for every column, and hardly any below it lacks more than the last cell."""
        row = self._view.rows[i]
        near = [r for j, r in enumerate(self._view.rows[i + 1 : i + 4 * NEAR], i + 1) if not self._view.blank(j)]
        words = len(row) > 2 and len(set(row)) == len(row) and all(c.strip() and kind_of(c) not in TYPED for c in row)
        more = sum(len(r) > len(row) for r in near)
        return words and more > 0.2 * len(near) and sum(len(r) < len(row) - 1 for r in near) < 0.1 * len(near)

    def _headed(self, i: int) -> bool:
        return i < len(self._view.rows) and header_rows([r for r in self._view.rows[i : i + 40] if r]) > 0

    def _fuller_below(self, i: int, width: int) -> bool:
        return any(sum(bool(c.strip()) for c in row) > 0.6 * width for row in self._view.rows[i + 1 : i + NEAR])

    def _wider_below(self, i: int) -> bool:
        below = [len(r) for j, r in enumerate(self._view.rows[i : i + _MOST_ABOVE], i) if not self._view.blank(j)]
        wide = [w for w in below if w > 1]
        return len(wide) >= 2 and len(wide) >= 0.5 * len(below)

    def numbered(self, first: int, width: int) -> bool:
        """Whether the rows are numbered in their first cell."""
        rows = [r for i, r in enumerate(self._view.rows[first : first + _LEARNED], first) if not self._view.blank(i)]
        return len(rows) > 1 and all(len(r) == width and r[0] == str(n) for n, r in enumerate(rows, 1))

    def leading(self, at: int, start: int, width: int) -> int:
        """How many records right above the header name groups of its columns."""
        count = 0
        while start - count - 1 >= at and count < 3:
            cells = self._view.rows[start - count - 1]
            filled = [j for j, c in enumerate(cells) if c.strip()]
            if len(cells) != width or len(filled) < 2 or filled == [0, 1] or width < 3 or _REMARK.match(cells[0]):
                break
            if any(kind_of(cells[j]) in TYPED - {"integer"} for j in filled):
                break
            count += 1
        return count
