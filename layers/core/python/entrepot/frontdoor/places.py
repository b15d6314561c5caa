"""Where a file to look at lies: a path of this machine, a URI, or a member of an archive."""

from __future__ import annotations

import contextlib
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from entrepot.errors import NotFoundError, UsageError
from entrepot.formats.reading import LIMITS

if TYPE_CHECKING:
    from entrepot.formats.containers.walk import Member

_BLOCK = 4 << 20


@dataclass(frozen=True, slots=True)
class Place:
    """A file that can be opened.

    Attributes:
        path: Where it lies on this machine, if only for now.
        name: What it is called where it comes from.
    """

    path: Path
    name: str


@contextlib.contextmanager
def place(path: str | PathLike[str]) -> Iterator[Place]:
    """The file behind a path or a URI (``file:`` or ``s3:``); an object in S3 is here while the block lasts.

    Raises:
        NotFoundError: There is no such file.
        UsageError: It is no file, or a kind of URI that is not read.
    """
    text = fspath(path)
    if text.startswith("s3://"):
        with tempfile.TemporaryDirectory(prefix="entrepot-") as folder:
            yield _fetched(text, Path(folder))
        return
    if text.startswith("file:"):
        text = url2pathname(unquote(urlsplit(text).path))
    elif re.match(r"[a-z][a-z0-9+.-]+://", text):
        raise UsageError(f"{text.split('://')[0]}:// is not read.", hint="Name a path, file:// or s3://bucket/key.")
    found = Path(text)
    if found.is_dir():
        raise UsageError(f"{found} is a folder.", hint="Name one file.")
    if not found.exists():
        raise NotFoundError(f"There is no file {found}.", hint="Check the path.")
    yield Place(found, found.name)


def _fetched(uri: str, folder: Path) -> Place:
    from entrepot.adapters.s3 import S3Blobs

    name = uri.rstrip("/").rsplit("/", 1)[-1]
    target = folder / safe(name)
    with target.open("wb") as out:
        for block in S3Blobs(buckets=(), read_only=[urlsplit(uri).netloc]).stream(uri, block=_BLOCK):
            out.write(block)
    return Place(target, name)


@dataclass(slots=True)
class Unpacked:
    """A member of an archive, here while its archive is gone through.

    Attributes:
        name: Its path in the archive.
        number: Its place, from 0.
        size: Bytes, where that is known.
    """

    name: str
    number: int
    size: int | None
    _member: Member
    _folder: Path

    def place(self) -> Place:
        """The member as a file of its own; the name only lends the letters that no path can be made of.

        Raises:
            SourceError: It cannot be unpacked.
        """
        if self._member.error is not None:
            raise self._member.error
        target = self._folder / f"{self.number:06d}" / safe(self.name.rsplit("/", 1)[-1])
        target.parent.mkdir(exist_ok=True)
        with self._member.open() as file, target.open("wb") as out:
            shutil.copyfileobj(file, out, _BLOCK)
        return Place(target, self.name)


def unpacked(file: IO[bytes], name: str, folder: Path, notes: list[str] | None = None) -> Iterator[Unpacked]:
    """The members of an archive, one after the other; what was taken of one stays until the folder goes.

    Args:
        file: The open archive.
        name: What it is called.
        folder: Where members are laid.
        notes: Takes what was left out and why, once all is gone through.

    Raises:
        SourceError: The archive cannot be read any further.
    """
    from entrepot.formats.containers import members

    found = members(file, name, LIMITS)
    for number, member in enumerate(found):
        yield Unpacked(member.name, number, member.size, member, folder)
    if notes is not None:
        notes += found.notes


def weigh(found: Place, columns: int) -> tuple[bool, int]:
    """How good a member is as the one that is meant: a page of text (one column) gives way to any table.

    Args:
        found: The member.
        columns: How many it has.
    """
    return columns > 1, found.path.stat().st_size


def safe(name: str) -> str:
    """A name without what could lead elsewhere."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", name)[-100:].lstrip(".") or "member"
