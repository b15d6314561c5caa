"""What the columns of one file say of each other: one hand wrote them, most likely in one way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from entrepot.detect.answers import First, Inferred
from entrepot.detect.model import ColumnProfile
from entrepot.detect.types import infer_type


def infer_columns(names: Sequence[str], profiles: Sequence[ColumnProfile]) -> list[Inferred]:
    """What each column of a file is; what one leaves open, the others may make likely.

    Args:
        names: The headers.
        profiles: The columns' profiles, in the same order.
    """
    found = [infer_type(profile, name) for name, profile in zip(names, profiles, strict=True)]
    proofs = {f.first: name for f, name in zip(found, names, strict=True) if f.order == "proved" and f.first != "year"}
    commas = next((name for f, name in zip(found, names, strict=True) if "decimal:," in f.formats), None)
    for place, one in enumerate(found):
        if len(proofs) == 1 and one.order in {"open", "likely"}:
            first, witness = next(iter(proofs.items()))
            found[place] = _likely(one, first, witness)
        if commas is not None and one.thousands:
            found[place] = _unsure(one, commas)
    return found


def _likely(one: Inferred, first: First | None, witness: str) -> Inferred:
    """Dates whose order another column makes likely; it is still not proved."""
    if first is None or not any(p.find("%d") < p.find("%m") if first == "day" else p for p in one.meant):
        return one
    why = (
        f"{first} first is likely, since it is proved in column {witness!r}, but not proved here: no value above 12 in "
        "either place. Kept as text, since every date can be read both ways. State the order."
    )
    return replace(one, order="likely", first=first, doubts=[why, *one.doubts[1:]])


def _unsure(one: Inferred, witness: str) -> Inferred:
    """Numbers such as 1.234 in a file with decimal commas: points may part thousands in it."""
    why = (
        f"kept as text: column {witness!r} has decimal commas, so the points of numbers written as 9.999 may part "
        "thousands. State formats: thousands:. or decimal:."
    )
    return Inferred("string", doubts=[why], counts=one.counts, meaning="decimal")
