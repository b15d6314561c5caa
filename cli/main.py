"""`entrepot`: the commands, and the one place where exceptions become messages and exit codes."""

from __future__ import annotations

import warnings
from typing import Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from cli import failure
from cli.commands import (
    collections,
    contracts,
    convert,
    database,
    doctor,
    imports,
    inspect,
    jobs,
    plans,
    rows,
    sample,
    schedules,
    templates,
    token,
    undo,
    up,
)


class Guarded(TyperGroup):
    """The root group: turns every exception into a line on stderr and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Runs the command.

        Raises:
            typer.Exit: With the exit code of DESIGN.md's interfaces.
        """
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise typer.Exit(failure.Code.INTERRUPTED) from None
        except (typer.Exit, typer.Abort, BrokenPipeError):
            raise  # typer's own, and `entrepot … | head`: typer ends both quietly
        except TyperException as error:
            raise _usage(error) from None
        except Exception as error:
            if failure.debugging():
                raise
            told = failure.explain(error) or failure.unexpected(error)
            failure.show(told)
            raise typer.Exit(told.code) from None


def _usage(error: TyperException) -> Exception:
    """Wrong usage, in one line that names the command's help; help itself passes as it is."""
    ctx = getattr(error, "ctx", None)
    if ctx is None or error.message == ctx.get_help():
        return error
    failure.show(failure.Failure(error.format_message(), hint=f"`{ctx.command_path} --help` shows what it takes."))
    return typer.Exit(error.exit_code)


app = typer.Typer(
    name="entrepot",
    cls=Guarded,
    help="Import files into PostgreSQL: every row exactly once, every refusal explained.",
    epilog="Exit codes: 0 published · 1 refused · 2 wrong usage · 3 failed · 4 awaiting a person · 130 interrupted.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    # Plain help: rich's would import Markdown, syntax highlighting and tracebacks before it prints a line.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command("import")(imports.import_)
app.command("inspect")(inspect.inspect)
app.command("convert")(convert.convert)
app.command("rows")(rows.rows)
app.command("undo")(undo.undo)
app.command("token")(token.token)
app.command("up")(up.up)
app.command("doctor")(doctor.doctor)
app.command("sample")(sample.sample)
app.add_typer(contracts.app, name="contracts")
jobs.app.command("plan")(plans.plan)
jobs.app.command("publish")(plans.publish)
app.add_typer(jobs.app, name="jobs")
app.add_typer(collections.app, name="collections")
app.add_typer(templates.app, name="templates")
app.add_typer(schedules.app, name="schedules")
app.add_typer(database.app, name="db")


def main() -> None:
    """The console script."""
    if not failure.debugging():
        # What a dependency deprecates is for us to read, not for the one who imports a file.
        warnings.simplefilter("ignore")
    app(prog_name="entrepot")


if __name__ == "__main__":
    main()
