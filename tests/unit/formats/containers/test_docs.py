"""The example of the page works as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.formats.containers.packing import CSV, raw_zip, zipped

PAGE = Path(__file__).parents[4] / "docs/formats/archives.md"


def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    code = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert code
    monkeypatch.chdir(tmp_path)
    locked = raw_zip(b"locked.csv", flags=1)
    Path("delivery.zip").write_bytes(zipped({"a.csv": CSV, "inner.zip": locked, ".DS_Store": b"x"}))
    exec(code[1], {})
    told = capsys.readouterr().out
    assert f"a.csv csv {len(CSV)}" in told
    assert "inner.zip/locked.csv cannot be read" in told
    assert ".DS_Store" in told
