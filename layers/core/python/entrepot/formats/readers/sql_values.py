"""Values of a script as texts: what they say, never what they do."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from functools import lru_cache

from entrepot.errors import SourceError
from entrepot.formats.readers.sql_dialect import MYSQL, POSTGRESQL, SQLITE, Dialect

Cell = bytes | None


class OpenValueError(Exception):
    """A row that cannot be read: a value that only a database would know, or none at all.

    Args:
        what: The value's kind or the function's name, never a cell.
    """

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


_MOMENTS = frozenset(
    "current_timestamp current_date current_time localtime localtimestamp now getdate getutcdate sysdate sysdatetime"
    " sysutcdatetime sysdatetimeoffset utc_timestamp curdate curtime curtimestamp unix_timestamp transaction_timestamp"
    " statement_timestamp clock_timestamp default nextval uuid newid newsequentialid gen_random_uuid uuid_generate_v4"
    " last_insert_id rand random current_user session_user user".split()
)
"""Values that the database fills in when the script runs: rows with them are refused, not the script."""

_NUMBER = re.compile(rb"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_WORDS: dict[bytes, Cell] = {b"null": None, b"true": b"true", b"false": b"false"}
_ESCAPES = {b"0": b"\0", b"b": b"\b", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"Z": b"\x1a", b"f": b"\f", b"v": b"\v"}
_MYSQL_ESCAPE = re.compile(rb"\\(.)|''", re.DOTALL)
_POSTGRES_ESCAPE = re.compile(
    rb"\\(?:([0-7]{1,3})|x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))|''", re.DOTALL
)


def string(token: bytes, *, escapes: bool) -> bytes:
    """The text of a string with its quotes."""
    inner = token[1:-1]
    if escapes and b"\\" in inner:
        return _MYSQL_ESCAPE.sub(_mysql, inner)
    return inner.replace(b"''", b"'") if b"'" in inner else inner


def _mysql(match: re.Match[bytes]) -> bytes:
    letter = match[1]
    if letter is None:
        return b"'"
    if letter in b"%_":
        return b"\\" + letter
    return _ESCAPES.get(letter, letter) if letter not in b"fv" else letter


def _postgres(match: re.Match[bytes]) -> bytes:
    octal, hexadecimal, short, long, letter = match.groups()
    if octal or hexadecimal:
        return bytes([int(octal, 8) & 255 if octal else int(hexadecimal, 16)])
    if short or long:
        try:
            return chr(int(short or long, 16)).encode()
        except (ValueError, UnicodeError):
            raise OpenValueError("an escape that is no character") from None
    if letter is None:
        return b"'"
    return {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}.get(letter, letter)


def simple_cell(token: bytes, dialect: Dialect) -> Cell:
    """A value of `Dialect.row`.

    Raises:
        OpenValueError: It is no value that is written here.
    """
    first = token[:1]
    if first == b"'":
        return string(token, escapes=dialect.escapes)
    if first in b"nNxX_" and token.endswith(b"'"):
        return _prefixed(token, dialect)
    if _NUMBER.fullmatch(token):
        return _number(token)
    lower = token.lower()
    if lower in _WORDS:
        return _WORDS[lower]
    if lower.startswith(b"0x"):
        return _hexadecimal(token[2:])
    raise _unknown(token)


def _number(token: bytes) -> bytes:
    """A number's own text; SQLite writes infinity as one that is too large for any."""
    if token.endswith((b"e999", b"e+999", b"E+999")):
        return b"-Infinity" if token.startswith(b"-") else b"Infinity"
    return token.removeprefix(b"+")


def _unknown(token: bytes) -> Exception:
    word = token.decode("latin-1")[:60]
    if word.lower() in _MOMENTS:
        return OpenValueError(word.upper())
    return OpenValueError("a name in a value's place" if re.fullmatch(r"\w+", word) else "a sign in a value's place")


def _prefixed(token: bytes, dialect: Dialect) -> bytes:
    prefix, _, _ = token.partition(b"'")
    text = string(token[len(prefix) :], escapes=dialect.escapes)
    if prefix in b"xX" and prefix:
        return _hexadecimal(text)
    if prefix.startswith(b"_binary"):
        return b"\\x" + text.hex().encode()
    return text


