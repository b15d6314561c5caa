"""Excel's serial dates, and how a format shows them."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from typing import NamedTuple

from entrepot.formats.readers.workbook.languages import names_of
from entrepot.formats.readers.workbook.sections import (
    AMPM,
    DATE,
    DIGIT,
    ELAPSED,
    GENERAL,
    SUBSECOND,
    Section,
    sections_of,
)

LAST_DAY = 2_958_465
"""Serial of 9999-12-31 in the 1900 system."""
EPOCH_1904 = 1462
"""Days from the beginning of the 1900 system to that of the 1904 system."""
_DAY_TWO = dt.date(1899, 12, 31)


class Moment(NamedTuple):
    """A serial taken apart. Day 0 is 1900-01-00, and 1900-02-29 is day 60, as in Excel."""

    serial: int
    year: int
    month: int
    day: int
    weekday: int
    """0 is Sunday, by Excel's own count, wrong before March 1900."""
    units: int
    """Since midnight, in 10**-digits seconds."""
    digits: int
    length: int
    """Whole days as stored, without the epoch."""

    def clock(self) -> tuple[int, int, int, int]:
        """Hours, minutes, seconds and the rest in units."""
        seconds, rest = divmod(self.units, 10**self.digits)
        return seconds // 3600, seconds // 60 % 60, seconds % 60, rest


def moment(value: float, *, epoch1904: bool, digits: int = 0) -> Moment | None:
    """Takes a serial apart; None when it is not between 1900 and 9999.

    Args:
        value: Days, with the time as fraction.
        epoch1904: Whether they count from 1904-01-01.
        digits: To how many digits of a second the time is rounded.
    """
    if epoch1904:
        value += EPOCH_1904
    if not 0 <= value < LAST_DAY + 1:
        return None
    serial = int(value)
    per_day = 86_400 * 10**digits
    # Excel's clock is exact to about a microsecond; rounding first removes the noise of the binary fraction.
    units = int(round((value - serial) * per_day, 4) + 0.5)
    if units >= per_day:
        serial, units = serial + 1, 0
        if serial > LAST_DAY:
            return None
    year, month, day = calendar(serial)
    length = serial - EPOCH_1904 if epoch1904 else serial
    return Moment(serial, year, month, day, (serial + 6) % 7, units, digits, length)


@lru_cache(maxsize=16_384)
def calendar(serial: int) -> tuple[int, int, int]:
    """Year, month and day of a serial of the 1900 system."""
    if serial == 0:
        return 1900, 1, 0
    if serial == 60:
        return 1900, 2, 29
    found = _DAY_TWO + dt.timedelta(days=serial if serial < 60 else serial - 1)
    return found.year, found.month, found.day


def serial_of(text: str) -> float | None:
    """The 1900-system serial of a date or time in ISO form; None when it is none."""
    text = text.strip().removesuffix("Z")
    try:
        if "T" not in text and " " not in text and ":" in text:
            return _fraction(dt.time.fromisoformat(text))
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    days = (found.date() - _DAY_TWO).days
    return (days + 1 if days >= 60 else days) + _fraction(found.time())


def _fraction(time: dt.time) -> float:
    return (time.hour * 3600 + time.minute * 60 + time.second + time.microsecond / 1e6) / 86_400


def show_date(section: Section, value: float, *, epoch1904: bool) -> str | None:
    """A value as a date section shows it; None when the section cannot show it (Excel fills the cell with ``#``).

    Args:
        section: Of kind date.
        value: The serial.
        epoch1904: Which system it counts in.
    """
    system = section.language & 0xFFFF
    if system == 0xF800:
        section = _LONG_DATE
    elif system == 0xF400:
        section = _LONG_TIME
    digits = max((len(t) - 1 for k, t in section.tokens if k == SUBSECOND), default=0)
    found = moment(value, epoch1904=epoch1904, digits=min(digits, 6))
    if found is None:
        return None
    noon = any(k == AMPM for k, _ in section.tokens)
    return "".join(_show(kind, text, found, section.language, noon=noon) for kind, text in section.tokens)


