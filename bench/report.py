"""Tables for people, JSON for everything else."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import statistics
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

RESULTS: Final = Path(__file__).with_name("results")


def machine() -> dict[str, Any]:
    """What it ran on."""
    return {
        "at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "load_before": os.getloadavg()[0],
        "python": platform.python_version(),
        "system": platform.system(),
    }


def save(results: dict[str, Any]) -> Path:
    """Writes the results as ``bench/results/<time>.json`` and ``latest.json``."""
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(results, indent=1, default=str) + "\n"
    path = RESULTS / f"{results['machine']['at'].replace(':', '').removesuffix('+0000')}.json"
    path.write_text(text)
    (RESULTS / "latest.json").write_text(text)
    return path


def show(results: dict[str, Any], out: Console) -> None:
    """Prints a table for each part that was measured."""
    about = results["machine"]
    server = results.get("postgres", {}).get("server_version", "?")
    out.print(f"{about['cores']} cores, load {about['load_before']:.1f} before, PostgreSQL {server}")
    if about["load_before"] > (about["cores"] or 1) / 2:
        out.print("[yellow]The machine was busy with other things: even ratios mean little.[/]")
    for line in results["imports"]:
        _imports(line, results, out)
    if results.get("undo") or results.get("one_shot"):
        _whole(results, out)
    if results.get("latency"):
        _small(results, out)
    if results.get("corpora") is not None:
        _corpora(results["corpora"], out)


def _imports(line: dict[str, Any], results: dict[str, Any], out: Console) -> None:
    read = line["receipt"]["read"]
    title = f"TPC-H lineitem {line['scale']}: {read:,} rows, {line['bytes'] / 1e6:.0f} MB, target {line['state']}"
    grid = Table("way", "seconds", "÷ usual SQL", "÷ best SQL", "MB/s", "does", title=title, title_justify="left")
    for column in grid.columns[1:5]:
        column.justify = "right"

    def add(name: str, seconds: float, does: str, style: str = "") -> None:
        grid.add_row(
            name,
            f"{seconds:.2f}",
            f"{seconds / line['usual']:.2f}",
            f"{seconds / line['best']:.2f}",
            f"{line['bytes'] / 1e6 / seconds:.0f}",
            does,
            style=style,
        )

    peak = f"worker peak {line['peak'] / 2**20:.0f} MB ({line['worker']})"
    add("Entrepot, drop to receipt", line["ours"], f"validation, receipt, undo; {peak}", "bold")
    add("Entrepot, without the upload", line["ours"] - line["upload"], "from the object's creation")
    add("usual SQL", line["usual"], "COPY to unlogged staging, INSERT … ON CONFLICT")
    add("best SQL", line["best"], "the same with anti-join insert, changed-only update")
    if line["state"] == "empty":
        if seconds := results["spike"].get(line["scale"]):
            add("bare spike", seconds, "a new table, no key, no check, own server")
        for peer in results["peers"].get(line["scale"], []):
            add(peer["name"], peer["seconds"], peer["does"])
    out.print(grid)


def _whole(results: dict[str, Any], out: Console) -> None:
    grid = Table("scale", "what", "seconds", "does", title="Undo, and a whole command", title_justify="left")
    for scale, undo in results.get("undo", {}).items():
        same = "as before" if undo["same"] else "[red]NOT as before[/]"
        kept = f"its journal has {undo['journal'] / 1e6:.0f} MB beside a target of {undo['target'] / 1e6:.0f} MB"
        grid.add_row(scale, "import into a half-full table", f"{undo['publish']:.2f}", kept)
        grid.add_row(scale, "its undo, asked to receipt", f"{undo['seconds']:.2f}", f"the table is {same}")
    for scale, seconds in results.get("one_shot", {}).items():
        grid.add_row(scale, "entrepot import FILE, prompt to prompt", f"{seconds:.2f}", "with the start of a cloud")
    out.print(grid)


def _small(results: dict[str, Any], out: Console) -> None:
    grid = Table("what", "seconds", title="Small things", title_justify="left")
    drops = results["latency"]
    grid.add_row(f"drop of 1,000 rows to published, warm, median of {len(drops)}", f"{statistics.median(drops):.3f}")
    grid.add_row("the slowest of them", f"{max(drops):.3f}")
    for name, seconds in results.get("start", {}).items():
        grid.add_row(f"{name} start of the one-machine cloud to ready", f"{seconds:.2f}")
    imports = results.get("handler_imports", {})
    for name, seconds in sorted(imports.items(), key=lambda item: -item[1])[:3]:
        grid.add_row(f"importing the handler of {name}", f"{seconds:.3f}")
    out.print(grid)
    if "profiling" in results:
        out.print(f"Profiling of CSV, parsing included: {results['profiling'] / 1e6:.0f} MB a second and core.")


def _corpora(lines: list[dict[str, Any]], out: Console) -> None:
    if not lines:
        out.print("Real files: skipped, the folder of corpora is not beside this project.")
        return
    out.print(corpora_table(lines))


def corpora_table(lines: list[dict[str, Any]]) -> Table:
    """Real files: what was counted independently beside what the receipt and the database say."""
    grid = Table(
        "file", "records", "read", "inserted", "duplicate", "quarantined", "count(*)", "agrees",
        title="Real files, with an inferred contract", title_justify="left",
    )  # fmt: skip
    for column in grid.columns[1:]:
        column.justify = "right"
    for line in lines:
        counts = [line[name] for name in ("records", "read", "inserted", "duplicate", "quarantined", "count")]
        grid.add_row(line["file"], *(f"{count:,}" for count in counts), "yes" if line["agrees"] else "[red]NO[/]")
    return grid
