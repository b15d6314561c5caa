"""Number formats as Excel writes them, taken apart: sections, conditions and tokens (ECMA-376 part 1, 18.8.30-31)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["general", "number", "fraction", "date", "text"]

LITERAL, DIGIT, POINT, COMMA, PERCENT, EXPONENT, SLASH, DATE, ELAPSED, AMPM, SUBSECOND, AT, GENERAL = range(13)
"""Kinds of tokens. A digit is one of ``0 # ?``, or a figure of a fixed denominator."""

_SPACE_AFTER = "_"
_CONDITION = re.compile(r"(<=|>=|<>|=|<|>)\s*([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)")
_CURRENCY = re.compile(r"\$([^-\]]*)(?:-([0-9A-Fa-f]+))?")
_ELAPSED = re.compile(r"(h+|m+|s+)", re.IGNORECASE)
_DATE_RUN = re.compile(r"y+|m+|d+|h+|s+|e+|b+|g+", re.IGNORECASE)
_AMPM = re.compile(r"am/pm|a/p|上午/下午", re.IGNORECASE)
_SUBSECOND = re.compile(r"[.,](0+)")

MAX_FORMAT = 2000
"""Characters of a format that are looked at; Excel allows 255."""

Token = tuple[int, str]


@dataclass(slots=True)
class Section:
    """One part between semicolons.

    Attributes:
        kind: What it makes of a value.
        tokens: Kind and text of each.
        condition: Operator and operand in square brackets.
        language: Number of the language, from ``[$-407]``; its low 16 bits.
        has_date: Whether it shows a day, month or year.
        has_time: Whether it shows a time.
    """

    kind: Kind
    tokens: list[Token] = field(default_factory=list)
    condition: tuple[str, float] | None = None
    language: int = 0
    has_date: bool = False
    has_time: bool = False
    elapsed: bool = False
    """Whether it shows a length of time."""
    plan: tuple[object, ...] | None = None
    """How its numbers are laid out; made when the first is shown."""

    def has(self, kind: int) -> bool:
        """Whether a token of that kind is in it."""
        return any(k == kind for k, _ in self.tokens)


def sections_of(code: str) -> list[Section]:
    """The sections of a format, at least one, at most four.

    Args:
        code: The format's text, en-US as files store it.
    """
    return [_section(part) for part in _split(code[:MAX_FORMAT])[:4]]


def _split(code: str) -> list[str]:
    parts, start, i = [], 0, 0
    while i < len(code):
        char = code[i]
        if char == '"':
            end = code.find('"', i + 1)
            i = len(code) if end < 0 else end
        elif char in "\\_*":
            i += 1
        elif char == "[":
            end = code.find("]", i + 1)
            i = i if end < 0 else end
        elif char == ";":
            parts.append(code[start:i])
            start = i + 1
        i += 1
    parts.append(code[start:])
    return parts


def _section(code: str) -> Section:
    section = Section("number")
    i = 0
    while i < len(code):
        i = _next(code, i, section)
    section.kind = _kind(section)
    if section.kind == "date":
        section.tokens = _minutes(section.tokens)
        section.elapsed = section.has(ELAPSED)
        system = section.language & 0xFFFF
        section.has_date = system == 0xF800 or any(k == DATE and t[0] in "ymdeb" for k, t in section.tokens)
        section.has_time = system == 0xF400 or any(
            k == ELAPSED or (k == DATE and t[0] in "hns") for k, t in section.tokens
        )
    elif section.kind != "fraction":
        section.tokens = [(LITERAL, t) if k in {SLASH, SUBSECOND} else (k, t) for k, t in section.tokens]
    return section


def _next(code: str, i: int, section: Section) -> int:
    """Takes the token at ``i``; returns where the next begins."""
    char, add = code[i], section.tokens.append
    if char == '"':
        end = code.find('"', i + 1)
        end = len(code) if end < 0 else end
        add((LITERAL, code[i + 1 : end]))
        return end + 1
    if char == "\\":
        add((LITERAL, code[i + 1 : i + 2]))
        return i + 2
    if char == _SPACE_AFTER:
        add((LITERAL, " "))
        return i + 2
    if char == "*":  # fills the cell's width, which text has not
        return i + 2
    if char == "[":
        return _bracket(code, i, section)
    if char in "0#?":
        add((DIGIT, char))
        return i + 1
    if code[i : i + 7].lower() == "general":
        add((GENERAL, ""))
        return i + 7
    return _word(code, i, section)