def _hexadecimal(digits: bytes) -> bytes:
    if not re.fullmatch(rb"(?:[0-9A-Fa-f]{2})*", digits):
        if re.fullmatch(rb"[0-9A-Fa-f]+", digits):
            digits = b"0" + digits
        else:
            raise OpenValueError("a binary value with other signs than hexadecimal digits")
    return b"\\x" + digits.lower()


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
        self._string = _compiled(dialect.string)

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
        sign = self._sign()
        if sign == b"(":
            self.pos += 1
            cell = self._value()
            self._expect(b")")
        elif sign == b"'":
            cell = string(self._quoted(), escapes=self._dialect.escapes)
            while self._sign() == b"'":  # strings in a row are one
                cell += string(self._quoted(), escapes=self._dialect.escapes)
        elif number := self._take(_SIGNED):
            cell = _hexadecimal(number[2:]) if number[:2].lower() == b"0x" else _number(number)
        elif word := self._take(_WORD):
            cell = self._worded(word)
        elif sign == b"$" and (quoted := self._take(_DOLLARS)):
            cell = quoted.partition(b"$")[2].partition(b"$")[2].rpartition(b"$")[0].rpartition(b"$")[0]
        else:
            raise OpenValueError("an expression in a value's place")
        while self._sign() == b":":
            if not self._take(_CAST):
                raise OpenValueError("an expression in a value's place")
        return cell

    def _quoted(self) -> bytes:
        found = self._take(self._string)
        if not found:
            raise IncompleteError
        return found

    def _worded(self, word: bytes) -> Cell:
        lower = word.lower()
        if lower in _WORDS:
            return _WORDS[lower]
        quoted = self._data[self.pos : self.pos + 1] == b"'" or (_blank_before_quote(lower) and self._sign() == b"'")
        if quoted:
            return self._literal(lower)
        if lower in {b"cast", b"convert", b"try_cast"} and self._sign() == b"(":
            return self._cast(lower)
        called = self._sign() == b"("
        if called and self._dialect.word == SQLITE and lower in _PURE:
            return _PURE[lower](self._arguments())
        name = word.decode("latin-1")[:60]
        if name.lower() in _MOMENTS or not called:
            raise _unknown(word)
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
            return _POSTGRES_ESCAPE.sub(_postgres, found[1:-1])
        token = self._quoted()
        text = string(token, escapes=self._dialect.escapes)
        if prefix == b"x":
            return _hexadecimal(text)
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
        return _of_kind(cell, kind.strip().lower())


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
    own = rb"(?<!\w)[eE]'(?:[^'\\]++|''|\\.)*+'|\$(\w*)\$.*?\$\1\$|" if dialect.word == POSTGRESQL else b""
    return re.compile(own + dialect.string + rb"|[()]|[^'()eE$]++|.", re.DOTALL)


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
        self._string = _compiled(dialect.string)

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
        sign = self._sign()
        if sign == b"(":
            self.pos += 1
            cell = self._value()
            self._expect(b")")
        elif sign == b"'":
            cell = string(self._quoted(), escapes=self._dialect.escapes)
            while self._sign() == b"'":  # strings in a row are one
                cell += string(self._quoted(), escapes=self._dialect.escapes)
        elif number := self._take(_SIGNED):
            cell = _hexadecimal(number[2:]) if number[:2].lower() == b"0x" else _number(number)
        elif word := self._take(_WORD):
            cell = self._worded(word)
        elif sign == b"$" and (quoted := self._take(_DOLLARS)):
            cell = quoted.partition(b"$")[2].partition(b"$")[2].rpartition(b"$")[0].rpartition(b"$")[0]
        else:
            raise OpenValueError("an expression in a value's place")
        while self._sign() == b":":
            if not self._take(_CAST):
                raise OpenValueError("an expression in a value's place")
        return cell

    def _quoted(self) -> bytes:
        found = self._take(self._string)
        if not found:
            raise IncompleteError
        return found

    def _worded(self, word: bytes) -> Cell:
        lower = word.lower()
        if lower in _WORDS:
            return _WORDS[lower]
        quoted = self._data[self.pos : self.pos + 1] == b"'" or (_blank_before_quote(lower) and self._sign() == b"'")
        if quoted:
            return self._literal(lower)
        if lower in {b"cast", b"convert", b"try_cast"} and self._sign() == b"(":
            return self._cast(lower)
        called = self._sign() == b"("
        if called and self._dialect.word == SQLITE and lower in _PURE:
            return _PURE[lower](self._arguments())
        name = word.decode("latin-1")[:60]
        if name.lower() in _MOMENTS or not called:
            raise _unknown(word)
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
            return _POSTGRES_ESCAPE.sub(_postgres, found[1:-1])
        token = self._quoted()
        text = string(token, escapes=self._dialect.escapes)
        if prefix == b"x":
            return _hexadecimal(text)
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
        return _of_kind(cell, kind.strip().lower())


