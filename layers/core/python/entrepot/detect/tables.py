"""Finds the tables in the records of a text: what stands above the first, its header, where it ends, what follows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice

from entrepot.detect.footnotes import Below, is_thin
from entrepot.detect.header import header_rows, joined_header
from entrepot.formats.grammar import BLANK, GOOD
from entrepot.formats.kinds import TYPED, ColumnKinds, kind_of
from entrepot.formats.mend import DELIMITER, QUOTES, SHORT, Mended

_NEAR = 12
"""Rows further down that say how wide the table is."""
_SHARE = 0.5
"""Of the rows near by, that have the same number of cells."""
_MOST_ABOVE = 60
_LEARNED = 400
_MOST_TABLES = 50
Mend = Callable[[int, list[str], int, "ColumnKinds | None"], Mended]
"""``mend(record, cells, width, kinds)``: the cells of an odd record as they were meant."""


@dataclass(slots=True)
class Part:
    """One table, by the places of its records.

    ``start`` is the first record of its header, ``first`` its first row and ``end`` behind its last.
    """

    start: int
    header: int
    first: int
    end: int
    width: int
    names: list[str] = field(default_factory=list)
    """The header's cells, joined; none without a header."""
    ragged: int = 0
    mended: int = 0


@dataclass(slots=True)
class Layout:
    """The tables of a text, in its order; at least one."""

    parts: list[Part]
    footnotes: int = 0
    """Records below the last row of the first table, up to the next table or the end."""


def blank(kind: int, cells: Sequence[str]) -> bool:
    """Whether a record has nothing in it."""
    return kind == BLANK or not any(c.strip() for c in cells)


