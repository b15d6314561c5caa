"""Moments written as a number: seconds since 1970, and the day numbers of spreadsheets.

Excel counts days from 1899-12-31 and believes that 1900 had a 29 February, which is its day 60; workbooks of old
Macintoshes count from 1904-01-01 (ECMA-376 part 1, §18.17.4).
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from decimal import Decimal

from entrepot.validate.casts.patterns import Moment

TICKS = {"epoch": 1, "epoch-ms": 1_000, "epoch-us": 1_000_000, "epoch-ns": 1_000_000_000}
"""Format word → units in a second."""
SERIALS = ("excel", "excel-1904")

_NUMBER = re.compile(r"[+-]?[0-9]{1,20}(?:\.[0-9]{0,20})?(?:[eE]\+?[0-9]{1,2})?")
_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - the offset is told apart
_MICRO = dt.timedelta(microseconds=1)
_DAY = 86_400_000_000
_LAST_SERIAL = 2_958_465
"""31 December 9999."""


@dataclass(frozen=True, slots=True)
class Count:
    """Reads numbers as moments; used where a `Pattern` is.

    Attributes:
        text: The format word.
    """

    text: str

    @property
    def has_zone(self) -> bool:
        """Whether its moments are instants."""
        return self.text in TICKS

    def read(self, text: str) -> Moment | None:
        """The moment of a number; None when it is none, or outside the years 0001 to 9999."""
        if _NUMBER.fullmatch(text) is None:
            return None
        try:
            found = _instant(Decimal(text), TICKS[self.text]) if self.has_zone else _serial(Decimal(text), self.text)
        except OverflowError:
            return None
        return None if found is None else Moment(found.date(), found.time(), 0 if self.has_zone else None)


def _instant(number: Decimal, ticks: int) -> dt.datetime | None:
    micros = number * 1_000_000 / ticks
    # What is finer than a microsecond would be lost.
    return _EPOCH + int(micros) * _MICRO if micros == int(micros) and abs(micros) < 10**18 else None


def _serial(number: Decimal, word: str) -> dt.datetime | None:
    if number < 0 or number > _LAST_SERIAL + 1:
        return None
    days = int(number)
    # Spreadsheets keep about a millisecond in a double; finer digits are their rounding.
    micros = round((number - days) * _DAY / 1000) * 1000
    if word == "excel-1904":
        start = dt.datetime(1904, 1, 1)  # noqa: DTZ001 - spreadsheets know no zones
    elif days == 60 or not number:
        return None
    else:
        start = dt.datetime(1899, 12, 31) if days < 60 else dt.datetime(1899, 12, 30)  # noqa: DTZ001
    return start + dt.timedelta(days=days) + micros * _MICRO
