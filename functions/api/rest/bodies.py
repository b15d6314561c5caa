"""Bodies as bytes, JSON, or documents, each within its bounds."""

from __future__ import annotations

import base64
import binascii
from typing import Any, TypeVar

from aws_lambda_powertools.utilities.data_classes.common import BaseProxyEvent
from pydantic import BaseModel, ValidationError

from entrepot.errors import TooLargeError, UsageError
from entrepot.workflow import documents
from entrepot.workflow.idempotency import Once
from rest.errors import UnsupportedMediaError, invalid

MAX_JSON = 1 << 20
"""Bytes of a JSON body."""
LONGEST_KEY = 200
"""Characters of an idempotency key."""

YAML_TYPES = frozenset({"application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml"})

M = TypeVar("M", bound=BaseModel)


def raw_body(event: BaseProxyEvent) -> bytes:
    """The body's bytes, as they were sent.

    Raises:
        UsageError: It is not what the front door made of any body.
    """
    body = event.raw_event.get("body") or ""
    try:
        return base64.b64decode(body, validate=True) if event.raw_event.get("isBase64Encoded") else body.encode()
    except (binascii.Error, UnicodeEncodeError, ValueError):
        raise UsageError("The body cannot be read.", hint="Is its encoding what its headers say?") from None


def media_type(event: BaseProxyEvent) -> str:
    """The media type without parameters, in lower case; empty when none is given."""
    return str((event.headers or {}).get("content-type") or "").partition(";")[0].strip().lower()


def json_body(event: BaseProxyEvent) -> Any:
    """A JSON body as a value; an empty body is an empty object.

    Raises:
        UnsupportedMediaError: It says that it is something else.
        TooLargeError: It is over the bound.
        UsageError: It is no JSON.
    """
    media = media_type(event)
    if media and media != "application/json" and not media.endswith("+json"):
        raise UnsupportedMediaError(f"A body of type {media[:80]} is not read here.", hint="Send application/json.")
    data = raw_body(event)
    if len(data) > MAX_JSON:
        raise TooLargeError(f"The body has {len(data)} bytes; at most {MAX_JSON} are read.", size=len(data))
    return documents.json_value(data) if data.strip() else {}


def model_body(event: BaseProxyEvent, model: type[M]) -> M:
    """A JSON body as a model.

    Raises:
        InvalidBodyError: Its values are outside what the model takes.
    """
    return validated(model, json_body(event))


def validated(model: type[M], value: Any) -> M:
    """A value as a model.

    Raises:
        InvalidBodyError: It is outside what the model takes.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise invalid(error.errors(include_url=False, include_context=False, include_input=False)) from None


def document(event: BaseProxyEvent, model: type[M]) -> M:
    """A configuration document, in JSON or YAML by its media type.

    Raises:
        ContractError: It cannot be read; the message names the line.
    """
    media = media_type(event)
    if media in YAML_TYPES:
        return documents.read(model, raw_body(event), yaml=True)
    return model_body(event, model)


def number(cursor: str) -> int:
    """The version below which a page begins; without a cursor, above all versions.

    Raises:
        UsageError: The cursor is none that a page ended with.
    """
    if not cursor:
        return 2**31
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > 9:
        raise UsageError("The cursor is none that a page ended with.", hint="Leave it out to begin anew.")
    return int(cursor)


def has_key(event: BaseProxyEvent) -> bool:
    """Whether the request carries an idempotency key."""
    return bool((event.headers or {}).get("idempotency-key"))


def once(event: BaseProxyEvent, *parts: bytes | str) -> Once:
    """The request's idempotency key, with what the request asks.

    Args:
        event: The request.
        parts: What stands for the body when its bytes do not (a form's boundary changes).

    Raises:
        UsageError: The key is none.
    """
    key = str((event.headers or {}).get("idempotency-key") or "")
    if len(key) > LONGEST_KEY or not key.isprintable():
        raise UsageError(f"An Idempotency-Key has at most {LONGEST_KEY} printable characters.")
    return Once.of(key, event.http_method, event.path.rstrip("/"), *(parts or (raw_body(event),)))
