"""Collections as they lie in the work bucket: bytes by digest, commits, and a head moved by one conditional write.

``collections/<tenant>/store/<name>/`` has ``objects/<digest>``, ``commits/<id>.json`` and ``entries/<id>.json``;
``collections/<tenant>/heads/<name>.json`` names the commit that holds. A path is only ever a word in a list of
entries: it never becomes a key of the collection's own.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import orjson

from entrepot.errors import ConflictError, NotFoundError, UsageError
from entrepot.model.collection import Commit, Entry
from entrepot.model.contract import NAME_PATTERN
from entrepot.ports.blobs import BlobStore

MAX_ENTRIES = 100_000
"""Files of one collection."""
MAX_OBJECT = 5 << 30
"""Bytes of one file."""
MAX_PATH = 512
"""Bytes of a path."""

Entries = dict[str, Entry]


@dataclass(frozen=True, slots=True)
class Head:
    """The commit that holds; empty where there is no collection yet."""

    commit: str = ""
    etag: str = ""


class Collections:
    """Reads and moves the collections of all tenants.

    Args:
        blobs: Objects.
        work_bucket: Where collections lie.
    """

    def __init__(self, blobs: BlobStore, work_bucket: str) -> None:
        self._blobs = blobs
        self._root = f"s3://{work_bucket}/collections"

    def names(self, tenant: str) -> list[str]:
        """The tenant's collections."""
        prefix = f"{self._root}/{tenant}/heads/"
        return [i.uri.removeprefix(prefix).removesuffix(".json") for i in self._blobs.list(prefix)]

    def head(self, tenant: str, name: str) -> Head:
        """The commit that holds now."""
        uri = self._head(tenant, checked_name(name))
        for _ in range(5):
            try:
                info = self._blobs.head(uri)
            except NotFoundError:
                return Head()
            try:
                body = self._blobs.read(uri, version=f"etag:{info.etag}")
            except NotFoundError:
                continue  # moved in between
            return Head(str(orjson.loads(body)["commit"]), info.etag)
        raise ConflictError(f"Collection {name} is moved too often to be read.", hint="Try again a little later.")

    def move(self, tenant: str, name: str, head: Head, commit: str) -> None:
        """Makes a commit the one that holds, in place of the one that did.

        Raises:
            ConflictError: Another one holds by now.
        """
        self._blobs.write_if(self._head(tenant, name), orjson.dumps({"commit": commit}), etag=head.etag)

    def commit(self, tenant: str, name: str, commit: str) -> Commit:
        """One commit.

        Raises:
            NotFoundError: The collection has none of that id.
        """
        if not re.fullmatch(r"[a-z0-9]{8,64}", commit):
            raise NotFoundError(f"There is no commit {commit[:64]!r}.")
        return Commit.model_validate_json(self._blobs.read(f"{self._store(tenant, name)}/commits/{commit}.json"))

    def entries(self, tenant: str, name: str, commit: str) -> Entries:
        """The files of a commit by their paths; none for no commit."""
        if not commit:
            return {}
        found = orjson.loads(self._blobs.read(f"{self._store(tenant, name)}/entries/{commit}.json"))
        return {path: Entry(digest=digest, size=size) for path, (digest, size) in found.items()}

    def put(self, tenant: str, name: str, commit: Commit, entries: Mapping[str, Entry]) -> None:
        """Stores a commit that nobody sees until the head is moved to it."""
        body = orjson.dumps({path: (entries[path].digest, entries[path].size) for path in sorted(entries)})
        self._blobs.write(f"{self._store(tenant, name)}/entries/{commit.id}.json", body)
        self._blobs.write(f"{self._store(tenant, name)}/commits/{commit.id}.json", commit.model_dump_json().encode())

    def history(self, tenant: str, name: str, start: str) -> Iterator[Commit]:
        """A commit and those before it, newest first."""
        while start:
            commit = self.commit(tenant, name, start)
            yield commit
            start = commit.parent

    def object_uri(self, tenant: str, name: str, digest: str) -> str:
        """Where the bytes of a file lie."""
        return f"{self._store(tenant, name)}/objects/{digest}"

    def _store(self, tenant: str, name: str) -> str:
        return f"{self._root}/{tenant}/store/{checked_name(name)}"

    def _head(self, tenant: str, name: str) -> str:
        return f"{self._root}/{tenant}/heads/{name}.json"


def checked_name(name: str) -> str:
    """The name, when it can be one.

    Raises:
        UsageError: It cannot.
    """
    if not re.fullmatch(NAME_PATTERN, name):
        raise UsageError(
            f"{name[:80]!r} cannot be the name of a collection.",
            hint="Names have 1 to 63 lower-case letters, digits, dots, dashes and underscores.",
        )
    return name


def checked_path(path: str) -> str:
    """A path as a collection keeps it.

    Raises:
        UsageError: It leads elsewhere, or is none that a file system and a link could carry.
    """
    told = path.encode("ascii", "backslashreplace").decode()[:100]
    parts = path.split("/")
    if not path or len(path.encode(errors="replace")) > MAX_PATH:
        raise UsageError(f"A path has 1 to {MAX_PATH} bytes; {told!r} has not.", reason="path")
    if any(part in {"", ".", ".."} for part in parts) or "\\" in path:
        raise UsageError(f"The path {told!r} leads elsewhere or has an empty part.", reason="path")
    # Control, format, surrogate, private and unassigned characters: nothing that shows, or shows as what it is not.
    if any(unicodedata.category(c) in {"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"} for c in path):
        raise UsageError(f"The path {told!r} has characters that do not show.", reason="path")
    return unicodedata.normalize("NFC", path)
