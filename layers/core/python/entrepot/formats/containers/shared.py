"""Files that several readers look at through windows of their own, and temporary ones for what was unpacked."""

from __future__ import annotations

import errno
import io
import tempfile
from collections.abc import Iterable
from typing import IO, TYPE_CHECKING

from entrepot.errors import SourceError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_IN_MEMORY = 8 << 20
_BUFFER = 64 << 10


class Shared:
    """A file that is closed when nobody looks at it any more.

    Args:
        file: Seekable.
        owned: Whether it may be closed here.
    """

    def __init__(self, file: IO[bytes], *, owned: bool) -> None:
        self.file = file
        self.size = file.seek(0, io.SEEK_END)
        self._owned = owned
        self._users = 1

    def window(self, start: int = 0, end: int | None = None) -> IO[bytes]:
        """Part of the file as a file, with a position of its own.

        Args:
            start: First byte.
            end: Behind the last one; None for the file's end.
        """
        self._users += 1
        end = self.size if end is None else min(end, self.size)
        return io.BufferedReader(_Window(self, min(start, end), end), _BUFFER)

    def release(self) -> None:
        """Says that one user is done."""
        self._users -= 1
        if not self._users and self._owned:
            self.file.close()


class _Window(io.RawIOBase):
    def __init__(self, shared: Shared, start: int, end: int) -> None:
        super().__init__()
        self._shared = shared
        self._start = start
        self._size = end - start
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            msg = "a position in front of the file"
            raise ValueError(msg)
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        wanted = min(len(view), max(0, self._size - self._at))
        if not wanted:
            return 0
        self._shared.file.seek(self._start + self._at)
        data = self._shared.file.read(wanted)
        view[: len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._shared.release()


def spooled(blocks: Iterable[bytes]) -> Shared:
    """A temporary file of these bytes; small ones stay in memory."""
    file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - `Shared` closes it
    try:
        for block in blocks:
            file.write(block)
    except OSError as error:
        file.close()
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            raise SourceError(
                "What is packed in it is larger than the room here to unpack it.",
                hint="Send the files themselves, or in smaller archives.",
                reason="no_room",
            ) from None
        raise
    except BaseException:
        file.close()
        raise
    return Shared(file, owned=True)
