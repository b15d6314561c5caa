"""`entrepot jobs`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import acting, options

if TYPE_CHECKING:
    from entrepot_client import Job

app = typer.Typer(help="Runs of imports: look, wait, answer.", no_args_is_help=True)

JobId = Annotated[str, typer.Argument(metavar="JOB", help="The job's id, or the beginning of it.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Do not wait for the job to rest.")]


@app.command("list")
def list_(
    state_is: Annotated[str | None, typer.Option("--is", metavar="STATE", help="Only jobs in this state.")] = None,
    *,
    contract: Annotated[
        str | None, typer.Option("--contract", metavar="NAME", help="Only jobs of this contract.")
    ] = None,
    limit: options.Limit = 20,
    service: options.Service = None,
    state: options.State = options.DEFAULT_STATE,
    dsn: options.Dsn = None,
    as_json: options.Json = False,
) -> None:
    """Jobs, newest first."""
    from cli import output
    from cli.service import session

    with session(service, state, dsn) as opened:
        found = list(opened.client.jobs.list(state=state_is, contract=contract, limit=limit))
    if as_json:
        output.document({"jobs": [job.data for job in found]})
        return
    columns = ("job", "state", "contract", "file", "read", "refused", "received")
    output.listing(columns, [_row(j) for j in found], right=("read", "refused"), markup=("state",), none="No jobs.")


@app.command()
def show(
    job: JobId,
    *,
    service: options.Service = None,
    state: options.State = options.DEFAULT_STATE,
    dsn: options.Dsn = None,
    as_json: options.Json = False,
) -> None:
    """One job: state, receipt, findings, what to do."""
    from cli import output, report
    from cli.service import session

    with session(service, state, dsn) as opened:
        found = acting.find(opened, job)
        if as_json:
            output.document(found.data)
        else:
            report.show(opened, found)


@app.command()
def watch(
    job: JobId,
    *,
    fail_on_quarantine: Annotated[
        bool, typer.Option("--fail-on-quarantine", help="Exit 1 when rows were refused.")
    ] = False,
    service: options.Service = None,
    state: options.State = options.DEFAULT_STATE,
    dsn: options.Dsn = None,
    as_json: options.Json = False,
) -> None:
    """Watch a job until it rests. Exits as `import` does."""
    acting.see_through(
        job, lambda _opened, found: found, service, state, dsn, as_json=as_json, strict=fail_on_quarantine
    )


@app.command()
def cancel(
    job: JobId,
    *,
    service: options.Service = None,
    state: options.State = options.DEFAULT_STATE,
    dsn: options.Dsn = None,
    as_json: options.Json = False,
) -> None:
    """Cancel a job; nothing of it stays. Too late once it is publishing."""
    from cli import output
    from cli.service import session

    with session(service, state, dsn) as opened:
        ended = opened.client.jobs.cancel(acting.find(opened, job).id)
        if ended.state != "cancelled":
            ended = ended.wait(timeout=60)
    if as_json:
        output.document(ended.data)
        return
    output.results().print(f"job [bold]{output.clean(ended.id)}[/] {output.state_text(ended.state)}")


@app.command()
def resume(
    job: JobId,
    *,
    no_wait: NoWait = False,
    service: options.Service = None,
    state: options.State = options.DEFAULT_STATE,
    dsn: options.Dsn = None,
    as_json: options.Json = False,
) -> None:
    """Go on with a failed job from where it stood."""
    acting.see_through(
        job, lambda o, j: o.client.jobs.resume(j.id), service, state, dsn, as_json=as_json, wait=not no_wait
    )


@app.command()
def approve(
    job: JobId,
    *,
    no_wait: NoWait = False,
    service: options.Service = None,
    state: options.State = options.DEFAULT_STATE,
    dsn: options.Dsn = None,
    as_json: options.Json = False,
) -> None:
    """Approve what a job waits for: its file, and every later one, is imported."""
    acting.see_through(
        job, lambda o, j: o.client.jobs.approve(j.id), service, state, dsn, as_json=as_json, wait=not no_wait
    )


@app.command()
def reject(
    job: JobId,
    *,
    service: options.Service = None,
    state: options.State = options.DEFAULT_STATE,
    dsn: options.Dsn = None,
    as_json: options.Json = False,
) -> None:
    """Reject what a job waits for: it ends refused."""
    from cli import output
    from cli.service import session

    with session(service, state, dsn) as opened:
        ended = opened.client.jobs.reject(acting.find(opened, job).id)
    if as_json:
        output.document(ended.data)
        return
    output.results().print(f"job [bold]{output.clean(ended.id)}[/] {output.state_text(ended.state)}")


@app.command()
def confirm(
    job: JobId,
    *,
    pairs: Annotated[
        list[str], typer.Option("--map", metavar="COLUMN=FIELD", help="This column feeds this field; repeat it.")
    ],
    no_wait: NoWait = False,
    service: options.Service = None,
    state: options.State = options.DEFAULT_STATE,
    dsn: options.Dsn = None,
    as_json: options.Json = False,
) -> None:
    """Say which column feeds which field; the job goes on with it."""
    mapping = dict(_pair(text) for text in pairs)
    acting.see_through(
        job, lambda o, j: o.client.jobs.confirm(j.id, mapping), service, state, dsn, as_json=as_json, wait=not no_wait
    )


@app.command()
def events(
    job: JobId,
    *,
    after: Annotated[int, typer.Option("--after", min=0, help="Only events after this number.")] = 0,
    service: options.Service = None,
    state: options.State = options.DEFAULT_STATE,
    dsn: options.Dsn = None,
    as_json: options.Json = False,
) -> None:
    """Every change of a job's state, in order and without gaps."""
    from cli import output
    from cli.service import session

    with session(service, state, dsn) as opened:
        found = list(opened.client.jobs.events(acting.find(opened, job).id, after=after))
    if as_json:
        output.document({"events": [vars(event) for event in found]})
        return
    rows = [(e.seq, e.at, output.state_text(e.state), _facts(e.detail)) for e in found]
    output.listing(("no.", "at", "state", "detail"), rows, right=("no.",), markup=("state",), none="No events.")


