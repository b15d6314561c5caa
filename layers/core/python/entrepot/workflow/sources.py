"""Which objects a request may name as its source."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from entrepot.errors import ForbiddenError, NotFoundError, TooLargeError, UsageError
from entrepot.model.source import Source
from entrepot.ports.blobs import BlobStore
from entrepot.ports.world import Deadline

LEAST_SECONDS = 4.0
"""Seconds that must be left of the request when a digest is done."""

_BUCKET = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/()")
_S3 = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/([^\x00-\x1f\x7f]{1,1024})")


def is_prefix(uri: str) -> bool:
    """Whether a URI names all that lies below it: it ends with a slash."""
    return uri.endswith("/")


@dataclass(frozen=True, slots=True)
class Sources:
    """The places that the settings allow.

    Attributes:
        blobs: Describes and reads objects.
        inbox_bucket: Allowed below the caller's own tenant.
        buckets: Further buckets, allowed to every tenant.
        roots: Folders of this machine; none in a deployment.
    """

    blobs: BlobStore
    inbox_bucket: str
    buckets: Collection[str] = ()
    roots: Collection[str] = ()

    def check(self, tenant: str, uri: str) -> str:
        """The URI in its normal form, if this tenant may name it.

        Raises:
            ForbiddenError: It may not.
            UsageError: It is no URI of a kind that can be read.
        """
        if uri.startswith("s3://"):
            return self._s3(tenant, uri)
        if uri.startswith("file:"):
            return self._folder(uri) if is_prefix(uri) else self._file(uri)
        raise UsageError(
            f"A source is s3://bucket/key, not {uri[:80]!r}.", hint="For a file of your own, ask for an upload."
        )

    def fixed(self, tenant: str, uri: str, deadline: Deadline) -> Source:
        """One object of several, at the version that it has now; where none are kept, known by its ETag."""
        place = self.check(tenant, uri)
        if place.startswith("file:"):
            found = self.locate(tenant, place, deadline)
            return found.model_copy(update={"version": found.sha256})
        info = self.blobs.head(place)
        name = place.rsplit("/", 1)[-1]
        return Source(uri=place, version=info.version or f"etag:{info.etag}", name=name, size=info.size)

    def locate(self, tenant: str, uri: str, deadline: Deadline) -> Source:
        """The object as it lies there now: version and size, or its digest where nothing has versions.

        Raises:
            ForbiddenError: The tenant may not name it.
            NotFoundError: There is no such object.
            TooLargeError: It has no version, and is too large to be read within one request.
        """
        place = self.check(tenant, uri)
        info = self.blobs.head(place)
        name = unquote(place.rsplit("/", 1)[-1]) if place.startswith("file:") else place.rsplit("/", 1)[-1]
        digest = "" if info.version else self._digest(place, info.size, deadline)
        return Source(uri=place, version=info.version, name=name, size=info.size, sha256=digest)

    def _s3(self, tenant: str, uri: str) -> str:
        match = _S3.fullmatch(uri)
        if match is None and is_prefix(uri) and (whole := _BUCKET.fullmatch(uri)):
            match = whole
        if match is None:
            raise UsageError(f"{uri[:80]!r} is not s3://bucket/key.", hint="Name one object, not a prefix.")
        bucket, key = match[1], match[2]
        own = bucket == self.inbox_bucket
        allowed = key.startswith(f"{tenant}/") if own else bucket in self.buckets
        if not allowed:
            raise ForbiddenError(
                f"Sources in {bucket} are not allowed here.",
                hint="The deployment's setting source_buckets names the buckets that are.",
                bucket=bucket,
            )
        return uri

    def _file(self, uri: str) -> str:
        real = self._real(uri)
        if not real.is_file():
            raise NotFoundError(f"{str(real)[:200]!r} is not a file.")
        return real.as_uri()

    def _folder(self, uri: str) -> str:
        real = self._real(uri)
        if not real.is_dir():
            raise NotFoundError(f"{str(real)[:200]!r} is not a folder.")
        return f"{real.as_uri().rstrip('/')}/"

    def _real(self, uri: str) -> Path:
        """What a file URI means, links followed, when it lies under the roots."""
        parts = urlsplit(uri)
        if not self.roots:
            raise ForbiddenError("Files of the machine itself are no sources here.", hint="Ask for an upload.")
        path = unquote(parts.path)
        if parts.netloc not in {"", "localhost"} or not path.startswith("/") or "\x00" in path:
            raise UsageError(f"{uri[:80]!r} is not file:///absolute/path.")
        try:
            real = Path(path).resolve(strict=True)
        except (OSError, RuntimeError):
            real = None
        if real is None or not any(real.is_relative_to(Path(root).resolve()) for root in self.roots):
            # One answer for a file that is missing and one that is out of bounds: the difference
            # would tell what lies elsewhere on the machine.
            raise ForbiddenError(
                f"There is no {path[:200]!r} under the folders that sources may come from.",
                hint="Start with the folder as a root, or move the file into one.",
            )
        return real

    def _digest(self, uri: str, size: int, deadline: Deadline) -> str:
        digest = hashlib.sha256()
        for block in self.blobs.stream(uri):
            digest.update(block)
            if deadline.remaining() < LEAST_SECONDS:
                raise TooLargeError(
                    f"{uri[:200]} has no version and is too large ({size} bytes) to be read within one request.",
                    hint="Turn on versioning for its bucket, or upload the file.",
                    size=size,
                )
        return digest.hexdigest()
