"""What is inferred of a column, and the booleans."""

# ruff: noqa: RUF001 - words of many languages

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Literal

from entrepot.validate.casts.words import FALSE_WORDS, TRUE_WORDS

Order = Literal["proved", "likely", "open"]
First = Literal["day", "month", "year"]

PAIRS = (
    *("yes/no", "y/n", "true/false", "t/f", "on/off", "ja/nein", "j/n", "wahr/falsch", "oui/non", "o/n", "vrai/faux"),
    *("sí/no", "si/no", "s/n", "verdadero/falso", "sì/no", "vero/falso", "sim/não", "sim/nao", "verdadeiro/falso"),
    *("ja/nee", "waar/onwaar", "ja/nej", "ja/nei", "sant/falskt", "sand/falsk", "sann/usann", "kyllä/ei"),
    *("tak/nie", "prawda/fałsz", "ano/ne", "áno/nie", "pravda/nepravda", "igen/nem", "igaz/hamis", "da/nu", "da/ne"),
    *("adevărat/fals", "taip/ne", "jā/nē", "jah/ei", "ναι/όχι", "да/нет", "д/н", "истина/ложь", "так/ні", "да/не"),
    *("evet/hayır", "e/h", "doğru/yanlış", "是/否", "真/假", "はい/いいえ", "예/아니오", "نعم/لا", "✓/✗", "✔/✘", "☑/☐"),
)
"""Words for yes and no, as a field's formats name them."""

_SURE = frozenset({"true", "false", "yes", "no"})
_MAX_PAIRS = 3


@dataclass(slots=True)
class Inferred:
    """A column's type word, the formats that go with it, and what a person should know.

    Attributes:
        type: What a contract can say, so that it refuses none of the cells.
        formats: The formats that go with it.
        doubts: What was decided, with its evidence.
        meaning: What the values are; differs from ``type`` where a contract needs an answer first.
        meant: The formats in which they are that.
        counts: How the values are written → in how many cells.
        order: How sure it is what comes first in dates of three numbers.
        first: What does.
        least: The least value.
        most: The greatest.
        thousands: Whether the points of its numbers may part thousands, though they are read as decimal points.
    """

    type: str
    formats: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    meaning: str = ""
    meant: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    order: Order | None = None
    first: First | None = None
    least: str = ""
    most: str = ""
    thousands: bool = False

    def __post_init__(self) -> None:
        """What is not said apart is the same."""
        self.meaning = self.meaning or self.type
        self.meant = self.meant or self.formats


def some(count: int, what: str) -> str:
    """``1 value is``, ``2 values are``."""
    return f"{count} {what} is" if count == 1 else f"{count} {what}s are"


def boolean(small: dict[str, int] | None) -> Inferred | None:
    """Yes and no in one of the known languages; None when the values are something else.

    Args:
        small: All different values with their counts; None when they are many.
    """
    words = {v.strip().lower() for v in small or {}} - {""}
    if not words:
        return None
    if words <= {*TRUE_WORDS, *FALSE_WORDS}:
        return Inferred("boolean") if _both_sides(words) else None
    pairs = [p.split("/") for p in PAIRS]
    chosen = [(t, f) for t, f in pairs if t in words and f in words]
    known = {w for pair in chosen for w in pair}
    if not chosen or len(chosen) > _MAX_PAIRS:
        return None
    for true, false in pairs:
        # A language that shows both sides vouches for single words of another.
        if not words <= known and (true in words) != (false in words) and not {true, false} & known:
            chosen.append((true, false))
            known |= {true, false}
    if not words <= known or {t for t, _ in chosen} & {f for _, f in chosen}:
        return None
    return Inferred("boolean", [f"{t}/{f}" for t, f in chosen])


def _both_sides(words: AbstractSet[str]) -> bool:
    """Whether yes and no both occur, or whole words; F alone is as likely a code."""
    return bool(words & _SURE) or (bool(words & {"t", "y"}) and bool(words & {"f", "n"}))
