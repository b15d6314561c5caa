"""`entrepot import`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import options
from cli.options import Arrays

if TYPE_CHECKING:
    from cli.importing import Request

MODES = ("append", "upsert", "insert-only", "update-only", "replace", "delete-missing", "history", "feed")


def _mode(value: str | None) -> str | None:
    if value is not None and value not in MODES:
        msg = f"{value!r} is not one of {', '.join(MODES)}"
        raise typer.BadParameter(msg)
    return value


def _condition(value: str) -> str:
    if value and value != "empty" and not re.fullmatch("unchanged(:.{1,128})?", value):
        msg = f"{value!r} is neither empty nor unchanged nor unchanged:JOB"
        raise typer.BadParameter(msg)
    return value


def import_(
    file: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE…",
            help="A file, or a URI that the service may read; several, folders and patterns make one import.",
        ),
    ],
    *,
    contract: Annotated[
        str | None,
        typer.Option(
            "--contract",
            metavar="NAME|FILE.yaml",
            help="The contract. Otherwise the one named like the file, or one inferred from it.",
        ),
    ] = None,
    template: Annotated[str | None, typer.Option("--template", metavar="NAME", help="A saved configuration.")] = None,
    mode: Annotated[
        str | None,
        typer.Option(
            "--mode",
            callback=_mode,
            metavar="|".join(MODES),
            help="How rows change the table (default upsert with a key, else append).",
        ),
    ] = None,
    table: Annotated[
        str | None, typer.Option("--table", metavar="SCHEMA.TABLE", help="Target table of an inferred contract.")
    ] = None,
    key: Annotated[str | None, typer.Option("--key", metavar="A,B", help="Key of an inferred contract.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Approve an inferred contract without asking.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Import again although this delivery was published before.")
    ] = False,
    fail_on_quarantine: Annotated[
        bool, typer.Option("--fail-on-quarantine", help="Refuse the whole file when a row of it is refused (exit 1).")
    ] = False,
    message: Annotated[str, typer.Option("--message", "-m", help="A note kept with the receipt.")] = "",
    meta: Annotated[
        list[str] | None, typer.Option("--meta", metavar="KEY=VALUE", help="Kept with the receipt; repeat it.")
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Stop before publish with the exact plan (exit 4); `jobs publish` goes on.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="The same as --plan: the plan waits.")] = False,
    slice_: Annotated[
        list[str] | None,
        typer.Option(
            "--slice",
            metavar="FIELD=VALUE",
            help="Only this part of the table: rows with this value, or in a range like [0, 100); repeat it.",
        ),
    ] = None,
    only_if: Annotated[
        str,
        typer.Option("--only-if", callback=_condition, metavar="empty|unchanged[:JOB]", help="Else it is refused."),
    ] = "",
    priority: Annotated[
        int | None, typer.Option("--priority", min=0, max=9, help="9 goes first when jobs wait (default 5).")
    ] = None,
    incremental: Annotated[
        bool, typer.Option("--incremental", help="Of one folder or prefix, only what is new since the last import.")
    ] = False,
    merge: Annotated[
        str | None,
        typer.Option(
            "--merge",
            metavar="A,B",
            help="Rows of one key become one: per field the first value by these files' order (names, or places).",
        ),
    ] = None,
    delimiter: Annotated[
        str | None, typer.Option("--delimiter", help="The character between cells, when it is not found by itself.")
    ] = None,
    encoding: Annotated[
        str | None, typer.Option("--encoding", help="The file's encoding, when it is not found by itself.")
    ] = None,
    format_: Annotated[
        str | None, typer.Option("--format", help="Read FILE as this format, when its content does not say.")
    ] = None,
    sheet: Annotated[
        str | None,
        typer.Option("--sheet", help="The sheet or table of FILE, by name or by place from 0; else the best."),
    ] = None,
    member: Annotated[
        str | None, typer.Option("--member", help="Of an archive, the members to read: a name, or a pattern with *.")
    ] = None,
    path: Annotated[
        str | None, typer.Option("--path", help="Of XML, the element that repeats; of JSON, the array of records.")
    ] = None,
    arrays: Annotated[
        Arrays | None,
        typer.Option("--arrays", help="Arrays inside a record: kept as one cell, or a row for each item."),
    ] = None,
    formula_escape: Annotated[
        bool, typer.Option("--formula-escape", help="Take off the apostrophes of an export made safe for spreadsheets.")
    ] = False,
    pattern: Annotated[str | None, typer.Option("--pattern", help="Of log lines: the name of their pattern.")] = None,
    service: options.Service = None,
    state: options.State = options.DEFAULT_STATE,
    dsn: options.Dsn = None,
    as_json: options.Json = False,
) -> None:
    """Import FILE (or several as one) into PostgreSQL: every row exactly once, every refusal explained."""
    from cli import given, inference, output, pairs
    from cli.importing import Request

    if dry_run:
        output.notes().print("[dim]A dry run is a plan: it waits, and `entrepot jobs publish` goes on with it.[/]")
    extra = {
        "force": force,
        "fail_on_quarantine": fail_on_quarantine,
        "message": message,
        "metadata": pairs.texts(meta or [], "--meta"),
        "plan": plan or dry_run,
        "slice": pairs.tests(slice_ or []),
        "only_if": only_if,
        "incremental": incremental,
        "merge": _merge(merge),
        "delimiter": "\t" if delimiter == "\\t" else delimiter,
        "encoding": encoding,
        "format": format_,
        "table": sheet,
        "member": member,
        "path": path,
        "arrays": arrays.value if arrays else None,
        "pattern": pattern,
        "formula_escape": formula_escape,
    }
    items = given.look(file)
    alone = items[0] if len(items) == 1 and not items[0].is_folder and not incremental else None
    if alone and merge is not None:
        raise typer.BadParameter("one file has nothing to be merged with; name several", param_hint="--merge")
    request = Request(
        file=alone.path if alone else None,
        source=alone.uri if alone else "",
        several=None if alone else given.Several(items),
        contract=contract,
        template=template,
        mode=mode,
        table=table,
        key=inference.key_fields(key),
        yes=yes,
        options={k: v for k, v in extra.items() if v} | ({} if priority is None else {"priority": priority}),
    )
    _check_contract(contract)
    raise typer.Exit(_run(request, service, state, dsn, as_json=as_json, fail_on_quarantine=fail_on_quarantine))


def _merge(text: str | None) -> dict[str, Any] | None:
    """Names of files, or their places from 1, first the one whose values come first."""
    if text is None:
        return None
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words:
        msg = "--merge names no file"
        raise typer.BadParameter(msg)
    return {"precedence": [int(word) if word.isdecimal() else word for word in words]}


def _check_contract(contract: str | None) -> None:
    """A contract file is read before anything is started for it."""
    from cli import documents

    if contract is not None and documents.is_file(contract):
        from entrepot.model.contract import Contract

        documents.load(Path(contract), Contract)


def _run(
    request: Request,
    service: str | None,
    state: Path,
    dsn: str | None,
    *,
    as_json: bool,
    fail_on_quarantine: bool,
) -> int:
    from cli import interrupt, output, report
    from cli.importing import Importer, interrupted
    from cli.service import session

    roots = [request.file.parent] if request.file else request.several.roots if request.several else []
    with interrupt.sigterm_too(), session(service, state, dsn, roots=roots) as opened:
        importer = Importer(opened, request)
        try:
            outcome = importer.run()
        except KeyboardInterrupt:
            raise interrupted(opened, importer.job, request) from None
        if outcome.job is None:
            return report.nothing_new(request.name, as_json=as_json)
        job = outcome.job
        code = report.exit_code(job, fail_on_quarantine=fail_on_quarantine)
        findings = report.groups(opened.client, job.id)
        if as_json:
            output.document(report.as_document(job, findings, code, again=outcome.again))
            report.hints(opened, job, refused=bool(findings))
        else:
            report.show(opened, job, findings=findings, again=outcome.again)
    return int(code)
