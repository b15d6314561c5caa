"""Finds the header and what stands above it, and makes usable column names of it."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from entrepot.formats.grammar import BLANK, GOOD

Row = tuple[int, int, list[str]]
"""End offset, kind and cells of a record."""

_MOST_PREAMBLE = 50
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:[.,][0-9]+)*|[.,][0-9]+)(?:[eE][+-]?[0-9]+)?%?")
_DATE = re.compile(r"[0-9]{1,4}([-/.])[0-9]{1,2}\1[0-9]{1,4}(?:[T ].*)?|[0-9]{1,2}:[0-9]{2}(?::[0-9.]+)?")
_YEAR = re.compile(r"(?:19|20)[0-9]{2}")


@dataclass(frozen=True, slots=True)
class Head:
    """``skip`` records above the header, ``header`` rows of header (0 or 1), ``width`` in cells."""

    skip: int
    header: int
    width: int


def find_head(rows: list[Row]) -> Head:
    """Where the table begins.

    Lines above it that are blank or have one cell, while the table has more, are preamble.

    Args:
        rows: The first records, blank ones included.
    """
    filled = [cells for _, kind, cells in rows if kind == GOOD]
    if not filled:
        return Head(0, 0, 1)
    widths = Counter(len(c) for c in filled)
    width = max(widths, key=lambda w: (widths[w], w))
    skip = next((i for i, row in enumerate(rows[:_MOST_PREAMBLE]) if _starts_table(row, width)), 0)
    table = [cells for _, kind, cells in rows[skip:] if kind == GOOD]
    if not table:
        return Head(0, 0, width)
    header = is_header(table[0], [c for c in table[1:] if len(c) == len(table[0])])
    return Head(skip, int(header), len(table[0]) if header else width)


def _starts_table(row: Row, width: int) -> bool:
    _, kind, cells = row
    if kind == BLANK:
        return False
    return width == 1 or (len(cells) > 1 and any(c.strip() for c in cells))


def is_header(first: list[str], body: list[list[str]]) -> bool:
    """Whether a row names the columns of the rows below.

    Each column votes: a name over values of another kind speaks for a header, a value of the same
    kind or one that comes again below speaks against. Without votes, words speak for a header.
    """
    votes = 0
    for i, cell in enumerate(first):
        values = [row[i].strip() for row in body if i < len(row) and row[i].strip()]
        votes += _vote(cell.strip(), values)
    if votes:
        return votes > 0
    kinds = [(_kind(c.strip()), _YEAR.fullmatch(c.strip())) for c in first if c.strip()]
    return any(not kind for kind, _ in kinds) and all(not kind or year for kind, year in kinds)


def _vote(cell: str, values: list[str]) -> int:
    if not values or not cell:
        return 0
    kinds = Counter(_kind(v) for v in values)
    common, count = kinds.most_common(1)[0]
    if common and count >= 0.8 * len(values):
        if _kind(cell) != common:
            return 1
        return 0 if _YEAR.fullmatch(cell) and not all(map(_YEAR.fullmatch, values)) else -2
    if _kind(cell):
        return -1
    return -1 if values.count(cell) > 0.1 * len(values) and len(values) > 1 else 0


def _kind(text: str) -> str:
    if _NUMBER.fullmatch(text):
        return "number"
    return "date" if _DATE.fullmatch(text) else ""


def column_names(cells: list[str], width: int) -> tuple[list[str], list[str]]:
    """Usable names, and a doubt for each one that is not as it was found.

    Args:
        cells: The header's cells; none when there is no header.
        width: How many columns there are.
    """
    names: list[str] = []
    doubts: list[str] = []
    taken: set[str] = {c for c in cells if c.strip()}
    used: set[str] = set()
    for i in range(width):
        found = cells[i] if i < len(cells) else ""
        name = found.replace("\0", "")
        if name != found:
            doubts.append(f"NUL characters were removed from the name of column {i + 1}.")
        if not name.strip():
            name = _free(f"column_{i + 1}", taken | used)
            if cells:
                doubts.append(f"Column {i + 1} has no name; it is called {name!r}.")
        elif name in used:
            name = _free(name, taken | used, start=2)
            doubts.append(f"Column {i + 1} has the same name as an earlier one; it is called {name!r}.")
        used.add(name)
        names.append(name)
    return names, doubts


def _free(name: str, taken: set[str], start: int = 1) -> str:
    if start == 1 and name not in taken:
        return name
    number = max(start, 2)
    while f"{name}_{number}" in taken:
        number += 1
    return f"{name}_{number}"
