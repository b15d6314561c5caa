"""The REST API: one function behind API Gateway."""

from __future__ import annotations

import time
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from rest.app import make
from rest.services import rest
from rest.telemetry import logger, metrics, traced

from entrepot.adapters import invocation

app = make()

HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}
"""Sent with every answer: they hold what only the token's bearer may see."""


@traced
@metrics.log_metrics
@logger.inject_lambda_context(log_event=False, clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answers one request."""
    started = time.perf_counter()
    logger.append_keys(request_id=(event.get("requestContext") or {}).get("requestId"))
    invocation.begin("api", None, context)
    try:
        answer = app.resolve(event, context)
    finally:
        rest()
    answer.setdefault("multiValueHeaders", {}).update({k: [v] for k, v in HEADERS.items()})
    status, seconds = answer["statusCode"], time.perf_counter() - started
    metrics.add_metric(name="ApiRequests", unit=MetricUnit.Count, value=1)
    metrics.add_metric(name="ApiFaults", unit=MetricUnit.Count, value=int(status >= 500))
    metrics.add_metric(name="ApiLatency", unit=MetricUnit.Milliseconds, value=seconds * 1000)
    logger.info(
        "answered",
        extra={
            "method": event.get("httpMethod"),
            "resource": event.get("path"),
            "status": status,
            "milliseconds": round(seconds * 1000, 1),
        },
    )
    return answer
