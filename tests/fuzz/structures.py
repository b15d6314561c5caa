"""What files are built of, so that a change lands inside: records, tags, parts of packages, members, blocks."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Sequence
from random import Random

import zstandard

from entrepot.detect.binary import tar_checksum
from tests.fuzz.mutate import Kit, Mutate
from tests.unit.formats.workbook.making import compound, record

_INSIDE = 4 << 20
"""Bytes that are unpacked to be changed."""


def lines(data: bytes) -> list[bytes]:
    """Lines with their ends."""
    return data.splitlines(keepends=True)


def between(pattern: bytes) -> Callable[[bytes], list[bytes]]:
    """Parts data at every match, which becomes a piece of its own.

    Args:
        pattern: A regular expression without groups.
    """
    found = re.compile(b"(" + pattern + b")")
    return lambda data: [piece for piece in found.split(data) if piece]


tags = between(rb"<[^<>]{0,2000}>")
"""XML's tags and what stands between them."""


def near(*marks: bytes, span: int = 48) -> Callable[[bytes], list[tuple[int, int]]]:
    """The bytes behind every mark."""
    found = re.compile(b"|".join(re.escape(mark) for mark in marks))
    return lambda data: [(m.start(), m.end() + span) for m in found.finditer(data)]


# XLS and XLSB


def biff(data: bytes) -> list[bytes]:
    """The records of an XLS stream."""
    found, at = [], 0
    while at + 4 <= len(data):
        (size,) = struct.unpack_from("<H", data, at + 2)
        found.append(data[at : at + 4 + size])
        at += 4 + size
    return [*found, data[at:]] if at < len(data) else found


def whole_biff(piece: bytes) -> bytes:
    """A record whose stated length is that of its data."""
    return record(int.from_bytes(piece[:2], "little"), piece[4:][:0xFFFF])


def brts(data: bytes) -> list[bytes]:
    """The records of a part of an XLSB."""
    found, at = [], 0
    while at < len(data):
        head = at + (2 if data[at] & 0x80 else 1)
        size, shift = 0, 0
        while head < len(data):
            byte = data[head]
            size |= (byte & 0x7F) << shift
            head, shift = head + 1, shift + 7
            if byte < 0x80 or shift > 21:
                break
        found.append(data[at : head + size])
        at = head + size
    return found


XLS_STREAM = Kit(
    tokens=tuple(record(kind) for kind in (0x0A, 0x3C, 0x85, 0xFC, 0xFD, 0x06, 0x207, 0x809, 0x2F, 0xE0, 0x41E, 0xE5)),
    split=biff,
    repair=whole_biff,
)
OLE_FILE = Kit(offsets=True, focus=lambda data: [(0, 512), (24, 80), (512, 1536), (len(data) - 1024, len(data))])


def xls(random: Random, data: bytes, other: bytes) -> bytes:
    """An XLS: the records of its stream, mostly put into a compound file afterwards, or the compound file's own bytes."""
    if data.startswith(b"\xd0\xcf\x11\xe0"):
        return OLE_FILE(random, data, other)
    changed = XLS_STREAM(random, data, other)
    if random.random() < 0.5 or len(changed) > 200_000:
        return changed
    held = compound(changed, random.choice(("Workbook", "Book")))
    return OLE_FILE(random, held, other) if random.random() < 0.3 else held


XLSB_PART = Kit(
    tokens=(b"\x00", b"\x91\x01\x00", b"\x92\x01\x00", b"\x13\x05\x00\xff\xff\xff\xff", b"\xff\xff\xff\x7f"), split=brts
)


# ZIP

ZIP_FILE = Kit(
    tokens=(b"PK\1\2", b"PK\3\4", b"PK\5\6", b"PK\6\6", b"PK\6\7", b"PK\7\x08", b"\x01\x00\x10\x00"),
    focus=near(b"PK\1\2", b"PK\3\4", b"PK\5\6"),
    offsets=True,
)


def parts(data: bytes) -> dict[str, bytes] | None:
    """Name to content of an archive; None when it is broken, or large."""
    with contextlib.suppress(Exception), zipfile.ZipFile(io.BytesIO(data)) as archive:
        infos = archive.infolist()
        if sum(info.file_size for info in infos) < _INSIDE:
            return {info.filename: archive.read(info) for info in infos}
    return None


def zipped(files: dict[str, bytes], packing: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An archive of these files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", packing, compresslevel=1) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, packing)
    return out.getvalue()


def package(inside: Callable[[str], Mutate], names: Sequence[str] = ()) -> Mutate:
    """Mutates the members of an archive and packs it again, or the archive's own bytes.

    Args:
        inside: What mutates a member, by its name.
        names: Names that members may take.
    """

    def mutate(random: Random, data: bytes, other: bytes) -> bytes:
        files = parts(data) if random.random() < 0.8 else None
        if not files:
            return ZIP_FILE(random, data, other)
        theirs = parts(other) or files
        for _ in range(random.choice((1, 1, 2))):
            name = random.choice(list(files))
            match random.randrange(12):
                case 0:
                    files.pop(name)
                case 1:
                    files[random.choice((*names, *theirs, name.upper(), "../" + name, name + "/"))] = files[name]
                case 2:
                    taken = random.choice(list(theirs))
                    files[taken] = theirs[taken]
                case _:
                    files[name] = inside(name)(random, files[name], theirs.get(name, b""))
            if not files:
                break
        done = zipped(files, random.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED)))
        return ZIP_FILE(random, done, other) if random.random() < 0.1 else done

    return mutate


