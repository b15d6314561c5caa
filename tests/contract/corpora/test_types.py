"""SortingHat: which of 7,936 real columns hold dates, from their header and five samples (labels by hand)."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

import entrepot
from entrepot.detect.types import column_type

TABLE = Path(__file__).resolve().parents[4] / "shared" / "corpora" / "sortinghat" / "data_train.csv"
pytestmark = pytest.mark.skipif(
    not TABLE.is_file(), reason="the corpora are not beside this checkout (../shared/corpora)"
)
MOMENTS = {"date", "datetime", "time"}


def columns() -> list[tuple[str, list[str], bool]]:
    """Header, samples, and whether people say that it is a date."""
    with TABLE.open(encoding="utf-8", errors="replace", newline="") as file:
        rows = list(csv.DictReader(file))
    return [(r["Attribute_name"], [r[f"sample_{n}"] for n in range(1, 6)], r["y_act"] == "datetime") for r in rows]


@pytest.mark.parametrize("half", [0, 1], ids=["even", "odd"])
def test_date_columns_are_told_from_header_and_samples(half: int) -> None:
    # Every date column, and every tenth of the others: what is found wrong among them counts ten times.
    hits = wrong = missed = 0
    for number, (name, samples, is_date) in enumerate(columns()[half::2]):
        if not is_date and number % 5:
            continue
        found = column_type(name, samples).type in MOMENTS
        hits += found and is_date
        missed += is_date and not found
        wrong += found and not is_date
    assert hits / (hits + missed) >= 0.98
    assert hits / (hits + 5 * wrong) >= 0.96


def test_inspect_decides_as_the_samples_do(tmp_path: Path) -> None:
    path = tmp_path / "one.csv"
    chosen = [c for c in columns() if c[2]][::40] + [c for c in columns() if not c[2]][::400]
    for name, samples, _ in chosen:
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([[name], *([s] for s in samples)])
        told = entrepot.inspect(path).columns[0].type
        assert (told in MOMENTS) == (column_type(name, samples).type in MOMENTS), name
