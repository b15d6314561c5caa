"""A path for an open file, for libraries that cannot read through Python."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import IO, Any

from entrepot.errors import SourceError

_BLOCK = 1 << 20


class OnDisk:
    """An open file's own path, or that of a copy which is gone with this object.

    Args:
        file: Seekable; it stays the caller's and is not read through the path's handle.
        limit: What a copy may become, in bytes.
    """

    def __init__(self, file: IO[bytes], limit: int) -> None:
        self._copy: Any = None
        self.path = _own_path(file) or self._copied(file, limit)

    def _copied(self, file: IO[bytes], limit: int) -> str:
        file.seek(0)
        self._copy = tempfile.NamedTemporaryFile(prefix="entrepot-")  # noqa: SIM115 - it lives as long as this object
        while (block := file.read(_BLOCK)) and self._copy.tell() <= limit:
            self._copy.write(block)
        self._copy.flush()
        if self._copy.tell() > limit:
            raise SourceError(
                f"The source has more than {limit:,} bytes.", hint="Send it in parts.", reason="expanded_bytes"
            )
        return str(self._copy.name)


def _own_path(file: IO[bytes]) -> str | None:
    """The path of a plain file on disk that has nothing pending in a buffer of ours."""
    name = getattr(file, "name", None)
    if not isinstance(name, str) or "r" not in getattr(file, "mode", ""):
        return None
    try:
        here, there = os.fstat(file.fileno()), Path(name).stat()
    except (OSError, ValueError):
        return None
    return name if os.path.samestat(here, there) else None
