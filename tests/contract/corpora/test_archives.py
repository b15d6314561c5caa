"""Other people's archives: the broken ones are refused at once, the whole ones are read."""

from __future__ import annotations

import resource
import time
from pathlib import Path

import pytest

from entrepot.errors import SourceError
from entrepot.formats.containers import members

CORPORA = Path(__file__).resolve().parents[4] / "shared" / "corpora"
pytestmark = pytest.mark.skipif(
    not CORPORA.is_dir(), reason="the corpora are not beside this checkout (../shared/corpora)"
)

BAD = sorted((CORPORA / "bad-zips").glob("*.zip"))
PACKED = sorted(p for p in (CORPORA / "duckdb-csv").rglob("*") if p.suffix in {".gz", ".gzz", ".zst"} and p.is_file())


@pytest.mark.parametrize("path", BAD, ids=lambda p: p.stem[:40])
def test_a_bad_zip_is_refused_at_once(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.process_time()
    with path.open("rb") as file, pytest.raises(SourceError) as caught:
        for member in members(file, path.name):
            member.open().close()
    assert time.process_time() - begun < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10
    assert caught.value.facts["reason"] in {"broken", "name", "multi_disk", "encrypted", "empty", "binary"}
    assert caught.value.hint
    assert not list(tmp_path.iterdir())


def test_all_of_them_were_there() -> None:
    assert len(BAD) == 24


@pytest.mark.parametrize("path", PACKED, ids=lambda p: p.name)
def test_a_compressed_table_is_read_whole(path: Path) -> None:
    with path.open("rb") as file:
        (member,) = members(file, path.name)
        assert member.error is None
        with member.open() as opened:
            content = opened.read()
        assert content == b"".join(member.stream())
    assert content.count(b"\n") + content.count(b"\r") + len(content) > 0
