"""`entrepot contracts`: a dataset's agreed shape."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import options

if TYPE_CHECKING:
    from entrepot_client import StoredContract

app = typer.Typer(help="A dataset's agreed shape: its versions, drafts and approval.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The contract's name.")]


@app.command()
def infer(
    file: Annotated[Path, typer.Argument(help="The file to look at; the whole of it is read.")],
    *,
    key: Annotated[str | None, typer.Option("--key", metavar="A,B", help="Fields that identify a row.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="Name; otherwise the file's stem.")] = None,
    table: Annotated[str | None, typer.Option("--table", help="Sheet, member or table, by name or number.")] = None,
) -> None:
    """Write a contract for FILE as YAML on stdout. It refuses nothing in that same file."""
    import sys

    from cli import inference, output, paths

    path = paths.readable(file)
    with paths.naming(file):
        contract = inference.infer(path, name=name, key=inference.key_fields(key), table=table)
    sys.stdout.write(inference.to_yaml(contract))
    for doubt in inference.doubts(inference.to_data(contract)):
        output.notes().print(f"[yellow]note:[/] {output.clean(doubt)}", soft_wrap=True)


@app.command("list")
def list_(
    *,
    service: options.Service = None,
    state: options.State = options.DEFAULT_STATE,
    dsn: options.Dsn = None,
    as_json: options.Json = False,
) -> None:
    """All contracts."""
    from cli import output
    from cli.service import session

    with session(service, state, dsn) as opened:
        found = list(opened.client.contracts.list())
    if as_json:
        output.document({"contracts": [c.data for c in found]})
        return
    rows = [(c.name, c.version, _status(c), _target(c), len(c.contract.get("fields") or [])) for c in found]
    output.listing(
        ("name", "version", "status", "target", "fields"), rows, right=("version", "fields"), none="No contracts yet."
    )


@app.command()
def show(
    name: Name,
    *,
    version: Annotated[int | None, typer.Option("--version", help="This version instead of the latest.")] = None,
    service: options.Service = None,
    state: options.State = options.DEFAULT_STATE,
    dsn: options.Dsn = None,
    as_json: options.Json = False,
) -> None:
    """One contract as YAML."""
    from cli import inference, output
    from cli.service import session

    with session(service, state, dsn) as opened:
        found = opened.client.contracts.get(name, version)
    if as_json:
        output.document(found.data)
        return
    output.notes().print(f"[dim]# version {found.version}, {_status(found)}[/]")
    output.results().print(inference.data_to_yaml(found.contract), end="", markup=False, soft_wrap=True)


@app.command()
def put(
    file: Annotated[Path, typer.Argument(help="The contract, as YAML or JSON.")],
    *,
    draft: Annotated[bool, typer.Option("--draft", help="Store it as a draft, to be approved by someone.")] = False,
    service: options.Service = None,
    state: options.State = options.DEFAULT_STATE,
    dsn: options.Dsn = None,
    as_json: options.Json = False,
) -> None:
    """Store FILE as a new version of the contract it names."""
    from cli import documents, inference
    from cli.service import session
    from entrepot.model.contract import Contract

    contract = documents.load(file, Contract)
    with session(service, state, dsn) as opened:
        stored = opened.client.contracts.put(inference.to_data(contract), draft=draft)
    _report(stored, "stored as a draft" if draft else "stored", as_json=as_json)


@app.command()
def approve(
    name: Name,
    *,
    version: Annotated[int | None, typer.Option("--version", help="This version instead of the latest.")] = None,
    service: options.Service = None,
    state: options.State = options.DEFAULT_STATE,
    dsn: options.Dsn = None,
    as_json: options.Json = False,
) -> None:
    """Approve a draft: from now on files are imported by it."""
    from cli.service import session

    with session(service, state, dsn) as opened:
        chosen = version or int(opened.client.contracts.get(name).data.get("latest") or 1)
        stored = opened.client.contracts.approve(name, chosen)
    _report(stored, "approved", as_json=as_json)


@app.command()
def pause(
    name: Name,
    *,
    service: options.Service = None,
    state: options.State = options.DEFAULT_STATE,
    dsn: options.Dsn = None,
    as_json: options.Json = False,
) -> None:
    """Hold every new delivery for this contract."""
    from cli.service import session

    with session(service, state, dsn) as opened:
        stored = opened.client.contracts.pause(name)
    _report(stored, "paused", as_json=as_json)


@app.command()
def unpause(
    name: Name,
    *,
    service: options.Service = None,
    state: options.State = options.DEFAULT_STATE,
    dsn: options.Dsn = None,
    as_json: options.Json = False,
) -> None:
    """Let deliveries in again."""
    from cli.service import session

    with session(service, state, dsn) as opened:
        stored = opened.client.contracts.unpause(name)
    _report(stored, "unpaused", as_json=as_json)


@app.command()
def delete(
    name: Name,
    *,
    service: options.Service = None,
    state: options.State = options.DEFAULT_STATE,
    dsn: options.Dsn = None,
    as_json: options.Json = False,
) -> None:
    """Take a contract out of use; its versions stay for the jobs that had them."""
    from cli import stored
    from cli.service import session

    with session(service, state, dsn) as opened:
        opened.client.contracts.delete(name)
    stored.report({"name": name, "deleted": True}, "contract", "deleted", as_json=as_json)


def _report(stored: StoredContract, done: str, *, as_json: bool) -> None:
    from cli import output

    if as_json:
        output.document(stored.data)
        return
    output.results().print(f"[green]✓[/] contract [bold]{output.clean(stored.name)}[/] version {stored.version} {done}")


def _status(contract: StoredContract) -> str:
    return f"{contract.status}{', paused' if contract.paused else ''}"


def _target(contract: StoredContract) -> str:
    return str(contract.contract.get("target") or f"public.{contract.name}")
