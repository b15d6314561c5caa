"""The object half of S3 over HTTP: everything that moves, lists or deletes object bodies.

Buckets and their configuration stay moto's; `ObjectApi.handles` says which requests are taken here.
"""

from __future__ import annotations

import base64
import binascii
import calendar
import hashlib
import json
import re
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote
from xml.etree import ElementTree

from local.httpd import Environ, FileBody, StartResponse, path_bytes, read_all
from local.objects import ChangedFileError, ObjectStore, Part, PreconditionError, Upload, Version
from local.s3list import list_objects, list_parts, list_uploads, list_versions
from local.s3wire import (
    CHECKSUMS,
    RequestBody,
    S3Error,
    announced_algorithm,
    base64_digest,
    digest_for,
    document,
    element,
    http_time,
    iso_time,
    no_such_key,
    parse_range,
    parse_time,
)

XML_LIMIT = 2 << 20
MIN_PART_BYTES = 5 << 20
MAX_PUT_BYTES = 5 << 30
# Requests on an object that change no body and that the product does not use.
_REFUSED = {"acl", "attributes", "legal-hold", "retention", "restore", "select", "torrent"}
_LISTINGS = {"versions", "uploads", "delete"}
_BUCKET_CONFIGURATION = re.compile(
    r"^(accelerate|acl|analytics|cors|encryption|intelligent-tiering|inventory|lifecycle|location|logging|metrics|"
    r"notification|object-lock|ownershipControls|policy|policyStatus|publicAccessBlock|replication|"
    r"requestPayment|tagging|versioning|website|session)$"
)
_KEPT_HEADERS = ("cache-control", "content-disposition", "content-language", "expires")
_OVERRIDES = ("cache-control", "content-disposition", "content-encoding", "content-language", "content-type", "expires")


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


