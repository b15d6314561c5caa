"""The bare spike beside it: the same road (drop, split, COPY in workers) without any of the duties.

It checks nothing, has no key, no ledger and no receipt. It lies outside the project and is skipped
where it is absent.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.data import ROOT

FOLDER: Final = ROOT.parent / "shared" / "spikes" / "one_machine_cloud"
_LINE: Final = re.compile(r"^(?P<name>\S+) (?P<seconds>[0-9.]+) s SUCCEEDED")


def run(paths: Sequence[Path], *, timeout: float = 300) -> list[float] | None:
    """Seconds from drop to rows for each file, in order; None where the spike is absent.

    Raises:
        RuntimeError: It failed.
    """
    if not FOLDER.is_dir():
        return None
    with tempfile.TemporaryDirectory(prefix="bench-spike-") as work:
        here = Path(work) / "spike"
        shutil.copytree(FOLDER, here, copy_function=shutil.copyfile)
        environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        for arguments in (["app.py"], ["run.py", *map(str, paths)]):
            done = subprocess.run(
                [sys.executable, *arguments],
                cwd=here,
                env=environment,
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
            )
            if done.returncode:
                raise RuntimeError(f"the spike failed: {done.stderr[-2000:]}")
    seconds = [float(match["seconds"]) for line in done.stdout.splitlines() if (match := _LINE.match(line))]
    if len(seconds) != len(paths):
        raise RuntimeError(f"the spike answered {len(seconds)} times for {len(paths)} files: {done.stdout[-2000:]}")
    return seconds
