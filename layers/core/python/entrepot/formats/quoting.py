"""All ways to read one record whose quotes may be out of order, with how much each has to be forced."""

from __future__ import annotations

import re
from bisect import insort_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter

from entrepot.model.source import Dialect

_LONGEST = 64 << 10
"""Characters of a record that are weighed; a longer one is read as it stands."""
_MOST_STEPS = 40_000
_KEPT = 4
"""Readings of one width that are kept, the least forced ones."""

_COST = attrgetter("cost")

_STRAY, _LOOSE, _LAST, _GLUED = 1.0, 0.5, 0.2, 0.9
"""What it costs to take an opening quote for text, to have quotes within quotes that are not doubled, a quote that
ends an unquoted cell, and text that stands right beside a quoted cell."""


@dataclass(frozen=True, slots=True)
class Token:
    """One cell, and whether it was quoted."""

    text: str
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """A way to read a record from some place on."""

    cost: float
    token: Token
    rest: Reading | None = None

    def tokens(self) -> list[Token]:
        """The cells."""
        found: list[Token] = []
        here: Reading | None = self
        while here is not None:
            found.append(here.token)
            here = here.rest
        return found


def readings(text: str, dialect: Dialect, delimiter: str | None, width: int) -> dict[int, list[Reading]]:
    """Ways to read a record by how many cells they give, each list with the least forced first.

    A quote at the beginning of a cell may open a quoted cell that ends at any quote before a delimiter or the end, or
    be text. What is not as the dialect has it makes a reading more forced.

    Args:
        text: The record.
        dialect: Quote and escape.
        delimiter: What parts its cells.
        width: Much longer rows than this are not followed up.

    Returns:
        Nothing for a record that is too long to be weighed.
    """
    if len(text) > _LONGEST:
        return {}
    if dialect.quote and dialect.quote in text:
        return _Record(text, dialect, delimiter).ways(max(width + 4, width * 2))
    cells = text.split(delimiter) if delimiter else [text]
    way: Reading | None = None
    for i in range(len(cells) - 1, -1, -1):
        way = Reading(0.0, Token(cells[i].lstrip(" \t") if i and dialect.skip_blanks else cells[i]), way)
    return {len(cells): [way]} if way else {}


_END = (None,)


def _keep(kept: list[Reading], cost: float, token: Token, tails: Sequence[Reading | None]) -> None:
    """Puts readings that begin with a cell among the least forced ones; of those alike, the first stay.

    Args:
        kept: The least forced first, at most `_KEPT`.
        cost: Of the cell.
        token: The cell.
        tails: What may follow it, the least forced first.
    """
    for tail in tails:
        total = cost + tail.cost if tail else cost
        if len(kept) == _KEPT and kept[-1].cost <= total:
            return
        insort_right(kept, Reading(total, token, tail), key=_COST)
        del kept[_KEPT:]


