"""Formats of dates and times beyond the plain ones: names in many languages, zones, weeks, counts of seconds and days."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest

from entrepot.errors import ContractError
from entrepot.validate.casts import dates, times
from entrepot.validate.casts.base import Caster, RefusedValueError
from entrepot.validate.casts.names import month_number


def refused(caster: Caster, text: str) -> bool:
    try:
        caster.one(text)
    except RefusedValueError:
        return True
    return False


def test_a_name_means_one_month_or_none() -> None:
    assert [month_number(w) for w in ("MÄRZ", "marz", "août", "Şubat", "СЕНТ", "wrz", "µ", "x")] == [
        3,
        3,
        8,
        2,
        9,
        9,
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("pattern", "text", "day"),
    [
        ("%Od %B %Y", "22nd März 2024", dt.date(2024, 3, 22)),
        ("%Od %B %Y", "22 März 2024", dt.date(2024, 3, 22)),
        ("%A %d %B %Y", "pátek 1 března 2024", dt.date(2024, 3, 1)),
        ("%G-W%V-%u", "2020-W53-7", dt.date(2021, 1, 3)),
        ("%G-W%V-%u", "2021-W53-7", None),
        ("%d %B %Y", "1 nobody 2024", None),
        ("%A %d %B %Y", "nobody 1 March 2024", None),
        ("excel", "1", dt.date(1900, 1, 1)),
        ("excel", "59", dt.date(1900, 2, 28)),
        ("excel", "60", None),
        ("excel", "61", dt.date(1900, 3, 1)),
        ("excel", "45000", dt.date(2023, 3, 15)),
        ("excel", "45000.5", None),
        ("excel", "99999999", None),
        ("excel-1904", "0", dt.date(1904, 1, 1)),
        ("excel-1904", "43538", dt.date(2023, 3, 15)),
    ],
)
def test_dates(pattern: str, text: str, day: dt.date | None) -> None:
    caster = dates.date([pattern])
    assert refused(caster, text) if day is None else caster.one(text) == day


@pytest.mark.parametrize(
    ("pattern", "text", "moment"),
    [
        ("epoch", "0", "1970-01-01T00:00:00"),
        ("epoch", "-1", "1969-12-31T23:59:59"),
        ("epoch", "1465586035.25", "2016-06-10T19:13:55.250000"),
        ("epoch-ms", "1465586035123", "2016-06-10T19:13:55.123000"),
        ("epoch-us", "1465586035123456", "2016-06-10T19:13:55.123456"),
        ("epoch-ns", "1465586035123456000", "2016-06-10T19:13:55.123456"),
        ("epoch-ns", "1465586035123456001", None),
        ("epoch", "1e30", None),
        ("epoch", "99999999999999999999", None),
        ("epoch", "soon", None),
        ("%Y-%m-%d %H:%M %Z", "2024-01-31 10:00 EST", "2024-01-31T15:00:00"),
        ("%Y-%m-%d %H:%M %Z", "2024-01-31 10:00 CEST", "2024-01-31T08:00:00"),
        ("%Y-%m-%d %H:%M %Z", "2024-01-31 10:00 IST", None),
        ("%Y-%m-%d %H:%M %z", "2024-01-31 10:00 GMT+5", "2024-01-31T05:00:00"),
        ("%Y-%m-%d %H:%M %z", "2024-01-31 10:00 UTC-03:30", "2024-01-31T13:30:00"),
        ("%Y-%m-%d %H:%M %z", "2024-01-31 10:00 GMT+0530", "2024-01-31T04:30:00"),
        ("%Y-%m-%d %H:%M %z", "2024-01-31 10:00 +5", None),
    ],
)
def test_instants(pattern: str, text: str, moment: str | None) -> None:
    assert times.has_zone([pattern])
    caster = times.datetime([pattern], zoned=True)
    if moment is None:
        assert refused(caster, text)
    else:
        assert caster.one(text) == dt.datetime.fromisoformat(moment).replace(tzinfo=dt.UTC)
        assert caster.cast(pa.array([text])).values.to_pylist() == [caster.one(text)]


def test_a_serial_with_a_fraction_is_a_moment() -> None:
    caster = times.datetime(["excel"], zoned=False)
    assert caster.one("45000.75") == dt.datetime(2023, 3, 15, 18)


def test_a_datetime_in_stated_formats_is_not_read_from_a_year() -> None:
    assert refused(times.datetime(["%d/%m/%Y %H:%M"], zoned=False), "2024")


def test_a_date_cannot_be_read_from_seconds() -> None:
    with pytest.raises(ContractError, match="whole date"):
        dates.date(["epoch"])
