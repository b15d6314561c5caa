"""The fuzz harness finds what it is for, and finds nothing where there is nothing."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random

import pytest

from tests.fuzz.__main__ import main
from tests.fuzz.targets import FORMATS, TARGETS
from tests.fuzz.watch import fuzz
from tests.unit.fuzz.planted import PLANTED

CLEAN = "edifact"


def test_every_format_is_stated_by_some_target() -> None:
    assert {t.stated for t in TARGETS.values() if t.stated} >= FORMATS


@pytest.mark.parametrize("name", sorted(set(TARGETS) - {"planted", "delimited", "chunks-csv"}))
def test_mutations_change_files_and_are_the_same_for_a_seed(name: str) -> None:
    target = TARGETS[name]
    seeds = target.seeds()
    assert all(isinstance(seed, bytes) for seed in seeds)
    made = [target.mutate(Random(n), seeds[n % len(seeds)], seeds[-1]) for n in range(20)]
    assert len(set(made)) > 15
    assert made[:4] == [target.mutate(Random(n), seeds[n % len(seeds)], seeds[-1]) for n in range(4)]


def test_a_fault_of_every_kind_is_found_and_kept(tmp_path: Path) -> None:
    told = fuzz(PLANTED, tmp_path, seconds=120, seed="1", files=300, modules=["tests.unit.fuzz.planted"])
    assert told.files >= 300
    assert told.accepted > 0
    assert told.refused > 0
    assert told.files == told.accepted + told.refused + told.faults
    assert told.faults > len(told.findings)
    assert {f.kind for f in told.findings} == {"exception", "abort", "memory", "files", "refusal"}
    (raised,) = (f for f in told.findings if f.kind == "exception")
    assert raised.words.startswith("KeyError")
    assert Path(raised.file).read_bytes().count(b"raise") == 1
    assert "planted.py" in Path(raised.file).with_suffix(".txt").read_text(encoding="utf-8")
    assert told.peak > 512 << 20


def test_a_reader_without_faults_has_none_and_the_command_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--reader", CLEAN, "--seconds", "3", "--kept", str(tmp_path)]) == 0
    (line,) = re.findall(rf"^{CLEAN} .*$", capsys.readouterr().out, re.MULTILINE)
    _, seconds, files, accepted, refused, faults, different, peak = line.split()
    assert int(seconds) >= 3
    assert int(files) == int(accepted) + int(refused) > 0
    assert (faults, different) == ("0", "0")
    assert 0 < int(peak) < 512
    assert not list(tmp_path.iterdir())
