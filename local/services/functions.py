"""Lambda: moto's API over the worker pool."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from typing import Any

from moto.awslambda.models import LambdaFunction, LayerVersion
from moto.awslambda_simple.models import LambdaSimpleBackend, lambda_simple_backends
from moto.core.exceptions import JsonRESTError

from local.services.current import ACCOUNT, current, standing_for


def _stub() -> str:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as stream:
        stream.writestr("handler.py", "# The code is run from the source tree.\n")
    return base64.b64encode(archive.getvalue()).decode()


@standing_for
class LocalLambdaBackend(LambdaSimpleBackend):
    """moto's backend; code is not stored, because workers import it from the source tree."""

    def create_function(self, spec: dict[str, Any]) -> LambdaFunction:
        return super().create_function({**spec, "Code": {"ZipFile": _stub()}})

    def publish_layer_version(self, spec: dict[str, Any]) -> LayerVersion:
        return super().publish_layer_version({**spec, "Content": {"ZipFile": _stub()}})

    def invoke(
        self, function_name: str, qualifier: str | None, body: Any, headers: Any, response_headers: Any
    ) -> str | bytes | None:
        name = short_name(function_name)
        self.get_function(name, None)
        payload = body.encode() if isinstance(body, str) else bytes(body or b"{}")
        pool = current().pool
        assert pool is not None
        kind = headers.get("X-Amz-Invocation-Type") if headers else None
        if kind == "DryRun":
            return b""
        if kind == "Event":
            pool.submit(name, payload or b"{}")
            return b""
        outcome = pool.invoke(name, payload or b"{}")
        if outcome.throttled:
            raise ThrottledError
        if outcome.error:
            response_headers["x-amz-function-error"] = "Unhandled"
        response_headers["x-amz-executed-version"] = "$LATEST"
        return outcome.payload


class ThrottledError(JsonRESTError):
    """The function's reserved concurrency is used up."""

    code = 429

    def __init__(self) -> None:
        super().__init__("TooManyRequestsException", "Rate Exceeded.")


def short_name(function_name: str) -> str:
    """The name in a name or ARN, with or without a version or alias."""
    if function_name.startswith("arn:"):
        return function_name.split(":")[6]
    return function_name.split(":", maxsplit=1)[0]


def install() -> None:
    """Makes moto use the worker pool from now on."""
    lambda_simple_backends.backend = LocalLambdaBackend


def backend() -> LocalLambdaBackend:
    """The functions of the deployment's region."""
    found = lambda_simple_backends[ACCOUNT][current().region]
    assert isinstance(found, LocalLambdaBackend)
    return found


def environment_of(name: str) -> dict[str, str]:
    """A function's environment variables as they are now."""
    function = backend().get_function(name, None)
    return {str(key): str(value) for key, value in (function.environment_vars or {}).items()}


def error_payload(kind: str, message: str) -> bytes:
    """An error as Lambda reports it."""
    return json.dumps({"errorType": kind, "errorMessage": message}).encode()
