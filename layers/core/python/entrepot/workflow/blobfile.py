"""An object as an open file: readers of formats that are not streams seek in it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from entrepot.ports.blobs import BlobStore

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BLOCK = 1 << 20
"""Bytes that are read at least: a request costs more than a megabyte does."""


class BlobFile(io.RawIOBase):
    """One object at one version, read by ranges.

    Args:
        blobs: Where it lies.
        uri: The object.
        version: Its version.
        size: Its bytes.
    """

    def __init__(self, blobs: BlobStore, uri: str, version: str, size: int) -> None:
        super().__init__()
        self._blobs = blobs
        self._uri = uri
        self._version = version
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """The place in the object."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Moves to a place in the object."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Reads as much as fits."""
        view = memoryview(buffer).cast("B")
        end = min(self._size, self._at + len(view))
        if end <= self._at:
            return 0
        data = self._blobs.read(self._uri, version=self._version, start=self._at, end=end)
        view[: len(data)] = data
        self._at += len(data)
        return len(data)


def open_blob(blobs: BlobStore, uri: str, version: str, size: int) -> io.BufferedReader:
    """An object as a buffered, seekable file.

    Args:
        blobs: Where it lies.
        uri: The object.
        version: Its version.
        size: Its bytes.
    """
    return io.BufferedReader(BlobFile(blobs, uri, version, size), BLOCK)
