"""Containers: archives, compressed files and e-mail messages, whose members are the files to read."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from entrepot.formats.reading import LIMITS, Limits

if TYPE_CHECKING:
    from entrepot.formats.containers.walk import Member, Members

__all__ = ["Member", "Members", "members"]


def members(file: IO[bytes], name: str = "", limits: Limits = LIMITS) -> Members:
    """The files in a container, nested ones included; see `entrepot.formats.containers.walk.Members`.

    Args:
        file: The container, seekable; it has to stay open for as long as members are read.
        name: Its own name.
        limits: What is accepted.
    """
    # Recognition looks into archives itself, so it cannot be imported while this package is.
    from entrepot.formats.containers.walk import Members

    return Members(file, name, limits)


def __getattr__(name: str) -> object:
    if name in {"Member", "Members"}:
        from entrepot.formats.containers import walk

        return getattr(walk, name)
    raise AttributeError(name)
