"""The client: where every call begins."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, Self

import httpx

from entrepot_client.collections import Collections
from entrepot_client.configuration import Contracts, Schedules, Templates
from entrepot_client.imports import Imports
from entrepot_client.jobs import Jobs
from entrepot_client.models import Rows
from entrepot_client.transport import Retry, Transport


class Client:
    """A connection to one Entrepot service, for one token. Safe to share between threads.

    Args:
        url: Base URL of the service; ``ENTREPOT_URL`` when left out.
        token: Bearer token; ``ENTREPOT_TOKEN`` when left out.
        timeout: Seconds to wait for one answer.
        retry: How calls are repeated after a passing fault.
        http: An httpx client to use instead of an own one.
        sleep: How to wait (tests pass their own).

    Raises:
        ValueError: No address was given.

    Example:
        ``with Client("https://…", token) as client: client.imports.upload("a.csv", contract="a")``
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        timeout: float = 35.0,
        retry: Retry | None = None,
        http: httpx.Client | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        address = url or os.environ.get("ENTREPOT_URL", "")
        if not address:
            msg = "no address of a service: give url, or set ENTREPOT_URL"
            raise ValueError(msg)
        secret = os.environ.get("ENTREPOT_TOKEN", "") if token is None else token
        self.transport = Transport(address, secret, timeout=timeout, retry=retry, http=http, sleep=sleep)
        self.jobs = Jobs(self.transport)
        self.imports = Imports(self.transport, self.jobs)
        self.collections = Collections(self.transport, self.jobs)
        self.contracts = Contracts(self.transport)
        self.templates = Templates(self.transport)
        self.schedules = Schedules(self.transport)

    @property
    def url(self) -> str:
        """Base URL of the service."""
        return self.transport.url

    def rows(self, contract: str, *, limit: int = 20) -> Rows:
        """The first rows of a contract's target table, and how many it has."""
        return self.contracts.rows(contract, limit=limit)

    def health(self) -> dict[str, Any]:
        """What the service says of itself; with a token, of its peers too."""
        return dict(self.transport.json("GET", "/health"))

    def close(self) -> None:
        """Closes the connections."""
        self.transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
