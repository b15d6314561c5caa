"""The local issuer of bearer tokens: an OpenID provider's keys and discovery, without log-in.

It lives here alone and never in a deployment: a deployed API trusts the issuer of its settings, whose keys it
fetches itself.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.jwk import RSAKey

ISSUER = "https://issuer.entrepot.local"
AUDIENCE = "entrepot"
ALGORITHM = "RS256"
DEFAULT_SECONDS = 12 * 3600


class LocalIssuer:
    """Makes tokens, and publishes the key that they are checked with.

    Args:
        folder: Where the key is kept; made at the first start.
        base_url: Where the documents are served.
    """

    def __init__(self, folder: Path, base_url: str) -> None:
        self._path = folder / "key.json"
        self.base_url = base_url
        self._key = self._load()

    @property
    def jwks_url(self) -> str:
        """Where the public key is served."""
        return f"{self.base_url}/.well-known/jwks.json"

    def environment(self) -> dict[str, str]:
        """What functions need to verify these tokens."""
        return {"OIDC_ISSUER": ISSUER, "OIDC_AUDIENCE": AUDIENCE, "OIDC_JWKS_URL": self.jwks_url}

    def jwks(self) -> dict[str, Any]:
        """The public key as a JWK set (RFC 7517)."""
        return {"keys": [{**self._key.as_dict(private=False), "use": "sig", "alg": ALGORITHM}]}

    def discovery(self) -> dict[str, Any]:
        """The OpenID provider's metadata."""
        return {
            "issuer": ISSUER,
            "jwks_uri": self.jwks_url,
            "id_token_signing_alg_values_supported": [ALGORITHM],
            "response_types_supported": ["token"],
            "subject_types_supported": ["public"],
        }

    def issue(self, user: str, role: str, tenant: str = "main", ttl: float = DEFAULT_SECONDS, **claims: Any) -> str:
        """Makes a token.

        Args:
            user: The subject.
            role: What the user may do.
            tenant: Whose data.
            ttl: Seconds until it expires.
            **claims: Further claims.
        """
        now = int(time.time())
        body = {
            "iss": ISSUER, "aud": AUDIENCE, "sub": user, "tenant": tenant, "role": role, "iat": now,
            "exp": now + int(ttl), "jti": str(uuid.uuid4()), **claims,
        }  # fmt: skip
        return jwt.encode({"alg": ALGORITHM, "kid": self._key.kid}, body, self._key)

    def _load(self) -> RSAKey:
        if self._path.exists():
            return RSAKey.import_key(json.loads(self._path.read_text()))
        self._path.parent.mkdir(parents=True, exist_ok=True)
        key = RSAKey.generate_key(2048, auto_kid=True)
        fresh = self._path.with_suffix(".new")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
            json.dump(key.as_dict(private=True), stream)
        fresh.replace(self._path)
        return key
