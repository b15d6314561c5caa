"""What a person named to be imported: files, folders, patterns and URIs, in that order."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cli.failure import Failure

MOST = 10_000
"""Files of one import."""


@dataclass(frozen=True)
class Item:
    """One thing that was named.

    Attributes:
        path: A file or folder of this machine; None for a URI.
        uri: The URI.
    """

    path: Path | None = None
    uri: str = ""

    @property
    def is_folder(self) -> bool:
        """Whether all that lies below it is meant."""
        return self.path.is_dir() if self.path is not None else self.uri.endswith("/")

    def files(self) -> Iterator[tuple[Path, str]]:
        """The files of this machine that are meant, each with its name; hidden ones are left out."""
        if self.path is None:
            return
        if not self.is_folder:
            yield self.path, self.path.name
            return
        for found in sorted(self.path.rglob("*"), key=str):
            rest = found.relative_to(self.path)
            if found.is_file() and not any(part.startswith(".") for part in rest.parts):
                yield found, rest.as_posix()


@dataclass(frozen=True)
class Several:
    """Several sources of one import."""

    items: Sequence[Item]

    @property
    def name(self) -> str:
        """What people call them, as the service does."""
        first = self.items[0]
        if len(self.items) == 1 and first.is_folder:
            return f"{first.path.name if first.path else first.uri.rstrip('/').rsplit('/', 1)[-1]}/"
        label = next((name for _, name in first.files()), "") or first.uri.rsplit("/", 1)[-1]
        count = sum(sum(1 for _ in i.files()) or 1 for i in self.items)
        return f"{label} and {count - 1} more"

    @property
    def is_local(self) -> bool:
        """Whether all of them are files of this machine."""
        return all(i.path is not None for i in self.items)

    @property
    def roots(self) -> list[Path]:
        """Folders from which a cloud of our own must be able to read."""
        return [i.path if i.is_folder else i.path.parent for i in self.items if i.path is not None]


def look(words: Sequence[str]) -> list[Item]:
    """What is named, patterns taken apart.

    Args:
        words: As they were typed.

    Raises:
        Failure: Something is not there, or there is too much.
    """
    items = [item for word in words for item in _item(word)]
    count = sum(sum(1 for _ in i.files()) or 1 for i in items)
    if count > MOST:
        msg = f"{count:,} files are named; one import takes {MOST:,}."
        raise Failure(msg, hint="Import them folder by folder.")
    return items


def _item(word: str) -> Iterator[Item]:
    from cli import paths

    if "://" in word:
        yield Item(uri=word)
        return
    path = Path(word).expanduser()
    if path.is_dir():
        found = Item(path.resolve())
        if not any(True for _ in found.files()):
            msg = f"There are no files in {word}."
            raise Failure(msg, hint="Hidden files are left out.")
        yield found
        return
    if not path.exists() and glob.has_magic(word):
        matches = sorted(m for m in glob.glob(str(path), recursive=True) if Path(m).is_file())  # noqa: PTH207 - an absolute pattern, too
        if not matches:
            msg = f"No file matches {word}."
            raise Failure(msg, hint="Is the path right?")
        yield from (Item(paths.readable(Path(m))) for m in matches)
        return
    yield Item(paths.readable(path))
