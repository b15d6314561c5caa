"""Rows of plain values, many at once; what is not plain here is read value by value, with the same outcome."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from entrepot.formats.readers.sql_block import parsed
from entrepot.formats.readers.sql_dialect import MYSQL, SQLSERVER, Dialect
from entrepot.formats.readers.sql_values import mysql_letter

if TYPE_CHECKING:
    import pyarrow as pa

_MOST = 8192
_MOST_BYTES = 4 << 20
_NUMBER = rb"-?\d++(?:\.\d*+)?+(?:[eE][-+]?\d{1,2})?+"
_WORDS = rb"NULL|null|TRUE|true|FALSE|false"
_STRING = rb"N?+'[^']*+'(?:'[^']*+')*+"
_ESCAPED = rb"N?+'[^'\\]*+(?:\\.[^'\\]*+)*+'(?:'[^'\\]*+(?:\\.[^'\\]*+)*+')*+"
_AS = rb" AS \w++(?:\([\d, ]*+\))?+\)"
_BETWEEN = re.compile(rb"(?:\s++|GO[ \t]*+\r?+\n)*+")
_BLANKS = b" \t\n\r\f\v"
_KIND = re.compile(rb"AS\w++(?:\([\d,]*+\))?+\)")
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
_LETTERS = (
    (rb"\'", b"''"),
    (rb"\"", b'"'),
    (rb"\n", b"\n"),
    (rb"\r", b"\r"),
    (rb"\t", b"\t"),
    (rb"\0", b"\0"),
)
"""MySQL's usual escapes, as a string with doubled quotes has them."""


class PlainRows:
    """Reads runs of rows of INSERT that have numbers, simple strings and words of SQL for values.

    Args:
        dialect: Whose SQL it is.
        encoding: Of the texts: UTF-8, or one byte a letter.
    """

    def __init__(self, dialect: Dialect, encoding: str) -> None:
        self._dialect = dialect
        self._encoding = encoding
        self._row = _row(dialect.word)

    def run(self, data: bytes, pos: int, head: bytes) -> tuple[list[bytes], int]:
        """The rows from a place on, each without its parentheses, and where the next one begins.

        The last row of a run is left to others: what follows it may be anything.

        Args:
            data: The script's bytes.
            pos: Where a row may begin.
            head: The statement up to its first row; where it follows again, its rows belong to the run.
        """
        rows: list[bytes] = []
        match, last = self._row.match, pos + _MOST_BYTES
        while pos < last and len(rows) < _MOST:
            found = match(data, pos)
            if found is None:
                break
            end = found.end()
            if found.lastindex != 2:
                end = statement_after(data, end)
                if not begins(data, end, head):
                    break
                end += len(head)
            rows.append(found[1])
            pos = end
        return rows, pos

    def columns(self, rows: list[bytes], width: int) -> list[pa.Array] | None:
        """The values of rows, by column; None when a row has another width or is no text.

        Args:
            rows: From `run`.
            width: How many values each should have.
        """
        text = b";".join(rows)
        if self._dialect.escapes and b"\\" in text:
            text = _doubled(text)
        # Strings stand at odd places between quotes; an empty piece is between the quotes of a doubled one.
        pieces = text.split(b"'")
        outside = b"'".join(pieces[::2]).translate(None, _BLANKS).replace(b";", b"\n")
        if self._dialect.word == SQLSERVER:
            outside = _KIND.sub(b"", outside.replace(b"CAST(", b""))
        outside = outside.replace(b"N'", b"'").replace(b"TRUE", b"true").replace(b"FALSE", b"false")
        pieces[::2] = outside.split(b"'")
        return parsed(b"'".join(pieces), self._encoding, width, len(rows), quote="'")


def statement_after(data: bytes, pos: int) -> int:
    """Where the next statement begins, blanks and ``GO`` being passed."""
    found = _BETWEEN.match(data, pos)
    return found.end() if found else pos


def begins(data: bytes, pos: int, head: bytes) -> bool:
    """Whether an INSERT that began so once begins at a place again; none does with an empty head."""
    end = pos + len(head)
    return head != b"" and data.startswith(head, pos) and data[end : end + 1] == b"("


@lru_cache(maxsize=8)
def _row(word: str) -> re.Pattern[bytes]:
    """A row of plain values, and the comma before the next one or the statement's end."""
    string = _ESCAPED if word == MYSQL else _STRING
    value = b"|".join((_NUMBER, string, _WORDS))
    if word == SQLSERVER:
        # A text of bytes may be an old date's, which only its type tells.
        value += rb"|CAST\((?!N?'\\x)(?:" + value + rb")" + _AS
    value = rb"(?:" + value + rb")"
    stop = rb"\s*+;?+" if word == SQLSERVER else rb"\s*+;"
    return re.compile(
        rb"\s*+\(\s*+(" + value + rb"(?:,\s*+" + value + rb")*+)\)(?:(,)(?=\s*+\()|" + stop + rb")", re.DOTALL
    )


def _replaced(part: bytes) -> bytes:
    for escape, letter in _LETTERS:
        part = part.replace(escape, letter)
    return part


def _doubled(text: bytes) -> bytes:
    """Strings with MySQL's escapes as ones that double their quotes."""
    parts = text.split(b"\\\\")
    for n, part in enumerate(parts):
        if b"\\" in part:
            parts[n] = _ESCAPE.sub(mysql_letter, _replaced(part))
    return b"\\".join(parts)
