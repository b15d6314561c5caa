"""`entrepot collections`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cli import options

app = typer.Typer(help="Files kept under one manifest, commit by commit.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The collection's name.")]
CommitId = Annotated[str, typer.Option("--commit", metavar="ID", help="As it was then; as it is, when left out.")]


@app.command("list")
def list_(
    *,
    service: options.Service = None,
    state: options.State = options.DEFAULT_STATE,
    dsn: options.Dsn = None,
    as_json: options.Json = False,
) -> None:
    """All collections."""
    from cli import output
    from cli.service import session

    with session(service, state, dsn) as opened:
        names = opened.client.collections.list()
    if as_json:
        output.document({"collections": names})
        return
    output.listing(("name",), [(name,) for name in names], none="No collections yet.")


@app.command()
def show(
    name: Name,
    *,
    prefix: Annotated[str, typer.Option("--prefix", help="Only paths that begin so.")] = "",
    commit: CommitId = "",
    log: Annotated[bool, typer.Option("--log", help="The commits, newest first, instead of the files.")] = False,
    limit: options.Limit = 100,
    service: options.Service = None,
    state: options.State = options.DEFAULT_STATE,
    dsn: options.Dsn = None,
    as_json: options.Json = False,
) -> None:
    """The files of a collection, or its commits."""
    from itertools import islice

    from cli import output
    from cli.service import session

    with session(service, state, dsn) as opened:
        found = opened.client.collections
        head = found.head(name)
        if log:
            items = list(islice(found.commits(name), limit))
        else:
            items = list(islice(found.objects(name, prefix=prefix, commit=commit), limit))
    if as_json:
        output.document({"name": name, "head": head, "commits" if log else "objects": items})
        return
    if log:
        columns = ("id", "at", "actor", "objects", "message")
        rows = [tuple(str(item.get(c) or "") for c in columns) for item in items]
        output.listing(columns, rows, right=("objects",), none="No commits.")
        return
    rows = [(item["path"], output.size(int(item["size"])), item["digest"][:12]) for item in items]
    output.listing(("path", "size", "sha-256"), rows, right=("size",), none="No files.")
    output.notes().print(f"[dim]{output.count(head['objects'])} files in all, commit {output.clean(head['id'])}[/]")


@app.command()
def commit(
    name: Name,
    files: Annotated[list[str], typer.Argument(metavar="FILE…", help="Files, folders, patterns or URIs.")],
    *,
    replace: Annotated[bool, typer.Option("--replace", help="Leave only these files in the collection.")] = False,
    message: Annotated[str, typer.Option("--message", "-m", help="A note kept with the commit.")] = "",
    meta: Annotated[
        list[str] | None, typer.Option("--meta", metavar="KEY=VALUE", help="Kept with the commit; repeat it.")
    ] = None,
    service: options.Service = None,
    state: options.State = options.DEFAULT_STATE,
    dsn: options.Dsn = None,
    as_json: options.Json = False,
) -> None:
    """Copy files into a collection, all or none of them; the first commit makes it."""
    from cli import given, output, pairs, progress, report
    from cli.service import session

    several = given.Several(given.look(files))
    with session(service, state, dsn, roots=several.roots) as opened:
        job = opened.client.collections.commit(
            name,
            _sources(opened, several, name),
            mode="replace" if replace else "add",
            message=message,
            metadata=pairs.texts(meta or [], "--meta"),
        )
        job = progress.follow(opened.client, job)
        code = report.exit_code(job)
    if as_json:
        output.document({"job_id": job.id, "state": job.state, "exit_code": int(code), **job.data})
    else:
        _show(name, job)
    raise typer.Exit(int(code))


def _sources(opened: Any, several: Any, name: str) -> list[Any]:
    """Files by where they lie, when the service can read them there; uploaded otherwise."""
    from cli import progress

    sources: list[Any] = []
    for item in several.items:
        if item.path is None:
            sources.append(item.uri)
        elif opened.reads(item.path):
            sources.append(item.path.as_uri() + ("/" if item.is_folder else ""))
        else:
            for file, path in item.files():
                with progress.sending(path) as sent:
                    held = opened.client.imports.hold(file, contract=name, on_bytes=sent)
                sources.append({"upload": held, "name": path})
    return sources


def _show(name: str, job: Any) -> None:
    from cli import output

    console, receipt = output.results(), job.data.get("receipt") or {}
    counts = {k: int(receipt.get(k) or 0) for k in ("inserted", "updated", "unchanged", "removed")}
    told = dict(zip(("added", "changed", "unchanged", "removed"), counts.values(), strict=True))
    line = ", ".join(f"{output.count(v)} {k}" for k, v in told.items() if v) or "nothing"
    console.print(f"[bold]{output.clean(name)}[/] {output.state_text(job.state)} [dim]commit {job.id}[/]: {line}")
    if job.error and not job.published:
        console.print(f"[red]{output.clean(job.error.get('message', ''))}[/]", soft_wrap=True)
        if job.error.get("hint"):
            console.print(f"  [cyan]→[/] {output.clean(job.error['hint'])}", soft_wrap=True)


@app.command()
def get(
    name: Name,
    path: Annotated[str, typer.Argument(help="The file's path in the collection.")],
    *,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Where to write it; stdout when left out.")
    ] = None,
    commit: CommitId = "",
    service: options.Service = None,
    state: options.State = options.DEFAULT_STATE,
    dsn: options.Dsn = None,
) -> None:
    """Read one file of a collection."""
    import sys

    from cli import output, paths
    from cli.service import session

    target = paths.writable(out) if out else None
    with session(service, state, dsn) as opened:
        blocks = opened.client.collections.stream(name, path, commit=commit)
        if target is None:
            for block in blocks:
                sys.stdout.buffer.write(block)
            return
        opened.client.collections.download(name, path, target, commit=commit)
    output.notes().print(f"wrote {target}", style="dim", markup=False)


@app.command()
def export(
    name: Name,
    to: Annotated[str, typer.Argument(help="A folder below the tenant's part of the outbox.")],
    *,
    commit: CommitId = "",
    service: options.Service = None,
    state: options.State = options.DEFAULT_STATE,
    dsn: options.Dsn = None,
    as_json: options.Json = False,
) -> None:
    """Lay the files of a collection below a folder of the outbox."""
    from cli import output, progress, report
    from cli.service import session

    with session(service, state, dsn) as opened:
        job = progress.follow(opened.client, opened.client.collections.export(name, to, commit=commit))
        code = report.exit_code(job)
    if as_json:
        output.document({"job_id": job.id, "state": job.state, "exit_code": int(code), **job.data})
    else:
        _show(name, job)
    raise typer.Exit(int(code))
