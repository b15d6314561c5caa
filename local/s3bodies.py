"""Receiving bodies and making them objects: what single and multipart uploads have in common."""

from __future__ import annotations

import base64
import binascii
from urllib.parse import unquote

from local.objects import ObjectStore, Part, PreconditionError, Version
from local.s3request import Buckets, Request, etag_matches, write_condition
from local.s3wire import RequestBody, S3Error, announced_algorithm, base64_digest, digest_for, no_such_key

MAX_PUT_BYTES = 5 << 30


class Bodies:
    """Reads bodies from requests and finds those of copies.

    Args:
        store: The objects.
        buckets: Their buckets.
    """

    def __init__(self, store: ObjectStore, buckets: Buckets) -> None:
        self.store = store
        self.buckets = buckets

    def find(self, bucket: str, key: str, version_id: str | None) -> Version:
        """A version that can be read.

        Raises:
            S3Error: There is none, or it is a delete marker.
        """
        found = self.store.version(bucket, key, version_id) if version_id else self.store.current(bucket, key)
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

    def receive(self, request: Request) -> Part:
        """Reads the request's body into a file and checks what the caller said of it."""
        algorithm = announced_algorithm(request.environ)
        digest = digest_for(algorithm) if algorithm else None
        body = RequestBody(request.environ)
        if body.expected is not None and body.expected > MAX_PUT_BYTES:
            raise S3Error("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size", 400)
        with self.store.writer([digest] if digest else []) as writer:
            for block in body:
                writer.write(block)
            writer.hashed()
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
            (self.store.folder / part.path).unlink(missing_ok=True)
            raise S3Error("BadDigest", "The Content-MD5 you specified did not match what we received", 400)

    def commit(self, request: Request, version: Version, reason: str, *, discard: bool = True) -> None:
        """Makes a version the newest of its key, if the request's condition holds."""
        self.store.put(
            version,
            versioned=request.bucket.versioned,
            events=request.bucket.events,
            reason=reason,
            expect=write_condition(request),
            discard=discard,
        )

    def copy_source(self, request: Request) -> Version:
        """The version that a copy is made from."""
        source, _, version = unquote(request.header("x-amz-copy-source")).partition("?versionId=")
        name, _, key = source.lstrip("/").partition("/")
        if self.buckets.find(name) is None:
            raise S3Error("NoSuchBucket", "The specified bucket does not exist", 404)
        found = self.find(name, key, version or None)
        match = request.header("x-amz-copy-source-if-match")
        if match and not etag_matches(match, found.etag):
            raise PreconditionError
        return found
