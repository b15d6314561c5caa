"""Single records and small batches, with the receipt in the answer."""

from __future__ import annotations

import json
from typing import Any

from entrepot.errors import TooLargeError, UsageError
from entrepot.model.job import ENDED
from entrepot.workflow import documents
from entrepot.workflow.access import Right
from rest import bodies
from rest.asking import caller_of, deadline_of
from rest.docs import describe
from rest.errors import InvalidBodyError, UnsupportedMediaError
from rest.gate import needs
from rest.routing import new_router
from rest.services import services
from rest.views import JobView, RecordsAnswer

router = new_router()

MOST_RECORDS = 1000
MOST_BYTES = 1 << 20
SHOWN = 50
"""Refused rows in the answer; the rest are under the job's quarantine."""
PATIENCE = 20.0
"""Seconds to wait for the end."""


class _Number(str):
    """A number as it was written. A float would change it, and integers have no bound in JSON."""

    __slots__ = ()


class _Pairs(list[tuple[str, Any]]):
    """An object as it was written: names twice, if they are there twice; the reader decides."""

    __slots__ = ()


@router.post(
    "/contracts/<name>/records",
    **describe(
        "imports",
        "Import single records or a small batch, and wait for the receipt",
        RecordsAnswer,
        400,
        404,
        409,
        413,
        415,
        also={202: ("Still running; look at the job.", RecordsAnswer)},
        description="The body is one object or a list of up to 1,000, 1 MB in all; names are columns.",
    ),
)
@needs(Right.SUBMIT)
def post_records(name: str) -> tuple[RecordsAnswer, int]:
    """Takes records in."""
    caller, event = caller_of(router), router.current_event
    lines = to_lines(_records())
    job = services().requests.from_records(caller, name, lines, bodies.once(event))
    job = services().requests.wait(job, min(PATIENCE, deadline_of(router).remaining() - 1))
    if job.state not in ENDED or job.receipt is None:
        return RecordsAnswer(job=JobView.of(job)), 202
    page = services().refusals.page(caller, job, limit=SHOWN)
    return RecordsAnswer(job=JobView.of(job), receipt=job.receipt, quarantine=page.rows), 200


def _records() -> list[_Pairs]:
    event = router.current_event
    media = bodies.media_type(event)
    if media and media != "application/json":
        raise UnsupportedMediaError(f"Records of type {media[:80]} are not read.", hint="Send application/json.")
    data = bodies.raw_body(event)
    if len(data) > MOST_BYTES:
        raise TooLargeError(
            f"The records have {len(data)} bytes; one request takes {MOST_BYTES}.",
            hint="Send fewer at a time, or a file: POST /imports.",
            size=len(data),
        )
    try:
        value = json.loads(
            data.decode("utf-8-sig"),
            object_pairs_hook=_Pairs,
            parse_int=_Number,
            parse_float=_Number,
            parse_constant=_no_constant,
        )
        _text(value).encode()  # a lone half of a surrogate pair is no text
    except (ValueError, RecursionError):
        raise UsageError("The body is not JSON.", hint="It is read strictly, as RFC 8259 has it.") from None
    if _depth(value) > documents.MAX_DEPTH:
        raise TooLargeError(f"The records are nested deeper than {documents.MAX_DEPTH} levels.")
    records = [value] if isinstance(value, _Pairs) else value
    if not isinstance(records, list) or not all(isinstance(r, _Pairs) for r in records):
        raise InvalidBodyError("The body is one object, or a list of objects.")
    if not 1 <= len(records) <= MOST_RECORDS:
        raise InvalidBodyError(f"There are {len(records)} records; one request takes 1 to {MOST_RECORDS}.")
    return records


def to_lines(records: list[_Pairs]) -> bytes:
    """Records as JSON Lines; every value as it was written."""
    return "".join(f"{_text(record)}\n" for record in records).encode()


def _no_constant(word: str) -> Any:
    msg = f"{word} is not JSON"
    raise ValueError(msg)


def _depth(value: Any) -> int:
    if isinstance(value, _Pairs):
        value = [inner for _, inner in value]
    return 1 + max((_depth(inner) for inner in value), default=0) if isinstance(value, list) else 0


def _text(value: Any) -> str:
    if isinstance(value, _Number):
        return str(value)
    if isinstance(value, _Pairs):
        return "{" + ",".join(f"{json.dumps(k, ensure_ascii=False)}:{_text(v)}" for k, v in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_text(v) for v in value) + "]"
    return json.dumps(value, ensure_ascii=False)
