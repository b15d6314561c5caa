"""`entrepot schedules`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cli import options

app = typer.Typer(help="Recurring imports: when, from where, by which template.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The schedule's name.")]


@app.command("list")
def list_(
    *,
    service: options.Service = None,
    state: options.State = options.DEFAULT_STATE,
    dsn: options.Dsn = None,
    as_json: options.Json = False,
) -> None:
    """All schedules."""
    from cli import output, stored
    from cli.service import session

    with session(service, state, dsn) as opened:
        found = list(opened.client.schedules.list())
    if as_json:
        output.document({"schedules": found})
        return
    rows = [_row(stored.inner(item, "schedule")) for item in found]
    output.listing(("name", "when", "time zone", "source", "template", "state"), rows, none="No schedules yet.")


@app.command()
def show(
    name: Name,
    *,
    service: options.Service = None,
    state: options.State = options.DEFAULT_STATE,
    dsn: options.Dsn = None,
    as_json: options.Json = False,
) -> None:
    """One schedule as YAML."""
    from cli import stored
    from cli.service import session

    with session(service, state, dsn) as opened:
        found = opened.client.schedules.get(name)
    stored.show(found, "schedule", as_json=as_json)


@app.command()
def put(
    file: Annotated[Path, typer.Argument(help="The schedule, as YAML or JSON.")],
    *,
    service: options.Service = None,
    state: options.State = options.DEFAULT_STATE,
    dsn: options.Dsn = None,
    as_json: options.Json = False,
) -> None:
    """Store FILE as a new version of the schedule it names."""
    from cli import documents, stored
    from cli.service import session
    from entrepot.model.config import Schedule

    schedule = documents.load(file, Schedule)
    with session(service, state, dsn) as opened:
        done = opened.client.schedules.put(schedule.model_dump(mode="json", exclude_defaults=True))
    stored.report(done, "schedule", "stored", as_json=as_json)


@app.command()
def delete(
    name: Name,
    *,
    service: options.Service = None,
    state: options.State = options.DEFAULT_STATE,
    dsn: options.Dsn = None,
    as_json: options.Json = False,
) -> None:
    """Take a schedule out of use."""
    from cli import stored
    from cli.service import session

    with session(service, state, dsn) as opened:
        opened.client.schedules.delete(name)
    stored.report({"name": name, "deleted": True}, "schedule", "deleted", as_json=as_json)


@app.command()
def pause(
    name: Name,
    *,
    service: options.Service = None,
    state: options.State = options.DEFAULT_STATE,
    dsn: options.Dsn = None,
    as_json: options.Json = False,
) -> None:
    """Keep a schedule from firing."""
    from cli import stored
    from cli.service import session

    with session(service, state, dsn) as opened:
        done = opened.client.schedules.pause(name)
    stored.report(done, "schedule", "paused", as_json=as_json)


@app.command()
def unpause(
    name: Name,
    *,
    service: options.Service = None,
    state: options.State = options.DEFAULT_STATE,
    dsn: options.Dsn = None,
    as_json: options.Json = False,
) -> None:
    """Let a schedule fire again."""
    from cli import stored
    from cli.service import session

    with session(service, state, dsn) as opened:
        done = opened.client.schedules.unpause(name)
    stored.report(done, "schedule", "unpaused", as_json=as_json)


def _row(schedule: dict[str, Any]) -> list[Any]:
    from cli import output

    state = "on" if schedule.get("enabled", True) else "paused"
    return [*output.pick(schedule, "name", "expression", "timezone", "source", "template"), state]
