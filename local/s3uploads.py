"""Multipart uploads: begun, filled part by part, and completed as one object without copying a byte."""

from __future__ import annotations

import base64
import hashlib
import time
import uuid
from xml.etree import ElementTree

from local.objects import Part, Upload, Version
from local.s3bodies import Bodies
from local.s3list import list_parts
from local.s3request import Answer, Request, header_tags, stored_headers, version_header, xml_answer
from local.s3wire import CHECKSUMS, S3Error, base64_digest, digest_for, document, element, iso_time, parse_range

MIN_PART_BYTES = 5 << 20


class Uploads:
    """The requests that make an upload.

    Args:
        bodies: Receives the parts.
    """

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies

    def _upload(self, request: Request) -> Upload:
        upload = self._bodies.store.upload(request.query["uploadId"])
        if upload is None or (upload.bucket, upload.key) != (request.bucket.name, request.key):
            raise S3Error("NoSuchUpload", "The specified multipart upload does not exist", 404)
        return upload

    def create(self, request: Request) -> Answer:
        """Begins an upload."""
        upload = Upload(
            uuid.uuid4().hex,
            request.bucket.name,
            request.key,
            time.time(),
            stored_headers(request),
            header_tags(request),
            request.header("x-amz-checksum-algorithm").lower(),
            request.header("x-amz-checksum-type"),
        )
        self._bodies.store.create_upload(upload)
        headers = {"x-amz-checksum-algorithm": upload.checksum_algorithm.upper()} if upload.checksum_algorithm else {}
        return xml_answer(
            document(
                "InitiateMultipartUploadResult",
                element("Bucket", upload.bucket),
                element("Key", upload.key),
                element("UploadId", upload.upload_id),
            ),
            headers,
        )

    def put_part(self, request: Request) -> Answer:
        """Takes a part, or copies one."""
        upload = self._upload(request)
        number = request.query.get("partNumber", "")
        if not number.isdigit() or not 1 <= int(number) <= 10_000:
            raise S3Error("InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive", 400)
        part = (
            self._copy_range(request) if "HTTP_X_AMZ_COPY_SOURCE" in request.environ else self._bodies.receive(request)
        )
        self._bodies.store.put_part(upload, int(number), part)
        if "HTTP_X_AMZ_COPY_SOURCE" in request.environ:
            return xml_answer(
                document(
                    "CopyPartResult", element("ETag", f'"{part.etag}"'), element("LastModified", iso_time(time.time()))
                )
            )
        checksums = {f"x-amz-checksum-{name}": value for name, value in part.checksums.items()}
        return Answer(200, {"ETag": f'"{part.etag}"', **checksums})

    def _copy_range(self, request: Request) -> Part:
        source = self._bodies.copy_source(request)
        spec = request.header("x-amz-copy-source-range")
        start, end = (parse_range(spec, source.size) if spec else None) or (0, source.size - 1)
        body = self._bodies.store.body(source, start, end - start + 1)
        try:
            with self._bodies.store.writer() as writer:
                for block in body:
                    writer.write(block)
                return writer.finish()
        finally:
            body.close()

    def complete(self, request: Request) -> Answer:
        """Makes the parts an object."""
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
        self._bodies.commit(request, version, "CompleteMultipartUpload", discard=False)
        self._bodies.store.end_upload(upload, keep=chosen)
        location = f"http://{request.header('host')}/{upload.bucket}/{upload.key}"
        return xml_answer(
            document(
                "CompleteMultipartUploadResult",
                element("Location", location),
                element("Bucket", upload.bucket),
                element("Key", upload.key),
                element("ETag", f'"{version.etag}"'),
            ),
            {**version_header(version), **request.bucket.encryption},
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

    def abort(self, request: Request) -> Answer:
        """Forgets an upload and its parts."""
        self._bodies.store.end_upload(self._upload(request))
        return Answer(204, {})

    def list_parts_of(self, request: Request) -> Answer:
        """Lists the parts that are there."""
        return xml_answer(list_parts(self._upload(request), request.query))


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
