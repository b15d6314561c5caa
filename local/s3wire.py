"""What S3 requests and answers look like on the wire: errors, XML, ranges, signed chunks and checksums.

Formats: https://docs.aws.amazon.com/AmazonS3/latest/API/ (operations, error codes) and
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html (``aws-chunked`` bodies).
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import formatdate, parsedate_to_datetime
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import escape

from local.httpd import BLOCK, Environ

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


class S3Error(Exception):
    """An error answer.

    Args:
        code: S3's error code, e.g. ``NoSuchKey``.
        message: One sentence.
        status: HTTP status.
        headers: Extra headers of the answer.
    """

    def __init__(self, code: str, message: str, status: int, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.headers = dict(headers or {})

    def xml(self, resource: str) -> bytes:
        """The body of the answer."""
        return document(
            "Error",
            element("Code", self.code),
            element("Message", self.message),
            element("Resource", resource),
            element("RequestId", "local"),
            namespace=False,
        )


def no_such_key(key: str) -> S3Error:
    """The key does not exist."""
    return S3Error("NoSuchKey", f"The specified key does not exist: {key[:200]}", 404)


def element(name: str, value: object) -> str:
    """One XML element with text."""
    text = "".join(char if char >= " " or char in "\t\n" else "\ufffd" for char in str(value))
    return f"<{name}>{escape(text).replace(chr(13), '&#13;')}</{name}>"


def document(name: str, *children: str, namespace: bool = True) -> bytes:
    """An XML document."""
    attribute = f' xmlns="{NAMESPACE}"' if namespace else ""
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{name}{attribute}>{"".join(children)}</{name}>'.encode()


def iso_time(seconds: float) -> str:
    """A time as XML carries it."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def http_time(seconds: float) -> str:
    """A time as headers carry it."""
    return formatdate(int(seconds), usegmt=True)


def url_quote(key: str, encoding: str) -> str:
    """A key as a listing carries it: percent-encoded when the caller asked for it."""
    return quote(key, safe="/!*'()~") if encoding == "url" else key


def parse_range(header: str, size: int) -> tuple[int, int] | None:
    """The first and last byte of a Range header, None when it asks for the whole body.

    Raises:
        S3Error: Nothing of the range is in the body (416).
    """
    unit, _, spec = header.partition("=")
    if unit.strip() != "bytes" or "," in spec:
        return None
    first, dash, last = spec.strip().partition("-")
    if not dash or not (first + last).isdigit():
        return None
    start = int(first) if first else max(0, size - int(last))
    end = min(int(last), size - 1) if first and last else size - 1
    if start >= size or start > end or (not first and not int(last)):
        raise S3Error(
            "InvalidRange", "The requested range is not satisfiable", 416, {"Content-Range": f"bytes */{size}"}
        )
    return start, end


def parse_time(header: str) -> float | None:
    """Seconds of an HTTP date, None when it is none."""
    try:
        return parsedate_to_datetime(header).timestamp()
    except (ValueError, TypeError):
        return None


# -- checksums


class Crc32:
    """CRC-32 with hashlib's interface."""

    def __init__(self) -> None:
        self._value = 0

    def update(self, block: bytes) -> None:
        self._value = zlib.crc32(block, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")


_DIGESTS: dict[str, Any] = {
    "crc32": Crc32,
    "sha1": lambda: hashlib.sha1(usedforsecurity=False),
    "sha256": hashlib.sha256,
}
CHECKSUMS = ("crc32", "crc32c", "crc64nvme", "sha1", "sha256")


def digest_for(algorithm: str) -> Any | None:
    """A running checksum; None for those that the standard library lacks (they are stored unchecked)."""
    make = _DIGESTS.get(algorithm.lower())
    return make() if make else None


def base64_digest(digest: Any) -> str:
    """A checksum as headers carry it."""
    return base64.b64encode(digest.digest()).decode()


def announced_algorithm(environ: Environ) -> str:
    """The checksum that a request carries or promises in its trailer, "" for none."""
    for name in CHECKSUMS:
        if f"HTTP_X_AMZ_CHECKSUM_{name.upper()}" in environ:
            return name
    trailer = environ.get("HTTP_X_AMZ_TRAILER", "").lower().strip()
    return trailer.removeprefix("x-amz-checksum-") if trailer.startswith("x-amz-checksum-") else ""


class RequestBody:
    """The bytes of an upload, unwrapped from ``aws-chunked`` where they come so.

    ``trailers`` holds the trailing headers once the body is read.
    """

    def __init__(self, environ: Environ) -> None:
        self._stream = environ["wsgi.input"]
        self.trailers: dict[str, str] = {}
        encoding = environ.get("HTTP_CONTENT_ENCODING", "")
        sha = environ.get("HTTP_X_AMZ_CONTENT_SHA256", "")
        self._wrapped = "aws-chunked" in encoding or sha.startswith("STREAMING-")
        length = environ.get("HTTP_X_AMZ_DECODED_CONTENT_LENGTH") if self._wrapped else environ.get("CONTENT_LENGTH")
        self.expected = int(length) if length else None

    def __iter__(self) -> Iterator[bytes]:
        seen = 0
        for block in self._unwrap() if self._wrapped else self._plain():
            seen += len(block)
            yield block
        if self.expected is not None and seen != self.expected:
            raise S3Error("IncompleteBody", f"The body has {seen} bytes, not {self.expected}", 400)

    def _plain(self) -> Iterator[bytes]:
        while block := self._stream.read(BLOCK):
            yield block

    def _unwrap(self) -> Iterator[bytes]:
        while True:
            head = self._stream.readline(4096)
            try:
                left = int(head.split(b";")[0].strip(), 16)
            except ValueError:
                raise S3Error("IncompleteBody", "A chunk's head cannot be read", 400) from None
            if not left:
                break
            while left:
                block = self._stream.read(min(BLOCK, left))
                if not block:
                    raise S3Error("IncompleteBody", "The body ends inside a chunk", 400)
                left -= len(block)
                yield block
            self._stream.readline(4)
        while line := self._stream.readline(4096).strip():
            name, _, value = line.decode("latin-1").partition(":")
            self.trailers[name.strip().lower()] = value.strip()
