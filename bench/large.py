"""Memory and time as files grow: ``python -m bench.large --scales 0.5,6.6`` (6.6 is 5 GB).

For each file, one import into an empty keyed table. The largest resident size of every kind of process is taken,
and its growth from the first file to the last; from the chunks of both, what a chunk and what a job costs.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import data, table
from bench.ours import Bench

SPACE = 6
"""Disk that an import takes while it runs, in sizes of its file: object, staging, table, key and log."""


@dataclass
class Run:
    """One import.

    Attributes:
        scale: Of TPC-H.
        size: Bytes of the file.
        chunks: How many it was cut into.
        seconds: Drop to receipt.
        peaks: Kind of process -> its largest resident size, in bytes; of the cloud and of a server process, only
            what is nobody else's.
    """

    scale: str
    size: int
    chunks: int = 0
    seconds: float = 0.0
    peaks: dict[str, int] = field(default_factory=dict)


def main(arguments: list[str] | None = None) -> int:
    """Runs the imports and prints what they took."""
    parser = argparse.ArgumentParser(prog="python -m bench.large", description=__doc__)
    parser.add_argument("--scales", default="0.5,6.6", help="of TPC-H, ascending (default: %(default)s)")
    scales = parser.parse_args(arguments).scales.split(",")
    out, runs = Console(), []
    needed = SPACE * max(data.lineitem(scale).stat().st_size for scale in scales)
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if free < needed:
        where = f"{free / 1e9:.0f} GB are free in {tempfile.gettempdir()}"
        parser.error(f"this takes some {needed / 1e9:.0f} GB of disk for a while, and {where}; name another in TMPDIR")
    from local.cloud import LocalCloud

    with tempfile.TemporaryDirectory(prefix="entrepot-bench-") as folder, LocalCloud(Path(folder) / "cloud") as cloud:
        bench = Bench(cloud)
        # Warm workers have what they keep.
        table.prepare(cloud.dsn, data.lineitem(scales[0]), "empty")
        bench.lineitem(data.lineitem(scales[0]))
        for scale in scales:
            out.print(f"scale {scale} …")
            path = data.lineitem(scale)
            table.prepare(cloud.dsn, path, "empty")
            run = Run(scale, path.stat().st_size)
            began = time.time()
            with _watched(run.peaks):
                run.seconds = bench.lineitem(path).seconds
            for call in cloud.invocations:
                if call.started >= began:
                    name = call.function.rsplit("-", 1)[-1]
                    run.peaks[name] = max(run.peaks.get(name, 0), call.peak_rss_bytes)
                    run.chunks += name == "load"
            runs.append(run)
    _show(runs, out)
    return 0


@contextmanager
def _watched(peaks: dict[str, int]) -> Iterator[None]:
    """Looks at this process, which is the cloud, and at the server's processes, a few times a second."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.3):
            for kind, size in _sizes():
                peaks[kind] = max(peaks.get(kind, 0), size)

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _sizes() -> Iterator[tuple[str, int]]:
    yield "cloud", _anonymous(os.getpid())
    largest = defaultdict[str, int](int)
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            command = (entry / "cmdline").read_bytes()
            if command.startswith(b"postgres: ") and b"[local]" in command:
                largest["PostgreSQL backend"] = max(largest["PostgreSQL backend"], _anonymous(int(entry.name)))
        except OSError:
            continue
    yield from largest.items()


def _anonymous(pid: int) -> int:
    """Resident bytes that are no file's and not shared: shared buffers would count in each backend."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    return 0


def _show(runs: list[Run], out: Console) -> None:
    first, last = runs[0], runs[-1]
    grid = Table("process", *(f"{run.size / 1e9:.2f} GB" for run in runs), "growth", title="Largest resident size, MB")
    for kind in sorted(first.peaks.keys() & last.peaks.keys()):
        sizes = [f"{run.peaks.get(kind, 0) / 2**20:.0f}" for run in runs]
        grid.add_row(kind, *sizes, f"{100 * (last.peaks[kind] / first.peaks[kind] - 1):+.1f} %")
    out.print(grid)
    for run in runs:
        speed = run.size / 1e6 / run.seconds
        out.print(f"scale {run.scale}: {run.seconds:.1f} s, {run.chunks} chunks, {speed:.0f} MB/s")
    if last.chunks > first.chunks:
        each = (last.seconds - first.seconds) / (last.chunks - first.chunks)
        fixed = first.seconds - each * first.chunks
        out.print(f"1,000 chunks take {1000 * each:.0f} s more; a job takes {fixed:.1f} s beside its chunks")


if __name__ == "__main__":
    raise SystemExit(main())
