"""ZIP archives: stored, deflated, BZIP2, LZMA and ZSTD; ZIP64."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from typing import IO

from entrepot.errors import SourceError
from entrepot.formats.containers.budget import Meter, too_many
from entrepot.formats.containers.entry import Entry, junk, shown, unsafe
from entrepot.formats.containers.inflate import (
    BLOCK,
    Packed,
    bz2_stream,
    deflate_stream,
    inflate,
    lzma_stream,
    zstd_stream,
)
from entrepot.formats.containers.zipdirectory import ZipEntry, broken, locate, read_directory
from entrepot.formats.reading import Limits

_STREAMS = {8: deflate_stream, 12: bz2_stream, 93: zstd_stream}
_STORED, _LZMA = 0, 14
_REFUSED = {
    1: "Shrink",
    6: "Implode",
    9: "Deflate64",
    10: "IBM TERSE",
    19: "LZ77",
    95: "XZ",
    96: "JPEG",
    97: "WavPack",
    98: "PPMd",
}


def entries(file: IO[bytes], limits: Limits) -> Iterator[Entry]:
    """The files of an archive.

    The whole directory is held against the local headers before the first file is given out: an archive that
    contradicts itself is refused whole.

    Args:
        file: The archive.
        limits: What is accepted.

    Raises:
        SourceError: It is broken, or one part of several, holds too many files, or one with a name that leads outside.
    """
    listed: list[ZipEntry] = []
    for entry in read_directory(file):
        problem = unsafe(entry.name)
        if problem:
            raise SourceError(
                f"The ZIP archive is refused: the name {shown(entry.name)} in it {problem}.",
                hint="Pack the files again, with names below one folder.",
                reason="name",
                container="zip",
            )
        listed.append(entry)
        if len(listed) > limits.tables:
            raise too_many(limits.tables)
    places = _places(file, listed)
    names = Counter(e.name for e in listed)
    for entry, place in zip(listed, places, strict=True):
        if not entry.is_folder:
            yield _entry(entry, place, twice=names[entry.name] > 1)


def _places(file: IO[bytes], listed: list[ZipEntry]) -> list[tuple[int, int]]:
    """Where each file's bytes lie.

    Raises:
        SourceError: Two overlap, or one reaches beyond the archive.
    """
    places, spans = [], []
    size = file.seek(0, 2)
    for entry in listed:
        start, end = locate(file, entry)
        if start + entry.packed > size:
            raise broken("a file reaches beyond its end", member=entry.name)
        places.append((start, start + entry.packed))
        spans.append((entry.offset, end))
    spans.sort()
    for (_, end), (start, _) in pairwise(spans):
        if start < end:
            raise broken("two files in it overlap", offset=start)
    return places


def _entry(entry: ZipEntry, place: tuple[int, int], *, twice: bool) -> Entry:
    found = Entry(entry.name, entry.size, skipped=junk(entry.name))
    if entry.is_link:
        found.problem = _refused(entry, "is a link", "link")
    elif entry.encrypted:
        found.problem = _refused(entry, "is protected by a password", "encrypted", "Pack the files without a password.")
    elif twice:
        found.problem = _refused(entry, "is there twice, under one name", "duplicate", "Give each file its own name.")
    elif entry.method not in {_STORED, _LZMA, *_STREAMS}:
        method = _REFUSED.get(entry.method, f"number {entry.method}")
        hint = "Pack the files with the usual method (Deflate)."
        found.problem = _refused(entry, f"is packed by the method {method}, which is not read", "method", hint)
    else:
        found.blocks = partial(_blocks, entry=entry, place=place)
    return found


def _refused(entry: ZipEntry, what: str, reason: str, hint: str = "Send the file itself.") -> SourceError:
    return SourceError(f"The file {shown(entry.name)} in the ZIP archive {what}.", hint=hint, reason=reason)


def _blocks(file: IO[bytes], meter: Meter, *, entry: ZipEntry, place: tuple[int, int]) -> Iterator[bytes]:
    """The file's bytes; its size and checksum are those of the directory, or it is refused at its end."""
    crc, size = 0, 0
    for block in _unpacked(Packed(file, *place), meter, entry):
        size += len(block)
        if size > entry.size:
            raise _refused(entry, "holds more bytes than the archive says", "broken")
        crc = zlib.crc32(block, crc)
        yield block
    if size < entry.size:
        raise _refused(entry, "holds fewer bytes than the archive says", "broken")
    if crc != entry.crc:
        raise _refused(entry, "is damaged: its checksum is another one", "broken")


def _unpacked(packed: Packed, meter: Meter, entry: ZipEntry) -> Iterator[bytes]:
    words = f"The file {shown(entry.name)} in the ZIP archive"
    if entry.method == _STORED:
        yield from _stored(packed, meter)
    elif entry.method == _LZMA:
        head = packed.read(4)
        properties = packed.read(int.from_bytes(head[2:4], "little"))
        stream = partial(lzma_stream, properties)
        yield from inflate(packed, stream, meter, words=words, many=False, ends=bool(entry.flags & 2))
    else:
        yield from inflate(packed, _STREAMS[entry.method], meter, words=words, many=entry.method == 93)


def _stored(packed: Packed, meter: Meter) -> Iterator[bytes]:
    while block := packed.read(BLOCK):
        meter.add(len(block), packed.read_bytes)
        yield block