def _word(code: str, i: int, section: Section) -> int:
    char, add = code[i], section.tokens.append
    ampm = _AMPM.match(code, i)
    if ampm:
        add((AMPM, ampm[0]))
        return ampm.end()
    if char in "eE" and code[i + 1 : i + 2] in {"+", "-"}:
        add((EXPONENT, code[i : i + 2]))
        return i + 2
    if char in "bB" and code[i + 1 : i + 2] in {"1", "2"}:  # which calendar; the dates stay what they are
        return i + 2
    run = _DATE_RUN.match(code, i)
    if run:
        text = run[0].lower()
        add((DATE, text))
        return run.end()
    if char in ".,":
        fraction = _SUBSECOND.match(code, i) if _after_seconds(section.tokens) else None
        if fraction:
            add((SUBSECOND, fraction[0]))
            return fraction.end()
        add((POINT if char == "." else COMMA, char))
        return i + 1
    simple = {"%": PERCENT, "/": SLASH, "@": AT}.get(char)
    if simple is not None:
        add((simple, char))
    elif char.isdigit() and _in_denominator(section.tokens):
        add((DIGIT, char))
    else:
        add((LITERAL, char))
    return i + 1


def _after_seconds(tokens: list[Token]) -> bool:
    return bool(tokens) and tokens[-1][0] in {DATE, ELAPSED} and tokens[-1][1].startswith("s")


def _in_denominator(tokens: list[Token]) -> bool:
    for kind, text in reversed(tokens):
        if kind == SLASH:
            return any(k == DIGIT for k, _ in tokens)
        if kind != DIGIT and text.strip():
            return False
    return False


def _bracket(code: str, i: int, section: Section) -> int:
    end = code.find("]", i + 1)
    if end < 0:
        section.tokens.append((LITERAL, "["))
        return i + 1
    inside = code[i + 1 : end]
    condition = _CONDITION.fullmatch(inside.strip())
    currency = _CURRENCY.fullmatch(inside)
    if condition:
        section.condition = (condition[1], float(condition[2]))
    elif currency:
        section.tokens.append((LITERAL, currency[1]))
        if currency[2]:
            section.language = int(currency[2][-8:], 16)
    elif _ELAPSED.fullmatch(inside):
        section.tokens.append((ELAPSED, inside.lower()))
    # Colours and the shapes of digits are not text.
    return end + 1


def _kind(section: Section) -> Kind:
    kinds = {k for k, _ in section.tokens}
    if section.language & 0xFFFF in {0xF800, 0xF400}:
        return "date"
    if GENERAL in kinds and not kinds & {DATE, ELAPSED, DIGIT}:
        return "general"
    if kinds & {DATE, ELAPSED, AMPM}:
        return "date"
    if AT in kinds and DIGIT not in kinds:
        return "text"
    if SLASH in kinds and DIGIT in kinds:
        slash = next(i for i, (k, _) in enumerate(section.tokens) if k == SLASH)
        before = [k for k, _ in section.tokens[:slash]]
        after = [k for k, _ in section.tokens[slash + 1 :]]
        if DIGIT in before and DIGIT in after:
            return "fraction"
    return "number"


def _minutes(tokens: list[Token]) -> list[Token]:
    """Months that stand behind hours or before seconds are minutes: they are called ``n`` here."""
    marks = [i for i, (k, _) in enumerate(tokens) if k in {DATE, ELAPSED}]
    found = list(tokens)
    for place, i in enumerate(marks):
        kind, text = tokens[i]
        if kind != DATE or text not in {"m", "mm"}:
            continue
        before = tokens[marks[place - 1]][1][0] if place else ""
        after = tokens[marks[place + 1]][1][0] if place + 1 < len(marks) else ""
        if before == "h" or after == "s":
            found[i] = (kind, "n" * len(text))
    return [(LITERAL, t) if k in {POINT, COMMA, SLASH, PERCENT} else (k, t) for k, t in found]
