"""Announcing job events, by EventBridge."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from entrepot.adapters import aws
from entrepot.adapters.errors import aws_errors
from entrepot.errors import ConfigurationError, RetriableError, ThrottledError, TooLargeError, UnavailableError

SOURCE = "entrepot"
_MAX_DETAIL = 256_000
"""Bytes; EventBridge takes 1 MB, many of its targets a quarter of that."""
_PASSING = {"InternalFailure": UnavailableError, "InternalException": UnavailableError}


class EventBridgeBus:
    """One event bus.

    Args:
        name: The bus.
        client: An EventBridge client; the process's own when None.
    """

    def __init__(self, name: str, client: Any = None) -> None:
        self._name = name
        self._client = client

    @property
    def client(self) -> Any:
        """The client, made when first needed."""
        return self._client if self._client is not None else aws.client("events")

    @aws_errors("announcing an event")
    def publish(self, detail_type: str, detail: Mapping[str, Any]) -> None:
        """Puts one event: ids and counts only.

        Raises:
            RetriableError: The bus did not take it.
        """
        text = json.dumps(detail, separators=(",", ":"), default=str)
        if len(text.encode()) > _MAX_DETAIL:
            raise TooLargeError(f"An event {detail_type} has more than {_MAX_DETAIL} bytes.", detail_type=detail_type)
        entry = {"Source": SOURCE, "DetailType": detail_type, "Detail": text, "EventBusName": self._name}
        answer = self.client.put_events(Entries=[entry])
        # A refused entry is no error of the call.
        if answer.get("FailedEntryCount"):
            raise self._refused(str(answer["Entries"][0].get("ErrorCode", "")))

    def _refused(self, code: str) -> RetriableError | ConfigurationError:
        message, facts = f"The event bus did not take an event: {code}.", {"service_code": code, "bus": self._name}
        if code in _PASSING:
            return UnavailableError(message, **facts)
        if "Throttl" in code or "LimitExceeded" in code:
            return ThrottledError(message, **facts)
        return ConfigurationError(message, hint="Check the bus and the grants on it.", **facts)
