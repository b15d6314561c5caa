"""The service: can it be reached, does it know us, do its clocks and peers agree?"""

from __future__ import annotations

import base64
import binascii
import json
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from cli.doctor.result import Finding, bad, note, ok

if TYPE_CHECKING:
    from cli.service import Session

SKEW_SECONDS = 60
"""Signed addresses and tokens begin to fail when clocks differ by minutes."""


def look(session: Session) -> Iterator[Finding]:
    """Looks at a service.

    Args:
        session: The way to it.
    """
    import httpx

    from entrepot_client import EntrepotError
    from entrepot_client.errors import api_error

    transport = session.client.transport
    bearer = {"Authorization": f"Bearer {transport.token}"}
    try:
        # Not by `Transport.request`: a degraded service answers 503, and what it says is wanted.
        answer = transport.http.get(f"{transport.url}/health", headers=bearer)
        if answer.status_code not in {200, 503}:
            raise api_error(answer.status_code, _json(answer.text), where="GET /health")
    except (EntrepotError, httpx.HTTPError) as error:
        yield _unreachable(transport.url, error)
        return
    yield ok("service", f"{transport.url} answers")
    yield clock(answer.headers.get("date", ""), time.time())
    yield token(transport.token, time.time())
    yield from _parts(_json(answer.text))


def _unreachable(url: str, error: Exception) -> Finding:
    status = getattr(error, "status", 0)
    if status in {401, 403}:
        return bad("token", str(error), "Get a new one: `entrepot token --role engineer` (local), or log in again.")
    if status:
        return bad("service", f"{url}: {error}", "Look at the service's log under the request's id.")
    return bad("service", str(error), "Start it with `entrepot up`, or give its address with --service URL.")


def clock(date: str, now: float) -> Finding:
    """How far this machine's clock is from the service's.

    Args:
        date: The answer's ``Date``.
        now: Seconds since 1970, here.
    """
    try:
        skew = now - parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError):
        return note("clock", "the service does not say its time")
    if abs(skew) > SKEW_SECONDS:
        way = "ahead of" if skew > 0 else "behind"
        return bad("clock", f"{abs(skew):.0f} s {way} the service", "Set this machine's clock by NTP.")
    return ok("clock", f"within {max(1, round(abs(skew)))} s of the service's")


def token(text: str, now: float) -> Finding:
    """What the token says of itself, unverified; the service has just accepted it or not.

    Args:
        text: The token.
        now: Seconds since 1970.
    """
    if not text:
        return note("token", "none", "Set ENTREPOT_TOKEN.")
    claims = _claims(text)
    if claims is None:
        return bad("token", "not a JSON web token", "Set ENTREPOT_TOKEN to one; `entrepot token` makes it locally.")
    who = f"{claims.get('sub')} as {claims.get('role')} of {claims.get('tenant')}"
    left = float(claims.get("exp") or 0) - now
    if left <= 0:
        return bad("token", f"{who}, expired", "Get a new one.")
    shown = f"{left / 3600:.1f} h" if left > 3600 else f"{left / 60:.0f} min"
    return ok("token", f"{who}, valid for {shown}")


def _claims(text: str) -> dict[str, Any] | None:
    try:
        body = text.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (IndexError, ValueError, binascii.Error):
        return None
    return claims if isinstance(claims, dict) else None


def _json(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _parts(health: dict[str, Any]) -> Iterator[Finding]:
    """The service's own view of its peers: database, table, state machine, inbox."""
    for name, check in (health.get("checks") or {}).items():
        label = str(name).replace("_", " ")
        detail = str(check.get("detail") or "")
        if check.get("ok"):
            shown = f"answers in {float(check.get('milliseconds') or 0):.0f} ms"
            yield ok(label, f"{shown}, {detail}" if detail else shown)
        else:
            yield bad(label, detail or "does not answer", "Look at the service's settings and log.")
