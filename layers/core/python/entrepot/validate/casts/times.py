"""Dates with times, and times of day."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from entrepot.errors import ContractError
from entrepot.validate.casts.base import Caster, RefusedValueError, fail
from entrepot.validate.casts.counts import TICKS, Count
from entrepot.validate.casts.dates import ISO, SURE_DATE, patterns_of, rewritten, told, unreadable
from entrepot.validate.casts.patterns import Moment, Pattern, rewrite

if TYPE_CHECKING:
    import pyarrow as pa

ISO_OFFSET = "iso%z"
"""The format word for ISO 8601 with an offset or Z."""

_TIMES = ("%H:%M:%S.%f", "%H:%M:%S", "%H:%M")
_CLOCKS = (*_TIMES, "%H")
_ISO_LOCAL = [f"%Y-%m-%d{sep}{time}" for sep in ("T", " ") for time in _CLOCKS] + ["%Y-%m-%d"]
_ISO_ZONED = [f"%Y-%m-%d{sep}{time}{z}" for sep in ("T", " ") for time in _CLOCKS for z in ("%z", " %z")]
_SURE_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?"
_SURE_ZONE = r"(Z|[+-](0[0-9]|1[0-4]):[0-5][0-9])"
_FIRST = dt.datetime(1, 1, 1)  # noqa: DTZ001 - local times have no zone
_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001
_LEAST = (_FIRST - _EPOCH) // dt.timedelta(microseconds=1)
_MOST = (dt.datetime.max - _EPOCH) // dt.timedelta(microseconds=1)  # noqa: DTZ901 - local times have no zone


def has_zone(formats: list[str]) -> bool:
    """Whether a datetime field's values are instants: its formats read an offset or state a zone."""
    return any("%z" in f or "%Z" in f or f in TICKS or f.startswith("tz:") for f in formats)


@dataclass(frozen=True, slots=True)
class _Style:
    patterns: list[Pattern | Count]
    zone: ZoneInfo | None
    iso_local: bool
    iso_zoned: bool
    accepted: str


def _style(formats: list[str], *, zoned: bool) -> _Style:
    zones = [f[3:] for f in formats if f.startswith("tz:")]
    rest = [f for f in formats if not f.startswith("tz:")]
    zone = _zone(zones[0]) if zones else None
    iso_zoned = ISO_OFFSET in rest or (zoned and (not rest or rest == [ISO]))
    iso_local = (not rest or ISO in rest) and (not zoned or zone is not None)
    words = [f for f in rest if f not in {ISO, ISO_OFFSET}]
    patterns = patterns_of(words, []) if words else []
    iso = [*(_ISO_LOCAL if iso_local else []), *(_ISO_ZONED if iso_zoned else [])]
    patterns += patterns_of(iso, []) if iso else []
    names = [told([ISO], "2024-12-31 23:59:59")] if iso_local else []
    names += ["2024-12-31T23:59:59+01:00 (ISO 8601 with its offset)"] if iso_zoned else []
    return _Style(patterns, zone, iso_local, iso_zoned, " or ".join([*words, *names]))


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ContractError(
            f"Time zone {name!r} is not known.", hint="Name it as the IANA database does: Europe/Vilnius.", zone=name
        ) from None


def datetime(formats: list[str], *, zoned: bool) -> Caster:
    """Dates with times.

    Args:
        formats: ``iso``, ``iso%z``, strptime patterns, and ``tz:Europe/Vilnius`` for the zone of
            local times.
        zoned: Whether values are instants (UTC) rather than local times.

    Raises:
        ContractError: A format or zone cannot be read.
    """
    import pyarrow as pa

    style = _style(formats, zoned=zoned)
    kind = pa.timestamp("us", "UTC") if zoned else pa.timestamp("us")

    words = [f for f in formats if not f.startswith("tz:")]
    rewriting = rewrite(words[0]) if len(words) == 1 and "%" in words[0] and not zoned else None

    def fast(texts: pa.Array) -> pa.Array:
        if rewriting is not None:
            return _iso(rewritten(texts, rewriting), kind)
        if style.iso_zoned == style.iso_local or (zoned and style.iso_local):
            return fail("by cell")
        return _iso(texts, kind)

    def one(text: str) -> dt.datetime:
        return _one(text.strip(), style, zoned=zoned)

    sure = rewriting.sure if rewriting else ""
    if style.iso_local and not style.iso_zoned and not zoned:
        sure = rf"^{SURE_DATE}[T ]{_SURE_TIME}$"
    elif style.iso_zoned and not style.iso_local:
        sure = rf"^{SURE_DATE}[T ]{_SURE_TIME}{_SURE_ZONE}$"
    return Caster(kind, fast, one, sure)


