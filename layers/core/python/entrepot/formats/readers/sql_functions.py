"""What a dump writes around values that are letters all the same: SQLite's replace(), SQL Server's CAST."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable

from entrepot.formats.readers.sql_values import Cell, OpenValueError


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


PURE: dict[bytes, Callable[[list[bytes]], bytes]] = {b"replace": _replace, b"char": _char, b"unistr": _unistr}
"""Functions with which SQLite's own dump writes line ends into texts: they are letters, and do nothing."""


def of_kind(cell: Cell, kind: bytes) -> Cell:
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
