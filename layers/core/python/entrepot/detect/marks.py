"""Which characters could part and quote the cells of a text."""

from __future__ import annotations

import re
from collections import Counter

from entrepot.model.source import Dialect

DELIMITERS = {
    ",": 1.0,
    ";": 1.0,
    "\t": 1.0,
    "|": 0.98,
    "^": 0.9,
    "~": 0.9,
    "§": 0.9,
    "¦": 0.9,
    "\x1f": 0.9,
    "\x1e": 0.9,
    "\x01": 0.9,
    "\x02": 0.9,
    "#": 0.7,
    "*": 0.6,
    "&": 0.6,
    ":": 0.6,
    " ": 0.5,
}
"""Candidates and what each is worth before a file is looked at."""

WEAK = {":": 0.95, " ": 0.9, "#": 0.9, "*": 0.95, "&": 0.95}
"""Characters that texts are full of, and the share of rows that must have one width under them."""

_RUN = re.compile(rb"[!#&*:@^|~\x1c-\x1f]{2,4}|;{2,4}|,{2}(?=,?\S)")
_COMMENT = re.compile(rb"^(?:#|//)[^\r\n]*(?:\r\n|\r|\n|\Z)", re.MULTILINE)
_MOST_LINES = 50
_FEW_QUOTES = 8
_DENSE = 6
"""As many marks in one line are no punctuation."""


def without_comments(part: bytes) -> bytes:
    """The text without lines that begin with ``#`` or ``//``, where others do not."""
    marked = _COMMENT.findall(part)
    lines = part.count(b"\n") or part.count(b"\r")
    return _COMMENT.sub(b"", part) if marked and 2 * len(marked) < lines + 1 else part


def candidates(part: bytes) -> list[tuple[str, float]]:
    """Delimiters to try and their worth: the usual ones, and runs of marks that every line has as often."""
    runs = _runs(part)
    # A pair that is always a pair is one delimiter, not two around an empty cell.
    halves = {run[0] for run, _ in runs if len(set(run)) == 1}
    return [*runs, *((mark, worth) for mark, worth in DELIMITERS.items() if mark not in halves or mark == ":")]


def _runs(part: bytes) -> list[tuple[str, float]]:
    lines = [line for line in re.split(rb"[\r\n]+", part[: 64 << 10], maxsplit=_MOST_LINES)[:_MOST_LINES] if line]
    if len(lines) < 2:
        return []
    found = []
    for run in dict.fromkeys(_RUN.findall(lines[0])):
        times = Counter(line.count(run) for line in lines)
        number, share = times.most_common(1)[0]
        if not number or share < 0.9 * len(lines):
            continue
        # Where the mark of a pair also stands alone, the pair is an empty cell between two.
        if run[:1] in b",;|\t" and len(set(run)) == 1 and any(run[:1] in line.replace(run, b"") for line in lines):
            continue
        try:
            found.append((run.decode("utf-8"), 1.15))
        except UnicodeDecodeError:
            continue
    return found


def quotes_of(part: bytes, delimiter: str) -> list[tuple[str, str, float]]:
    """Quote, escape and worth of each way to quote that the text may have; the usual one always."""
    double = wraps(part, delimiter, '"')
    options = [('"', '"', 1.0)]
    if b'\\"' in part or b"\\" + delimiter.encode() in part or b"\\\n" in part:
        options.append(('"', "\\", 1.0))
    for quote in ("'", "`", "~"):
        if quote == delimiter or quote.encode() not in part:
            continue
        own = wraps(part, delimiter, quote)
        if own > double:
            # Where the usual quote wraps no cell and this one does, apostrophes within do not speak against it.
            proved = own > 1 or (quote * 2).encode() in part
            weight = 1.5 if proved and not double else 0.95
            options.append((quote, quote, weight))
            if b"\\" + quote.encode() in part:
                options.append((quote, "\\", weight * 1.02))
    return options


def wraps(part: bytes, delimiter: str, quote: str) -> int:
    """How often a quote opens a cell, when about as many close one; else 0."""
    d, q = re.escape(delimiter.encode()), re.escape(quote.encode())
    opening = len(re.findall(rb"(?:^|" + d + rb"[ ]?)" + q + rb"(?!" + d + rb"|\r?$)", part, re.MULTILINE))
    closing = len(re.findall(rb"(?<!" + d + rb")" + q + rb"[ ]?(?:\r?$|" + d + rb")", part, re.MULTILINE))
    return opening if opening and closing >= opening * 0.9 else 0


def densest(part: bytes) -> str | None:
    """The delimiter of a few lines among many that are only said; None when no line is full of one."""
    # In sentences a blank stands behind the mark.
    lines = re.split(rb"[\r\n]+", re.sub(rb"[,;] ", b"", part))
    found = {mark: max((line.count(mark.encode()) for line in lines), default=0) for mark in (",", ";", "\t", "|")}
    best = max(found, key=lambda mark: found[mark])
    return best if found[best] >= _DENSE else None


def at_edges(part: bytes, delimiter: str, quote: str = '"') -> float:
    """The share of quotes that stand where cells begin or end; 0 where there are few."""
    part = part.replace(quote.encode() * 2, b"")  # doubled ones are text, or nothing
    total = part.count(quote.encode())
    if total < _FEW_QUOTES:
        return 0.0
    d, q = re.escape(delimiter.encode()), re.escape(quote.encode())
    edges = re.findall(rb"(?:^|(?<=" + d + rb"))" + q + rb"|" + q + rb"(?=" + d + rb"|\r?$)", part, re.MULTILINE)
    return len(edges) / total


def skips_blanks(part: bytes, dialect: Dialect) -> bool:
    """Whether a blank behind each delimiter belongs to it: every one has it, or quotes stand behind it."""
    mark = (dialect.delimiter or "").encode()
    if not mark.strip() or not mark:
        return False
    d = re.escape(mark)
    quote = re.escape((dialect.quote or "").encode())
    if quote:
        behind = len(re.findall(d + rb"[ ]+" + quote + rb"[^ ]", part))
        if behind >= 2 and behind > 4 * len(re.findall(d + quote, part)):
            closing = len(re.findall(quote + rb"[ ]*(?:" + d + rb"|\r?$)", part, re.MULTILINE))
            return closing * 2 >= behind
    bare = re.sub(rb'"[^"\r\n]*"', b"", part)
    lines = [line for line in re.split(rb"[\r\n]+", bare) if line.strip()]
    total = bare.count(mark)
    one = len(re.findall(d + rb"[ ](?![ ])", bare))
    return len(lines) > 1 and total >= 2 * len(lines) and one >= 0.98 * total
