"""A request on an object or bucket, its answer, and the headers of both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import parse_qsl
from xml.etree import ElementTree

from local.httpd import Environ, FileBody, read_all
from local.objects import PreconditionError, Version
from local.s3wire import S3Error, http_time, parse_time

XML_LIMIT = 2 << 20
_KEPT_HEADERS = ("cache-control", "content-disposition", "content-language", "expires")


@dataclass
class BucketView:
    """What the object half needs to know of a bucket's configuration."""

    name: str
    versioned: bool
    events: bool
    encryption: dict[str, str]


class Buckets(Protocol):
    """Where buckets and their configuration are kept."""

    def find(self, name: str) -> BucketView | None:
        """A bucket, None when it does not exist."""


@dataclass
class Answer:
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes | FileBody = b""


@dataclass
class Request:
    """A request on a bucket or an object."""

    environ: Environ
    method: str
    bucket: BucketView
    key: str
    query: dict[str, str]

    def header(self, name: str, default: str = "") -> str:
        """A header's value."""
        plain = name.upper().replace("-", "_")
        value = self.environ.get(plain if plain in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{plain}")
        return default if value is None else str(value)

    def xml(self) -> ElementTree.Element:
        """The body as XML."""
        data = read_all(self.environ, XML_LIMIT)
        if data is None or b"<!DOCTYPE" in data:
            raise S3Error("MalformedXML", "The XML you provided is too large or has a document type", 400)
        try:
            return ElementTree.fromstring(data)
        except ElementTree.ParseError as error:
            raise S3Error("MalformedXML", f"The XML you provided is not well formed: {error}", 400) from error


def failure_answer(error: S3Error, path: str) -> Answer:
    """An error as an answer."""
    return Answer(error.status, {"Content-Type": "application/xml", **error.headers}, error.xml(path))


def xml_answer(body: bytes, headers: dict[str, str] | None = None) -> Answer:
    """A document as an answer."""
    return Answer(200, {"Content-Type": "application/xml", **(headers or {})}, body)


def version_header(version: Version) -> dict[str, str]:
    """The header that names a version; none where there are no versions."""
    return {"x-amz-version-id": version.version_id} if version.version_id != "null" else {}


def object_headers(version: Version) -> dict[str, str]:
    """What a read says of an object beside its body."""
    headers = {
        "ETag": f'"{version.etag}"',
        "Last-Modified": http_time(version.modified),
        "Accept-Ranges": "bytes",
        "Content-Type": "binary/octet-stream",
        **version_header(version),
        **version.headers,
    }
    if version.tags:
        headers["x-amz-tagging-count"] = str(len(version.tags))
    return headers


def stored_headers(request: Request) -> dict[str, str]:
    """What a write says that later reads say again."""
    headers = {"Content-Type": request.header("content-type") or "binary/octet-stream", **request.bucket.encryption}
    encodings = [part.strip() for part in request.header("content-encoding").split(",")]
    kept = ",".join(part for part in encodings if part and part != "aws-chunked")
    if kept:
        headers["Content-Encoding"] = kept
    for name in _KEPT_HEADERS:
        if value := request.header(name):
            headers[name.title()] = value
    for name, value in request.environ.items():
        if name.startswith("HTTP_X_AMZ_META_"):
            headers["x-amz-meta-" + name[16:].lower().replace("_", "-")] = value
        elif name.startswith("HTTP_X_AMZ_SERVER_SIDE_ENCRYPTION"):
            headers[name[5:].lower().replace("_", "-")] = value
    return headers


def header_tags(request: Request) -> dict[str, str]:
    """Tags that a write carries in a header."""
    return dict(parse_qsl(request.header("x-amz-tagging"), keep_blank_values=True))


def etag_matches(header: str, etag: str) -> bool:
    """Whether an ETag is in a list of them."""
    return header.strip() == "*" or etag in [item.strip().strip('"') for item in header.split(",")]


def write_condition(request: Request) -> Callable[[Version | None], bool]:
    """What a conditional write expects of the newest version."""
    none_match, match = request.header("if-none-match"), request.header("if-match")

    def holds(current: Version | None) -> bool:
        there = current is not None and not current.delete_marker
        if none_match and there:
            return False
        return not match or (current is not None and there and etag_matches(match, current.etag))

    return holds


def check_conditions(request: Request, version: Version) -> bool:
    """Whether the caller's copy is still good; a precondition that fails raises."""
    match, none_match = request.header("if-match"), request.header("if-none-match")
    since, unmodified = request.header("if-modified-since"), request.header("if-unmodified-since")
    if match and not etag_matches(match, version.etag):
        raise PreconditionError
    if not match and unmodified:
        limit = parse_time(unmodified)
        if limit is not None and int(version.modified) > limit:
            raise PreconditionError
    if none_match:
        return etag_matches(none_match, version.etag)
    limit = parse_time(since) if since else None
    return limit is not None and int(version.modified) <= limit


def part_span(version: Version, number: int) -> tuple[int, int]:
    """The first and last byte of a part."""
    if not 1 <= number <= len(version.parts):
        raise S3Error("InvalidPart", "The requested partnumber is not satisfiable", 416)
    start = sum(part.size for part in version.parts[: number - 1])
    return start, start + version.parts[number - 1].size - 1
