"""Tells headers from rows, and makes usable column names of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from entrepot.formats.grammar import BLANK, GOOD
from entrepot.formats.kinds import MISSING, TYPED, kind_of

Row = tuple[int, int, list[str]]
"""End offset, kind and cells of a record."""

_MOST_PREAMBLE = 50
MOST_HEADER_ROWS = 5
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:[.,][0-9]+)*|[.,][0-9]+)(?:[eE][+-]?[0-9]+)?%?")
_DATE = re.compile(r"[0-9]{1,4}([-/.])[0-9]{1,2}\1[0-9]{1,4}(?:[T ].*)?|[0-9]{1,2}:[0-9]{2}(?::[0-9.]+)?")
_YEAR = re.compile(r"(?:19|20)[0-9]{2}")
_LONG_ROW = 8
"""Rows below a header from which on some may be set aside as further rows of it."""


@dataclass(frozen=True, slots=True)
class Head:
    """``skip`` records above the header, ``header`` rows of header, ``width`` in cells."""

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
    header = header_rows(table)
    return Head(skip, header, len(table[0]) if header else width)


def _starts_table(row: Row, width: int) -> bool:
    _, kind, cells = row
    if kind == BLANK:
        return False
    return width == 1 or (len(cells) > 1 and any(c.strip() for c in cells))


_SHORT = 40
"""Letters of a cell whose kind is remembered: rows are looked at again and again for where a table ends."""
_MANY = 8
"""Rows whose values make one word above them a name."""


def header_rows(table: Sequence[list[str]]) -> int:
    """How many of a table's first rows are its header; 0 when it has none.

    Args:
        table: Its first rows, none of them blank.
    """
    first = table[0]
    body = [row for row in table[1:] if len(row) == len(first)]
    if not is_header(first, body) and not (len(body) >= _LONG_ROW and is_header(first, body[2:])):
        return 0
    count = 1
    while count < min(MOST_HEADER_ROWS, len(table) - 1) and _goes_on(table, count):
        count += 1
    return count


def _goes_on(table: Sequence[list[str]], count: int) -> bool:
    """Whether the row after ``count`` header rows belongs to the header as well."""
    row, rest = table[count], [r for r in table[count + 1 :] if len(r) == len(table[count])]
    if len(row) != len(table[0]) or not rest:
        return False
    if row == table[0]:
        return any(r != row for r in rest)
    return names_over_values(row, rest)


def names_over_values(row: list[str], body: Sequence[list[str]]) -> bool:
    """Whether a row has words, or nothing, wherever the rows below have values of a type, in two columns at least.

    One column is enough when it is the only one and many rows bear it out: to take a row for a header loses it.
    """
    if len(body) < 2:
        return False
    over = typed = 0
    words = set()
    for i, cell in enumerate(row):
        kinds = Counter(kind_of(r[i]) for r in body)
        kinds.pop("", None)
        filled = sum(kinds.values())
        if not filled or sum(n for k, n in kinds.items() if k in TYPED) < 0.8 * filled:
            if cell.strip() and sum(r[i] == cell for r in body) > 0.1 * len(body):
                return False  # a value that comes again below
            continue
        typed += filled > 1
        if kind_of(cell) in TYPED:
            return False
        if filled > 1 and cell.strip() and cell.strip().lower() not in MISSING:
            over += 1
            words.add(cell.strip())
    alone = over == typed == 1 and 1 < len(row) <= 3 and len(body) >= _MANY
    return len(words) >= 2 or (alone and not any(c.isdigit() for cell in row for c in cell))


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
    kinds = Counter(map(_kind, values))
    common, count = kinds.most_common(1)[0]
    if common and count >= 0.8 * len(values):
        if _kind(cell) != common:
            return 1
        return 0 if _YEAR.fullmatch(cell) and not all(map(_YEAR.fullmatch, values)) else -2
    if _kind(cell):
        return -1
    return -1 if values.count(cell) > 0.1 * len(values) and len(values) > 1 else 0


def _kind(text: str) -> str:
    return _known_kind(text) if len(text) <= _SHORT else _kind_of(text)


@lru_cache(maxsize=1 << 14)
def _known_kind(text: str) -> str:
    return _kind_of(text)


def _kind_of(text: str) -> str:
    if _NUMBER.fullmatch(text):
        return "number"
    return "date" if _DATE.fullmatch(text) else ""


def joined_header(rows: Sequence[Sequence[str]]) -> list[str]:
    """One name a column out of several header rows, their words with a blank between.

    A name that stands over several columns (the cells behind it are empty) goes to each of them where they would
    have the same name otherwise.
    """
    if not rows:
        return []
    if len(rows) == 1:
        return list(rows[0])
    width = max(map(len, rows))
    even = [[*row, *[""] * (width - len(row))] for row in rows]
    names = _columnwise(even)
    if len(set(names)) < len(names):
        spread = _columnwise([*map(_spread, even[:-1]), even[-1]])
        if len(set(spread)) > len(set(names)):
            return spread
    return names


def _columnwise(rows: list[list[str]]) -> list[str]:
    return [" ".join(c for c in column if c.strip()) for column in zip(*rows, strict=True)]


def _spread(row: list[str]) -> list[str]:
    found, last = [], ""
    for cell in row:
        last = cell if cell.strip() else last
        found.append(last)
    return found


def column_names(cells: list[str], width: int) -> tuple[list[str], list[str]]:
    """Usable names, and a doubt for each one that is not as it was found.

    Args:
        cells: The header's cells; none when there is no header.
        width: How many columns there are.
    """
    names: list[str] = []
    doubts: list[str] = []
    closed: set[str] = {c for c in cells if c.strip()}
    used: set[str] = set()
    numbers: dict[str, int] = {}
    for i in range(width):
        found = cells[i] if i < len(cells) else ""
        name = found.replace("\0", "")
        if name != found:
            doubts.append(f"NUL characters were removed from the name of column {i + 1}.")
        if not name.strip():
            name = _free(f"column_{i + 1}", closed, numbers)
            if cells:
                doubts.append(f"Column {i + 1} has no name; it is called {name!r}.")
        elif name in used:
            name = _free(name, closed, numbers, alone=False)
            doubts.append(f"Column {i + 1} has the same name as an earlier one; it is called {name!r}.")
        used.add(name)
        closed.add(name)
        names.append(name)
    return names, doubts


def _free(name: str, closed: set[str], numbers: dict[str, int], *, alone: bool = True) -> str:
    """The name by itself, or with the first number that makes it free; goes on from the number that it had last."""
    if alone and name not in closed:
        return name
    number = numbers.get(name, 2)
    while f"{name}_{number}" in closed:
        number += 1
    numbers[name] = number
    return f"{name}_{number}"
