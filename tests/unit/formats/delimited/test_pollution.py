"""Polluted files through `convert` with no hint: a share of those of `python -m bench.pollution`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pollution.cases import Case, cases
from tests.pollution.measures import convert_and_read, measure

FEW = ("row_less", "row_more", "row_quote_extra", "row_delimiter", "row_blanks")
WHOLE_FILE = [c for c in cases() if c.kind not in FEW]


@pytest.mark.parametrize("case", WHOLE_FILE[::4], ids=lambda c: c.name)
def test_pollution_of_a_whole_file_is_undone(case: Case, tmp_path: Path) -> None:
    assert case.exact(convert_and_read(case, tmp_path))


def test_odd_rows_are_put_in_order(tmp_path: Path) -> None:
    summary = measure([c for c in cases(11) if c.kind in FEW][::3], tmp_path)
    assert not [r.error for r in summary.results if r.error]
    assert summary.exact > 0.93
    assert summary.score > 9.95
