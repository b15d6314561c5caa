"""When a schedule fires next: EventBridge Scheduler's ``rate``, ``cron`` and ``at`` expressions.

Format: https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html. Over a change of daylight
saving time, a local time that does not exist is skipped and one that exists twice fires once, the first time.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from local.errors import ScheduleError

_NAMES = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_MONTHS = {name: number for number, name in enumerate(_NAMES, 1)}
_DAYS = {name: number for number, name in enumerate(["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"], 1)}
_UNITS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}
_FIRST_YEAR, _LAST_YEAR = 1970, 2199


class Schedule(Protocol):
    """Something that fires at times."""

    def next_after(self, moment: datetime) -> datetime | None:
        """The first firing later than ``moment``, in UTC; None when there is none any more."""


@dataclass(frozen=True)
class Rate:
    """Fires at ``anchor`` and every ``period`` after it."""

    period: timedelta
    anchor: datetime = datetime(1970, 1, 1, tzinfo=UTC)

    def next_after(self, moment: datetime) -> datetime | None:
        """See `Schedule`."""
        if moment < self.anchor:
            return self.anchor
        return self.anchor + ((moment - self.anchor) // self.period + 1) * self.period


@dataclass(frozen=True)
class At:
    """Fires once, at a local time."""

    local: datetime
    zone: tzinfo

    def next_after(self, moment: datetime) -> datetime | None:
        """See `Schedule`."""
        found = to_utc(self.local, self.zone)
        return found if found is not None and found > moment else None


@dataclass(frozen=True)
class Cron:
    """Fires at the local times that six fields describe."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    month_days: DayOfMonth | None
    months: tuple[int, ...]
    week_days: DayOfWeek | None
    years: frozenset[int]
    zone: tzinfo

    def next_after(self, moment: datetime) -> datetime | None:
        """See `Schedule`."""
        local = moment.astimezone(self.zone)
        # A day earlier, because around a change of the clocks local and UTC order can differ.
        for day in self._days_from(local.date() - timedelta(days=1)):
            for hour in self.hours:
                for minute in self.minutes:
                    found = to_utc(datetime(day.year, day.month, day.day, hour, minute), self.zone)
                    if found is not None and found > moment:
                        return found
        return None

    def _days_from(self, first: date) -> Iterator[date]:
        for year in range(max(first.year, _FIRST_YEAR), _LAST_YEAR + 1):
            if year not in self.years:
                continue
            for month in self.months:
                if (year, month) < (first.year, first.month):
                    continue
                chosen = self.month_days or self.week_days
                assert chosen is not None
                for number in sorted(chosen.days(year, month)):
                    day = date(year, month, number)
                    if day >= first:
                        yield day


@dataclass(frozen=True)
class DayOfMonth:
    """The day-of-month field: plain days, the last day (``L``), and working days nearest to a day (``15W``)."""

    plain: frozenset[int]
    last: bool = False
    nearest: frozenset[int] = frozenset()

    def days(self, year: int, month: int) -> set[int]:
        """The days of a month that it chooses."""
        length = monthrange(year, month)[1]
        found = {day for day in self.plain if day <= length}
        if self.last:
            found.add(length)
        found.update(_nearest_working_day(year, month, day) for day in self.nearest if day <= length)
        return found


@dataclass(frozen=True)
class DayOfWeek:
    """The day-of-week field: plain days (1 is Sunday), the last such day (``6L``), the n-th (``3#2``)."""

    plain: frozenset[int]
    last: frozenset[int] = frozenset()
    nth: frozenset[tuple[int, int]] = frozenset()

    def days(self, year: int, month: int) -> set[int]:
        """The days of a month that it chooses."""
        length = monthrange(year, month)[1]
        by_week_day: dict[int, list[int]] = {}
        for day in range(1, length + 1):
            by_week_day.setdefault(date(year, month, day).isoweekday() % 7 + 1, []).append(day)
        found = {day for week_day in self.plain for day in by_week_day[week_day]}
        found.update(by_week_day[week_day][-1] for week_day in self.last)
        found.update(by_week_day[week_day][n - 1] for week_day, n in self.nth if n <= len(by_week_day[week_day]))
        return found


def to_utc(local: datetime, zone: tzinfo) -> datetime | None:
    """The moment of a local time, the first of two; None for one that the clocks skip."""
    aware = local.replace(tzinfo=zone, fold=0)
    try:
        moment = aware.astimezone(UTC)
        back = moment.astimezone(zone).replace(tzinfo=None)
    except OverflowError:
        return None
    return moment if back == local else None


