"""What routes ask of the request at hand."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, TypeVar, cast

from aws_lambda_powertools.event_handler.openapi.params import Query

from entrepot.adapters.system import LambdaDeadline
from entrepot.errors import NotFoundError
from entrepot.model.job import Job
from entrepot.workflow.access import Caller
from rest import bodies
from rest.services import services
from rest.telemetry import logger

if TYPE_CHECKING:
    from aws_lambda_powertools.event_handler.router import APIGatewayRouter

PageLimit = Annotated[int, Query(ge=1, le=200, description="At most so many items.")]
Cursor = Annotated[str, Query(max_length=4096, description="Where the page before ended.")]

MARGIN = 2.0
"""Seconds kept back for the answer itself."""
MOST_BYTES = 4 << 20
"""Bytes of an answer's items; Lambda's limit is 6 MB for all of it."""

_JOB_ID = re.compile(r"[a-z0-9]{8,64}")

T = TypeVar("T")


def caller_of(router: APIGatewayRouter) -> Caller:
    """Who asks."""
    return cast("Caller", router.context["caller"])


def deadline_of(router: APIGatewayRouter) -> LambdaDeadline:
    """How long this request may still take."""
    return LambdaDeadline(router.lambda_context, MARGIN)


def remember(router: APIGatewayRouter) -> None:
    """Claims the request's idempotency key for a change that may be made again without harm.

    Raises:
        ConflictError: The key was used for something else.
    """
    bodies.once(router.current_event).claim(services().world.config, caller_of(router), "")


def job_of(caller: Caller, job_id: str) -> Job:
    """A job that this caller may see.

    Raises:
        NotFoundError: The tenant has none of that id, or it is not the partner's own.
    """
    job = services().world.jobs.get(caller.tenant, checked_id(job_id))
    if caller.only_own and job.actor != caller.actor:
        raise no_job(job_id)
    logger.append_keys(job_id=job_id)
    return job


def checked_id(job_id: str) -> str:
    """An id that a job can have.

    Raises:
        NotFoundError: No job can have it.
    """
    if not _JOB_ID.fullmatch(job_id):
        raise no_job(job_id)
    return job_id


def no_job(job_id: str) -> NotFoundError:
    """What is said of a job that is not there, or not the caller's."""
    return NotFoundError(f"There is no job {job_id[:64]!r}.", job_id=job_id[:64])


def page_of(
    items: Sequence[T], limit: int, name: Callable[[T], str], size: Callable[[T], int]
) -> tuple[list[T], str | None]:
    """As many items as an answer has room for, and the cursor when there are more.

    Args:
        items: One more than the page may have, if there are so many.
        limit: Most items of a page.
        name: What a cursor is made of.
        size: Bytes of an item.
    """
    page: list[T] = []
    room = MOST_BYTES
    for item in items[:limit]:
        room -= size(item)
        if room < 0 and page:
            break
        page.append(item)
    return page, (name(page[-1]) if page and len(page) < len(items) else None)
