"""Object bodies as files.

moto keeps bodies in memory and answers a ranged GET by reading all of the object. Here a body is one file, or
one file per part of a multipart upload, written as the bytes arrive and hashed on the way; ranges are read by
seeking. A record per version lives in a journal (`local.state`), so objects, versions and unfinished uploads
survive a kill. A body without a record is left over from a request that was never answered and is removed at
the next start.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import queue
import threading
import time
import uuid
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from local.httpd import FileBody
from local.state import Journal, StateDirectory

NULL_VERSION = "null"


@dataclass
class Part:
    """One file of a body.

    Args:
        path: Absolute, or the name of a file in the store.
        size: Bytes.
        etag: Hex MD5.
        stamp: Modification time in nanoseconds of a file that is not ours, to notice that it changed.
    """

    path: str
    size: int
    etag: str = ""
    stamp: int = 0
    checksums: dict[str, str] = field(default_factory=dict)


@dataclass
class Version:
    """One version of an object, or a delete marker."""

    bucket: str
    key: str
    version_id: str
    sequence: int
    size: int = 0
    etag: str = ""
    modified: float = 0.0
    parts: list[Part] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    checksums: dict[str, str] = field(default_factory=dict)
    checksum_type: str = "FULL_OBJECT"
    tags: dict[str, str] = field(default_factory=dict)
    delete_marker: bool = False
    announced: bool = True

    @property
    def journal_key(self) -> str:
        """The key of the version's record."""
        return f"v/{self.bucket}/{self.version_id}/{self.key}"

    @property
    def sequencer(self) -> str:
        """Orders events within one key: hex of fixed length that only grows."""
        return f"{self.sequence:018X}"


@dataclass
class Upload:
    """A multipart upload that is not complete."""

    upload_id: str
    bucket: str
    key: str
    started: float
    headers: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    checksum_algorithm: str = ""
    checksum_type: str = ""
    parts: dict[int, Part] = field(default_factory=dict)


class ChangedFileError(Exception):
    """A file that was registered by reference is not what it was."""


class PreconditionError(Exception):
    """A conditional write lost."""


class BodyWriter:
    """Writes one body and hashes it on the way. A context manager: without ``finish`` the file is removed."""

    def __init__(self, folder: Path, digests: Iterable[Any] = ()) -> None:
        name = uuid.uuid4().hex
        self._path = folder / name[:2] / name
        self._path.parent.mkdir(exist_ok=True)
        self._name = f"{name[:2]}/{name}"
        self._stream = self._path.open("wb", buffering=0)
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._digests = list(digests)
        self._size = 0
        self._kept = False
        self._hashing = _Hashing(self._hash)

    def write(self, block: bytes) -> None:
        """Appends a block."""
        self._hashing.put(block)
        view = memoryview(block)
        while view:
            view = view[self._stream.write(view) or 0 :]
        self._size += len(block)

    def _hash(self, block: bytes) -> None:
        self._md5.update(block)
        for digest in self._digests:
            digest.update(block)

    def hashed(self) -> None:
        """Waits until every block so far is in the digests."""
        self._hashing.close()

    def finish(self) -> Part:
        """Closes the file and keeps it."""
        self.hashed()
        self._stream.close()
        self._kept = True
        return Part(self._name, self._size, self._md5.hexdigest())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._hashing.close()
        if not self._kept:
            self._stream.close()
            self._path.unlink(missing_ok=True)


class _Hashing:
    """Hashes blocks in order: small bodies at once, large ones in a thread beside the reading and writing.

    Hashing lets go of the interpreter's lock, so that the thread really runs beside.
    """

    _LARGE = 4
    """Blocks from which on a thread is worth its start."""

    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take = take
        self._taken = 0
        self._waiting: queue.Queue[bytes] = queue.Queue(8)
        self._thread: threading.Thread | None = None

    def put(self, block: bytes) -> None:
        """Takes the next block."""
        self._taken += 1
        if self._taken <= self._LARGE:
            self._take(block)
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()
        self._waiting.put(block)

    def close(self) -> None:
        """Waits until all blocks are taken; nothing more may come."""
        if self._thread is not None:
            self._waiting.put(b"")
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while block := self._waiting.get():
            self._take(block)


class _Bucket:
    """The keys of one bucket, each with its versions, oldest first."""

    def __init__(self) -> None:
        self.keys: dict[str, list[Version]] = {}
        self._sorted: list[str] | None = None

    def add(self, version: Version) -> None:
        if version.key not in self.keys:
            self.keys[version.key] = []
            self._sorted = None
        self.keys[version.key].append(version)

    def remove(self, version: Version) -> None:
        versions = self.keys[version.key]
        versions.remove(version)
        if not versions:
            del self.keys[version.key]
            self._sorted = None

    def ordered(self) -> list[str]:
        if self._sorted is None:
            self._sorted = sorted(self.keys)
        return self._sorted


