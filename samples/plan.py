"""Which rows of a file are wrong, which repeat a key, and so what an import of it must report."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

FIRST_ROW: Final = 2
"""Row number of the first data record: the header is row 1, as in a spreadsheet."""

WRONG_EVERY: Final = 50
"""A file has at most one wrong row among this many, so that tiny files are mostly good."""

ROUND_EVERY: Final = 250_000
"""Every so many rows each rule is broken once more: a handful in a file of any size."""

REPEAT_EVERY: Final = 100
"""One row in so many delivers a key again."""

NO_AMOUNT: Final = -1
"""Stands in the amounts for a cell that says nothing."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One way in which a row is plainly wrong.

    Args:
        name: What a reader of the truth calls it.
        code: The finding that it must give (docs/findings.md).
        field: The contract's field that is at fault; empty when the whole row is.
        value: What stands in the cell.
    """

    name: str
    code: str
    field: str = ""
    value: str = ""


RULES: Final = (
    Rule("id missing", "required", "incident_id"),
    Rule("id malformed", "pattern", "incident_id", "00O1-2x"),
    Rule("day that does not exist", "date", "date_reported", "31/02/2024"),
    Rule("date in words", "date", "date_reported", "last Tuesday"),
    Rule("amount in words", "decimal", "damage_eur", "approx. 500"),
    Rule("amount below zero", "too_small", "damage_eur", "-125.00"),
    Rule("count in words", "integer", "people_affected", "three"),
    Rule("status unknown", "enum", "status", "resolved?"),
    Rule("status missing", "required", "status"),
    Rule("e-mail without @", "format", "email", "zoe.example.org"),
    Rule("cell too few", "ragged"),
    Rule("cell too many", "ragged"),
)
"""Each breaks one rule of the contract and no other, so that one finding is the right number."""


@dataclass(frozen=True, slots=True)
class Wrong:
    """One row that must be refused: its number in the file (the header is 1) and why."""

    row: int
    rule: Rule


@dataclass(frozen=True, slots=True)
class Expectations:
    """The truth about one generated file, taken from its plan and not from reading it.

    Args:
        read: Data records.
        published: Rows that an import into an empty table leaves there.
        duplicate: Rows that give way to a later row of the same key.
        wrong: The rows that are refused, in the file's order.
        damage_total: Sum of ``damage_eur`` over the published rows, in euro.
        revised: How many keys were delivered again with newer content.
    """

    read: int
    published: int
    duplicate: int
    wrong: tuple[Wrong, ...]
    damage_total: Decimal
    revised: int

    @property
    def quarantined(self) -> int:
        """How many rows are refused."""
        return len(self.wrong)

    def findings(self) -> dict[tuple[str, str], int]:
        """How many rows are refused for each finding: (code, field); no field means the whole row."""
        counts: dict[tuple[str, str], int] = {}
        for item in self.wrong:
            reason = (item.rule.code, item.rule.field)
            counts[reason] = counts.get(reason, 0) + 1
        return counts


@dataclass(frozen=True, slots=True)
class Plan:
    """Per data record: whose key it bears, whose content, and whether it is a newer edition.

    ``key`` and ``content`` hold record numbers from 0. An exact repetition has the content of the
    record that it repeats; a revision has the key alone.
    """

    seed: int
    key: Ints
    content: Ints
    revision: npt.NDArray[np.bool_]
    loser: npt.NDArray[np.bool_]
    """Records that give way to a later one of the same key."""
    wrong: dict[int, Rule]


@lru_cache(maxsize=4)
def plan(rows: int, seed: int) -> Plan:
    """Chooses the wrong and the repeated records of a file.

    Args:
        rows: Data records, at least 0.
        seed: Any integer of at least 0; the same seed and rows give the same file.

    Raises:
        ValueError: ``rows`` or ``seed`` is negative.
    """
    if rows < 0 or seed < 0:
        msg = f"rows and seed are at least 0, not {rows} and {seed}"
        raise ValueError(msg)
    wrong_count = min(rows // WRONG_EVERY, len(RULES) * (1 + rows // ROUND_EVERY))
    repeat_count = rows // REPEAT_EVERY
    random = np.random.default_rng([seed, rows])
    chosen = random.permutation(rows)[: wrong_count + 2 * repeat_count]
    pairs = np.sort(chosen[wrong_count:].reshape(repeat_count, 2), axis=1)
    first, again = pairs[:, 0], pairs[:, 1]
    key, content = np.arange(rows), np.arange(rows)
    revision, loser = np.zeros(rows, dtype=bool), np.zeros(rows, dtype=bool)
    key[again] = first
    content[again[::2]] = first[::2]
    revision[again[1::2]] = True
    loser[first] = True
    wrong = {int(at): RULES[n % len(RULES)] for n, at in enumerate(chosen[:wrong_count])}
    return Plan(seed, key, content, revision, loser, wrong)


def scatter(seed: int, record: Ints, salt: int, size: int) -> Ints:
    """A number below ``size`` for each record, the same whatever block it is made in.

    The finaliser is SplitMix64 (Steele, Lea, Flood, "Fast Splittable Pseudorandom Number
    Generators", 2014): content is a function of the record's number, so a repetition anywhere in
    the file can be made without keeping what it repeats.
    """
    with np.errstate(over="ignore"):
        x = record.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        x += np.uint64((seed * 0x632BE59BD9B4E019 + salt * 0xD1B54A32D192ED03) & 0xFFFFFFFFFFFFFFFF)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x ^= x >> np.uint64(31)
    return ((x >> np.uint64(32)) * np.uint64(size) >> np.uint64(32)).astype(np.int64)


def cents(seed: int, record: Ints) -> Ints:
    """Damage of each record in cents, ``NO_AMOUNT`` where nothing is said. Small sums are common."""
    magnitude = 10 ** scatter(seed, record, 21, 5) * 1000
    amount = scatter(seed, record, 22, 1 << 30) % magnitude
    return np.where(scatter(seed, record, 23, 100) < 8, NO_AMOUNT, amount)


def _kept(made: Plan) -> npt.NDArray[np.bool_]:
    kept = ~made.loser
    kept[list(made.wrong)] = False
    return kept


def expectations(rows: int, seed: int = 1) -> Expectations:
    """What an import of `incidents` with the same arguments must report.

    Args:
        rows: Data records.
        seed: As given to `incidents`.
    """
    made = plan(rows, seed)
    kept = _kept(made)
    amounts = cents(seed, made.content[kept])
    return Expectations(
        read=rows,
        published=int(kept.sum()),
        duplicate=int(made.loser.sum()),
        wrong=tuple(Wrong(at + FIRST_ROW, made.wrong[at]) for at in sorted(made.wrong)),
        damage_total=Decimal(int(amounts[amounts != NO_AMOUNT].sum())) / 100,
        revised=int(made.revision.sum()),
    )