def _iso(texts: pa.Array, kind: pa.DataType) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    values = pc.cast(texts, kind)
    bounds = pc.min_max(pc.cast(values, pa.int64())).as_py()
    if bounds["min"] is not None and (bounds["min"] < _LEAST or bounds["max"] > _MOST):
        fail("not in the years 0001 to 9999")  # Arrow counts on
    return values


def _one(text: str, style: _Style, *, zoned: bool) -> dt.datetime:
    found = {m for p in style.patterns if (m := p.read(text)) is not None and m.date is not None}
    if len(found) > 1:
        raise RefusedValueError("date_ambiguous", why="the contract allows both")
    if not found:
        raise _unread(text, style, zoned=zoned)
    moment = found.pop()
    local = dt.datetime.combine(moment.date or dt.date.min, moment.time)
    if not zoned:
        return local
    return _instant(local, moment, style.zone)


def _instant(local: dt.datetime, moment: Moment, zone: ZoneInfo | None) -> dt.datetime:
    if moment.offset is not None:
        try:
            return (local - dt.timedelta(minutes=moment.offset)).replace(tzinfo=dt.UTC)
        except OverflowError:
            raise RefusedValueError("datetime", accepted="a date of the years 0001 to 9999") from None
    if zone is None:
        raise RefusedValueError("datetime_zone")
    early, late = local.replace(tzinfo=zone, fold=0), local.replace(tzinfo=zone, fold=1)
    if early.utcoffset() != late.utcoffset():
        # In a fold both readings exist; in a gap neither comes back as it was.
        back = early.astimezone(dt.UTC).astimezone(zone).replace(tzinfo=None)
        raise RefusedValueError("dst_fold" if back == local else "dst_gap", zone=str(zone))
    try:
        return early.astimezone(dt.UTC)
    except OverflowError:
        raise RefusedValueError("datetime", accepted="a date of the years 0001 to 9999") from None


@lru_cache(maxsize=2)
def _iso_patterns(*, zoned: bool) -> tuple[Pattern | Count, ...]:
    return tuple(patterns_of(_ISO_ZONED if zoned else _ISO_LOCAL, []))


def _unread(text: str, style: _Style, *, zoned: bool) -> RefusedValueError:
    if ":" in text and any(p.read(text) is not None for p in _iso_patterns(zoned=not zoned)):
        return RefusedValueError("datetime_zone" if zoned else "datetime_offset")
    return unreadable("datetime", text, style.accepted)


def time(formats: list[str]) -> Caster:
    """Times of day; ``iso`` is hours, minutes and, if wanted, seconds and a fraction.

    Raises:
        ContractError: A format cannot be read.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    patterns = patterns_of(formats, list(_TIMES))
    accepted = told(formats, "23:59:59")
    only_iso = all(p.text in _TIMES for p in patterns)

    def fast(texts: pa.Array) -> pa.Array:
        if not only_iso:
            return fail("by cell")
        moments = pc.binary_join_element_wise("1970-01-01 ", texts, "")
        if pc.any(pc.less(pc.binary_length(texts), 5)).as_py():
            return fail("hours alone")
        return pc.cast(pc.cast(moments, pa.timestamp("us")), pa.time64("us"))

    def one(text: str) -> dt.time:
        found = {m.time for p in patterns if (m := p.read(text.strip())) is not None}
        if len(found) != 1:
            raise RefusedValueError("time", accepted=accepted)
        return found.pop()

    return Caster(pa.time64("us"), fast, one, f"^{_SURE_TIME}$" if only_iso else "")
