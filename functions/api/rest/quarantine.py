"""Refused rows: page by page, and as a file for the submitter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from aws_lambda_powertools.event_handler import Response

from entrepot.errors import OutOfTimeError
from entrepot.model.findings import QuarantinedRow
from entrepot.model.job import Job
from entrepot.model.source import Detection
from entrepot.workflow.access import Caller, Right
from entrepot.workflow.requests import safe_name
from rest.asking import Cursor, PageLimit, caller_of, deadline_of, job_of
from rest.docs import describe
from rest.gate import needs
from rest.routing import new_router
from rest.services import services
from rest.views import ErrorAnswer, QuarantineAnswer, ReasonView

router = new_router()

MOST_INLINE = 1 << 20
"""Bytes of a file that the answer itself carries; above, it says where to fetch it."""
LINK_SECONDS = 300


@router.get(
    "/jobs/<job_id>/quarantine",
    **describe(
        "jobs",
        "Refused rows with their reasons",
        QuarantineAnswer,
        400,
        404,
        description="Values are masked by their field's classification, as far as the role's clearance goes.",
    ),
)
@needs(Right.READ, Right.OWN)
def get_quarantine(job_id: str, limit: PageLimit = 50, cursor: Cursor = "") -> QuarantineAnswer:
    """Lists refused rows."""
    caller = caller_of(router)
    job = job_of(caller, job_id)
    page = services().refusals.page(caller, job, limit=limit, cursor=cursor)
    summary = [
        ReasonView(code=r.code, field=r.field, count=r.count, title=r.title, action=r.action)
        for r in services().refusals.summary(job)
    ]
    return QuarantineAnswer(rows=page.rows, cursor=page.cursor or None, summary=summary)


@router.get(
    "/jobs/<job_id>/refused",
    tags=["jobs"],
    summary="Refused rows as the submitter's own file, with the reasons beside each",
    description="In the submitter's dialect and encoding. Values are masked as in the quarantine.",
    security=[{"bearer": []}],
    responses={
        200: {"description": "The file.", "content": {"text/csv": {"schema": {"type": "string"}}}},
        303: {"description": "Over 1 MB, or not in UTF-8: the Location is a link for five minutes."},
        **{
            code: {"description": text, "content": {"application/json": {"model": ErrorAnswer}}}
            for code, text in ((401, "No valid token."), (403, "The role does not allow this."), (404, "No such job."))
        },
    },
)
@needs(Right.READ, Right.OWN)
def get_refused(job_id: str) -> Response[Any]:
    """Sends the refused rows as a file."""
    caller = caller_of(router)
    job = job_of(caller, job_id)
    from entrepot.validate.report import refused_csv

    name = f"{safe_name(job.source.name or job.contract).rpartition('.')[0] or job.contract}.refused.csv"
    veil, found = services().refusals.veil(caller, job), services().refusals.all(job)
    rows = (veil.row(row, room=MOST_INLINE) for row in found)
    detection = job.detection or Detection()
    if job.source.inputs:
        # Many objects, each with its own columns: which object, and the record as it is.
        detection, rows = Detection(columns=["object", "record"]), (_of_object(row) for row in rows)
    pieces = refused_csv(detection, rows)
    held = bytearray()
    for piece in pieces:
        held += piece
        if len(held) > MOST_INLINE:
            return _by_link(caller, job, name, held, pieces)
    try:
        text = held.decode()
    except UnicodeDecodeError:
        # In the submitter's own encoding: API Gateway would hand such a body on as Base64.
        return _by_link(caller, job, name, held, pieces)
    headers: dict[str, str | list[str]] = {"Content-Disposition": f'attachment; filename="{_ascii(name)}"'}
    return Response(status_code=200, content_type="text/csv; charset=utf-8", body=text, headers=headers)


def _of_object(row: QuarantinedRow) -> QuarantinedRow:
    from entrepot.formats.write import delimited_lines

    line = delimited_lines([[row.member, row.raw]], ",", quote='"', escape='"', line_end="").decode()
    return row.model_copy(update={"raw": line, "raw_base64": ""})


def _by_link(caller: Caller, job: Job, name: str, begun: bytearray, rest: Iterator[bytes]) -> Response[Any]:
    """Writes the file into the work bucket, and answers with a short link to it.

    What a caller may see depends on its clearance, so the file is kept by it.
    """
    level = "-".join(sorted(c.value for c in caller.clearance))
    uri = f"s3://{services().env.WORK_BUCKET}/{job.work_key('refused', f'{level}.csv')}"
    deadline = deadline_of(router)
    with services().world.blobs.writer(uri) as out:
        out.write(bytes(begun))
        for piece in rest:
            out.write(piece)
            if deadline.remaining() <= 0:
                raise OutOfTimeError(
                    "There are more refused rows than one request can write out.",
                    hint="Read them page by page: GET /jobs/{id}/quarantine.",
                )
    link = services().world.blobs.presign_get(uri, seconds=LINK_SECONDS, filename=_ascii(name))
    return Response(status_code=303, headers={"Location": link}, body="", content_type="text/plain")


def _ascii(name: str) -> str:
    return name.encode("ascii", "replace").decode().replace("?", "_")
