"""How much of the truth comes back: exactly, and by ten measures in the manner of Pollock (VLDB 2023)."""

from __future__ import annotations

import csv
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import entrepot
from entrepot.errors import EntrepotError
from tests.pollution.cases import Case

MEASURES = (
    "success",
    "header p",
    "header r",
    "header f",
    "record p",
    "record r",
    "record f",
    "cell p",
    "cell r",
    "cell f",
)


@dataclass
class Result:
    """What became of one polluted file."""

    case: Case
    exact: bool
    scores: tuple[float, ...]
    found: list[list[str]] | None = None
    error: str = ""

    @property
    def score(self) -> float:
        return sum(self.scores)


@dataclass
class Summary:
    """What became of all."""

    results: list[Result] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def exact(self) -> float:
        return sum(r.exact for r in self.results) / len(self.results)

    @property
    def score(self) -> float:
        return sum(r.score for r in self.results) / len(self.results)

    def means(self) -> dict[str, float]:
        return {m: sum(r.scores[i] for r in self.results) / len(self.results) for i, m in enumerate(MEASURES)}

    def by_kind(self) -> dict[str, tuple[int, float, float]]:
        """Files, share that is exact, score, of each kind of pollution."""
        groups: dict[str, list[Result]] = defaultdict(list)
        for result in self.results:
            groups[result.case.kind].append(result)
        return {
            kind: (len(g), sum(r.exact for r in g) / len(g), sum(r.score for r in g) / len(g))
            for kind, g in groups.items()
        }


def _three(truth: Counter[str], found: Counter[str]) -> tuple[float, float, float]:
    if not truth:
        return 1.0, 1.0, 1.0
    common = sum((truth & found).values())
    if not common:
        return 0.0, 0.0, 0.0
    precision, recall = common / sum(found.values()), common / sum(truth.values())
    return precision, recall, 2 * precision * recall / (precision + recall)


def scores(truth: Sequence[Sequence[str]], found: Sequence[Sequence[str]]) -> tuple[float, ...]:
    """The ten measures; header, records and cells are compared without regard to their order."""
    if not truth:
        return (1.0,) * 10
    heads = (Counter(truth[0]), Counter(found[0]) if found else Counter())
    records = (Counter("".join(r) for r in truth[1:]), Counter("".join(r) for r in found[1:]))
    cells = (Counter(c for r in truth for c in r), Counter(c for r in found for c in r))
    return (1.0, *_three(*heads), *_three(*records), *_three(*cells))


def convert_and_read(case: Case, folder: Path) -> list[list[str]]:
    """The rows of a polluted file after `entrepot.convert`, with no hint given."""
    source, target = folder / "polluted.csv", folder / "clean.csv"
    source.write_bytes(case.data)
    entrepot.convert(source, target)
    with target.open(encoding="utf-8", newline="") as file:
        return [row for row in csv.reader(file) if row]


def measure(cases: Iterable[Case], folder: Path) -> Summary:
    """Converts every polluted file and compares it with the truth."""
    summary, began = Summary(), time.perf_counter()
    for case in cases:
        try:
            found = convert_and_read(case, folder)
        except EntrepotError as error:
            summary.results.append(Result(case, exact=False, scores=(0.0,) * 10, error=str(error)))
            continue
        summary.results.append(Result(case, case.exact(found), scores(case.truth, found), found))
    summary.seconds = time.perf_counter() - began
    return summary
