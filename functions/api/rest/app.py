"""The application: routes, the door in front of them, and one answer for every error."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError as NoRouteError

from entrepot.errors import NotFoundError
from rest import (
    collections,
    contracts,
    errors,
    health,
    imports,
    inspections,
    jobs,
    openapi,
    plans,
    quarantine,
    records,
    schedules,
    templates,
)
from rest.errors import MethodNotAllowedError
from rest.gate import Gate


def make() -> APIGatewayRestResolver:
    """The resolver with all routes."""
    # debug is set so that POWERTOOLS_DEV cannot turn it on: it would print whole events.
    app = APIGatewayRestResolver(enable_validation=True, debug=False, response_validation_error_http_code=500)
    app._request_validation_middleware = Gate()  # type: ignore[no-untyped-call]  # noqa: SLF001 - see Gate
    everything = (
        imports,
        inspections,
        records,
        jobs,
        plans,
        quarantine,
        collections,
        contracts,
        templates,
        schedules,
        health,
    )
    for module in (*everything, openapi):
        app.include_router(module.router)
    collections.take_paths(app)

    @app.not_found
    def no_route(_: NoRouteError) -> Response[Any]:
        return errors.answer(_no_route(app), request_id(app))

    @app.exception_handler(Exception)  # type: ignore[untyped-decorator]
    def failed(error: Exception) -> Response[Any]:
        return errors.answer(error, request_id(app))

    return app


def request_id(app: APIGatewayRestResolver) -> str:
    """The id that API Gateway gave the request, which the caller sees as well."""
    context = app.current_event.raw_event.get("requestContext") or {}
    return str(context.get("requestId") or getattr(app.lambda_context, "aws_request_id", ""))


def _no_route(app: APIGatewayRestResolver) -> NotFoundError | MethodNotAllowedError:
    path, method = app.current_event.path, app.current_event.http_method
    routes = app._static_routes + app._dynamic_routes  # noqa: SLF001 - Powertools has no list of routes
    allowed = sorted({route.method for route in routes if route.rule.match(path)})
    if allowed:
        return MethodNotAllowedError(
            f"{path[:100]} takes {', '.join(allowed)}, not {method[:20]}.", allowed=allowed, path=path[:100]
        )
    return NotFoundError(f"There is no {path[:100]} here.", hint="GET /openapi.json lists what there is.")