_ESCAPED = re.compile(rb"'(?:[^'\\]++|''|\\.)*+'", re.DOTALL)
_SIGNED = re.compile(rb"0[xX][0-9A-Fa-f]+(?!\w)|[-+]?\s*(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w.])")
_WORD = re.compile(rb"[A-Za-z_][\w.$]*")
_DOLLARS = re.compile(rb"\$(\w*)\$.*?\$\1\$", re.DOTALL)
_CAST = re.compile(rb"::\s*(?:\"[^\"]+\"|[A-Za-z_][\w.]*)(?:\s+(?:varying|precision|with(?:out)?\s+time\s+zone))*(?:\s*\([\d,\s]*\))?(?:\[\])*")
_AS = re.compile(rb"AS\s+\[?[A-Za-z_]\w*\]?(?:\s+\w+)?(?:\s*\([\w,\s]*\))?", re.IGNORECASE)
_KIND = re.compile(rb"\s*\[?[A-Za-z_]\w*\]?(?:\s*\([\w,\s]*\))?", re.IGNORECASE)
_TYPED = frozenset({b"date", b"time", b"timestamp", b"datetime", b"interval", b"decimal", b"binary"})


def _replace(parts: list[bytes]) -> bytes:
    if len(parts) != 3 or not parts[1]:
        raise OpenValueError("a call of replace() that is none")
    return parts[0].replace(parts[1], parts[2])


def _char(parts: list[bytes]) -> bytes:
    try:
        return "".join(chr(int(part)) for part in parts).encode()
    except (ValueError, OverflowError, UnicodeError):
        raise OpenValueError("a call of char() that is none") from None


def _unistr(parts: list[bytes]) -> bytes:
    def letter(match: re.Match[bytes]) -> bytes:
        digits = match[1] or match[2] or match[3] or match[4]
        if digits is None:
            return b"\\"
        try:
            return chr(int(digits, 16)).encode()
        except (ValueError, OverflowError, UnicodeError):
            raise OpenValueError("an escape that is no character") from None

    pattern = rb"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|\+([0-9A-Fa-f]{6})|([0-9A-Fa-f]{4})|\\)"
    return re.sub(pattern, letter, parts[0])


_PURE: dict[bytes, Callable[[list[bytes]], bytes]] = {b"replace": _replace, b"char": _char, b"unistr": _unistr}
"""Functions with which SQLite's own dump writes line ends into texts: they are letters, and do nothing."""


def _blank_before_quote(prefix: bytes) -> bool:
    return prefix in _TYPED or prefix.startswith(b"_")


def _compiled(pattern: bytes) -> re.Pattern[bytes]:
    return re.compile(pattern, re.DOTALL)


def _of_kind(cell: Cell, kind: bytes) -> Cell:
    """A cast value; SQL Server writes old times as the bytes in which it keeps them."""
    if cell is None or not cell.startswith(b"\\x"):
        return cell
    decode = _BYTES.get(re.sub(rb"[\[\]]", b"", kind).partition(b"(")[0].strip())
    if decode is None:
        return cell
    try:
        return decode(bytes.fromhex(cell[2:].decode())).encode()
    except (ValueError, OverflowError, IndexError):
        raise OpenValueError("a date in bytes that are none") from None


def _datetime(data: bytes) -> str:
    days, ticks = int.from_bytes(data[:4], "big", signed=True), int.from_bytes(data[4:8], "big")
    found = dt.datetime(1900, 1, 1) + dt.timedelta(days=days, milliseconds=round(ticks * 10 / 3))  # noqa: DTZ001
    return found.isoformat(timespec="milliseconds" if found.microsecond else "seconds")


def _smalldatetime(data: bytes) -> str:
    days, minutes = int.from_bytes(data[:2], "big"), int.from_bytes(data[2:4], "big")
    return (dt.datetime(1900, 1, 1) + dt.timedelta(days=days, minutes=minutes)).isoformat()  # noqa: DTZ001


def _date(data: bytes) -> str:
    return (dt.date(1, 1, 1) + dt.timedelta(days=int.from_bytes(data[:3], "little"))).isoformat()


_BYTES: dict[bytes, Callable[[bytes], str]] = {b"datetime": _datetime, b"smalldatetime": _smalldatetime, b"date": _date}
