"""Journals survive kills: whatever was acknowledged is there, whatever was torn is not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.errors import AlreadyRunningError, StateError
from local.state import Journal, StateDirectory

texts = st.text(max_size=12)
values = st.none() | st.integers() | texts | st.dictionaries(texts, st.integers(), max_size=3)
changes = st.lists(st.lists(st.tuples(st.sampled_from("abcde"), values), min_size=1, max_size=4), max_size=12)


def applied(batches) -> dict:
    held: dict = {}
    for batch in batches:
        for key, value in batch:
            if value is None:
                held.pop(key, None)
            else:
                held[key] = value
    return held


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=changes, cut=st.integers(0, 10_000))
def test_a_journal_cut_anywhere_holds_a_prefix_of_the_batches(tmp_path: Path, batches, cut: int):
    path = tmp_path / "things.jsonl"
    path.unlink(missing_ok=True)
    journal = Journal(path, "things")
    sizes = [path.stat().st_size]
    for batch in batches:
        journal.change(batch)
        sizes.append(path.stat().st_size)
    journal.close()
    cut = min(cut, sizes[-1])
    os.truncate(path, cut)
    whole = max((n for n, size in enumerate(sizes) if size <= cut), default=0)
    again = Journal(path, "things")
    assert again.values == applied(batches[:whole])
    again.close()


def test_compaction_keeps_the_live_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("local.state.COMPACT_BYTES", 2000)
    journal = Journal(tmp_path / "things.jsonl", "things")
    for number in range(1000):
        journal.put(f"k{number % 7}", {"n": number})
    journal.delete("k0")
    journal.close()
    assert (tmp_path / "things.jsonl").stat().st_size < 5000
    again = Journal(tmp_path / "things.jsonl", "things")
    assert again.values == {f"k{n % 7}": {"n": n} for n in range(993, 1000) if n % 7}


def test_a_newer_format_and_another_kind_are_refused(tmp_path: Path):
    path = tmp_path / "things.jsonl"
    path.write_text(json.dumps({"kind": "things", "format": 99}) + "\n")
    with pytest.raises(StateError, match="newer version"):
        Journal(path, "things")
    path.write_text(json.dumps({"kind": "others", "format": 1}) + "\n")
    with pytest.raises(StateError):
        Journal(path, "things")
    path.write_text("not a journal\n")
    with pytest.raises(StateError):
        Journal(path, "things")


def test_damage_before_the_end_is_not_passed_over(tmp_path: Path):
    path = tmp_path / "things.jsonl"
    path.write_text('{"kind": "things", "format": 1}\n[["a", 1]]\n[["b", \n[["c", 3]]\n')
    with pytest.raises(StateError, match="damaged"):
        Journal(path, "things")


def test_a_write_that_fails_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    journal = Journal(tmp_path / "things.jsonl", "things")
    journal.put("a", 1)
    real = os.write

    def full(fd: int, data) -> int:
        real(fd, bytes(data)[:5])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("local.state.os.write", full)
    with pytest.raises(OSError, match="space"):
        journal.put("b", 2)
    monkeypatch.undo()
    journal.put("c", 3)
    journal.close()
    assert Journal(tmp_path / "things.jsonl", "things").values == {"a": 1, "c": 3}


def test_nothing_acknowledged_is_lost_by_a_kill(tmp_path: Path):
    path, log = tmp_path / "things.jsonl", tmp_path / "log"
    script = (
        "import os, sys; from pathlib import Path; from local.state import Journal\n"
        "journal = Journal(Path(sys.argv[1]), 'things')\n"
        "for number in range(10**9):\n"
        "    journal.put('n', number); os.write(1, b'%d\\n' % number)\n"
    )
    with log.open("wb") as stream:
        process = subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=stream)
    while log.stat().st_size < 2000:
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    acknowledged = int(log.read_text().split("\n")[-2])
    assert Journal(path, "things").values["n"] >= acknowledged


def test_a_directory_has_one_owner(tmp_path: Path):
    first = StateDirectory(tmp_path)
    with pytest.raises(AlreadyRunningError) as caught:
        StateDirectory(tmp_path)
    assert caught.value.pid == os.getpid()
    first.close()
    StateDirectory(tmp_path).close()
