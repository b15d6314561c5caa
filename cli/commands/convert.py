"""`entrepot convert`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cli import options


def convert(
    source: Annotated[Path, typer.Argument(metavar="SRC", help="The file to read.")],
    *,
    target: Annotated[Path, typer.Argument(metavar="DST", help="The file to write; its ending says the format.")],
    format_: Annotated[
        str | None, typer.Option("--format", help="Format of DST, when its ending does not say.")
    ] = None,
    table: Annotated[str | None, typer.Option("--table", help="Sheet, member or table, by name or number.")] = None,
    as_json: options.Json = False,
) -> None:
    """Convert SRC into DST, cell for cell."""
    import entrepot
    from cli import output, paths

    chosen: Any = int(table) if table is not None and table.isdecimal() else table
    before, after = paths.readable(source), paths.writable(target)
    with paths.naming(source):
        done = entrepot.convert(before, after, format=format_, table=chosen)
    data: dict[str, Any] = done.model_dump(mode="json")
    if as_json:
        output.document(data)
        return
    rows = f": {output.count(int(data['rows']))} rows" if data.get("rows") is not None else ""
    output.results().print(f"[green]✓[/] {output.clean(target)}{rows}")
