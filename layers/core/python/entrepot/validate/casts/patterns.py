"""Date and time patterns (``%d/%m/%Y`` …) as regular expressions, read exactly.

The directives are those of C's strftime that say something definite:
``%Y %y %m %d %b %B %a %A %j %H %I %M %S %f %p %z %T %D %F %R %e %%``; month and weekday names are
English. Leading zeros may be missing, as strptime allows. ``%y`` below 69 is in the 2000s (POSIX).
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from functools import lru_cache

from entrepot.errors import ContractError

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    r"(?P<b>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_DAY = r"(?:mon|tue(?:s)?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?\.?"

_DIRECTIVES = {
    "Y": r"(?P<Y>[0-9]{4})",
    "y": r"(?P<y>[0-9]{2})",
    "m": r"(?P<m>1[0-2]|0?[1-9])",
    "d": r"(?P<d>3[01]|[12][0-9]|0?[1-9])",
    "e": r"\s?(?P<d>3[01]|[12][0-9]|0?[1-9])",
    "b": _MONTH,
    "B": _MONTH,
    "a": _DAY,
    "A": _DAY,
    "j": r"(?P<j>[0-9]{1,3})",
    "H": r"(?P<H>2[0-3]|[01]?[0-9])",
    "I": r"(?P<I>1[0-2]|0?[1-9])",
    "M": r"(?P<M>[0-5]?[0-9])",
    "S": r"(?P<S>[0-5]?[0-9])",
    "f": r"(?P<f>[0-9]{1,6})",
    "p": r"(?P<p>[ap]\.?m\.?)",
    "z": r"(?P<z>z|utc|gmt|[+-][0-9]{2}(?::?[0-9]{2})?)",
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
        return "z" in self.regex.groupindex

    def read(self, text: str) -> Moment | None:
        """What the text says, or None when it does not fit or names a day that does not exist."""
        match = self.regex.fullmatch(text)
        if match is None:
            return None
        found = {k: v for k, v in match.groupdict().items() if v is not None}
        try:
            return Moment(_date(found), _time(found), _offset(found.get("z")))
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
    for match in re.finditer(r"%-?(.)?", full):
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
    if "Y" in found:
        year = int(found["Y"])
    elif "y" in found:
        year = int(found["y"]) + (1900 if int(found["y"]) >= 69 else 2000)
    else:
        return None
    if "j" in found:
        day = dt.date(year, 1, 1) + dt.timedelta(days=int(found["j"]) - 1)
        if day.year != year:
            raise ValueError
        return day
    month = _MONTHS.index(found["b"][:3].lower()) + 1 if "b" in found else int(found.get("m", 1))
    return dt.date(year, month, int(found.get("d", 1)))


def _time(found: dict[str, str]) -> dt.time:
    hour = int(found.get("H", 0))
    if "I" in found:
        hour = int(found["I"]) % 12
        hour += 12 if found.get("p", "a")[0].lower() == "p" else 0
    micro = int(found.get("f", "0").ljust(6, "0"))
    return dt.time(hour, int(found.get("M", 0)), int(found.get("S", 0)), micro)


def _offset(text: str | None) -> int | None:
    if text is None:
        return None
    if text[0] not in "+-":
        return 0
    digits = text[1:].replace(":", "").ljust(4, "0")
    hours, minutes = int(digits[:2]), int(digits[2:])
    if hours > 15 or minutes > 59:
        raise ValueError
    return (hours * 60 + minutes) * (-1 if text[0] == "-" else 1)
