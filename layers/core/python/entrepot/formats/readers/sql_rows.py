"""Rows of a script value by value: casts, prefixes, strings that go on, and what is none of a script's values."""

from __future__ import annotations

import re
from functools import lru_cache

from entrepot.errors import SourceError
from entrepot.formats.readers.sql_dialect import MYSQL, POSTGRESQL, SQLITE, SQLSERVER, STANDARD, Dialect
from entrepot.formats.readers.sql_functions import PURE, of_kind
from entrepot.formats.readers.sql_values import (
    MOMENTS,
    WORDS,
    Cell,
    OpenValueError,
    double_quoted,
    escaped,
    hexadecimal,
    number,
    string,
    unknown,
)

_ESCAPED = re.compile(rb"'(?:[^'\\]++|''|\\.)*+'", re.DOTALL)
_SIGNED = re.compile(rb"0[xX][0-9A-Fa-f]+(?!\w)|[-+]?\s*(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?(?![\w.])")
_WORD = re.compile(rb"[A-Za-z_][\w.$]*")
_DOLLARS = re.compile(rb"\$(\w*)\$.*?\$\1\$", re.DOTALL)
_CAST = re.compile(
    rb"::\s*(?:\"[^\"]+\"|[A-Za-z_][\w.]*)(?:\s+(?:varying|precision|with(?:out)?\s+time\s+zone))*(?:\s*\([\d,\s]*\))?(?:\[\])*"
)
_AS = re.compile(rb"AS\s+\[?[A-Za-z_]\w*\]?(?:\s+\w+)?(?:\s*\([\w,\s]*\))?", re.IGNORECASE)
_KIND = re.compile(rb"\s*\[?[A-Za-z_]\w*\]?(?:\s*\([\w,\s]*\))?", re.IGNORECASE)
_DOUBLE = frozenset({MYSQL, SQLITE, STANDARD})
"""Where double quotes may hold a text; elsewhere they hold a name, which is no value."""
_DOUBLE_QUOTED = (
    re.compile(rb'"(?:[^"]++|"")*+"', re.DOTALL),
    re.compile(rb'"(?:[^"\\]++|""|\\.)*+"', re.DOTALL),
)
_DEPTH = 50
"""Parentheses, casts and calls in one another that a value may have."""
_TYPED = frozenset({b"date", b"time", b"timestamp", b"datetime", b"interval", b"decimal", b"binary"})


def _may_part(prefix: bytes) -> bool:
    """Whether a blank may stand between a prefix and its string."""
    return prefix in _TYPED or prefix.startswith(b"_")


@lru_cache(maxsize=8)
def _string(dialect: Dialect) -> re.Pattern[bytes]:
    return re.compile(dialect.string, re.DOTALL)


class IncompleteError(Exception):
    """The bytes at hand end inside a row."""