class ObjectApi:
    """A WSGI application for object requests.

    Args:
        store: The objects.
        buckets: Their buckets.
    """

    def __init__(self, store: ObjectStore, buckets: Buckets) -> None:
        self._store = store
        self._buckets = buckets

    @staticmethod
    def handles(method: str, path: str, query: str) -> bool:
        """Whether a request to S3 concerns objects, and not a bucket's configuration."""
        bucket, _, key = path.lstrip("/").partition("/")
        if not bucket:
            return False
        if key:
            return True
        names = {name for name, _ in parse_qsl(query, keep_blank_values=True)}
        if any(_BUCKET_CONFIGURATION.match(name) for name in names):
            return False
        return method == "GET" or (method == "POST" and "delete" in names)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        path = path_bytes(environ)
        try:
            answer = self._answer(environ, path)
        except S3Error as error:
            answer = _failure(error, path)
        except PreconditionError:
            answer = _failure(
                S3Error("PreconditionFailed", "At least one of the preconditions you specified did not hold", 412), path
            )
        except OSError as problem:
            if isinstance(problem, ConnectionError | TimeoutError):
                raise
            message = f"The object store cannot write or read: {problem.strerror}"
            answer = _failure(S3Error("InternalError", message, 500), path)
        return self._send(answer, start_response)

    @staticmethod
    def _send(answer: Answer, start_response: StartResponse) -> Iterable[bytes]:
        headers = {"x-amz-request-id": uuid.uuid4().hex[:16].upper(), "Server": "AmazonS3", **answer.headers}
        if "Content-Length" not in headers:
            length = len(answer.body) if isinstance(answer.body, bytes) else answer.body.length
            headers["Content-Length"] = str(length)
        start_response(f"{answer.status} S3", list(headers.items()))
        return [answer.body] if isinstance(answer.body, bytes) else answer.body

    def _answer(self, environ: Environ, path: str) -> Answer:
        name, _, key = path.lstrip("/").partition("/")
        bucket = self._buckets.find(name)
        if bucket is None:
            raise S3Error("NoSuchBucket", "The specified bucket does not exist", 404)
        query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
        check_presigned(query)
        request = Request(environ, environ["REQUEST_METHOD"], bucket, key, query)
        if len(key.encode()) > 1024:
            raise S3Error("KeyTooLongError", "Your key is too long", 400)
        return self._route(request)(request)

    def _route(self, request: Request) -> Callable[[Request], Answer]:
        method, query = request.method, request.query
        if not request.key:
            return self._bucket_route(request)
        refused = _REFUSED & set(query)
        if refused:
            raise S3Error("NotImplemented", f"{min(refused)} is not emulated on one machine", 501)
        if "tagging" in query:
            return {"GET": self._get_tags, "PUT": self._put_tags, "DELETE": self._put_tags}[method]
        if "uploadId" in query:
            return {
                "PUT": self._put_part,
                "POST": self._complete,
                "DELETE": self._abort,
                "GET": self._list_parts,
            }[method]
        if method == "POST" and "uploads" in query:
            return self._create_upload
        routes: dict[str, Callable[[Request], Answer]] = {
            "GET": self._get,
            "HEAD": self._get,
            "DELETE": self._delete,
            "PUT": self._copy if "HTTP_X_AMZ_COPY_SOURCE" in request.environ else self._put,
        }
        if method not in routes:
            raise S3Error("MethodNotAllowed", "The specified method is not allowed against this resource", 405)
        return routes[method]

    def _bucket_route(self, request: Request) -> Callable[[Request], Answer]:
        if "delete" in request.query:
            return self._delete_many
        if "versions" in request.query:
            return lambda request: _xml(list_versions(self._store, request.bucket.name, request.query))
        if "uploads" in request.query:
            return lambda request: _xml(list_uploads(self._store, request.bucket.name, request.query))
        return lambda request: _xml(list_objects(self._store, request.bucket.name, request.query))

    # -- reading

    def _find(self, bucket: str, key: str, version_id: str | None) -> Version:
        found = self._store.version(bucket, key, version_id) if version_id else self._store.current(bucket, key)
        if found is None:
            if version_id:
                raise S3Error("NoSuchVersion", "The specified version does not exist", 404)
            raise no_such_key(key)
        if found.delete_marker:
            headers = {"x-amz-delete-marker": "true", "x-amz-version-id": found.version_id}
            if version_id:
                raise S3Error("MethodNotAllowed", "The specified version is a delete marker", 405, headers)
            raise S3Error("NoSuchKey", "The specified key does not exist", 404, headers)
        return found

    def _get(self, request: Request) -> Answer:
        version = self._find(request.bucket.name, request.key, request.query.get("versionId"))
        headers = _object_headers(version)
        not_modified = _check_conditions(request, version)
        if not_modified:
            return Answer(304, {name: headers[name] for name in ("ETag", "Last-Modified")})
        span: tuple[int, int] | None = None
        if number := request.query.get("partNumber"):
            span = _part_span(version, int(number))
            headers["x-amz-mp-parts-count"] = str(len(version.parts))
        elif spec := request.header("range"):
            span = parse_range(spec, version.size)
        for name in _OVERRIDES:
            if value := request.query.get(f"response-{name}"):
                headers[name.title()] = value
        start, end = span or (0, version.size - 1)
        headers["Content-Length"] = str(end - start + 1)
        if span:
            headers["Content-Range"] = f"bytes {start}-{end}/{version.size}"
        elif request.header("x-amz-checksum-mode") == "ENABLED" and version.checksum_type == "FULL_OBJECT":
            headers.update({f"x-amz-checksum-{name}": value for name, value in version.checksums.items()})
        try:
            body = b"" if request.method == "HEAD" else self._store.body(version, start, end - start + 1)
        except ChangedFileError as error:
            raise S3Error("PreconditionFailed", f"The local file {error}", 412) from error
        except FileNotFoundError as error:
            # Deleted between the look-up and the opening.
            raise no_such_key(request.key) from error
        return Answer(206 if span else 200, headers, body)

    # -- writing

    def _receive(self, request: Request) -> Part:
        """Reads the request's body into a file and checks what the caller said of it."""
        algorithm = announced_algorithm(request.environ)
        digest = digest_for(algorithm) if algorithm else None
        body = RequestBody(request.environ)
        if body.expected is not None and body.expected > MAX_PUT_BYTES:
            raise S3Error("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size", 400)
        with self._store.writer([digest] if digest else []) as writer:
            for block in body:
                writer.write(block)
            stated = body.trailers.get(f"x-amz-checksum-{algorithm}") or request.header(f"x-amz-checksum-{algorithm}")
            if digest and stated and base64_digest(digest) != stated:
                raise S3Error("BadDigest", f"The {algorithm} you specified did not match what we received", 400)
            part = writer.finish()
        if algorithm and stated:
            part.checksums[algorithm] = stated
        if md5 := request.header("content-md5"):
            self._check_md5(md5, part)
        return part

    def _check_md5(self, stated: str, part: Part) -> None:
        try:
            wanted = base64.b64decode(stated, validate=True).hex()
        except binascii.Error:
            wanted = ""
        if wanted != part.etag:
            (self._store.folder / part.path).unlink(missing_ok=True)
            raise S3Error("BadDigest", "The Content-MD5 you specified did not match what we received", 400)

    def _put(self, request: Request) -> Answer:
        part = self._receive(request)
        version = Version(
            request.bucket.name,
            request.key,
            "",
            0,
            part.size,
            part.etag,
            parts=[part],
            headers=_stored_headers(request),
            checksums=dict(part.checksums),
            tags=_header_tags(request),
        )
        self._commit(request, version, "PutObject")
        headers = {"ETag": f'"{version.etag}"', **_version_header(version), **request.bucket.encryption}
        headers.update({f"x-amz-checksum-{name}": value for name, value in version.checksums.items()})
        return Answer(200, headers)

    def _commit(self, request: Request, version: Version, reason: str, *, discard: bool = True) -> None:
        self._store.put(
            version,
            versioned=request.bucket.versioned,
            events=request.bucket.events,
            reason=reason,
            expect=_write_condition(request),
            discard=discard,
        )

    def _copy_source(self, request: Request) -> Version:
        source, _, version = unquote(request.header("x-amz-copy-source")).partition("?versionId=")
        name, _, key = source.lstrip("/").partition("/")
        if self._buckets.find(name) is None:
            raise S3Error("NoSuchBucket", "The specified bucket does not exist", 404)
        found = self._find(name, key, version or None)
        match = request.header("x-amz-copy-source-if-match")
        if match and not _etag_matches(match, found.etag):
            raise PreconditionError
        return found

    def _copy(self, request: Request) -> Answer:
        source = self._copy_source(request)
        replaced = request.header("x-amz-metadata-directive") == "REPLACE"
        version = Version(
            request.bucket.name,
            request.key,
            "",
            0,
            source.size,
            source.etag,
            parts=[self._store.link(part) for part in source.parts],
            headers=_stored_headers(request) if replaced else dict(source.headers),
            checksums=dict(source.checksums),
            checksum_type=source.checksum_type,
            tags=_header_tags(request) if request.header("x-amz-tagging-directive") == "REPLACE" else source.tags,
        )
        self._commit(request, version, "CopyObject")
        body = document(
            "CopyObjectResult",
            element("ETag", f'"{version.etag}"'),
            element("LastModified", iso_time(version.modified)),
        )
        return _xml(body, {**_version_header(version), "x-amz-copy-source-version-id": source.version_id})

    def _delete(self, request: Request) -> Answer:
        version_id = request.query.get("versionId")
        gone = self._store.delete(request.bucket.name, request.key, version_id, versioned=request.bucket.versioned)
        headers: dict[str, str] = {}
        if gone and gone.delete_marker:
            headers["x-amz-delete-marker"] = "true"
        if gone and gone.version_id != "null":
            headers["x-amz-version-id"] = gone.version_id
        return Answer(204, headers)

    def _delete_many(self, request: Request) -> Answer:
        root = request.xml()
        quiet = (root.findtext("{*}Quiet") or root.findtext("Quiet") or "") == "true"
        items: list[str] = []
        for entry in root.iter():
            if entry.tag.rpartition("}")[2] != "Object":
                continue
            fields = {child.tag.rpartition("}")[2]: child.text or "" for child in entry}
            gone = self._store.delete(
                request.bucket.name, fields["Key"], fields.get("VersionId"), versioned=request.bucket.versioned
            )
            marker = element("DeleteMarker", "true") if gone and gone.delete_marker else ""
            made = element("DeleteMarkerVersionId", gone.version_id) if gone and marker else ""
            asked = element("VersionId", fields["VersionId"]) if "VersionId" in fields else ""
            items.append(f"<Deleted>{element('Key', fields['Key'])}{asked}{marker}{made}</Deleted>")
        return _xml(document("DeleteResult", *([] if quiet else items)))

    # -- tags

    def _get_tags(self, request: Request) -> Answer:
        version = self._find(request.bucket.name, request.key, request.query.get("versionId"))
        tags = "".join(f"<Tag>{element('Key', k)}{element('Value', v)}</Tag>" for k, v in version.tags.items())
        return _xml(document("Tagging", f"<TagSet>{tags}</TagSet>"))

    def _put_tags(self, request: Request) -> Answer:
        version = self._find(request.bucket.name, request.key, request.query.get("versionId"))
        version.tags = {}
        if request.method == "PUT":
            for tag in request.xml().iter():
                if tag.tag.rpartition("}")[2] == "Tag":
                    fields = {child.tag.rpartition("}")[2]: child.text or "" for child in tag}
                    version.tags[fields["Key"]] = fields.get("Value", "")
        self._store.update(version)
        return Answer(200 if request.method == "PUT" else 204, {})

    # -- multipart uploads

    def _upload(self, request: Request) -> Upload:
        upload = self._store.upload(request.query["uploadId"])
        if upload is None or (upload.bucket, upload.key) != (request.bucket.name, request.key):
            raise S3Error("NoSuchUpload", "The specified multipart upload does not exist", 404)
        return upload

    def _create_upload(self, request: Request) -> Answer:
        upload = Upload(
            uuid.uuid4().hex,
            request.bucket.name,
            request.key,
            time.time(),
            _stored_headers(request),
            _header_tags(request),
            request.header("x-amz-checksum-algorithm").lower(),
            request.header("x-amz-checksum-type"),
        )
        self._store.create_upload(upload)
        headers = {"x-amz-checksum-algorithm": upload.checksum_algorithm.upper()} if upload.checksum_algorithm else {}
        return _xml(
            document(
                "InitiateMultipartUploadResult",
                element("Bucket", upload.bucket),
                element("Key", upload.key),
                element("UploadId", upload.upload_id),
            ),
            headers,
        )

    def _put_part(self, request: Request) -> Answer:
        upload = self._upload(request)
        number = request.query.get("partNumber", "")
        if not number.isdigit() or not 1 <= int(number) <= 10_000:
            raise S3Error("InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive", 400)
        part = self._copy_range(request) if "HTTP_X_AMZ_COPY_SOURCE" in request.environ else self._receive(request)
        self._store.put_part(upload, int(number), part)
        if "HTTP_X_AMZ_COPY_SOURCE" in request.environ:
            return _xml(
                document(
                    "CopyPartResult", element("ETag", f'"{part.etag}"'), element("LastModified", iso_time(time.time()))
                )
            )
        checksums = {f"x-amz-checksum-{name}": value for name, value in part.checksums.items()}
        return Answer(200, {"ETag": f'"{part.etag}"', **checksums})

    def _copy_range(self, request: Request) -> Part:
        source = self._copy_source(request)
        spec = request.header("x-amz-copy-source-range")
        start, end = (parse_range(spec, source.size) if spec else None) or (0, source.size - 1)
        body = self._store.body(source, start, end - start + 1)
        try:
            with self._store.writer() as writer:
                for block in body:
                    writer.write(block)
                return writer.finish()
        finally:
            body.close()

    def _complete(self, request: Request) -> Answer:
        upload = self._upload(request)
        chosen = self._chosen_parts(request.xml(), upload)
        digest = hashlib.md5(b"".join(bytes.fromhex(part.etag) for part in chosen), usedforsecurity=False)
        version = Version(
            upload.bucket,
            upload.key,
            "",
            0,
            sum(part.size for part in chosen),
            f"{digest.hexdigest()}-{len(chosen)}",
            parts=chosen,
            headers=upload.headers,
            tags=upload.tags,
        )
        _compose_checksum(version, upload, request)
        # The object first: a kill in between must not lose the parts. A lost condition leaves the upload as it is.
        self._commit(request, version, "CompleteMultipartUpload", discard=False)
        self._store.end_upload(upload, keep=chosen)
        location = f"http://{request.header('host')}/{upload.bucket}/{upload.key}"
        return _xml(
            document(
                "CompleteMultipartUploadResult",
                element("Location", location),
                element("Bucket", upload.bucket),
                element("Key", upload.key),
                element("ETag", f'"{version.etag}"'),
            ),
            {**_version_header(version), **request.bucket.encryption},
        )

    @staticmethod
    def _chosen_parts(root: ElementTree.Element, upload: Upload) -> list[Part]:
        chosen: list[Part] = []
        last = 0
        for entry in root.iter():
            if entry.tag.rpartition("}")[2] != "Part":
                continue
            fields = {child.tag.rpartition("}")[2]: (child.text or "").strip() for child in entry}
            number = int(fields["PartNumber"])
            part = upload.parts.get(number)
            if number <= last:
                raise S3Error("InvalidPartOrder", "The list of parts was not in ascending order", 400)
            if part is None or part.etag != fields.get("ETag", "").strip('"'):
                raise S3Error("InvalidPart", f"Part {number} was not uploaded, or its ETag differs", 400)
            if chosen and chosen[-1].size < MIN_PART_BYTES:
                raise S3Error("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size", 400)
            chosen.append(part)
            last = number
        if not chosen:
            raise S3Error("MalformedXML", "You must specify at least one part", 400)
        return chosen

    def _abort(self, request: Request) -> Answer:
        self._store.end_upload(self._upload(request))
        return Answer(204, {})

    def _list_parts(self, request: Request) -> Answer:
        return _xml(list_parts(self._upload(request), request.query))


