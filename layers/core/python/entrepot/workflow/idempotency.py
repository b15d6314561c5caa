"""Idempotency keys: a request that is repeated with its key does nothing twice."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from entrepot.ports.jobs import ConfigStore
from entrepot.workflow.access import Caller

KEPT = 86_400
"""Seconds for which a key is remembered."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a key stands for: the result stored by its first use."""

    result: str
    first: bool


@dataclass(frozen=True, slots=True)
class Once:
    """One request, as far as repeating it is concerned.

    The result stored with a key is only what the rest follows from (an id, a source's version):
    whoever repeats the request after the first one died half-way goes through the same motions
    with the same values, and every motion after the claim is idempotent.

    Attributes:
        key: The ``Idempotency-Key`` header; empty when the caller sent none.
        fingerprint: Hash of what was asked.
    """

    key: str = ""
    fingerprint: str = ""

    @classmethod
    def of(cls, key: str, *parts: bytes | str) -> Once:
        """A request with this key, asking for what ``parts`` say."""
        digest = hashlib.sha256()
        for part in parts:
            data = part.encode() if isinstance(part, str) else part
            digest.update(len(data).to_bytes(8, "big") + data)
        return cls(key, digest.hexdigest())

    def also(self, what: str) -> Once:
        """A further claim for the same request: its owner is this request, its name ``what``."""
        return Once(f"\x01{what}", hashlib.sha256(f"{self.key}\x00{self.fingerprint}".encode()).hexdigest())

    def claim(self, config: ConfigStore, caller: Caller, fresh: str) -> Claim:
        """Stores ``fresh`` under the key, or finds what was stored first.

        ``first`` is told by the result being ours, so it means something only when ``fresh`` is unique.

        Keys belong to the user who sent them: nobody finds another's request by its key. Further
        claims (`also`) are the tenant's.

        Raises:
            ConflictError: The key was used for something else.
        """
        if not self.key:
            return Claim(fresh, first=True)
        scoped = self.key if self.key.startswith("\x01") else f"{caller.actor}\x00{self.key}"
        stored = config.claim_key(caller.tenant, scoped, self.fingerprint, fresh, seconds=KEPT)
        return Claim(stored, first=stored == fresh)
