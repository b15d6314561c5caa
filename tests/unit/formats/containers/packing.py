"""Archives of every kind, made in memory, and what comes out of them."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable

import zstandard

from entrepot.errors import SourceError
from entrepot.formats.containers import members
from entrepot.formats.reading import LIMITS, Limits

CSV = b"id,name\n" + b"".join(b"%d,name %d\n" % (n, n * n) for n in range(200))
OTHER = b"code;label\nA;first\nB;second\n"

Files = dict[str, bytes]


def zipped(files: Files, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return out.getvalue()


def tarred(files: Files, dialect: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=dialect) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


ALONE: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstd,
}


def raw_zip(
    name: bytes = b"a.csv",
    data: bytes = b"a,b\n1,2\n",
    *,
    method: int = 0,
    packed: bytes | None = None,
    flags: int = 0,
    size: int | None = None,
    system: int = 3,
    mode: int = 0o100644,
    extra: bytes = b"",
) -> bytes:
    """An archive of one file, with whatever one wants to state about it."""
    packed = data if packed is None else packed
    size = len(data) if size is None else size
    sums = (zlib.crc32(data), len(packed), size)
    local = struct.pack("<4s5H3L2H", b"PK\3\4", 20, flags, method, 0, 33, *sums, len(name), 0)
    body = local + name + packed
    central = struct.pack(
        "<4s2B5H3L5H2L",
        b"PK\1\2",
        20,
        system,
        20,
        flags,
        method,
        0,
        33,
        *sums,
        len(name),
        len(extra),
        0,
        0,
        0,
        mode << 16,
        0,
    )
    directory = central + name + extra
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(directory), len(body), 0)
    return body + directory + end


def read(data: bytes, name: str = "source", limits: Limits = LIMITS) -> dict[str, bytes | str]:
    """Name to content, or to the reason why it cannot be read; raises what refuses the whole."""
    found: dict[str, bytes | str] = {}
    for member in members(io.BytesIO(data), name, limits):
        if member.error:
            found[member.name] = str(member.error.facts["reason"])
            continue
        try:
            with member.open() as file:
                found[member.name] = file.read()
        except SourceError as error:
            found[member.name] = str(error.facts["reason"])
    return found


def notes(data: bytes, name: str = "source") -> list[str]:
    found = members(io.BytesIO(data), name)
    for _ in found:
        pass
    return found.notes


def reason(data: bytes, name: str = "source", limits: Limits = LIMITS) -> str:
    """Why the whole is refused."""
    try:
        found = read(data, name, limits)
    except SourceError as error:
        return str(error.facts["reason"])
    msg = f"it was read: {list(found)}"
    raise AssertionError(msg)


def cuts(data: bytes, step: int = 10) -> Iterable[bytes]:
    """The data cut off at every tenth byte."""
    return (data[:n] for n in range(step, len(data), step))
