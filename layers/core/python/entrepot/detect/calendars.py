"""The Gregorian calendar over whole columns: days since 1970 of dates, and what years and months have."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_DAYS = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], dtype=np.int64)


def is_leap(year: Ints) -> Bools:
    """Which years have 366 days."""
    found: Bools = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    return found


def days_in(year: Ints, month: Ints) -> Ints:
    """Days of months."""
    found: Ints = _DAYS[month] + ((month == 2) & is_leap(year))
    return found


def bits(values: Ints) -> int:
    """Small numbers as the bits of one."""
    return sum(1 << int(v) for v in np.unique(values))


def weeks_in(year: Ints) -> Ints:
    """Weeks in ISO years."""
    first = day_of(year, np.ones_like(year), np.ones_like(year))
    weekday = (first + 3) % 7  # 1970-01-01 was a Thursday; 0 is Monday
    return np.where((weekday == 3) | (is_leap(year) & (weekday == 2)), 53, 52)


def day_of_week(year: Ints, week: Ints, day: Ints | None) -> Ints:
    """Days since 1970-01-01 of days of ISO weeks; of their Mondays when the day is not said."""
    fourth = day_of(year, np.ones_like(year), np.full_like(year, 4))
    monday = fourth - (fourth + 3) % 7
    return monday + (week - 1) * 7 + ((day - 1) if day is not None else 0)


def day_of(year: Ints, month: Ints, day: Ints) -> Ints:
    """Days since 1970-01-01 of dates in the Gregorian calendar."""
    months = (year - 1970) * 12 + (month - 1)
    return months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64) + day - 1


def micros_of(values: dict[str, Ints], noon: Ints | None) -> Ints:
    """Microseconds since midnight."""
    first = next(iter(values.values()))
    zero = np.zeros_like(first)
    hour = values["I"] % 12 + (noon if noon is not None else 0) if "I" in values else values.get("H", zero)
    return ((hour * 60 + values.get("M", zero)) * 60 + values.get("S", zero)) * 1_000_000


def iso_moment(micros: int, kind: str) -> str:
    """Microseconds since 1970 as an ISO date, or date and time."""
    unit = "s" if kind == "datetime" else "D"
    return str(np.datetime64(micros, "us").astype(f"datetime64[{unit}]"))


def iso_clock(micros: int) -> str:
    """Microseconds since midnight as an ISO time."""
    seconds = micros // 1_000_000
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
