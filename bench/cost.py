"""What larger jobs would cost on AWS and how long they would take, from a real job in the one-machine cloud.

`python -m bench.cost` imports a small and a larger file, takes what each step and each chunk used, and
projects: cost by service, and wall time for so many workers against a database of a stated write speed.
The formulas, with what they leave out, are in `bench.projection`; prices are the table that receipts use.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, LiteralString

import psutil
import psycopg
from rich.console import Console

from bench import data, table
from bench.cost_tables import show
from bench.ours import Bench
from bench.projection import BY_BYTE, MB, STEPS, Measured, Setting, chunk_count, costs, enough_workers, wall
from bench.report import RESULTS
from bench.server import ServerTime
from entrepot.cost import Prices, list_prices, read_prices

if TYPE_CHECKING:
    from local.cloud import LocalCloud

SIZES: Final = {"1 GB": 10**9, "100 GB": 10**11, "1 TB": 10**12}
WORKERS: Final = (10, 100, 1000)
SMALL_ROWS: Final = 100


def main(arguments: list[str] | None = None) -> int:
    """Measures (or reads what was measured), projects, prints."""
    options = _options(arguments)
    prices = read_prices(options.price_table) if options.price_table else list_prices()
    out = Console(width=None if sys.stdout.isatty() else 130, stderr=options.json)
    if options.measured:
        measured = Measured.of(json.loads(options.measured.read_text(encoding="utf-8")))
    else:
        measured = measure(data.lineitem(options.scale), out)
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "cost.json").write_text(json.dumps(vars(measured), indent=1) + "\n", encoding="utf-8")
    found = project(measured, prices, options.write_mb_per_second, options.stream_mb_per_second)
    if options.json:
        print(json.dumps(found, indent=1))
    else:
        show(found, out)
    return 0


def measure(path: Path, out: Console) -> Measured:
    """Imports a small and a large file into an empty table of a warm cloud, and takes the difference.

    Args:
        path: The large file: TPC-H lineitem.
        out: Where to say what goes on.
    """
    from local.cloud import LocalCloud

    small = data.head(path, SMALL_ROWS)
    with tempfile.TemporaryDirectory(prefix="entrepot-cost-") as folder, LocalCloud(Path(folder)) as cloud:
        bench = Bench(cloud)
        for warm in (small, data.head(path, 2000)):
            table.prepare(cloud.dsn, path, "empty")
            bench.lineitem(warm)
        out.print(f"a job of {SMALL_ROWS} rows …")
        table.prepare(cloud.dsn, path, "empty")
        first = _run(bench, small)
        out.print(f"a job of {path.stat().st_size / MB:,.0f} MB …")
        table.prepare(cloud.dsn, path, "empty")
        second = _run(bench, path)
    return compare(first, second)


@dataclass(frozen=True)
class Run:
    """One job as it was seen from outside, by step; and what its receipt counts.

    Args:
        bytes: Size of its source.
        chunks: Its chunks.
        elapsed: Seconds of the step's invocations.
        processor: Processor seconds of the step's workers.
        server: Processor seconds of the database server for the step.
        calls: The step's invocations.
        counts: Requests, transitions and invocations of the receipt.
        table_bytes: The target, without indexes.
        written_bytes: The target with indexes, and the WAL that the job made.
    """

    bytes: int
    chunks: int
    elapsed: dict[str, float]
    processor: dict[str, float]
    server: dict[str, float]
    calls: dict[str, int]
    counts: dict[str, float]
    table_bytes: int
    written_bytes: int


def compare(small: Run, large: Run) -> Measured:
    """What a chunk and a MB take, from two jobs of which one has next to nothing to do.

    An invocation's own time is the small job's elapsed. By MB go the processor seconds of worker and server
    that the large job took beyond: they do not depend on what else the machine does, and bytes that wait for
    a disk are counted by its speed. What is counted per chunk is the difference of the two receipts over the
    difference of their chunks.
    """
    mb, more = large.bytes / MB, max(1, large.chunks - small.chunks)
    call = {step: small.elapsed[step] / small.calls[step] for step in STEPS if small.calls.get(step)}
    by_mb = {step: max(0.0, _processed(large, step) - _idle(small, large, step)) / mb for step in BY_BYTE}
    names = {*small.counts, *large.counts}
    chunk = {n: max(0.0, large.counts.get(n, 0) - small.counts.get(n, 0)) / more for n in names}
    return Measured(
        bytes=large.bytes,
        chunks=large.chunks,
        call_seconds=call,
        mb_seconds=by_mb,
        per_job={n: max(0.0, small.counts.get(n, 0) - small.chunks * chunk[n]) for n in names},
        per_chunk=chunk,
        staged=large.table_bytes / large.bytes,
        published=large.written_bytes / large.bytes,
        memory_mb=_memory(),
    )


def _processed(run: Run, step: str) -> float:
    return run.processor.get(step, 0.0) + run.server.get(step, 0.0)


def _idle(small: Run, large: Run, step: str) -> float:
    """What the large job's calls would have taken with next to nothing to do."""
    return _processed(small, step) / max(1, small.calls.get(step, 0)) * large.calls.get(step, 0)


