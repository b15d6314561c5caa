"""How numbers are written: marks, thousands, and what accountants put around them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from entrepot.errors import ContractError

if TYPE_CHECKING:
    import pyarrow as pa

BLANKS = " \t\r\n\f\v\u00a0\u2007\u202f\u2009\ufeff"
"""Trimmed around values that are not text; no-break and thin spaces come out of spreadsheets."""

_GAP = "[ \u00a0\u202f\u2009]"
_SEPARATORS = {"space": _GAP, " ": _GAP, "'": "['\u2019]", ".": "[.]", ",": "[,]", "_": "[_]", "indian": "[,]"}
"""What parts thousands, by the word after ``thousands:``, as a pattern."""
_THOUSANDS = frozenset({".", ",", "'", "_", "space", "indian"})
_MINUS = "\u2212"
_HINT = (
    "Use decimal:, decimal:. thousands:, thousands:. thousands:' thousands:space thousands:indian not-finite "
    "currency:€ percent parentheses trailing-minus."
)


@dataclass(frozen=True)
class NumberStyle:
    """How numbers are written.

    Attributes:
        mark: The decimal mark.
        thousands: What parts thousands: a character, ``indian`` for 12,34,567, or nothing.
        not_finite: Whether NaN and infinity are numbers here.
        currencies: Words and signs that may stand before or behind a number, such as ``€`` or ``CHF``.
        percent: Whether 45% is a number: 0.45.
        parentheses: Whether (5) is -5.
        trailing_minus: Whether 5- is -5.
    """

    mark: str = "."
    thousands: str = ""
    not_finite: bool = False
    currencies: tuple[str, ...] = ()
    percent: bool = False
    parentheses: bool = False
    trailing_minus: bool = False

    @staticmethod
    def of(formats: list[str], decimal_mark: str) -> NumberStyle:
        """From a field's formats: ``decimal:,`` ``thousands:.`` ``currency:€`` ``percent`` ``not-finite`` ….

        Raises:
            ContractError: A format is not known, or both marks are the same.
        """
        mark, thousands, currencies = decimal_mark, "", []
        words = {"not-finite": False, "percent": False, "parentheses": False, "trailing-minus": False}
        for word in formats:
            name, _, value = word.partition(":")
            if name == "decimal" and value in {".", ","}:
                mark = value
            elif name == "thousands" and value in _THOUSANDS:
                thousands = " " if value == "space" else value
            elif name == "currency" and value.strip():
                currencies.append(value.strip())
            elif word in words:
                words[word] = True
            else:
                raise ContractError(f"Format {word!r} is not one for numbers.", hint=_HINT, format=word)
        if mark == thousands or (mark == "," and thousands == "indian"):
            raise ContractError(
                f"The decimal mark and the thousands separator are both {mark!r}.",
                hint="State the decimal mark with decimal:, or decimal:.",
            )
        return NumberStyle(
            mark,
            thousands,
            words["not-finite"],
            tuple(sorted(set(currencies), key=lambda c: (-len(c), c))),
            words["percent"],
            words["parentheses"],
            words["trailing-minus"],
        )

    @property
    def plain(self) -> bool:
        """Whether numbers are written as Arrow reads them."""
        return self.mark == "." and not self.thousands and not self.decorated

    @property
    def decorated(self) -> bool:
        """Whether more than digits, marks and a sign in front may belong to a number."""
        return bool(self.currencies) or self.percent or self.parentheses or self.trailing_minus

    def normal(self, text: str) -> str:
        """A number's text with a point for decimals and without thousands; unreadable ones stay so."""
        text = text.strip(BLANKS).replace(_MINUS, "-")
        scale = ""
        if self.decorated:
            text, scale = self._bare(text)
        if self.thousands:
            match = self._grouped.match(text)
            if match is not None:
                text = self._separator.sub("", match[0]) + text[match.end() :]
        if self.mark != ".":
            text = text.replace(".", "?").replace(self.mark, ".")
        return text + scale

    def _bare(self, text: str) -> tuple[str, str]:
        """A number without what stands around it, and the exponent that a percent sign means."""
        sign = scale = ""
        if self.parentheses and text[:1] == "(" and text[-1:] == ")":
            sign, text = "-", text[1:-1].strip(BLANKS)
        if self.trailing_minus and text[-1:] == "-":
            sign, text = sign + "-", text[:-1].strip(BLANKS)
        if self.percent and text[-1:] == "%":
            scale, text = "E-2", text[:-1].strip(BLANKS)
        if self.currencies:
            match = self._currency.fullmatch(text)
            if match is not None:
                text = (match["sign"] or "") + (match["one"] or match["other"])
        return sign + text, scale

    @cached_property
    def _currency(self) -> re.Pattern[str]:
        words = "|".join(re.escape(c) for c in self.currencies)
        gap = f"[{BLANKS}]*"
        return re.compile(
            rf"(?P<sign>[+-])?{gap}(?:(?:{words}){gap}(?P<one>[+-]?[0-9.,].*)|(?P<other>[0-9.,].*[0-9.,]|[0-9]){gap}(?:{words}))",
            re.DOTALL,
        )

    @cached_property
    def _separator(self) -> re.Pattern[str]:
        return re.compile(_SEPARATORS[self.thousands])

    @cached_property
    def _grouped(self) -> re.Pattern[str]:
        separator = _SEPARATORS[self.thousands]
        if self.thousands == "indian":
            return re.compile(rf"[+-]?[0-9]{{1,2}}(?:{separator}[0-9]{{2}})*{separator}[0-9]{{3}}(?![0-9])")
        return re.compile(rf"[+-]?[0-9]{{1,3}}(?:{separator}[0-9]{{3}})+(?![0-9])")

    def prepare(self, texts: pa.Array) -> pa.Array:
        """`normal` for a column, as far as the fast casts need it; percentages are left for the exact way."""
        import pyarrow.compute as pc

        if self.decorated:
            texts = self._bare_column(texts)
        if self.thousands:
            s = _SEPARATORS[self.thousands]
            indian = rf"{{1,2}}({s}[0-9]{{2}})*{s}[0-9]{{3}}"
            groups = indian if self.thousands == "indian" else rf"{{1,3}}({s}[0-9]{{3}})+"
            grouped = rf"^[+-]?[0-9]{groups}([^0-9{s[1:-1]}][^{s[1:-1]}]*)?$"
            bare = pc.replace_substring_regex(texts, s, "")
            texts = pc.if_else(pc.match_substring_regex(texts, grouped), bare, texts)
        if self.mark != ".":
            texts = pc.replace_substring(pc.replace_substring(texts, ".", "?"), self.mark, ".")
        return texts

    def _bare_column(self, texts: pa.Array) -> pa.Array:
        import pyarrow.compute as pc

        for allowed, pattern, bare in (
            (self.parentheses, r"^\(([^()+-]*)\)$", r"-\1"),
            (self.trailing_minus, r"^([0-9][^+-]*)-$", r"-\1"),
        ):
            if allowed:
                texts = pc.replace_substring_regex(texts, pattern, bare)
        if not self.currencies:
            return texts
        words = "|".join(_quoted(c) for c in self.currencies)
        before = rf"^([+-]?)(?:{words}){_GAP}?([0-9])"
        behind = rf"([0-9]){_GAP}?(?:{words})$"
        first = pc.match_substring_regex(texts, before)
        return pc.if_else(
            first, pc.replace_substring_regex(texts, before, r"\1\2"), pc.replace_substring_regex(texts, behind, r"\1")
        )


def _quoted(text: str) -> str:
    """A text as RE2 takes it literally."""
    return re.sub(r"([\\.+*?()|\[\]{}^$])", r"\\\1", text)
