"""One number format: what Excel shows for a value, and the value in exact form."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from functools import lru_cache

from entrepot.formats.readers.workbook import dates
from entrepot.formats.readers.workbook.numbers import general, show_fraction, show_number
from entrepot.formats.readers.workbook.sections import (
    AT,
    COMMA,
    DATE,
    DIGIT,
    EXPONENT,
    GENERAL,
    LITERAL,
    PERCENT,
    POINT,
    Section,
    sections_of,
)

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "<>": operator.ne,
}
_PERCENT = re.compile(r"-?[0-9]+(?:\.[0-9]+)?%")

BUILT_IN = {
    0: "General",
    1: "0",
    2: "0.00",
    3: "#,##0",
    4: "#,##0.00",
    5: '"$"#,##0_);\\("$"#,##0\\)',
    6: '"$"#,##0_);[Red]\\("$"#,##0\\)',
    7: '"$"#,##0.00_);\\("$"#,##0.00\\)',
    8: '"$"#,##0.00_);[Red]\\("$"#,##0.00\\)',
    9: "0%",
    10: "0.00%",
    11: "0.00E+00",
    12: "# ?/?",
    13: "# ??/??",
    14: "m/d/yyyy",
    15: "d-mmm-yy",
    16: "d-mmm",
    17: "mmm-yy",
    18: "h:mm AM/PM",
    19: "h:mm:ss AM/PM",
    20: "h:mm",
    21: "h:mm:ss",
    22: "m/d/yyyy h:mm",
    37: "#,##0_);\\(#,##0\\)",
    38: "#,##0_);[Red]\\(#,##0\\)",
    39: "#,##0.00_);\\(#,##0.00\\)",
    40: "#,##0.00_);[Red]\\(#,##0.00\\)",
    41: '_(* #,##0_);_(* \\(#,##0\\);_(* "-"_);_(@_)',
    42: '_("$"* #,##0_);_("$"* \\(#,##0\\);_("$"* "-"_);_(@_)',
    43: '_(* #,##0.00_);_(* \\(#,##0.00\\);_(* "-"??_);_(@_)',
    44: '_("$"* #,##0.00_);_("$"* \\(#,##0.00\\);_("$"* "-"??_);_(@_)',
    45: "mm:ss",
    46: "[h]:mm:ss",
    47: "mm:ss.0",
    48: "##0.0E+0",
    49: "@",
}
"""The formats that files name by number alone, as Excel in en-US shows them (ECMA-376 part 1, 18.8.30)."""
_ELSEWHERE = {**dict.fromkeys((27, 28, 29, 30, 31, 36, 50, 51, 52, 53, 54, 55, 56, 57, 58), 14)} | dict.fromkeys(
    (32, 33, 34, 35), 21
)
"""Numbers that mean a date or time of East Asia; in en-US they are shown as these."""


def built_in(number: int) -> str:
    """The format of a number that the file itself does not define."""
    return BUILT_IN.get(_ELSEWHERE.get(number, number), "General")


class NumberFormat:
    """A format, taken apart once and used for many values.

    Args:
        code: Its text.
        epoch1904: Which system dates count in.
    """

    __slots__ = (
        "_conditional", "_epoch1904", "_nought", "_numeric", "_text",
        "bare", "code", "day", "hides", "plain", "restyles",
    )  # fmt: skip

    def __init__(self, code: str, *, epoch1904: bool = False) -> None:
        self.code = code
        self._epoch1904 = epoch1904
        sections = sections_of(code)
        last = sections[-1]
        has_text = len(sections) == 4 or (last.kind == "text" or (last.has(AT) and len(sections) > 1))
        self._text = last if has_text or last.has(AT) else None
        self.restyles = self._text is not None and self._text.tokens != [(AT, "@")]
        """Whether a text may be shown otherwise than it is."""
        self._numeric = sections[:-1] if has_text else sections
        if not self._numeric:
            self._numeric = [_GENERAL]
        self._conditional = any(s.condition for s in self._numeric)
        # Excel adds the minus by itself to a format of one section, and leaves it out before nothing but noughts.
        alone = len(sections) == 1 and not self._conditional and last.kind == "number" and last.has(DIGIT)
        self._nought = show_number(last, 0.0) if alone else None
        self.plain = len(self._numeric) == 1 and self._numeric[0].kind == "general" and _only_general(self._numeric[0])
        """Whether numbers are shown in the General format without anything around them."""
        self.bare = all(s.kind != "date" and not s.has(PERCENT) and not _padded(s) for s in self._numeric)
        """Whether exact numbers are their digits and nothing else."""
        self.hides = any(not s.tokens for s in self._numeric)
        """Whether some numbers are not shown at all."""
        first = self._numeric[0]
        lone = len(self._numeric) == 1 and first.condition is None and first.has_date and not first.elapsed
        self.day = first.has_time if lone else None
        """Of formats that show a day and have no other section: whether they show the time as well."""

    def section(self, value: float) -> tuple[Section | None, bool]:
        """The section for a value, and whether it shows the sign by itself; None: nothing fits, Excel shows ``#``."""
        if self._conditional:
            return self._by_condition(value)
        several = len(self._numeric) > 1
        if value < 0 and several:
            return self._numeric[1], True
        if value == 0 and len(self._numeric) > 2:
            return self._numeric[2], True
        return self._numeric[0], False

    def _by_condition(self, value: float) -> tuple[Section | None, bool]:
        for place, section in enumerate(self._numeric):
            condition = section.condition
            if condition is None:
                if place == len(self._numeric) - 1:
                    return section, False
                if (place == 0 and value > 0) or (place == 1 and value < 0):
                    return section, place == 1
            elif _OPERATORS[condition[0]](value, condition[1]):
                return section, condition[0] in {"<", "<="} and condition[1] <= 0
        return (self._numeric[0], False) if len(self._numeric) == 1 else (None, False)

    def show(self, value: float) -> str:
        """What Excel shows for a number. What it fills with ``#`` is given as a number in the General format."""
        if self.plain:
            return general(value)
        section, signed = self.section(value)
        if section is None:
            return general(value)
        size, sign = abs(value), "-" if value < 0 and not signed else ""
        if section.kind == "date":
            return self._date(section, value)
        if section.kind == "fraction":
            return sign + show_fraction(section, size)
        if section.kind == "number":
            shown = show_number(section, size)
            if shown == self._nought:
                return shown
            return sign + shown if shown or not section.tokens else shown
        texts = [general(size) if k in {GENERAL, AT} else t for k, t in section.tokens]
        return sign + "".join(texts)

    def _date(self, section: Section, value: float) -> str:
        shown = dates.show_date(section, value, epoch1904=self._epoch1904)
        return general(value) if shown is None else shown

    def show_text(self, text: str) -> str:
        """What Excel shows for a text."""
        if self._text is None:
            return text
        return "".join(text if k == AT else t for k, t in self._text.tokens if k in {AT, LITERAL})

    def exact(self, value: float) -> str:
        """A number with all that is stored: dates in ISO form, leading zeros as shown, all digits."""
        section = None if self.bare else self.section(value)[0]
        if section is None:
            return digits_of(value)
        if section.kind == "date":
            return self._exact_date(section, value)
        if section.has(PERCENT):
            return self._exact_percent(value)
        if value >= 0 and value == int(value) and _padded(section):
            return self.show(value)
        return digits_of(value)

    def _exact_percent(self, value: float) -> str:
        shown = self.show(value).strip()
        if _PERCENT.fullmatch(shown) and digits_of(float(shown[:-1]) / 100) == digits_of(value):
            return shown
        return digits_of(value)

    def _exact_date(self, section: Section, value: float) -> str:
        if section.elapsed:
            return dates.elapsed(value)
        return dates.iso(section, value, epoch1904=self._epoch1904) or digits_of(value)


