"""Objects in S3, and files of this machine where they are allowed."""

from __future__ import annotations

import builtins
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from entrepot.adapters import aws
from entrepot.adapters.errors import aws_errors, error_code
from entrepot.adapters.files import LocalFiles
from entrepot.adapters.s3writer import S3Writer, writing
from entrepot.adapters.system import iso
from entrepot.errors import ConflictError, FatalError, ForbiddenError, NotFoundError, UnavailableError, UsageError
from entrepot.ports.blobs import BlobInfo, BlobWriter

_URI = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(.*)", re.DOTALL)
_MAX_KEY = 1024
"""Bytes of a key in UTF-8, S3's limit."""
_ETAG = "etag:"
"""What stands for a version where a bucket keeps none."""
_RESUMES = 5
"""How often a reading goes on after its connection broke, without a byte in between."""
_REPLACED, _DELETED = 412, 405
"""Status of an answer: the ETag is another one; the version is a delete marker."""
MAX_LINK_SECONDS = 7 * 86_400
"""S3's limit for a signed link."""


class S3Blobs:
    """BlobStore over S3 and, below given roots, the local file system (for reading).

    Args:
        buckets: Buckets that may be used; ForbiddenError for any other.
        roots: Local folders that ``file://`` may name; none in a deployment.
        read_only: Further buckets that are only read from.
        client: An S3 client; the process's own when None.
    """

    def __init__(
        self,
        *,
        buckets: Iterable[str],
        roots: Iterable[str | Path] = (),
        read_only: Collection[str] = (),
        client: Any = None,
    ) -> None:
        self._writable = frozenset(buckets)
        self._readable = self._writable | frozenset(read_only)
        self._files = LocalFiles(roots)
        self._client = client

    @property
    def client(self) -> Any:
        """The client, made when first needed."""
        return self._client if self._client is not None else aws.client("s3")

    def head(self, uri: str, version: str = "") -> BlobInfo:
        """Describes an object at a version (the latest when empty).

        A file's version is the SHA-256 of its content: asking for one has the file read.

        Raises:
            NotFoundError: There is no such object or version.
            ForbiddenError: The URI is outside what the settings allow.
        """
        if _is_file(uri):
            return self._files.head(uri, version)
        place = self._place(uri)
        with _object_errors(uri):
            answer = self.client.head_object(**place, **_version(version))
        return BlobInfo(
            uri=uri,
            size=answer["ContentLength"],
            version=_version_of(answer),
            etag=answer.get("ETag", "").strip('"'),
            modified=iso(answer["LastModified"]),
            metadata=answer.get("Metadata", {}),
        )

    def read(self, uri: str, *, version: str = "", start: int = 0, end: int | None = None) -> bytes:
        """Bytes ``start`` (inclusive) to ``end`` (exclusive; None for the rest)."""
        if _is_file(uri):
            return self._files.read(uri, version=version, start=start, end=end)
        blocks = list(self.stream(uri, version=version, start=start, end=end, block=1 << 62))
        return blocks[0] if len(blocks) == 1 else b"".join(blocks)

    def stream(
        self, uri: str, *, version: str = "", start: int = 0, end: int | None = None, block: int = 8 << 20
    ) -> Iterator[bytes]:
        """The same, in blocks of at most ``block`` bytes.

        One request brings all of it; when the connection breaks, another goes on from there, and only
        from the same object: replaced meanwhile, it is NotFoundError.
        """
        if _is_file(uri):
            return self._files.stream(uri, version=version, start=start, end=end, block=block)
        return self._stream(uri, version, start, end, block)

    def write(self, uri: str, data: bytes, *, metadata: Mapping[str, str] | None = None) -> str:
        """Stores an object whole; its version id (may be empty)."""
        place = self._place(uri, write=True)
        with _object_errors(uri):
            answer = self.client.put_object(**place, Body=data, Metadata=dict(metadata or {}))
        return _version_of(answer)

    def writer(self, uri: str) -> AbstractContextManager[BlobWriter]:
        """Stores an object in a stream; nothing remains of it when the block raises."""
        place = self._place(uri, write=True)
        return writing(S3Writer(self.client, place), lambda: _object_errors(uri))

    def list(self, uri_prefix: str) -> Iterator[BlobInfo]:
        """Objects whose URI begins so, in the order of their keys."""
        return self._files.list(uri_prefix) if _is_file(uri_prefix) else self._list(uri_prefix)

    def list_fixed(self, uri_prefix: str) -> Iterator[BlobInfo]:
        """The same, each at a version that names its content for good."""
        return self._files.list_fixed(uri_prefix) if _is_file(uri_prefix) else self._list_fixed(uri_prefix)

    def write_if(self, uri: str, data: bytes, *, etag: str) -> str:
        """Stores an object in place of the one with this ETag, or of none when it is empty; the new ETag.

        Raises:
            ConflictError: Something else lies there.
        """
        condition = {"IfMatch": _quoted(etag)} if etag else {"IfNoneMatch": "*"}
        with _object_errors(uri):
            try:
                answer = self.client.put_object(**self._place(uri, write=True), Body=data, **condition)
            except Exception as error:
                if error_code(error) in {"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"}:
                    raise ConflictError("The object was changed meanwhile.", uri=uri[:1100]) from None
                raise
        return str(answer["ETag"]).strip('"')

    def delete(self, uri: str) -> None:
        """Removes an object; no error when it is gone already."""
        place = self._place(uri, write=True)
        with _object_errors(uri):
            self.client.delete_object(**place)

    def presign_get(self, uri: str, *, seconds: int, filename: str = "") -> str:
        """A short-lived link to read one object.

        Args:
            uri: The object.
            seconds: How long the link holds, at most a week (less when the role's session ends before).
            filename: What a browser shall save it as.
        """
        extra = {"ResponseContentDisposition": disposition(filename)} if filename else {}
        return self._presign("get_object", {**self._place(uri), **extra}, seconds)

    def presign_put(
        self, uri: str, *, seconds: int, metadata: Mapping[str, str], content_type: str = ""
    ) -> tuple[str, dict[str, str]]:
        """A link for one PUT, and the headers that are signed with it and must be sent.

        Args:
            uri: Where the object will lie.
            seconds: How long the link holds.
            metadata: The object's own; US-ASCII.
            content_type: The object's; any when empty.
        """
        request: dict[str, Any] = {**self._place(uri, write=True), "Metadata": dict(metadata)}
        headers = {f"x-amz-meta-{name.lower()}": value for name, value in metadata.items()}
        if content_type:
            request["ContentType"] = headers["Content-Type"] = content_type
        return self._presign("put_object", request, seconds), headers

    def start_parts(self, uri: str, *, metadata: Mapping[str, str], content_type: str = "") -> str:
        """Begins an upload in parts; its id."""
        request: dict[str, Any] = {**self._place(uri, write=True), "Metadata": dict(metadata)}
        if content_type:
            request["ContentType"] = content_type
        with _object_errors(uri):
            return str(self.client.create_multipart_upload(**request)["UploadId"])

    def presign_parts(self, uri: str, multipart_id: str, count: int, *, seconds: int) -> builtins.list[str]:
        """A link for each part, from number 1."""
        place = {**self._place(uri, write=True), "UploadId": multipart_id}
        return [self._presign("upload_part", {**place, "PartNumber": n + 1}, seconds) for n in range(count)]

    def complete_parts(self, uri: str, multipart_id: str, parts: Sequence[tuple[int, str]]) -> str:
        """Joins the parts, given as number and ETag; the object's version id.

        Raises:
            NotFoundError: There is no such upload, or it was completed before.
            UsageError: The parts are not those that were sent.
        """
        place = self._place(uri, write=True)
        listed = [{"PartNumber": number, "ETag": _quoted(etag)} for number, etag in sorted(parts)]
        with _object_errors(uri):
            try:
                answer = self.client.complete_multipart_upload(
                    **place, UploadId=multipart_id, MultipartUpload={"Parts": listed}
                )
            except Exception as error:
                code = error_code(error)
                if code in {"InvalidPart", "InvalidPartOrder", "EntityTooSmall", "MalformedXML", "InvalidRequest"}:
                    hint = "All parts but the last have at least 5 MiB, each with the ETag that its PUT returned."
                    raise UsageError("The parts are not those that were sent.", hint=hint, reason=code) from None
                raise
        return _version_of(answer)

    def abort_parts(self, uri: str, multipart_id: str) -> None:
        """Gives an upload in parts up; no error when it is gone."""
        with _object_errors(uri):
            try:
                self.client.abort_multipart_upload(**self._place(uri, write=True), UploadId=multipart_id)
            except Exception as error:
                if error_code(error) != "NoSuchUpload":
                    raise

    def digest(self, uri: str) -> str:
        """SHA-256 of a local file's content, kept while the file stays as it is."""
        if not _is_file(uri):
            raise UsageError("Only a local file is read for its digest.", hint="An object has a version.")
        return self._files.digest(uri)

    def _stream(self, uri: str, version: str, start: int, end: int | None, block: int) -> Iterator[bytes]:
        request: dict[str, Any] = {**self._place(uri), **_version(version)}
        at, broken = start, 0
        while end is None or at < end:
            if at or end is not None:
                request["Range"] = f"bytes={at}-" if end is None else f"bytes={at}-{end - 1}"
            body = None
            try:
                with _object_errors(uri):
                    answer = self._get(request)
                if answer is None:
                    return
                body, last = answer["Body"], at + answer["ContentLength"]
                # Whatever follows comes from this very object.
                request["IfMatch"] = answer["ETag"]
                while at < last:
                    with _object_errors(uri):
                        data = body.read(min(block, last - at))
                        _require(data)
                    at, broken = at + len(data), 0
                    yield data
            except UnavailableError:
                broken += 1
                # Without an answer at all, botocore has tried again already.
                if body is None or broken > _RESUMES:
                    raise
            else:
                return
            finally:
                if body is not None:
                    body.close()

    def _get(self, request: Mapping[str, Any]) -> dict[str, Any] | None:
        """The answer; None when the range begins at the object's end or behind it."""
        try:
            answer: dict[str, Any] = self.client.get_object(**request)
        except Exception as error:
            if error_code(error) == "InvalidRange":
                return None
            raise
        return answer

    def _list(self, uri_prefix: str) -> Iterator[BlobInfo]:
        bucket, prefix = self._split(uri_prefix)
        request: dict[str, Any] = {"Bucket": bucket, "Prefix": prefix}
        while True:
            with _object_errors(uri_prefix):
                answer = self.client.list_objects_v2(**request)
            for item in answer.get("Contents", []):
                yield BlobInfo(
                    uri=f"s3://{bucket}/{item['Key']}",
                    size=item["Size"],
                    etag=item.get("ETag", "").strip('"'),
                    modified=iso(item["LastModified"]),
                )
            if not answer.get("IsTruncated"):
                return
            request["ContinuationToken"] = answer["NextContinuationToken"]

    def _list_fixed(self, uri_prefix: str) -> Iterator[BlobInfo]:
        bucket, prefix = self._split(uri_prefix)
        request: dict[str, Any] = {"Bucket": bucket, "Prefix": prefix}
        while True:
            with _object_errors(uri_prefix):
                answer = self.client.list_object_versions(**request)
            for item in answer.get("Versions", []):
                if not item["IsLatest"]:
                    continue
                etag = item.get("ETag", "").strip('"')
                yield BlobInfo(
                    uri=f"s3://{bucket}/{item['Key']}",
                    size=item["Size"],
                    version=_version_of(item) or f"{_ETAG}{etag}",
                    etag=etag,
                    modified=iso(item["LastModified"]),
                )
            if not answer.get("IsTruncated"):
                return
            request |= {"KeyMarker": answer["NextKeyMarker"], "VersionIdMarker": answer["NextVersionIdMarker"]}

    def _presign(self, operation: str, request: Mapping[str, Any], seconds: int) -> str:
        seconds = max(1, min(seconds, MAX_LINK_SECONDS))
        with aws_errors("signing a link"):
            return str(self.client.generate_presigned_url(operation, Params=dict(request), ExpiresIn=seconds))

    def _split(self, uri: str, *, write: bool = False) -> tuple[str, str]:
        match = _URI.fullmatch(uri)
        if match is None:
            raise UsageError("That is not s3://bucket/key.", hint="Name one object by bucket and key.")
        bucket, key = match.groups()
        if bucket not in (self._writable if write else self._readable):
            verb = "written to" if write else "read from"
            raise ForbiddenError(
                f"Bucket {bucket} may not be {verb} here.",
                hint="The deployment's settings name the buckets that may.",
                bucket=bucket,
            )
        return bucket, key

    def _place(self, uri: str, *, write: bool = False) -> dict[str, str]:
        if write and _is_file(uri):
            raise ForbiddenError("Files of this machine are read only.")
        bucket, key = self._split(uri, write=write)
        if not key or len(key.encode(errors="replace")) > _MAX_KEY:
            raise UsageError("A key has 1 to 1024 bytes.", hint="Name one object, not a prefix.", bucket=bucket)
        return {"Bucket": bucket, "Key": key}