def parse_schedule(expression: str, zone: str = "UTC", anchor: datetime | None = None) -> Schedule:
    """Reads a schedule expression.

    Args:
        expression: ``rate(…)``, ``cron(…)`` or ``at(…)``.
        zone: IANA name of the time zone; ``rate`` does not depend on it.
        anchor: When a rate begins to count.

    Raises:
        ScheduleError: The expression or the zone cannot be read.
    """
    match = re.fullmatch(r"(rate|cron|at)\((.*)\)", expression.strip(), re.DOTALL)
    if not match:
        raise ScheduleError(f"{expression!r} is not a schedule: write rate(5 minutes), cron(0 9 * * ? *) or at(…)")
    kind, body = match[1], match[2].strip()
    try:
        place = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ScheduleError(f"{zone!r} is not a time zone: write an IANA name such as Europe/Madrid") from error
    if kind == "rate":
        return _parse_rate(body, anchor)
    return _parse_at(body, place) if kind == "at" else _parse_cron(body, place)


def _parse_rate(body: str, anchor: datetime | None) -> Rate:
    match = re.fullmatch(r"(\d{1,9})\s+(minute|hour|day)s?", body)
    if not match or int(match[1]) < 1:
        raise ScheduleError(f"rate({body}) cannot be read: write a whole number and minutes, hours or days")
    period = int(match[1]) * _UNITS[match[2]]
    return Rate(period, anchor) if anchor else Rate(period)


def _parse_at(body: str, zone: tzinfo) -> At:
    try:
        if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", body):
            raise ValueError
        return At(datetime.fromisoformat(body), zone)
    except ValueError:
        raise ScheduleError(f"at({body}) cannot be read: write at(2026-11-21T09:30:00)") from None


def _parse_cron(body: str, zone: tzinfo) -> Cron:
    fields = body.upper().split()
    if len(fields) != 6:
        raise ScheduleError(f"cron({body}) has {len(fields)} fields, not six: minute hour day month weekday year")
    minute, hour, month_day, month, week_day, year = fields
    if (month_day == "?") == (week_day == "?"):
        raise ScheduleError(f"cron({body}): exactly one of day-of-month and day-of-week must be ?")
    return Cron(
        minutes=_numbers(minute, 0, 59, "minute"),
        hours=_numbers(hour, 0, 23, "hour"),
        month_days=None if month_day == "?" else _month_days(month_day),
        months=_numbers(month, 1, 12, "month", _MONTHS),
        week_days=None if week_day == "?" else _week_days(week_day),
        years=frozenset(_numbers(year, _FIRST_YEAR, _LAST_YEAR, "year")),
        zone=zone,
    )


def _numbers(text: str, low: int, high: int, name: str, words: dict[str, int] | None = None) -> tuple[int, ...]:
    found: set[int] = set()
    for item in text.split(","):
        span, slash, step_text = item.partition("/")
        step = int(step_text) if step_text.isdigit() else 0
        if slash and step < 1:
            raise ScheduleError(f"{item!r} is not a step in the {name} field")
        if span == "*":
            first, last = low, high
        elif "-" in span:
            left, _, right = span.partition("-")
            first, last = _number(left, low, high, name, words), _number(right, low, high, name, words)
        else:
            first = _number(span, low, high, name, words)
            last = high if slash else first
        if first <= last:
            found.update(range(first, last + 1, step or 1))
        else:
            # FRI-MON and 22-2 wrap around.
            found.update([*range(first, high + 1), *range(low, last + 1)][:: step or 1])
    return tuple(sorted(found))


def _number(text: str, low: int, high: int, name: str, words: dict[str, int] | None) -> int:
    value = (words or {}).get(text)
    if value is None and text.isascii() and text.isdigit():
        value = int(text)
    if value is None or not low <= value <= high:
        raise ScheduleError(f"{text!r} is not a {name} between {low} and {high}")
    return value


def _month_days(text: str) -> DayOfMonth:
    plain: set[int] = set()
    nearest: set[int] = set()
    last = False
    for item in text.split(","):
        if item == "L":
            last = True
        elif item.endswith("W"):
            nearest.add(_number(item[:-1], 1, 31, "day of the month", None))
        else:
            plain.update(_numbers(item, 1, 31, "day of the month"))
    return DayOfMonth(frozenset(plain), last, frozenset(nearest))


def _week_days(text: str) -> DayOfWeek:
    plain: set[int] = set()
    last: set[int] = set()
    nth: set[tuple[int, int]] = set()
    for item in text.split(","):
        if item == "L":
            plain.add(7)
        elif item.endswith("L"):
            last.add(_number(item[:-1], 1, 7, "day of the week", _DAYS))
        elif "#" in item:
            day, _, count = item.partition("#")
            nth.add((_number(day, 1, 7, "day of the week", _DAYS), _number(count, 1, 5, "week of the month", None)))
        else:
            plain.update(_numbers(item, 1, 7, "day of the week", _DAYS))
    return DayOfWeek(frozenset(plain), frozenset(last), frozenset(nth))


def _nearest_working_day(year: int, month: int, day: int) -> int:
    """The Monday to Friday nearest to a day, within its month."""
    week_day = date(year, month, day).isoweekday()
    length = monthrange(year, month)[1]
    if week_day == 6:
        return day - 1 if day > 1 else day + 2
    if week_day == 7:
        return day + 1 if day < length else day - 2
    return day
