"""Rows that do not keep to the dialect of the others, among those that do."""

from pathlib import Path

import pytest

from entrepot.frontdoor.delimited import DelimitedReader
from entrepot.frontdoor.delimitedfile import DelimitedFile
from entrepot.frontdoor.textfiles import open_source


def _written(folder: Path, rows: list[str]) -> Path:
    path = folder / "rows.csv"
    path.write_text("\n".join(["id,city,amount", *rows]) + "\n")
    return path


@pytest.mark.parametrize("apart", [3, 40, 64, 65, 66, 500])
def test_odd_rows_keep_their_places(tmp_path: Path, apart: int) -> None:
    rows = [f"{n},Ghent{',' if n % apart == apart - 1 else ''},{n}.5" for n in range(3000)]
    reader = DelimitedReader(_written(tmp_path, rows), "csv")
    found = [row for batch in reader.batches(0) for row in batch.data.to_pylist()]
    assert found == [{"id": str(n), "city": "Ghent", "amount": f"{n}.5"} for n in range(3000)]


def test_many_odd_rows_come_in_few_blocks(tmp_path: Path) -> None:
    """A block for each took most of the time of a file of short rows."""
    path = _written(tmp_path, [f"{n},Ghent,{n}" if n % 2 else f"{n},Ghent" for n in range(50_000)])
    with open_source(path) as source:
        assert isinstance(source, DelimitedFile)
        sizes = [len(block) for block in source.blocks()]
    assert sum(sizes) == 50_000
    assert len(sizes) < 10
