"""Bearer tokens: who asks, proved by the issuer's signature (RFC 7519, RFC 8725, RFC 9068)."""

from __future__ import annotations

import http.client
import json
import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

from entrepot.errors import ConfigurationError, UnauthenticatedError, UnavailableError
from entrepot.model.contract import NAME_PATTERN
from entrepot.ports.world import Clock
from entrepot.workflow.access import Caller, Role

log = logging.getLogger(__name__)

ALGORITHMS = ("RS256", "ES256")
"""Asymmetric only: with HS256 in the list, the public key would be a signing key."""

MAX_TOKEN = 8192
"""Characters; API Gateway's own limit for all headers is 10,240 bytes."""

MAX_JWKS = 256 << 10
"""Bytes of the issuer's key set."""

LEEWAY = 30
"""Seconds by which two clocks may differ."""

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_SUBJECT = re.compile(r"^[^\x00-\x1f\x7f]{1,200}$")


def checked_url(url: str) -> SplitResult:
    """The parts of an address that keys may be read from: https, or http on this very machine.

    Raises:
        ConfigurationError: Anything else, since whoever sits between could hand out keys.
    """
    parts = urlsplit(url)
    if parts.hostname and (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)):
        return parts
    raise ConfigurationError(
        f"The key set's address {url[:200]!r} is neither https nor on the loopback interface.",
        hint="Set OIDC_JWKS_URL to the issuer's https address.",
        url=url[:200],
    )


def fetch_jwks(url: str, *, seconds: float = 3.0) -> dict[str, Any]:
    """Reads an issuer's key set. Redirects are not followed: they could leave https.

    Args:
        url: Address of the JSON document (RFC 7517, section 5).
        seconds: Time limit for all of it.

    Raises:
        ConfigurationError: The address is not one that keys may be read from.
        UnavailableError: No usable answer came in time.
    """
    parts = checked_url(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=seconds)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request("GET", path, headers={"Accept": "application/json", "Connection": "close"})
        answer = connection.getresponse()
        if answer.status != http.client.OK:
            raise _no_keys(f"status {answer.status}")
        document = json.loads(_read(answer, time.monotonic() + seconds))
    except (OSError, http.client.HTTPException, ValueError, RecursionError) as error:
        raise _no_keys(type(error).__name__) from error
    finally:
        connection.close()
    if not isinstance(document, dict):
        raise _no_keys("not a JSON object")
    return document


def _read(answer: http.client.HTTPResponse, until: float) -> bytes:
    """The body, bounded in bytes and, against a peer that drips, in time as a whole."""
    body = bytearray()
    while block := answer.read1(64 << 10):
        body += block
        if len(body) > MAX_JWKS or time.monotonic() > until:
            raise _no_keys("too long" if len(body) > MAX_JWKS else "too slow")
    return bytes(body)


def _no_keys(reason: str) -> UnavailableError:
    return UnavailableError(
        f"The token issuer's keys cannot be read ({reason}).", hint="Try again in a moment.", reason=reason
    )


class IssuerKeys:
    """An issuer's public keys, fetched when first needed and kept.

    A token with an unknown key id has the set read again, since issuers rotate keys; at most once
    every ``pause`` seconds, so that made-up key ids cannot make us hammer the issuer.

    Args:
        url: Where the issuer publishes its keys.
        fetch: How the document is read.
        monotonic: Seconds from any fixed point.
        keep: Seconds after which the set is read anew.
        stale: Seconds for which an old set still serves while the issuer does not answer.
        pause: Least seconds between two readings.
    """

    def __init__(
        self,
        url: str,
        *,
        fetch: Callable[[str], Mapping[str, Any]] = fetch_jwks,
        monotonic: Callable[[], float] = time.monotonic,
        keep: float = 3600,
        stale: float = 86_400,
        pause: float = 30,
    ) -> None:
        self._url = url
        self._fetch = fetch
        self._monotonic = monotonic
        self._keep, self._stale, self._pause = keep, stale, pause
        self._keys: dict[str, Any] = {}
        self._read_at: float | None = None
        self._tried_at: float | None = None
        self._lock = threading.Lock()

    def get(self, kid: str) -> Any | None:
        """The public key of this id, or None when the issuer has none of it.

        Raises:
            UnavailableError: No key set has been read, and none can be.
        """
        with self._lock:
            if self._read_at is None or self._age(self._read_at) > self._keep or kid not in self._keys:
                self._refresh()
            return self._keys.get(kid)

    def _age(self, moment: float) -> float:
        return self._monotonic() - moment

    def _refresh(self) -> None:
        if self._tried_at is not None and self._age(self._tried_at) < self._pause:
            if self._read_at is None:
                raise _no_keys("asked a moment ago")
            return
        self._tried_at = self._monotonic()
        try:
            self._keys = _public_keys(self._fetch(self._url))
        except UnavailableError:
            if self._read_at is None or self._age(self._read_at) > self._stale:
                self._read_at, self._keys = None, {}
                raise
            log.warning("the issuer's keys cannot be read; those of %.0f s ago still serve", self._age(self._read_at))
        else:
            self._read_at = self._tried_at