@app.command()
def quarantine(
    job: JobId,
    *,
    limit: options.Limit = 20,
    service: options.Service = None,
    state: options.State = options.DEFAULT_STATE,
    dsn: options.Dsn = None,
    as_json: options.Json = False,
) -> None:
    """Refused rows with their reasons."""
    from cli import output, report
    from cli.service import session

    with session(service, state, dsn) as opened:
        found = acting.find(opened, job)
        rows = list(found.quarantine(limit=limit))
        grouped = report.groups(opened.client, found.id)
    if as_json:
        output.document({"job_id": found.id, "rows": rows, "summary": [vars(g) for g in grouped]})
        return
    if grouped:
        output.results().print(report.findings_table(grouped))
    columns = ("row", "field", "value", "reason", "what to do")
    output.listing(columns, [cells for row in rows for cells in _refused(row)], right=("row",), none="No refused rows.")


@app.command()
def refused(
    job: JobId,
    *,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The CSV file to write; - for stdout.")],
    service: options.Service = None,
    state: options.State = options.DEFAULT_STATE,
    dsn: options.Dsn = None,
) -> None:
    """Write the refused rows as CSV: the partner's own columns, the row number, the reasons."""
    import sys

    from cli import files, output, paths
    from cli.service import session

    target = None if str(out) == "-" else paths.writable(out)
    with session(service, state, dsn) as opened:
        content = opened.client.jobs.refused(acting.find(opened, job).id)
    if target is None:
        sys.stdout.buffer.write(content)
        return
    files.replace(target, content)
    output.notes().print(f"[green]✓[/] {output.clean(out)}: {output.size(len(content))}")


def _pair(text: str) -> tuple[str, str]:
    """``COLUMN=FIELD``; the last = divides, since a column's name may hold one."""
    column, divider, name = text.rpartition("=")
    if not divider or not column:
        msg = f"{text!r} is not COLUMN=FIELD"
        raise typer.BadParameter(msg, param_hint="--map")
    return column, name


def _row(job: Job) -> tuple[object, ...]:
    from cli import output

    source = job.data.get("source") or {}
    receipt = job.receipt
    read = receipt.read if receipt else job.progress.read
    bad = receipt.quarantined if receipt else job.progress.quarantined
    received = str(job.data.get("received_at") or "")[:19].replace("T", " ")
    contract = job.data.get("contract")
    return (
        job.id,
        output.state_text(job.state),
        contract,
        source.get("name"),
        output.count(read),
        output.count(bad),
        received,
    )


def _refused(row: dict[str, Any]) -> list[tuple[object, ...]]:
    found = row.get("findings") or [{}]
    return [
        (
            row.get("row") if n == 0 else "",
            f.get("field"),
            f.get("value"),
            f.get("message") or f.get("code"),
            f.get("action"),
        )
        for n, f in enumerate(found)
    ]


def _facts(detail: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in detail.items())