class _Record:
    """A record with quotes in it."""

    def __init__(self, text: str, dialect: Dialect, delimiter: str | None) -> None:
        self._text = text
        self._quote = dialect.quote or '"'
        self._escape = dialect.escape if dialect.escape != dialect.quote else None
        self._delimiter = delimiter or ","
        blanks = "[ \t]*" if dialect.skip_blanks else ""
        parts = list(re.finditer(re.escape(delimiter) + blanks, text)) if delimiter else []
        self._starts = [0, *(m.end() for m in parts)]
        self._ends = [*(m.start() for m in parts), len(text)]
        self._stops = {m.start(): m.end() for m in parts}
        self._closings = self._find_closings()

    def _find_closings(self) -> list[tuple[int, int]]:
        """Quotes that may end a cell: where each stands, and where the cell then stops."""
        found = []
        for match in re.finditer(re.escape(self._quote) + r"(?=([ \t]*))", self._text):
            for stop in (match.end(), match.end(1)):
                if stop == len(self._text) or stop in self._stops:
                    found.append((match.start(), stop))
                    break
        return found

    def ways(self, most: int) -> dict[int, list[Reading]]:
        """`readings`, from the last cell back to the first."""
        if len(self._starts) * (len(self._closings) + 1) > _MOST_STEPS:
            return {}
        at: dict[int, dict[int, list[Reading]]] = {}
        for pos, end in zip(reversed(self._starts), reversed(self._ends), strict=True):
            found: dict[int, list[Reading]] = {}
            for cost, token, stop in self._options(pos, end):
                if stop not in self._stops:
                    _keep(found.setdefault(1, []), cost, token, _END)
                    continue
                for count, tails in at.get(self._stops[stop], {}).items():
                    if count < most:
                        _keep(found.setdefault(count + 1, []), cost, token, tails)
            at[pos] = found
        return at[0]

    def _options(self, pos: int, end: int) -> Iterator[tuple[float, Token, int]]:
        """Cost, cell and end of each way to read the cell that begins at ``pos``."""
        text, quote = self._text, self._quote
        if not text.startswith(quote, pos):
            cell = text[pos:end]
            cost = _LAST if cell.endswith(quote) else 0.0
            yield cost, Token(self._plain(cell) if self._escape else cell), end
            opening = cell.find(quote)
            if opening > 0:
                yield from self._glued_before(pos, pos + opening)
            return
        yield _STRAY, Token(text[pos:end]), end
        for at, stop in self._closings:
            if at > pos:
                body = text[pos + 1 : at]
                yield self._forced(body), Token(self._plain(body), quoted=True), stop
        yield from self._glued_behind(pos)

    def _glued_before(self, pos: int, opening: int) -> Iterator[tuple[float, Token, int]]:
        """Text with a quoted cell right behind it: a delimiter is missing."""
        for at, stop in self._closings:
            body = self._text[opening + 1 : at]
            if at > opening and self._forced(body) == 0:
                yield _GLUED, Token(self._text[pos:opening] + self._plain(body), quoted=True), stop
                return

    def _glued_behind(self, pos: int) -> Iterator[tuple[float, Token, int]]:
        """A quoted cell with text right behind it: a delimiter is missing."""
        match = _whole_cell(self._quote, self._escape).match(self._text, pos)
        if match is None or match.end() == len(self._text):
            return
        stop = next(end for end in self._ends if end >= match.end())
        tail = self._text[match.end() : stop]
        if tail.strip():
            yield _GLUED, Token(self._plain(match[1]) + tail, quoted=True), stop

    def _forced(self, body: str) -> float:
        """What it costs to take text for the inside of a quoted cell."""
        if self._quote not in body:
            return 0.0
        loose = _pair(self._quote, self._escape).sub("", body).count(self._quote)
        if not loose:
            return 0.0
        across = body.count(self._quote + self._delimiter) + body.count(self._delimiter + self._quote)
        return _LOOSE + 0.05 * loose + 0.4 * across

    def _plain(self, body: str) -> str:
        if self._quote not in body and (not self._escape or self._escape not in body):
            return body
        return _pair(self._quote, self._escape).sub(lambda m: m[1] if m[1] is not None else m[2], body)


@lru_cache(maxsize=32)
def _pair(quote: str, escape: str | None) -> re.Pattern[str]:
    """What stands for one character inside quotes."""
    q = re.escape(quote)
    return re.compile(f"{q}({q})" + (f"|{re.escape(escape)}([\\s\\S])" if escape else "|(?!)()"))


@lru_cache(maxsize=32)
def _whole_cell(quote: str, escape: str | None) -> re.Pattern[str]:
    """A quoted cell in good order."""
    q, e = re.escape(quote), re.escape(escape) if escape else ""
    pair = f"{q}{q}" + (f"|{e}[\\s\\S]" if e else "")
    return re.compile(f"{q}((?:[^{q}{e}]|{pair})*+){q}(?!{q})")
