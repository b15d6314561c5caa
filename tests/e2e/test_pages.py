"""The pages on formats do what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.docs.examples import ROOT, Reader, examples

PAGES = [
    page
    for page in [ROOT / "docs" / "formats.md", *sorted((ROOT / "docs" / "formats").glob("*.md"))]
    if examples(page.read_text(encoding="utf-8"))
]


@pytest.mark.capability("FMT1", "FMT3", "FMT5", "FMT6", "EXP2")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_example_of_the_page_does_what_it_says(tmp_path: Path, page: Path) -> None:
    reader = Reader(tmp_path)
    try:
        reader.follow(page.read_text(encoding="utf-8"))
    finally:
        reader.close()
