"""Reads records that do not keep to their dialect, as far as there is one good way to read them.

A record may have a quote that nobody closes, quotes within quotes that are not doubled, another delimiter than the
rest, or a cell too many or too few. Every reading that is weighed keeps each character of the record's cells; what
changes is where one cell ends and the next begins. Which of several readings is right is told by the number of
columns and by what the cells of each column usually look like; without a clear answer the record stays as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from entrepot.formats.kinds import ColumnKinds
from entrepot.model.source import Dialect

_LONGEST = 64 << 10
"""Characters of a record that are weighed; a longer one is read as it stands."""
_MOST_STEPS = 40_000
_OTHERS = (",", ";", "\t", "|", " ", ":")
_MARGIN = 0.7
_MERGE_COST = 2.5

AS_IT_STANDS, QUOTES, DELIMITER, MOVED, SHORT, LONG = "", "quotes", "delimiter", "moved", "short", "long"
"""What was done to a record."""


@dataclass(frozen=True, slots=True)
class Token:
    """One cell, and whether it was quoted."""

    text: str
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Mended:
    """The cells of a record and how they were found."""

    cells: list[str]
    how: str = AS_IT_STANDS


@dataclass(frozen=True, slots=True)
class _Tokens:
    """The cells of one reading, and whether something in it is not as the dialect has it."""

    cells: list[Token]
    forced: bool = False

    def __len__(self) -> int:
        return len(self.cells)


@dataclass(frozen=True, slots=True)
class _Reading:
    """A way to read a record from some place on."""

    cost: float
    token: Token
    rest: _Reading | None

    def tokens(self) -> list[Token]:
        found, here = [], self
        while here is not None:
            found.append(here.token)
            here = here.rest  # type: ignore[assignment]
        return found


class Mender:
    """Reads the odd records of one table.

    Args:
        dialect: How the others are cut.
        width: How many cells they have.
        kinds: What their cells look like; None for a header.
    """

    def __init__(self, dialect: Dialect, width: int, kinds: ColumnKinds | None = None) -> None:
        self._dialect = dialect
        self._width = width
        self._kinds = kinds

    def mend(self, text: str) -> Mended:
        """The cells of a record without its line end."""
        found = self._readings(text, self._dialect.delimiter)
        best = found[0]
        if len(best) == self._width:
            return self._doubtful(text, found) or Mended([t.text for t in best.cells], QUOTES if best.forced else AS_IT_STANDS)
        return (
            self._aligned(best.cells, sure=True)
            or self._other_delimiter(text, best.cells)
            or self._aligned(best.cells)
            or self._as_it_stands(best.cells)
        )

    def _doubtful(self, text: str, found: list[_Tokens]) -> Mended | None:
        """Another reading of a record whose cells would not be what its columns have."""
        best = found[0]
        if not best.forced or self._kinds is None or self._kinds.accepts([t.text for t in best.cells]):
            return None
        for other in found[1:]:
            if abs(len(other) - self._width) == 1:
                aligned = self._aligned(other.cells, sure=True)
                if aligned is not None:
                    return aligned
        return None

    def align(self, cells: Sequence[str]) -> Mended:
        """A record whose cells are known but are too many or too few."""
        tokens = [Token(c) for c in cells]
        if len(tokens) == self._width:
            return Mended(list(cells))
        return self._aligned(tokens) or self._as_it_stands(tokens)

    def _readings(self, text: str, delimiter: str | None) -> list[_Tokens]:
        """Ways to read a record: the one of the right width first where the least forced one is forced at all."""
        found = readings(text, self._dialect, delimiter, self._width)
        if not found:
            cells = text.split(delimiter) if delimiter else [text]
            return [_Tokens([Token(c) for c in cells])]
        ranked = sorted(found.items(), key=lambda f: (f[1][0].cost, abs(f[0] - self._width)))
        if ranked[0][1][0].cost > 0:
            ranked.sort(key=lambda f: f[0] != self._width)
        return [_Tokens(self._fitting(ways), ways[0].cost > 0) for _, ways in ranked]

    def _fitting(self, ways: list[_Reading]) -> list[Token]:
        """The cells of the least forced of some readings of one width; of several, those that fit their columns."""
        least = [w for w in ways if w.cost <= ways[0].cost + 0.05]
        if self._kinds is None or len(least) == 1 or len(ways[0].tokens()) != self._width:
            return least[0].tokens()
        return max((w.tokens() for w in least), key=self._fit)

    def _fit(self, tokens: Sequence[Token]) -> float:
        return self._score([t.text for t in tokens])

    def _other_delimiter(self, text: str, best: list[Token]) -> Mended | None:
        for mark in _OTHERS:
            if mark == self._dialect.delimiter or mark not in text or self._width < 2:
                continue
            tokens = self._readings(text, mark)[0].cells
            if len(tokens) == self._width and self._accepts(tokens, best, mark):
                return Mended([t.text for t in tokens], DELIMITER)
            main = self._dialect.delimiter or ","
            if (
                mark == " "
                and self._kinds is not None
                and self._kinds.anchors() > 1
                and len(tokens) > self._width
                and not any(main in t.text for t in tokens if not t.quoted)
            ):
                joined = _joined(tokens, mark, self._kinds, self._width)
                if joined is not None and self._kinds.accepts(joined):
                    return Mended(joined, DELIMITER)
        return None

    def _accepts(self, tokens: list[Token], best: list[Token], mark: str) -> bool:
        if self._kinds is not None and mark in " :" and not self._kinds.anchors():
            return False
        if self._kinds is None:
            return len(best) == 1 and all(t.text.strip() for t in tokens) and len({t.text for t in tokens}) > 1
        return self._kinds.accepts([t.text for t in tokens])

    def _aligned(self, tokens: list[Token], *, sure: bool = False) -> Mended | None:
        """Too many or too few cells put under the columns that they fit; ``sure``: only where all of them fit."""
        surplus = len(tokens) - self._width
        if self._kinds is None:
            filled = [t.text for t in tokens if t.text.strip()]
            return Mended(filled, MOVED) if surplus > 0 and len(filled) == self._width else None
        if self._kinds.rows and 0 < abs(surplus) <= 2 and 1 < len(tokens) and self._width <= 200:
            found = self._wider(tokens, -surplus) if surplus < 0 else self._narrower(tokens, surplus)
            if found is not None and (not sure or self._kinds.accepts(found, blanks=surplus < 0)):
                return Mended(found, MOVED)
        if surplus > 0 and not sure and not any(t.text for t in tokens[self._width :]):
            return Mended([t.text for t in tokens[: self._width]], MOVED)
        return None

    def _wider(self, tokens: list[Token], missing: int) -> list[str] | None:
        """Empty cells go where the others then fit best; of places alike, into the last."""
        ways = [(self._score(cells), n, cells) for n, cells in enumerate(_with_blanks([t.text for t in tokens], missing))]
        best = max(ways, key=lambda w: (round(w[0], 6), w[1]))
        return best[2]

    def _narrower(self, tokens: list[Token], surplus: int) -> list[str] | None:
        assert self._kinds is not None
        scored: dict[tuple[str, ...], float] = {}
        for cost, cells in _narrowed(tokens, surplus, self._dialect.delimiter or ","):
            score = self._score(cells) - cost
            scored[tuple(cells)] = max(score, scored.get(tuple(cells), score))
        ranked = sorted(scored.items(), key=lambda s: -s[1])
        if not ranked or (len(ranked) > 1 and ranked[0][1] - ranked[1][1] < _MARGIN):
            return None
        cells = list(ranked[0][0])
        return cells if self._kinds.accepts(cells) else None

    def _score(self, cells: Sequence[str]) -> float:
        assert self._kinds is not None
        return sum(self._kinds.fit(i, c) for i, c in enumerate(cells))

    def _as_it_stands(self, tokens: list[Token]) -> Mended:
        cells = [t.text for t in tokens]
        if len(cells) < self._width:
            return Mended(cells + [""] * (self._width - len(cells)), SHORT)
        return Mended(cells, LONG)


def _with_blanks(cells: list[str], missing: int) -> Iterator[list[str]]:
    width = len(cells) + missing
    for gaps in combinations(range(width), missing):
        rest = iter(cells)
        yield ["" if i in gaps else next(rest) for i in range(width)]


def _narrowed(tokens: list[Token], surplus: int, delimiter: str) -> Iterator[tuple[float, list[str]]]:
    """Ways to have fewer cells: an empty one goes, or a delimiter between two unquoted ones is text."""
    ways: list[tuple[float, list[Token]]] = [(0.0, tokens)]
    for _ in range(surplus):
        further: list[tuple[float, list[Token]]] = []
        for cost, row in ways:
            for i, token in enumerate(row):
                if not token.text and not token.quoted:
                    further.append((cost, row[:i] + row[i + 1 :]))
                if i and not token.quoted and not row[i - 1].quoted and token.text and row[i - 1].text:
                    both = Token(f"{row[i - 1].text}{delimiter}{token.text}")
                    further.append((cost + _MERGE_COST, [*row[: i - 1], both, *row[i + 1 :]]))
        ways = further[:2000]
    for cost, row in ways:
        yield cost, [t.text for t in row]


def _joined(tokens: list[Token], mark: str, kinds: ColumnKinds, width: int) -> list[str] | None:
    """Words put together to cells so that each column has what it usually has."""
    if len(tokens) > 400:
        return None
    best: list[tuple[float, list[str]] | None] = [None] * (len(tokens) + 1)
    best[0] = (0.0, [])
    for column in range(width):
        after: list[tuple[float, list[str]] | None] = [None] * (len(tokens) + 1)
        for start, way in enumerate(best):
            if way is None:
                continue
            for end in range(start + 1, len(tokens) - (width - column - 1) + 1):
                if end - start > 1 and (tokens[end - 1].quoted or tokens[start].quoted):
                    break
                cell = mark.join(t.text for t in tokens[start:end])
                score = way[0] + kinds.fit(column, cell)
                other = after[end]
                if other is None or score > other[0]:
                    after[end] = (score, [*way[1], cell])
        best = after
    last = best[len(tokens)]
    return last[1] if last is not None else None


def readings(text: str, dialect: Dialect, delimiter: str | None, width: int) -> dict[int, list[_Reading]]:
    """Ways to read a record by how many cells they give, each list with the least forced first.

    A quote at the beginning of a cell may open a quoted cell that ends at any quote before a delimiter or the end, or
    be text. What is not as the dialect has it makes a reading more forced.

    Args:
        text: The record.
        dialect: Quote and escape.
        delimiter: What parts its cells.
        width: Much longer rows than this are not followed up.
    """
    if len(text) > _LONGEST:
        return {}
    quote = dialect.quote
    if not quote or quote not in text:
        cells = _split(text, delimiter, blanks=dialect.skip_blanks)
        way: _Reading | None = None
        for cell in reversed(cells):
            way = _Reading(0.0, Token(cell), way)
        return {len(cells): [way]} if way else {}
    return _ways(text, dialect, delimiter, quote, max(width + 4, width * 2))


def _split(text: str, delimiter: str | None, *, blanks: bool) -> list[str]:
    if not delimiter:
        return [text]
    cells = text.split(delimiter)
    return [cells[0], *(c.lstrip(" \t") for c in cells[1:])] if blanks else cells


def _ways(text: str, dialect: Dialect, delimiter: str | None, quote: str, most: int) -> dict[int, list[_Reading]]:
    part = re.compile(re.escape(delimiter) + ("[ \t]*" if dialect.skip_blanks else "")) if delimiter else None
    parts = [(m.start(), m.end()) for m in part.finditer(text)] if part else []
    stops = {start: end for start, end in parts}
    closings = _closings(text, quote, delimiter, stops)
    starts = [0, *(end for _, end in parts)]
    if len(starts) * (len(closings) + 1) > _MOST_STEPS:
        return {}
    ends = [*(start for start, _ in parts), len(text)]
    at: dict[int, dict[int, list[_Reading]]] = {}
    for i in range(len(starts) - 1, -1, -1):
        pos, ways = starts[i], {}
        for cost, token, stop in _options(text, pos, ends[i], ends, closings, dialect, quote):
            rest = at.get(stops[stop], {}) if stop in stops else None
            for count, tails in rest.items() if rest is not None else [(0, [None])]:
                if count < most:
                    ways.setdefault(count + 1, []).extend(
                        _Reading(cost + (t.cost if t else 0.0), token, t) for t in tails
                    )
        at[pos] = {count: sorted(found, key=lambda r: r.cost)[:4] for count, found in ways.items()}
    return at[0]


def _closings(text: str, quote: str, delimiter: str | None, stops: dict[int, int]) -> list[tuple[int, int]]:
    """Quotes that may end a cell: where each stands, and where the cell then stops."""
    found = []
    for match in re.finditer(re.escape(quote) + r"(?=([ \t]*))", text):
        after = match.end()
        for stop in {after, match.end(1)}:
            if stop == len(text) or stop in stops:
                found.append((match.start(), stop))
                break
    return found


def _options(
    text: str, pos: int, end: int, ends: list[int], closings: list[tuple[int, int]], dialect: Dialect, quote: str
) -> Iterator[tuple[float, Token, int]]:
    """Cost, cell and end of each way to read the cell that begins at ``pos``."""
    if not text.startswith(quote, pos):
        cell = text[pos:end]
        doubled = dialect.escape is None or dialect.escape == quote
        yield (0.2 if cell.endswith(quote) else 0.0), Token(cell if doubled else _unescaped(cell, dialect, quote)), end
        opening = cell.find(quote)
        if opening > 0:  # a delimiter is missing before a quoted cell
            yield from _together(text, pos, pos + opening, closings, dialect, quote)
        return
    yield 1.0, Token(text[pos:end]), end
    for at, stop in closings:
        if at > pos:
            body = text[pos + 1 : at]
            yield _forced(body, dialect, quote), Token(_unescaped(body, dialect, quote), quoted=True), stop
    match = _pairs_closed(dialect, quote).match(text, pos)
    if match is not None and match.end() < len(text):  # a delimiter is missing behind a quoted cell
        stop = next((s for s in ends if s >= match.end()), len(text))
        tail = text[match.end() : stop]
        if tail.strip() and not tail.startswith(quote):
            yield 0.9, Token(_unescaped(match[1], dialect, quote) + tail, quoted=True), stop


def _together(
    text: str, pos: int, opening: int, closings: list[tuple[int, int]], dialect: Dialect, quote: str
) -> Iterator[tuple[float, Token, int]]:
    """Text with a quoted cell right behind it, read as one cell."""
    for at, stop in closings:
        if at > opening:
            body = text[opening + 1 : at]
            if _forced(body, dialect, quote) == 0:
                yield 0.9, Token(text[pos:opening] + _unescaped(body, dialect, quote), quoted=True), stop
                return


def _pairs(dialect: Dialect, quote: str) -> re.Pattern[str]:
    q = re.escape(quote)
    if dialect.escape and dialect.escape != quote:
        return re.compile(f"{re.escape(dialect.escape)}([\\s\\S])|{q}({q})")
    return re.compile(f"{q}({q})")


def _pairs_closed(dialect: Dialect, quote: str) -> re.Pattern[str]:
    q, e = re.escape(quote), re.escape(dialect.escape or quote)
    pair = f"{q}{q}" if e == q else f"{q}{q}|{e}[\\s\\S]"
    return re.compile(f"{q}((?:[^{q}{e}]|{pair})*+){q}(?!{q})")


def _forced(body: str, dialect: Dialect, quote: str) -> float:
    if quote not in body:
        return 0.0
    alone = _pairs(dialect, quote).sub("", body)
    loose = alone.count(quote)
    if not loose:
        return 0.0
    mark = dialect.delimiter or ","
    across = body.count(f"{quote}{mark}") + body.count(f"{mark}{quote}")
    return 0.5 + 0.05 * loose + 0.4 * across


def _unescaped(body: str, dialect: Dialect, quote: str) -> str:
    if quote not in body and (not dialect.escape or dialect.escape not in body):
        return body
    return _pairs(dialect, quote).sub(lambda m: next(g for g in m.groups() if g is not None), body)
