"""`entrepot up`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli import options


def up(
    port: Annotated[
        int, typer.Option("--port", min=0, max=65_535, help="Port of the API; another is taken when it is busy.")
    ] = options.DEFAULT_PORT,
    *,
    watch: Annotated[
        Path | None, typer.Option("--watch", metavar="DIR", help="A folder that acts as the inbox.")
    ] = None,
    root: Annotated[
        list[Path] | None,
        typer.Option("--root", metavar="DIR", help="A folder that file:// sources may name; repeat it."),
    ] = None,
    state: options.State = options.DEFAULT_STATE,
    aws_port: Annotated[int, typer.Option("--aws-port", min=0, max=65_535, help="Port of the AWS endpoint.")] = 4566,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log what happens inside.")] = False,
    dsn: Annotated[
        str | None, typer.Option("--dsn", metavar="DSN", help="This PostgreSQL database instead of an embedded one.")
    ] = None,
) -> None:
    """Run the one-machine cloud until Ctrl-C."""
    from cli.failure import Failure
    from local import main

    for option, folder in (("--watch", watch), *(("--root", r) for r in root or [])):
        if folder is not None and not folder.is_dir():
            msg = f"{option} {folder} is not a folder."
            raise Failure(msg, hint="Make it first.")
    roots = tuple(r.resolve() for r in root or [])
    raise typer.Exit(main.up(state, port=aws_port, api_port=port, watch=watch, roots=roots, dsn=dsn, verbose=verbose))
