"""What commands do to a job: find it, do something to it, see it to its rest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from cli.service import Session
    from entrepot_client import Job


def see_through(
    job_id: str,
    act: Callable[[Session, Job], Job],
    service: str | None,
    state: Path,
    dsn: str | None,
    *,
    as_json: bool,
    wait: bool = True,
    strict: bool = False,
) -> None:
    """Does something to a job, sees it to its rest, and exits as `import` does.

    Args:
        job_id: The job, or the beginning of its id.
        act: What is done to it; the job as it then is.
        service: Address of a service, when one was given.
        state: State directory of the local cloud.
        dsn: Always means one-shot against this database.
        as_json: Whether a document was asked for.
        wait: Whether to wait for the job's rest.
        strict: Whether refused rows in a published job count as a refusal.

    Raises:
        typer.Exit: With the job's exit code.
    """
    from cli import interrupt
    from cli.service import session

    with interrupt.sigterm_too(), session(service, state, dsn) as opened:
        code = finish(opened, act(opened, find(opened, job_id)), as_json=as_json, wait=wait, strict=strict)
    raise typer.Exit(code)


def finish(opened: Session, job: Job, *, as_json: bool, wait: bool = True, strict: bool = False) -> int:
    """Sees a job to its rest and shows how it ended; the exit code.

    Args:
        opened: The way to the service.
        job: The job.
        as_json: Whether a document was asked for.
        wait: Whether to wait for the job's rest.
        strict: Whether refused rows in a published job count as a refusal.
    """
    from cli import output, report
    from cli.failure import Code

    # A one-shot cloud ends with this command: what it began has to come to rest first.
    if wait or opened.kind == "one-shot":
        job = rest(opened, job)
    code = report.exit_code(job, fail_on_quarantine=strict) if job.at_rest else 0
    if as_json:
        output.document(report.as_document(job, report.groups(opened.client, job.id), Code(code)))
    else:
        report.show(opened, job)
    return int(code)


def rest(opened: Session, job: Job) -> Job:
    """The job once it rests.

    Raises:
        Failure: The person interrupted it.
    """
    from cli import progress
    from cli.importing import interrupted

    try:
        return progress.follow(opened.client, job)
    except KeyboardInterrupt:
        raise interrupted(opened, job) from None


def find(opened: Session, text: str) -> Job:
    """A job by its id, or by the beginning of it.

    Raises:
        Failure: None begins so, or several do.
    """
    from cli.failure import Failure
    from entrepot_client import NotFoundError

    try:
        return opened.client.jobs.get(text)
    except NotFoundError:
        matching = (
            [job for job in opened.client.jobs.list(limit=1000) if job.id.startswith(text)] if len(text) >= 4 else []
        )
    if len(matching) == 1:
        return matching[0]
    if matching:
        msg = f"{len(matching)} jobs begin with {text}."
        raise Failure(msg, hint="Give more of the id.")
    msg = f"There is no job {text}."
    raise Failure(msg, hint=f"`entrepot jobs list{opened.where}` shows them.")
