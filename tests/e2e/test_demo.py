"""`make demo` as people run it: without a terminal here, and stopped in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.unit.docs.examples import ROOT


def start(state: Path) -> subprocess.Popen[str]:
    paths = [ROOT, ROOT / "layers/core/python", ROOT / "clients/python"]
    return subprocess.Popen(
        [sys.executable, "-m", "demo", "--small-only", "--state", str(state)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths)), "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def left_of(process: subprocess.Popen[str], state: Path) -> list[str]:
    """Processes of the demo's session, or that speak of its state."""
    left = []
    for other in psutil.process_iter(["pid", "cmdline"]):
        line = " ".join(other.info["cmdline"] or [])
        try:
            ours = os.getsid(other.pid) == process.pid or str(state) in line
        except (ProcessLookupError, PermissionError):
            continue
        if ours and other.status() != psutil.STATUS_ZOMBIE:
            left.append(line)
    return left


@pytest.mark.capability("SRC1", "LOD4", "LOD6", "VAL3", "REV1")
def test_the_demo_shows_an_import_and_every_claim_holds(tmp_path: Path) -> None:
    process = start(tmp_path / "demo")
    printed, _ = process.communicate(timeout=240)
    assert process.returncode == 0, printed
    assert "claims held, 0 did not" in printed
    assert "Łukasz" in printed or "Zoë" in printed or "李" in printed
    assert "already published" in printed
    assert left_of(process, tmp_path) == []


@pytest.mark.slow
def test_ctrl_c_ends_the_demo_and_leaves_no_process(tmp_path: Path) -> None:
    process = start(tmp_path / "demo")
    assert process.stdout is not None
    seen = ""
    while "drops june.csv" not in seen:
        line = process.stdout.readline()
        assert line, seen
        seen += line
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 130, seen + rest
    assert "Traceback" not in rest
    assert left_of(process, tmp_path) == []
