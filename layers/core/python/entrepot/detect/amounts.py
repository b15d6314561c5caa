"""Which type of number a column is, in which style its numbers are written, and what is unsure about it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from entrepot.detect.answers import Inferred, some
from entrepot.detect.model import ColumnProfile, NumberShape

MAX_INTEGER_DIGITS = 15
"""Longer digit strings are identifiers; a spreadsheet would already have rounded them."""

_MAX_SCALE = 6
_MAX_FLOAT_DIGITS = 15
_MAX_DECIMAL_DIGITS = 38


@dataclass(frozen=True, slots=True)
class _Style:
    mark: str
    thousands: str
    ways: frozenset[str]

    @property
    def formats(self) -> list[str]:
        mark = ["decimal:,"] if self.mark == "," else []
        return [*mark, f"thousands:{self.thousands}"] if self.thousands else mark


def _styles() -> list[_Style]:
    found = []
    for mark in ".,":
        plain = {"9", f"9{mark}9", f"9{mark}999"}
        exponents = {f"{way}e" for way in plain}
        found.append(_Style(mark, "", frozenset(plain | exponents)))
        for name, sign in ((".", "."), (",", ","), ("space", " "), ("'", "'"), ("_", "_")):
            if sign != mark:
                grouped = {f"9{sign}999", f"9{sign}999{sign}999", f"9{sign}999{mark}9"}
                found.append(_Style(mark, name, frozenset(plain | exponents | grouped)))
    indian = {"9", "9.9", "9.999", "9,999", "9,999.9", "9,99,999", "9,99,999.9"}
    found.append(_Style(".", "indian", frozenset(indian)))
    return sorted(found, key=lambda s: (s.thousands == "indian", len(s.ways)))


_STYLES = _styles()


def number(column: ColumnProfile, cells: int) -> Inferred | None:
    """The type of a column all of whose cells are numbers; None when they are not.

    Args:
        column: The column's profile.
        cells: Cells that are not blank.
    """
    ways = column.numbers
    if not ways or sum(n.cells for n in ways.values()) != cells:
        return None
    told = _Told(column, cells)
    styles = [s for s in _STYLES if set(ways) <= s.ways and _indian_fits(s, ways)]
    if not styles:
        found = told.text("they are written in ways that contradict each other")
    elif sum(n.zeros for n in ways.values()):
        found = told.text("some numbers begin with zeros")
    else:
        found = _styled(told, styles)
    return found


def _indian_fits(style: _Style, ways: dict[str, NumberShape]) -> bool:
    if style.thousands != "indian":
        return True
    return all(_measures(style, way, n)[0] <= 5 for way, n in ways.items() if way in {"9,999", "9,999.9"})


def _styled(told: _Told, styles: list[_Style]) -> Inferred:
    best = styles[0]
    rivals = [s for s in styles if s.mark != best.mark]
    if best.thousands == "" and best.mark == ".":
        return told.typed(best)
    if rivals and _differ(best, rivals[0], set(told.ways)):
        return told.open(best, rivals[0])
    return told.typed(best)


def _differ(one: _Style, other: _Style, ways: set[str]) -> bool:
    """Whether two styles read some way of writing as different numbers."""
    return any((_groups(one, way)) != (_groups(other, way)) for way in ways)


def _groups(style: _Style, way: str) -> bool:
    """Whether a style reads the last mark of ``9,999`` as one between thousands."""
    sign = {"space": " ", "indian": ","}.get(style.thousands, style.thousands)
    return bool(sign) and way == f"9{sign}999"


def _measures(style: _Style, way: str, shape: NumberShape) -> tuple[int, int]:
    """Digits before and after the decimal mark."""
    return (shape.whole + 3, 0) if _groups(style, way) else (shape.whole, shape.scale)


class _Told:
    """What the profile of a column of numbers says."""

    def __init__(self, column: ColumnProfile, cells: int) -> None:
        self.ways = column.numbers or {}
        self._signs = column.signs
        self._cells = cells
        self._counts = {_shown(way): n.cells for way, n in self.ways.items()}

    def text(self, why: str) -> Inferred:
        """The column stays text."""
        return Inferred("string", doubts=[f"kept as text, since {why}."], counts=self._counts)

    def open(self, one: _Style, other: _Style) -> Inferred:
        """Two styles read the same cells as different numbers."""
        way = next(w for w in self.ways if _groups(one, w) != _groups(other, w))
        count = self.ways[way].cells
        sign = "comma" if "," in way else "point"
        why = (
            f"kept as text: {some(count, 'number')} written as {_shown(way)}, and nothing tells whether the {sign} "
            f"parts thousands or decimals. State formats: thousands:{way[1]} or decimal:{way[1]}."
        )
        return Inferred("string", doubts=[why], counts=self._counts, meaning="decimal")

    def typed(self, style: _Style) -> Inferred:
        """The narrowest type in a style."""
        reason = self._against(style)
        if reason:
            return self.text(reason)
        sizes = [_measures(style, way, n) for way, n in self.ways.items()]
        whole, scale = max(w for w, _ in sizes), max(s for _, s in sizes)
        digits = max(n.digits for n in self.ways.values())
        formats = style.formats
        formats += [s for s in self._signs if s not in {"plus", "minus"}]
        if "percent" in self._signs:
            scale += 2
        found = Inferred(self._type(whole, scale, digits), formats, counts=self._counts)
        if found.type == "string":
            found.doubts.append(f"kept as text, since some numbers have {digits} digits.")
            found.formats = found.meant = []
        found.thousands = found.type != "string" and self._may_be_thousands(style)
        if found.thousands:
            count = self.ways["9.999"].cells
            why = "state thousands:. if the point parts thousands"
            found.doubts.append(f"{some(count, 'number')} written as 9.999 and read with decimals; {why}.")
        found.least, found.most = self._extremes(style)
        return found

    def _type(self, whole: int, scale: int, digits: int) -> str:
        if any(way.endswith("e") for way in self.ways):
            return "float" if digits <= _MAX_FLOAT_DIGITS else "string"
        if not scale and all("9.9" not in w and "9,9" not in w for w in self._pointed()):
            return "integer" if whole <= MAX_INTEGER_DIGITS else "string"
        if scale <= _MAX_SCALE and whole + scale <= _MAX_DECIMAL_DIGITS:
            return f"decimal({max(18, whole + scale)},{scale})"
        return "float" if digits <= _MAX_FLOAT_DIGITS and "percent" not in self._signs else "decimal"

    def _pointed(self) -> list[str]:
        """Ways with a mark behind which nothing may stand, such as ``5.``."""
        return [w for w in self.ways if w in {"9.9", "9,9"} or w.endswith((".9", ",9"))]

    def _against(self, style: _Style) -> str:
        """What speaks against numbers."""
        currencies = [s for s in self._signs if s.startswith("currency:")]
        if len(currencies) > 1:
            shown = ", ".join(f"{s.partition(':')[2]} in {self._signs[s]}" for s in currencies[:5])
            return f"the amounts are of different currencies ({shown})"
        if 0 < self._signs.get("percent", 0) < self._cells:
            return f"{self._signs['percent']} of {self._cells} numbers are percentages and the others are not"
        if self._signs.get("plus") and set(self.ways) == {"9"}:
            return "some numbers begin with a plus sign"
        only = self.ways.get("9 999")
        if style.thousands == "space" and set(self.ways) == {"9 999"} and only and _three_and_three(only):
            return "all are two groups of three digits, as codes are"
        return ""

    def _may_be_thousands(self, style: _Style) -> bool:
        """Whether the points of all numbers could part thousands as well."""
        others = [n for way, n in self.ways.items() if way != "9.999"]
        plain = style.mark == "." and not style.thousands and "9.999" in self.ways
        return plain and all(n.scale == 0 and n.whole <= 3 for n in others)

    def _extremes(self, style: _Style) -> tuple[str, str]:
        ends = []
        for way, shape in self.ways.items():
            if not shape.least:
                return "", ""
            power = 3 if _groups(style, way) else -2 if "percent" in self._signs else 0
            ends += [(Decimal(t).scaleb(power), t) for t in (shape.least, shape.most)]
        if "percent" in self._signs or any(_groups(style, way) for way in self.ways):
            return _plain(min(ends)[0]), _plain(max(ends)[0])
        return min(ends)[1], max(ends)[1]


def _plain(value: Decimal) -> str:
    return format(value.normalize() if value.as_tuple().exponent else value, "f")


def _three_and_three(shape: NumberShape) -> bool:
    return bool(shape.least) and shape.whole == 3 and Decimal(shape.least) >= 100


def _shown(way: str) -> str:
    """A way of writing as people read it."""
    return {"9": "9", "9.9": "9.9", "9,9": "9,9"}.get(way, way.replace("e", "E9"))
