"""`entrepot undo`."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from cli import acting, options

if TYPE_CHECKING:
    from cli.service import Session
    from entrepot_client import Job


def undo(
    job: Annotated[
        str | None, typer.Argument(metavar="[JOB]", help="The published job, or the beginning of its id.")
    ] = None,
    *,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="TIME", help="Take back every job of --table since this local time (ISO)."),
    ] = None,
    table: Annotated[
        str | None, typer.Option("--table", metavar="SCHEMA.TABLE", help="The table that --to takes back.")
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Stop with the plan of the undo; `jobs publish` goes on with it.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask on a terminal.")] = False,
    message: Annotated[str, typer.Option("--message", "-m", help="A note kept with the receipt.")] = "",
    service: options.Service = None,
    state: options.State = options.DEFAULT_STATE,
    dsn: options.Dsn = None,
    as_json: options.Json = False,
) -> None:
    """Take a published job back: its rows go, former values return, rows edited since are kept and listed."""
    from cli import interrupt, plans
    from cli.importing import confirmed, interactive
    from cli.service import session

    moment = _asked(job, to, table)
    ask = not (plan or yes or as_json) and interactive()
    with interrupt.sigterm_too(), session(service, state, dsn) as opened:
        jobs = opened.client.jobs
        if job is not None:
            made = jobs.undo(_published(opened, job), plan=plan or ask, message=message)
        else:
            made = jobs.undo_to(str(table), moment, plan=plan or ask, message=message)
        if ask:
            made = acting.rest(opened, made)
            if made.question == "plan" and made.plan is not None:
                plans.show(made, made.plan)
                said = confirmed("Take exactly this back?")
                made = made.publish() if said else jobs.reject(made.id)
        code = acting.finish(opened, made, as_json=as_json)
    raise typer.Exit(code)


def _asked(job: str | None, to: str | None, table: str | None) -> str:
    """The moment to go back to in UTC; empty when a job is named.

    Raises:
        typer.BadParameter: The options do not fit together, or the time is none.
    """
    if (job is None) == (to is None):
        msg = "name either a JOB, or a time with --to and a table with --table"
        raise typer.BadParameter(msg)
    if (to is None) != (table is None):
        msg = "--to and --table go together"
        raise typer.BadParameter(msg)
    if to is None:
        return ""
    try:
        moment = datetime.fromisoformat(to)
    except ValueError:
        msg = f"{to!r} is not an ISO date and time, like 2026-11-20T18:00"
        raise typer.BadParameter(msg, param_hint="--to") from None
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _published(opened: Session, text: str) -> str:
    """The job's id. A whole id that this service never saw may still be in the target's own books."""
    from cli.failure import Failure

    try:
        found: Job = acting.find(opened, text)
    except Failure:
        if re.fullmatch(r"[a-z0-9]{26}", text):
            return text
        raise
    return found.id
