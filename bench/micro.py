"""Small things that a person feels: a small file's latency, a handler's imports, a second start; and profiling."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import yaml

import samples
from bench.data import CACHE, ROOT
from bench.ours import Bench
from local.nursery import ALLOCATORS

DROPS: Final = 20
_IMPORT: Final = """
import importlib.util, sys, time
started = time.perf_counter()
spec = importlib.util.spec_from_file_location("handler", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
print(time.perf_counter() - started)
"""


def latencies(bench: Bench, drops: int = DROPS) -> list[float]:
    """Seconds from dropping 1,000 incident rows to their receipt, warm, one after the other."""
    contract = yaml.safe_load(samples.CONTRACT.read_text(encoding="utf-8"))
    bench.put_contract(contract)
    folder = CACHE / "data"
    folder.mkdir(parents=True, exist_ok=True)
    seconds = []
    for seed in range(drops + 2):
        path = folder / "small.csv"
        samples.write(path, samples.SMALL, seed)
        seconds.append(bench.drop(path, contract["name"], f"small-{seed}.csv").seconds)
    return seconds[2:]


def import_seconds(rounds: int = 5) -> dict[str, float]:
    """For each function, seconds to import its handler's modules in a fresh interpreter: the median."""
    found: dict[str, float] = {}
    for handler in sorted((ROOT / "functions").glob("*/handler.py")):
        path = os.pathsep.join((str(handler.parent), str(ROOT / "layers" / "core" / "python")))
        environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": ""}
        times = []
        for _ in range(rounds):
            done = subprocess.run(
                [sys.executable, "-c", _IMPORT, handler], env=environment, capture_output=True, text=True, check=True
            )
            times.append(float(done.stdout.split()[-1]))
        found[handler.parent.name] = statistics.median(times)
    return found


def profiling(path: Path, rounds: int = 9) -> float:
    """Bytes a second of processor time that the function ``profile`` takes in: parsing, and every column's profile.

    Args:
        path: Delimited text; its first chunk is taken.
        rounds: The quickest of these counts.
    """
    command: list[str | Path] = [sys.executable, "-m", "bench.profiling", path, str(rounds)]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **ALLOCATORS}, capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def start_seconds(state: Path) -> tuple[float, float]:
    """Seconds from spawning a process to a cloud that is ready: the first start on a state, and the second.

    Raises:
        RuntimeError: It did not start.
    """
    first, second = (_start(state) for _ in range(2))
    return first, second


def _start(state: Path) -> float:
    started = time.perf_counter()
    command = [sys.executable, "-m", "bench.ready", str(state)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        seconds = time.perf_counter() - started
        process.communicate("", timeout=60)
    if line.strip() != "ready":
        raise RuntimeError("the one-machine cloud did not start")
    return seconds
