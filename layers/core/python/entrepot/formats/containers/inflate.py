"""Decompression in blocks of bounded size, whatever the compressed bytes claim."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Protocol

from entrepot.errors import SourceError
from entrepot.formats.containers.budget import Meter

BLOCK = 1 << 20
_INPUT = 64 << 10
_INPUT_ZSTD = 2 << 10
"""Its decompressor gives out all that its input holds, and four bytes can hold 128 KiB."""
_XZ_MEMORY = 128 << 20
_ZSTD_WINDOW = 128 << 20


class Decompressor(Protocol):
    """What the standard library's decompressors have in common."""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """At most so many bytes more."""
        ...

    @property
    def eof(self) -> bool:
        """Whether the stream is at its end."""
        ...

    @property
    def needs_input(self) -> bool:
        """Whether more bytes can come out only when more go in."""
        ...

    @property
    def unused_data(self) -> bytes:
        """What stood behind the end."""
        ...


class Packed:
    """The compressed bytes of one member.

    Args:
        file: Where they lie; seekable.
        start: The first one's offset.
        end: The offset behind the last one; None for the file's end.
    """

    def __init__(self, file: IO[bytes], start: int = 0, end: int | None = None) -> None:
        self._file = file
        self._left = end - start if end is not None else None
        self.read_bytes = 0
        file.seek(start)

    def read(self, size: int) -> bytes:
        """The next bytes; empty at the end."""
        data = self._file.read(size if self._left is None else min(size, self._left))
        self.read_bytes += len(data)
        if self._left is not None:
            self._left -= len(data)
        return data


class _Zlib:
    """Deflate with or without GZIP's frame."""

    def __init__(self, wbits: int) -> None:
        self._object = zlib.decompressobj(wbits)

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._object.decompress(self._object.unconsumed_tail + data, max_length)

    @property
    def eof(self) -> bool:
        return self._object.eof

    @property
    def needs_input(self) -> bool:
        return not self._object.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._object.unused_data


class _Zstd:
    """One ZSTD frame."""

    needs_input = True

    def __init__(self) -> None:
        import zstandard

        self._object = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj()

    def decompress(self, data: bytes, max_length: int) -> bytes:
        _ = max_length  # bounded by what goes in
        return self._object.decompress(data) if data else b""

    @property
    def eof(self) -> bool:
        return bool(self._object.eof)

    @property
    def unused_data(self) -> bytes:
        return bytes(self._object.unused_data)


def _errors() -> tuple[type[Exception], ...]:
    import zstandard

    return zlib.error, lzma.LZMAError, OSError, EOFError, ValueError, MemoryError, zstandard.ZstdError


def gzip_stream() -> Decompressor:
    """One member of a GZIP file."""
    return _Zlib(31)


def deflate_stream() -> Decompressor:
    """Deflate as it stands in ZIP archives."""
    return _Zlib(-15)


def bz2_stream() -> Decompressor:
    """One BZIP2 stream."""
    return bz2.BZ2Decompressor()


def xz_stream() -> Decompressor:
    """One XZ stream."""
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)


def zstd_stream() -> Decompressor:
    """One ZSTD frame."""
    return _Zstd()


def lzma_stream(properties: bytes) -> Decompressor:
    """LZMA as it stands in ZIP archives (APPNOTE 5.8.8).

    Args:
        properties: The five bytes in front of it.

    Raises:
        SourceError: They are no such bytes, or ask for too much memory.
    """
    size = int.from_bytes(properties[1:5], "little")
    if len(properties) != 5 or properties[0] >= 9 * 5 * 5 or size > _XZ_MEMORY:
        raise SourceError(
            "LZMA data with unknown properties.", hint="Pack the file as GZIP or ZSTD and send that.", reason="broken"
        )
    lc_lp, pb = properties[0] % 45, properties[0] // 45
    choice = {"id": lzma.FILTER_LZMA1, "dict_size": size, "lc": lc_lp % 9, "lp": lc_lp // 9, "pb": pb}
    try:
        return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[choice])
    except (lzma.LZMAError, ValueError):
        raise SourceError(
            "LZMA data with unknown properties.", hint="Pack the file as GZIP or ZSTD and send that.", reason="broken"
        ) from None


def inflate(
    packed: Packed, new: Callable[[], Decompressor], meter: Meter, *, words: str, many: bool, ends: bool = True
) -> Iterator[bytes]:
    """The bytes of a compressed member, in blocks.

    Args:
        packed: The compressed bytes.
        new: Makes the decompressor of one stream.
        meter: Counts.
        words: What is read, for messages.
        many: Whether further streams may follow the first, and zeros behind them.
        ends: Whether the stream knows its own end.

    Raises:
        SourceError: The data break off or are broken, something else stands behind them, or a limit is passed.
    """
    errors = _errors()
    step = _INPUT_ZSTD if new is zstd_stream else _INPUT
    stream, data, fresh = new(), packed.read(step), True
    while True:
        try:
            block = stream.decompress(data, BLOCK)
        except errors:
            raise _broken(words, packed, "is broken") from None
        fresh = fresh and not data
        if block:
            meter.add(len(block), packed.read_bytes)
            yield block
        if stream.eof:
            data = _behind(stream.unused_data, packed, step, words, many=many)
            if not data:
                return
            stream, fresh = new(), True
        elif stream.needs_input:
            data = packed.read(step)
            if not data:
                if ends:
                    raise _broken(words, packed, "breaks off", reason="truncated")
                return
        else:
            data = b""


def _behind(data: bytes, packed: Packed, step: int, words: str, *, many: bool) -> bytes:
    """The first bytes of the next stream; empty at the end, for which zeros may stand."""
    while True:
        data = data.lstrip(b"\0") if many else data
        if data:
            break
        data = packed.read(step)
        if not data:
            return b""
    if not many:
        raise _broken(words, packed, "is followed by further bytes")
    if len(data) < 16:
        data += packed.read(step)
    if not data.startswith(_STARTS):
        raise _broken(words, packed, "is followed by bytes that are something else", reason="trailing")
    return data


_STARTS = (
    b"\x1f\x8b\x08",
    b"BZh",
    b"\xfd7zXZ\x00",
    b"\x28\xb5\x2f\xfd",
    *(bytes([n]) + b"\x2a\x4d\x18" for n in range(0x50, 0x60)),
)


def _broken(words: str, packed: Packed, what: str, *, reason: str = "broken") -> SourceError:
    return SourceError(
        f"{words} {what}, at about byte {packed.read_bytes} of its packed data.",
        hint="Pack the file again and send that.",
        reason=reason,
        offset=packed.read_bytes,
    )
