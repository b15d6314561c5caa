"""The API's own description: OpenAPI 3.1, made from the routes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.event_handler import Response

from entrepot.workflow.access import roles_with
from rest.docs import BODIES
from rest.gate import public, rights_of
from rest.routing import new_router
from rest.views import FormAsk

if TYPE_CHECKING:
    from aws_lambda_powertools.event_handler import APIGatewayRestResolver

router = new_router()

VERSION = "1.0.0"
_DESCRIPTION = (
    "Import files and records into PostgreSQL, follow the jobs, see what was refused and why. "
    "The tenant and the user are those of the token. A POST may carry an `Idempotency-Key` of up to 200 characters: "
    "the same key with the same body does nothing twice."
)
_TAGS = {
    "imports": "Bringing files and records in.",
    "inspections": "What a file is, before anybody imports it.",
    "jobs": "One run of an import: its life, its account, its refused rows.",
    "contracts": "A dataset's agreed shape, versioned.",
    "templates": "A saved import configuration, versioned.",
    "schedules": "Recurring imports, versioned.",
    "service": "The service itself.",
}

_made: dict[int, str] = {}


@router.get("/openapi.json", include_in_schema=False)
@public
def get_openapi() -> Response[Any]:
    """Serves the description."""
    app: Any = router.api_resolver
    if id(app) not in _made:
        _made[id(app)] = json.dumps(document(app), ensure_ascii=False, separators=(",", ":"))
    return Response(status_code=200, content_type="application/json", body=_made[id(app)])


def document(app: APIGatewayRestResolver) -> dict[str, Any]:
    """The description of all routes.

    Powertools makes it from the signatures; what it cannot know is added: bodies that routes read
    themselves, the roles, the idempotency key.
    """
    from aws_lambda_powertools.event_handler.openapi.models import HTTPBearer, Server, Tag

    made: dict[str, Any] = json.loads(
        app.get_openapi_json_schema(
            title="Entrepot",
            version=VERSION,
            description=_DESCRIPTION,
            tags=[Tag(name=name, description=text) for name, text in _TAGS.items()],
            servers=[Server(url="/")],
            security_schemes={"bearer": HTTPBearer(bearerFormat="JWT")},
        )
    )
    schemas = made["components"]["schemas"]
    schemas.update(_body_schemas())
    for route in app._static_routes + app._dynamic_routes:  # noqa: SLF001 - Powertools has no list of routes
        operation = made["paths"].get(route.openapi_path, {}).get(route.method.lower())
        if operation is not None:
            _complete(operation, route)
    made["paths"]["/imports"]["post"]["requestBody"]["content"]["multipart/form-data"] = {"schema": _form(schemas)}
    for left_over in ("HTTPValidationError", "ValidationError", "ResponseValidationError"):
        schemas.pop(left_over, None)
    made["components"]["schemas"] = dict(sorted(schemas.items()))
    made["paths"] = dict(sorted(made["paths"].items()))
    return made


def _complete(operation: dict[str, Any], route: Any) -> None:
    rights = rights_of(route.func)
    if rights is not None:
        operation["description"] = (
            f"{operation.get('description', '')}\n\nRoles: {', '.join(roles_with(*rights))}.".strip()
        )
    else:
        operation["security"] = []
    operation["operationId"] = route.func.__name__
    operation["responses"] = dict(sorted(operation["responses"].items()))
    _ours(operation["responses"])
    if route.method == "POST":
        operation.setdefault("parameters", []).append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "description": "The same key with the same body does nothing twice.",
                "schema": {"type": "string", "maxLength": 200},
            }
        )


def _ours(responses: dict[str, Any]) -> None:
    """Puts our shape of errors where Powertools puts its own."""
    for code, answer in responses.items():
        if int(code) >= 400:
            content = answer.get("content", {}).get("application/json", {})
            if "ValidationError" in json.dumps(content):
                content["schema"] = {"$ref": "#/components/schemas/ErrorAnswer"}


def _body_schemas() -> dict[str, Any]:
    from pydantic.json_schema import models_json_schema

    models: Any = [(model, "validation") for model in BODIES.values()]
    _, made = models_json_schema(models, ref_template="#/components/schemas/{model}")
    found: dict[str, Any] = made["$defs"]
    return found


def _form(schemas: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["contract", "file"],
        "properties": {
            "contract": {"type": "string", "maxLength": FormAsk.model_fields["contract"].metadata[1].max_length},
            "template": {"type": "string"},
            "options": {"description": "As JSON.", "$ref": "#/components/schemas/JobOptions"}
            if "JobOptions" in schemas
            else {"type": "object"},
            "file": {"type": "string", "contentMediaType": "application/octet-stream"},
        },
    }
