"""Files of this machine as sources: read by reference, never written."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from entrepot.adapters.system import iso
from entrepot.errors import ConfigurationError, ForbiddenError, NotFoundError, SourceError, UnavailableError, UsageError
from entrepot.ports.blobs import BlobInfo

_BLOCK = 8 << 20
_Stamp = tuple[int, int, int, int]
"""Device, inode, size and time of change: what tells a file from its replacement."""


class LocalFiles:
    """Files below some folders.

    A file has no versions. A version that is asked for is taken as the SHA-256 of its content: ``head``
    proves it, once per process and state of the file, and later reads notice when that state changes.

    Args:
        roots: Folders; nothing outside of them is read, wherever links lead.
    """

    def __init__(self, roots: Iterable[str | Path]) -> None:
        self._roots = [Path(root).resolve() for root in roots]
        self._digests: dict[Path, tuple[_Stamp, str]] = {}
        self._lock = threading.Lock()

    def head(self, uri: str, version: str = "") -> BlobInfo:
        """Describes a file; reads it once when a version is asked for.

        Raises:
            NotFoundError: There is no such file, or its content is not that version.
            ForbiddenError: It lies outside the roots.
        """
        path = self._path(uri)
        found = self._stat(path)
        if version and self.digest(uri) != version:
            raise _changed(path)
        modified = iso(datetime.fromtimestamp(found.st_mtime, UTC))
        return BlobInfo(uri=uri, size=found.st_size, version=version, modified=modified)

    def digest(self, uri: str) -> str:
        """SHA-256 of a file's content, in hexadecimal."""
        path = self._path(uri)
        before = _stamp(self._stat(path))
        known = self._digests.get(path)
        if known and known[0] == before:
            return known[1]
        digest = hashlib.sha256()
        with self._open(path) as file:
            while block := file.read(_BLOCK):
                digest.update(block)
        if _stamp(self._stat(path)) != before:
            raise _changed(path)
        with self._lock:
            self._digests[path] = before, digest.hexdigest()
        return digest.hexdigest()

    def stream(self, uri: str, *, version: str, start: int, end: int | None, block: int) -> Iterator[bytes]:
        """Bytes of a file in blocks."""
        path = self._path(uri)
        with self._open(path) as file:
            self._unchanged(path, version, file)
            file.seek(start)
            left = None if end is None else max(0, end - start)
            while left is None or left > 0:
                data = file.read(block if left is None else min(block, left))
                if not data:
                    return
                left = None if left is None else left - len(data)
                yield data

    def read(self, uri: str, *, version: str, start: int, end: int | None) -> bytes:
        """Bytes of a file."""
        path = self._path(uri)
        with self._open(path) as file:
            self._unchanged(path, version, file)
            file.seek(start)
            return file.read(-1 if end is None else max(0, end - start))

    def list(self, uri_prefix: str) -> Iterator[BlobInfo]:
        """Files whose URI begins so, in order."""
        text = unquote(urlsplit(uri_prefix).path)
        folder = Path(text if text.endswith("/") else text.rpartition("/")[0] or "/")
        if not self._inside(folder.resolve()):
            raise _forbidden()
        for path in sorted(folder.rglob("*"), key=str):
            if str(path).startswith(text) and path.is_file() and self._inside(path.resolve()):
                yield self.head(path.as_uri())

    def list_fixed(self, uri_prefix: str) -> Iterator[BlobInfo]:
        """The same, each with the SHA-256 of its content as version."""
        for info in self.list(uri_prefix):
            digest = self.digest(info.uri)
            yield BlobInfo(info.uri, info.size, version=digest, etag=digest, modified=info.modified)

    def _path(self, uri: str) -> Path:
        parts = urlsplit(uri)
        # Not parts.path alone: a name may hold what a URL would call a query or a fragment.
        text = unquote(uri.removeprefix("file://").removeprefix(parts.netloc))
        if parts.netloc not in {"", "localhost"} or not text.startswith("/") or "\x00" in text:
            raise UsageError("That is not file:///absolute/path.", hint="Name the file by its whole path.")
        if not self._roots:
            raise ForbiddenError("Files of this machine are not allowed as sources here.")
        try:
            path = Path(text).resolve()
        except (OSError, RuntimeError):
            raise _forbidden() from None
        if not self._inside(path):
            raise _forbidden()
        return path

    def _inside(self, path: Path) -> bool:
        return any(path.is_relative_to(root) for root in self._roots)

    def _open(self, path: Path) -> BinaryIO:
        try:
            # Neither waits for whoever writes to a pipe, nor follows a link put in the file's place.
            file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW), "rb")
        except OSError as error:
            raise _refused(path, error) from None
        try:
            _require_file(path, os.fstat(file.fileno()))
            # What was opened is what counts: a folder on the way may have become a link since the check.
            opened = Path(f"/proc/self/fd/{file.fileno()}")
            self._require_inside(opened.readlink() if opened.is_symlink() else path)
        except BaseException:
            file.close()
            raise
        return file

    def _require_inside(self, path: Path) -> None:
        if not self._inside(path):
            raise _forbidden()

    def _stat(self, path: Path) -> os.stat_result:
        try:
            found = path.stat()
        except OSError as error:
            raise _refused(path, error) from None
        _require_file(path, found)
        return found

    def _unchanged(self, path: Path, version: str, file: BinaryIO) -> None:
        known = self._digests.get(path)
        if version and known and known != (_stamp(os.fstat(file.fileno())), version):
            raise _changed(path)


def _stamp(found: os.stat_result) -> _Stamp:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _require_file(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise SourceError(f"{path.name[:200]!r} is not a file.", hint="Name one file.", name=path.name[:200])


def _changed(path: Path) -> NotFoundError:
    hint = "Import the file again as it is now."
    return NotFoundError(f"{path.name[:200]!r} is no longer what was handed in.", hint=hint, name=path.name[:200])


def _forbidden() -> ForbiddenError:
    hint = "Start with the folder as a root, or move the file into one."
    return ForbiddenError("The file is not under the folders that sources may come from.", hint=hint)


def _refused(path: Path, error: OSError) -> Exception:
    name = path.name[:200]
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return NotFoundError(f"There is no file {name!r}.", name=name)
    if isinstance(error, PermissionError):
        return ConfigurationError(f"The file {name!r} may not be read.", hint="Check its permissions.", name=name)
    if isinstance(error, IsADirectoryError):
        return SourceError(f"{name!r} is a folder.", hint="Name one file.", name=name)
    return UnavailableError(f"The file {name!r} cannot be read ({type(error).__name__}).", name=name, errno=error.errno)
