"""How dates and times are written: from the parts of a shape to patterns as casts read them.

A shape's parts are spelled as a short text, a sign for each: a digit says how many digits there are (F for 14, C for
12), B is a month's name, A a weekday's, P am or pm, Z a known zone, U another zone, O an ordinal's ending, T and W
themselves, h hours, w a word that says nothing. `04/Jan/2024 10:30` is ``2/B/4 2:2``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_S = r"(?P<s>[/.\-]|\. |, | - | )"
_G = r"(?: ?[.,\-/'] ?| |\. |, )?(?:w[ .]{0,2})?"
_H = r"(?: ?[.,\-/'] ?| |\. |, )(?:w[ .]{0,2})?"


@dataclass(frozen=True, slots=True)
class Form:
    """A way to write a date.

    Attributes:
        regex: Of the spelling.
        readings: For each reading, the directives of its digits and month names in order.
        kind: ``date``, or ``month`` and ``week`` for parts of the year.
        weak: Whether other things look so too: it counts only where the header speaks of dates.
    """

    regex: str
    readings: tuple[str, ...]
    kind: str = "date"
    weak: bool = False


FORMS = (
    Form(rf"[12]{_S}[12](?P=s)4\.?", ("dmY", "mdY")),
    Form(rf"[12]{_S}[12](?P=s)2", ("dmy", "mdy", "ymd")),
    Form(rf"4{_S}[12](?P=s)[12]\.?", ("Ymd",)),
    Form(rf"[12]O?{_G}B{_G}4(?: ?w\.?)?", ("dbY",)),
    Form(rf"[12]O?{_G}B{_G}2(?: ?w\.?)?", ("dby",)),
    Form(rf"B{_G}[12]O?{_H}4", ("bdY",)),
    Form(rf"B{_G}[12]O?{_H}2", ("bdy",)),
    Form(rf"4{_H}B{_G}[12]O?\.?", ("Ybd",)),
    Form(r"4-?W2-?1", ("GVu",)),
    Form(r"4W3", ("GVu",)),
    Form(r"4-?W2", ("GV",), "week"),
    Form(r"4[/\-]3", ("Yj",), weak=True),
    Form(r"8", ("Ymd", "dmY", "mdY"), weak=True),
    Form(rf"B{_H}4", ("bY",), "month"),
    Form(rf"4{_H}B", ("Yb",), "month"),
    Form(r"4[/\-]2", ("Ym",), "month", weak=True),
    Form(r"[12][/\-]4", ("mY",), "month", weak=True),
)
_CLOCK = r"[12]:2(?::2(?:[.,][1-9])?)?(?: ?P)?|[12] ?P|[12]h2?"
_ZONE = r" ?(?:Z[+\-][12](?::?2)?|Z[+\-]4|[ZNU]|[+\-]2(?::2)?|[+\-]4)"
_JOIN = r"T| T |T ?| ?- ?|, ?| |, ?w | w\.? "
_COMPACT = ((r"8T6|8 6", "YmdHMS", False), (r"8T4|8 4", "YmdHM", False), (r"F", "YmdHMS", True), (r"C", "YmdHM", True))
_STAMP = rf"A,? B (?P<day>[12]) (?P<clock>{_CLOCK})(?: (?P<zone>[ZNU]))? 4"


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read a spelling.

    Attributes:
        kind: ``date``, ``datetime``, ``time``, ``month``, ``week`` or ``duration``.
        roles: The directive of each digits and month name in order; a zone's digits are ``+``.
        zone: ``%z`` or ``%Z`` where there is a zone, ``?`` when it is not one zone alone; ``!`` when seconds
            have more than six decimals.
        iso: Whether it is what the format word ``iso`` stands for.
    """

    kind: str
    roles: str
    zone: str = ""
    iso: bool = False
    weak: bool = False


@lru_cache(maxsize=4096)
def readings(spelling: str) -> tuple[Reading, ...]:
    """All ways in which a spelling is a date or a time."""
    return tuple(_whole(spelling) or _clock_alone(spelling) or _compact(spelling) or _stamp(spelling))


