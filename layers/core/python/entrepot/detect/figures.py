"""Which cells are numbers, how they are written, and what stands around them."""

# ruff: noqa: RUF001 - signs of many currencies

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from entrepot.detect.model import NumberShape
from entrepot.detect.shapes import Shape, Token
from entrepot.validate.codes import CURRENCIES

_GAP = "[ \u00a0\u202f\u2009]"
_CURRENCY = (
    r"US\$|R\$|C\$|A\$|NZ\$|HK\$|S\$|[$€£¥₹₽₺₴₩₪฿₫₦₱₡₲₵₸₼₾₣]|zł|Kč|kr\.?|Kr\.?|Ft|lei|Lei|лв\.?|руб\.?|грн\.?|Rs\.?|Fr\.?"
    r"|SFr\.?|TL|din\.?|[A-Z]{3}"
)
_WRITTEN = re.compile(
    rf"(?P<open>\()?{_GAP}*(?P<sign>[+\-\u2212])?(?P<gap>{_GAP}*)(?:(?P<before>{_CURRENCY}){_GAP}*(?P<sign2>[+\-\u2212])?)?"
    r"(?P<core>[9.,](?:[9.,'_\u2019]|[ \u00a0\u202f\u2009](?=9))*)(?P<exponent>[eE][+-]?9{1,4})?"
    rf"(?:{_GAP}*(?P<percent>%))?(?:{_GAP}*(?P<behind>{_CURRENCY}))?(?:{_GAP}*(?P<trailing>-))?{_GAP}*(?P<close>\))?"
)
_CORES = (
    ("9", re.compile(r"9+")),
    ("9{m}9", re.compile(r"9*(?P<m>[.,])9*")),
    ("9{t}999", re.compile(r"9{1,3}(?P<t>[.,'_ \u2019])999")),
    ("9{t}999{t}999", re.compile(r"9{1,3}(?P<t>[.,'_ \u2019])999(?:(?P=t)999)+")),
    ("9{t}999{m}9", re.compile(r"9{1,3}(?P<t>[.,'_ \u2019])999(?:(?P=t)999)*(?!(?P=t))(?P<m>[.,])9*")),
    ("9,99,999", re.compile(r"9{1,2}(?:,99)+,999")),
    ("9,99,999.9", re.compile(r"9{1,2}(?:,99)+,999\.9*")),
)
"""Ways of writing, as the names that they have in profiles: m is the decimal mark, t what parts thousands."""


@dataclass(frozen=True, slots=True)
class Written:
    """How the numbers of a shape are written.

    Attributes:
        way: The name of the way of writing.
        signs: What stands around the digits, as format words and ``plus``, ``minus``.
        first: Places of the digits among all digits of the text: of the first one that counts.
        whole: Digits before the last mark.
        scale: Digits after it.
        negative: Whether they are negative.
    """

    way: str
    signs: tuple[str, ...]
    first: int
    whole: int
    scale: int
    negative: bool


@lru_cache(maxsize=4096)
def written(template: str) -> Written | None:
    """How a text is written in which every digit is a 9; None when it is no number."""
    match = _WRITTEN.fullmatch(template)
    if match is None or bool(match["open"]) != bool(match["close"]):
        return None
    signs = [s for s in (match["sign"], match["sign2"], match["trailing"], match["open"]) if s]
    currencies = [c for c in (match["before"], match["behind"]) if c]
    if len(signs) > 1 or len(currencies) > 1 or (match["percent"] and (currencies or match["exponent"])):
        return None
    if match["sign"] and match["gap"] and not currencies:
        return None
    if match["exponent"] and (currencies or match["trailing"] or match["open"]):
        return None
    if currencies and len(currencies[0]) == 3 and currencies[0].isupper() and currencies[0] not in CURRENCIES:
        return None
    way, whole, scale = _core(match["core"])
    if not way or (match["exponent"] and way not in {"9", "9.9", "9,9", "9.999", "9,999"}):
        return None
    words = [f"currency:{c}" for c in currencies]
    words += ["percent"] if match["percent"] else []
    words += ["parentheses"] if match["open"] else ["trailing-minus"] if match["trailing"] else []
    words += ["plus"] if signs == ["+"] else ["minus"] if signs else []
    at = template[: match.start("core")].count("9")
    suffix = "e" if match["exponent"] else ""
    return Written(way + suffix, tuple(words), at, whole, scale, bool(signs) and signs != ["+"])


