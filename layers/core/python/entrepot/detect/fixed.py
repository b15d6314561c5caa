"""Finds the columns of text in which every column has its place: by the blanks that stand above each other."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from entrepot.detect.dialect import find_dialect
from entrepot.detect.marks import WEAK

_MOST_LINES = 300
_LEAST_LINES = 3
_STRAY = 50
"""One line in so many may stand across columns."""
_MOST_ABOVE = 8
_RULE = re.compile(r"\s*[-=_+|]{2}[-=_+| ]*")
_WIDE = re.compile(r"\S {2,}\S")
_MARKS = re.compile(r"[,;|\t]")


@dataclass(frozen=True, slots=True)
class FixedLayout:
    """Where each column stands.

    Attributes:
        columns: Where each begins and ends, in characters; the last goes on to the line's end.
        skip: Lines above the first that belongs to the table.
        rule: Whether a line of dashes stands below the header.
    """

    columns: tuple[tuple[int, int], ...]
    skip: int = 0
    rule: bool = False

    def cells(self, line: str) -> list[str]:
        """The cells of a line, without the blanks around them."""
        return [line[start:end].strip() for start, end in self.columns]

    def fits(self, line: str) -> bool:
        """Whether nothing stands across the border of two columns."""
        return not any(
            line[start - 1 : start + 1].strip() and not line[start - 1 : start + 1].count(" ")
            for start, _ in self.columns[1:]
        )


def looks_fixed(sample: str, *, whole: bool = False) -> FixedLayout | None:
    """The columns of a text of fixed width; None for any text that could be delimited, or is only text.

    Args:
        sample: The first characters.
        whole: Whether they are all.
    """
    lines = sample.splitlines()
    lines = (lines if whole else lines[:-1])[:_MOST_LINES]
    if sum(bool(line.strip()) for line in lines) < _LEAST_LINES or any("\t" in line for line in lines):
        return None
    ruled = _by_rule(lines)
    if ruled is not None:
        return ruled
    for skip in range(min(_MOST_ABOVE, len(lines) - _LEAST_LINES) + 1):
        table = [line for line in lines[skip:] if line.strip()]
        if (skip == 0 or lines[skip].strip()) and len(table) >= _LEAST_LINES:
            columns = _columns(table)
            if columns is not None:
                return None if _delimited(sample) else FixedLayout(columns, skip)
    return None


def _by_rule(lines: Sequence[str]) -> FixedLayout | None:
    """Columns as a line of dashes below the header parts them."""
    for i, line in enumerate(lines[: _MOST_ABOVE + 2]):
        parts = [(m.start(), m.end()) for m in re.finditer(r"[-=_]{2,}", line)]
        if i == 0 or len(parts) < 2 or not _RULE.fullmatch(line) or "|" in line or "+" in line:
            continue
        columns = tuple((start, end) for (start, _), (end, _) in zip(parts, [*parts[1:], (1 << 30, 0)], strict=True))
        columns = ((0, columns[0][1]), *columns[1:])
        layout = FixedLayout(columns, i - 1, rule=True)
        table = [row for row in lines[i + 1 :] if row.strip()]
        if lines[i - 1].strip() and table and sum(map(layout.fits, table)) >= 0.9 * len(table):
            return layout
    return None


def _columns(table: Sequence[str]) -> tuple[tuple[int, int], ...] | None:
    """Columns between the places that are blank in every line, when they are surely that."""
    width = max(map(len, table))
    if width > 4000 or sum(bool(_WIDE.search(line)) for line in table) < 0.6 * len(table):
        return None
    counts = [0] * width
    for line in table:
        for i, char in enumerate(line):
            counts[i] += char != " "
    # In a long text a few lines may be of another kind: they are refused one by one.
    filled = [count > len(table) // _STRAY for count in counts]
    starts = [i for i in range(width) if filled[i] and (i == 0 or not filled[i - 1])]
    if len(starts) < 2:
        return None
    columns = tuple(zip(starts, [*starts[1:], 1 << 30], strict=True))
    columns = ((0, columns[0][1]), *columns[1:])
    return columns if _sure(table, columns) else None


def _sure(table: Sequence[str], columns: tuple[tuple[int, int], ...]) -> bool:
    """Whether every column has something in most lines, and words do not just happen to stand above each other."""
    layout = FixedLayout(columns)
    rows = [layout.cells(line) for line in table]
    for i in range(len(columns)):
        if sum(bool(row[i]) for row in rows) < 0.5 * len(rows):
            return False
    # Text in which words begin below each other by chance has few such places and ragged lines.
    spans = [start - len(line[:start].rstrip()) for line in table for start, _ in columns[1:] if len(line) > start]
    return bool(spans) and sum(spans) / len(spans) >= 1.5 and len(table) * len(columns) >= 8


def _delimited(sample: str) -> bool:
    """Whether a delimiter other than a blank parts the text as well."""
    if not _MARKS.search(sample):
        return False
    guess, _ = find_dialect(sample.encode(), whole=True)
    return guess.width > 1 and guess.consistency >= 0.8 and (guess.dialect.delimiter or " ") not in WEAK
