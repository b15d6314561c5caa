"""Secrets by reference, from Secrets Manager."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

from entrepot.adapters import aws
from entrepot.adapters.errors import aws_errors
from entrepot.errors import ConfigurationError

KEEP_SECONDS = 300.0
"""How long a secret is used without another look: a rotation is seen after five minutes at most."""
_NEEDED = ("host", "username")


class SecretsManagerSecrets:
    """Secrets, kept for five minutes. Their content appears in no error.

    Args:
        client: A Secrets Manager client; the process's own when None.
        monotonic: Seconds that never run backwards.
    """

    def __init__(self, client: Any = None, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._monotonic = monotonic
        self._kept: dict[str, tuple[float, dict[str, Any]]] = {}
        self._lock = threading.Lock()

    @property
    def client(self) -> Any:
        """The client, made when first needed."""
        return self._client if self._client is not None else aws.client("secretsmanager")

    def database(self, secret_id: str) -> dict[str, Any]:
        """Where a database is and how to enter it, in the format that RDS writes.

        Args:
            secret_id: Name or ARN.

        Returns:
            ``host, port, username, password, dbname``, and what else the secret holds
            (``sslmode``, ``options``).

        Raises:
            ConfigurationError: There is no such secret, or it is not of that format.
        """
        with self._lock:
            kept = self._kept.get(secret_id)
            if kept is None or self._monotonic() - kept[0] >= KEEP_SECONDS:
                kept = self._kept[secret_id] = self._monotonic(), self._fetch(secret_id)
            return dict(kept[1])

    def forget(self, secret_id: str) -> None:
        """Has the secret read again: for a caller whom the database refused after a rotation."""
        with self._lock:
            self._kept.pop(secret_id, None)

    def _fetch(self, secret_id: str) -> dict[str, Any]:
        with aws_errors("reading a secret"):
            answer = self.client.get_secret_value(SecretId=secret_id)
        hint = 'Store JSON as RDS writes it: {"host", "port", "username", "password", "dbname"}.'
        try:
            content = json.loads(answer.get("SecretString") or "")
        except ValueError:
            raise ConfigurationError("The database secret is not JSON.", hint=hint, secret=secret_id) from None
        missing = [name for name in _NEEDED if not isinstance(content, dict) or not content.get(name)]
        if missing:
            message = f"The database secret lacks {', '.join(missing)}."
            raise ConfigurationError(message, hint=hint, secret=secret_id, missing=missing)
        return {"port": 5432, "dbname": "postgres", **content}
