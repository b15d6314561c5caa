"""`make fuzz`: damaged and hostile files for every reader, and whether each is read or refused as it should be.

Files are mutated from seeds and go through `entrepot.inspect`, then all their rows are read. A file may be read, or be
refused with a `SourceError` or `UsageError` that says what to do. Faults are other errors, the end of the process, more
than 512 MB of resident memory, more than 10 s of processor time for one file, and files left or opened elsewhere.
"""

from __future__ import annotations

import argparse
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from tests.fuzz.targets import TARGETS
from tests.fuzz.watch import ROOT, Told, fuzz

KEPT = ROOT / ".cache" / "fuzz"


def main(arguments: list[str] | None = None) -> int:
    """Fuzzes what is named, or all; 1 when there is a fault."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=_positive, default=600, help="processor time for each (default: %(default)s)")
    parser.add_argument(
        "--reader", nargs="+", choices=TARGETS, default=list(TARGETS), metavar="NAME", help=", ".join(TARGETS)
    )
    parser.add_argument("--seed", default="1", help="another one makes other files (default: %(default)s)")
    jobs = parser.add_argument("--jobs", type=int, choices=range(1, 65), default=2, metavar="JOBS")
    jobs.help = "readers at a time, up to 64 (default: %(default)s)"
    parser.add_argument("--json", action="store_true", help="one document for machines")
    parser.add_argument("--kept", type=Path, default=KEPT, metavar="FOLDER", help="where files go that show a fault")
    options = parser.parse_args(arguments)

    def one(name: str) -> Told:
        told = fuzz(TARGETS[name], options.kept, seconds=options.seconds, seed=options.seed)
        print(_line(told), file=sys.stderr, flush=True)
        return told

    with ThreadPoolExecutor(options.jobs) as pool:
        found = list(pool.map(one, options.reader))
    print(json.dumps([asdict(told) for told in found], indent=2) if options.json else _table(found))
    return 1 if any(told.findings for told in found) else 0


def _positive(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError("must be more than 0")
    return seconds


def _line(told: Told) -> str:
    return (
        f"{told.name:<14}{told.seconds:>8.0f}{told.files:>9}{told.accepted:>10}{told.refused:>9}"
        f"{told.faults:>8}{len(told.findings):>10}{told.peak >> 20:>9}"
    )


def _table(found: list[Told]) -> str:
    head = f"{'reader':<14}{'seconds':>8}{'files':>9}{'accepted':>10}{'refused':>9}{'faults':>8}{'different':>10}{'peak MB':>9}"
    faults = [f"\n{told.name}: {f.kind}: {f.words}\n  {f.place}\n  {f.file}" for told in found for f in told.findings]
    return "\n".join([head, *map(_line, found), *faults])


if __name__ == "__main__":
    raise SystemExit(main())
