"""Detects how delimited text is cut: every plausible dialect is tried, the most orderly result wins.

The measure follows G. van den Burg, A. Nazábal and C. Sutton, "Wrangling messy CSV files by
detecting row and type patterns", 2019: rows of one width, times cells that look like something.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace

from entrepot.formats.cells import cells, without_line_end
from entrepot.formats.grammar import BLANK, GOOD, Grammar
from entrepot.formats.scan import Records, scan
from entrepot.model.source import Dialect

DELIMITERS = {
    ",": 1.0,
    ";": 1.0,
    "\t": 1.0,
    "|": 0.98,
    "^": 0.9,
    "~": 0.9,
    "\x1f": 0.9,
    "\x01": 0.9,
    ":": 0.6,
    " ": 0.5,
}
"""Candidates and what each is worth before a file is looked at."""

_WEAK = frozenset({":", " "})

_SAMPLE_BYTES = 48 << 10
_SAMPLE_ROWS = 300

_TYPED = re.compile(
    r"\s*(?:|[+-]?[$€£]?\s?[0-9][0-9 .,'\u2019]*(?:[eE][+-]?[0-9]+)?\s?[%€$]?|[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}"
    r"(?:[T ][0-9:.]+(?:Z|[+-][0-9:]+)?)?|[0-9]{1,2}:[0-9]{2}(?::[0-9.]+)?|true|false|yes|no|n/?a|null|nan)\s*",
    re.IGNORECASE,
)
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
    part, whole = _trimmed(sample, whole=whole)
    found = [
        guess
        for mark in ([delimiter] if delimiter else [*DELIMITERS])
        if mark.encode() in part
        for guess in _quotings(part, mark, whole=whole, hint=hint)
    ]
    single = _score(part, Dialect(delimiter=delimiter or None), whole=whole, hint=hint)
    if delimiter is None:
        found = [g for g in found if _plausible(g, single)]
    found.sort(key=lambda g: -g.score)
    if found and not found[0].first:
        # Cells of many like words can be more orderly than the columns that they stand in: a dialect
        # that fits every record goes before one that takes the first for a preamble.
        found.sort(key=lambda g: not _fits_all(g))
    if not found:
        return single, []
    return _unquoted_where_quotes_are_text(sample, found), found


def _fits_all(guess: Guess) -> bool:
    return guess.consistency == 1 and guess.rows > 2 and not guess.odd and guess.dialect.delimiter not in _WEAK


def _plausible(guess: Guess, single: Guess) -> bool:
    if guess.dialect.delimiter in _WEAK and (guess.consistency < 0.95 or guess.rows < 2 or single.tidy > 0.95):
        return False  # times have colons, dates and names have blanks
    return guess.width > 1 and guess.consistency >= 0.5 and guess.score >= 0.12


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


def _quotings(part: bytes, delimiter: str, *, whole: bool, hint: str) -> list[Guess]:
    options = [('"', '"')]
    if b'\\"' in part:
        options.append(('"', "\\"))
    if b"'" in part and _wraps(part, delimiter, "'"):
        options += [("'", "'"), *([("'", "\\")] if b"\\'" in part else [])]
    guesses = [
        _score(part, Dialect(delimiter=delimiter, quote=q, escape=e), whole=whole, hint=hint) for q, e in options
    ]
    unsure = guesses[0].odd or guesses[0].consistency < 1
    if b'"' in part and (unsure or len(part) > _SAMPLE_BYTES // 2):
        bare = _score(part, Dialect(delimiter=delimiter, quote=None, escape=None), whole=whole, hint=hint)
        guesses.append(replace(bare, score=bare.score * (0.8 if unsure else 0.4)))
    return guesses


def _wraps(part: bytes, delimiter: str, quote: str) -> bool:
    """Whether quotes stand at both edges of cells."""
    d, q = re.escape(delimiter.encode()), re.escape(quote.encode())
    opening = len(re.findall(rb"(?:^|" + d + rb")" + q, part, re.MULTILINE))
    closing = len(re.findall(q + rb"(?:\r?$|" + d + rb")", part, re.MULTILINE))
    return opening >= 2 and closing >= opening * 0.9


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


def _score(part: bytes, dialect: Dialect, *, whole: bool, hint: str) -> Guess:
    rows = [(kind, row) for _, kind, row in sample_rows(part, dialect, whole=whole) if kind != BLANK]
    if not rows:
        rows = [(kind, row) for _, kind, row in sample_rows(part, dialect, whole=True) if kind != BLANK]
    good = [row for kind, row in rows if kind == GOOD]
    if not good:
        return Guess(dialect, 0.0)
    widths = Counter(len(row) for row in good)
    width = max(widths, key=lambda w: (widths[w] * (w > 1), w))
    consistency = widths[width] / len(rows)
    orderly = [cell for row in good if len(row) == width for cell in row]
    tidy = sum(map(_tidy, orderly)) / len(orderly)
    worth = DELIMITERS.get(dialect.delimiter or "", 0.9) * (1.1 if hint and dialect.delimiter == hint else 1.0)
    # Wider rows are less likely by chance; the gain flattens quickly.
    shape = (width - 1) / width + 0.02 * min(width, 10)
    score = worth * consistency**2 * shape * (0.05 + tidy)
    odd = len(rows) - len(good)
    return Guess(dialect, score, width, consistency, tidy, len(rows), odd, len(rows[0][1]) == width)


def _tidy(cell: bytes) -> float:
    text = cell[:200].decode("utf-8", "replace")
    if _TYPED.fullmatch(text):
        return 1.0
    return 0.3 if _UNTIDY.search(text) else 0.9
