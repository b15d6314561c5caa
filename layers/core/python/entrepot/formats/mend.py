"""Reads records that do not keep to their dialect, as far as there is one good way to read them.

A record may have a quote that nobody closes, quotes within quotes that are not doubled, another delimiter than the
rest, or a cell too many or too few. Every reading that is weighed keeps each character of the record's cells; what
changes is where one cell ends and the next begins. Which of several readings is right is told by the number of
columns and by what the cells of each column usually look like; without a clear answer the record stays as it stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from entrepot.formats.cells import cells as cells_of
from entrepot.formats.grammar import GOOD, Grammar, next_record
from entrepot.formats.kinds import ColumnKinds
from entrepot.formats.quoting import Reading, Token, readings
from entrepot.model.source import Dialect

_OTHERS = (",", ";", "\t", "|", " ", ":")
_MARGIN = 0.7
_MOST_WORK = 3_000_000
"""Letters and cells that are looked at for all odd records of a table together; some seconds."""
_WAYS_OF_A_LETTER = 200
"""Pairs of quotes and delimiters that take as long to weigh as the letters of a record do."""
_LETTERS_OF_A_WAY = 8
"""Letters that are read in the time in which one of those pairs is weighed, however short the record is."""
_MOST_WAYS = 200_000
_MERGE_COST = 2.5

AS_IT_STANDS, QUOTES, DELIMITER, MOVED, SHORT, LONG = "", "quotes", "delimiter", "moved", "short", "long"
"""What was done to a record."""


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
        self._left = _MOST_WORK

    def mend(self, text: str) -> Mended:
        """The cells of a record without its line end.

        After much work on many records the further ones are read as they stand.
        """
        if self._left <= 0:
            return self._as_it_stands(self._plainly(text))
        ways = self._ways(text)
        self._left -= len(text) * (1 + ways // _WAYS_OF_A_LETTER) + ways * _LETTERS_OF_A_WAY
        found = self._readings(text, self._dialect.delimiter)
        best = found[0]
        if len(best) == self._width:
            return self._doubtful(found) or Mended(
                [t.text for t in best.cells], QUOTES if best.forced else AS_IT_STANDS
            )
        if self._dialect.delimiter == " " and len(best) > self._width and self._kinds is not None:
            joined = self._joined(best.cells)
            if joined is not None:
                return Mended(joined, MOVED)
        return (
            self._aligned(best.cells, sure=True)
            or self._other_delimiter(text, best.cells)
            or self._aligned(best.cells)
            or self._as_it_stands(best.cells)
        )

    def _ways(self, text: str) -> int:
        """How many pairs of a quote and a delimiter a record has: any of them may bound a cell."""
        quote, mark = self._dialect.quote, self._dialect.delimiter
        return text.count(quote) * text.count(mark) if quote and mark else 0

    def _doubtful(self, found: list[_Tokens]) -> Mended | None:
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
            plain = delimiter == self._dialect.delimiter
            return [_Tokens(self._plainly(text) if plain else [Token(c) for c in text.split(delimiter)])]
        ranked = sorted(found.items(), key=lambda f: (f[1][0].cost, abs(f[0] - self._width)))
        if ranked[0][1][0].cost > 0:
            ranked.sort(key=lambda f: f[0] != self._width)
        return [_Tokens(self._fitting(ways), ways[0].cost > 0) for _, ways in ranked]

    def _plainly(self, text: str) -> list[Token]:
        """The cells by the letter of the dialect, or by the delimiter alone where its quotes are out of order."""
        data, grammar = text.encode("utf-8", "surrogatepass"), Grammar.of(self._dialect)
        found = next_record(data, 0, len(data), grammar, whole=True) if data else None
        if found is not None and found == (len(data), GOOD):
            return [Token(c.decode("utf-8", "surrogatepass")) for c in cells_of(data, grammar)]
        return [Token(c) for c in (text.split(self._dialect.delimiter) if self._dialect.delimiter else [text])]

    def _fitting(self, ways: list[Reading]) -> list[Token]:
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
                joined = self._joined(tokens)
                if joined is not None:
                    return Mended(joined, DELIMITER)
        return None

    def _joined(self, tokens: list[Token]) -> list[str] | None:
        """Words parted by blanks put together to cells of the kinds that the columns have."""
        work = len(tokens) ** 2 * self._width
        if self._kinds is None or work > _MOST_WAYS:
            return None
        self._left -= work
        joined = _joined(tokens, " ", self._kinds, self._width)
        return joined if joined is not None and self._kinds.accepts(joined) else None

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
        ways = max(len(tokens), self._width) ** abs(surplus) * self._width
        if self._kinds.rows and 0 < abs(surplus) <= 2 and len(tokens) > 1 and ways <= _MOST_WAYS:
            self._left -= ways
            found = self._wider(tokens, -surplus) if surplus < 0 else self._narrower(tokens, surplus)
            if found is not None and (not sure or self._kinds.accepts(found, blanks=surplus < 0)):
                return Mended(found, MOVED)
        if surplus > 0 and not sure and not any(t.text for t in tokens[self._width :]):
            return Mended([t.text for t in tokens[: self._width]], MOVED)
        return None

    def _wider(self, tokens: list[Token], missing: int) -> list[str] | None:
        """Empty cells go where the others then fit best; of places alike, into the last."""
        ways = [
            (self._score(cells), n, cells) for n, cells in enumerate(_with_blanks([t.text for t in tokens], missing))
        ]
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
