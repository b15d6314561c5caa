"""What a container lists, before it is known what its members are."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO

from entrepot.errors import SourceError
from entrepot.formats.containers.budget import Meter

Blocks = Callable[[IO[bytes], Meter], Iterator[bytes]]


@dataclass(slots=True)
class Entry:
    """One thing in a container.

    Attributes:
        name: As the container has it.
        size: As the container states it.
        span: Where its bytes stand in the container as they are; else
        blocks: unpacks them from the container's file.
        problem: Why it cannot be read.
        skipped: Why it is left out.
    """

    name: str
    size: int | None = None
    span: tuple[int, int] | None = None
    blocks: Blocks | None = None
    problem: SourceError | None = None
    skipped: str = ""


_JUNK = frozenset({".ds_store", "thumbs.db", "desktop.ini", "ehthumbs.db"})
_DRIVE = re.compile(r"[A-Za-z]:")


def junk(name: str) -> str:
    """Why a file that systems leave behind is left out; empty for others."""
    parts = name.split("/")
    last = parts[-1].lower()
    if parts[0] == "__MACOSX" or last in _JUNK or last.startswith("._"):
        return "was left there by the system that packed it"
    return ""


def unsafe(name: str) -> str:
    r"""What makes a name one that would write outside of its folder; empty for a decent one.

    No name here ever becomes a path. Who sends such a name tries something, or packs with a program that other
    receivers will choke on.
    """
    if not name.strip("/"):
        return "is empty"
    if name.startswith("/") or _DRIVE.match(name):
        return "is absolute"
    if "\\" in name:
        return "has a backslash in it"
    if any(ord(c) < 32 or c == "\x7f" for c in name):
        return "has control characters in it"
    if ".." in name.split("/"):
        return "leaves its folder"
    return ""


def shown(name: str) -> str:
    """A name as it may stand in a message."""
    return repr(name if len(name) <= 200 else name[:200] + "…")
