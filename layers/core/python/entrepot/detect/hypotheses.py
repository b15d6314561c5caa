"""What a column's cells could all be.

Cells are tried with the very casts that `validate` uses, so an inferred type refuses none of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from entrepot.validate.casts import dates, numbers, times, words
from entrepot.validate.casts.base import Caster, RefusedValueError

if TYPE_CHECKING:
    import pyarrow as pa

DATE_FORMATS = (
    "iso",
    *(f"%{a}{sep}%{b}{sep}%{y}" for sep in "/.-" for y in "Yy" for a, b in (("d", "m"), ("m", "d"))),
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%d %b %Y",
    "%d-%b-%Y",
    "%d-%b-%y",
    "%b %d, %Y",
    "%b %d %Y",
    "%A, %B %d, %Y",
    "%A, %d %B %Y",
)
_CLOCKS = ("%H:%M:%S", "%H:%M", "%I:%M:%S %p", "%I:%M %p", "%H:%M:%S.%f")
_LONG_DATES = (
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d.%m.%Y",
    "%m.%d.%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%d/%m/%y",
    "%m/%d/%y",
    "%Y/%m/%d",
)
DATETIME_FORMATS = (
    "iso",
    "iso%z",
    *(f"{date}{sep}{clock}" for date in _LONG_DATES for sep in (" ", ", ") for clock in _CLOCKS),
)


@lru_cache(maxsize=1)
def hypotheses() -> Mapping[str, Caster]:
    """Hypothesis → how its cells are cast. The names are ``type`` or ``type:format``."""
    plain = numbers.NumberStyle()
    found = {
        "integer": numbers.integer(plain),
        "float": numbers.double(plain),
        "boolean": words.boolean([]),
        "uuid": words.uuid(),
        "json": words.json_text(),
        "time:iso": times.time([]),
    }
    found |= {f"date:{f}": dates.date([f]) for f in DATE_FORMATS}
    found |= {f"datetime:{f}": times.datetime([f], zoned=f == "iso%z") for f in DATETIME_FORMATS}
    return found


_LONGEST_MOMENT = 64
"""No date or time is longer, however it is written."""


def _worth_trying(kind: str, text: str) -> bool:
    """Whether a text at least looks like a type, told without a cast."""
    if kind in {"date", "datetime", "time"}:
        if len(text) > _LONGEST_MOMENT:
            return False
        digits = sum(map(str.isdigit, text))
        return digits >= 3 and (":" in text if kind == "time" else len(text.strip()) > digits)
    if kind in {"integer", "float"}:
        return any(map(str.isdigit, text))
    if kind == "json":
        return text.lstrip()[:1] in {"[", "{"}
    return True


def holding(texts: pa.Array) -> list[str]:
    """The hypotheses that every cell of a column bears out.

    Args:
        texts: Strings without nulls; at least one.
    """
    probes = _probes(texts)
    found: list[str] = []
    first = next((p for p in probes if p.strip()), "")
    for name, caster in hypotheses().items():
        if not _worth_trying(name.partition(":")[0], first):
            continue
        # Every whole number is a number; trying again would find nothing else.
        implied = name == "float" and "integer" in found
        if implied or (all(_casts(caster, probe) for probe in probes) and _holds(name, caster, texts)):
            found.append(name)
    return found


def _probes(texts: pa.Array) -> list[str]:
    """A few cells from all over the column: most hypotheses fail at the first."""
    step = max(1, len(texts) // 16)
    return list(dict.fromkeys(texts[i].as_py() for i in range(0, len(texts), step)))


def _casts(caster: Caster, text: str) -> bool:
    if not text.strip():
        return True  # an empty cell to every type but text
    try:
        caster.one(text)
    except RefusedValueError:
        return False
    return True


def _holds(name: str, caster: Caster, texts: pa.Array) -> bool:
    if name == "json" and not _is_nested(texts):
        return False  # any number or quoted word is JSON too
    return not caster.cast(texts).refused


def _is_nested(texts: pa.Array) -> bool:
    import pyarrow.compute as pc

    return bool(pc.all(pc.match_substring_regex(texts, r"^\s*[\[{]")).as_py())
