"""Date and time patterns (``%d/%m/%Y`` …) as regular expressions, read exactly.

The directives are those of C's strftime that say something definite:
``%Y %y %m %d %e %b %B %a %A %j %H %I %M %S %f %p %z %Z %T %D %F %R %%``, ISO weeks by ``%G %V %u`` and ``%Od`` for a
day with its ordinal (1st, 2nd). Month and weekday names are those of the main European languages. Leading zeros may
be missing, as strptime allows. ``%y`` below 69 is in the 2000s (POSIX).
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from functools import lru_cache

from entrepot.errors import ContractError
from entrepot.validate.casts.names import is_weekday, month_number, zone_minutes

PIVOT = 69
"""Two-digit years from here on are in the 1900s, others in the 2000s (POSIX)."""

_WORD = r"[^\W\d_]"

_DIRECTIVES = {
    "Y": r"(?P<Y>[0-9]{4})",
    "y": r"(?P<y>[0-9]{2})",
    "m": r"(?P<m>1[0-2]|0?[1-9])",
    "d": r"(?P<d>3[01]|[12][0-9]|0?[1-9])",
    "e": r"\s?(?P<d>3[01]|[12][0-9]|0?[1-9])",
    "Od": r"(?P<d>3[01]|[12][0-9]|0?[1-9])(?:st|nd|rd|th|er|ère|re|ème|e|[ºª°oa])?",
    "b": rf"(?P<b>{_WORD}{{3,12}})\.?",
    "B": rf"(?P<b>{_WORD}{{3,12}})\.?",
    "a": rf"(?P<a>{_WORD}{{2,14}}(?:-feira)?)\.?",
    "A": rf"(?P<a>{_WORD}{{2,14}}(?:-feira)?)\.?",
    "G": r"(?P<G>[0-9]{4})",
    "V": r"(?P<V>5[0-3]|[1-4][0-9]|0?[1-9])",
    "u": r"(?P<u>[1-7])",
    "j": r"(?P<j>[0-9]{1,3})",
    "H": r"(?P<H>2[0-3]|[01]?[0-9])",
    "I": r"(?P<I>1[0-2]|0?[1-9])",
    "M": r"(?P<M>[0-5]?[0-9])",
    "S": r"(?P<S>[0-5]?[0-9])",
    "f": r"(?P<f>[0-9]{1,6})",
    "p": r"(?P<p>[ap]\.?m\.?)",
    "z": r"(?P<z>z|(?:utc|gmt)[+-][0-9]{1,2}(?::?[0-9]{2})?|utc|gmt|[+-][0-9]{2}(?::?[0-9]{2})?)",
    "Z": r"(?P<Z>[a-z]{1,5})",
    "%": "%",
}
_SHORT = {"T": "%H:%M:%S", "D": "%m/%d/%y", "F": "%Y-%m-%d", "R": "%H:%M"}


@dataclass(frozen=True, slots=True)
class Moment:
    """What a pattern found in a text. ``offset`` is minutes east of UTC, None when not said."""

    date: dt.date | None
    time: dt.time
    offset: int | None


@dataclass(frozen=True, slots=True)
class Pattern:
    """One compiled pattern."""

    text: str
    regex: re.Pattern[str]

    @property
    def has_zone(self) -> bool:
        """Whether the pattern reads an offset from UTC."""
        return not {"z", "Z"}.isdisjoint(self.regex.groupindex)

    def read(self, text: str) -> Moment | None:
        """What the text says, or None when it does not fit or names a day that does not exist."""
        match = self.regex.fullmatch(text)
        if match is None:
            return None
        found = {k: v for k, v in match.groupdict().items() if v is not None}
        try:
            return Moment(_date(found), _time(found), _zone(found))
        except ValueError:
            return None


@lru_cache(maxsize=512)
def compile_pattern(text: str) -> Pattern:
    """Compiles a pattern.

    Args:
        text: As for strptime, of the directives named in this module's docstring.

    Raises:
        ContractError: A directive is unknown, is there twice, or the pattern reads nothing.
    """
    full = re.sub(r"%([TDFR])", lambda m: _SHORT[m[1]], text)
    parts: list[str] = []
    pos = 0
    for match in re.finditer(r"%-?(Od|.)?", full):
        parts.append(_literal(full[pos : match.start()]))
        directive = _DIRECTIVES.get(match[1] or "")
        if directive is None:
            raise _unknown(text, match[0])
        parts.append(directive)
        pos = match.end()
    parts.append(_literal(full[pos:]))
    try:
        regex = re.compile("".join(parts), re.IGNORECASE)
    except re.error:
        raise _unknown(text, "a directive that is there twice") from None
    if not regex.groupindex:
        raise _unknown(text, "no directive at all")
    return Pattern(text, regex)


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A pattern as RE2 for whole columns: cells that match ``sure`` become ISO by ``iso``.

    It knows the padded spelling alone, and no day that some month lacks; other cells are read singly.
    """

    sure: str
    iso: str


