"""Sees what a child does outside of its folder: files that are opened, made or moved, sockets, processes."""

from __future__ import annotations

import contextlib
import os
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.fuzz.targets import CORPORA

_READABLE = tuple(
    os.path.realpath(path)
    for path in {
        sys.prefix, sys.base_prefix, sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"), str(Path(__file__).parents[2]),
        str(CORPORA), "/proc", "/sys", "/dev", "/usr", "/lib", "/etc/localtime", "/etc/mime.types", "/etc/nsswitch.conf",
    }
)  # fmt: skip
"""Where the interpreter and its libraries lie."""
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_PATHS = {
    "os.mkdir": 1,
    "os.rename": 2,
    "os.remove": 1,
    "os.rmdir": 1,
    "os.symlink": 2,
    "os.link": 2,
    "os.truncate": 1,
    "os.chmod": 1,
}
"""Events with as many paths, at their beginning."""
_NEVER = (
    "socket.connect",
    "socket.bind",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "ftplib.connect",
    "urllib.Request",
)


class Guard:
    """Watches this process from now on; a hook cannot be taken out again.

    Args:
        folder: What may be written to.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = os.path.realpath(folder)
        self._on = False
        self._seen: list[str] = []
        sys.addaudithook(self._event)

    @contextlib.contextmanager
    def watching(self) -> Iterator[list[str]]:
        """Gives the list of what was seen within the block."""
        self._seen = []
        self._on = True
        try:
            yield self._seen
        finally:
            self._on = False

    def _event(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._on:
            return
        if event == "open":
            path, mode, flags = arguments
            writes = bool(flags & _WRITING) if isinstance(flags, int) else any(c in str(mode) for c in "wax+")
            self._path(event, path, writes=writes)
        elif event == "sqlite3.connect":
            self._path(event, str(arguments[0]).removeprefix("file:").partition("?")[0], writes=False)
        elif event in _PATHS:
            for path in arguments[: _PATHS[event]]:
                self._path(event, path, writes=True)
        elif event in _NEVER or (
            event == "subprocess.Popen" and not str(list(arguments[1])[1:2]).endswith("orc_child.py']")
        ):
            self._seen.append(f"{event} {arguments[:2]!r}"[:200])

    def _path(self, event: str, path: object, *, writes: bool) -> None:
        if not isinstance(path, str | bytes | os.PathLike) or os.fspath(path) in {":memory:", "", b""}:
            return
        real = os.path.realpath(os.fsdecode(path))
        if real.startswith(self._folder) or real == os.devnull or (not writes and real.startswith(_READABLE)):
            return
        self._seen.append(f"{event} {real!r}"[:200])
