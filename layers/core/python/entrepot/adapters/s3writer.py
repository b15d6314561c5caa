"""Writing an object in a stream: small ones in one PUT, large ones in parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

from entrepot.adapters.errors import aws_errors
from entrepot.ports.blobs import BlobWriter

PART = 16 << 20
"""Bytes held before a part is sent. S3 wants at least 5 MiB; chunks as Arrow stay below this, so that
most objects are one request."""
_GROW_EVERY = 1000
"""Parts after which the part size doubles: S3 takes 10,000, which this way hold terabytes."""


class S3Writer:
    """An object in the making.

    It looks enough like a binary file for libraries that write to one.

    Args:
        client: An S3 client.
        place: ``Bucket`` and ``Key``.
    """

    def __init__(self, client: Any, place: dict[str, str]) -> None:
        self._client = client
        self._place = place
        self._held = bytearray()
        self._size = 0
        self._upload_id = ""
        self._parts: list[dict[str, Any]] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        """Appends bytes."""
        self._held += data
        self._size += len(data)
        while len(self._held) >= self._part_size:
            size = self._part_size
            part = bytes(self._held[:size])
            del self._held[:size]
            self._send(part)

    def tell(self) -> int:
        """Bytes written so far."""
        return self._size

    def flush(self) -> None:
        """Does nothing: parts are sent when they are full."""

    def writable(self) -> bool:
        """Always."""
        return not self.closed

    def readable(self) -> bool:
        """Never."""
        return False

    def seekable(self) -> bool:
        """Never."""
        return False

    def close(self) -> None:
        """Does nothing: the block's end stores the object."""

    def finish(self) -> None:
        """Makes the object exist."""
        self.closed = True
        if not self._upload_id:
            self._client.put_object(**self._place, Body=bytes(self._held))
            return
        if self._held:
            self._send(bytes(self._held))
        self._client.complete_multipart_upload(
            **self._place, UploadId=self._upload_id, MultipartUpload={"Parts": self._parts}
        )

    def abort(self) -> None:
        """Leaves nothing behind."""
        self.closed = True
        self._held.clear()
        if self._upload_id:
            self._client.abort_multipart_upload(**self._place, UploadId=self._upload_id)

    @property
    def _part_size(self) -> int:
        return PART << (len(self._parts) // _GROW_EVERY)

    @aws_errors("writing an object")
    def _send(self, part: bytes) -> None:
        if not self._upload_id:
            self._upload_id = self._client.create_multipart_upload(**self._place)["UploadId"]
        number = len(self._parts) + 1
        answer = self._client.upload_part(**self._place, UploadId=self._upload_id, PartNumber=number, Body=part)
        self._parts.append({"PartNumber": number, "ETag": answer["ETag"]})


@contextmanager
def writing(writer: S3Writer, errors: Callable[[], AbstractContextManager[None]]) -> Iterator[BlobWriter]:
    """Finishes a writer when the block ends, and aborts it when anything goes wrong.

    Args:
        writer: A fresh writer.
        errors: Makes the context that turns the store's errors into ours.
    """
    with errors():
        try:
            yield writer
            writer.finish()
        except BaseException:
            # The first error is the one to tell; parts that stay behind expire by the bucket's rule.
            with suppress(Exception):
                writer.abort()
            raise
