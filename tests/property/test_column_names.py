"""Names of columns: usable, unique, the same as by trying every number anew, and soon found however many are equal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from entrepot.detect.header import column_names

CELLS = st.lists(
    st.sampled_from(["a", "a_2", "a_3", "a_2_2", "", " ", "b\0", "b", "column_1", "column_2", "column_2_2"]),
    max_size=14,
)


def slowly(cells: list[str], width: int) -> list[str]:
    names: list[str] = []
    for i in range(width):
        name = (cells[i] if i < len(cells) else "").replace("\0", "")
        taken = {c for c in cells if c.strip()} | set(names)
        bare = not name.strip()
        name = f"column_{i + 1}" if bare else name
        if name in (taken if bare else names):
            name = next(f"{name}_{n}" for n in range(2, 99) if f"{name}_{n}" not in taken)
        names.append(name)
    return names


@given(CELLS, st.integers(0, 16))
def test_names_are_those_that_are_found_slowly(cells: list[str], width: int) -> None:
    names, _ = column_names(cells, width)
    assert names == slowly(cells, width)
    assert len(set(names)) == width


def test_a_hundred_thousand_equal_names_are_numbered() -> None:
    names, doubts = column_names(["x"] * 100_000, 100_000)
    assert names[:3] == ["x", "x_2", "x_3"]
    assert names[-1] == "x_100000"
    assert len(doubts) == 99_999
