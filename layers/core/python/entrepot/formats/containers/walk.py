"""The files in a container, whatever is packed in whatever, one after the other."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import IO, Self

from entrepot.detect.binary import OLE, ZIP, signature
from entrepot.detect.recognise import HEAD_BYTES, Kind, recognise, refusal
from entrepot.errors import SourceError
from entrepot.formats.containers import compressed, mail, tar
from entrepot.formats.containers import zip as zip_
from entrepot.formats.containers.budget import HOSTILE, Budget, Meter
from entrepot.formats.containers.entry import Entry, shown
from entrepot.formats.containers.shared import Shared, spooled
from entrepot.formats.reading import LIMITS, Limits

_LISTS = {"zip": zip_.entries, "tar": tar.entries, "eml": mail.entries}
_HELD = 64 << 20
"""Members up to this size are unpacked whole, and so proved whole, before they are given out."""
_MOST_NOTES = 200


class Member:
    """One file of a container.

    Attributes:
        name: As the container has it; of nested ones after the name of what holds it, with a slash.
        size: Bytes, where they are known.
        kind: What it is; None when that could not be found out.
        error: Why it cannot be read; None when it can.
    """

    def __init__(self, node: _Node, *, kind: Kind | None = None, error: SourceError | None = None) -> None:
        self.name = node.path or node.name
        self.size = node.size
        self.kind = kind
        self.error = error
        self._node = node

    def open(self) -> IO[bytes]:
        """The member as a seekable file; it is the caller's to close. May be called again.

        Raises:
            SourceError: It cannot be read (as `error` says), or turns out to be broken or too large.
        """
        if self.error:
            raise self.error
        return self._node.open()

    def stream(self) -> Iterator[bytes]:
        """The member's bytes in blocks, without unpacking it to a temporary file first.

        Raises:
            SourceError: As for `open`, at any block.
        """
        if self.error:
            raise self.error
        return self._node.stream()


class _Node:
    """A file somewhere in the nesting."""

    def __init__(self, parent: _Node | None, entry: Entry, path: str, prefix: str, budget: Budget) -> None:
        self.path = path
        self.prefix = prefix  # of the names of what it holds
        self.name = entry.name
        self.size = entry.size
        self._parent = parent
        self._entry = entry
        self._meter = Meter(budget)
        self._held: Shared | None = None

    def hold(self) -> Shared:
        """Unpacks it, unless it is."""
        if self._held is None:
            self._held = self._made()
            self.size = self._held.size
        return self._held

    def keep(self, shared: Shared) -> None:
        """Says what it is unpacked to."""
        self._held = shared
        self.size = shared.size

    def release(self) -> None:
        """Lets go of what was unpacked; whoever still reads it keeps it."""
        if self._held is not None:
            self._held.release()
            self._held = None

    def open(self) -> IO[bytes]:
        if self._held is not None:
            return self._held.window()
        shared = self._made()
        try:
            return shared.window()
        finally:
            shared.release()

    def stream(self) -> Iterator[bytes]:
        if self._held is None and self._entry.blocks is not None and self._parent is not None:
            with self._parent.open() as file:
                self._meter.start()
                yield from self._entry.blocks(file, self._meter)
            return
        with self.open() as file:
            yield from iter(lambda: file.read(1 << 20), b"")

    def recognised(self) -> Kind:
        with self.open() as file:
            return recognise(file, self.name)

    def head(self) -> bytes:
        """Its first bytes."""
        if self._held is not None or self._entry.span is not None:
            with self.hold().window() as file:
                return file.read(HEAD_BYTES)
        taken = bytearray()
        stream = self.stream()
        for block in stream:
            taken += block
            if len(taken) >= HEAD_BYTES:
                break
        return bytes(taken[:HEAD_BYTES])

    def _made(self) -> Shared:
        if self._parent is None:
            msg = "the outermost file is always open"
            raise AssertionError(msg)
        if self._entry.span is not None:
            return Shared(_span(self._parent, *self._entry.span), owned=True)
        return spooled(self.stream())


def _span(parent: _Node, start: int, end: int) -> IO[bytes]:
    outer = Shared(parent.open(), owned=True)
    try:
        return outer.window(start, end)
    finally:
        outer.release()


class Members(Iterator[Member]):
    """Iterates over the files in a container that can be read, and those that should be and cannot.

    Members that cannot be read come with their error, and do not stop their neighbours; when none at all can be
    read, the first one's error is raised. A source that is broken as a whole raises, and so does one that passes a
    limit, even when that is only found out while a member is read: the next step raises then.

    Args:
        file: The container, seekable; it has to stay open for as long as members are read.
        name: Its own name.
        limits: What is accepted.

    Attributes:
        notes: What was left out and why, in words; complete at the end.
    """

    def __init__(self, file: IO[bytes], name: str = "", limits: Limits = LIMITS) -> None:
        self.notes: list[str] = []
        self._limits = limits
        shared = Shared(file, owned=False)
        self._budget = Budget(limits, shared.size)
        self._root = _Node(None, Entry(PurePosixPath(name).name), "", "", self._budget)
        self._root.keep(shared)
        self._found = self._sifted()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Member:
        if self._budget.passed:
            raise self._budget.passed
        return next(self._found)

    def _sifted(self) -> Iterator[Member]:
        """Holds errors back until something can be read."""
        failed: list[Member] = []
        good = False
        for member in self._walk(self._root, self._root.recognised(), 1):
            if member.error and not good:
                failed.append(member)
                continue
            if not good:
                good = True
                yield from failed
            yield member
        if failed and not good and failed[0].error:
            raise failed[0].error
        if not good:
            raise SourceError(
                f"{self._root.name or 'The archive'} holds no file that can be read.",
                hint="; ".join(self.notes[:3]) or "It is empty.",
                reason="no_members",
            )

    def _walk(self, node: _Node, kind: Kind, depth: int) -> Iterator[Member]:
        """The members below a container; a file that is none is its own only member."""
        if kind.container is None:
            unread = kind.encrypted or kind.format is None
            yield Member(node, kind=kind, error=refusal(kind, shown(node.name)) if unread else None)
            return
        if depth > self._limits.archive_depth:
            yield Member(node, kind=kind, error=_too_deep(node, self._limits.archive_depth))
            return
        try:
            for entry in self._entries(node, kind):
                self._budget.add_member()
                if entry.skipped:
                    self._note(f"{shown(entry.name)} {entry.skipped}; it was left out.")
                    continue
                child = _Node(node, entry, *_path(node, kind, entry), self._budget)
                try:
                    yield from self._member(child, depth)
                finally:
                    child.release()
        except SourceError as error:
            if error.facts.get("reason") in HOSTILE:
                raise
            yield Member(node, kind=kind, error=error)

    def _entries(self, node: _Node, kind: Kind) -> Iterator[Entry]:
        container = kind.container or ""
        if container in _LISTS:
            with node.hold().window() as file:
                yield from _LISTS[container](file, self._limits)
        else:
            yield compressed.entry(container, node.name)

    def _member(self, node: _Node, depth: int) -> Iterator[Member]:
        if node._entry.problem:  # noqa: SLF001 - a node is this module's own
            yield Member(node, error=node._entry.problem)  # noqa: SLF001
            return
        try:
            kind = self._recognised(node)
        except SourceError as error:
            if error.facts.get("reason") in HOSTILE:
                raise
            yield Member(node, error=error)
            return
        if kind is None:
            self._note(f"{shown(node.path)} is empty; it was left out.")
        elif kind.container:
            yield from self._walk(node, kind, depth + 1)
        elif kind.encrypted:
            yield Member(node, kind=kind, error=refusal(kind, shown(node.path)))
        elif kind.format is None:
            self._note(f"{shown(node.path)} is {kind.words}; it was left out.")
        else:
            yield Member(node, kind=kind)

    def _recognised(self, node: _Node) -> Kind | None:
        """What a member is; None when it is empty. Unpacks it where more than its first bytes say that."""
        if node.size is not None and node.size <= _HELD:
            node.hold()
        head = node.head()
        if not head:
            return None
        found = signature(head)
        kind = None if found in {ZIP, OLE} else recognise(io.BytesIO(head), node.name)
        if kind is None or kind.container:
            node.hold()
        return kind or node.recognised()

    def _note(self, words: str) -> None:
        if len(self.notes) < _MOST_NOTES:
            self.notes.append(words)
        elif len(self.notes) == _MOST_NOTES:
            self.notes.append("Further files were left out.")


def _path(node: _Node, kind: Kind, entry: Entry) -> tuple[str, str]:
    """A member's name for people, and what its own members' names begin with: a compression alone is no level."""
    if kind.container in _LISTS:
        path = f"{node.prefix}/{entry.name}" if node.prefix else entry.name
        return path, path
    return compressed.bare_name(node.path) if node.path else entry.name, node.prefix


def _too_deep(node: _Node, most: int) -> SourceError:
    return SourceError(
        f"{shown(node.path)} is packed more than {most} times over.",
        hint="Send the files themselves in one archive.",
        reason="archive_depth",
        limit=most,
    )
