"""The projection of costs and times, as tables for people."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from bench.projection import MB, PHASES
from cli.output import duration


def show(found: dict[str, Any], out: Console) -> None:
    """The projection as tables."""
    measured = found["measured"]
    out.print(
        f"Measured: {measured['bytes'] / MB:,.0f} MB in {measured['chunks']} chunks; seconds per MB: "
        + ", ".join(f"{step} {seconds:.4f}" for step, seconds in measured["mb_seconds"].items())
        + f"; bytes written per byte read: COPY {measured['staged']:.2f}, publish {measured['published']:.2f}"
    )
    _show_costs(found, out)
    _show_walls(found, out)
    for size in found["sizes"]:
        last = list(size["workers"].values())[-1]
        out.print(
            f"{size['name']}: workers hold loading up to {size['enough_workers']:,} of them, beyond that COPY does;"
            f" with {list(size['workers'])[-1]:,} the {last['bottleneck']} takes"
            f" {100 * last[PHASES[last['bottleneck']]] / last['total']:.0f}% of the time."
        )
    out.print(
        "[dim]The database, its storage, logs, traces, keys and data at rest are not in the costs; Lambda's ramp of"
        " 1,000 more workers every 10 s is not in the times. Workers and COPY run at the same time.[/]"
    )


def _show_costs(found: dict[str, Any], out: Console) -> None:
    choices = list(found["sizes"][0]["workers"])
    few = choices[0]
    title = f"USD per job at list price ({found['prices']}), {few} workers"
    grid = Table("service", *(size["name"] for size in found["sizes"]))
    billed = [size["workers"][few]["usd_by_service"] for size in found["sizes"]]
    rows = {name: [one.get(name, 0.0) for one in billed] for name in {name for one in billed for name in one}}
    for name, row in sorted(rows.items(), key=lambda item: -item[1][-1]):
        grid.add_row(name, *(f"{usd:,.4f}" for usd in row))
    for workers in choices:
        total = [size["workers"][workers]["usd"] for size in found["sizes"]]
        grid.add_row(f"all, with {workers:,} workers", *(f"{usd:,.4f}" for usd in total), style="bold")
    for column in grid.columns[1:]:
        column.justify = "right"
    out.print(title)
    out.print(grid)


def _show_walls(found: dict[str, Any], out: Console) -> None:
    many = list(found["sizes"][0]["workers"])[-1]
    phases = ("split", "workers", "copy", "check", "publish", "total")
    title = f"Time against a database that writes {found['write_mb_per_second']:g} MB/s"
    grid = Table("size", "at once", *phases, "slowest")
    for size in found["sizes"]:
        for workers, phase in size["workers"].items():
            cells = [duration(phase[name]) for name in phases]
            grid.add_row(size["name"], f"{workers:,}", *cells, phase["bottleneck"], end_section=workers == many)
    for column in grid.columns[1:-1]:
        column.justify = "right"
    out.print(title)
    out.print(grid)
