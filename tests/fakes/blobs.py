"""Objects in memory."""

from __future__ import annotations

import builtins
import hashlib
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace

from entrepot.errors import ConflictError, ForbiddenError, NotFoundError, UsageError
from entrepot.ports.blobs import BlobInfo, BlobWriter
from tests.fakes.faults import Faults, faulty

_TIME = "2026-01-01T00:00:00.000Z"


@dataclass
class _Stored:
    data: bytes
    metadata: dict[str, str] = field(default_factory=dict)


class _Writer:
    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: bytes) -> None:
        self.data += data


@faulty
class FakeBlobs:
    """BlobStore in memory.

    Args:
        buckets: Buckets that there are.
        versioned: Those of them that keep versions.
        read_only: Buckets that are only read from.
    """

    def __init__(
        self,
        buckets: Collection[str] = ("inbox", "work", "outbox"),
        *,
        versioned: Collection[str] = ("inbox",),
        read_only: Collection[str] = (),
    ) -> None:
        self.faults = Faults()
        self._writable = set(buckets)
        self._readable = set(buckets) | set(read_only)
        self._versioned = set(versioned)
        self._objects: dict[str, list[_Stored]] = {}
        self._uploads: dict[str, tuple[str, dict[str, str], dict[int, bytes]]] = {}
        self._lock = threading.RLock()

    def head(self, uri: str, version: str = "") -> BlobInfo:
        bucket = self._check(uri)
        with self._lock:
            versions = self._objects.get(uri, [])
            if version.startswith("etag:"):
                if not versions or hashlib.md5(versions[-1].data).hexdigest() != version.removeprefix("etag:"):
                    raise NotFoundError("The object was replaced while it was read.", uri=uri)
                version = ""
            number = int(version.removeprefix("v")) if version.startswith("v") and version[1:].isdigit() else 0
            if not versions or (version and not 1 <= number <= len(versions)):
                raise NotFoundError("There is no such object or version.", uri=uri)
            stored = versions[number - 1]
            name = f"v{number or len(versions)}" if bucket in self._versioned else ""
        etag = hashlib.md5(stored.data).hexdigest()
        return BlobInfo(uri, len(stored.data), name, etag, _TIME, dict(stored.metadata))

    def read(self, uri: str, *, version: str = "", start: int = 0, end: int | None = None) -> bytes:
        info = FakeBlobs.head.__wrapped__(self, uri, version)  # type: ignore[attr-defined]
        versions = self._objects[uri]
        number = int(info.version[1:]) if info.version else len(versions)
        return versions[number - 1].data[start : max(start, end) if end is not None else None]

    def stream(
        self, uri: str, *, version: str = "", start: int = 0, end: int | None = None, block: int = 8 << 20
    ) -> Iterator[bytes]:
        data = FakeBlobs.read.__wrapped__(self, uri, version=version, start=start, end=end)  # type: ignore[attr-defined]
        return (data[at : at + block] for at in range(0, len(data), block))

    def write(self, uri: str, data: bytes, *, metadata: Mapping[str, str] | None = None) -> str:
        bucket = self._check(uri, write=True)
        with self._lock:
            versions = self._objects.setdefault(uri, [])
            if bucket not in self._versioned:
                versions.clear()
            versions.append(_Stored(bytes(data), dict(metadata or {})))
            return f"v{len(versions)}" if bucket in self._versioned else ""

    def writer(self, uri: str) -> AbstractContextManager[BlobWriter]:
        self._check(uri, write=True)

        @contextmanager
        def writing() -> Iterator[BlobWriter]:
            writer = _Writer()
            yield writer
            self.write(uri, bytes(writer.data))

        return writing()

    def list(self, uri_prefix: str) -> Iterator[BlobInfo]:
        bucket = uri_prefix.removeprefix("s3://").split("/")[0]
        if not uri_prefix.startswith("s3://") or bucket not in self._readable:
            raise ForbiddenError(f"Bucket {bucket} may not be read from here.", bucket=bucket)
        with self._lock:
            uris = sorted((u for u, v in self._objects.items() if v and u.startswith(uri_prefix)), key=str.encode)
        return iter([FakeBlobs.head.__wrapped__(self, uri) for uri in uris])  # type: ignore[attr-defined]

    def list_fixed(self, uri_prefix: str) -> Iterator[BlobInfo]:
        found = FakeBlobs.list.__wrapped__(self, uri_prefix)  # type: ignore[attr-defined]
        return (i if i.version else replace(i, version=f"etag:{i.etag}") for i in found)

    def write_if(self, uri: str, data: bytes, *, etag: str) -> str:
        with self._lock:
            stored = self._objects.get(uri)
            there = hashlib.md5(stored[-1].data).hexdigest() if stored else ""
            if there != etag:
                raise ConflictError("The object was changed meanwhile.", uri=uri)
            FakeBlobs.write.__wrapped__(self, uri, data)  # type: ignore[attr-defined]
        return hashlib.md5(data).hexdigest()

    def delete(self, uri: str) -> None:
        self._check(uri, write=True)
        with self._lock:
            self._objects.pop(uri, None)

    def presign_get(self, uri: str, *, seconds: int, filename: str = "") -> str:
        self._check(uri)
        return f"https://links.example/get/{uri.removeprefix('s3://')}?seconds={seconds}"

    def presign_put(
        self, uri: str, *, seconds: int, metadata: Mapping[str, str], content_type: str = ""
    ) -> tuple[str, dict[str, str]]:
        self._check(uri, write=True)
        headers = {f"x-amz-meta-{name.lower()}": value for name, value in metadata.items()}
        if content_type:
            headers["Content-Type"] = content_type
        return f"https://links.example/put/{uri.removeprefix('s3://')}?seconds={seconds}", headers

    def start_parts(self, uri: str, *, metadata: Mapping[str, str], content_type: str = "") -> str:
        self._check(uri, write=True)
        with self._lock:
            upload_id = f"multipart-{len(self._uploads) + 1}"
            self._uploads[upload_id] = uri, dict(metadata), {}
        return upload_id

    def presign_parts(self, uri: str, multipart_id: str, count: int, *, seconds: int) -> builtins.list[str]:
        self._check(uri, write=True)
        return [f"https://links.example/part/{multipart_id}/{n + 1}?seconds={seconds}" for n in range(count)]

    def put_part(self, multipart_id: str, number: int, data: bytes) -> str:
        """What a client does with a part's link; the part's ETag."""
        with self._lock:
            self._uploads[multipart_id][2][number] = data
        return hashlib.md5(data).hexdigest()

    def complete_parts(self, uri: str, multipart_id: str, parts: Sequence[tuple[int, str]]) -> str:
        self._check(uri, write=True)
        with self._lock:
            if multipart_id not in self._uploads or self._uploads[multipart_id][0] != uri:
                raise NotFoundError("There is no such object or version.", uri=uri)
            _, metadata, sent = self._uploads[multipart_id]
            for number, etag in parts:
                if number not in sent or hashlib.md5(sent[number]).hexdigest() != etag.strip('"'):
                    raise UsageError("The parts are not those that were sent.")
            del self._uploads[multipart_id]
            data = b"".join(sent[number] for number, _ in sorted(parts))
            return FakeBlobs.write.__wrapped__(self, uri, data, metadata=metadata)  # type: ignore[attr-defined,no-any-return]

    def abort_parts(self, uri: str, multipart_id: str) -> None:
        with self._lock:
            self._uploads.pop(multipart_id, None)

    def _check(self, uri: str, *, write: bool = False) -> str:
        if uri.startswith("file:"):
            raise ForbiddenError("Files of this machine are not allowed here.")
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        if not uri.startswith("s3://"):
            raise UsageError("That is not s3://bucket/key.")
        if bucket not in (self._writable if write else self._readable):
            raise ForbiddenError(f"Bucket {bucket} is not allowed here.", bucket=bucket)
        if not key or len(key.encode()) > 1024:
            raise UsageError("A key has 1 to 1024 bytes.")
        return bucket
