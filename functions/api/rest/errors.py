"""Every error as an answer: our tree by what the caller can do, anything else as 500 without a word of it."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError

from entrepot.errors import (
    ConfigurationError,
    ConflictError,
    EntrepotError,
    FatalError,
    ForbiddenError,
    IntegrityError,
    NotFoundError,
    RetriableError,
    SourceError,
    TargetError,
    TooLargeError,
    UnauthenticatedError,
    UsageError,
)
from entrepot.workflow.documents import dotted
from rest.telemetry import logger


class MethodNotAllowedError(UsageError):
    """The path exists, but not for this method."""

    code = "method_not_allowed"


class UnsupportedMediaError(UsageError):
    """The body is of a kind that this route does not read."""

    code = "unsupported_media"


class InvalidBodyError(UsageError):
    """The request was read, but its values are outside what the route takes."""

    code = "validation"


STATUSES: dict[type[EntrepotError], HTTPStatus] = {
    MethodNotAllowedError: HTTPStatus.METHOD_NOT_ALLOWED,
    UnsupportedMediaError: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    InvalidBodyError: HTTPStatus.UNPROCESSABLE_ENTITY,
    NotFoundError: HTTPStatus.NOT_FOUND,
    ConflictError: HTTPStatus.CONFLICT,
    ForbiddenError: HTTPStatus.FORBIDDEN,
    UnauthenticatedError: HTTPStatus.UNAUTHORIZED,
    TooLargeError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    UsageError: HTTPStatus.BAD_REQUEST,
    SourceError: HTTPStatus.UNPROCESSABLE_ENTITY,
    TargetError: HTTPStatus.CONFLICT,
    ConfigurationError: HTTPStatus.INTERNAL_SERVER_ERROR,
    IntegrityError: HTTPStatus.INTERNAL_SERVER_ERROR,
    FatalError: HTTPStatus.INTERNAL_SERVER_ERROR,
    RetriableError: HTTPStatus.SERVICE_UNAVAILABLE,
}
"""The nearest class in an error's ancestry decides."""

LONGEST_FACT = 500
"""Characters of a text that an answer repeats."""


def status_of(error: EntrepotError) -> HTTPStatus:
    """The HTTP status of an error of ours."""
    for kind in type(error).__mro__:
        if kind in STATUSES:
            return STATUSES[kind]
    return HTTPStatus.INTERNAL_SERVER_ERROR


def answer(error: Exception, request_id: str) -> Response[Any]:
    """The answer for whatever went wrong.

    Args:
        error: What was raised.
        request_id: Names the request in the log.
    """
    if isinstance(error, RequestValidationError):
        error = invalid(error.errors())
    if not isinstance(error, EntrepotError):
        _log_unknown(error)
        return _response(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", _OURS, _LOOK, request_id)
    status = status_of(error)
    if status is HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.error("the service is at fault", extra={"code": error.code, "problem": error.message})
        return _response(status, error.code, _OURS, _LOOK, request_id)
    logger.info("refused", extra={"code": error.code, "status": status.value})
    return _response(status, error.code, error.message, error.hint, request_id, facts=error.facts)


_OURS = "The service failed; the fault is ours."
_LOOK = "Tell the operator the request's id: the log has the reason under it."


def _log_unknown(error: Exception) -> None:
    """Kind and place of a foreign error. Its text may quote a row or a secret, so that stays out."""
    frames = traceback.extract_tb(error.__traceback__)[-8:]
    places = [f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno} {frame.name}" for frame in frames]
    logger.error("unexpected error", extra={"kind": type(error).__name__, "places": places})


def invalid(errors: Sequence[Mapping[str, Any]]) -> InvalidBodyError:
    """Validation findings as one error: each path with its reason, never a long value."""
    told = []
    for item in list(errors)[:10]:
        path = dotted([part for part in item.get("loc", ()) if part not in {"body", "query", "path", "header"}])
        reason = str(item.get("msg", "")).removeprefix("Value error, ")[:200]
        told.append({"path": path, "message": reason})
    text = "; ".join(f"{t['path']}: {t['message']}" if t["path"] else t["message"] for t in told)
    return InvalidBodyError(
        f"The request is not valid: {text[:800]}", hint="GET /openapi.json describes every route.", errors=told
    )


def _response(
    status: HTTPStatus,
    code: str,
    message: str,
    hint: str,
    request_id: str,
    *,
    facts: Mapping[str, object] | None = None,
) -> Response[Any]:
    facts = facts or {}
    error = {
        "code": code,
        "message": message,
        "hint": hint,
        "facts": {k: _fact(v) for k, v in facts.items()},
        "request_id": request_id,
    }
    headers: dict[str, str | list[str]] = {}
    if status is HTTPStatus.UNAUTHORIZED:
        reason = ', error="invalid_token"' if facts.get("reason") != "missing" else ""
        headers["WWW-Authenticate"] = f'Bearer realm="entrepot"{reason}'
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = "1"
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(str(m) for m in _allowed(facts))
    return Response(status_code=status.value, content_type="application/json", body={"error": error}, headers=headers)


def _allowed(facts: Mapping[str, object]) -> Sequence[object]:
    methods = facts.get("allowed")
    return methods if isinstance(methods, list) else []


def _fact(value: object) -> object:
    if isinstance(value, str):
        return value[:LONGEST_FACT]
    if isinstance(value, bool | int | float) or value is None:
        return value
    if isinstance(value, Mapping):
        return {str(k)[:100]: _fact(v) for k, v in list(value.items())[:50]}
    if isinstance(value, Sequence | frozenset | set):
        return [_fact(v) for v in list(value)[:50]]
    return str(value)[:LONGEST_FACT]
