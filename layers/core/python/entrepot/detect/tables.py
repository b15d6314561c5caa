"""Finds the tables in the records of a text: what stands above the first, its header, where it ends, what follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from entrepot.detect.beginnings import Beginnings
from entrepot.detect.endings import Ending
from entrepot.detect.footnotes import Below, is_thin
from entrepot.detect.header import header_rows, joined_header
from entrepot.detect.view import Mend, View
from entrepot.formats.grammar import GOOD
from entrepot.formats.kinds import ColumnKinds
from entrepot.formats.mend import DELIMITER, QUOTES

_LEARNED = 400
_LOOKED_AT = 300
_MOST_TABLES = 20


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


@dataclass(slots=True)
class Layout:
    """The tables of a text, in its order; at least one."""

    parts: list[Part]
    footnotes: int = 0
    """Records below the last row of the first table, up to the next table or the end."""


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
        self._view = View(kinds, rows, mend)
        self._beginnings = Beginnings(self._view, loose=loose)
        self._whole = whole

    def layout(self) -> Layout:
        """All tables, and how many records below the first are no rows."""
        parts: list[Part] = []
        at, size = 0, len(self._view.rows)
        while at < size and len(parts) < _MOST_TABLES:
            part = self._part(at, first=not parts)
            if part is None:
                break
            at = max(part.end, part.first, at + 1)
            if parts and part.end == part.first:
                continue  # a line or two that are only said
            parts.append(part)
            if not self._whole:
                break
        if not parts:
            return Layout([Part(0, 0, 0, size, 1)])
        after = parts[1].start if len(parts) > 1 else size
        left = sum(not self._view.blank(i) for i in range(parts[0].end, after)) if self._whole else 0
        return Layout(parts, left)

    def _part(self, at: int, *, first: bool) -> Part | None:
        start = self._beginnings.start(at, first=first)
        if start is None:
            return None
        part = self._with_header(at, start, self._beginnings.width(start))
        if self._whole:
            kinds = self._learned(part)
            part.end = Ending(self._view, part.first, part.width, part.names, kinds).find()
            part.end = self._below(part, kinds).end(part.first, part.end, broken=self._broken(part.end))
        return part

    def _with_header(self, at: int, start: int, width: int) -> Part:
        """The table that begins with a record, up to the records' end."""
        view, size = self._view, len(self._view.rows)
        head = view.cells(start, width, None)
        even = head if len(head) == width else [*head, *[""] * (width - len(head))][:width]
        below = (view.rows[i] for i in range(start + 1, min(size, start + _LOOKED_AT)) if not view.blank(i))
        header = header_rows([even, *below])
        if not header:
            return Part(start, 0, start, size, width)
        # What a blank record parts from the header is a row.
        header = next((i for i in range(1, header) if view.blank(start + i)), header)
        lead = self._beginnings.leading(at, start, width)
        rows = [view.cells(i, width, None) for i in range(start, start + header)]
        names = joined_header([*(view.rows[i] for i in range(start - lead, start)), *rows])
        own = len(view.rows[start])
        if own == width - 1 > 0 and self._beginnings.numbered(start + header, width):
            names = ["", *names[: width - 1]]  # the numbers of rows, as R writes them
        elif own < width and not self._filled_behind(start, own):
            width, names = own, names[:own]
        return Part(start - lead, header + lead, start + header, size, max(width, len(names)), names)

    def _filled_behind(self, start: int, width: int) -> bool:
        """Whether rows have anything behind the header's last cell."""
        return any(any(c.strip() for c in row[width:]) for row in self._view.rows[start + 1 : start + _LEARNED])

    def _learned(self, part: Part) -> ColumnKinds:
        """What the columns of a table hold, by its first rows in good order."""
        view = self._view
        near = range(part.first, min(len(view.rows), part.first + _LEARNED))
        good = (i for i in near if view.kinds[i] == GOOD and not view.blank(i))
        return ColumnKinds.of((view.rows[i] for i in good if len(view.rows[i]) == part.width), part.width)

    def _below(self, part: Part, kinds: ColumnKinds) -> Below:
        def thin(i: int) -> bool:
            row = self._view.rows[i]
            return is_thin(row) and not (
                len(row) == 1 and self._view.mend(i, row, part.width, kinds).how in {DELIMITER, QUOTES}
            )

        return Below(self._view.rows, self._view.blanks, thin, part.width, kinds)

    def _broken(self, end: int) -> bool:
        return end == len(self._view.rows) and end > 0 and self._view.kinds[end - 1] != GOOD
