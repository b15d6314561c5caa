"""`make bench`: Entrepot beside what others reach, on one machine, in one run.

Absolute figures move from machine to machine; the ratios are what is reported. Nothing here fails
for being slow.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import psycopg
from rich.console import Console
from rich.markup import escape

from bench import corpora, data, formats, micro, one_shot, others, report, spike, sql, table, undo
from bench.ours import Bench, Import

PARTS = ("import", "undo", "one-shot", "peers", "spike", "micro", "corpora", "formats")


def main(arguments: list[str] | None = None) -> int:
    """Measures what the command line asks for, prints tables, writes JSON to bench/results/."""
    options = _options(arguments)
    console = Console(width=None if sys.stdout.isatty() else 130)
    results: dict[str, Any] = {"machine": report.machine(), "imports": [], "undo": {}, "one_shot": {}}
    results |= {"peers": {}, "spike": {}, "notes": []}
    files = {scale: data.lineitem(scale) for scale in options.scales}
    with tempfile.TemporaryDirectory(prefix="entrepot-bench-") as folder:
        if "micro" in options.parts:
            console.print("starting the one-machine cloud twice …")
            results["start"] = dict(zip(("first", "second"), micro.start_seconds(Path(folder) / "start"), strict=True))
            results["handler_imports"] = micro.import_seconds()
            results["profiling"] = micro.profiling(next(iter(files.values())))
        from local.cloud import LocalCloud

        with LocalCloud(Path(folder) / "cloud", roots=[corpora.FOLDER]) as cloud:
            results["postgres"] = _settings(cloud.dsn)
            _measure(options, cloud, files, results, console)
    if "spike" in options.parts:
        console.print("the bare spike …")
        with _noted(results, console):
            seconds = spike.run(list(files.values()))
            results["spike"] = dict(zip(files, seconds, strict=True)) if seconds else {}
    if "formats" in options.parts:
        lines = formats.run(options.scales[0], console)
        results["formats"] = [asdict(line) for line in lines]
        formats.show(lines, console)
    console.print()
    report.show(results, console)
    path = report.save(results)
    console.print(f"[dim]written to {path.relative_to(data.ROOT)}[/]")
    return 0


@contextlib.contextmanager
def _noted(results: dict[str, Any], out: Console) -> Iterator[None]:
    """What fails beside Entrepot is noted in the results, and the rest goes on."""
    try:
        yield
    except RuntimeError as error:
        results["notes"].append(str(error))
        out.print(f"[yellow]{escape(str(error))}[/]")


def _options(arguments: list[str] | None) -> argparse.Namespace:
    def words(allowed: tuple[str, ...] | None = None) -> Callable[[str], list[str]]:
        def split(text: str) -> list[str]:
            chosen = [word.strip() for word in text.split(",") if word.strip()]
            if allowed and set(chosen) - set(allowed):
                raise argparse.ArgumentTypeError(f"choose from {', '.join(allowed)}")
            return chosen

        return split

    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--scales", type=words(), default=["0.1", "0.5"], help="of TPC-H, e.g. 0.1,0.5")
    parser.add_argument(
        "--states", type=words(tuple(table.STATES)), default=["empty"], help=f"of the target: {', '.join(table.STATES)}"
    )
    parser.add_argument("--parts", type=words(PARTS), default=list(PARTS), help=f"what to measure: {', '.join(PARTS)}")
    parser.add_argument("--repeat", type=int, default=1, help="take the median of so many (default: %(default)s)")
    return parser.parse_args(arguments)


def _measure(
    options: argparse.Namespace, cloud: Any, files: dict[str, Path], results: dict[str, Any], out: Console
) -> None:
    bench = Bench(cloud)
    if "micro" in options.parts:
        out.print("1,000-row drops …")
        results["latency"] = micro.latencies(bench)
    _warm(bench, next(iter(files.values())))
    for scale, path in files.items():
        for state in options.states if "import" in options.parts else []:
            results["imports"].append(
                {"scale": scale, "state": state, **_compare(bench, path, state, options.repeat, out)}
            )
        if "undo" in options.parts:
            out.print(f"undo, scale {scale} …")
            results["undo"][scale] = asdict(undo.measure(bench, path))
        if "one-shot" in options.parts:
            out.print(f"one-shot import, scale {scale} …")
            results["one_shot"][scale] = one_shot.run(cloud.dsn, path)
        if "peers" in options.parts:
            out.print(f"peers, scale {scale} …")
            rows = _count(path)
            results["peers"][scale] = []
            for program in others.PEERS:
                with _noted(results, out):
                    results["peers"][scale].append(asdict(others.run(cloud.dsn, path, rows, program)))
    if "corpora" in options.parts:
        results["corpora"] = corpora.run(bench.client, cloud)


def _compare(bench: Bench, path: Path, state: str, repeat: int, out: Console) -> dict[str, Any]:
    """The two scripts and Entrepot, one after the other, into equal tables."""
    dsn, before = bench.cloud.dsn, cast("table.State", state)
    scripts: dict[str, list[sql.Script]] = {"usual": [], "best": []}
    ours: list[Import] = []
    for number in range(repeat):
        prints = set()
        for name, merge in (("usual", sql.USUAL), ("best", sql.BEST)):
            out.print(f"{path.parent.name} {state}: the {name} SQL {number + 1}/{repeat} …")
            table.prepare(dsn, path, before)
            scripts[name].append(sql.run(dsn, path, merge))
            prints.add(table.fingerprint(dsn))
        out.print(f"{path.parent.name} {state}: Entrepot {number + 1}/{repeat} …")
        table.prepare(dsn, path, before)
        ours.append(bench.lineitem(path))
        prints.add(table.fingerprint(dsn))
        if len(prints) != 1:
            raise RuntimeError(f"the tables differ after the same import into a table that is {state}: {prints}")
    middle = sorted(ours, key=lambda one: one.seconds)[len(ours) // 2]
    return {
        "bytes": path.stat().st_size,
        **{name: statistics.median(run.seconds for run in runs) for name, runs in scripts.items()},
        "parts": {name: [asdict(run) for run in runs] for name, runs in scripts.items()},
        "ours": middle.seconds,
        "all": [one.seconds for one in ours],
        "upload": middle.upload,
        "peak": max(one.peak for one in ours),
        "worker": max(ours, key=lambda one: one.peak).worker,
        "receipt": middle.receipt,
    }


def _warm(bench: Bench, path: Path) -> None:
    """Two small imports, so that workers are up and code is loaded."""
    for rows in (1000, 2000):
        table.prepare(bench.cloud.dsn, path, "empty")
        bench.lineitem(data.head(path, rows))


def _count(path: Path) -> int:
    """Records of a file whose records are single lines, without the header."""
    with path.open("rb") as lines:
        return sum(block.count(b"\n") for block in iter(lambda: lines.read(1 << 20), b"")) - 1


def _settings(dsn: str) -> dict[str, str]:
    names = ["server_version", "shared_buffers", "work_mem", "max_wal_size", "synchronous_commit", "fsync"]
    with psycopg.connect(dsn) as db:
        found = db.execute("SELECT name, current_setting(name) FROM unnest(%s::text[]) name", [names])
        return {str(name): str(value) for name, value in found}


if __name__ == "__main__":
    sys.exit(main())
