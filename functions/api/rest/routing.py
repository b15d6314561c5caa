"""Routers, with the type that Powertools leaves out."""

from __future__ import annotations

from aws_lambda_powertools.event_handler.router import APIGatewayRouter


def new_router() -> APIGatewayRouter:
    """A router for the routes of one module."""
    return APIGatewayRouter()  # type: ignore[no-untyped-call]