def _show(kind: int, text: str, found: Moment, language: int, *, noon: bool) -> str:
    if kind == DATE:
        return _field(text, found, language, noon=noon)
    if kind == ELAPSED:
        # A length of time has no epoch.
        seconds = found.length * 86_400 + found.units // 10**found.digits
        per = {"h": 3600, "m": 60, "s": 1}[text[0]]
        return str(seconds // per).zfill(len(text))
    if kind == AMPM:
        before = found.clock()[0] < 12
        if len(text) == 3:
            return text[0] if before else text[2]
        return "AM" if before else "PM"
    if kind == SUBSECOND:
        return "." + str(found.clock()[3]).zfill(found.digits)[: len(text) - 1].ljust(len(text) - 1, "0")
    if kind == GENERAL:
        return ""
    if kind == DIGIT:
        return "0" if text == "0" else ""
    return text


def _field(text: str, found: Moment, language: int, *, noon: bool) -> str:
    letter, size = text[0], len(text)
    if letter == "y":
        return f"{found.year % 100:02d}" if size <= 2 else f"{found.year:04d}"
    if letter == "e":
        return str(found.year)
    if letter == "b":
        year = found.year + 543
        return f"{year % 100:02d}" if size <= 2 else str(year)
    if letter == "m":
        return _month(found, size, language)
    if letter == "d":
        if size <= 2:
            return str(found.day).zfill(size)
        days = names_of(language).days
        return days[found.weekday] if size > 3 else names_of(language).short_days[found.weekday]
    hour, minute, second, _ = found.clock()
    if letter == "h":
        return str((hour % 12 or 12) if noon else hour).zfill(min(size, 2))
    if letter == "n":
        return str(minute).zfill(size)
    if letter == "s":
        return str(second).zfill(min(size, 2))
    return ""


def _month(found: Moment, size: int, language: int) -> str:
    if size <= 2:
        return str(found.month).zfill(size)
    names = names_of(language)
    if size == 3:
        return names.short_months[found.month - 1]
    return names.months[found.month - 1][:1] if size == 5 else names.months[found.month - 1]


_LONG_DATE = sections_of("dddd, mmmm d, yyyy")[0]
_LONG_TIME = sections_of("h:mm:ss AM/PM")[0]


def iso(section: Section, value: float, *, epoch1904: bool) -> str | None:
    """A value of a date section in ISO 8601 form with all that is stored; None when it is no moment."""
    found = _precise(value, epoch1904=epoch1904)
    if found is None:
        return None
    hour, minute, second, rest = found.clock()
    clock = f"{hour:02d}:{minute:02d}:{second:02d}"
    if rest:
        clock += f".{rest:06d}".rstrip("0")
    if found.serial == 0 and not epoch1904:
        # There is no day 0: what stands there is a time, or the number nought in a date's clothes.
        return clock if section.has_time or found.units else None
    if section.has_time and not section.has_date and value < 1:
        return clock
    day = f"{found.year:04d}-{found.month:02d}-{found.day:02d}"
    return f"{day} {clock}" if section.has_time or found.units else day


def _precise(value: float, *, epoch1904: bool) -> Moment | None:
    """A moment to the microsecond; what is as near to a millisecond as sixteen digits of a day can be is one."""
    found = moment(value, epoch1904=epoch1904, digits=6)
    if found is None or not found.units % 1000:
        return found
    near = moment(value, epoch1904=epoch1904, digits=3)
    noise = 2 if value < 1e5 else 12 if value < 1e6 else 80
    if near is None or (near.serial == found.serial and abs(near.units * 1000 - found.units) > noise):
        return found
    return near._replace(units=near.units * 1000, digits=6)


def elapsed(value: float) -> str:
    """A length of time as hours, minutes and seconds, also beyond a day."""
    sign = "-" if value < 0 else ""
    micros = int(round(abs(value) * 86_400e6, 2) + 0.5)
    seconds, rest = divmod(micros, 1_000_000)
    text = f"{sign}{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"{text}.{rest:06d}".rstrip("0") if rest else text
