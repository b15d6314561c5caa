"""The records of a sample, and the tables they make."""

from __future__ import annotations

import re
from collections.abc import Callable

from entrepot.detect.dialect import sample_rows
from entrepot.detect.footnotes import Below, is_thin
from entrepot.detect.tables import Finder, Layout, Part
from entrepot.detect.view import is_blank
from entrepot.formats.cells import without_line_end
from entrepot.formats.grammar import BLANK, GOOD
from entrepot.formats.kinds import ColumnKinds
from entrepot.formats.mend import Mended, Mender
from entrepot.model.source import Dialect

_MOST_ROWS = 1000
"""Records of a source that goes on behind the sample; all are looked at when it does not."""
_MOST_MENDED = 500
"""Odd records of a sample that are looked into."""
_COMMENTS = ("#", "//", "--", "%", "!", ";", "'", "*")
_LEARNED = 400


class SampleRecords:
    """Records of the first bytes of a source, as text.

    Args:
        data: The bytes.
        dialect: How they are cut; with a comment mark where one is found in them.
        text: Decodes a cell.
        whole: Whether they are all there is.
    """

    def __init__(self, data: bytes, dialect: Dialect, text: Callable[[bytes], str], *, whole: bool) -> None:
        self._data = data
        self._text = text
        self._whole = whole
        self.dialect = dialect
        self._read()
        mark = self._comment()
        if mark:
            self.dialect = dialect.model_copy(update={"comment": mark})
            self._read()
        self._mended = 0
        self._menders: dict[tuple[int, int], Mender] = {}

    def _read(self) -> None:
        found = sample_rows(self._data, self.dialect, whole=self._whole, most=10**9 if self._whole else _MOST_ROWS)
        self.ends = [end for end, _, _ in found]
        self.kinds = [kind for _, kind, _ in found]
        self.rows = [[self._text(c) for c in cells] for _, _, cells in found]

    def leave_out(self, count: int) -> None:
        """Takes the first records for blank: they were told of otherwise."""
        for i in range(min(count, len(self.rows))):
            self.kinds[i], self.rows[i] = BLANK, []

    def record(self, i: int) -> str:
        """The text of a record without its line end."""
        start = self.ends[i - 1] if i else 0
        escape = self.dialect.escape if self.dialect.escape != self.dialect.quote else None
        return self._text(without_line_end(self._data[start : self.ends[i]], escape.encode() if escape else None))

    def layout(self) -> Layout:
        """The tables among the records."""
        loose = self.dialect.delimiter == " "
        return Finder(self.kinds, self.rows, self._mend, whole=self._whole, loose=loose).layout()

    def _mend(self, i: int, cells: list[str], width: int, kinds: ColumnKinds | None) -> Mended:
        self._mended += 1
        if self._mended > _MOST_MENDED:
            return Mended(cells)
        key = (width, id(kinds))
        mender = self._menders.setdefault(key, Mender(self.dialect, width, kinds))
        return mender.mend(self.record(i))

    def _comment(self) -> str | None:
        """What begins lines among the rows that have nothing of a row."""
        firsts = [row[0][:2] if row else "" for row in self.rows]
        for mark in _COMMENTS:
            if mark in {self.dialect.delimiter, self.dialect.quote}:
                continue
            marked = [i for i, first in enumerate(firsts) if first.startswith(mark)]
            others = [len(r) for i, r in enumerate(self.rows) if r and not firsts[i].startswith(mark)]
            if not marked or len(others) < 2 or len(marked) > len(others):
                continue
            width = max(set(others), key=others.count)
            odd = [i for i in marked if len(self.rows[i]) != width or self.kinds[i] != GOOD]
            header = next((i for i, r in enumerate(self.rows) if len(r) == width and i not in odd), len(self.rows))
            below = [i for i in odd if i > header and i < len(self.rows) - 1]
            if width > 1 and below and len(odd) >= 0.8 * len(marked) and self._goes_on(max(below), width):
                return mark if self._speaks(mark, odd) else None
        return None

    def _goes_on(self, i: int, width: int) -> bool:
        return any(len(r) == width for r in self.rows[i + 1 :])

    def _speaks(self, mark: str, odd: list[int]) -> bool:
        """Whether a mark of little weight stands before words more than once; ``#`` and ``//`` may stand alone."""
        pattern = re.compile(re.escape(mark) + r"+\s*[^\W\d_]")
        return mark in {"#", "//"} or (len(odd) > 1 and all(pattern.match(self.record(i)) for i in odd))

    def trailing(self, part: Part) -> bool:
        """Whether most rows of a table have one cell more than it has columns, an empty one."""
        rows = [r for r in self.rows[part.first : min(part.end, part.first + _LEARNED)] if r]
        surplus = sum(len(r) > part.width and not any(r[part.width :]) for r in rows)
        return 2 * surplus > len(rows)

    def footnotes(self, tail: bytes, part: Part) -> tuple[int, int]:
        """Where the rows of a table end in the source's last bytes, and how many records follow them.

        Args:
            tail: The last bytes, from a record's start on.
            part: The table.
        """
        found = sample_rows(tail, self.dialect, whole=True, most=10**9)
        rows = [[self._text(c) for c in cells] for _, _, cells in found]
        good = [r for r in self.rows[part.first : part.first + _LEARNED] if len(r) == part.width]
        kinds = ColumnKinds.of(good, part.width)

        blanks = [is_blank(kind, row) for (_, kind, _), row in zip(found, rows, strict=True)]
        broken = bool(found) and found[-1][1] not in {GOOD, BLANK}
        below = Below(rows, blanks, lambda i: is_thin(rows[i]), part.width, kinds)
        end = below.end(0, len(rows), broken=broken)
        left = len(blanks[end:]) - sum(blanks[end:])
        return (found[end - 1][0] if end else 0), left


def layout_doubts(found: Layout, footnotes: int, records: SampleRecords) -> list[str]:
    """What was decided about the tables, in words."""
    first = found.parts[0]
    doubts = []
    if first.start:
        doubts.append(f"{first.start} lines above the header were left out.")
    if not first.header:
        doubts.append("No header row was found; the columns are numbered.")
    if first.header > 1:
        doubts.append(f"The header takes {first.header} rows; their words were joined.")
    if footnotes:
        doubts.append(f"{footnotes} lines below the table were left out: they are no rows of it.")
    for n, part in enumerate(found.parts[1:], 2):
        doubts.append(
            f"A further table begins in row {part.start + 1}, with {part.width} columns and {part.end - part.first} "
            f"rows; it is table {n} and was left out."
        )
    return [*doubts, *_width_doubts(first, records)]


def _width_doubts(part: Part, records: SampleRecords) -> list[str]:
    near = range(part.first, min(part.end, part.first + 300))
    found = [len(records.rows[i]) for i in near if records.kinds[i] == GOOD]
    other = sum(w != part.width for w in found)
    if found and other > len(found) // 2:
        return [f"Most of the first rows have another number of cells than the header's {part.width}."]
    return []
