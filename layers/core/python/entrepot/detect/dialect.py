"""Detects how delimited text is cut: every plausible dialect is tried, the most orderly result wins.

The measure follows G. van den Burg, A. Nazábal and C. Sutton, "Wrangling messy CSV files by
detecting row and type patterns", 2019: rows of few widths, times cells that look like something.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache

from entrepot.detect.marks import (
    DELIMITERS,
    WEAK,
    at_edges,
    candidates,
    densest,
    quotes_of,
    skips_blanks,
    without_comments,
)
from entrepot.formats.cells import cells, without_line_end
from entrepot.formats.grammar import BLANK, GOOD, Grammar
from entrepot.formats.scan import Records, scan
from entrepot.model.source import Dialect

_SAMPLE_BYTES = 48 << 10
_SAMPLE_ROWS = 300
_SOME_TYPED = 0.92
"""Tidiness of cells of which a fifth are more than words."""

_TYPED = re.compile(
    r"\s*(?:|[+-]?[$€£]?\s?[0-9][0-9.,'\u2019]*(?: [0-9]{3}[.,0-9]*)*(?:[eE][+-]?[0-9]+)?\s?[%€$]?"
    r"|[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}(?:[T ][0-9:.]+(?:Z|[+-][0-9:]+)?)?"
    r"|[0-9]{1,2}:[0-9]{2}(?::[0-9.]+)?|true|false|yes|no|n/?a|null|nan"
    r"|https?://\S+|[^@\s]+@[^@\s]+\.[a-z]{2,}|-?\.[0-9]+)\s*",
    re.IGNORECASE,
)
_LONGEST_QUOTED = 4000
"""Bytes between the quotes of a cell in a record with stray ones."""
_UNTIDY = re.compile(r"[;|\t^~]|\w,\w.*,\w|\"$|^\"")


@dataclass(frozen=True, slots=True)
class Guess:
    """A dialect and how orderly the sample is under it."""

    dialect: Dialect
    score: float
    width: int = 0
    consistency: float = 0.0
    tidy: float = 0.0
    rows: int = 0
    odd: int = 0
    """Records with a stray or misplaced quote."""
    first: bool = True
    """Whether the first record has the width of the others."""


def find_dialect(
    sample: bytes, *, whole: bool, delimiter: str | None = None, hint: str = ""
) -> tuple[Guess, list[Guess]]:
    """The best dialect, and all that were tried, best first.

    Args:
        sample: The first bytes of the data in an encoding in which ASCII is itself.
        whole: Whether the sample is the whole source.
        delimiter: A stated delimiter.
        hint: A delimiter that the file's name speaks for.
    """
    everything = whole
    part, whole = _trimmed(sample, whole=whole)
    part = without_comments(part)
    found = [
        guess
        for mark, worth in ([(delimiter, 1.0)] if delimiter else candidates(part))
        if mark.encode() in part
        for guess in _quotings(part, mark, worth, whole=whole, hint=hint)
    ]
    single = _score(part, Dialect(delimiter=delimiter or None), 0.9, whole=whole, hint=hint)
    if delimiter is None:
        quoting = _quoting_delimiter(part)
        found = [g for g in found if g.dialect.delimiter == quoting or _plausible(g, single)]
        if quoting:
            found = [g for g in found if g.dialect.delimiter == quoting and g.width > 1] or found
    found.sort(key=lambda g: -g.score)
    if found and not found[0].first:
        # Cells of many like words can be more orderly than the columns that they stand in: a dialect
        # that fits every record goes before one that takes the first for a preamble.
        found.sort(key=lambda g: not _fits_all(g))
    if not found:
        dense = densest(part) if delimiter is None else None
        if dense:
            return _score(part, Dialect(delimiter=dense), 1.0, whole=whole, hint=hint), []
        usual = delimiter is None and everything and b"," not in sample
        # What parts no cell of a table of one column is the usual comma.
        return replace(single, dialect=Dialect()) if usual else single, []
    best = _unquoted_where_quotes_are_text(sample, found)
    if skips_blanks(part, best.dialect):
        best = replace(best, dialect=best.dialect.model_copy(update={"skip_blanks": True}))
    return best, found


def _fits_all(guess: Guess) -> bool:
    return guess.consistency == 1 and guess.rows > 2 and not guess.odd and guess.dialect.delimiter not in WEAK


def _quoting_delimiter(part: bytes) -> str:
    """A blank, when nearly all quotes stand beside one and hardly any beside a mark that is a delimiter elsewhere."""
    others = max(at_edges(part, mark) for mark in (",", ";", "\t", "|"))
    return " " if at_edges(part, " ") > 0.9 and others < 0.5 else ""


def _plausible(guess: Guess, single: Guess) -> bool:
    mark = guess.dialect.delimiter or ""
    if mark in WEAK and (guess.consistency < WEAK[mark] or guess.rows < 2 or single.tidy > 0.95 or not guess.first):
        return False  # times have colons, dates and names have blanks
    if mark == " " and guess.tidy < _SOME_TYPED:
        return False  # words alone are a text
    if guess.consistency < 0.9 and (mark not in DELIMITERS or single.tidy > 0.95):
        return False  # a comma stands in numbers
    return guess.width > 1 and guess.consistency >= 0.4 and guess.score >= 0.08


def _unquoted_where_quotes_are_text(sample: bytes, found: list[Guess]) -> Guess:
    """The best guess; without quotes when further down in the sample quotes turn out to be text."""
    best = found[0]
    bare = next((g for g in found if g.dialect.quote is None and g.dialect.delimiter == best.dialect.delimiter), None)
    if best.dialect.quote is None or bare is None or bare.consistency < 0.9:
        return best
    grammar = Grammar.of(best.dialect)
    opening = (grammar.quote or b"", (grammar.delimiter or b"") + (grammar.quote or b""))
    odd = quoted = 0
    for records in scan(sample, grammar, whole=False):
        spans = zip(records.starts().tolist(), records.ends.tolist(), records.kinds.tolist(), strict=True)
        for start, end, kind in spans:
            odd += kind > BLANK
            quoted += kind == GOOD and (
                sample.startswith(opening[0], start) or sample.find(opening[1], start, end) >= 0
            )
    return bare if odd > quoted else best


def _trimmed(sample: bytes, *, whole: bool) -> tuple[bytes, bool]:
    if len(sample) <= _SAMPLE_BYTES:
        return sample, whole
    cut = sample.rfind(b"\n", 0, _SAMPLE_BYTES) + 1 or sample.rfind(b"\r", 0, _SAMPLE_BYTES) + 1
    return (sample[:cut], False) if cut else (sample, whole)


def _quotings(part: bytes, delimiter: str, worth: float, *, whole: bool, hint: str) -> list[Guess]:
    options = quotes_of(part, delimiter)
    guesses = [
        _score(part, Dialect(delimiter=delimiter, quote=q, escape=e), worth * weight, whole=whole, hint=hint)
        for q, e, weight in options
    ]
    unsure = guesses[0].odd or guesses[0].consistency < 1
    if b'"' in part and (unsure or len(part) > _SAMPLE_BYTES // 2):
        bare = _score(part, Dialect(delimiter=delimiter, quote=None, escape=None), worth, whole=whole, hint=hint)
        guesses.append(replace(bare, score=bare.score * (0.8 if unsure else 0.4)))
    return guesses


def sample_rows(
    sample: bytes, dialect: Dialect, *, whole: bool, most: int = _SAMPLE_ROWS
) -> list[tuple[int, int, list[bytes]]]:
    """End, kind and cells of the first records of a sample.

    Args:
        sample: Bytes that begin with a record.
        dialect: How to cut them.
        whole: Whether the sample ends where the source does.
        most: How many records to take.
    """
    grammar = Grammar.of(dialect)
    rows: list[tuple[int, int, list[bytes]]] = []
    for found in scan(sample, grammar, whole=whole):
        rows += _rows(sample, found, grammar, most - len(rows))
        if len(rows) >= most:
            break
    return rows


def _rows(sample: bytes, found: Records, grammar: Grammar, most: int) -> list[tuple[int, int, list[bytes]]]:
    rows = []
    for start, end, kind in zip(
        found.starts()[:most].tolist(), found.ends.tolist(), found.kinds.tolist(), strict=False
    ):
        record = without_line_end(sample[start:end], grammar.escape)
        rows.append((end, kind, [] if kind == BLANK else cells(record, grammar)))
    return rows


def _score(part: bytes, dialect: Dialect, worth: float, *, whole: bool, hint: str) -> Guess:
    rows = _sampled(part, dialect, whole=whole)
    if not rows:
        return Guess(dialect, 0.0)
    widths = Counter(len(row) for _, row in rows)
    width = max(widths, key=lambda w: (widths[w] * (w > 1), w))
    consistency = widths[width] / len(rows)
    orderly = [cell for _, row in rows if len(row) == width for cell in row]
    tidy = sum(map(_tidy, orderly)) / len(orderly)
    worth *= 1.1 if hint and dialect.delimiter == hint else 1.0
    # Wider rows are less likely by chance; the gain flattens quickly.
    shape = (width - 1) / width + 0.02 * min(width, 10)
    order = sum((n / len(rows)) ** 2 for w, n in widths.items() if w > 1 or w == width)
    odd = sum(kind != GOOD for kind, _ in rows)
    score = worth * order * shape * (0.05 + tidy) * (1 - 0.3 * odd / len(rows))
    if width > 2 and not any(row[0] or row[-1] for _, row in rows if len(row) == width):
        score *= 0.3  # what stands at both ends of every row quotes cells and does not part them
    # The names of rows, as R writes them, have no name themselves.
    numbered = len(rows[0][1]) == width - 1 > 1 and _names_of_rows(rows[1:])
    first = len(rows[0][1]) == width or numbered
    return Guess(dialect, score, width, 1.0 if numbered else consistency, tidy, len(rows), odd, first)


def _names_of_rows(rows: list[tuple[int, list[bytes]]]) -> bool:
    return len(rows) > 1 and all(row[0] == str(n).encode() for n, (_, row) in enumerate(rows, 1))


def _sampled(part: bytes, dialect: Dialect, *, whole: bool) -> list[tuple[int, list[bytes]]]:
    """Kind and cells of the records that are not blank; odd ones are read leniently."""
    grammar = Grammar.of(dialect)
    for end in {whole, True}:
        rows: list[tuple[int, list[bytes]]] = []
        for found in scan(part, grammar, whole=end):
            spans = zip(found.starts().tolist(), found.ends.tolist(), found.kinds.tolist(), strict=True)
            for start, stop, kind in spans:
                if kind != BLANK:
                    record = without_line_end(part[start:stop], grammar.escape)
                    rows.append((kind, cells(record, grammar) if kind == GOOD else leniently(record, grammar)))
            if len(rows) >= _SAMPLE_ROWS:
                break
        if rows:
            return rows[:_SAMPLE_ROWS]
    return []


def leniently(record: bytes, grammar: Grammar) -> list[bytes]:
    """Cells of a record with stray quotes: a quoted cell ends at the first quote before a delimiter.

    Args:
        record: Without its line end.
        grammar: How it would be cut.
    """
    quote, mark = grammar.quote, grammar.delimiter
    if quote is None:
        return cells(record, grammar)
    # Where the last quote of a cell may stand; looked up once, since a record can be full of first ones.
    lasts = [m.start() for m in _last_quote(mark, quote).finditer(record)]
    found: list[bytes] = []
    at: int | None = 0
    while at is not None:
        end = _end_quoted(record, at, quote, lasts)
        after = record.find(mark, at if end is None else end) if mark else -1
        found.append(record[at:end] if end is not None else record[at:after] if after >= 0 else record[at:])
        at = after + len(mark) if mark and after >= 0 else None
    # An odd record is no orderly one of a single column.
    return found if mark or not record else [*found, b""]


def _end_quoted(record: bytes, at: int, quote: bytes, lasts: list[int]) -> int | None:
    """Where the quoted cell that begins at a place ends; None when none does."""
    if not record.startswith(quote, at):
        return None
    place = bisect_left(lasts, at + len(quote))
    if place == len(lasts) or lasts[place] > at + len(quote) + _LONGEST_QUOTED:
        return None
    return lasts[place] + len(quote)


@lru_cache(maxsize=64)
def _last_quote(delimiter: bytes | None, quote: bytes) -> re.Pattern[bytes]:
    end = re.escape(delimiter) + rb"|\Z" if delimiter else rb"\Z"
    return re.compile(re.escape(quote) + rb"(?=[ \t]*(?:" + end + rb"))")


def _tidy(cell: bytes) -> float:
    text = cell[:200].decode("utf-8", "replace")
    if _TYPED.fullmatch(text):
        return 1.0
    return 0.3 if _UNTIDY.search(text) or text.startswith("'") != text.endswith("'") else 0.9
