"""The README does what it says: a newcomer's first hour, run as written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.docs.examples import ROOT, Reader


@pytest.mark.capability("SRC1", "SRC2", "SRC3", "SRC8", "REV3", "MAP2", "DET4", "LOD1")
def test_every_example_of_the_readme_does_what_it_says(tmp_path: Path) -> None:
    (tmp_path / "drops").mkdir()
    service = tmp_path / ".entrepot" / "service.json"

    def adapt(text: str) -> str:
        """The page speaks of the usual port and of a folder that a partner has."""
        text = text.replace("/srv/partner", str(tmp_path))
        return (
            text.replace("http://127.0.0.1:8080", json.loads(service.read_text())["api_url"])
            if service.is_file()
            else text
        )

    page = (ROOT / "README.md").read_text(encoding="utf-8")
    reader = Reader(tmp_path, adapt)
    try:
        assert reader.follow(page) >= 10
    finally:
        reader.close()
    assert reader.running[0].returncode == 0
