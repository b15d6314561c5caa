"""`entrepot inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import options

if TYPE_CHECKING:
    from rich.table import Table


def inspect(
    file: Annotated[Path, typer.Argument(help="The file to look at; the whole of it is read.")],
    *,
    format_: Annotated[str | None, typer.Option("--format", help="Read it strictly as this format.")] = None,
    as_json: options.Json = False,
) -> None:
    """Say what FILE is: format, dialect, columns with types, rows, doubts."""
    import entrepot
    from cli import output, paths

    path = paths.readable(file)
    with paths.naming(file):
        found = entrepot.inspect(path, format=format_)
    data: dict[str, Any] = found.model_dump(mode="json")
    if as_json:
        output.document(data)
        return
    console = output.results()
    console.print(_facts(data, file.name))
    columns = [(c["name"], c["type"], ", ".join(c.get("examples") or [])[:60]) for c in data.get("columns") or []]
    console.print(output.table(("column", "type", "examples"), columns))
    if len(data.get("tables") or []) > 1:
        tables = [(t["name"], t.get("rows"), len(t.get("columns") or [])) for t in data["tables"][:50]]
        console.print(output.table(("table", "rows", "columns"), tables))
    for doubt in data.get("doubts") or []:
        console.print(f"[yellow]note:[/] {output.clean(doubt)}", soft_wrap=True)


def _facts(data: dict[str, Any], name: str) -> Table:
    from rich import box
    from rich.table import Table

    from cli import output

    grid = Table(box=box.SIMPLE, show_header=False, pad_edge=False, title=output.clean(name), title_justify="left")
    grid.add_column(style="dim")
    grid.add_column(overflow="fold")
    dialect = data.get("dialect") or {}
    facts = {
        "container": data.get("container") or None,
        "members": len(data.get("members") or []) or None,
        "format": data.get("format"),
        "table": data.get("table") or None,
        "encoding": data.get("encoding"),
        "delimiter": _named(dialect.get("delimiter")),
        "quote": _named(dialect.get("quote")),
        "header rows": dialect.get("header_rows"),
        "rows": None if data.get("rows") is None else output.count(int(data["rows"])),
        "columns": len(data.get("columns") or []),
    }
    if len(data.get("tables") or []) > 1:
        facts["tables"] = len(data["tables"])
    for label, value in facts.items():
        if value is not None:
            grid.add_row(label, output.clean(value))
    return grid


def _named(char: object) -> str | None:
    names = {
        "\t": "tab",
        ",": "comma ,",
        ";": "semicolon ;",
        "|": "bar |",
        " ": "space",
        '"': 'double "',
        "'": "single '",
    }
    return None if char is None else names.get(str(char), str(char))
