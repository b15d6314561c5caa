"""What a child is at, in memory that its watcher shares: it outlives a child that is killed."""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass, fields
from pathlib import Path

_FIELDS = struct.Struct("<7d")


@dataclass(slots=True)
class Board:
    """Counts, in the order in which they lie in the file.

    Attributes:
        number: Of the file that is tried, from 0.
        began: Processor seconds of the child when it began with that; below 0 between files.
        accepted: Files that were read.
        refused: Files that were refused as they should be.
        faults: Files that were not.
        seconds: Processor seconds of the children that have ended, and of this one up to its last file.
        peak: Bytes of resident memory at most.
    """

    number: float = 0
    began: float = -1
    accepted: float = 0
    refused: float = 0
    faults: float = 0
    seconds: float = 0
    peak: float = 0

    @property
    def tried(self) -> int:
        """Files so far."""
        return int(self.accepted + self.refused + self.faults)


class SharedBoard:
    """A board in a file.

    Args:
        path: The file; made when it is not there.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(_FIELDS.pack(*(getattr(Board(), f.name) for f in fields(Board))))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), _FIELDS.size)

    def read(self) -> Board:
        """What stands there."""
        return Board(*_FIELDS.unpack_from(self._memory))

    def write(self, board: Board) -> None:
        """Puts it there."""
        _FIELDS.pack_into(self._memory, 0, *(getattr(board, f.name) for f in fields(board)))
