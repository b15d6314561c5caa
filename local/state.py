"""State on disk that survives ``kill -9`` at any instant.

Each kind of state (table items, queued messages, objects …) has one journal: a text file whose first line
names the kind and the format's version, and whose other lines are lists of changes that belong together::

    {"kind": "queues", "format": 1}
    [["intake/7f3c…", {"body": "…", "receives": 0}]]
    [["intake/7f3c…", null]]

Each line is one ``write`` to a file opened for appending and is handed to the kernel before the request is
answered, so a killed process loses nothing; a line torn by the kill is its last and is dropped, which undoes
a request that was never answered. Files are forced to disk every second, so that a power cut loses at most
the last second.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from local.errors import AlreadyRunningError, StateError

FORMAT = 1
SYNC_SECONDS = 1.0
# A journal is rewritten when it has grown by this much and to more than twice its live part.
COMPACT_BYTES = 16 << 20

Change = tuple[str, Any]


class Journal:
    """The latest value of every key, kept in one file.

    Args:
        path: The file; made when missing.
        kind: What it holds; checked when read.

    Raises:
        StateError: The file holds another kind or was written by a newer version.
    """

    def __init__(self, path: Path, kind: str) -> None:
        self.path = path
        self.kind = kind
        self._lock = threading.Lock()
        self._dirty = False
        self._fd = -1
        self.values: dict[str, Any] = self._read()
        """What was on disk; callers take it over and may empty it."""
        self._rewrite(self.values)

    def put(self, key: str, value: Any) -> None:
        """Stores one value."""
        self.change([(key, value)])

    def delete(self, key: str) -> None:
        """Forgets one value."""
        self.change([(key, None)])

    def change(self, changes: Iterable[Change]) -> None:
        """Stores and forgets (value None) several values: all of them or, after a kill, none."""
        line = json.dumps([list(change) for change in changes], separators=(",", ":")).encode() + b"\n"
        with self._lock:
            if self._fd < 0:
                return
            self._append(line)
            self._dirty = True
            self._grown += len(line)
            if self._grown > COMPACT_BYTES and self._grown > 2 * self._base:
                self._rewrite(self._read())

    def sync(self) -> None:
        """Forces what was written to disk."""
        with self._lock:
            if not self._dirty or self._fd < 0:
                return
            self._dirty = False
            # A copy, because a rewrite may close the original meanwhile.
            fd = os.dup(self._fd)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def close(self) -> None:
        """Syncs and closes; later changes are dropped."""
        self.sync()
        with self._lock:
            if self._fd >= 0:
                os.close(self._fd)
            self._fd = -1

    def _append(self, line: bytes) -> None:
        size = os.fstat(self._fd).st_size
        try:
            _write(self._fd, line)
        except OSError:
            # A full disk must not leave half a line in the middle of the file.
            os.ftruncate(self._fd, size)
            raise

    def _read(self) -> dict[str, Any]:
        values: dict[str, Any] = {}
        if not self.path.exists():
            return values
        with self.path.open("rb") as stream:
            self._check_head(stream.readline())
            for line in stream:
                changes = _parse(line)
                if changes is None:
                    if stream.readline():
                        raise StateError(f"{self.path} is damaged before its last line")
                    break
                for key, value in changes:
                    if value is None:
                        values.pop(key, None)
                    else:
                        values[key] = value
        return values

    def _check_head(self, line: bytes) -> None:
        if not line.endswith(b"\n"):
            # Killed while the file was being made: nothing was in it.
            return
        try:
            head = json.loads(line)
            kind, version = head["kind"], int(head["format"])
        except (ValueError, KeyError, TypeError) as error:
            raise StateError(f"{self.path} is not a journal of the one-machine cloud") from error
        if kind != self.kind or version > FORMAT:
            raise StateError(
                f"{self.path} holds {kind!r} in format {version}; this version reads {self.kind!r} "
                f"up to format {FORMAT}: use the newer version, or another state directory"
            )

    def _rewrite(self, values: dict[str, Any]) -> None:
        """Replaces the file by one that holds the live values alone, so that it cannot be half there."""
        fresh = self.path.with_suffix(".new")
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        head = json.dumps({"kind": self.kind, "format": FORMAT}).encode() + b"\n"
        size = len(head)
        _write(fd, head)
        batch: list[bytes] = []
        for key, value in values.items():
            batch.append(json.dumps([[key, value]], separators=(",", ":")).encode() + b"\n")
            if len(batch) >= 1000:
                size += _write(fd, b"".join(batch))
                batch.clear()
        size += _write(fd, b"".join(batch))
        os.fsync(fd)
        fresh.replace(self.path)
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = fd
        self._base, self._grown = size, 0


def _write(fd: int, data: bytes) -> int:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
    return len(data)


def _parse(line: bytes) -> list[list[Any]] | None:
    """The changes of one line, None when it is torn."""
    if not line.endswith(b"\n"):
        return None
    try:
        changes: list[list[Any]] = json.loads(line)
    except ValueError:
        return None
    return changes


class StateDirectory:
    """The directory of one cloud: its journals, its lock and what else it keeps.

    Args:
        root: The directory; made when missing.

    Raises:
        AlreadyRunningError: A living cloud owns it.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.root.mkdir(parents=True, exist_ok=True)
        self._lock_fd = self._take_lock()
        self._journals: list[Journal] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sync_forever, daemon=True, name="state-sync")
        self._thread.start()

    def journal(self, kind: str) -> Journal:
        """Opens the journal of one kind of state."""
        journal = Journal(self.root / f"{kind}.jsonl", kind)
        self._journals.append(journal)
        return journal

    def folder(self, name: str) -> Path:
        """A folder inside the state directory."""
        path = self.root / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def close(self) -> None:
        """Writes everything out and gives the directory free."""
        self._stop.set()
        self._thread.join()
        for journal in self._journals:
            journal.close()
        os.close(self._lock_fd)

    def _take_lock(self) -> int:
        path = self.root / "lock"
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(fd, 32).decode(errors="replace").strip()
            os.close(fd)
            raise AlreadyRunningError(str(self.root), int(owner) if owner.isdigit() else 0) from None
        os.ftruncate(fd, 0)
        os.pwrite(fd, str(os.getpid()).encode(), 0)
        return fd

    def _sync_forever(self) -> None:
        while not self._stop.wait(SYNC_SECONDS):
            for journal in self._journals:
                journal.sync()