def disposition(filename: str) -> str:
    """A Content-Disposition for saving under a name (RFC 6266): plain ASCII, and the whole name encoded.

    Example:
        >>> print(disposition("März.csv"))
        attachment; filename="M_rz.csv"; filename*=UTF-8''M%C3%A4rz.csv
    """
    plain = re.sub(r'[^\x20-\x7e]|["\\%/]', "_", filename)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"


def _require(data: bytes) -> None:
    if not data:
        raise UnavailableError("The answer broke off while reading an object.")


def _is_file(uri: str) -> bool:
    return uri.startswith("file:")


def _version(version: str) -> dict[str, str]:
    if version.startswith(_ETAG):
        return {"IfMatch": _quoted(version.removeprefix(_ETAG))}
    return {"VersionId": version} if version else {}


def _version_of(answer: Mapping[str, Any]) -> str:
    version = str(answer.get("VersionId", ""))
    # What lay in a bucket before it kept versions has the id "null", which names no fixed content.
    return "" if version == "null" else version


def _quoted(etag: str) -> str:
    return f'"{etag.strip(chr(34))}"'


@contextmanager
def _object_errors(uri: str) -> Iterator[None]:
    """As `aws_errors`, and what the codes mean when one object is concerned."""
    try:
        with aws_errors("using an object"):
            yield
    except (FatalError, NotFoundError) as error:
        code, status = error.facts.get("service_code"), error.facts.get("status")
        if status == _REPLACED:
            hint = "Drop it again, or turn on versioning for its bucket."
            raise NotFoundError("The object was replaced while it was read.", hint=hint, uri=uri[:1100]) from None
        if status == _DELETED or code in {"NoSuchKey", "NoSuchVersion", "404", "InvalidVersion"}:
            raise NotFoundError("There is no such object or version.", uri=uri[:1100]) from None
        raise
