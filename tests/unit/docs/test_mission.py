"""The mission report: which test proves what, and what nothing proves."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from tests import mission

_TESTS = """
import pytest

@pytest.mark.capability("SRC1", "LOD6")
@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_drop(n): ...

@pytest.mark.slow
@pytest.mark.capability("LOD6")
def test_a_long_one(): ...

def test_no_mission(): ...
"""


@pytest.fixture
def found(tmp_path: Path) -> dict[str, list[str]]:
    (tmp_path / "test_things.py").write_text(_TESTS)
    return mission.collect([str(tmp_path)])


def test_a_test_of_many_cases_counts_once_and_slow_ones_count_too(found: dict[str, list[str]]) -> None:
    assert {name: [test.rpartition("::")[2] for test in tests] for name, tests in found.items()} == {
        "SRC1": ["test_a_drop"],
        "LOD6": ["test_a_drop", "test_a_long_one"],
    }


def test_the_report_names_what_has_no_test() -> None:
    out = io.StringIO()
    known = {"SRC1": "A drop", "SRC2": "An upload"}
    mission.show(known, {"SRC1": ["test_x.py::test_a_drop"]}, Console(file=out, width=100))
    assert "SRC1 A drop" in out.getvalue()
    assert "1 of 2 capabilities have a test. Without one:\nSRC2" in out.getvalue()


def test_an_id_on_no_list_is_an_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(mission, "collect", lambda: {"XYZ9": ["test_x.py::test_y"]})
    assert mission.main([]) == 1
    assert "XYZ9 is no capability" in capsys.readouterr().err
