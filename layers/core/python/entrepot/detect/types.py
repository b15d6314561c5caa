"""The type of a column: the narrowest that all its cells have, without losing anything of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal

from entrepot.detect.amounts import number
from entrepot.detect.answers import Inferred, boolean, some
from entrepot.detect.dates import moment, nearly
from entrepot.detect.model import ColumnProfile, NumberShape
from entrepot.detect.titles import Title, title
from entrepot.model.source import ColumnInfo
from entrepot.validate.casts.counts import Count

_RANGES = (
    ("epoch", Decimal(10**8), Decimal(42 * 10**8)),
    ("epoch-ms", Decimal(10**11), Decimal(42 * 10**11)),
    ("epoch-us", Decimal(10**14), Decimal(42 * 10**14)),
)
"""Time stamps of the years 1973 to 2103, in seconds, milliseconds and microseconds."""
_SURE_EPOCH = Decimal(10**9)
_SERIALS = Decimal(18_000), Decimal(75_000)
"""Day numbers of the years 1949 to 2105."""
_PACKED = tuple((Decimal(19 * 10**n), Decimal(21 * 10**n)) for n in (6, 10, 12))
"""Numbers that begin with a year, as 20240131, 202401311030 and 20240131103000 do."""
_CERTAIN, _LIKELY = 0.95, 0.75


def infer_type(column: ColumnProfile, name: str = "") -> Inferred:
    """What a column is.

    Args:
        column: The profile of all its cells.
        name: Its header, which can speak for dates.
    """
    cells = column.cells - column.blank
    said = title(name)
    if cells <= 0:
        return Inferred("string")
    found = _counted(column, cells, said) or moment(column, cells, said) or number(column, cells)
    if found is not None:
        return _told(_supported(found, column), column, said)
    for word in column.fits or []:
        return Inferred(word)
    return boolean(column.small) or _text(column, cells, said)


def column_type(name: str, values: Iterable[str | None]) -> ColumnInfo:
    """What a few values and their header say of a column.

    Args:
        name: The header.
        values: Cells; None or an empty text where a cell is empty.
    """
    import pyarrow as pa

    from entrepot.detect.evidence import column_profile

    texts = pa.array([v or None for v in values], pa.string())
    return info(name, column_profile(texts))


def info(name: str, column: ColumnProfile, inferred: Inferred | None = None) -> ColumnInfo:
    """What `inspect` tells of a column."""
    found = inferred or infer_type(column, name)
    return ColumnInfo(
        name=name,
        type=found.meaning,
        formats=found.meant,
        nullable=column.empty + column.blank > 0,
        unique=column.may_be_unique,
        examples=list(column.examples.values()),
        max_length=column.max_length,
        doubts=found.doubts,
        format_counts=found.counts,
        order=found.order,
        first=found.first,
        least=found.least or _text_end(column, found, min),
        most=found.most or _text_end(column, found, max),
        empty=column.empty,
        distinct=column.distinct,
    )


def _text_end(column: ColumnProfile, found: Inferred, end: Callable[[Iterable[str]], str]) -> str:
    """The first or the last of a column's texts in alphabetical order, while all of them are known."""
    return end(column.small) if found.meaning == "string" and column.small else ""


def _counted(column: ColumnProfile, cells: int, said: Title) -> Inferred | None:
    """Numbers that are moments: only where the header speaks of dates, and all are in a plausible range."""
    ways = column.numbers or {}
    if not (said.dates or said.stamps) or said.against or sum(n.cells for n in ways.values()) != cells:
        return None
    if not set(ways) <= {"9", "9.9", "9.999"} or any(n.zeros for n in ways.values()) or column.signs:
        return None
    if not ways or not all(n.least for n in ways.values()):
        return None
    ends = [Decimal(t) for n in ways.values() for t in (n.least, n.most)]
    for word, low, high in _RANGES:
        least = low if said.stamps or word != "epoch" else _SURE_EPOCH
        if min(ends) >= least and max(ends) <= high and max(n.scale for n in ways.values()) <= 6:
            if word == "epoch" and set(ways) == {"9"} and _is_packed(column, cells):
                return None
            why = f"read as {_UNITS[word]} since 1970: the header speaks of a moment"
            return _as(column, "datetime", word, why)
    if said.dates and not said.stamps and min(ends) >= _SERIALS[0] and max(ends) <= _SERIALS[1]:
        kind = "date" if set(ways) == {"9"} else "datetime"
        return _as(column, kind, "excel", "read as day numbers of a spreadsheet: the header speaks of a date")
    return None


