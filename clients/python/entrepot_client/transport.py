"""One place that speaks HTTP: authentication, retries with jitter, errors by status."""

from __future__ import annotations

import contextlib
import json
import random
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx

from entrepot_client.errors import ConnectionFailedError, api_error

RETRIED_STATUSES = frozenset({429, 502, 503, 504})
"""Answers that say the same call may succeed a little later."""


@dataclass(frozen=True)
class Retry:
    """How often and how patiently a call is repeated.

    Attributes:
        attempts: Calls in all, the first included.
        base: Seconds; the n-th pause is drawn between 0 and ``base * 2**n`` (full jitter), so that
            many clients that failed together do not come back together.
        cap: Seconds; no drawn pause is longer.
    """

    attempts: int = 5
    base: float = 0.25
    cap: float = 8.0

    def pause(self, attempt: int, retry_after: str | None = None) -> float:
        """Seconds to wait after failed attempt number ``attempt`` (from 0).

        Args:
            attempt: Attempts that failed before this one.
            retry_after: The service's own ``Retry-After`` in seconds; it is the least we wait.
        """
        drawn = random.uniform(0, min(self.cap, self.base * 2**attempt))  # noqa: S311 - jitter
        with contextlib.suppress(ValueError):
            return max(drawn, min(float(retry_after or 0), 60.0))
        return drawn


def segment(name: str) -> str:
    """A name as one segment of a path; slashes and dots cannot lead elsewhere."""
    return "%2E%2E" if name == ".." else "%2E" if name == "." else quote(name, safe="")


class Transport:
    """Calls the API of one service on behalf of one token.

    Args:
        url: The service's base URL.
        token: Bearer token; empty for calls that need none.
        timeout: Seconds to wait for an answer (the service's own limit is 29).
        retry: How calls are repeated.
        http: An httpx client to use instead of an own one (its closing stays the caller's).
        sleep: How to wait between attempts.
    """

    def __init__(
        self,
        url: str,
        token: str = "",
        *,
        timeout: float = 35.0,
        retry: Retry | None = None,
        http: httpx.Client | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = url.rstrip("/")
        self.token = token
        self.retry = retry or Retry()
        self.sleep = sleep
        self._owned = http is None
        self.http = http or httpx.Client(
            timeout=httpx.Timeout(timeout, connect=min(10.0, timeout)),
            headers={"User-Agent": "entrepot-client/1"},
        )

    def close(self) -> None:
        """Closes the connections."""
        if self._owned:
            self.http.close()

    def json(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: object = None,
        idempotency_key: str | None = None,
    ) -> Any:
        """Calls the API and returns the decoded JSON answer.

        Args:
            method: HTTP method.
            path: Path below the base URL, its names already quoted with `segment`.
            params: Query parameters; those that are None are left out.
            body: Sent as JSON when not None.
            idempotency_key: Names this POST, so that a repeat does nothing twice; made up when
                None. A caller that may itself be repeated gives its own.

        Raises:
            ApiError: The service answered with 400 or more.
            ConnectionFailedError: No answer came.
        """
        headers = {"Accept": "application/json"}
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(body, ensure_ascii=False, default=str).encode()
        if method == "POST":
            headers["Idempotency-Key"] = idempotency_key or str(uuid.uuid4())
        answer = self.request(method, path, params=params, headers=headers, content=content)
        return answer.json() if answer.content else {}

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> httpx.Response:
        """One call with retries; an answer below 400, redirects not followed.

        Raises:
            ApiError: The service answered with 400 or more.
            ConnectionFailedError: No answer came.
        """
        url = f"{self.url}{path}"
        query = {k: v for k, v in (params or {}).items() if v is not None}
        sent = {**(headers or {})}
        if self.token:
            sent["Authorization"] = f"Bearer {self.token}"

        def call() -> httpx.Response:
            return self.http.request(method, url, params=query, headers=sent, content=content, follow_redirects=False)

        answer = self.repeat(call, where=self.url)
        if answer.status_code >= 400:
            raise api_error(answer.status_code, _decoded(answer), where=f"{method} {path}")
        return answer

    def repeat(self, call: Callable[[], httpx.Response], *, where: str) -> httpx.Response:
        """Repeats an idempotent call while its failure is a passing one.

        Raises:
            ConnectionFailedError: No attempt was answered.
        """
        for attempt in range(self.retry.attempts):
            last = attempt == self.retry.attempts - 1
            try:
                answer = call()
            except httpx.InvalidURL as error:
                raise _unreachable(where, error) from error
            except httpx.TransportError as error:
                if last or isinstance(error, httpx.UnsupportedProtocol):
                    raise _unreachable(where, error) from error
                self.sleep(self.retry.pause(attempt))
                continue
            if last or answer.status_code not in RETRIED_STATUSES:
                return answer
            self.sleep(self.retry.pause(attempt, answer.headers.get("retry-after")))
        msg = "a retry needs at least one attempt"
        raise ValueError(msg)

    def pages(self, path: str, key: str, *, limit: int | None = None, **params: Any) -> Iterator[dict[str, Any]]:
        """Every item of a list, page after page.

        Args:
            path: The list's path.
            key: Name of the list in the answer.
            limit: Items in all; None for every one.
            **params: Filters.
        """
        cursor: str | None = None
        left = limit
        while left is None or left > 0:
            page = self.json("GET", path, params={**params, "limit": min(left or 200, 200), "cursor": cursor})
            for item in page.get(key, [])[:left]:
                yield item
                left = None if left is None else left - 1
            cursor = page.get("cursor")
            if not cursor:
                return


def _decoded(answer: httpx.Response) -> object:
    try:
        return answer.json()
    except ValueError:
        return None


def _unreachable(where: str, error: Exception) -> ConnectionFailedError:
    return ConnectionFailedError(
        f"{where} does not answer ({type(error).__name__}: {error}).",
        hint="Is the service running, and is its address right?",
    )
