"""Which dates and times a column holds, and whether the day or the month comes first: proved, likely or open."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from entrepot.detect.answers import First, Inferred, some
from entrepot.detect.model import ColumnProfile, Seen
from entrepot.detect.titles import Title

_CLOCKED = {"date": "date", "datetime": "datetime", "time": "time", "duration": "time"}
_CAST = frozenset({"date", "datetime", "time", "duration"})
_MAX_FORMATS = 12
_WORTH_SAYING = 0.5
"""Share of moments from which a column of text is told to be nearly one of moments."""


@dataclass(frozen=True, slots=True)
class _Way:
    """One way of writing, whatever comes first: its readings by what does."""

    kind: str
    fault: str
    """Why no cast reads it, as a sign; empty when one does."""
    readings: dict[First | None, tuple[str, Seen]]

    @property
    def either(self) -> int:
        return max(seen.either for _, seen in self.readings.values())

    @property
    def ordered(self) -> bool:
        return None not in self.readings

    def read(self, first: First | None) -> tuple[str, Seen] | None:
        return self.readings.get(None) or self.readings.get(first)

    def cells(self, first: First | None) -> int:
        found = self.read(first)
        return found[1].cells if found else 0


def moment(column: ColumnProfile, cells: int, title: Title) -> Inferred | None:
    """The type of a column whose cells are dates or times; None when they are not.

    Args:
        column: The column's profile.
        cells: Cells that are not blank.
        title: What the header says.
    """
    if not column.moments:
        return None
    ways = _ways(column.moments, weak=(title.dates and not title.against) or title.stamps)
    ways = [w for w in ways if w.kind in _CAST] or ways
    if not ways or sum(w.either for w in ways) < cells:
        return None
    clocks = {w.kind in {"time", "duration"} for w in ways}
    if len(clocks) > 1:
        return None
    return _decided(ways, cells)


def nearly(column: ColumnProfile, cells: int, title: Title) -> tuple[str, int, dict[str, int]]:
    """What most cells of a column are, how many, and how they are written; nothing when they are no moments."""
    ways = _ways(column.moments or {}, weak=title.dates and not title.against)
    ways = [w for w in ways if w.kind in _CAST] or (ways if title.dates else [])
    found = sum(w.either for w in ways)
    if not found or found < _WORTH_SAYING * cells:
        return "", 0, {}
    kinds = {_CLOCKED.get(w.kind, "date") for w in ways}
    meaning = "datetime" if "datetime" in kinds else kinds.pop() if len(kinds) == 1 else "date"
    return meaning, found, _counts(ways, None)


def _ways(found: dict[str, Seen], *, weak: bool) -> list[_Way]:
    grouped: dict[str, _Way] = {}
    for name, seen in found.items():
        if name.startswith("~") and not weak:
            continue
        kind, _, pattern = name.removeprefix("~").partition(":")
        family, first = _family(pattern)
        key = f"{kind}:{family}"
        way = grouped.setdefault(key, _Way(kind.rstrip("?!"), kind[-1] if kind[-1] in "?!" else "", {}))
        way.readings[first] = (pattern, seen)
    return list(grouped.values())


def _family(pattern: str) -> tuple[str, First | None]:
    """A pattern without the order of its three small numbers, and what comes first in it."""
    order = re.findall(r"%(Od|[dmyYb])", pattern)
    if "b" in order or not {"d", "m"} <= set(order) or (order[0] == "Y" and pattern != "%Y%m%d"):
        return pattern, None
    first: First = "day" if order[0] == "d" else "month" if order[0] == "m" else "year"
    free = "dmy" if "y" in order else "dmY" if re.search(r"%[dmY]%[dmY]%[dmY]", pattern) else "dm"
    return re.sub(f"%[{free}]", "%#", pattern), first


def _decided(ways: list[_Way], cells: int) -> Inferred:
    if not any(w.ordered for w in ways):
        return _typed(ways, None)
    orders: tuple[First, ...] = ("day", "month", "year")
    whole = [o for o in orders if sum(w.cells(o) for w in ways) == cells]
    if "year" in whole and len(whole) > 1 and not _years_may_lead(ways):
        whole.remove("year")
    if len(whole) == 1:
        found = _typed(ways, whole[0])
        found.order, found.first = "proved", whole[0]
        found.doubts.insert(0, _proof(ways, whole[0]))
        return found
    return _open(ways, whole)


def _years_may_lead(ways: Iterable[_Way]) -> bool:
    """Whether 24-01-31 may begin with the year: what stands first varies less than what stands last."""
    for way in ways:
        if way.ordered:
            found = way.read("year")
            if found is None or found[1].firsts.bit_count() >= found[1].lasts.bit_count():
                return False
    return True


def _proof(ways: list[_Way], first: First) -> str:
    ordered = [w for w in ways if w.ordered]
    if first == "year":
        return "year first is proved: no other order reads all values."
    proofs = sum(w.cells(first) for w in ordered) - sum(_both(w) for w in ordered)
    place = "first" if first == "day" else "second"
    return f"{first} first is proved: {proofs} value{'s have' if proofs != 1 else ' has'} a {place} part above 12."


def _both(way: _Way) -> int:
    """Cells that are dates with the day first and with the month first."""
    return max(0, way.cells("day") + way.cells("month") - _day_or_month(way))


def _day_or_month(way: _Way) -> int:
    return max(way.either, way.cells("day"), way.cells("month"))


def _open(ways: list[_Way], whole: list[First]) -> Inferred:
    """Dates that nothing decides stay text until somebody states the order."""
    meaning = _meaning(ways)
    orders: tuple[First, ...] = ("day", "month", "year")
    patterns = [w.readings[first][0] for w in ways for first in orders if first in w.readings and w.cells(first)]
    found = Inferred("string", meaning=meaning, meant=patterns[:_MAX_FORMATS], counts=_counts(ways, None), order="open")
    if not whole:
        day, month = (sum(w.cells(o) for w in ways) for o in ("day", "month"))
        found.doubts.append(
            f"kept as text: {some(day, 'value')} read with the day first and {month} with the month first, so both "
            "orders occur. State the order, or have them written alike."
        )
        return found
    if "year" in whole:
        found.doubts.append("kept as text: nothing tells whether the dates begin with the year. State the order.")
        return found
    why = "day or month first stays open: no value above 12 in either place"
    if all("." in w.readings["day"][0].partition(" ")[0] for w in ways if "day" in w.readings):
        found.order, found.first = "likely", "day"
        why = "day first is likely, since points part the dates, but not proved: no value above 12 in either place"
    found.doubts.append(f"{why}. Kept as text, since every date can be read both ways. State the order.")
    return found


def _typed(ways: list[_Way], first: First | None) -> Inferred:
    counts = _counts(ways, first)
    meaning = _meaning(ways)
    read = [one[1] for w in ways if (one := w.read(first)) is not None and one[1].cells]
    least, most = min(s.least for s in read), max(s.most for s in read)
    found = Inferred(meaning, counts=counts, least=least, most=most)
    reason = _against(ways, counts)
    if reason:
        found.type, found.meant = "string", list(counts)[:_MAX_FORMATS]
        found.doubts.append(f"kept as text, since {reason}.")
        return found
    found.formats = found.meant = _formats(meaning, counts)
    if len(counts) > 1:
        shown = ", ".join(f"{f} in {n}" for f, n in counts.items())
        found.doubts.append(f"written in {len(counts)} ways: {shown}.")
    if any("%y" in f for f in counts):
        found.doubts.append("two-digit years from 69 on are read as 19xx, others as 20xx.")
    if any(w.kind == "duration" for w in ways):
        found.doubts.append("minutes and seconds are read as times after midnight; they may be durations.")
    return found


def _against(ways: list[_Way], counts: dict[str, int]) -> str:
    """Why a contract cannot say what these moments are."""
    if any(w.kind not in _CAST for w in ways):
        return "the dates have no day"
    zoned = {"%z" in f or "%Z" in f for f in counts}
    faults = {w.fault for w in ways} - {""}
    if faults:
        return _FAULTS[min(faults)]
    if len(zoned) > 1:
        return "some moments have a time zone and others have none"
    if any(w.kind in {"time", "duration"} for w in ways) and zoned == {True}:
        return "a time of day has no zone without its date"
    return f"they are written in {len(counts)} ways" if len(counts) > _MAX_FORMATS else ""


_FAULTS = {
    "!": "fractions of a second have more than six digits",
    "?": "the abbreviations of the time zones mean several",
}


def _meaning(ways: list[_Way]) -> str:
    kinds = {_CLOCKED.get(w.kind, "date") for w in ways}
    return "datetime" if "datetime" in kinds else "time" if "time" in kinds else "date"


def _counts(ways: Iterable[_Way], first: First | None) -> dict[str, int]:
    """Cells by pattern, the most frequent first; where the order is open, under the order of the day first."""
    counts: dict[str, int] = {}
    for way in ways:
        found = way.read(first) or next(iter(way.readings.values()))
        cells = found[1].cells if first or not way.ordered else way.either
        counts[found[0]] = counts.get(found[0], 0) + cells
    return dict(sorted(counts.items(), key=lambda c: (-c[1], c[0])))


def _formats(meaning: str, counts: dict[str, int]) -> list[str]:
    """The formats in which casts read all these moments."""
    formats = list(counts)
    if meaning == "time" and all(f == "iso" for f in formats):
        return []
    return formats