_UNITS = {"epoch": "seconds", "epoch-ms": "milliseconds", "epoch-us": "microseconds"}


def _is_packed(column: ColumnProfile, cells: int) -> bool:
    """Whether all numbers are dates without separators."""
    return any(seen.cells == cells for seen in (column.moments or {}).values())


def _as(column: ColumnProfile, kind: str, word: str, why: str) -> Inferred | None:
    shapes = (column.numbers or {}).values()
    ends = min((n.least for n in shapes), key=Decimal), max((n.most for n in shapes), key=Decimal)
    moments = [Count(word).read(text) for text in ends]
    least, most = (
        "" if m is None or m.date is None else f"{m.date}T{m.time}" if kind == "datetime" else str(m.date)
        for m in moments
    )
    if not least or not most:
        return None
    return Inferred(kind, [word], [f"{why}."], counts={word: column.cells - column.blank}, least=least, most=most)


def _supported(found: Inferred, column: ColumnProfile) -> Inferred:
    """A single different value whose order is open is too little to be called a date."""
    if found.order == "open" and column.distinct == 1:
        found.meaning, found.meant = found.type, found.formats
        found.doubts.append("all cells are the same, which is too little to call them dates.")
    return found


def _told(found: Inferred, column: ColumnProfile, said: Title) -> Inferred:
    """What a header makes of numbers that were rounded: moments, though the contract keeps the numbers."""
    if found.meaning == "float" and (said.dates or said.times or said.stamps) and not said.against and _rounded(column):
        found.meaning, found.meant = "datetime", []
        found.doubts.append(
            "the header speaks of a moment, and a spreadsheet has rounded the numbers to a few digits: the moments are "
            "lost. Have the column exported as text."
        )
    return found


def _rounded(column: ColumnProfile) -> bool:
    """Whether all values are round numbers with exponents in the range of time stamps."""
    if set(column.numbers or {}) - {"9.9e", "9e", "9.999e"} or not column.small:
        return False
    values = [Decimal(v.strip()) for v in column.small if v.strip()]
    ranges = (*((low, high) for _, low, high in _RANGES), *_PACKED)
    return any(all(low <= v <= high for v in values) for low, high in ranges)


def _text(column: ColumnProfile, cells: int, said: Title) -> Inferred:
    """Text, and what nearly all of it is."""
    found = Inferred("string")
    rest = cells - column.marks
    meaning, moments, counts = nearly(column, rest, said) if rest else ("", 0, {})
    if column.marks:
        found.doubts.append(
            f"{some(column.marks, 'cell')} nothing but #: a spreadsheet wrote them because the column was too narrow. "
            "Widen it and export again."
        )
        speaks = (said.dates or said.times) and not said.against
        if (rest and moments == rest) or (speaks and (not rest or moments >= _LIKELY * rest)):
            found.meaning = meaning or ("date" if said.dates and not said.times else "datetime")
            found.counts = counts
        return found
    if moments:
        found.counts = counts
        found.doubts.append(f"kept as text: {moments} of {cells} values are dates or times, the others are not.")
        if moments >= _CERTAIN * cells or (said.dates and moments >= _LIKELY * cells):
            found.meaning = meaning
        return found
    return _nearly_numbers(found, column.numbers or {}, cells)


def _nearly_numbers(found: Inferred, ways: dict[str, NumberShape], cells: int) -> Inferred:
    numbers = sum(n.cells for n in ways.values())
    if numbers * 2 >= cells:
        found.counts = {way: n.cells for way, n in ways.items()}
        found.doubts.append(f"kept as text: {numbers} of {cells} values are numbers, the others are not.")
    return found
