"""Dates."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING

from entrepot.errors import ContractError
from entrepot.validate.casts.base import Caster, RefusedValueError, fail, holds
from entrepot.validate.casts.counts import SERIALS, TICKS, Count
from entrepot.validate.casts.patterns import Moment, Pattern, Rewrite, compile_pattern, rewrite

if TYPE_CHECKING:
    import pyarrow as pa

ISO = "iso"
_ISO_PATTERN = "%Y-%m-%d"
_DAY_OR_MONTH = re.compile(r"\s*(\d{1,2})\s*[/.\- ]\s*(\d{1,2})\s*[/.\- ]\s*(\d{4}|\d{2})(?!\d)")

SURE_DATE = r"[1-9][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])"
"""A day that exists in every month of every year, as RE2."""


def patterns_of(formats: list[str], iso: list[str]) -> list[Pattern | Count]:
    """A field's patterns, ``iso`` standing for the patterns given for it.

    Raises:
        ContractError: A pattern cannot be read.
    """
    texts: list[str] = []
    for word in formats or [ISO]:
        if word.lower() == ISO:
            texts += iso
        else:
            texts.append(word)
    return [Count(text) if text in TICKS or text in SERIALS else compile_pattern(text) for text in dict.fromkeys(texts)]


def told(formats: list[str], example: str) -> str:
    """The accepted formats, in words for a finding."""
    words = [f"{example} (ISO 8601)" if w.lower() == ISO else w for w in formats or [ISO]]
    return " or ".join(words)


def iso_dates(texts: pa.Array) -> pa.Array:
    """Casts ISO dates of the years 0001 to 9999.

    Raises:
        pa.ArrowInvalid: A cell is not one.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    values = pc.cast(texts, pa.date32())
    if holds(texts, b"0000-"):  # Arrow has a year 0, our dates do not
        least = pc.min(pc.cast(values, pa.int32())).as_py()
        if least is not None and least < _FIRST_DAY:
            fail("year 0")
    return values


_FIRST_DAY = dt.date(1, 1, 1).toordinal() - dt.date(1970, 1, 1).toordinal()


def date(formats: list[str]) -> Caster:
    """Dates by the contract's formats, ISO when it states none.

    Raises:
        ContractError: A format cannot be read, or reads no whole date.
    """
    import pyarrow as pa

    patterns = patterns_of(formats, [_ISO_PATTERN])
    for pattern in patterns:
        if not _whole_date(pattern):
            raise ContractError(f"Format {pattern.text!r} does not read a whole date.", format=pattern.text)
    accepted = told(formats, "2024-12-31")
    only_iso = all(p.text == _ISO_PATTERN for p in patterns)

    rewriting = rewrite(patterns[0].text) if len(patterns) == 1 and "%" in patterns[0].text and not only_iso else None

    def fast(texts: pa.Array) -> pa.Array:
        if rewriting is not None:
            return iso_dates(rewritten(texts, rewriting))
        return iso_dates(texts) if only_iso else fail("by cell")

    def one(text: str) -> dt.date:
        text = text.strip()
        found = {m.date for p in patterns if (m := p.read(text)) is not None and m.date is not None and _days(p, m)}
        if len(found) > 1:
            raise RefusedValueError("date_ambiguous", why="the contract allows both")
        if not found:
            raise unreadable("date", text, accepted)
        return found.pop()

    sure = rewriting.sure if rewriting else f"^{SURE_DATE}$" if only_iso else ""
    return Caster(pa.date32(), fast, one, sure)


def rewritten(texts: pa.Array, by: Rewrite) -> pa.Array:
    """A column with every cell in ISO.

    Raises:
        pa.ArrowInvalid: A cell has to be read singly.
    """
    import pyarrow.compute as pc

    if pc.all(pc.match_substring_regex(texts, by.sure)).as_py() is False:
        fail("by cell")
    return pc.replace_substring_regex(texts, by.sure, by.iso)


def _days(pattern: Pattern | Count, moment: Moment) -> bool:
    """Whether nothing of a moment is lost in its date: a serial with a fraction is no date."""
    return isinstance(pattern, Pattern) or moment.time == dt.time.min


def _whole_date(pattern: Pattern | Count) -> bool:
    if isinstance(pattern, Count):
        return pattern.text in SERIALS
    groups = pattern.regex.groupindex.keys()
    if {"G", "V", "u"} <= groups:
        return True
    return ("Y" in groups or "y" in groups) and ("j" in groups or ("d" in groups and ("m" in groups or "b" in groups)))


def unreadable(code: str, text: str, accepted: str) -> RefusedValueError:
    """Why a text is no date here: not one at all, or one whose order nobody stated (trap 7)."""
    match = _DAY_OR_MONTH.match(text)
    if match and 1 <= int(match[1]) <= 12 and 1 <= int(match[2]) <= 12 and match[1] != match[2]:
        return RefusedValueError("date_ambiguous", why="the contract does not say which")
    return RefusedValueError(code, accepted=accepted)
