"""`entrepot rows`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import options


def rows(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The contract's name.")],
    *,
    limit: Annotated[int, typer.Option("--limit", min=1, max=200, help="At most so many.")] = 20,
    service: options.Service = None,
    state: options.State = options.DEFAULT_STATE,
    dsn: options.Dsn = None,
    as_json: options.Json = False,
) -> None:
    """Show rows of a contract's table."""
    from cli import output
    from cli.service import session

    with session(service, state, dsn) as opened:
        found = opened.client.rows(name, limit=limit)
    if as_json:
        output.document(vars(found))
        return
    output.listing(found.columns, found.rows, none=f"{name} has no rows.")
    if found.rows:
        shown = output.count(len(found.rows))
        output.notes().print(f"[dim]{shown} of {output.count(found.count)} rows[/]")
