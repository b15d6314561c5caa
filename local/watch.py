"""A folder that acts as the inbox: what is put there is dropped, once, and moved to ``.done``.

A file counts as complete when its size and time have not changed for a while, which also holds for one that is
renamed into place. Names that begin with a dot or end in ``.part``, ``.tmp`` or ``~`` are not looked at. When
the process dies between the drop and the move, the file is dropped again at the next start; the same bytes
under the same key change nothing (LOD4).
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

LOG = logging.getLogger("entrepot.local")
DONE = ".done"
POLL_SECONDS = 0.25
STABLE_SECONDS = 0.75
RETRY_SECONDS = 5.0
_UNFINISHED = (".part", ".tmp", ".crdownload", "~")


@dataclass
class _Seen:
    facts: tuple[int, int]
    since: float


@dataclass
class Watch:
    """Drops the files of a folder.

    Args:
        folder: Holds ``<tenant>/<contract>/…``; made when missing.
        drop: Puts a file into the inbox under a key; raises when it cannot.
        stable_seconds: How long a file must not change before it counts as complete.
    """

    folder: Path
    drop: Callable[[str, Path], None]
    stable_seconds: float = STABLE_SECONDS
    _seen: dict[Path, _Seen] = field(default_factory=dict)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begins to watch."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._thread = threading.Thread(target=self._run, daemon=True, name="watch")
        self._thread.start()

    def stop(self) -> None:
        """Stops; a drop that has begun is finished first."""
        self._stopping.set()
        if self._thread:
            self._thread.join()

    def look(self) -> int:
        """Drops what is complete.

        Returns:
            How many files were dropped.
        """
        now = time.monotonic()
        found = dict(self._files())
        for path in [path for path in self._seen if path not in found]:
            del self._seen[path]
        dropped = 0
        for path, facts in found.items():
            seen = self._seen.get(path)
            if seen is None or seen.facts != facts:
                self._seen[path] = _Seen(facts, now)
            elif now - seen.since >= self.stable_seconds and not self._stopping.is_set():
                dropped += self._take(path, seen, now)
        return dropped

    def _run(self) -> None:
        while not self._stopping.wait(POLL_SECONDS):
            try:
                self.look()
            except OSError as error:
                LOG.warning("the watched folder %s cannot be read: %s", self.folder, error)

    def _files(self) -> list[tuple[Path, tuple[int, int]]]:
        """Files at least three levels deep, with size and time; links are not followed."""
        found = []
        for folder, folders, names in os.walk(self.folder, followlinks=False):
            folders[:] = [name for name in folders if not name.startswith(".")]
            if len(Path(folder).relative_to(self.folder).parts) < 2:
                continue
            for name in names:
                path = Path(folder, name)
                if name.startswith(".") or name.endswith(_UNFINISHED) or path.is_symlink() or not path.is_file():
                    continue
                facts = path.stat()
                found.append((path, (facts.st_size, facts.st_mtime_ns)))
        return sorted(found)

    def _take(self, path: Path, seen: _Seen, now: float) -> int:
        key = path.relative_to(self.folder).as_posix()
        try:
            self.drop(key, path)
        except Exception as error:  # Whatever went wrong, the file stays and is tried again.
            LOG.warning("%s cannot be dropped: %s", key, error)
            seen.since = now + RETRY_SECONDS
            return 0
        self._move_away(path, key)
        self._seen.pop(path, None)
        return 1

    def _move_away(self, path: Path, key: str) -> None:
        target = self.folder / DONE / key
        target.parent.mkdir(parents=True, exist_ok=True)
        number = 0
        while target.exists():
            number += 1
            target = target.with_name(f"{path.stem}.{number}{path.suffix}")
        path.rename(target)
