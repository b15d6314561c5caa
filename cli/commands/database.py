"""`entrepot db`."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(help="Entrepot's own tables in the target database.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Entrepot's own tables in the target database."""


@app.command()
def init(
    dsn: Annotated[
        str | None, typer.Option("--dsn", metavar="DSN", envvar="ENTREPOT_DSN", help="The database.")
    ] = None,
    *,
    print_: Annotated[bool, typer.Option("--print", help="Print the SQL for a DBA instead of running it.")] = False,
    role: Annotated[
        str, typer.Option("--role", help="In the printed SQL: the role that Entrepot connects as.")
    ] = "entrepot",
    schema: Annotated[
        list[str] | None,
        typer.Option("--schema", help="In the printed SQL: a schema of target tables (default public); repeat it."),
    ] = None,
) -> None:
    """Create or migrate the schemas entrepot and entrepot_staging. Safe to repeat."""
    import sys

    from cli import books, output
    from cli.failure import Failure
    from entrepot.adapters.postgres import migrate

    if print_:
        sys.stdout.write(f"{migrate.migration_sql()}\n{migrate.grants_sql(role, schema)}")
        return
    if dsn is None:
        msg = "db init needs a database."
        raise Failure(msg, hint="Give --dsn, or --print to see the SQL.")
    applied = books.migrate(dsn)
    done = f"applied {', '.join(applied)}" if applied else "up to date, nothing to do"
    output.results().print(f"[green]✓[/] {output.clean(done)}")
