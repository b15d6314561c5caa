"""`entrepot doctor`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import options

if TYPE_CHECKING:
    from cli.doctor.result import Finding

SIGNS = {"ok": "[green]✓[/]", "note": "[yellow]![/]", "bad": "[red]✗[/]"}


def doctor(
    deployment: Annotated[
        bool,
        typer.Option(
            "--deployment", help="Send a canary file through the service, check receipt and rows, take them back."
        ),
    ] = False,
    *,
    port: Annotated[
        int, typer.Option("--port", min=1, max=65_535, help="Port that `up` would use.")
    ] = options.DEFAULT_PORT,
    service: options.Service = None,
    state: options.State = options.DEFAULT_STATE,
    as_json: options.Json = False,
) -> None:
    """Say what is wrong on this machine or deployment, and how to mend it."""
    from cli import output
    from cli.failure import Code

    found = _show(_deployment(service, state) if deployment else _all(service, state, port), quiet=as_json)
    broken = [finding for finding in found if finding.level == "bad"]
    if as_json:
        output.document({"healthy": not broken, "findings": [vars(finding) for finding in found]})
    elif broken:
        output.results().print(f"\n[red]{len(broken)} to mend.[/]")
    else:
        output.results().print("\n[green]All is well.[/]")
    raise typer.Exit(Code.FAILED if broken else Code.DONE)


def _all(service: str | None, state: Path, port: int) -> Iterator[Finding]:
    """This machine, and the service if there is one."""
    from cli.doctor import machine
    from cli.doctor import service as remote_service
    from cli.doctor.result import bad, note
    from cli.failure import Failure
    from cli.service import attach, find_running, remote

    if not service:
        yield from machine.look(state, port)
    running = None if service else find_running(state)
    if service:
        try:
            yield from remote_service.look(remote(service))
        except Failure as failure:
            yield bad("token", failure.message, failure.hint)
    elif running:
        yield from remote_service.look(attach(running, state))
    else:
        yield note("service", "no local cloud runs", "`entrepot up` starts one; `entrepot import` starts its own.")


def _deployment(service: str | None, state: Path) -> Iterator[Finding]:
    from cli.doctor import canary
    from cli.doctor import service as remote_service
    from cli.service import session

    with session(service, state) as opened:
        reached = True
        for finding in remote_service.look(opened):
            reached = reached and finding.level != "bad"
            yield finding
        if reached:
            yield from canary.fly(opened)


def _show(findings: Iterable[Finding], *, quiet: bool) -> list[Finding]:
    """Prints findings as they come, and keeps them."""
    from cli import output

    console = output.notes() if quiet else output.results()
    seen = []
    for finding in findings:
        seen.append(finding)
        console.print(f"{SIGNS[finding.level]} {finding.name:<20} {output.clean(finding.text)}", soft_wrap=True)
        if finding.mend:
            console.print(f"  [cyan]→[/] {output.clean(finding.mend)}", soft_wrap=True)
    return seen
