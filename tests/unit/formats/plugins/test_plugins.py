"""Formats of one's own: how they are found, and that none can harm another."""

from __future__ import annotations

import importlib
import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from entrepot.detect.recognise import recognise
from entrepot.errors import SourceError
from entrepot.formats import plugins
from entrepot.formats.reading import ReadOptions

ROOT = Path(__file__).parents[4]


@pytest.fixture(autouse=True)
def _as_shipped() -> Iterator[None]:
    plugins.configure()
    before = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = before[0]
    for name in set(sys.modules) - before[1]:
        if name.startswith(("stations", "odd_plugin")):
            del sys.modules[name]
    importlib.invalidate_caches()
    plugins.configure()


def install(folder: Path, module: str, code: str, points: dict[str, str]) -> None:
    """Lays a package out as an installer would."""
    (folder / f"{module}.py").write_text(code)
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    lines = "\n".join(f"{name} = {value}" for name, value in points.items())
    (info / "entry_points.txt").write_text(f"[entrepot.formats]\n{lines}\n")
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    plugins.configure()


def test_the_example_of_the_documentation_works(tmp_path: Path) -> None:
    page = (ROOT / "docs/formats/plugins.md").read_text()
    code = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    point = re.search(r'entry-points."entrepot.formats"\]\n(\w+) = "(.*?)"', page)
    assert code
    assert point
    install(tmp_path, "stations", code[1], {point[1]: point[2]})
    file = io.BytesIO(b"!STATION OSLO\n#day temp\n2024-01-01 -3.5\n2024-01-02 -4.0\n")
    kind = recognise(file, "oslo.txt")
    assert kind.format == "stations"
    reader = plugins.opener("stations")(file, "oslo.txt", ReadOptions())
    (table,) = reader.tables()
    assert (table.name, table.schema.names) == ("OSLO", ["day", "temp"])
    (batch,) = reader.batches(0)
    assert batch.data.to_pylist()[1] == {"day": "2024-01-02", "temp": "-4.0"}
    assert plugins.problems() == []
    broken = plugins.opener("stations")(io.BytesIO(b"!STATION X\n#a b\n1\n"), "x", ReadOptions())
    with pytest.raises(SourceError, match="Line 3"):
        list(broken.batches(0))
    nothing = plugins.opener("stations")(io.BytesIO(b"!STATION"), "x", ReadOptions())
    with pytest.raises(SourceError, match="plug-in for stations") as caught:
        nothing.tables()
    assert caught.value.facts["reason"] == "plugin"


_ODD = """
class Good:
    format = "odd"
    def recognise(self, head, name): return 1.0 if head.startswith(b"ODD") else 0.0
    def open(self, file, name, options): raise RuntimeError("cell value 4711")

class Raises:
    def __init__(self): raise RuntimeError("no")

class Greedy(Good):
    format = "greedy"
    def recognise(self, head, name): return 1.0

class Thief(Good):
    format = "parquet"

class Lacks:
    format = "lacks"

class Unnamed(Good):
    format = "Not A Word"

class Doubter(Good):
    format = "doubter"
    def recognise(self, head, name):
        if head.startswith(b"ODD"): raise ValueError("4711")
        return 0.0
"""


def test_what_goes_wrong_in_one_does_not_touch_the_others(tmp_path: Path) -> None:
    names = ("Good", "Raises", "Greedy", "Thief", "Lacks", "Unnamed", "Doubter")
    install(tmp_path, "odd_plugin", _ODD, {n.lower(): f"odd_plugin:{n}" for n in names} | {"gone": "odd_plugin:Gone"})
    assert set(plugins.plugins()) == {"geojson", "edifact", "odd", "doubter"}
    assert plugins.claim(b"ODD file", "x") == "odd"
    told = " ".join(plugins.problems())
    for word in ("'raises'", "'greedy'", "'thief'", "'lacks'", "'unnamed'", "'gone'", "'doubter'"):
        assert word in told
    assert "4711" not in told
    with pytest.raises(SourceError, match="RuntimeError") as caught:
        plugins.opener("odd")(io.BytesIO(b"ODD"), "x", ReadOptions())
    assert "4711" not in str(caught.value)
    assert recognise(io.BytesIO(b"a,b\n1,2\n"), "x.csv").format == "csv"


def test_a_built_in_format_is_lent_on_request_alone(tmp_path: Path) -> None:
    install(tmp_path, "odd_plugin", _ODD, {"thief": "odd_plugin:Thief", "again": "odd_plugin:Good"})
    assert "parquet" not in plugins.plugins()
    plugins.configure(take_over={"parquet"})
    assert "parquet" in plugins.plugins()


def test_what_is_recognised_beyond_doubt_is_never_offered(tmp_path: Path) -> None:
    install(tmp_path, "odd_plugin", _ODD + "\nplain = Good()\n", {"odd": "odd_plugin:plain"})
    assert recognise(io.BytesIO(b"PAR1\0\0\0\0"), "x").format == "parquet"
    assert plugins.plugins()["odd"].format == "odd"


def test_built_in_openers_come_through_the_same_door() -> None:
    with pytest.raises(KeyError):
        plugins.opener("no-such-format")