_PADDED = {
    "Y": "([1-9][0-9]{3})",
    "m": "(0[1-9]|1[0-2])",
    "d": "(0[1-9]|1[0-9]|2[0-8])",
    "H": "([01][0-9]|2[0-3])",
    "M": "([0-5][0-9])",
    "S": "([0-5][0-9])",
}


@lru_cache(maxsize=512)
def rewrite(text: str) -> Rewrite | None:
    """The rewriting of a pattern made of ``%Y %m %d %H %M %S`` alone; None for others.

    Args:
        text: A pattern that `compile_pattern` accepts.
    """
    full = re.sub(r"%([TDFR])", lambda m: _SHORT[m[1]], text)
    places: dict[str, int] = {}
    parts: list[str] = []
    pos = 0
    for match in re.finditer(r"%(.)", full):
        if match[1] not in _PADDED:
            return None
        parts += [re.escape(full[pos : match.start()]), _PADDED[match[1]]]
        places[match[1]] = len(places) + 1
        pos = match.end()
    if not {"Y", "m", "d"} <= places.keys() or not full.isascii():
        return None
    iso = "\\{Y}-\\{m}-\\{d}".format(**places)
    if "H" in places:
        clock = [f"\\{places[c]}" if c in places else "00" for c in "HMS"]
        iso += " " + ":".join(clock)
    return Rewrite("".join(["^", *parts, re.escape(full[pos:]), "$"]), iso)


def _literal(text: str) -> str:
    return re.sub(r"(?:\\ |\s)+", r"\\s+", re.escape(text))


def _unknown(text: str, what: str) -> ContractError:
    return ContractError(
        f"Format {text!r} has {what}.",
        hint="Write dates and times with %Y %m %d %b %H %M %S %f %p %z, or iso.",
        format=text,
    )


def _date(found: dict[str, str]) -> dt.date | None:
    if "a" in found and not is_weekday(found["a"]):
        raise ValueError
    if "G" in found:
        return dt.date.fromisocalendar(int(found["G"]), int(found["V"]), int(found.get("u", 1)))
    if "Y" in found:
        year = int(found["Y"])
    elif "y" in found:
        year = int(found["y"]) + (1900 if int(found["y"]) >= PIVOT else 2000)
    else:
        return None
    if "j" in found:
        day = dt.date(year, 1, 1) + dt.timedelta(days=int(found["j"]) - 1)
        if day.year != year:
            raise ValueError
        return day
    month = month_number(found["b"]) if "b" in found else int(found.get("m", 1))
    if month is None:
        raise ValueError
    return dt.date(year, month, int(found.get("d", 1)))


def _time(found: dict[str, str]) -> dt.time:
    hour = int(found.get("H", 0))
    if "I" in found:
        hour = int(found["I"]) % 12
        hour += 12 if found.get("p", "a")[0].lower() == "p" else 0
    micro = int(found.get("f", "0").ljust(6, "0"))
    return dt.time(hour, int(found.get("M", 0)), int(found.get("S", 0)), micro)


def _zone(found: dict[str, str]) -> int | None:
    if "Z" in found:
        minutes = zone_minutes(found["Z"])
        if minutes is None:
            raise ValueError
        return minutes
    return _offset(found.get("z"))


def _offset(text: str | None) -> int | None:
    if text is None:
        return None
    text = text.lower().removeprefix("utc").removeprefix("gmt")
    if text[:1] not in {"+", "-"}:
        return 0
    hours, _, rest = text[1:].partition(":")
    if len(hours) > 2:
        hours, rest = hours[:-2], hours[-2:]
    minutes = int(rest or 0)
    if int(hours) > 15 or minutes > 59:
        raise ValueError
    return (int(hours) * 60 + minutes) * (-1 if text[0] == "-" else 1)
