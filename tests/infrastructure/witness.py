"""Sees every call that functions make in the one-machine cloud, and judges it by their roles' policies.

The cloud itself grants everything. Here each call of a worker is taken down with the function that made
it (told by the access key that signed it) and the actions and resources that AWS would ask for. A link that
the API signed counts as the API's, as it does on AWS.
"""

from __future__ import annotations

import fnmatch
import io
import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote

from stacks.names import Names
from tests.infrastructure.assemblies import Resource, as_list, statements

Environ = dict[str, Any]
Application = Callable[[Environ, Any], Iterable[bytes]]

MARK = "witnessed-"


@dataclass(frozen=True)
class Call:
    """One action on one resource."""

    function: str
    action: str
    resource: str


class Witness:
    """Takes down the calls of functions on their way to the cloud's endpoint.

    Args:
        names: The deployment's names.
    """

    def __init__(self, names: Names) -> None:
        self.calls: set[Call] = set()
        self._names = names
        self._lock = threading.Lock()

    def around(self, application: Application) -> Application:
        """The application, watched."""

        def watched(environ: Environ, start_response: Any) -> Iterable[bytes]:
            signed = environ.get("HTTP_AUTHORIZATION", "") + unquote(environ.get("QUERY_STRING", ""))
            if found := re.search(rf"Credential={MARK}([a-z]+)/", signed):
                body = _body(environ) if "HTTP_X_AMZ_TARGET" in environ else b""
                asked = {Call(found[1], action, resource) for action, resource in self._asked(environ, body)}
                with self._lock:
                    self.calls |= asked
            return application(environ, start_response)

        return watched

    def _asked(self, environ: Environ, body: bytes) -> Iterator[tuple[str, str]]:
        service, _, operation = environ.get("HTTP_X_AMZ_TARGET", "").partition(".")
        request = json.loads(body or "{}")
        if service.startswith("DynamoDB"):
            yield from self._of_table(operation, request)
        elif service == "AWSStepFunctions":
            yield f"states:{operation}", request.get("stateMachineArn") or request["executionArn"]
        elif service == "AWSEvents":
            buses = {entry["EventBusName"] for entry in request["Entries"]}
            yield from (
                (f"events:{operation}", self._names.event_bus_arn.replace(self._names.event_bus, bus)) for bus in buses
            )
        elif service == "secretsmanager":
            yield f"secretsmanager:{operation}", self._names.secret_arn(request["SecretId"]).replace("??????", "AbCdEf")
        elif service:
            yield f"{service}:{operation}", "unknown"
        elif environ["PATH_INFO"].startswith("/schedules/"):
            yield from self._of_schedule(environ)
        else:
            yield from _of_object(environ)

    def _of_table(self, operation: str, request: dict[str, Any]) -> Iterator[tuple[str, str]]:
        if operation == "TransactWriteItems":
            verbs = {
                "Put": "PutItem",
                "Update": "UpdateItem",
                "Delete": "DeleteItem",
                "ConditionCheck": "ConditionCheckItem",
            }
            for item in request["TransactItems"]:
                [(kind, write)] = item.items()
                yield f"dynamodb:{verbs[kind]}", self._table(write["TableName"])
        elif operation == "BatchGetItem":
            yield from (("dynamodb:BatchGetItem", self._table(table)) for table in request["RequestItems"])
        else:
            index = f"/index/{request['IndexName']}" if "IndexName" in request else ""
            yield f"dynamodb:{operation}", self._table(request["TableName"]) + index

    def _table(self, name: str) -> str:
        return self._names.table_arn.replace(self._names.table, name)

    def _of_schedule(self, environ: Environ) -> Iterator[tuple[str, str]]:
        verb = {"POST": "Create", "PUT": "Update", "DELETE": "Delete", "GET": "Get"}[environ["REQUEST_METHOD"]]
        name = environ["PATH_INFO"].removeprefix("/schedules/")
        yield f"scheduler:{verb}Schedule", self._names.schedules_arn.replace("*", unquote(name))
        if verb in {"Create", "Update"}:
            yield "iam:PassRole", self._names.schedule_role_arn


def _of_object(environ: Environ) -> Iterator[tuple[str, str]]:
    """Actions of an S3 request, in path style."""
    bucket, _, key = unquote(environ["PATH_INFO"]).lstrip("/").partition("/")
    query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    arn, verb = f"arn:aws:s3:::{bucket}", environ["REQUEST_METHOD"]
    if not key:
        yield "s3:ListBucketVersions" if "versions" in query else "s3:ListBucket", arn
    elif verb in {"GET", "HEAD"}:
        yield "s3:GetObjectVersion" if "versionId" in query else "s3:GetObject", f"{arn}/{key}"
    elif verb == "DELETE":
        yield "s3:AbortMultipartUpload" if "uploadId" in query else "s3:DeleteObject", f"{arn}/{key}"
    else:
        yield "s3:PutObject", f"{arn}/{key}"
        if "HTTP_IF_MATCH" in environ:
            # What lies there is compared with what was read.
            yield "s3:GetObject", f"{arn}/{key}"


def _body(environ: Environ) -> bytes:
    """The request's body, which can then be read again."""
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    return bytes(body)


def is_allowed(call: Call, role: Resource) -> bool:
    """Whether a role's policies allow a call; conditions are taken as met."""
    allowed = False
    for statement in statements(role):
        named = any(fnmatch.fnmatchcase(call.action, action) for action in as_list(statement["Action"]))
        meant = any(fnmatch.fnmatchcase(call.resource, resource) for resource in as_list(statement["Resource"]))
        if named and meant:
            if statement["Effect"] == "Deny":
                return False
            allowed = True
    return allowed