def _only_general(section: Section) -> bool:
    return all(kind == GENERAL for kind, _ in section.tokens)


_GENERAL = sections_of("General")[0]


def _padded(section: Section) -> bool:
    """Whether a section gives whole numbers leading zeros, as codes have them."""
    if section.kind != "number" or {k for k, _ in section.tokens} & {POINT, COMMA, EXPONENT, DATE, GENERAL}:
        return False
    figures = "".join(t for k, t in section.tokens if k == DIGIT)
    literals = "".join(t for k, t in section.tokens if k == LITERAL)
    return figures.count("0") > 1 and not any(c.isdigit() for c in literals)


def digits_of(value: float) -> str:
    """A number with all its digits and no exponent where that is readable; binary noise is taken off.

    Excel counts with fifteen digits. What a file holds beyond them is noise when it goes away in fifteen digits and
    leaves a short number, such as 0.30000000000000004; else it was meant.
    """
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    text = repr(value)
    mantissa = text.partition("e")[0].replace(".", "").strip("-0")
    if len(mantissa) > 15:
        short = f"{value:.15g}"
        if len(short.partition("e")[0].replace(".", "").strip("-0")) <= 12:
            text = repr(float(short))
    if "e" not in text:
        return text.removesuffix(".0")
    power = int(text.partition("e")[2])
    if -10 <= power <= 21:
        from decimal import Decimal

        return f"{Decimal(text):f}".removesuffix(".0")
    head, _, tail = text.partition("e")
    return f"{head.removesuffix('.0')}E{'+' if power > 0 else ''}{int(tail)}"


@lru_cache(maxsize=4096)
def format_of(code: str, *, epoch1904: bool = False) -> NumberFormat:
    """A format, remembered."""
    return NumberFormat(code, epoch1904=epoch1904)
