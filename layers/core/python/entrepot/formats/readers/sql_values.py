"""Values of a script as texts: what they say, never what they do."""

from __future__ import annotations

import re

from entrepot.formats.readers.sql_dialect import Dialect

Cell = bytes | None


class OpenValueError(Exception):
    """A row that cannot be read: a value that only a database would know, or none at all.

    Args:
        what: The value's kind or the function's name, never a cell.
    """

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


MOMENTS = frozenset(
    (  # noqa: SIM905 - a list a line would be thirty lines
        "current_timestamp current_date current_time localtime localtimestamp now getdate getutcdate sysdate"
        " sysdatetime sysutcdatetime sysdatetimeoffset utc_timestamp curdate curtime unix_timestamp"
        " transaction_timestamp statement_timestamp clock_timestamp default nextval uuid newid newsequentialid"
        " gen_random_uuid uuid_generate_v4 last_insert_id rand random current_user session_user user"
    ).split()
)
"""Values that the database fills in when the script runs: rows with them are refused, not the script."""

_NUMBER = re.compile(rb"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?")
WORDS: dict[bytes, Cell] = {b"null": None, b"true": b"true", b"false": b"false"}
_ESCAPES = {b"0": b"\0", b"b": b"\b", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"Z": b"\x1a", b"f": b"\f", b"v": b"\v"}
_MYSQL_ESCAPE = re.compile(rb"\\(.)|''", re.DOTALL)
_DOUBLE_ESCAPE = re.compile(rb'\\(.)|""', re.DOTALL)
_POSTGRES_ESCAPE = re.compile(
    rb"\\(?:([0-7]{1,3})|x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))|''", re.DOTALL
)


def string(token: bytes, *, escapes: bool) -> bytes:
    """The text of a string with its quotes."""
    inner = token[1:-1]
    if escapes and b"\\" in inner:
        return _MYSQL_ESCAPE.sub(mysql_letter, inner)
    return inner.replace(b"''", b"'") if b"'" in inner else inner


def double_quoted(token: bytes, *, escapes: bool) -> bytes:
    """The text of a string in double quotes, which MySQL and SQLite know."""
    inner = token[1:-1]
    if escapes and b"\\" in inner:
        return _DOUBLE_ESCAPE.sub(mysql_letter, inner)
    return inner.replace(b'""', b'"')


def mysql_letter(match: re.Match[bytes]) -> bytes:
    """What an escape of MySQL, or a doubled quote, stands for."""
    letter = match[1]
    if letter is None:
        return match[0][:1]
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


def escaped(token: bytes) -> bytes:
    """The text of PostgreSQL's E string, its quotes included in ``token``."""
    return _POSTGRES_ESCAPE.sub(_postgres, token[1:-1])


def simple_cell(token: bytes, dialect: Dialect) -> Cell:
    """A value of `Dialect.row`.

    Raises:
        OpenValueError: It is no value that is written here.
    """
    first = token[:1]
    if first == b"'":
        return string(token, escapes=dialect.escapes)
    if first == b'"':
        return double_quoted(token, escapes=dialect.escapes)
    if first in b"nNxX_" and token.endswith(b"'"):
        return _prefixed(token, dialect)
    if _NUMBER.fullmatch(token):
        return number(token)
    lower = token.lower()
    if lower in WORDS:
        return WORDS[lower]
    if lower.startswith(b"0x"):
        return hexadecimal(token[2:])
    raise unknown(token)


def number(token: bytes) -> bytes:
    """A number's own text; SQLite writes infinity as one that is too large for any."""
    if token.endswith((b"e999", b"e+999", b"E+999")):
        return b"-Infinity" if token.startswith(b"-") else b"Infinity"
    return token.removeprefix(b"+")


def unknown(token: bytes) -> OpenValueError:
    """Why a word is no value."""
    word = token.decode("latin-1")[:60]
    if word.lower() in MOMENTS:
        return OpenValueError(word.upper())
    return OpenValueError("a name in a value's place" if re.fullmatch(r"\w+", word) else "a sign in a value's place")


def _prefixed(token: bytes, dialect: Dialect) -> bytes:
    prefix, _, _ = token.partition(b"'")
    text = string(token[len(prefix) :], escapes=dialect.escapes)
    if prefix in b"xX" and prefix:
        return hexadecimal(text)
    if prefix.startswith(b"_binary"):
        return b"\\x" + text.hex().encode()
    return text


def hexadecimal(digits: bytes) -> bytes:
    """Bytes as text, by their digits.

    Raises:
        OpenValueError: They are none.
    """
    if not re.fullmatch(rb"(?:[0-9A-Fa-f]{2})*", digits):
        if re.fullmatch(rb"[0-9A-Fa-f]+", digits):
            digits = b"0" + digits
        else:
            raise OpenValueError("a binary value with other signs than hexadecimal digits")
    return b"\\x" + digits.lower()