class Values:
    """Reads values one by one: casts, prefixes and all that `Dialect.row` does not know.

    Args:
        dialect: Whose.
        data: Bytes with at least one whole row.
        pos: Where the row begins.
    """

    def __init__(self, dialect: Dialect, data: bytes, pos: int) -> None:
        self._dialect = dialect
        self._data = data
        self.pos = pos
        self._depth = 0
        self._string = _string(dialect)

    def row(self) -> list[Cell]:
        """The row's values; ``pos`` is behind its closing parenthesis then.

        Raises:
            OpenValueError: A value is not written here.
            IncompleteError: The data end before the row does.
        """
        self._blank()
        self._expect(b"(")
        cells = [self._value()]
        while self._sign() == b",":
            self.pos += 1
            cells.append(self._value())
        self._expect(b")")
        return cells

    def _blank(self) -> None:
        match = self._dialect.blanks.match(self._data, self.pos)
        self.pos = match.end() if match else self.pos

    def _sign(self) -> bytes:
        self._blank()
        if self.pos >= len(self._data):
            raise IncompleteError
        return self._data[self.pos : self.pos + 1]

    def _expect(self, sign: bytes) -> None:
        if self._sign() != sign:
            raise OpenValueError("an expression in a value's place")
        self.pos += 1

    def _take(self, pattern: re.Pattern[bytes]) -> bytes:
        match = pattern.match(self._data, self.pos)
        if match is None:
            return b""
        if match.end() == len(self._data):
            raise IncompleteError
        self.pos = match.end()
        return match[0]

    def _value(self) -> Cell:
        self._depth += 1
        if self._depth > _DEPTH:
            raise OpenValueError("a value in too many parentheses")
        cell = self._one()
        while cell is not None and self._dialect.word == SQLSERVER and self._sign() == b"+":
            self.pos += 1
            cell += self._one() or b""
        while self._sign() == b":":
            if not self._take(_CAST):
                raise OpenValueError("an expression in a value's place")
        self._depth -= 1
        return cell

    def _one(self) -> Cell:
        sign = self._sign()
        if sign == b"(":
            self.pos += 1
            cell = self._value()
            self._expect(b")")
            return cell
        if sign == b"'":
            return self._strings()
        if sign == b'"' and self._dialect.word in _DOUBLE:
            quoted = self._take(_DOUBLE_QUOTED[self._dialect.word == MYSQL])
            if not quoted:
                raise IncompleteError
            return double_quoted(quoted, escapes=self._dialect.escapes)
        if digits := self._take(_SIGNED):
            return hexadecimal(digits[2:]) if digits[:2].lower() == b"0x" else number(digits)
        if word := self._take(_WORD):
            return self._worded(word)
        if sign == b"$" and (dollars := self._take(_DOLLARS)):
            return dollars[dollars.index(b"$", 1) + 1 : dollars.rindex(b"$", 0, -1)]
        raise OpenValueError("an expression in a value's place")

    def _strings(self) -> bytes:
        """A string, and those that follow it and go on with it."""
        found = string(self._quoted(), escapes=self._dialect.escapes)
        while self._sign() == b"'":
            found += string(self._quoted(), escapes=self._dialect.escapes)
        return found

    def _quoted(self) -> bytes:
        found = self._take(self._string)
        if not found:
            raise IncompleteError
        return found

    def _worded(self, word: bytes) -> Cell:
        lower = word.lower()
        if lower in WORDS:
            return WORDS[lower]
        quoted = self._data[self.pos : self.pos + 1] == b"'" or (_may_part(lower) and self._sign() == b"'")
        if quoted:
            return self._literal(lower)
        if lower in {b"cast", b"convert", b"try_cast"} and self._sign() == b"(":
            return self._cast(lower)
        called = self._sign() == b"("
        if called and self._dialect.word == SQLITE and lower in PURE:
            return PURE[lower](self._arguments())
        name = word.decode("latin-1")[:60]
        if name.lower() in MOMENTS or not called:
            raise unknown(word)
        raise SourceError(
            f"The script calls the function {name} in a value's place; scripts are never run.",
            hint="Dump the table's values instead.",
            reason="function",
            function=name,
        )

    def _literal(self, prefix: bytes) -> Cell:
        if prefix == b"e" and self._dialect.word != MYSQL:
            found = self._take(_ESCAPED)
            if not found:
                raise IncompleteError
            return escaped(found)
        token = self._quoted()
        text = string(token, escapes=self._dialect.escapes)
        if prefix == b"x":
            return hexadecimal(text)
        if prefix == b"_binary":
            return b"\\x" + text.hex().encode()
        return text

    def _arguments(self) -> list[bytes]:
        self._expect(b"(")
        found = [self._value() or b""]
        while self._sign() == b",":
            self.pos += 1
            found.append(self._value() or b"")
        self._expect(b")")
        return found

    def _cast(self, word: bytes) -> Cell:
        self._expect(b"(")
        if word == b"convert":
            kind = self._take(_KIND)
            self._expect(b",")
            cell = self._value()
            if self._sign() == b",":
                self.pos += 1
                self._value()
        else:
            cell = self._value()
            self._sign()
            kind = self._take(_AS)[2:]
        self._expect(b")")
        return of_kind(cell, kind.strip().lower())


def row_end(dialect: Dialect, data: bytes, pos: int) -> int | None:
    """Where a row of any kind ends, behind its parenthesis; None when the bytes at hand end before.

    Args:
        dialect: Whose.
        data: Bytes.
        pos: Where the row begins.
    """
    depth = 0
    for match in _tokens(dialect).finditer(data, pos):
        token = match[0]
        depth += token == b"("
        depth -= token == b")"
        if not depth and token == b")":
            return match.end()
    return None


@lru_cache(maxsize=8)
def _tokens(dialect: Dialect) -> re.Pattern[bytes]:
    double = rb'"(?:[^"\\]++|""|\\.)*+"|' if dialect.word == MYSQL else rb'"(?:[^"]++|"")*+"|'
    own = rb"(?<!\w)[eE]'(?:[^'\\]++|''|\\.)*+'|\$(\w*)\$.*?\$\1\$|" if dialect.word == POSTGRESQL else b""
    return re.compile(own + double + dialect.string + rb"|[()]|[^'\"()eE$]++|.", re.DOTALL)
