"""Arrow's dates, times, instants, durations and intervals as ISO 8601 texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

_UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_DAY = 86_400


def date_texts(cells: pa.Array) -> pa.Array:
    """Dates as ``2024-12-31``; of a date in milliseconds the part of a day is not one of its date."""
    import pyarrow as pa
    import pyarrow.compute as pc

    days = _floor(_numbers(cells), 1 if pa.types.is_date32(cells.type) else _DAY * 1000)
    sane = pc.if_else(pc.less(pc.abs(days), 1 << 30), days, 1 << 30)  # those are computed below
    texts = pc.cast(pc.cast(pc.cast(sane, pa.int32()), pa.date32()), pa.string())
    return _mended(texts, days, _day)


def timestamp_texts(cells: pa.Array) -> pa.Array:
    """Local times as ``2024-12-31T23:59:59.5``, instants with their offset (``Z`` for UTC)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    unit, zone = cells.type.unit, cells.type.tz
    numbers = _numbers(cells)
    if zone is None:
        return _instants(numbers, unit)
    utc = pc.binary_join_element_wise(_instants(numbers, unit), "Z", "")
    if zone in {"UTC", "Etc/UTC", "GMT", "Z", "+00:00"}:
        return utc
    try:
        offsets = _offsets(cells)
    except pa.ArrowInvalid:
        return utc  # a zone that nobody knows: the instant is right all the same
    seconds = pc.multiply(offsets, _UNITS[unit])
    local = pc.binary_join_element_wise(_instants(pc.add(numbers, seconds), unit), _offset_texts(offsets), "")
    # Before the time of zones some offsets had seconds, which no ISO text can say.
    odd = pc.not_equal(pc.multiply(pc.divide(offsets, 60), 60), offsets)
    return pc.if_else(odd, utc, local) if pc.any(odd).as_py() else local


def _offsets(cells: pa.Array) -> pa.Array:
    """Seconds east of UTC of each instant.

    Raises:
        pa.ArrowInvalid: The zone is not known.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    unit = cells.type.unit
    seconds = _floor(_numbers(cells), _UNITS[unit])
    # A local time far outside of any calendar would be one that Arrow cannot compute; there the offset is that of 1970.
    sane = pc.and_(pc.greater(seconds, -(1 << 36)), pc.less(seconds, 1 << 38))
    seconds = pc.if_else(sane, seconds, 0)
    local = pc.local_timestamp(pc.cast(seconds, pa.timestamp("s", cells.type.tz)))
    return pc.subtract(pc.cast(local, pa.int64()), seconds)


def _offset_texts(offsets: pa.Array) -> pa.Array:
    return _each(offsets, _offset)


def _offset(seconds: int) -> str:
    hours, rest = divmod(abs(seconds), 3600)
    return f"{'-' if seconds < 0 else '+'}{hours:02d}:{rest // 60:02d}"


def _instants(numbers: pa.Array, unit: str) -> pa.Array:
    """Counts since 1970 as local ISO texts without trailing zeros in the second's fraction."""
    import pyarrow as pa
    import pyarrow.compute as pc

    per = _UNITS[unit]
    whole = _floor(numbers, per)
    has_fraction = per > 1 and pc.any(pc.not_equal(pc.multiply(whole, per), numbers)).as_py()
    texts = pc.cast(
        pc.cast(numbers if has_fraction else whole, pa.timestamp(unit if has_fraction else "s")), pa.string()
    )
    if has_fraction:
        texts = pc.ascii_rtrim(pc.ascii_rtrim(texts, characters="0"), characters=".")
    texts = pc.replace_substring(texts, " ", "T", max_replacements=1)
    return _mended(texts, numbers, lambda n: f"{_day(n // per // _DAY)}T{_clock(n % (per * _DAY), per)}")


def time_texts(cells: pa.Array) -> pa.Array:
    """Times of day as ``23:59:59.5``."""
    import pyarrow as pa
    import pyarrow.compute as pc

    per = _UNITS[cells.type.unit]
    texts = pc.cast(cells, pa.string())
    if per > 1:
        texts = pc.ascii_rtrim(pc.ascii_rtrim(texts, characters="0"), characters=".")
    return _mended(texts, _numbers(cells), lambda n: ("-" if n < 0 else "") + _clock(abs(n), per))


