"""`entrepot jobs plan` and `entrepot jobs publish`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import acting, options
from cli.commands.jobs import JobId, NoWait

PAGE = 50
"""Rows that are shown unless all are asked for."""


def plan(
    job: JobId,
    *,
    action: Annotated[
        str, typer.Option("--action", metavar="ACTION", help="Only rows of this action: insert, update, remove …")
    ] = "",
    all_: Annotated[bool, typer.Option("--all", help=f"Every row, not only the first {PAGE}.")] = False,
    service: options.Service = None,
    state: options.State = options.DEFAULT_STATE,
    dsn: options.Dsn = None,
    as_json: options.Json = False,
) -> None:
    """What a job that waits would do: counts, then row by row what is there now and what will be."""
    from dataclasses import asdict

    from cli import output, plans
    from cli.service import session

    with session(service, state, dsn) as opened:
        found = acting.find(opened, job)
        made = opened.client.jobs.plan(found.id)
        rows = list(opened.client.jobs.planned(found.id, action=action, limit=None if all_ else PAGE + 1))
        where = opened.where
    shown = rows if all_ else rows[:PAGE]
    more = len(rows) > len(shown)
    if as_json:
        rest = {"more": more, "rows": [asdict(row) for row in shown]}
        output.document({"job_id": found.id, "state": found.state, "plan": made.data, **rest})
        return
    plans.show(found, made)
    if shown:
        output.results().print(plans.diff(shown))
    if more:
        output.notes().print(f"[dim]the first {PAGE} rows; --all shows every one[/]")
    output.notes().print(
        f"  [cyan]→[/] publish exactly this: [bold]entrepot jobs publish {found.id}{output.clean(where)}[/]",
        soft_wrap=True,
    )


def publish(
    job: JobId,
    *,
    hash_: Annotated[
        str | None, typer.Option("--hash", metavar="HASH", help="Publish the plan of this hash without asking.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Publish the plan as it is now without asking.")] = False,
    no_wait: NoWait = False,
    service: options.Service = None,
    state: options.State = options.DEFAULT_STATE,
    dsn: options.Dsn = None,
    as_json: options.Json = False,
) -> None:
    """Publish exactly the plan that a job waits with; nothing, when its rows have changed since."""
    from cli import interrupt, output, plans
    from cli.failure import Code, Failure
    from cli.importing import confirmed
    from cli.service import session

    with interrupt.sigterm_too(), session(service, state, dsn) as opened:
        found = acting.find(opened, job)
        wanted = hash_
        if wanted is None:
            made = found.plan
            if made is None or found.question != "plan":
                msg = f"Job {found.id} is {found.state.replace('_', ' ')}: there is no plan to publish."
                raise Failure(msg, hint=f"`entrepot jobs show {found.id}{opened.where}` says how it stands.")
            if not as_json:
                plans.show(found, made)
            if not yes and not confirmed("Publish exactly this?"):
                msg = f"Job {found.id} waits: its plan was not published."
                hint = f"`entrepot jobs publish {found.id} --yes{opened.where}`, or --hash {made.hash}."
                raise Failure(msg, hint=hint, code=Code.AWAITING)
            wanted = made.hash
        published = opened.client.jobs.publish(found.id, wanted)
        if not as_json:
            output.notes().print(f"[dim]plan {output.clean(wanted)}[/]")
        code = acting.finish(opened, published, as_json=as_json, wait=not no_wait)
    raise typer.Exit(code)