def check_presigned(query: dict[str, str], now: float | None = None) -> None:
    """Refuses a presigned request whose time is over.

    Raises:
        S3Error: It expired (403).
    """
    if "X-Amz-Expires" not in query or "X-Amz-Date" not in query:
        return
    try:
        signed = time.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ")
        ends = calendar.timegm(signed) + int(query["X-Amz-Expires"])
    except ValueError:
        raise S3Error("AuthorizationQueryParametersError", "X-Amz-Date or X-Amz-Expires cannot be read", 400) from None
    if (time.time() if now is None else now) > ends:
        raise S3Error("AccessDenied", "Request has expired", 403)


def _failure(error: S3Error, path: str) -> Answer:
    return Answer(error.status, {"Content-Type": "application/xml", **error.headers}, error.xml(path))


def _xml(body: bytes, headers: dict[str, str] | None = None) -> Answer:
    return Answer(200, {"Content-Type": "application/xml", **(headers or {})}, body)


def _version_header(version: Version) -> dict[str, str]:
    return {"x-amz-version-id": version.version_id} if version.version_id != "null" else {}


def _object_headers(version: Version) -> dict[str, str]:
    headers = {
        "ETag": f'"{version.etag}"',
        "Last-Modified": http_time(version.modified),
        "Accept-Ranges": "bytes",
        "Content-Type": "binary/octet-stream",
        **_version_header(version),
        **version.headers,
    }
    if version.tags:
        headers["x-amz-tagging-count"] = str(len(version.tags))
    return headers


