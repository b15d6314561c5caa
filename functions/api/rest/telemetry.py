"""The function's log, metrics and traces. None ever holds an event, a body or a row's value."""

from __future__ import annotations

from aws_lambda_powertools import Logger, Metrics, Tracer

logger = Logger(service="entrepot-api")
metrics = Metrics(namespace="Entrepot", service="entrepot-api")
# boto3 is not patched at start: that alone would import it, for requests that may never need it.
tracer = Tracer(service="entrepot-api", auto_patch=False)
