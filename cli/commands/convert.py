"""`entrepot convert`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import options
from cli.options import Arrays

if TYPE_CHECKING:
    from entrepot.formats.reading import ReadOptions


def convert(
    source: Annotated[Path, typer.Argument(metavar="SRC", help="The file to read.")],
    *,
    target: Annotated[Path, typer.Argument(metavar="DST", help="The file to write; its ending says the format.")],
    format_: Annotated[
        str | None, typer.Option("--format", help="Format of DST, when its ending does not say.")
    ] = None,
    table: Annotated[
        str | None, typer.Option("--table", help="Sheet, member or table, by name or number; * for all of them.")
    ] = None,
    path: Annotated[
        str | None, typer.Option("--path", help="Of XML, the element that repeats; of JSON, the array of records.")
    ] = None,
    arrays: Annotated[Arrays | None, typer.Option("--arrays", help="Arrays inside a record.")] = None,
    write: Annotated[
        list[str] | None,
        typer.Option("--write", metavar="NAME=VALUE", help="Option of DST's writer, such as dialect=mysql."),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Convert SRC into DST, cell for cell."""
    import entrepot
    from cli import output, pairs, paths

    chosen: Any = int(table) if table is not None and table.isdecimal() else table
    before, after = paths.readable(source), paths.writable(target)
    with paths.naming(source):
        done = entrepot.convert(
            before,
            after,
            format=format_,
            table=chosen,
            options=_reading(path, arrays),
            write=_values(pairs.texts(write or [], "--write")),
        )
    data: dict[str, Any] = done.model_dump(mode="json")
    if as_json:
        output.document(data)
        return
    for doubt in [*data["doubts"], *data["notes"]]:
        output.notes().print(f"[yellow]note:[/] {output.clean(doubt)}", soft_wrap=True)
    rows = f": {output.count(int(data['rows']))} rows" if data.get("rows") is not None else ""
    output.results().print(f"[green]✓[/] {output.clean(target)}{rows}")


def _reading(path: str | None, arrays: Arrays | None) -> ReadOptions | None:
    if path is None and arrays is None:
        return None
    from entrepot.formats.reading import ReadOptions

    return ReadOptions(path=path, arrays=arrays.value if arrays else "keep")


def _values(given: dict[str, str]) -> dict[str, Any]:
    """Options as their writers take them: yes and no, numbers, and words."""
    plain = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
    return {k: plain.get(v.lower(), int(v) if v.isdecimal() else v) for k, v in given.items()}