def _run(bench: Bench, path: Path) -> Run:
    cloud, started = bench.cloud, time.time()
    processor, wal = _processor(cloud), _wal(cloud.dsn)
    with ServerTime(cloud) as server:
        bench.lineitem(path)
        job = next(iter(bench.client.jobs.list(limit=1))).wait(timeout=60)
    elapsed: defaultdict[str, float] = defaultdict(float)
    calls: Counter[str] = Counter()
    while not calls["notify"]:
        time.sleep(0.05)
        done = [record for record in cloud.invocations if record.started >= started]
        elapsed, calls = defaultdict(float), Counter(_step(record.function) for record in done)
        for record in done:
            elapsed[_step(record.function)] += record.seconds
    spent = _processor(cloud)
    cost = job.receipt.data["cost"] if job.receipt else {}
    heap, whole = _sizes(cloud.dsn)
    return Run(
        bytes=path.stat().st_size,
        chunks=job.progress.chunks_total,
        elapsed=dict(elapsed),
        processor={step: spent[step] - processor.get(step, 0.0) for step in spent},
        server=dict(server.seconds),
        calls=dict(calls),
        counts={
            **cost["requests"],
            "transitions": cost["state_transitions"],
            "invocations": cost["invocations"],
        },
        table_bytes=heap,
        written_bytes=whole + _wal(cloud.dsn) - wal,
    )


def _step(function: str) -> str:
    return function.rsplit("-", 1)[-1]


def _processor(cloud: LocalCloud) -> dict[str, float]:
    """Processor seconds of each step's workers so far."""
    spent: defaultdict[str, float] = defaultdict(float)
    for function, pids in cloud.pids()["workers"].items():
        for pid in pids:
            with contextlib.suppress(psutil.Error):
                times = psutil.Process(pid).cpu_times()
                spent[_step(function)] += times.user + times.system
    return dict(spent)


def _wal(dsn: str) -> int:
    return int(_value(dsn, "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint"))


def _sizes(dsn: str) -> tuple[int, int]:
    """Bytes of the target without its indexes, and with them."""
    name = "'public.lineitem'"
    return int(_value(dsn, f"SELECT pg_table_size({name})")), int(_value(dsn, f"SELECT pg_total_relation_size({name})"))


def _value(dsn: str, query: LiteralString) -> Any:
    with psycopg.connect(dsn) as db:
        row = db.execute(query).fetchone()
    assert row is not None
    return row[0]


def _memory() -> dict[str, int]:
    """Memory of each step's function as the stack gives it by default; the one-machine cloud gives less."""
    from stacks.settings import Memory

    memory = Memory().model_dump(by_alias=True)
    return {step: int(memory[step]) for step in STEPS}


def project(measured: Measured, prices: Prices, write_mb: float, stream_mb: float) -> dict[str, Any]:
    """Costs by service and wall times, as one JSON document."""
    sizes = []
    for name, size in SIZES.items():
        walls = {}
        for workers in WORKERS:
            setting = Setting(workers=workers, write_mb=write_mb, stream_mb=stream_mb)
            phases, by_service = wall(measured, size, setting), costs(measured, size, setting, prices)
            walls[workers] = {
                **asdict(phases),
                "total": phases.total,
                "bottleneck": phases.bottleneck,
                "usd": sum(by_service.values()),
                "usd_by_service": by_service,
            }
        enough = enough_workers(measured, size, Setting(1, write_mb, stream_mb))
        sizes.append(
            {"name": name, "bytes": size, "chunks": chunk_count(size), "enough_workers": enough, "workers": walls}
        )
    return {
        "prices": prices.name,
        "write_mb_per_second": write_mb,
        "stream_mb_per_second": stream_mb,
        "measured": asdict(measured),
        "sizes": sizes,
    }


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.cost", description=__doc__)
    add = parser.add_argument
    add("--price-table", type=Path, metavar="FILE", help="prices other than those of this version")
    text = "MB that the database writes in a second (default: %(default)s)"
    add("--write-mb-per-second", type=_speed, default=200.0, metavar="N", help=text)
    text = "MB that one connection to S3 brings in a second (default: %(default)s)"
    add("--stream-mb-per-second", type=_speed, default=90.0, metavar="N", help=text)
    add("--scale", default="0.5", help="of TPC-H lineitem, the file that is measured (default: %(default)s)")
    add("--measured", type=Path, metavar="FILE", help="what an earlier run measured: bench/results/cost.json")
    add("--json", action="store_true", help="one JSON document instead of tables")
    return parser.parse_args(arguments)


def _speed(text: str) -> float:
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError("more than 0")
    return value


if __name__ == "__main__":
    sys.exit(main())
