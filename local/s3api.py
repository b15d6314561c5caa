"""The object half of S3 over HTTP: everything that moves, lists or deletes object bodies.

Buckets and their configuration stay moto's; `ObjectApi.handles` says which requests are taken here.
"""

from __future__ import annotations

import errno
import re
import uuid
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qsl

from local.httpd import Environ, StartResponse, path_bytes
from local.objects import ChangedFileError, ObjectStore, PreconditionError, Version
from local.s3bodies import Bodies
from local.s3list import list_objects, list_uploads, list_versions
from local.s3request import (
    Answer,
    Buckets,
    Request,
    check_conditions,
    failure_answer,
    header_tags,
    object_headers,
    part_span,
    stored_headers,
    version_header,
    xml_answer,
)
from local.s3sign import check_presigned
from local.s3uploads import Uploads
from local.s3wire import S3Error, document, element, iso_time, no_such_key, parse_range

# Requests on an object that change no body and that the product does not use.
_REFUSED = {"acl", "attributes", "legal-hold", "retention", "restore", "select", "torrent"}
_BUCKET_CONFIGURATION = re.compile(
    r"^(accelerate|acl|analytics|cors|encryption|intelligent-tiering|inventory|lifecycle|location|logging|metrics|"
    r"notification|object-lock|ownershipControls|policy|policyStatus|publicAccessBlock|replication|"
    r"requestPayment|tagging|versioning|website|session)$"
)
_OVERRIDES = ("cache-control", "content-disposition", "content-encoding", "content-language", "content-type", "expires")


class ObjectApi:
    """A WSGI application for object requests.

    Args:
        store: The objects.
        buckets: Their buckets.
        secrets: Secret keys by access key, which presigned links are checked with.
    """

    def __init__(self, store: ObjectStore, buckets: Buckets, secrets: dict[str, str] | None = None) -> None:
        self._store = store
        self._secrets = secrets
        self._buckets = buckets
        self._bodies = Bodies(store, buckets)
        self._uploads = Uploads(self._bodies)

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
            answer = failure_answer(error, path)
        except PreconditionError:
            answer = failure_answer(
                S3Error("PreconditionFailed", "At least one of the preconditions you specified did not hold", 412), path
            )
        except OSError as problem:
            if isinstance(problem, ConnectionError | TimeoutError):
                raise
            message = f"The object store cannot write or read: {problem.strerror}"
            # AWS has no full disk, so its code is ours to choose: a code is told to people, a message is not.
            full = problem.errno in (errno.ENOSPC, errno.EDQUOT)
            answer = failure_answer(S3Error("NoSpaceLeftOnDevice" if full else "InternalError", message, 500), path)
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
        check_presigned(environ, self._secrets)
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
                "PUT": self._uploads.put_part,
                "POST": self._uploads.complete,
                "DELETE": self._uploads.abort,
                "GET": self._uploads.list_parts_of,
            }[method]
        if method == "POST" and "uploads" in query:
            return self._uploads.create
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
            return lambda request: xml_answer(list_versions(self._store, request.bucket.name, request.query))
        if "uploads" in request.query:
            return lambda request: xml_answer(list_uploads(self._store, request.bucket.name, request.query))
        return lambda request: xml_answer(list_objects(self._store, request.bucket.name, request.query))

    # -- reading

    def _get(self, request: Request) -> Answer:
        version = self._bodies.find(request.bucket.name, request.key, request.query.get("versionId"))
        headers = object_headers(version)
        not_modified = check_conditions(request, version)
        if not_modified:
            return Answer(304, {name: headers[name] for name in ("ETag", "Last-Modified")})
        span: tuple[int, int] | None = None
        if number := request.query.get("partNumber"):
            span = part_span(version, int(number))
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

    def _put(self, request: Request) -> Answer:
        part = self._bodies.receive(request)
        version = Version(
            request.bucket.name,
            request.key,
            "",
            0,
            part.size,
            part.etag,
            parts=[part],
            headers=stored_headers(request),
            checksums=dict(part.checksums),
            tags=header_tags(request),
        )
        self._bodies.commit(request, version, "PutObject")
        headers = {"ETag": f'"{version.etag}"', **version_header(version), **request.bucket.encryption}
        headers.update({f"x-amz-checksum-{name}": value for name, value in version.checksums.items()})
        return Answer(200, headers)

    def _copy(self, request: Request) -> Answer:
        source = self._bodies.copy_source(request)
        replaced = request.header("x-amz-metadata-directive") == "REPLACE"
        version = Version(
            request.bucket.name,
            request.key,
            "",
            0,
            source.size,
            source.etag,
            parts=[self._store.link(part) for part in source.parts],
            headers=stored_headers(request) if replaced else dict(source.headers),
            checksums=dict(source.checksums),
            checksum_type=source.checksum_type,
            tags=header_tags(request) if request.header("x-amz-tagging-directive") == "REPLACE" else source.tags,
        )
        self._bodies.commit(request, version, "CopyObject")
        body = document(
            "CopyObjectResult",
            element("ETag", f'"{version.etag}"'),
            element("LastModified", iso_time(version.modified)),
        )
        return xml_answer(body, {**version_header(version), "x-amz-copy-source-version-id": source.version_id})

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
        return xml_answer(document("DeleteResult", *([] if quiet else items)))

    # -- tags

    def _get_tags(self, request: Request) -> Answer:
        version = self._bodies.find(request.bucket.name, request.key, request.query.get("versionId"))
        tags = "".join(f"<Tag>{element('Key', k)}{element('Value', v)}</Tag>" for k, v in version.tags.items())
        return xml_answer(document("Tagging", f"<TagSet>{tags}</TagSet>"))

    def _put_tags(self, request: Request) -> Answer:
        version = self._bodies.find(request.bucket.name, request.key, request.query.get("versionId"))
        version.tags = {}
        if request.method == "PUT":
            for tag in request.xml().iter():
                if tag.tag.rpartition("}")[2] == "Tag":
                    fields = {child.tag.rpartition("}")[2]: child.text or "" for child in tag}
                    version.tags[fields["Key"]] = fields.get("Value", "")
        self._store.update(version)
        return Answer(200 if request.method == "PUT" else 204, {})


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
    return {
        "version": "0",
        "bucket": {"name": version.bucket},
        "object": held,
        "request-id": uuid.uuid4().hex[:16].upper(),
        "requester": account,
        "source-ip-address": "127.0.0.1",
        "reason": reason,
    }
