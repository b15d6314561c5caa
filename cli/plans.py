"""Plans on a screen: what would be done, as counts and field by field."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from cli import output
from cli.output import clean, count

if TYPE_CHECKING:
    from rich.table import Table

    from entrepot_client import Job, Plan, PlannedRow

LABELS = (
    ("insert", "to insert", "green"),
    ("update", "to update", "green"),
    ("delete", "to delete, by the source", "yellow"),
    ("remove", "to remove, the source lacks them", "yellow"),
    ("close", "versions to end", "yellow"),
    ("unchanged", "unchanged", ""),
    ("filtered", "skipped by the mode", ""),
)
UNDO_LABELS = (
    ("delete", "inserted rows to take out", "yellow"),
    ("update", "rows to get their former values", "green"),
    ("insert", "deleted rows to bring back", "green"),
    ("keep", "rows to keep: edited since", "yellow"),
)
ALWAYS = {"insert", "update", "unchanged", "keep"}
MARKS = {"insert": "green", "reinsert": "green", "update": "blue", "restore": "blue", "keep": "dim"}
LONGEST = 60
"""Characters of a value that are shown."""


def counts_table(job: Job, plan: Plan) -> Table:
    """What a plan would do, in rows.

    Args:
        job: Whose plan it is.
        plan: The plan.
    """
    from rich import box
    from rich.table import Table

    labels = UNDO_LABELS if job.data.get("kind") == "undo" else LABELS
    grid = Table(box=box.SIMPLE, show_header=False, pad_edge=False)
    grid.add_column(style="dim")
    grid.add_column(justify="right")
    for name, label, style in labels:
        number = int(plan.counts.get(name) or 0)
        if number or name in ALWAYS:
            grid.add_row(label, f"[{style}]{count(number)}[/]" if style and number else count(number))
    for name, number in (plan.counts.get("children") or {}).items():
        grid.add_row(f"rows of others by {clean(name)}", f"[red]{count(int(number))}[/]")
    for name, number in (plan.counts.get("lost") or {}).items():
        grid.add_row(f"not brought back: rows of others by {clean(name)}", f"[yellow]{count(int(number))}[/]")
    return grid


def show(job: Job, plan: Plan) -> None:
    """Prints a plan's counts, and why it waits, on stdout.

    Args:
        job: Whose plan it is.
        plan: The plan.
    """
    console = output.results()
    console.print(counts_table(job, plan))
    if plan.held:
        console.print(f"[magenta]held:[/] {clean(plan.held)}", soft_wrap=True)
    if plan.stale:
        keys = ", ".join(clean(_key(row)) for row in plan.stale[:10])
        more = f" and {len(plan.stale) - 10} more" if len(plan.stale) > 10 else ""
        console.print(f"[yellow]changed since the plan before:[/] {keys}{more}", soft_wrap=True)


def diff(rows: Iterable[PlannedRow]) -> Table:
    """Planned rows, each field that changes on a line of its own.

    Args:
        rows: The rows.
    """
    lines = [line for row in rows for line in _lines(row)]
    columns = ("", "row", "key", "field", "now", "then")
    return output.table(columns, lines, right=("row",), markup=("",))


def _lines(row: PlannedRow) -> list[tuple[object, ...]]:
    style = MARKS.get(row.action, "yellow")
    moved = " [yellow]moved[/]" if row.moved else ""
    detail = f" [dim]{clean(row.detail)}[/]" if row.detail else ""
    first: tuple[object, ...] = (f"[{style}]{clean(row.action)}[/]{detail}{moved}", row.row or "", _key(row.key))
    old, new = row.old or {}, row.new or {}
    names = [n for n in {**old, **new} if n not in row.key or old.get(n) != new.get(n)] or [""]
    blank: tuple[object, ...] = ("", "", "")
    return [
        (*(first if at == 0 else blank), name, _value(row.old, name), _value(row.new, name))
        for at, name in enumerate(names)
    ]


def _value(values: dict[str, str | None] | None, name: str) -> object:
    if values is None or name not in values:
        return ""
    value = values[name]
    return value if value is None or len(value) <= LONGEST else value[: LONGEST - 1] + "…"


def _key(key: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in key.items())
