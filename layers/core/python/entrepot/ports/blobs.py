"""Objects in buckets (or local files), by URI."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class BlobInfo:
    """What is known of one object without reading it. ``size`` in bytes."""

    uri: str
    size: int
    version: str = ""
    etag: str = ""
    modified: str = ""
    metadata: Mapping[str, str] | None = None


class BlobWriter(Protocol):
    """An object in the making: it exists only once the block ends without an error."""

    def write(self, data: bytes) -> None:
        """Appends bytes."""


class BlobStore(Protocol):
    """Reads and writes objects. URIs are ``s3://bucket/key``, or ``file:///path`` where allowed.

    Every method raises ``NotFoundError`` for a missing object, ``RetriableError`` subclasses for
    passing faults and ``ForbiddenError`` for a URI outside what the settings allow.
    """

    def head(self, uri: str, version: str = "") -> BlobInfo:
        """Describes an object at a version (the latest when empty)."""

    def read(self, uri: str, *, version: str = "", start: int = 0, end: int | None = None) -> bytes:
        """Bytes ``start`` (inclusive) to ``end`` (exclusive; None for the rest)."""

    def stream(
        self, uri: str, *, version: str = "", start: int = 0, end: int | None = None, block: int = 8 << 20
    ) -> Iterator[bytes]:
        """The same, in blocks of at most ``block`` bytes."""

    def write(self, uri: str, data: bytes, *, metadata: Mapping[str, str] | None = None) -> str:
        """Stores an object whole; its version id (may be empty)."""

    def writer(self, uri: str) -> AbstractContextManager[BlobWriter]:
        """Stores an object in a stream; nothing remains of it when the block raises."""

    def list(self, uri_prefix: str) -> Iterator[BlobInfo]:
        """Objects whose URI begins so, in the order of their keys."""

    def list_fixed(self, uri_prefix: str) -> Iterator[BlobInfo]:
        """The same, each at a version that names its content for good: a version id, or what stands for it.

        Where nothing keeps versions that is ``etag:`` and the ETag, or a local file's SHA-256. Such a version
        is understood by `head`, `read` and `stream`, which find nothing once the object was replaced.
        """

    def write_if(self, uri: str, data: bytes, *, etag: str) -> str:
        """Stores an object in place of the one with this ETag, or of none when it is empty; the new ETag.

        Raises:
            ConflictError: Something else lies there.
        """

    def delete(self, uri: str) -> None:
        """Removes an object; no error when it is gone already."""

    def presign_get(self, uri: str, *, seconds: int, filename: str = "") -> str:
        """A short-lived link to read one object."""