def _stored_headers(request: Request) -> dict[str, str]:
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


def _header_tags(request: Request) -> dict[str, str]:
    return dict(parse_qsl(request.header("x-amz-tagging"), keep_blank_values=True))


def _etag_matches(header: str, etag: str) -> bool:
    return header.strip() == "*" or etag in [item.strip().strip('"') for item in header.split(",")]


def _write_condition(request: Request) -> Callable[[Version | None], bool]:
    none_match, match = request.header("if-none-match"), request.header("if-match")

    def holds(current: Version | None) -> bool:
        there = current is not None and not current.delete_marker
        if none_match and there:
            return False
        return not match or (current is not None and there and _etag_matches(match, current.etag))

    return holds


def _check_conditions(request: Request, version: Version) -> bool:
    """Whether the caller's copy is still good; a precondition that fails raises."""
    match, none_match = request.header("if-match"), request.header("if-none-match")
    since, unmodified = request.header("if-modified-since"), request.header("if-unmodified-since")
    if match and not _etag_matches(match, version.etag):
        raise PreconditionError
    if not match and unmodified:
        limit = parse_time(unmodified)
        if limit is not None and int(version.modified) > limit:
            raise PreconditionError
    if none_match:
        return _etag_matches(none_match, version.etag)
    limit = parse_time(since) if since else None
    return limit is not None and int(version.modified) <= limit


