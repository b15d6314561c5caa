"""API Gateway over HTTP: requests become events of the API's function, under API Gateway's and Lambda's limits.

Routes, integrations and binary media types are those of the deployed REST API. Event and answer are payload
format 1.0: https://docs.aws.amazon.com/lambda/latest/dg/services-apigateway.html
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, unquote

from local.httpd import Environ, StartResponse, path_bytes, read_all
from local.issuer import LocalIssuer
from local.services.current import ACCOUNT
from local.specs import MAX_REQUEST_BYTES, Outcome

MAX_BODY_BYTES = 10 << 20
INTEGRATION_SECONDS = 29.0
MAX_HEADER_BYTES = 10_240
Invoke = Callable[[str, bytes], Outcome]


@dataclass(frozen=True)
class Route:
    """A method on a path.

    Args:
        parts: The path's segments; ``{name}`` takes one, ``{name+}`` the rest.
        resource: The path as the template has it.
        method: HTTP method or ``ANY``.
        function: Who answers.
    """

    parts: tuple[str, ...]
    resource: str
    method: str
    function: str


@dataclass
class RestApi:
    """A deployed REST API."""

    api_id: str
    stage: str
    routes: list[Route]
    binary_types: list[str] = field(default_factory=list)

    def match(self, method: str, path: str) -> tuple[Route | None, dict[str, str]]:
        """The route of a request and its path parameters; exact segments win over parameters."""
        segments = tuple(part for part in path.split("/") if part)
        best: tuple[tuple[int, ...], Route, dict[str, str]] | None = None
        for route in self.routes:
            if route.method not in (method, "ANY"):
                continue
            found = _match_parts(route.parts, segments)
            if found is not None:
                rank = (*(_rank(part) for part in route.parts), int(route.method == "ANY"))
                if best is None or rank < best[0]:
                    best = (rank, route, found)
        return (best[1], best[2]) if best else (None, {})

    def is_binary(self, content_type: str, accept: str = "") -> bool:
        """Whether a body of this type travels as Base64."""
        kinds = [content_type.partition(";")[0].strip().lower()]
        kinds += [item.partition(";")[0].strip().lower() for item in accept.split(",")[:1] if item]
        return any(_type_matches(pattern.lower(), kind) for pattern in self.binary_types for kind in kinds if kind)


def _rank(part: str) -> int:
    return 2 if part.endswith("+}") else 1 if part.startswith("{") else 0


def _match_parts(parts: tuple[str, ...], segments: tuple[str, ...]) -> dict[str, str] | None:
    found: dict[str, str] = {}
    for index, part in enumerate(parts):
        if part.endswith("+}"):
            rest = segments[index:]
            return {**found, part[1:-2]: "/".join(rest)} if rest else None
        if index >= len(segments):
            return None
        if part.startswith("{"):
            found[part[1:-1]] = segments[index]
        elif part != segments[index]:
            return None
    return found if len(parts) == len(segments) else None


def _type_matches(pattern: str, kind: str) -> bool:
    if pattern == "*/*":
        return True
    return pattern == kind or (pattern.endswith("/*") and kind.startswith(pattern[:-1]))


def deployed_api(region: str) -> RestApi | None:
    """The REST API that was deployed, None when there is none."""
    from moto.apigateway.models import apigateway_backends

    apis = list(apigateway_backends[ACCOUNT][region].apis.values())
    if not apis:
        return None
    api = apis[0]
    stages = list(api.stages)
    routes = []
    for resource in api.resources.values():
        path = resource.get_path()
        parts = tuple(part for part in path.split("/") if part)
        for name, method in resource.resource_methods.items():
            uri = str(getattr(method.method_integration, "uri", "") or "")
            match = re.search(r":function:([^/:]+)", uri)
            if match:
                routes.append(Route(parts, path, name, match[1]))
    return RestApi(api.id, stages[0] if stages else "local", routes, list(api.binaryMediaTypes or []))


class Gateway:
    """A WSGI application that stands for API Gateway, with the local issuer's documents beside the API.

    Args:
        api: The REST API, None when the stack has none.
        invoke: Runs the function.
        issuer: Whose keys are served under ``/.well-known/``.
        seconds: The integration's time limit.
    """

    def __init__(
        self, api: RestApi | None, invoke: Invoke, issuer: LocalIssuer, seconds: float = INTEGRATION_SECONDS
    ) -> None:
        self._api = api
        self._invoke = invoke
        self._issuer = issuer
        self._seconds = seconds

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        status, headers, body = self._answer(environ)
        if "content-length" not in {name.lower() for name, _ in headers}:
            headers.append(("Content-Length", str(len(body))))
        try:
            phrase = HTTPStatus(status).phrase
        except ValueError:
            phrase = "Unknown"
        start_response(f"{status} {phrase}", headers)
        return [body]

    def _answer(self, environ: Environ) -> tuple[int, list[tuple[str, str]], bytes]:
        path = path_bytes(environ)
        documents = {
            "/.well-known/jwks.json": self._issuer.jwks,
            "/.well-known/openid-configuration": self._issuer.discovery,
        }
        if path in documents and environ["REQUEST_METHOD"] in ("GET", "HEAD"):
            return _message(200, documents[path]())
        if self._api is None:
            return _message(404, {"message": "this deployment has no REST API"})
        if (
            sum(len(key) + len(str(value)) for key, value in environ.items() if key.startswith("HTTP_"))
            > MAX_HEADER_BYTES
        ):
            return _message(431, {"message": "Request header fields too large"})
        body = read_all(environ, MAX_BODY_BYTES)
        if body is None:
            return _message(413, {"message": "Request Too Long"})
        # A path inside the stage is accepted too, as the execute-api address has it.
        raw = environ.get("RAW_URI", path).partition("?")[0]
        prefix = f"/{self._api.stage}"
        raw = raw.removeprefix(prefix) if raw == prefix or raw.startswith(prefix + "/") else raw
        route, parameters = self._api.match(environ["REQUEST_METHOD"], raw)
        if route is None:
            return _message(403, {"message": "Missing Authentication Token"})
        event = proxy_event(environ, self._api, route, parameters, raw or "/", body)
        payload = json.dumps(event).encode()
        if len(payload) > MAX_REQUEST_BYTES:
            return _message(413, {"message": "Request Too Long"})
        outcome = self._within_limit(route.function, payload)
        if outcome is None:
            return _message(504, {"message": "Endpoint request timed out"})
        if outcome.throttled:
            return _message(429, {"message": "Too Many Requests"})
        if outcome.error:
            return _message(502, {"message": "Internal server error"})
        return proxy_answer(outcome.payload)

    def _within_limit(self, function: str, payload: bytes) -> Outcome | None:
        """Waits no longer than API Gateway does; the function goes on until its own timeout."""
        answers: list[Outcome] = []
        done = threading.Event()

        def run() -> None:
            try:
                answers.append(self._invoke(function, payload))
            finally:
                done.set()

        threading.Thread(target=run, daemon=True, name="api-request").start()
        done.wait(self._seconds)
        return answers[0] if answers else None if not done.is_set() else Outcome(error=True)


def proxy_event(
    environ: Environ, api: RestApi, route: Route, parameters: dict[str, str], path: str, body: bytes
) -> dict[str, Any]:
    """The event that API Gateway sends for a request."""
    headers: dict[str, list[str]] = {}
    for key, value in environ.items():
        if key.startswith("HTTP_"):
            headers.setdefault(_header_name(key[5:]), []).append(str(value))
    for key in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(key):
            headers[_header_name(key)] = [str(environ[key])]
    query: dict[str, list[str]] = {}
    for name, value in parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True):
        query.setdefault(name, []).append(value)
    binary = bool(body) and (api.is_binary(environ.get("CONTENT_TYPE", "")) or not _is_text(body))
    text = base64.b64encode(body).decode() if binary else body.decode()
    return {
        "resource": route.resource,
        "path": unquote(path),
        "httpMethod": environ["REQUEST_METHOD"],
        "headers": {name: values[-1] for name, values in headers.items()},
        "multiValueHeaders": headers,
        "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
        "multiValueQueryStringParameters": query or None,
        "pathParameters": {name: unquote(value) for name, value in parameters.items()} or None,
        "stageVariables": None,
        "requestContext": _context(environ, api, route, path),
        "body": text or None,
        "isBase64Encoded": binary,
    }


def _context(environ: Environ, api: RestApi, route: Route, path: str) -> dict[str, Any]:
    now = time.time()
    return {
        "accountId": ACCOUNT,
        "apiId": api.api_id,
        "domainName": environ.get("HTTP_HOST", ""),
        "domainPrefix": api.api_id,
        "extendedRequestId": uuid.uuid4().hex[:16],
        "httpMethod": environ["REQUEST_METHOD"],
        "identity": {
            "sourceIp": environ.get("REMOTE_ADDR", "127.0.0.1"),
            "userAgent": environ.get("HTTP_USER_AGENT"),
            "accessKey": None, "accountId": None, "caller": None, "user": None, "userArn": None,
        },
        "path": f"/{api.stage}{unquote(path)}",
        "protocol": environ.get("SERVER_PROTOCOL", "HTTP/1.1"),
        "requestId": str(uuid.uuid4()),
        "requestTime": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
        "requestTimeEpoch": int(now * 1000),
        "resourceId": "local",
        "resourcePath": route.resource,
        "stage": api.stage,
    }  # fmt: skip


def proxy_answer(payload: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
    """The HTTP answer that a function's answer stands for; 502 when it stands for none."""
    malformed = _message(502, {"message": "Internal server error"})
    try:
        answer = json.loads(payload)
        status = int(answer["statusCode"])
        body = answer.get("body")
        data = base64.b64decode(body or "", validate=True) if answer.get("isBase64Encoded") else (body or "").encode()
        single, multi = answer.get("headers") or {}, answer.get("multiValueHeaders") or {}
        headers = [(str(name), _header_value(value)) for name, values in multi.items() for value in values]
        taken = {name.lower() for name in multi}
        headers += [(str(name), _header_value(value)) for name, value in single.items() if name.lower() not in taken]
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error):
        return malformed
    if not 100 <= status <= 599:
        return malformed
    headers = [(name, value) for name, value in headers if name.lower() not in ("content-length", "connection")]
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", "application/json"))
    return status, headers, data


def _header_value(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if "\r" in text or "\n" in text:
        raise ValueError("a header's value holds a line break")
    return text


def _header_name(key: str) -> str:
    return "-".join(word.capitalize() for word in key.split("_"))


def _is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _message(status: int, body: dict[str, Any]) -> tuple[int, list[tuple[str, str]], bytes]:
    return status, [("Content-Type", "application/json")], json.dumps(body).encode()
