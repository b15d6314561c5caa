"""What a job used, as attributes of its item that writes can add to.

They lie at the item's top, ``used_cpu_us`` and so on: ADD makes an attribute that is not there, which
it does not for one inside a map. Of peaks the set is kept (ADD joins sets, and knows no maximum), in
steps of 8 MB, so that it has few members however many chunks there are.
"""

from __future__ import annotations

from typing import Final

from entrepot.adapters.dynamodb.items import Typed
from entrepot.adapters.dynamodb.table import Expression
from entrepot.model.usage import Usage

PREFIX: Final = "used_"
_REQUESTS: Final = "used_r_"
_PEAKS: Final = "used_peaks"
_PEAK_STEP: Final = 8
_SUMS: Final = ("cpu_us", "mb_ms", "invocations", "transitions")


class NoMeter:
    """Measures nothing."""

    def unwritten(self) -> Usage:
        """Nothing."""
        return Usage()

    def written(self, usage: Usage) -> None:
        """Takes no note."""

    def add(self, usage: Usage) -> None:
        """Counts nothing."""


def attributes(usage: Usage) -> Typed:
    """A usage as attributes; what is zero is left out."""
    numbers = {f"{PREFIX}{name}": getattr(usage, name) for name in _SUMS}
    numbers |= {f"{_REQUESTS}{name}": number for name, number in usage.requests.items()}
    item: Typed = {name: {"N": str(number)} for name, number in numbers.items() if number}
    if usage.peak_mb:
        item[_PEAKS] = {"NS": [str(-(-usage.peak_mb // _PEAK_STEP) * _PEAK_STEP)]}
    return item


def adds(expression: Expression, usage: Usage) -> list[str]:
    """The terms of an ADD; none when nothing was used."""
    if not usage:
        return []
    return [f"{expression.name(name)} {expression.typed(value)}" for name, value in attributes(usage).items()]


def taken(item: Typed) -> tuple[Typed, Usage]:
    """An item without these attributes, and the usage that they tell."""
    rest = {name: value for name, value in item.items() if not name.startswith(PREFIX)}
    numbers = {name: int(value["N"]) for name, value in item.items() if name.startswith(PREFIX) and "N" in value}
    peaks = item.get(_PEAKS, {}).get("NS", [])
    usage = Usage(
        peak_mb=max(map(int, peaks), default=0),
        requests={
            name.removeprefix(_REQUESTS): number for name, number in numbers.items() if name.startswith(_REQUESTS)
        },
        **{name: numbers.get(f"{PREFIX}{name}", 0) for name in _SUMS},
    )
    return rest, usage
