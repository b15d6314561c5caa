"""Every error the client raises, and the table from HTTP status to exception.

EntrepotError
├── ConnectionFailedError   (ConnectionError)   no answer came
├── WaitTimeoutError        (TimeoutError)      `wait` gave up; the job goes on
├── UploadError             (OSError)           a presigned PUT was not accepted
├── JobError                                    a job came to rest without being published
│   ├── JobRefusedError     (ValueError)
│   ├── JobFailedError      (RuntimeError)
│   └── JobAwaitingError                        a person has to answer first
└── ApiError                                    the service answered with a status of 400 or more
    ├── BadRequestError     (ValueError)        400, 405, 415, 422
    ├── UnauthenticatedError (PermissionError)  401
    ├── ForbiddenError      (PermissionError)   403
    ├── NotFoundError       (LookupError)       404, 410
    ├── ConflictError                           409, 412
    ├── TooLargeError       (ValueError)        413
    ├── ThrottledError                          429
    ├── ServerError         (RuntimeError)      500, 501
    └── UnavailableError    (ConnectionError)   502, 503, 504
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class EntrepotError(Exception):
    """Root of every error of this client.

    Args:
        message: What is wrong and where, in one sentence.
        hint: What to do about it.
    """

    code = "error"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class ConnectionFailedError(EntrepotError, ConnectionError):
    """No answer came from the service, also after retries."""

    code = "unreachable"


class WaitTimeoutError(EntrepotError, TimeoutError):
    """The job was still running when the time given to `wait` was over."""

    code = "wait_timeout"


class UploadError(EntrepotError, OSError):
    """The storage behind a presigned address did not take the file."""

    code = "upload"


class JobError(EntrepotError):
    """A job came to rest without being published. ``job`` is its last known view."""

    code = "job"

    def __init__(self, message: str, *, hint: str = "", job: Any = None) -> None:
        super().__init__(message, hint=hint)
        self.job = job


class JobRefusedError(JobError, ValueError):
    """Refused, superseded, cancelled or expired: nothing was published."""

    code = "job_refused"


class JobFailedError(JobError, RuntimeError):
    """Failed; `resume` goes on from where it stood."""

    code = "job_failed"


class JobAwaitingError(JobError):
    """A person has to answer first: `confirm` a mapping, or `approve`."""

    code = "job_awaiting"


class ApiError(EntrepotError):
    """The service answered with an error.

    Attributes:
        status: HTTP status.
        code: The service's own word for it.
        facts: What the service says about it, as attributes.
        request_id: Names the request in the service's log.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str = "",
        hint: str = "",
        facts: Mapping[str, Any] | None = None,
        request_id: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.code = code or type(self).code
        self.facts = dict(facts or {})
        self.request_id = request_id


class BadRequestError(ApiError, ValueError):
    """The request cannot be carried out as it was asked."""

    code = "usage"


class UnauthenticatedError(ApiError, PermissionError):
    """No token came with the request, or it is not valid (any more)."""

    code = "unauthenticated"


class ForbiddenError(ApiError, PermissionError):
    """The token's role does not allow this."""

    code = "forbidden"


class NotFoundError(ApiError, LookupError):
    """There is no such thing for this tenant."""

    code = "not_found"


class ConflictError(ApiError):
    """The thing is in a state that does not allow this."""

    code = "conflict"


class TooLargeError(ApiError, ValueError):
    """What was sent is over a stated bound."""

    code = "too_large"


class ThrottledError(ApiError):
    """The service asked to slow down, also after retries."""

    code = "throttled"


class ServerError(ApiError, RuntimeError):
    """A fault of the service."""

    code = "server"


class UnavailableError(ApiError, ConnectionError):
    """The service, or something it needs, cannot be reached at the moment."""

    code = "unavailable"


BY_STATUS: dict[int, type[ApiError]] = {
    400: BadRequestError,
    401: UnauthenticatedError,
    403: ForbiddenError,
    404: NotFoundError,
    405: BadRequestError,
    409: ConflictError,
    410: NotFoundError,
    412: ConflictError,
    413: TooLargeError,
    415: BadRequestError,
    422: BadRequestError,
    429: ThrottledError,
    500: ServerError,
    501: ServerError,
    502: UnavailableError,
    503: UnavailableError,
    504: UnavailableError,
}
"""Status → exception; any other 4xx is a `BadRequestError`, any other 5xx a `ServerError`."""


def api_error(status: int, body: object, *, where: str) -> ApiError:
    """The exception for an answer of 400 or more.

    Args:
        status: HTTP status.
        body: The decoded body: ``{"error": {"code", "message", "hint", "facts", "request_id"}}``;
            anything else (a proxy's page, API Gateway's ``{"message"}``) is tolerated.
        where: Method and path, for a message when the body has none.
    """
    error: Mapping[str, Any] = {}
    if isinstance(body, Mapping):
        inner = body.get("error")
        error = inner if isinstance(inner, Mapping) else body
    fallback = ServerError if status >= 500 else BadRequestError
    facts = error.get("facts")
    return BY_STATUS.get(status, fallback)(
        str(error.get("message") or f"{where} was answered with status {status}."),
        status=status,
        code=str(error.get("code") or ""),
        hint=str(error.get("hint") or ""),
        facts=facts if isinstance(facts, Mapping) else {},
        request_id=str(error.get("request_id") or ""),
    )
