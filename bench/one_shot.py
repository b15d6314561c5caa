"""A whole process: `entrepot import FILE`, from the shell's prompt back to it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from bench import table
from bench.ours import CONTRACT


def run(dsn: str, path: Path) -> float:
    """Seconds of one command that starts a cloud, imports lineitem into an empty keyed table, and ends.

    Args:
        dsn: Of a database that the command is given.
        path: The file.

    Raises:
        RuntimeError: The command failed.
    """
    table.prepare(dsn, path, "empty")
    with tempfile.TemporaryDirectory(prefix="entrepot-bench-") as folder:
        contract = Path(folder) / "lineitem.yaml"
        # A name of its own: the same content under the same contract is published already.
        told = {**yaml.safe_load(CONTRACT.read_text(encoding="utf-8")), "name": f"one-shot-{time.time_ns()}"}
        contract.write_text(yaml.safe_dump(told), encoding="utf-8")
        program = Path(sys.executable).with_name("entrepot")
        command = [str(program), "import", str(path), "--contract", str(contract), "--dsn", dsn, "--json"]
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("ENTREPOT", "AWS_"))}
        started = time.perf_counter()
        done = subprocess.run(command, cwd=folder, env=kept, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - started
    if done.returncode:
        raise RuntimeError(f"the one-shot import ended with {done.returncode}: {done.stderr[-2000:]}")
    return seconds
