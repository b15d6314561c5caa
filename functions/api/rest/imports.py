"""Imports: by source, by upload, by form."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Body

from entrepot.errors import UsageError
from entrepot.workflow import documents
from entrepot.workflow.access import Right
from entrepot.workflow.requests import Ask, Ticket
from rest import bodies, forms
from rest.asking import caller_of, deadline_of, remember
from rest.docs import describe
from rest.gate import needs
from rest.routing import new_router
from rest.services import services
from rest.several import named
from rest.views import (
    CompleteAsk,
    FormAsk,
    ImportAnswer,
    ImportAsk,
    JobView,
    PartLink,
    UploadAnswer,
    UploadTicket,
    UploadView,
)

router = new_router()


@router.post(
    "/imports",
    **describe(
        "imports",
        "Import a source, ask for an upload, or send a file as a form",
        ImportAnswer,
        400,
        404,
        409,
        413,
        415,
        status=202,
        also={
            200: ("An incremental import found nothing new.", ImportAnswer),
            201: ("An upload to be sent.", ImportAnswer),
        },
        body=ImportAsk,
        description=(
            "With `source`, the object is imported as it lies there now. With `sources`, or a source that ends with "
            "a slash, all objects become one job: published together, or not at all. With `upload`, the answer says "
            "where to PUT the file; it becomes a job once it is there. A `multipart/form-data` body brings a file of "
            "up to 4 MB along. A repeat with the same `Idempotency-Key` and body finds the same job or upload."
        ),
    ),
)
@needs(Right.SUBMIT)
def create_import() -> tuple[ImportAnswer, int]:
    """Takes a request for an import."""
    if bodies.media_type(router.current_event) == "multipart/form-data":
        return _from_form(), 202
    wanted = bodies.model_body(router.current_event, ImportAsk)
    ask = Ask(wanted.contract, wanted.template or "", wanted.options)
    once = bodies.once(router.current_event)
    caller = caller_of(router)
    several = wanted.sources or ([wanted.source] if wanted.source and _is_set(wanted) else None)
    if several is not None:
        found = services().sets.receive(caller, ask, named(several), once, deadline_of(router))
        view = JobView.of(found.job) if found.job is not None else None
        return ImportAnswer(job=view, nothing_new=found.nothing_new or None), 200 if found.nothing_new else 202
    if wanted.upload is None:
        job = services().requests.from_source(caller, ask, wanted.source or "", once, deadline_of(router))
        return ImportAnswer(job=JobView.of(job)), 202
    file = wanted.upload
    ticket = services().requests.ticket(
        caller, ask, once, name=file.name, size=file.size, content_type=file.content_type, hold=file.hold
    )
    return ImportAnswer(upload=_ticket(ticket)), 201


def _is_set(wanted: ImportAsk) -> bool:
    return (wanted.source or "").endswith("/") or wanted.options.incremental


def _from_form() -> ImportAnswer:
    event = router.current_event
    form = forms.read_form(str(event.headers.get("content-type", "")), bodies.raw_body(event))
    if form.file is None:
        raise UsageError("The form has no file.", hint="Its part is called `file`.")
    values: dict[str, Any] = {k: v for k, v in form.fields.items() if v != ""}
    if "options" in values:
        values["options"] = documents.json_value(values["options"].encode())
    wanted = bodies.validated(FormAsk, values)
    words = "\x00".join(f"{k}={v}" for k, v in sorted(form.fields.items()))
    once = bodies.once(event, "form", words, form.file_name, hashlib.sha256(form.file).digest())
    ask = Ask(wanted.contract, wanted.template or "", wanted.options)
    job = services().requests.from_bytes(
        caller_of(router), ask, once, name=form.file_name, data=form.file, origin="upload"
    )
    return ImportAnswer(job=JobView.of(job))


def _ticket(ticket: Ticket) -> UploadTicket:
    if not ticket.part_urls:
        return UploadTicket(
            id=ticket.upload_id, url=ticket.url, headers=dict(ticket.headers or {}), expires_at=ticket.expires_at
        )
    return UploadTicket(
        id=ticket.upload_id,
        expires_at=ticket.expires_at,
        parts=[PartLink(number=n, url=url) for n, url in enumerate(ticket.part_urls, 1)],
        part_bytes=ticket.part_bytes,
        complete_url=f"/imports/{ticket.upload_id}/complete",
    )


@router.get("/imports/<upload_id>", **describe("imports", "How an upload stands", UploadAnswer, 404))
@needs(Right.READ, Right.OWN)
def get_upload(upload_id: str) -> UploadAnswer:
    """Looks at an upload."""
    upload = services().requests.upload(caller_of(router), upload_id)
    return UploadAnswer(upload=UploadView.of(upload))


@router.post(
    "/imports/<upload_id>/complete",
    **describe("imports", "Join the parts of an upload", UploadAnswer, 400, 404, 409, 415, status=202),
)
@needs(Right.SUBMIT)
def complete_upload(upload_id: str, body: Annotated[CompleteAsk, Body()]) -> UploadAnswer:
    """Joins the parts; the file becomes a job."""
    remember(router)
    parts = sorted((p.number, p.etag) for p in body.parts)
    if len({number for number, _ in parts}) != len(parts):
        raise UsageError("A part is there twice.")
    upload, job = services().requests.complete(caller_of(router), upload_id, parts)
    stands = UploadView.of(upload).model_copy(update={"state": "received", "job_id": job.job_id if job else None})
    return UploadAnswer(upload=stands, job=JobView.of(job) if job else None)