def duration_texts(cells: pa.Array) -> pa.Array:
    """Durations as ``PT36H0.5S``, each part with its sign, as PostgreSQL reads them."""
    per = _UNITS[cells.type.unit]
    return _each(_numbers(cells), lambda n: _interval(0, 0, n * (10**9 // per)))


def interval_texts(cells: pa.Array) -> pa.Array:
    """Intervals as ``P1Y2M3DT4.5S``: of months, of days and milliseconds, or of months, days and nanoseconds."""
    import numpy as np
    import pyarrow as pa

    kind = str(cells.type)
    if kind == "month_day_nano_interval":
        shape = [("months", "<i4"), ("days", "<i4"), ("nanos", "<i8")]
    elif kind == "day_time_interval":
        shape = [("days", "<i4"), ("millis", "<i4")]
    elif kind == "month_interval":
        shape = [("months", "<i4")]
    else:
        raise pa.ArrowInvalid(kind)
    valid = cells.is_valid().to_pylist()
    found = np.frombuffer(cells.buffers()[1], np.dtype(shape))[cells.offset : cells.offset + len(cells)]
    texts: list[str | None] = []
    for there, row in zip(valid, found, strict=True):
        part = dict(zip((name for name, _ in shape), row.tolist(), strict=True))
        nanos = part.get("nanos", 0) + part.get("millis", 0) * 10**6
        texts.append(_interval(part.get("months", 0), part.get("days", 0), nanos) if there else None)
    return pa.array(texts, pa.string())


def _interval(months: int, days: int, nanos: int) -> str:
    years, months = _parts(months, 12)
    seconds, rest = _parts(nanos, 10**9)
    minutes, seconds = _parts(seconds, 60)
    hours, minutes = _parts(minutes, 60)
    date = _units((years, "Y"), (months, "M"), (days, "D"))
    time = _units((hours, "H"), (minutes, "M"))
    if seconds or rest:
        sign = "-" if nanos < 0 else ""
        fraction = f".{abs(rest):09d}".rstrip("0") if rest else ""
        time += f"{sign}{abs(seconds)}{fraction}S"
    if not date and not time:
        return "PT0S"
    return f"P{date}T{time}" if time else f"P{date}"


def _parts(value: int, by: int) -> tuple[int, int]:
    """Divides towards zero, so that both parts have the value's sign."""
    much, rest = divmod(abs(value), by)
    return (-much, -rest) if value < 0 else (much, rest)


def _units(*parts: tuple[int, str]) -> str:
    return "".join(f"{n}{unit}" for n, unit in parts if n)


def _numbers(cells: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    narrow = pa.types.is_date32(cells.type) or pa.types.is_time32(cells.type)
    return pc.cast(cells.view(pa.int32() if narrow else pa.int64()), pa.int64())


def _floor(numbers: pa.Array, by: int) -> pa.Array:
    import pyarrow.compute as pc

    if by == 1:
        return numbers
    cut = pc.divide(numbers, by)  # towards zero
    below = pc.less(numbers, pc.multiply(cut, by))
    return pc.if_else(below, pc.subtract(cut, 1), cut)


def _mended(texts: pa.Array, numbers: pa.Array, one: Any) -> pa.Array:
    """Texts with those that Arrow has no calendar for computed one by one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    wrong = pc.fill_null(pc.starts_with(texts, "<"), False)
    if not pc.any(wrong).as_py():
        return texts
    single = pa.array([one(n) for n in numbers.filter(wrong).to_pylist()], pa.string())
    return pc.replace_with_mask(texts, wrong, single)


def _each(numbers: pa.Array, one: Any) -> pa.Array:
    """Converts every distinct number once."""
    import pyarrow as pa
    import pyarrow.compute as pc

    encoded = pc.dictionary_encode(numbers)
    texts = [None if n is None else one(n) for n in encoded.dictionary.to_pylist()]
    return pa.array(texts, pa.string()).take(encoded.indices)


def _clock(count: int, per: int) -> str:
    seconds, rest = divmod(count, per)
    digits = len(str(per)) - 1
    fraction = f".{rest:0{digits}d}".rstrip("0") if rest else ""
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{fraction}"


def _day(days: int) -> str:
    """A day of the proleptic Gregorian calendar, of any year (the algorithm of "civil from days")."""
    days += 719_468
    era, of_era = divmod(days, 146_097)
    year_of_era = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * of_year + 2) // 153
    day = of_year - (153 * shifted + 2) // 5 + 1
    month = shifted + 3 if shifted < 10 else shifted - 9
    year = year_of_era + era * 400 + (month <= 2)
    return f"{'-' if year < 0 else ''}{abs(year):04d}-{month:02d}-{day:02d}"