def _public_keys(document: Mapping[str, Any]) -> dict[str, Any]:
    """Keys that may verify our algorithms, by id; all others in the set are passed over."""
    from joserfc.errors import JoseError

    found: dict[str, Any] = {}
    entries = document.get("keys")
    for entry in entries if isinstance(entries, list) else []:
        if not isinstance(entry, dict) or entry.get("use", "sig") != "sig" or not isinstance(entry.get("kid"), str):
            continue
        if entry.get("alg", ALGORITHMS[0]) not in ALGORITHMS:
            continue
        try:
            key = _public_key(entry)
        except (JoseError, ValueError, TypeError, KeyError):
            log.warning("a key of the issuer's set cannot be read and is passed over")
            continue
        if key is not None:
            found.setdefault(entry["kid"], key)
    return found


def _public_key(entry: Mapping[str, Any]) -> Any | None:
    """The public half alone of an RSA key of 2048 bits or more, or of a P-256 key; None for all others."""
    from joserfc.jwk import ECKey, RSAKey

    if entry.get("kty") == "RSA" and len(entry["n"]) * 6 >= 2048:
        return RSAKey.import_key({k: entry[k] for k in ("kty", "n", "e")})
    if entry.get("kty") == "EC" and entry.get("crv") == "P-256":
        return ECKey.import_key({k: entry[k] for k in ("kty", "crv", "x", "y")})
    return None


class TokenVerifier:
    """Turns a bearer token into a caller, or refuses it.

    Args:
        issuer: The only issuer whose tokens count, compared exactly.
        audience: What the token must have been made for.
        keys: The issuer's public keys.
        clock: The time of day.
    """

    def __init__(self, issuer: str, audience: str, keys: IssuerKeys, clock: Clock) -> None:
        self._issuer = issuer
        self._audience = audience
        self._keys = keys
        self._clock = clock

    def verify(self, token: str) -> Caller:
        """The caller that the token names.

        Raises:
            UnauthenticatedError: The token proves nothing; ``facts['reason']`` says why, in a word.
            UnavailableError: The issuer's keys cannot be read.
        """
        if not token or len(token) > MAX_TOKEN or not token.isascii():
            raise _refused("malformed", "The token is not one.")
        return self._caller(self._claims(token))

    def _claims(self, token: str) -> dict[str, Any]:
        from joserfc import jwt
        from joserfc.errors import ExpiredTokenError, JoseError

        try:
            decoded = jwt.decode(token, self._key, algorithms=list(ALGORITHMS))
            claims = dict(decoded.claims)
            jwt.JWTClaimsRegistry(
                now=int(self._clock.now().timestamp()),
                leeway=LEEWAY,
                iss={"essential": True, "value": self._issuer},
                aud={"essential": True, "value": self._audience},
                sub={"essential": True},
                exp={"essential": True},
                iat={"essential": True},
            ).validate(claims)
        except ExpiredTokenError as error:
            raise _refused("expired", "The token has expired.") from error
        except (JoseError, ValueError, TypeError, KeyError, RecursionError) as error:
            raise _refused("invalid", "The token is not valid here.") from error
        return claims

    def _key(self, token: Any) -> Any:
        header = token.headers()
        kid = header.get("kid")
        if header.get("alg") not in ALGORITHMS or not isinstance(kid, str) or len(kid) > 200:
            raise _refused("key", "The token does not name a key that could have signed it.")
        key = self._keys.get(kid)
        if key is None:
            raise _refused("key", "The token was signed with a key that its issuer does not publish.")
        return key

    @staticmethod
    def _caller(claims: Mapping[str, Any]) -> Caller:
        tenant, actor, role = claims.get("tenant"), claims.get("sub"), claims.get("role")
        if not isinstance(tenant, str) or not re.fullmatch(NAME_PATTERN, tenant):
            raise _refused("tenant", "The token names no tenant.")
        if not isinstance(actor, str) or not _SUBJECT.fullmatch(actor):
            raise _refused("sub", "The token names no user.")
        if not isinstance(role, str) or role not in set(Role):
            raise _refused("role", "The token names no role that is known here.")
        return Caller(tenant=tenant, actor=actor, role=Role(role))


def _refused(reason: str, message: str) -> UnauthenticatedError:
    return UnauthenticatedError(message, hint="Get a fresh token from your issuer.", reason=reason)
