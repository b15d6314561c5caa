"""Large attributes: beyond a size they lie in the work bucket, and the item holds a reference."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from entrepot.adapters.dynamodb.items import REFERENCE, Typed, decode, encode
from entrepot.errors import ConfigurationError, IntegrityError, NotFoundError
from entrepot.ports.blobs import BlobStore

ATTRIBUTE_LIMIT = 40_000
"""Bytes of JSON of one attribute. A job has eight that may grow, so that with all of them at the limit
an item still fits DynamoDB's 400 KB."""


class Bodies:
    """Where large attributes go.

    Args:
        blobs: The store; None when there is none, and then a large attribute is refused.
        prefix: URI that their keys begin with, ``s3://work/bodies``. Nothing there may expire: it is
            part of the items.
    """

    def __init__(self, blobs: BlobStore | None, prefix: str) -> None:
        self._blobs = blobs
        self._prefix = prefix.rstrip("/")

    def pack(self, owner: str, attributes: Mapping[str, Any]) -> Typed:
        """Attributes as typed values, large ones as references; those that are None are left out.

        Args:
            owner: What the attributes belong to, as part of a key: ``tenant/jobs/id``.
            attributes: JSON values by name.
        """
        return {name: self._pack(owner, name, value) for name, value in attributes.items() if value is not None}

    def unpack(self, item: Typed) -> dict[str, Any]:
        """An item's attributes, those that were put away fetched again.

        Raises:
            IntegrityError: A referenced body is gone.
        """
        return {name: self._unpack(value) for name, value in item.items()}

    def _pack(self, owner: str, name: str, value: Any) -> Typed:
        if not isinstance(value, (dict, list)) or not value:
            return encode(value)
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
        if len(text) <= ATTRIBUTE_LIMIT:
            return encode(value)
        if self._blobs is None or not self._prefix:
            raise ConfigurationError(f"Attribute {name} has {len(text)} bytes and no bucket takes it.", attribute=name)
        # Named by content, so that writing it again, or twice at once, does no harm.
        uri = f"{self._prefix}/{owner}/{name}-{hashlib.sha256(text).hexdigest()[:32]}.json"
        self._blobs.write(uri, text)
        return {"M": {REFERENCE: {"S": uri}}}

    def _unpack(self, value: Typed) -> Any:
        reference = value["M"].get(REFERENCE) if "M" in value else None
        if reference is None:
            return decode(value)
        uri = reference["S"]
        if self._blobs is None:
            raise ConfigurationError("An item refers to a body and no bucket is set.", uri=uri)
        try:
            return json.loads(self._blobs.read(uri))
        except NotFoundError:
            hint = "Objects under bodies/ in the work bucket must never expire."
            raise IntegrityError("A stored body is gone.", hint=hint, uri=uri) from None
