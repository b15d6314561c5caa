"""How the SQL of each database is cut into strings, names, comments and statements."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

POSTGRESQL, MYSQL, SQLITE, SQLSERVER, STANDARD = "postgresql", "mysql", "sqlite", "sqlserver", "standard"

_MARKS = (
    (
        POSTGRESQL,
        rb"-- PostgreSQL database|\bpg_catalog\.|^COPY .* FROM stdin;|standard_conforming_strings|\\restrict ",
    ),
    (
        MYSQL,
        rb"-- (?:MySQL|MariaDB) dump|phpMyAdmin|/\*M?!\d{5}|\)\s*ENGINE\s*=|`\w+`|^LOCK TABLES |[a-z]\\'[a-z]",
    ),
    (SQLITE, rb"^PRAGMA foreign_keys|\bsqlite_sequence\b|^BEGIN TRANSACTION;"),
    (SQLSERVER, rb"^GO\s*$|\[dbo\]|SET IDENTITY_INSERT|SET ANSI_NULLS|\bN'|\)[ \t]*\r?\n\s*(?i:INSERT)\s"),
    (POSTGRESQL, rb"::\w+|\bE'"),
)

_NAME = rb"`(?:[^`]|``)+`|\"(?:[^\"]|\"\")+\"|\[(?:[^\]]|\]\])+\]|[A-Za-z_@\x80-\xff][\w$#@\x80-\xff]*"
IDENTIFIER = rb"(?:" + _NAME + rb")"
QUALIFIED = IDENTIFIER + rb"(?:\s*\.\s*" + IDENTIFIER + rb"){0,3}"
_IDENTIFIER = re.compile(IDENTIFIER)


@dataclass(frozen=True)
class Dialect:
    """The letters of one dialect, as patterns over bytes.

    Attributes:
        word: Its name.
        blanks: Blanks and comments; `/*!` … `*/` of MySQL counts as blank around what it holds.
        body: Some tokens of a statement up to its end, never a part of a string or comment.
        string: One string with its quotes.
        row: A row of ``width`` simple values, by `row`.
    """

    word: str
    blanks: re.Pattern[bytes]
    body: re.Pattern[bytes]
    string: bytes

    @property
    def escapes(self) -> bool:
        """Whether a backslash in a string is an escape."""
        return self.word == MYSQL

    def row(self, width: int) -> re.Pattern[bytes]:
        """A row of simple values, each a group; what is no such row is read value by value.

        Args:
            width: How many values.
        """
        return _row(self.word, self.string, width)


@lru_cache(maxsize=256)
def _row(word: str, string: bytes, width: int) -> re.Pattern[bytes]:
    simple = rb"(?:[NnXx]|_binary )?" + string + rb"|[-+.\w]++"
    if word == MYSQL:
        simple += rb'|"(?:[^"\\]++|""|\\.)*+"'
    if word == SQLSERVER:
        simple = rb"CAST\((?:" + simple + rb") AS \w+(?:\([\d, ]*\))?\)|" + simple
    value = rb"\s*+(" + simple + rb")\s*+"
    return re.compile(rb"\s*+\(" + rb",".join([value] * width) + rb"\)", re.DOTALL)


def dialect_of(head: bytes) -> str:
    """Which database a script is for, by what it begins with; standard SQL when nothing tells.

    Args:
        head: The first bytes, some hundred thousand where there are as many.
    """
    stated = re.match(rb"\s*-- Entrepot: (\w+) script", head)
    if stated:
        return stated[1].decode()
    counts = {word: 0 for word, _ in _MARKS}
    for word, pattern in _MARKS:
        counts[word] += min(20, sum(1 for _ in zip(re.finditer(pattern, head, re.MULTILINE), range(20), strict=False)))
    best = max(counts, key=lambda w: counts[w])
    return best if counts[best] else STANDARD


@lru_cache(maxsize=8)
def dialect(word: str) -> Dialect:
    """The patterns of a dialect."""
    string = rb"'(?:[^'\\]++|''|\\.)*+'" if word == MYSQL else rb"'(?:[^']++|'')*+'"
    line = rb"--[^\n]*+(?:\n|\Z)|#[^\n]*+(?:\n|\Z)" if word == MYSQL else rb"--[^\n]*+(?:\n|\Z)"
    comment = rb"/\*M?!999999\\-.*?\*/;?|/\*(?!M?!).*?\*/" if word == MYSQL else rb"/\*.*?\*/"
    blanks = [rb"\s++", line, comment]
    if word == MYSQL:
        blanks += [rb"/\*M?!\d*+(?=\D)", rb"\*/"]
    # Tokens of a statement's inside; the last ones are single letters that begin nothing here.
    stops = rb"'\"`;\-/$eE" + (rb"#" if word == MYSQL else b"") + (rb"\[" if word in _BRACKETS else b"")
    parts = []
    if word == SQLSERVER:
        stops += rb"\n"
        begins = rb"GO\s|INSERT\s|SET\s|CREATE\s|ALTER\s|USE\s|PRINT\s|EXEC\s|DELETE\s|UPDATE\s|DROP\s|TRUNCATE\s"
        parts.append(rb"\n\s*+(?!" + begins + rb"|\Z)")
    parts += [
        rb"[^" + stops + rb"]++",
        string,
        rb"(?<![\w$])[eE]'(?:[^'\\]++|''|\\.)*+'" if word in {POSTGRESQL, STANDARD} else rb"(?!)",
        rb"[eE](?!')" if word in {POSTGRESQL, STANDARD} else rb"[eE]",
        rb'"(?:[^"\\]++|""|\\.)*+"' if word == MYSQL else rb'"(?:[^"]++|"")*+"',
        rb"`(?:[^`]++|``)*+`",
        line,
        rb"/\*.*?\*/",
        rb"-(?!-)",
        rb"/(?!\*)",
    ]
    if word in _BRACKETS:
        parts.append(rb"\[(?:[^\]]++|\]\])*+\]")
    if word == POSTGRESQL:
        parts += [rb"\$(\w*)\$.*?\$\1\$", rb"\$(?!\w*\$)"]
    else:
        parts.append(rb"\$")
    return Dialect(
        word=word,
        blanks=re.compile(rb"(?:" + rb"|".join(blanks) + rb")*+", re.DOTALL),
        body=re.compile(rb"(?:" + rb"|".join(parts) + rb"){0,500}+", re.DOTALL | re.IGNORECASE),
        string=string,
    )


_BRACKETS = frozenset({SQLSERVER, SQLITE})


def identifiers(text: bytes) -> list[bytes]:
    """The bare names of a qualified name or a list of names, quotes removed."""
    return [bare(match[0]) for match in _IDENTIFIER.finditer(text)]


def bare(name: bytes) -> bytes:
    """A name without its quotes."""
    first, rest = name[:1], name[1:-1]
    if first == b"[":
        return rest.replace(b"]]", b"]")
    return rest.replace(first * 2, first) if first in {b"`", b'"'} else name