def _core(core: str) -> tuple[str, int, int]:
    """The way of writing, and digits before and after the last mark."""
    plain = re.sub("[\u00a0\u202f\u2009]", " ", core).replace("\u2019", "'")
    if "9" not in plain:
        return "", 0, 0
    for name, regex in reversed(_CORES):
        match = regex.fullmatch(plain)
        if match is None:
            continue
        groups = match.groupdict()
        way = name.format(m=groups.get("m") or "", t=groups.get("t") or "")
        mark = groups.get("m") or ("." if name == "9,99,999.9" else groups.get("t") if name == "9{t}999" else None)
        digits = plain.count("9")
        scale = len(plain) - plain.rindex(mark) - 1 if mark else 0
        return way, digits - scale, scale
    return "", 0, 0


def figures(shape: Shape) -> Iterator[tuple[str, NumberShape, dict[str, int]]]:
    """The numbers among the texts of a shape: way of writing, their measures, and the cells that have each sign."""
    digits = [t for t in shape.tokens if t.kind == "9"]
    if not digits or len(shape.tokens) > 24:
        return
    for template, rows in _templates(shape):
        how = written(template)
        if how is not None:
            yield from _measured(shape, digits, how, rows)


def _templates(shape: Shape) -> Iterator[tuple[str, npt.NDArray[np.intp]]]:
    """The shape's texts with 9 for every digit; those with different words apart."""
    code = np.zeros(len(shape.places), dtype=np.int64)
    for words, which in shape.words.values():
        code = code * len(words) + which
    codes = np.unique(code) if shape.words else np.zeros(1, dtype=np.int64)
    if len(codes) > _MAX_TEMPLATES:
        return
    for one in codes:
        rows = np.flatnonzero(code == one)
        parts = []
        for number, token in enumerate(shape.tokens):
            if token.kind == "9":
                parts.append("9" * token.size)
            elif token.kind == "a":
                words, which = shape.words[number]
                parts.append(words[int(which[rows[0]])])
            else:
                parts.append(token.text)
        yield "".join(parts), rows


_MAX_TEMPLATES = 60


def _measured(
    shape: Shape, digits: list[Token], how: Written, rows: npt.NDArray[np.intp]
) -> Iterator[tuple[str, NumberShape, dict[str, int]]]:
    size = how.whole + how.scale
    places = [t.start + i for t in digits for i in range(t.size)][how.first : how.first + size]
    leading = shape.byte(places[0])[rows] == ord("0")
    grouped = how.way.rstrip("e") not in {"9", "9.9", "9,9"}
    near = _near(shape, digits, how, rows)
    for zero in (False, True):
        chosen = rows[(leading == zero) & near]
        if not len(chosen):
            continue
        way, zeros = how.way, zero and how.whole > 1
        if zero and grouped:
            # Thousands do not begin with a zero: 0,125 has decimals.
            if how.way.rstrip("e") not in {"9.999", "9,999"}:
                continue
            way = how.way.replace("999", "9")
        cells = shape.texts.cells(shape.places[chosen])
        least, most = _extremes(shape, places, how, chosen)
        yield (
            way,
            NumberShape(
                cells=cells,
                whole=how.whole,
                scale=how.scale,
                digits=size,
                zeros=cells if zeros else 0,
                least=least,
                most=most,
            ),
            dict.fromkeys(how.signs, cells),
        )


def _near(
    shape: Shape, digits: list[Token], how: Written, rows: npt.NDArray[np.intp]
) -> npt.NDArray[np.bool_] | np.bool_:
    """Which numbers are in the range of doubles, told from their exponents."""
    if not how.way.endswith("e"):
        return np.bool_(True)
    return shape.number(digits[-1])[rows] <= _MAX_EXPONENT


_MAX_EXPONENT = 200


def _extremes(shape: Shape, places: list[int], how: Written, rows: npt.NDArray[np.intp]) -> tuple[str, str]:
    """Least and greatest, with a point for the last mark; empty for exponents and more than 18 digits."""
    if how.way.endswith("e") or len(places) > 18:
        return "", ""
    at = shape.texts.starts[shape.places[rows]]
    value = np.zeros(len(rows), dtype=np.int64)
    for place in places:
        value = value * 10 + (shape.texts.data[at + place] - 48)
    least, most = int(value.min()), int(value.max())
    if how.negative:
        least, most = -most, -least
    return _pointed(least, how.scale), _pointed(most, how.scale)


def _pointed(value: int, scale: int) -> str:
    if not scale:
        return str(value)
    digits = str(abs(value)).rjust(scale + 1, "0")
    return f"{'-' if value < 0 else ''}{digits[:-scale]}.{digits[-scale:]}"
