"""What each route says of itself, in one line where it is defined."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from pydantic import BaseModel

from rest.views import ErrorAnswer

_ALWAYS = (401, 403, 422, 500, 503)
_MEANING = {
    400: "The request cannot be done as asked.",
    401: "There is no valid token.",
    403: "The role does not allow this.",
    404: "This tenant has no such thing.",
    409: "Its state does not allow this.",
    413: "Over a stated bound.",
    415: "A body of this type is not read here.",
    422: "The request's values are not valid.",
    500: "The service failed.",
    503: "A passing fault: try again.",
}


def describe(
    tag: str,
    summary: str,
    answer: type[BaseModel],
    *errors: int,
    status: int = 200,
    also: dict[int, tuple[str, type[BaseModel]]] | None = None,
    body: type[BaseModel] | None = None,
    documents: bool = False,
    description: str = "",
    open_to_all: bool = False,
) -> dict[str, Any]:
    """Arguments for a Powertools route.

    Args:
        tag: Group in the documentation.
        summary: One line.
        answer: Model of the usual answer.
        errors: Statuses beyond those that every route may answer with.
        status: Status of the usual answer.
        also: Further answers, by status.
        body: Model of a body that the route reads itself.
        documents: Whether that body may be YAML, too.
        description: More than one line.
        open_to_all: Whether no token is needed.
    """
    responses: dict[int, Any] = {status: _response(HTTPStatus(status).phrase, answer)}
    for code, (text, model) in (also or {}).items():
        responses[code] = _response(text, model)
    for code in sorted({*(() if open_to_all else _ALWAYS), *errors} or {500}):
        responses[code] = _response(_MEANING[code], ErrorAnswer)
    extensions: dict[str, Any] = {}
    if body is not None:
        # The place is marked here; the document's maker puts the model's schema there.
        kinds = ["application/json", *(["application/yaml"] if documents else [])]
        extensions["requestBody"] = {
            "required": True,
            "content": {k: {"schema": {"$ref": f"#/components/schemas/{body.__name__}"}} for k in kinds},
        }
        BODIES.setdefault(body.__name__, body)
    return {
        "tags": [tag],
        "summary": summary,
        "description": description or None,
        "responses": responses,
        "status_code": status,
        "security": [] if open_to_all else [{"bearer": []}],
        "openapi_extensions": extensions or None,
    }


BODIES: dict[str, type[BaseModel]] = {}
"""Models of the bodies that routes read themselves."""


def _response(description: str, model: type[BaseModel]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"model": model}}}