@lru_cache(maxsize=64)
def _regexes(form: Form) -> tuple[re.Pattern[str], re.Pattern[str]]:
    day = rf"(?:A[,.]? ?)?(?P<date>{form.regex})"
    clock = rf"(?P<clock>{_CLOCK})(?P<zone>{_ZONE}| w\.?)?"
    return re.compile(rf"{day}(?:(?P<join>{_JOIN}){clock})?"), re.compile(rf"{clock}(?:, | - | )(?:w )?{day}")


def _whole(spelling: str) -> list[Reading]:
    for form in FORMS:
        for after, regex in enumerate(_regexes(form)):
            match = regex.fullmatch(spelling)
            if match is None:
                continue
            if match["clock"] is None:
                return [
                    Reading(form.kind, roles, iso=spelling in _ISO_DATES, weak=form.weak) for roles in form.readings
                ]
            if form.kind != "date" or form.weak:
                return []
            return _with_clock(match, form, after=bool(after))
    return []


def _with_clock(match: re.Match[str], form: Form, *, after: bool) -> list[Reading]:
    clock, zone = _clock_roles(match["clock"]), _zone_of(match["zone"])
    zone = "!" if _too_fine(match["clock"]) else zone
    offset = _zone_roles(match["zone"])
    iso = (
        not after
        and match[0].startswith("4-")
        and match["date"] in _ISO_DATES
        and match["join"] in {"T", " "}
        and re.fullmatch(r"[12]:2(:2(\.[1-6])?)?", match["clock"]) is not None
        and (not match["zone"] or zone == "%z")
    )
    found = []
    for roles in form.readings:
        order = clock + offset + roles if after else roles + clock + offset
        found.append(Reading("datetime", order, zone, iso))
    return found


_ISO_DATES = frozenset({"4-2-2", "4-1-1", "4-1-2", "4-2-1"})


def _clock_roles(clock: str) -> str:
    """Hour, minute, second and fraction."""
    digits = re.findall(r"[0-9]", clock)
    return (("I" if "P" in clock else "H") + "MSf")[: len(digits)]


def _too_fine(clock: str) -> bool:
    """Whether a clock has a fraction of more than six digits."""
    return re.search(r"[.,][7-9]", clock) is not None


def _zone_of(zone: str | None) -> str:
    text = (zone or "").strip()
    if not text.strip("w."):
        return ""
    return {"U": "?", "N": "%Z"}.get(text, "%z")


def _zone_roles(zone: str | None) -> str:
    return "+" * len(re.findall(r"[0-9]", zone or ""))


def _clock_alone(spelling: str) -> list[Reading]:
    match = re.fullmatch(rf"(?P<clock>{_CLOCK})(?P<zone>{_ZONE})?", spelling)
    if match is not None:
        roles = _clock_roles(match["clock"])
        if match["zone"] and "S" not in roles and "I" not in roles:
            return []
        zone = "!" if _too_fine(match["clock"]) else _zone_of(match["zone"])
        iso = re.fullmatch(r"[12]:2(:2(\.[1-6])?)?", spelling) is not None
        return [Reading("time", roles + _zone_roles(match["zone"]), zone, iso, weak=spelling.endswith("h"))]
    if re.fullmatch(r"[12]:2[.,][1-6]", spelling):
        return [Reading("duration", "MSf")]
    return []


def _compact(spelling: str) -> list[Reading]:
    for regex, roles, weak in _COMPACT:
        match = re.fullmatch(rf"(?:{regex})(?P<zone>{_ZONE})?", spelling)
        if match is not None and not (weak and match["zone"]):
            zone = _zone_of(match["zone"])
            return [Reading("datetime", roles + _zone_roles(match["zone"]), zone, weak=weak)]
    return []


def _stamp(spelling: str) -> list[Reading]:
    match = re.fullmatch(_STAMP, spelling)
    if match is None:
        return []
    zone = "!" if _too_fine(match["clock"]) else _zone_of(match["zone"])
    return [Reading("datetime", "bd" + _clock_roles(match["clock"]) + "Y", zone)]
