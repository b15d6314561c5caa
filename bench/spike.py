"""The bare spike beside it: the same road (drop, split, COPY in workers) without any of the duties.

It checks nothing, has no key, no ledger and no receipt. It lies outside the project and is skipped
where it is absent.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.data import ROOT

FOLDER: Final = ROOT.parent / "shared" / "spikes" / "one_machine_cloud"
_LINE: Final = re.compile(r"^(?P<name>\S+) (?P<seconds>[0-9.]+) s SUCCEEDED")


def run(paths: Sequence[Path], *, timeout: float = 300) -> list[float] | None:
    """Seconds from drop to rows for each file, in order; None where the spike is absent.

    Args:
        paths: The files.
        timeout: Seconds after which it is given up.

    Raises:
        RuntimeError: It failed, or took too long.
    """
    if not FOLDER.is_dir():
        return None
    with tempfile.TemporaryDirectory(prefix="bench-spike-") as work:
        # Its server runs as another user, and puts its files where temporary files go.
        Path(work).chmod(0o755)
        try:
            shutil.copytree(FOLDER, Path(work) / "spike", copy_function=shutil.copyfile)
            _python(Path(work), timeout, "app.py")
            printed = _python(Path(work), timeout, "run.py", *_named_apart(paths, Path(work)))
        finally:
            _stop_servers(Path(work))
    seconds = [float(match["seconds"]) for line in printed.splitlines() if (match := _LINE.match(line))]
    if len(seconds) != len(paths):
        raise RuntimeError(f"the spike answered {len(seconds)} times for {len(paths)} files: {printed[-2000:]}")
    return seconds


def _named_apart(paths: Sequence[Path], work: Path) -> list[str]:
    """Links with names of their own: the spike takes two drops of one name for one drop."""
    links = [work / f"{number}-{path.name}" for number, path in enumerate(paths)]
    for link, path in zip(links, paths, strict=True):
        link.symlink_to(path)
    return [str(link) for link in links]


def _python(work: Path, timeout: float, *arguments: str) -> str:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "TMPDIR": str(work)}
    with subprocess.Popen(
        [sys.executable, *arguments], cwd=work / "spike", env=environment, start_new_session=True, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        try:
            printed, errors = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"the spike took more than {timeout:.0f} s") from None
        finally:
            # Its workers too: they are in the session that was made for it.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    if process.returncode:
        raise RuntimeError(f"the spike failed: {errors[-2000:]}")
    return printed


def _stop_servers(work: Path) -> None:
    """Stops the PostgreSQL that it leaves behind when it is killed."""
    for path in work.glob("*/pg/postmaster.pid"):
        with contextlib.suppress(ProcessLookupError, ValueError):
            pid = int(path.read_text().split()[0])
            os.kill(pid, signal.SIGINT)
            for _ in range(100):
                os.kill(pid, 0)
                time.sleep(0.1)
