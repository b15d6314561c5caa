"""How numbers are shown: the General format, digits and their places, exponents and fractions."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import NamedTuple

from entrepot.formats.readers.workbook.sections import (
    COMMA,
    DIGIT,
    EXPONENT,
    GENERAL,
    LITERAL,
    PERCENT,
    POINT,
    SLASH,
    Section,
    Token,
)

_ROOMY = Context(prec=400)
_GENERAL_WIDTH = 11
_SIMPLE = re.compile(r"#*(0*)(\.(0*))?")


def general(value: float) -> str:
    """A number in the General format: at most eleven characters without the sign."""
    size = abs(value)
    if value == int(value) and size < 1e11:
        return str(int(value))
    if size >= 1e11 or size < 1e-9:
        return _scientific(value)
    text = _trimmed(f"{size:.9f}" if size < 1 else f"{size:.{_GENERAL_WIDTH - 2}f}")
    whole = len(text.partition(".")[0])
    places = max(0, _GENERAL_WIDTH - whole - 1)
    rounded = _trimmed(str(_half_up(_decimal(size), places)))
    if len(rounded.partition(".")[0]) > _GENERAL_WIDTH:
        return _scientific(value)
    if size < 1e-4:
        exact = _trimmed(f"{_decimal(size):f}")
        if len(exact) > _GENERAL_WIDTH:
            return _scientific(value)
        rounded = exact
    return f"-{rounded}" if value < 0 and rounded != "0" else rounded


def _scientific(value: float) -> str:
    for places in (5, 4, 3):
        mantissa, _, power = f"{value:.{places}E}".partition("E")
        text = f"{_trimmed(mantissa)}E{power[0]}{power[1:].zfill(2)}"
        if len(text.lstrip("-")) <= _GENERAL_WIDTH:
            break
    return text


def _trimmed(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def _decimal(value: float) -> Decimal:
    """The number with the fifteen digits that Excel counts with."""
    return Decimal(f"{value:.15g}")


def _half_up(value: Decimal, places: int) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP, _ROOMY)


class _Simple(NamedTuple):
    """The plan of nearly every format: digits in one place, all decimals shown."""

    before: str
    least: int
    """Digits before the point, filled with noughts."""
    grouped: bool
    point: bool
    places: int
    behind: str
    shift: int
    """Powers of ten, for percent and thousands."""


def show_number(section: Section, value: float) -> str:
    """A number by a section of digits; the sign is the caller's.

    Args:
        section: Of kind number.
        value: Not negative.
    """
    plan = section.plan
    if plan is None:
        plan = section.plan = _simple(section) or ()
    return _show_simple(plan, value) if isinstance(plan, _Simple) else _show_any(section, value)


def _simple(section: Section) -> _Simple | None:
    tokens, scale, grouped = _commas(section.tokens)
    places = [i for i, (k, _) in enumerate(tokens) if k in {DIGIT, POINT}]
    if not places or any(k in {EXPONENT, GENERAL} for k, _ in tokens):
        return None
    within = tokens[places[0] : places[-1] + 1]
    found = _SIMPLE.fullmatch("".join(t for _, t in within))
    # A point or nought in quotes is text.
    if not found or any(k not in {DIGIT, POINT} for k, _ in within) or (grouped and len(found[1]) > 1):
        return None
    before = "".join(t for _, t in tokens[: places[0]])
    behind = "".join(t for _, t in tokens[places[-1] + 1 :])
    shift = 2 * sum(k == PERCENT for k, _ in tokens) - 3 * scale
    return _Simple(before, len(found[1]), grouped, found[2] is not None, len(found[3] or ""), behind, shift)


def _show_simple(plan: _Simple, value: float) -> str:
    text = f"{value:.15g}"
    whole, _, rest = text.partition(".")
    if plan.shift or len(rest) > plan.places or "e" in text:
        text = f"{_half_up(Decimal(text).scaleb(plan.shift), plan.places):f}"
        whole, _, rest = text.partition(".")
    whole = whole.lstrip("0").rjust(plan.least, "0")
    if plan.grouped and len(whole) > 3:
        whole = f"{int(whole):,}"
    if plan.point:
        return f"{plan.before}{whole}.{rest.ljust(plan.places, '0')}{plan.behind}"
    return f"{plan.before}{whole}{plan.behind}"


def _show_any(section: Section, value: float) -> str:
    tokens = section.tokens
    if any(k == EXPONENT for k, _ in tokens):
        return _show_exponent(tokens, value)
    percents = sum(k == PERCENT for k, _ in tokens)
    tokens, scale, grouped = _commas(tokens)
    scaled = _decimal(value).scaleb(2 * percents - 3 * scale)
    return _lay_out(tokens, scaled, value, grouped=grouped)


def _commas(tokens: list[Token]) -> tuple[list[Token], int, bool]:
    """Takes the commas out: those behind the last whole digit scale by 1000, one between digits groups."""
    point = next((i for i, (k, _) in enumerate(tokens) if k == POINT), len(tokens))
    digits = [i for i, (k, _) in enumerate(tokens) if k == DIGIT]
    if not digits:
        return [(LITERAL, t) if k == COMMA else (k, t) for k, t in tokens], 0, False
    whole = [i for i in digits if i < point]
    last = whole[-1] if whole else -1
    kept: list[Token] = []
    scale, grouped = 0, False
    for i, (kind, text) in enumerate(tokens):
        if kind != COMMA:
            kept.append((kind, text))
        elif whole and whole[0] < i < last:
            grouped = True
        elif (last >= 0 and last < i <= point and all(k == COMMA for k, _ in tokens[last + 1 : i])) or (
            i > digits[-1] and all(k == COMMA for k, _ in tokens[digits[-1] + 1 : i])
        ):
            scale += 1
        elif i < digits[0] or i > digits[-1]:
            kept.append((LITERAL, text))
    return kept, scale, grouped


def _lay_out(tokens: list[Token], scaled: Decimal, value: float, *, grouped: bool) -> str:
    point = next((i for i, (k, _) in enumerate(tokens) if k == POINT), len(tokens))
    places = sum(k == DIGIT for k, _ in tokens[point:])
    figures = f"{_half_up(scaled, places):f}"
    whole, _, fraction = figures.partition(".")
    shown_whole = _whole(tokens[:point], whole.lstrip("0"), value, grouped=grouped)
    if places and point < len(tokens) and not any(k == DIGIT for k, _ in tokens[:point]):
        shown_whole += whole.lstrip("0")  # a format that begins with its point shows what stands before it
    return shown_whole + _fraction(tokens[point:], fraction, value)


def _whole(tokens: list[Token], figures: str, value: float, *, grouped: bool) -> str:
    """The tokens before the point, filled with figures from the right."""
    out: list[str] = []
    left = sum(k == DIGIT for k, _ in tokens)
    position = 0
    rest = figures

    def put(figure: str) -> None:
        nonlocal position
        if grouped and position and position % 3 == 0:
            out.append("," if figure != " " else " ")
        out.append(figure)
        position += 1

    for kind, text in reversed(tokens):
        if kind == GENERAL:
            out.append(general(value)[::-1])
        elif kind != DIGIT:
            out.append(text[::-1])
        else:
            left -= 1
            if rest:
                put(rest[-1])
                rest = rest[:-1]
            elif text in "0?":
                put(text if text == "0" else " ")
            while left == 0 and rest:
                put(rest[-1])
                rest = rest[:-1]
    return "".join(out)[::-1]  # gathered from the right, each piece written backwards


def _fraction(tokens: list[Token], figures: str, value: float) -> str:
    significant = len(figures.rstrip("0"))
    out: list[str] = []
    at = 0
    for kind, text in tokens:
        if kind == GENERAL:
            out.append(general(value))
        elif kind != DIGIT:
            out.append(text)
        else:
            figure = figures[at : at + 1]
            if text == "0" or at < significant:
                out.append(figure)
            elif text == "?":
                out.append(" ")
            at += 1
    return "".join(out)


def _show_exponent(tokens: list[Token], value: float) -> str:
    at = next(i for i, (k, _) in enumerate(tokens) if k == EXPONENT)
    mantissa = [(k, t) for k, t in tokens[:at] if k != COMMA]
    point = next((i for i, (k, _) in enumerate(mantissa) if k == POINT), len(mantissa))
    step = max(1, sum(k == DIGIT for k, _ in mantissa[:point]))
    places = sum(k == DIGIT for k, _ in mantissa[point:])
    exact = _decimal(value)
    power = exact.adjusted() if exact else 0
    power -= power % step
    shown = _half_up(exact.scaleb(-power), places)
    if exact and shown.adjusted() >= step:
        power += step
        shown = _half_up(exact.scaleb(-power), places)
    sign = "-" if power < 0 else "+" * (tokens[at][1][1] == "+")
    text = _lay_out(mantissa, shown, value, grouped=False)
    tail = _whole(tokens[at + 1 :], str(abs(power)), value, grouped=False)
    if power == 0 and not any(k == DIGIT and t == "0" for k, t in tokens[at + 1 :]):
        tail = _whole([(k, "0" if k == DIGIT else t) for k, t in tokens[at + 1 :]], "", value, grouped=False)
    return f"{text}E{sign}{tail}"


def show_fraction(section: Section, value: float) -> str:
    """A number as a fraction (``# ?/?``, ``?/8``); the sign is the caller's."""
    tokens = section.tokens
    slash = next(i for i, (k, _) in enumerate(tokens) if k == SLASH)
    start = slash
    while start and (tokens[start - 1][0] == DIGIT or (tokens[start - 1] == (LITERAL, " ") and start == slash)):
        start -= 1
    end = slash + 1
    while end < len(tokens) and (tokens[end][0] == DIGIT or (tokens[end] == (LITERAL, " ") and end == slash + 1)):
        end += 1
    above = "".join(t for k, t in tokens[start:slash] if k == DIGIT)
    below = "".join(t for k, t in tokens[slash + 1 : end] if k == DIGIT)
    mixed = any(k == DIGIT for k, _ in tokens[:start])
    whole = int(value) if mixed else 0
    top, bottom = _ratio(value - whole, below)
    if mixed and top == bottom:
        whole, top = whole + 1, 0
    head = _whole(tokens[:start], str(whole) if whole else "", value, grouped=False)
    if mixed and not whole and not top:
        head = _whole([(k, "0" if k == DIGIT else t) for k, t in tokens[:start]], "", value, grouped=False)
    tail = _fraction(tokens[end:], "", value)
    if mixed and not top and "0" not in above:
        return head + " " * (len(above) + 1 + len(below)) + tail
    width = len(below)
    return f"{head}{_padded(top, above)}/{str(bottom).ljust(width)}{tail}"


def _padded(number: int, places: str) -> str:
    """A numerator, its places filled as they ask: blanks for ``?``, zeros for ``0``, nothing for ``#``."""
    text = str(number)
    filler = places[: max(0, len(places) - len(text))]
    return filler.replace("?", " ").replace("#", "") + text


def _ratio(value: float, below: str) -> tuple[int, int]:
    """Numerator and denominator; the denominator is fixed, or has at most as many digits as places."""
    if any(c in "123456789" for c in below):
        fixed = int(below.replace("#", "0").replace("?", "0"))
        return int(value * fixed + 0.5), fixed
    return _convergent(value, 10 ** min(len(below), 7) - 1)


def _convergent(value: float, most: int) -> tuple[int, int]:
    """The last convergent of the continued fraction whose denominator fits."""
    whole = int(value)
    before, now = (1, 0), (whole, 1)
    rest = value - whole
    while rest > 5e-8:
        inverse = 1 / rest
        whole = int(inverse)
        following = (whole * now[0] + before[0], whole * now[1] + before[1])
        if following[1] > most:
            break
        before, now = now, following
        rest = inverse - whole
    return now