class Finder:
    """Finds tables among records.

    Args:
        kinds: The kind of each record.
        rows: The cells of each record.
        mend: Reads an odd record for a table of known width.
        whole: Whether the records are all there are.
        loose: Whether cells may have the delimiter in them unquoted: the header then says how many there are.
    """

    def __init__(
        self, kinds: Sequence[int], rows: list[list[str]], mend: Mend, *, whole: bool, loose: bool = False
    ) -> None:
        self._kinds = kinds
        self._rows = rows
        self._mend = mend
        self._whole = whole
        self._loose = loose
        self._blanks = [blank(kind, row) for kind, row in zip(kinds, rows, strict=True)]

    def layout(self) -> Layout:
        """All tables, and how many records below the first are no rows."""
        parts: list[Part] = []
        at, size = 0, len(self._rows)
        while at < size and len(parts) < _MOST_TABLES:
            part = self._part(at, first=not parts)
            if part is None:
                break
            parts.append(part)
            if not self._whole:
                break
            at = part.end
        if not parts:
            return Layout([Part(0, 0, 0, size, 1)])
        after = parts[1].start if len(parts) > 1 else size
        left = sum(not self._blank(i) for i in range(parts[0].end, after)) if self._whole else 0
        return Layout(parts, left)

    def _blank(self, i: int) -> bool:
        return self._blanks[i]

    def _next(self, i: int) -> int:
        """The next record that is not blank."""
        while i < len(self._rows) and self._blank(i):
            i += 1
        return i

    def _width(self, i: int) -> tuple[int, float]:
        """The usual number of cells of the records from ``i`` on, and the share of those that have it."""
        found = []
        for j in range(i, min(len(self._rows), i + 4 * _NEAR)):
            if not self._blank(j):
                found.append(len(self._rows[j]))
                if len(found) == _NEAR:
                    break
        if not found:
            return 1, 0.0
        widths = Counter(found)
        width = max(widths, key=lambda w: (widths[w], w))
        return width, widths[width] / len(found)

    def _part(self, at: int, *, first: bool) -> Part | None:
        start = self._start(at, first=first)
        if start is None:
            return None
        below = self._next(start + 1)
        width, share = self._width(below) if below < len(self._rows) else (len(self._rows[start]), 1.0)
        if share < _SHARE:
            width = self._width(start)[0]
        if self._loose and self._has_names(start) and not self._numbered(below, len(self._rows[start]) + 1):
            width = len(self._rows[start])
        head = self._cells(start, width, None)
        lead = self._leading(at, start, width)
        table = [head if i == start else self._rows[i] for i in range(start, min(len(self._rows), start + 300))]
        table = [r for r, i in zip(table, range(start, len(self._rows)), strict=False) if not self._blank(i)]
        header = header_rows(self._comparable(table, head, width))
        if header:
            rows = [self._cells(i, width, None) for i in range(start, start + header)]
            names = joined_header([*(self._rows[i] for i in range(start - lead, start)), *rows])
            if len(self._rows[start]) == width - 1 > 0 and self._numbered(start + header, width):
                names = ["", *names[: width - 1]]  # the numbers of rows, as R writes them
            elif len(self._rows[start]) < width and not self._filled_behind(start, len(self._rows[start])):
                width, names = len(self._rows[start]), names[: len(self._rows[start])]
            part = Part(start - lead, header + lead, start + header, len(self._rows), max(width, len(names)), names)
        else:
            part = Part(start, 0, start, len(self._rows), max(width, 1))
        self._finish(part)
        return part

    def _numbered(self, first: int, width: int) -> bool:
        """Whether the rows are numbered in their first cell."""
        rows = [r for i, r in enumerate(self._rows[first : first + _LEARNED], first) if not self._blank(i)]
        return len(rows) > 1 and all(len(r) == width and r[0] == str(n) for n, r in enumerate(rows, 1))

    def _filled_behind(self, start: int, width: int) -> bool:
        """Whether rows have anything behind the header's last cell."""
        return any(any(c.strip() for c in row[width:]) for row in self._rows[start + 1 : start + _LEARNED])

    def _comparable(self, table: list[list[str]], head: list[str], width: int) -> list[list[str]]:
        """The table with a header of another width brought to that of its rows, for comparison."""
        if not table or len(head) == width:
            return table
        even = [*head, *[""] * (width - len(head))][:width]
        return [even, *table[1:]]

    def _start(self, at: int, *, first: bool) -> int | None:
        """The record with which a table begins."""
        begin = self._next(at)
        if begin >= len(self._rows):
            return None
        for i in range(begin, min(len(self._rows), begin + _MOST_ABOVE)):
            if not self._blank(i) and self._begins(i):
                return i
        # Nothing is orderly: the first record with several cells then begins what there is.
        several = (i for i in range(begin, len(self._rows)) if len(self._rows[i]) > 1 and not self._blank(i))
        return next(several, begin) if first else None

    def _begins(self, i: int) -> bool:
        row = self._rows[i]
        after = self._next(i + 1)
        width, share = self._width(after) if after < len(self._rows) else (len(row), 1.0)
        if share < _SHARE:
            width, share = self._width(i)
        if self._loose and self._has_names(i):
            return True
        if len(row) > width > 0 and sum(bool(c.strip()) for c in row) >= max(2, width):
            return True  # what stands above a table has no more cells than it
        if width == 1 and share > 0.5:
            # A table of one column, or a text: only what stands with others of more cells is above something.
            return len(row) == 1 and not self._wider_below(i)
        cells = row if len(row) == width else self._cells(i, width, None)
        if len(row) == 1 < width and (after > i + 1 or self._headed(after)):
            return False  # a title above a header
        filled = [j for j, c in enumerate(cells) if c.strip()]
        if len(cells) == 1 or share < _SHARE or abs(len(cells) - width) > max(1, width // 3):
            return False
        if filled == [0]:
            return width == 2 and not (after < len(self._rows) and (after > i + 1 or self._headed(after)))
        if filled == [0, 1] and width > 3 and self._fuller_below(i, width):
            return False  # a word and its value above the header
        if len(filled) == 1 and filled != [0] and not self._fuller_below(i, width):
            return True  # as sparse as the rows below it
        return len(filled) >= min(2, width - 1)

    def _has_names(self, i: int) -> bool:
        """Whether a record has a word for every column, and hardly any below it lacks more than the last cell."""
        row = self._rows[i]
        near = [r for j, r in enumerate(self._rows[i + 1 : i + 4 * _NEAR], i + 1) if not self._blank(j)]
        words = len(row) > 2 and len(set(row)) == len(row) and all(c.strip() and kind_of(c) not in TYPED for c in row)
        more = sum(len(r) > len(row) for r in near)
        return words and more > 0.2 * len(near) and sum(len(r) < len(row) - 1 for r in near) < 0.1 * len(near)

    def _headed(self, i: int) -> bool:
        return i < len(self._rows) and header_rows([r for r in self._rows[i : i + 40] if r]) > 0

    def _fuller_below(self, i: int, width: int) -> bool:
        return any(sum(bool(c.strip()) for c in row) > 0.6 * width for row in self._rows[i + 1 : i + _NEAR])

    def _wider_below(self, i: int) -> bool:
        below = [len(r) for j, r in enumerate(self._rows[i : i + _MOST_ABOVE], i) if not self._blank(j)]
        wide = [w for w in below if w > 1]
        return len(wide) >= 2 and len(wide) >= 0.5 * len(below)

    def _leading(self, at: int, start: int, width: int) -> int:
        """How many records right above the header name groups of its columns."""
        count = 0
        while start - count - 1 >= at and count < 3:
            cells = self._rows[start - count - 1]
            filled = [j for j, c in enumerate(cells) if c.strip()]
            if len(cells) != width or len(filled) < 2 or filled == [0, 1] or width < 3:
                break
            if any(kind_of(cells[j]) in TYPED - {"integer"} for j in filled):
                break
            count += 1
        return count

    def _cells(self, i: int, width: int, kinds: ColumnKinds | None) -> list[str]:
        row = self._rows[i]
        if self._kinds[i] == GOOD and len(row) == width:
            return row
        mended = self._mend(i, row, width, kinds)
        return row if mended.how == SHORT and self._kinds[i] == GOOD else mended.cells

    def _finish(self, part: Part) -> None:
        """Finds where a table ends, and counts its odd rows."""
        body = [r for i, r in enumerate(self._rows[part.first : part.first + _LEARNED], part.first)
                if len(r) == part.width and self._kinds[i] == GOOD and not self._blank(i)]  # fmt: skip
        kinds = ColumnKinds.of(body, part.width)
        if self._whole:
            part.end = self._end(part, kinds)

            part.end = self._below(part, kinds).end(part.first, part.end, broken=self._broken(part.end))

    def _below(self, part: Part, kinds: ColumnKinds) -> Below:
        def thin(i: int) -> bool:
            row = self._rows[i]
            return is_thin(row) and not (
                len(row) == 1 and self._mend(i, row, part.width, kinds).how in {DELIMITER, QUOTES}
            )

        return Below(self._rows, self._blanks, thin, part.width, kinds)

    def _broken(self, end: int) -> bool:
        return end == len(self._rows) and end > 0 and self._kinds[end - 1] != GOOD

    def _end(self, part: Part, kinds: ColumnKinds) -> int:
        size = len(self._rows)
        names = part.names
        after, same = self._counts(part)
        for i in range(part.first, size):
            if self._blank(i):
                if i + 1 < size and not self._blank(i + 1) and self._ends_before(i + 1, part, kinds):
                    return i
                continue
            row = self._rows[i]
            if names and part.header and i > part.first and self._repeats(row, names):
                return i
            few = same[i - part.first] <= 0.1 * after[i - part.first]
            if len(row) != part.width and few and not self._blank(i - 1) and self._changes(i, part):
                return i
        return size

    def _counts(self, part: Part) -> tuple[list[int], list[int]]:
        """How many records from each on are not blank, and how many of them have the table's width."""
        after, same = [0], [0]
        for i in range(len(self._rows) - 1, part.first - 1, -1):
            filled = not self._blanks[i]
            after.append(after[-1] + filled)
            same.append(same[-1] + (filled and len(self._rows[i]) == part.width))
        return after[::-1], same[::-1]

    @staticmethod
    def _repeats(row: list[str], names: list[str]) -> bool:
        """Whether a row is the header once more, or as much of it as another table shares."""
        common = min(len(row), len(names))
        if common < 2 or abs(len(row) - len(names)) > max(1, len(names) // 2):
            return False
        return row[:common] == names[:common] and sum(bool(c.strip()) for c in row) >= 2

    def _changes(self, i: int, part: Part) -> bool:
        """Whether from here on, without a blank line, all rows have another number of cells."""
        width, share = self._width(i)
        if width == part.width or width < 2 or len(self._rows[i]) != width or share < 0.7 or i == part.first:
            return False
        table = [r for j, r in enumerate(self._rows[i : i + 60], i) if not self._blank(j)]
        return len(table) > 2 and header_rows(table) > 0

    def _ends_before(self, i: int, part: Part, kinds: ColumnKinds) -> bool:
        """Whether what begins behind a blank line is no further row of the table."""
        row = self._rows[i]
        rest = list(islice((j for j in range(i, len(self._rows)) if not self._blank(j)), 200))
        alike = sum(self._like_rows(j, part, kinds) for j in rest)
        if alike > 0.5 * len(rest) and not (len(row) == part.width and self._heads(row, part, kinds)):
            # Rows go on behind the blank line, unless another header comes among them.
            return any(
                self._heads(self._rows[j], part, kinds) and self._blank(j - 1) for j in rest[:3] if j > part.first
            ) and not self._like_rows(i, part, kinds)
        if len(row) == part.width and part.width > 1:
            return self._heads(row, part, kinds)
        return True

    def _like_rows(self, i: int, part: Part, kinds: ColumnKinds) -> bool:
        row = self._rows[i]
        return (
            len(row) == part.width and (part.width == 1 or sum(bool(c.strip()) for c in row) > 1) and kinds.accepts(row)
        )

    @staticmethod
    def _heads(row: list[str], part: Part, kinds: ColumnKinds) -> bool:
        """Whether a row has names where the table's columns have values."""
        if len(row) != part.width:
            return False
        typed = [i for i in range(part.width) if kinds.typed(i)]
        words = [i for i in typed if row[i].strip() and kind_of(row[i]) not in TYPED]
        return bool(typed) and len(words) >= max(1, 0.6 * len(typed)) and all(c.strip() for c in row)