# What packs one file

UNPACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: zlib.decompressobj(31).decompress(data, _INSIDE),
    "bz2": lambda data: bz2.BZ2Decompressor().decompress(data, _INSIDE),
    "xz": lambda data: lzma.LZMADecompressor().decompress(data, _INSIDE),
    "zstd": lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data)[:_INSIDE],
}
PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, 1),
    "bz2": lambda data: bz2.compress(data, 1),
    "xz": lambda data: lzma.compress(data, preset=0),
    "zstd": lambda data: zstandard.ZstdCompressor(write_checksum=True).compress(data),
}


def compression(kind: str, inside: Mutate) -> Mutate:
    """Mutates what is packed and packs it again, or the packed bytes.

    Args:
        kind: gzip, bz2, xz or zstd.
        inside: What mutates the content.
    """
    outside = Kit(focus=lambda data: [(0, 32), (len(data) - 32, len(data))])

    def mutate(random: Random, data: bytes, other: bytes) -> bytes:
        if random.random() < 0.4:
            with contextlib.suppress(Exception):
                packed = PACK[kind](inside(random, UNPACK[kind](data), UNPACK[kind](other)))
                if random.random() < 0.1:
                    packed += random.choice((packed, bytes(random.randrange(600)), other, b"trailing"))
                return packed
        return outside(random, data, other)

    return mutate


# TAR

_FIELDS = ((0, 100), (100, 8), (124, 12), (124, 12), (136, 12), (156, 1), (156, 1), (157, 100), (257, 8), (345, 155))


def tar(inside: Mutate) -> Mutate:
    """Mutates the headers of an archive, whose checksums are set right, its members, or any byte.

    Args:
        inside: What mutates a member's block.
    """
    blocks = Kit(
        split=lambda data: [data[at : at + 512] for at in range(0, len(data), 512)], focus=near(b"ustar", span=8)
    )

    def mutate(random: Random, data: bytes, other: bytes) -> bytes:
        heads = [at for at in range(0, len(data) - 511, 512) if data[at + 257 : at + 262] == b"ustar"]
        if not heads or random.random() < 0.25:
            return blocks(random, data, other)
        at = random.choice(heads)
        if random.random() < 0.3:
            return data[: at + 512] + inside(random, data[at + 512 :], other)
        head = bytearray(data[at : at + 512])
        start, size = random.choice(_FIELDS)
        values = (
            b"777777777777", b"-1", b"", b"\x80" + b"\xff" * 11, b"\x80" + bytes(10) + b"\x09", b"\xff" * 12, b"0", b"99999999999",
            b"x", b"L", b"K", b"g", b"S", b"V", b"M", b"1", b"2", b"3", b"5", b"7", b"\0", b"../../x", b"/etc/x", b"\xff\xfe.csv",
        )  # fmt: skip
        head[start : start + size] = random.choice(values)[:size].ljust(size, b"\0")
        if random.random() < 0.9:
            head[148:156] = b"%06o\0 " % tar_checksum(bytes(head))
        return data[:at] + bytes(head) + data[at + 512 :]

    return mutate


# Formats that end in what describes them


def parquet(random: Random, data: bytes, other: bytes) -> bytes:
    """A Parquet file: its footer, with the length set right, else any byte."""
    size = int.from_bytes(data[-8:-4], "little")
    if not 0 < size <= len(data) - 12 or random.random() < 0.4:
        return _PARQUET_FILE(random, data, other)
    body, footer = data[: -8 - size], data[-8 - size : -8]
    changed = _THRIFT(random, footer, other[-2000:-8])
    return body + changed + struct.pack("<I", len(changed)) + b"PAR1"


_THRIFT = Kit(
    tokens=(b"\x15", b"\x16", b"\x19", b"\x1c", b"\x00", b"\xff\xff\xff\xff\x0f", b"\x80" * 9 + b"\x01"), offsets=True
)
_PARQUET_FILE = Kit(
    tokens=(b"PAR1", b"PARE", b"\x15\x00\x15", b"\xff\xff\xff\xff\x0f"),
    focus=lambda data: [(4, 300), (len(data) - 600, len(data)), (len(data) - 8, len(data))],
    offsets=True,
)
ORC_FILE = Kit(
    tokens=(b"ORC", b"\xff\xff\xff\xff\x0f", b"\x80" * 9 + b"\x01"),
    focus=lambda data: [(len(data) - 30, len(data)), (len(data) - 500, len(data)), (0, 200)],
    offsets=True,
)
ARROW_FILE = Kit(
    tokens=(b"ARROW1\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\xff\0\0\0\0"),
    focus=lambda data: [(0, 600), (len(data) - 800, len(data)), *near(b"\xff\xff\xff\xff", span=300)(data)[:50]],
    offsets=True,
)
SQLITE_FILE = Kit(
    tokens=(
        b"CREATE TABLE",
        b"CREATE VIEW",
        b"WITHOUT ROWID",
        b"PRIMARY KEY",
        b"sqlite_",
        b" AS (",
        b"STORED",
        b"VIRTUAL",
        b"\x0d",
        b"\x05",
        b"\x0a",
        b"\x02",
        b"\xff" * 9,
    ),
    focus=lambda data: [(16, 100), (100, 400), *((at, at + 120) for at in range(0, len(data), 512))],
    offsets=True,
)
