"""The function's log, metrics and traces. None ever holds an event, a body or a row's value."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer

logger = Logger(service="entrepot-api")
metrics = Metrics(namespace="Entrepot", service="entrepot-api")

Handler = Callable[[dict[str, Any], Any], dict[str, Any]]


def traced(handler: Handler) -> Handler:
    """Traces those requests that X-Ray samples.

    A tracer brings the X-Ray SDK and botocore along, 0.2 s of a cold start: it is made for the
    first request that is sampled, not for all.
    """
    made: list[Handler] = []

    @functools.wraps(handler)
    def choose(event: dict[str, Any], context: Any) -> dict[str, Any]:
        if "Sampled=1" not in os.environ.get("_X_AMZN_TRACE_ID", ""):
            return handler(event, context)
        if not made:
            tracer = Tracer(service="entrepot-api")
            made.append(tracer.capture_lambda_handler(handler, capture_response=False, capture_error=False))
        return made[0](event, context)

    return choose
