"""`entrepot templates`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli import options

app = typer.Typer(help="Saved import configurations for recurring exchanges.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The template's name.")]


@app.command("list")
def list_(
    *,
    service: options.Service = None,
    state: options.State = options.DEFAULT_STATE,
    dsn: options.Dsn = None,
    as_json: options.Json = False,
) -> None:
    """All templates."""
    from cli import output, stored
    from cli.service import session

    with session(service, state, dsn) as opened:
        found = list(opened.client.templates.list())
    if as_json:
        output.document({"templates": found})
        return
    rows = [output.pick(stored.inner(item, "template"), "name", "version", "contract", "description") for item in found]
    output.listing(("name", "version", "contract", "description"), rows, right=("version",), none="No templates yet.")


@app.command()
def show(
    name: Name,
    *,
    service: options.Service = None,
    state: options.State = options.DEFAULT_STATE,
    dsn: options.Dsn = None,
    as_json: options.Json = False,
) -> None:
    """One template as YAML."""
    from cli import stored
    from cli.service import session

    with session(service, state, dsn) as opened:
        found = opened.client.templates.get(name)
    stored.show(found, "template", as_json=as_json)


@app.command()
def put(
    file: Annotated[Path, typer.Argument(help="The template, as YAML or JSON.")],
    *,
    service: options.Service = None,
    state: options.State = options.DEFAULT_STATE,
    dsn: options.Dsn = None,
    as_json: options.Json = False,
) -> None:
    """Store FILE as a new version of the template it names."""
    from cli import documents, stored
    from cli.service import session
    from entrepot.model.config import Template

    template = documents.load(file, Template)
    with session(service, state, dsn) as opened:
        done = opened.client.templates.put(template.model_dump(mode="json", exclude_defaults=True))
    stored.report(done, "template", "stored", as_json=as_json)


@app.command()
def delete(
    name: Name,
    *,
    service: options.Service = None,
    state: options.State = options.DEFAULT_STATE,
    dsn: options.Dsn = None,
    as_json: options.Json = False,
) -> None:
    """Take a template out of use."""
    from cli import stored
    from cli.service import session

    with session(service, state, dsn) as opened:
        opened.client.templates.delete(name)
    stored.report({"name": name, "deleted": True}, "template", "deleted", as_json=as_json)