def _part_span(version: Version, number: int) -> tuple[int, int]:
    if not 1 <= number <= len(version.parts):
        raise S3Error("InvalidPart", "The requested partnumber is not satisfiable", 416)
    start = sum(part.size for part in version.parts[: number - 1])
    return start, start + version.parts[number - 1].size - 1


def _compose_checksum(version: Version, upload: Upload, request: Request) -> None:
    """A composite checksum is the checksum of the parts' checksums; a full one is as the caller states it."""
    stated = {
        name: request.header(f"x-amz-checksum-{name}") for name in CHECKSUMS if request.header(f"x-amz-checksum-{name}")
    }
    if stated and request.header("x-amz-checksum-type", upload.checksum_type) == "FULL_OBJECT":
        version.checksums = stated
        return
    algorithm = upload.checksum_algorithm
    digest = digest_for(algorithm) if algorithm else None
    values = [part.checksums.get(algorithm) for part in version.parts]
    if digest is None or not all(values):
        return
    for value in values:
        digest.update(base64.b64decode(value or ""))
    version.checksums = {algorithm: f"{base64_digest(digest)}-{len(values)}"}
    version.checksum_type = "COMPOSITE"


def event_detail(version: Version, reason: str, account: str) -> dict[str, Any]:
    """The detail of an S3 event as EventBridge carries it.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
    """
    held: dict[str, Any] = {
        "key": version.key,
        "size": version.size,
        "etag": version.etag,
        "sequencer": version.sequencer,
    }
    if version.version_id != "null":
        held["version-id"] = version.version_id
    detail = {
        "version": "0",
        "bucket": {"name": version.bucket},
        "object": held,
        "request-id": uuid.uuid4().hex[:16].upper(),
        "requester": account,
        "source-ip-address": "127.0.0.1",
        "reason": reason,
    }
    return json.loads(json.dumps(detail))  # type: ignore[no-any-return]
