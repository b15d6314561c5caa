"""What goes where: results to stdout, everything else to stderr; calm, and safe to look at."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

WIDE = 200
"""Columns assumed when nobody looks (a pipe, a file): nothing is folded for the sake of a screen."""

STATE_STYLES = {
    "published": "green",
    "already_published": "green",
    "superseded": "yellow",
    "refused": "red",
    "failed": "bold red",
    "cancelled": "yellow",
    "expired": "yellow",
    "awaiting_mapping": "magenta",
    "awaiting_approval": "magenta",
}
"""Green is done, red is not, magenta waits for you, yellow ended without rows."""


def results() -> Console:
    """The console for results (stdout)."""
    return _console(stderr=False)


def notes() -> Console:
    """The console for everything else (stderr)."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else WIDE
    return Console(stderr=stderr, width=width, highlight=False, emoji=False)


def document(value: object) -> None:
    """Prints the one JSON document of ``--json``."""
    # A pipe may have any encoding; \u escapes read the same in all of them.
    ascii_only = (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=ascii_only, default=str) + "\n")
    sys.stdout.flush()


def visible(text: object) -> str:
    """Text with control characters made visible: a file's content may not steer the terminal."""
    return "".join(c if c.isprintable() else _escape(c) for c in str(text))


def _escape(char: str) -> str:
    return {"\n": "⏎", "\r": "␍", "\t": "⇥", "\0": "␀"}.get(char) or char.encode("unicode_escape").decode()


def clean(text: object) -> str:
    """Visible text that rich reads as text, not as markup; line breaks stay."""
    from rich.markup import escape

    return "\n".join(escape(visible(line)) for line in str(text).split("\n"))


def state_text(state: str) -> str:
    """A job's state in its colour."""
    style = STATE_STYLES.get(state, "blue")
    return f"[{style}]{clean(state.replace('_', ' '))}[/]"


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    title: str = "",
    right: Sequence[str] = (),
    markup: Sequence[str] = (),
) -> Table:
    """A table that fits the terminal.

    Args:
        columns: Headings.
        rows: Cells.
        title: Line above it.
        right: Headings of the columns to align right.
        markup: Headings of the columns whose cells are our own markup, not data.
    """
    from rich import box
    from rich.table import Table

    grid = Table(box=box.SIMPLE_HEAD, title=title or None, title_justify="left", header_style="bold", pad_edge=False)
    for name in columns:
        grid.add_column(clean(name), justify="right" if name in right else "left", overflow="fold")
    for row in rows:
        grid.add_row(*(_cell(value, raw=name in markup) for name, value in zip(columns, row, strict=True)))
    return grid


def _cell(value: object, *, raw: bool) -> str:
    if value is None:
        return "[dim]·[/]"
    return str(value) if raw else clean(value)


def count(number: int) -> str:
    """A number as people read it: thousands apart."""
    return f"{number:,}"


def size(number: float) -> str:
    """Bytes in decimal units, three digits or so."""
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if abs(number) < 1000 or unit == "TB":
            return f"{number:.0f} {unit}" if unit == "bytes" else f"{number:.1f} {unit}"
        number /= 1000
    raise AssertionError


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def pick(data: dict[str, Any], *names: str) -> list[Any]:
    """Some values of a JSON object, None for those it lacks."""
    return [data.get(name) for name in names]


def listing(
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    none: str,
    right: Sequence[str] = (),
    markup: Sequence[str] = (),
) -> None:
    """Prints a list as a table, or says that it is empty.

    Args:
        columns: Headings.
        rows: Cells.
        none: What to say when there is nothing.
        right: Headings to align right.
        markup: Headings whose cells are our own markup.
    """
    if not rows:
        notes().print(f"[dim]{clean(none)}[/]")
        return
    results().print(table(columns, rows, right=right, markup=markup))
