"""Receipts on a screen: a job's final account, or an undo's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from cli import output
from cli.output import clean, count

if TYPE_CHECKING:
    from rich.table import Table

SHOWN_KEPT = 50
"""Rows named of those that an undo kept."""

TELLING = 1_000_000
"""Bytes from which a rate tells something."""

COUNTS = (
    ("inserted", "green"),
    ("updated", "green"),
    ("unchanged", ""),
    ("deleted", "yellow"),
    ("accepted", ""),
    ("duplicate", "yellow"),
    ("filtered", "yellow"),
    ("quarantined", "red"),
)
UNDONE = (
    ("removed", "inserted rows taken out"),
    ("restored", "rows with their former values"),
    ("reinserted", "deleted rows brought back"),
    ("kept", "rows kept: edited since"),
)
REASONS = {
    "edited": "edited since",
    "gone": "deleted since",
    "taken": "another row has its key",
    "later_job": "written by a later job",
}
"""Why an undo keeps a row, in words."""
ALWAYS = {"inserted", "updated", "unchanged", "quarantined"}


def show(receipt: dict[str, Any]) -> None:
    """Prints a receipt on stdout.

    Args:
        receipt: As the service gives it.
    """
    console = output.results()
    console.print(table(receipt))
    if (receipt.get("undo") or {}).get("kept_rows"):
        console.print(_kept_table(receipt["undo"]))
    if line := cost_line(receipt):
        console.print(f"[dim]{clean(line)}[/]", soft_wrap=True)
    if receipt.get("undone_by"):
        console.print(f"[yellow]It was taken back by job {clean(receipt['undone_by'])}.[/]")


def table(receipt: dict[str, Any]) -> Table:
    """A receipt as a table.

    Args:
        receipt: As the service gives it.
    """
    from rich import box
    from rich.table import Table

    grid = Table(box=box.SIMPLE, show_header=False, pad_edge=False)
    grid.add_column(style="dim")
    grid.add_column(justify="right", overflow="fold")
    for name, number in _rows(receipt):
        grid.add_row(name, number)
    for name in ("target", "mode", "message", "backup"):
        if receipt.get(name):
            grid.add_row(name, clean(receipt[name]))
    size, seconds = int(receipt.get("bytes") or 0), float(receipt.get("seconds") or 0)
    if size:
        grid.add_row("size", output.size(size))
    if seconds:
        rate = f" ({output.size(size / seconds)}/s)" if size > TELLING else ""
        grid.add_row("time", f"{output.duration(seconds)}{rate}")
    return grid


def _rows(receipt: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What became of the rows: of a source's, or of those that a job had written."""
    if undone := receipt.get("undo"):
        for name, words in UNDONE:
            yield words, count(int(undone.get(name) or 0))
        for name, number in (receipt.get("children") or {}).items():
            yield f"rows of others by {clean(name)}", f"[red]{count(int(number))}[/]"
        for name, number in (undone.get("lost") or {}).items():
            yield f"not brought back: rows of others by {clean(name)}", f"[yellow]{count(int(number))}[/]"
        return
    written = receipt.get("status") in {"published", "undone"}
    yield "read", count(int(receipt.get("read") or 0))
    for name, style in COUNTS:
        number = int(receipt.get(name) or 0)
        if number or (name in ALWAYS and written):
            yield f"  {name}", f"[{style}]{count(number)}[/]" if style and number else count(number)
    for name in ("removed", "closed"):
        if receipt.get(name):
            yield f"{name} from the target", f"[yellow]{count(int(receipt[name]))}[/]"
    for name, number in (receipt.get("children") or {}).items():
        yield f"rows of others by {clean(name)}", f"[red]{count(int(number))}[/]"


def cost_line(receipt: dict[str, Any]) -> str:
    """What a job used and what that would cost on AWS, in a line; empty when it was not measured.

    Args:
        receipt: As the service gives it.
    """
    cost = receipt.get("cost") or {}
    if not cost.get("invocations"):
        return ""
    usd = f"{cost['usd']:,.2f}" if cost["usd"] >= 1 else f"{cost['usd']:.4f}"
    return (
        f"used {cost['cpu_seconds']:,.2f} CPU seconds in {count(cost['invocations'])} invocations,"
        f" at most {count(cost['peak_memory_mb'])} MB; on AWS ${usd} by the list of {cost['prices']},"
        " the database not counted"
    )


def _kept_table(undone: dict[str, Any]) -> Table:
    """The rows that an undo kept, each with its reason."""
    rows = [
        (
            ", ".join(f"{name}={value}" for name, value in (row.get("key") or {}).items()),
            REASONS.get(str(row.get("reason")), row.get("reason")),
            row.get("by") or "",
            row.get("job"),
        )
        for row in list(undone["kept_rows"])[:SHOWN_KEPT]
    ]
    kept = int(undone.get("kept") or 0)
    title = f"Rows kept as they are{f', the first {len(rows)} of {count(kept)}' if kept > len(rows) else ''}"
    return output.table(("key", "why", "by job", "of job"), rows, title=title)
