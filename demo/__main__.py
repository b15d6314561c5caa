"""`make demo`: starts the one-machine cloud, imports a small and a large file, and checks every number.

Exit codes: 0 all as claimed; 1 something is off; 3 it could not run; 130 interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
import time
from pathlib import Path
from typing import Final

import psycopg
from rich.console import Console

from cli import interrupt, output
from demo.checks import Checks
from entrepot_client import EntrepotError

ROOT: Final = Path(__file__).resolve().parent.parent
STATE: Final = ROOT / ".entrepot" / "demo"


def main(arguments: list[str] | None = None) -> int:
    """Runs the demo and cleans up, also when interrupted."""
    started = time.monotonic()
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--state", type=Path, default=STATE, help="where it keeps its state; emptied first")
    parser.add_argument("--small-only", action="store_true", help="leave the 200 MB file out")
    options = parser.parse_args(arguments)
    out = output.results()
    try:
        with interrupt.sigterm_too():
            return _run(options.state, out, started, small_only=options.small_only)
    except KeyboardInterrupt:
        out.print("\nstopped; no process is left, and the next run starts afresh")
        return 130


def _run(state: Path, out: Console, started: float, *, small_only: bool) -> int:
    from demo.desk import Desk
    from demo.story import EndedEarly, Story
    from local.cloud import LocalCloud
    from local.errors import LocalCloudError

    shutil.rmtree(state, ignore_errors=True)
    files = state / "files"
    files.mkdir(parents=True)
    out.print("[bold]Entrepot[/]: a file dropped in a bucket is rows in PostgreSQL.")
    out.print("Starting the one-machine cloud, from the stack template that AWS would deploy …")
    try:
        with LocalCloud(state) as cloud:
            out.print(f"ready after {output.duration(time.monotonic() - started)}; the API is at {cloud.api_url}")
            story = Story(Desk(cloud), files, started, out)
            with contextlib.suppress(EndedEarly):
                story.agree()
                story.small()
                if not small_only:
                    story.large()
                story.again()
            peak = max(cloud.peaks().values(), default=0)
    except (LocalCloudError, EntrepotError, psycopg.Error, TimeoutError) as error:
        out.print(f"[red]{output.clean(error)}[/]")
        out.print("[cyan]→[/] [bold]entrepot doctor[/] says what is missing on this machine")
        return 3
    return _end(story.checks, peak, state, out, time.monotonic() - started)


def _end(checks: Checks, peak: int, state: Path, out: Console, seconds: float) -> int:
    out.print(f"\n[bold]{checks.held} claims held, {len(checks.failed)} did not[/], in {output.duration(seconds)};")
    out.print(f"the largest worker used {peak / 2**20:.0f} MB, and the cloud is stopped again.")
    for line in checks.failed:
        out.print(f"  [bold red]✗[/] {output.clean(line)}", soft_wrap=True)
    if checks.failed:
        return 1
    where = state.relative_to(Path.cwd()) if state.is_relative_to(Path.cwd()) else state
    out.print("\nWhere to look next (.venv/bin is where entrepot lives):")
    for command, does in (
        (f"entrepot up --state {where}", "the same cloud again, with these jobs and rows; Ctrl-C ends it"),
        ("entrepot jobs list", "in another terminal: what was imported"),
        ("entrepot rows incidents", "the rows"),
        ("entrepot import FILE.csv", "a file of your own: infers a contract, asks once, imports"),
    ):
        out.print(f"  [bold]{output.clean(command)}[/]  [dim]{does}[/]", soft_wrap=True)
    out.print("  README.md and docs/index.md say the rest.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
