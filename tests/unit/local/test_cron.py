"""Schedule expressions: what AWS documents, both changes of the clocks, and properties across zones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.cron import parse_schedule, to_utc
from local.errors import ScheduleError

ZONES = [
    "UTC",
    "Europe/Madrid",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "America/St_Johns",
    "Africa/Casablanca",
    "Asia/Tehran",
]


def fires(expression: str, zone: str, start: str, count: int) -> list[str]:
    """The next firings after a local time, as local times."""
    place = ZoneInfo(zone)
    schedule = parse_schedule(expression, zone)
    moment = datetime.fromisoformat(start).replace(tzinfo=place).astimezone(UTC)
    found = []
    for _ in range(count):
        following = schedule.next_after(moment)
        if following is None:
            break
        found.append(following.astimezone(place).strftime("%Y-%m-%d %H:%M"))
        moment = following
    return found


@pytest.mark.parametrize(
    ("expression", "start", "expected"),
    [
        ("cron(0 9 * * ? *)", "2026-11-21T08:00", ["2026-11-21 09:00", "2026-11-22 09:00"]),
        ("cron(0 9 * * ? *)", "2026-11-21T09:00", ["2026-11-22 09:00"]),
        ("cron(0/15 8-9 ? * MON-FRI *)", "2026-11-20T09:40", ["2026-11-20 09:45", "2026-11-23 08:00"]),
        ("cron(0 18 L * ? *)", "2027-02-01T00:00", ["2027-02-28 18:00", "2027-03-31 18:00"]),
        ("cron(0 18 29 2 ? *)", "2026-01-01T00:00", ["2028-02-29 18:00", "2032-02-29 18:00"]),
        ("cron(15 12 ? * 6L *)", "2026-11-01T00:00", ["2026-11-27 12:15", "2026-12-25 12:15"]),
        ("cron(0 8 ? * 2#1 *)", "2026-11-01T00:00", ["2026-11-02 08:00", "2026-12-07 08:00"]),
        ("cron(0 8 ? * MON#5 *)", "2026-11-01T00:00", ["2026-11-30 08:00", "2027-03-29 08:00"]),
        ("cron(0 8 1W * ? *)", "2026-07-15T00:00", ["2026-08-03 08:00", "2026-09-01 08:00"]),
        ("cron(0 8 15W * ? *)", "2026-11-01T00:00", ["2026-11-16 08:00", "2026-12-15 08:00"]),
        ("cron(0 8 31W * ? *)", "2027-01-01T00:00", ["2027-01-29 08:00", "2027-03-31 08:00"]),
        ("cron(0 8 1,15 JAN,JUL ? 2027-2028)", "2026-11-21T00:00", ["2027-01-01 08:00", "2027-01-15 08:00"]),
        ("cron(5 22-2/2 * * ? *)", "2026-11-21T21:00", ["2026-11-21 22:05", "2026-11-22 00:05", "2026-11-22 02:05"]),
        ("cron(0 8 ? * SAT-SUN *)", "2026-11-20T09:00", ["2026-11-21 08:00", "2026-11-22 08:00"]),
        ("cron(0 8 ? * L *)", "2026-11-20T09:00", ["2026-11-21 08:00"]),
        ("at(2026-11-22T10:30:00)", "2026-11-21T00:00", ["2026-11-22 10:30"]),
        ("at(2026-11-20T10:30:00)", "2026-11-21T00:00", []),
        ("cron(0 0 31 2 ? *)", "2026-11-21T00:00", []),
        ("cron(0 0 1 1 ? 2020)", "2026-11-21T00:00", []),
    ],
)
def test_firings_are_those_that_aws_documents(expression: str, start: str, expected: list[str]):
    assert fires(expression, "Europe/Madrid", start, len(expected) or 1) == expected


def test_an_hour_that_the_clocks_skip_does_not_run():
    # Madrid: 29 March 2026, 02:00 becomes 03:00.
    assert fires("cron(30 2 * * ? *)", "Europe/Madrid", "2026-03-27T12:00", 3) == [
        "2026-03-28 02:30",
        "2026-03-30 02:30",
        "2026-03-31 02:30",
    ]
    assert fires("at(2026-03-29T02:30:00)", "Europe/Madrid", "2026-03-28T00:00", 1) == []
    # New York: 8 March 2026.
    assert fires("cron(0 2 8 3 ? 2026)", "America/New_York", "2026-01-01T00:00", 1) == []


def test_an_hour_that_comes_twice_runs_once():
    # Madrid: 25 October 2026, 03:00 becomes 02:00.
    schedule = parse_schedule("cron(30 2 * * ? *)", "Europe/Madrid")
    first = schedule.next_after(datetime(2026, 10, 24, 12, tzinfo=UTC))
    assert first == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert schedule.next_after(first) == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)


def test_a_rate_does_not_care_for_the_clocks():
    anchor = datetime(2026, 3, 28, 12, tzinfo=UTC)
    schedule = parse_schedule("rate(1 day)", "Europe/Madrid", anchor)
    assert schedule.next_after(anchor) == datetime(2026, 3, 29, 12, tzinfo=UTC)
    assert schedule.next_after(anchor - timedelta(days=3)) == anchor


@pytest.mark.parametrize(
    "expression",
    [
        "", "5 minutes", "rate(0 minutes)", "rate(5 weeks)", "rate(-5 minutes)", "rate(1.5 hours)", "cron(0 9 * * *)",
        "cron(0 9 * * * *)", "cron(0 9 ? * ? *)", "cron(60 9 * * ? *)", "cron(0 24 * * ? *)", "cron(0 9 32 * ? *)",
        "cron(0 9 ? * 8 *)", "cron(0 9 ? * MON#6 *)", "cron(0 9 * 13 ? *)", "cron(0/0 9 * * ? *)", "cron(a 9 * * ? *)",
        "cron(0 9 * * ? 1969)", "at(2026-11-21)", "at(2026-13-01T00:00:00)", "at(2026-11-21T00:00:00Z)", "cron(٣ 9 * * ? *)",
    ],
)  # fmt: skip
def test_what_is_no_schedule_is_refused(expression: str):
    with pytest.raises(ScheduleError):
        parse_schedule(expression)


@pytest.mark.parametrize("zone", ["Mars/Base", "../etc/passwd", "", "Europe/madrid\0"])
def test_what_is_no_zone_is_refused(zone: str):
    with pytest.raises(ScheduleError):
        parse_schedule("cron(0 9 * * ? *)", zone)


moments = st.datetimes(datetime(1975, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))


@settings(max_examples=150, deadline=None)
@given(moments, st.sampled_from(ZONES), st.integers(0, 59), st.integers(0, 23))
def test_a_daily_schedule_fires_at_its_local_time_and_never_skips_a_time_that_exists(moment, zone, minute, hour):
    place = ZoneInfo(zone)
    following = parse_schedule(f"cron({minute} {hour} * * ? *)", zone).next_after(moment)
    assert following is not None
    assert following > moment
    local = following.astimezone(place)
    assert (local.hour, local.minute, local.second) == (hour, minute, 0)
    day = moment.astimezone(place).date()
    while day < local.date():
        expected = to_utc(datetime(day.year, day.month, day.day, hour, minute), place)
        assert expected is None or expected <= moment
        day += timedelta(days=1)


fields = st.tuples(
    st.sampled_from(["0", "*/20", "5-10", "59", "0,30"]),
    st.sampled_from(["*", "2", "0/6", "1-3"]),
    st.sampled_from([("*", "?"), ("L", "?"), ("15W", "?"), ("?", "MON-FRI"), ("?", "1#2"), ("?", "6L"), ("29", "?")]),
    st.sampled_from(["*", "2", "MAR,OCT", "1/3"]),
)


@settings(max_examples=150, deadline=None)
@given(fields, st.sampled_from(ZONES), moments, st.timedeltas(timedelta(0), timedelta(days=40)))
def test_firings_only_grow_and_do_not_depend_on_where_one_looks_from(parts, zone, moment, step):
    minute, hour, (month_day, week_day), month = parts
    schedule = parse_schedule(f"cron({minute} {hour} {month_day} {month} {week_day} *)", zone)
    first = schedule.next_after(moment)
    assert first is not None
    assert first > moment
    second = schedule.next_after(first)
    assert second is not None
    assert second > first
    between = min(moment + step, first - timedelta(microseconds=1))
    assert schedule.next_after(between) == first


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 10_000), st.sampled_from(["minutes", "hours", "days"]), moments, moments)
def test_a_rate_fires_at_whole_periods_after_its_anchor(count, unit, anchor, moment):
    period = count * {"minutes": timedelta(minutes=1), "hours": timedelta(hours=1), "days": timedelta(days=1)}[unit]
    following = parse_schedule(f"rate({count} {unit})", "UTC", anchor).next_after(moment)
    assert following is not None
    assert following > moment
    assert (following - anchor) % period == timedelta(0)
    assert following == anchor or following - moment <= period
