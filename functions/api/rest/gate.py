"""Who asks, and may they? Settled before anything else of a request is looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from aws_lambda_powertools.event_handler.middlewares import NextMiddleware
from aws_lambda_powertools.event_handler.middlewares.openapi_validation import OpenAPIRequestValidationMiddleware

from entrepot.errors import UnauthenticatedError
from entrepot.workflow.access import Caller, Right
from rest import bodies
from rest.services import services
from rest.telemetry import logger

if TYPE_CHECKING:
    from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response

F = TypeVar("F", bound=Callable[..., Any])

_RIGHTS: dict[Callable[..., Any], tuple[Right, ...]] = {}
_PUBLIC: set[Callable[..., Any]] = set()


def needs(*rights: Right) -> Callable[[F], F]:
    """Lets only those pass whose role has at least one of these rights."""

    def mark(route: F) -> F:
        _RIGHTS[route] = rights
        return route

    return mark


def public(route: F) -> F:
    """Lets everybody pass; a token is still checked when there is one."""
    _PUBLIC.add(route)
    return route


def rights_of(route: Callable[..., Any]) -> tuple[Right, ...] | None:
    """What a route needs; None for a public one.

    Raises:
        KeyError: The route says neither, which is a mistake in it.
    """
    return None if route in _PUBLIC else _RIGHTS[route]


class Gate(OpenAPIRequestValidationMiddleware):
    """Powertools' validation of requests, behind a door.

    Powertools validates before any other middleware runs. A stranger would then be told what is
    wrong with a body before being told to go away, so the door stands in front of the validation.
    """

    def handler(self, app: Any, next_middleware: NextMiddleware) -> Response[Any]:
        """Admits the caller, then validates."""
        _admit(app)
        return super().handler(app, next_middleware)

    def _get_body(self, app: Any) -> Any:
        """The JSON body, by our own bounds: depth, size, and numbers as they were written."""
        return bodies.json_body(app.current_event)


def _admit(app: APIGatewayRestResolver) -> None:
    route = app.context["_route"].func
    header = (app.current_event.headers or {}).get("authorization", "")
    if not header and route in _PUBLIC:
        return
    caller = _identify(header)
    logger.append_keys(tenant=caller.tenant, role=caller.role.value)
    app.append_context(caller=caller)  # type: ignore[no-untyped-call]
    if route not in _PUBLIC and route in _RIGHTS:
        # A route that is unknown has no rights: its 404 comes from the resolver, for known callers.
        caller.demand(*_RIGHTS[route])


def _identify(header: str) -> Caller:
    scheme, _, token = header.strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise UnauthenticatedError(
            "The request has no bearer token.", hint="Send the header Authorization: Bearer <token>.", reason="missing"
        )
    return services().verifier.verify(token.strip())
