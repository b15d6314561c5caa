"""Files that are compressed alone: GZIP, BZIP2, XZ, ZSTD, of one stream or of several in a row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import IO

from entrepot.formats.containers.budget import Meter
from entrepot.formats.containers.entry import Entry
from entrepot.formats.containers.inflate import (
    Decompressor,
    Packed,
    bz2_stream,
    gzip_stream,
    inflate,
    xz_stream,
    zstd_stream,
)

_STREAMS: dict[str, tuple[Callable[[], Decompressor], str]] = {
    "gzip": (gzip_stream, "The GZIP data"),
    "bz2": (bz2_stream, "The BZIP2 data"),
    "xz": (xz_stream, "The XZ data"),
    "zstd": (zstd_stream, "The ZSTD data"),
}

_ENDINGS = {
    **dict.fromkeys((".gz", ".gzip", ".gzz", ".bz2", ".bz", ".xz", ".zst", ".zstd", ".z"), ""),
    **dict.fromkeys((".tgz", ".tbz", ".tbz2", ".txz", ".tzst"), ".tar"),
}


def entry(container: str, name: str) -> Entry:
    """The one file in a compressed one.

    Args:
        container: gzip, bz2, xz or zstd.
        name: The compressed file's name.
    """
    stream, words = _STREAMS[container]
    return Entry(bare_name(name), blocks=partial(_blocks, stream=stream, words=words))


def bare_name(name: str) -> str:
    """A compressed file's name without the ending that says so."""
    lower = name.lower()
    for ending, instead in _ENDINGS.items():
        if lower.endswith(ending) and len(name) > len(ending):
            return name[: -len(ending)] + instead
    return name


def _blocks(file: IO[bytes], meter: Meter, *, stream: Callable[[], Decompressor], words: str) -> Iterator[bytes]:
    yield from inflate(Packed(file), stream, meter, words=words, many=True)
