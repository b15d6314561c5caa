"""Compression of what is written: the same bytes in, the same bytes out, at any time and place."""

from __future__ import annotations

import gzip
import io
import zipfile
from typing import IO, TYPE_CHECKING, Literal, cast

from entrepot.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import ReadableBuffer

Compression = Literal["gzip", "zstd", "zip"]
ENDINGS: dict[str, str] = {"gzip": ".gz", "zstd": ".zst", "zip": ".zip"}
"""What a compressed file's name ends in."""

_LEVEL_GZIP = 6
_LEVEL_ZSTD = 3
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The first moment that a ZIP archive can state."""


def compressed(file: IO[bytes], compression: str, member_name: str = "data") -> IO[bytes]:
    """A stream that compresses what is written to it; closing it ends the compression, not the file.

    Args:
        file: Where the compressed bytes go; it need not be seekable.
        compression: gzip, zstd or zip.
        member_name: What the file is called inside of a ZIP archive.

    Raises:
        UsageError: There is no such compression.
    """
    if compression == "gzip":
        return _stream(gzip.GzipFile("", "wb", _LEVEL_GZIP, file, mtime=0))
    if compression == "zstd":
        import zstandard

        packer = zstandard.ZstdCompressor(level=_LEVEL_ZSTD, write_checksum=True)
        return _stream(packer.stream_writer(file, closefd=False))
    if compression == "zip":
        archive = zipfile.ZipFile(_Forward(file), "w", zipfile.ZIP_DEFLATED)
        info = zipfile.ZipInfo(member_name, _EPOCH)
        info.compress_type = zipfile.ZIP_DEFLATED
        info.create_system = 3
        info.external_attr = 0o100644 << 16
        return _stream(archive.open(info, "w", force_zip64=True), archive.close)
    raise UsageError(
        f"The compression {compression!r} cannot be written.", hint="Use gzip, zstd or zip.", compression=compression
    )


def _stream(packer: object, ended: Callable[[], None] | None = None) -> IO[bytes]:
    # Neither the packers nor what wraps them declare what they all are.
    return cast("IO[bytes]", _Compressing(cast("IO[bytes]", packer), ended))


class _Forward(io.RawIOBase):
    """Hides that a file can seek, so that an archive comes out the same wherever it is written."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__()
        self._file = file

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer) -> int:
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()


class _Compressing(io.BufferedIOBase):
    """A stream that counts what is written to it."""

    def __init__(self, stream: IO[bytes], ended: Callable[[], None] | None = None) -> None:
        super().__init__()
        self._stream = stream
        self._ended = ended
        self._written = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        """Bytes before compression."""
        return self._written

    def write(self, data: ReadableBuffer) -> int:
        self._stream.write(data)
        size = memoryview(data).nbytes
        self._written += size
        return size

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
            if self._ended:
                self._ended()
            super().close()