class ObjectStore:
    """All objects of all buckets.

    Args:
        state: Where the bodies (folder ``objects``) and the records go.
        announce: Told of every new version in a bucket whose events are on; called once per completed
            object, and again after a restart when the process died before it returned.
    """

    def __init__(self, state: StateDirectory, announce: Callable[[Version, str], None]) -> None:
        self.folder = state.folder("objects")
        self._journal: Journal = state.journal("objects")
        self._announce = announce
        self._lock = threading.RLock()
        self._buckets: dict[str, _Bucket] = {}
        self._uploads: dict[str, Upload] = {}
        self._sequence = 0
        self._load()

    # -- reading

    def current(self, bucket: str, key: str) -> Version | None:
        """The newest version of a key, which may be a delete marker."""
        with self._lock:
            versions = self._bucket(bucket).keys.get(key)
            return versions[-1] if versions else None

    def version(self, bucket: str, key: str, version_id: str) -> Version | None:
        """One version of a key."""
        with self._lock:
            versions = self._bucket(bucket).keys.get(key, ())
            return next((version for version in versions if version.version_id == version_id), None)

    def keys_from(self, bucket: str, prefix: str, after: str = "") -> Iterator[str]:
        """Keys that start with ``prefix`` and come after ``after``, in the order of their UTF-8 bytes."""
        with self._lock:
            ordered = self._bucket(bucket).ordered()
        index = bisect_left(ordered, max(prefix, after))
        for key in ordered[index:] if index else ordered:
            if not key.startswith(prefix):
                return
            if not after or key > after:
                yield key

    def versions(self, bucket: str, key: str) -> list[Version]:
        """All versions of a key, newest first."""
        with self._lock:
            return list(reversed(self._bucket(bucket).keys.get(key, [])))

    def is_empty(self, bucket: str) -> bool:
        """Whether the bucket holds no version at all."""
        with self._lock:
            return not self._bucket(bucket).keys

    def body(self, version: Version, start: int = 0, length: int | None = None) -> FileBody:
        """A slice of a version's body.

        Raises:
            ChangedFileError: The body is a local file that changed since it was registered.
        """
        length = version.size - start if length is None else length
        slices: list[tuple[Path, int, int]] = []
        for part in version.parts:
            if length <= 0:
                break
            if start < part.size:
                take = min(part.size - start, length)
                slices.append((self._path(part), start, take))
                length -= take
            start = max(0, start - part.size)
        return FileBody(slices)

    # -- writing

    def writer(self, digests: Iterable[Any] = ()) -> BodyWriter:
        """Begins a body."""
        return BodyWriter(self.folder, digests)

    def put(
        self,
        version: Version,
        *,
        versioned: bool,
        events: bool,
        reason: str,
        expect: Callable[[Version | None], bool] = lambda _: True,
        discard: bool = True,
    ) -> Version:
        """Makes a version the newest of its key, and announces it.

        Args:
            version: Without id, sequence and time, which are given here (an id that is set is kept).
            versioned: Whether older versions stay.
            events: Whether the bucket announces its objects.
            reason: The API call's name, for the event.
            expect: Condition on the version that is the newest now.
            discard: Whether the body is removed when the condition does not hold.

        Raises:
            PreconditionError: The condition does not hold.
        """
        with self._lock:
            held = self.current(version.bucket, version.key)
            if not expect(held):
                if discard:
                    self._unlink(version.parts)
                raise PreconditionError
            version.version_id = version.version_id or (uuid.uuid4().hex if versioned else NULL_VERSION)
            version.sequence = self._next_sequence()
            version.modified = time.time()
            version.announced = not events
            replaced = self.version(version.bucket, version.key, version.version_id)
            changes: list[tuple[str, Any]] = [(version.journal_key, asdict(version))]
            self._journal.change(changes)
            if replaced:
                self._bucket(version.bucket).remove(replaced)
            self._bucket(version.bucket).add(version)
        if replaced:
            self._unlink(replaced.parts)
        if events:
            self.announce(version, reason)
        return version

    def announce(self, version: Version, reason: str) -> None:
        """Sends the event of a version and notes that it was sent."""
        self._announce(version, reason)
        with self._lock:
            if self.version(version.bucket, version.key, version.version_id) is version:
                version.announced = True
                self._journal.put(version.journal_key, asdict(version))

    def announce_pending(self) -> None:
        """Sends the events that a killed process did not get to send."""
        with self._lock:
            pending = [
                version
                for bucket in self._buckets.values()
                for versions in bucket.keys.values()
                for version in versions
                if not version.announced
            ]
        for version in sorted(pending, key=lambda version: version.sequence):
            self.announce(version, "PutObject")

    def update(self, version: Version) -> None:
        """Stores changed tags or headers of a version."""
        self._journal.put(version.journal_key, asdict(version))

    def delete(self, bucket: str, key: str, version_id: str | None, *, versioned: bool) -> Version | None:
        """Deletes a version, or hides the key behind a delete marker.

        Returns:
            The delete marker that was made or removed, or the version that was removed; None when there
            was nothing.
        """
        with self._lock:
            if version_id is None and versioned:
                marker = Version(
                    bucket, key, uuid.uuid4().hex, self._next_sequence(), modified=time.time(), delete_marker=True
                )
                self._journal.put(marker.journal_key, asdict(marker))
                self._bucket(bucket).add(marker)
                return marker
            version = self.version(bucket, key, version_id or NULL_VERSION)
            if version is None:
                return None
            self._journal.delete(version.journal_key)
            self._bucket(bucket).remove(version)
        self._unlink(version.parts)
        return version

    def link(self, part: Part) -> Part:
        """The same bytes under another name, without copying them."""
        source = self._path(part)
        name = uuid.uuid4().hex
        target = self.folder / name[:2] / name
        target.parent.mkdir(exist_ok=True)
        try:
            os.link(source, target)
        except OSError:
            # Another file system, or a file that is not ours: copied after all.
            with self.writer() as writer, source.open("rb") as stream:
                while block := stream.read(1 << 20):
                    writer.write(block)
                return writer.finish()
        return Part(f"{name[:2]}/{name}", part.size, part.etag, checksums=dict(part.checksums))

    # -- multipart uploads

    def create_upload(self, upload: Upload) -> None:
        """Begins a multipart upload."""
        with self._lock:
            self._uploads[upload.upload_id] = upload
            self._journal.put(f"u/{upload.upload_id}", _upload_head(upload))

    def upload(self, upload_id: str) -> Upload | None:
        """An upload that is not complete."""
        with self._lock:
            return self._uploads.get(upload_id)

    def uploads(self, bucket: str) -> list[Upload]:
        """The uploads of a bucket that are not complete, by key."""
        with self._lock:
            return sorted(
                (upload for upload in self._uploads.values() if upload.bucket == bucket),
                key=lambda upload: (upload.key, upload.started),
            )

    def put_part(self, upload: Upload, number: int, part: Part) -> None:
        """Adds or replaces a part."""
        with self._lock:
            replaced = upload.parts.get(number)
            upload.parts[number] = part
            self._journal.put(f"p/{upload.upload_id}/{number}", asdict(part))
        if replaced:
            self._unlink([replaced])

    def end_upload(self, upload: Upload, keep: Iterable[Part] = ()) -> None:
        """Forgets an upload; parts that are not kept are removed."""
        with self._lock:
            if self._uploads.pop(upload.upload_id, None) is None:
                return
            gone: list[tuple[str, Any]] = [(f"p/{upload.upload_id}/{number}", None) for number in upload.parts]
            self._journal.change([(f"u/{upload.upload_id}", None), *gone])
        kept = {part.path for part in keep}
        self._unlink(part for part in upload.parts.values() if part.path not in kept)

    # -- inside

    def _bucket(self, name: str) -> _Bucket:
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = _Bucket()
        return bucket

    def _next_sequence(self) -> int:
        # Nanoseconds, so that the order also holds over a restart and after older versions are gone.
        self._sequence = max(self._sequence + 1, time.time_ns())
        return self._sequence

    def _path(self, part: Part) -> Path:
        path = Path(part.path)
        if not path.is_absolute():
            return self.folder / path
        try:
            found = path.stat()
        except OSError as error:
            raise ChangedFileError(f"{path.name} is not there any more") from error
        if (found.st_size, found.st_mtime_ns) != (part.size, part.stamp):
            raise ChangedFileError(f"{path.name} changed after it was registered")
        return path

    def _unlink(self, parts: Iterable[Part]) -> None:
        for part in parts:
            if not os.path.isabs(part.path):
                with contextlib.suppress(OSError):
                    (self.folder / part.path).unlink()

    def _load(self) -> None:
        values, self._journal.values = self._journal.values, {}
        versions: list[Version] = []
        for key, value in values.items():
            if key.startswith("v/"):
                parts = [Part(**part) for part in value.pop("parts")]
                versions.append(Version(**value, parts=parts))
            elif key.startswith("u/"):
                self._uploads[value["upload_id"]] = Upload(**value)
        for key, value in values.items():
            if key.startswith("p/"):
                _, upload_id, number = key.split("/")
                if upload_id in self._uploads:
                    self._uploads[upload_id].parts[int(number)] = Part(**value)
        for version in sorted(versions, key=lambda version: version.sequence):
            self._bucket(version.bucket).add(version)
            self._sequence = version.sequence
        self._drop_completed_uploads(versions)
        self._remove_orphans(versions)

    def _drop_completed_uploads(self, versions: list[Version]) -> None:
        """Forgets uploads that a kill caught between the commit of their object and their own end."""
        used = {part.path for version in versions for part in version.parts}
        for upload in list(self._uploads.values()):
            kept = [part for part in upload.parts.values() if part.path in used]
            if kept:
                self.end_upload(upload, keep=kept)

    def _remove_orphans(self, versions: list[Version]) -> None:
        known = {part.path for version in versions for part in version.parts}
        known.update(part.path for upload in self._uploads.values() for part in upload.parts.values())
        for folder in self.folder.iterdir():
            for path in folder.iterdir():
                if f"{folder.name}/{path.name}" not in known:
                    path.unlink(missing_ok=True)


def _upload_head(upload: Upload) -> dict[str, Any]:
    head = asdict(upload)
    del head["parts"]
    return head
