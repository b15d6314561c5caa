"""How a job ended: the receipt as a table, the refusals grouped, and what to do next."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from dataclasses import field as made
from typing import TYPE_CHECKING, Any

from cli import output, plans, receipts
from cli.failure import Code
from cli.output import clean, count

if TYPE_CHECKING:
    from rich.table import Table

    from cli.service import Session
    from entrepot_client import Job

EXAMPLES = 3
"""Rows named per group of findings."""

SAMPLE_ROWS = 200
"""Refused rows fetched to find examples in: one page."""


def exit_code(job: Job, *, fail_on_quarantine: bool = False) -> Code:
    """The exit code for a job at rest.

    Args:
        job: The job.
        fail_on_quarantine: Whether refused rows in a published job count as a refusal.
    """
    if job.published:
        receipt = job.receipt
        refused = receipt is not None and receipt.quarantined > 0
        return Code.REFUSED if refused and fail_on_quarantine else Code.DONE
    if job.awaiting:
        return Code.AWAITING
    return Code.FAILED if job.state == "failed" else Code.REFUSED


def nothing_new(name: str, *, as_json: bool) -> Code:
    """Says that an incremental import found nothing new.

    Args:
        name: What was looked into.
        as_json: Whether stdout takes a document.
    """
    if as_json:
        output.document({"state": "nothing_new", "nothing_new": True, "source": name, "exit_code": int(Code.DONE)})
    else:
        output.results().print(f"[bold]{clean(name)}[/]: nothing new since the last import")
    return Code.DONE


@dataclass
class Group:
    """Findings of one code on one field."""

    code: str
    field: str
    count: int
    title: str = ""
    action: str = ""
    examples: list[dict[str, Any]] = made(default_factory=list)


def groups(client: Any, job_id: str) -> list[Group]:
    """The findings of a job's refused rows: counted over all, with the first few as examples.

    Args:
        client: The client.
        job_id: The job.
    """
    found = {
        (str(s.get("code")), str(s.get("field") or "")): Group(
            code=str(s.get("code")),
            field=str(s.get("field") or ""),
            count=int(s.get("count") or 0),
            title=str(s.get("title") or ""),
            action=str(s.get("action") or ""),
        )
        for s in client.jobs.findings(job_id)
    }
    for row in client.jobs.quarantine(job_id, limit=SAMPLE_ROWS if found else 0):
        for finding in row.get("findings") or []:
            group = found.get((str(finding.get("code")), str(finding.get("field") or "")))
            if group is not None and len(group.examples) < EXAMPLES:
                group.examples.append({"row": row.get("row"), **{k: finding.get(k) for k in ("value", "message")}})
    return sorted(found.values(), key=lambda g: -g.count)


def as_document(job: Job, findings: Iterable[Group], code: Code, *, again: bool = False) -> dict[str, Any]:
    """The JSON document of an import: the receipt's own keys at the top, the job beside them.

    Args:
        job: The job, at rest.
        findings: Its findings.
        code: The exit code.
        again: Whether the same delivery had ended before, so that nothing ran now.
    """
    receipt = dict(job.data.get("receipt") or {})
    if again and job.published:
        receipt = repeated(job, receipt)
    return {
        "job_id": job.id,
        "status": job.state,
        "contract": job.data.get("contract"),
        **receipt,
        "state": receipt.get("status") or job.state,
        "exit_code": int(code),
        "error": job.data.get("error"),
        "awaiting": job.data.get("awaiting"),
        "plan": job.data.get("plan"),
        "findings": [vars(group) for group in findings],
        "receipt": receipt or None,
        "job": job.data,
    }


def repeated(job: Job, receipt: dict[str, Any]) -> dict[str, Any]:
    """The receipt of a delivery that changed nothing: the earlier one's counts stay with that job.

    Args:
        job: The job that published the same delivery earlier.
        receipt: Its receipt.
    """
    nothing = dict.fromkeys(
        ("read", "expanded", "collapsed", "removed", "closed", *(name for name, _ in receipts.COUNTS)), 0
    )
    return {**receipt, **nothing, "filtered_by": {}, "seconds": 0.0, "status": "already_published", "parent": job.id}


def show(session: Session, job: Job, *, findings: list[Group] | None = None, again: bool = False) -> None:
    """Prints how a job ended, for people, on stdout.

    Args:
        session: Where it ran, for the commands to go on with.
        job: The job, at rest.
        findings: Its findings; fetched when None.
        again: Whether the same delivery had ended before, so that nothing ran now.
    """
    console = output.results()
    console.print(_headline(job, again=again))
    if job.data.get("receipt"):
        receipts.show(job.data["receipt"])
    again_of = (job.data.get("receipt") or {}).get("parent")
    if job.state == "already_published" and again_of:
        console.print(f"[dim]It was published by job {clean(again_of)}.[/]")
    if job.question == "plan" and job.plan is not None:
        plans.show(job, job.plan)
    _why(job)
    for line in question(job):
        console.print(f"[magenta]{clean(line)}[/]", soft_wrap=True)
    for doubt in job.data.get("doubts") or []:
        console.print(f"[yellow]note:[/] {clean(doubt)}", soft_wrap=True)
    found = groups(session.client, job.id) if findings is None else findings
    if found:
        console.print(findings_table(found))
    for line in next_steps(session, job, refused=bool(found)):
        console.print(f"  [cyan]→[/] {line}", soft_wrap=True)


def _why(job: Job) -> None:
    """Says why a job did not publish, or waits again."""
    error = job.error
    if not error or job.published:
        return
    console = output.results()
    console.print(f"[red]{clean(error.get('message', ''))}[/]", soft_wrap=True)
    if error.get("hint"):
        console.print(f"  [cyan]→[/] {clean(error['hint'])}", soft_wrap=True)


def question(job: Job) -> Iterable[str]:
    """What a job that awaits a mapping asks, in words.

    Args:
        job: The job.
    """
    awaiting = job.data.get("awaiting") or {}
    detail = awaiting.get("detail") or {}
    if not job.awaiting or awaiting.get("question") != "mapping":
        return
    for key, words in (
        ("missing", "required fields without a column"),
        ("ambiguous", "columns that more than one field could take"),
        ("unused", "columns left over"),
    ):
        if names := detail.get(key):
            yield f"{words}: {', '.join(str(name) for name in list(names)[:30])}"


def hints(session: Session, job: Job, *, refused: bool) -> None:
    """Prints what makes sense now on stderr, when stdout holds a document.

    Args:
        session: Where it ran.
        job: The job.
        refused: Whether it has refused rows.
    """
    for line in next_steps(session, job, refused=refused):
        output.notes().print(f"  [cyan]→[/] {line}", soft_wrap=True)


def _headline(job: Job, *, again: bool) -> str:
    name = clean((job.data.get("source") or {}).get("name") or "")
    state = output.state_text("already published" if again and job.published else job.state)
    line = f"[bold]{name}[/] {state} [dim]job {clean(job.id)}[/]"
    if job.state == "already_published":
        return f"{line}: nothing changed"
    if again and job.published:
        when = str(job.data.get("finished_at") or "")[:16].replace("T", " ")
        return f"{line}: nothing changed; this was its receipt{f' on {clean(when)}' if when else ''}"
    return line


def findings_table(found: list[Group]) -> Table:
    """Findings, most frequent first, each with its first rows.

    Args:
        found: Groups of findings.
    """
    rows = [(count(g.count), g.field, g.title or g.code, _examples(g), g.action) for g in found[:20]]
    return output.table(
        ("rows", "field", "what is wrong", "for example", "what to do"),
        rows,
        title="Rows left out",
        right=("rows",),
        markup=("rows", "for example"),
    )


def _examples(group: Group) -> str:
    lines = []
    for example in group.examples:
        value = example.get("value")
        shown = "" if value is None else f" [red]{clean(_shorten(str(value)))}[/]" if value else " [dim](empty)[/]"
        lines.append(f"[dim]row {example.get('row')}[/]{shown}")
    return "\n".join(lines)


def _shorten(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "…"


def next_steps(session: Session, job: Job, *, refused: bool) -> Iterable[str]:
    """Commands that make sense now."""
    where = clean(session.where)
    contract = clean(job.data.get("contract") or "")
    if job.published:
        yield f"see the rows: [bold]entrepot rows {contract}{where}[/]"
    if refused:
        yield f"refused rows as a file: [bold]entrepot jobs refused {job.id} --out refused.csv{where}[/]"
    if job.question == "plan":
        yield f"look at its rows: [bold]entrepot jobs plan {job.id}{where}[/]"
        yield f"publish exactly this: [bold]entrepot jobs publish {job.id}{where}[/]"
        yield f"turn it down: [bold]entrepot jobs reject {job.id}{where}[/]"
    elif job.state == "awaiting_approval":
        yield f"look at the draft: [bold]entrepot contracts show {contract}{where}[/]"
        yield f"approve it for this file and every later one: [bold]entrepot jobs approve {job.id}{where}[/]"
    if job.state == "awaiting_mapping":
        yield f"say which column feeds which field: [bold]entrepot jobs confirm {job.id} --map COLUMN=FIELD{where}[/]"
    if job.state == "failed":
        yield f"go on from where it stood: [bold]entrepot jobs resume {job.id}{where}[/]"
