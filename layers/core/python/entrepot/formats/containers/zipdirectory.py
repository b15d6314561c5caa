"""The central directory of a ZIP archive, held against its local headers.

PKWARE's APPNOTE 6.3.10. What an extractor might read in two ways is refused: sizes and names that differ between
the two places, members that overlap, bytes that belong to nothing. Names stay names, they never become paths.
"""

from __future__ import annotations

import stat
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from entrepot.errors import SourceError

_END = struct.Struct("<4s4H2LH")
_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_CENTRAL = struct.Struct("<4s4B4H3L5H2L")
_LOCAL = struct.Struct("<4s2B4H3L2H")

_MOST_COMMENT = 0xFFFF
_BLOCK = 1 << 20

ENCRYPTED = 0x1 | 0x40 | 0x2000
_DESCRIPTOR = 0x8
_PATCHED = 0x20
_UTF8 = 0x800
_UNICODE_PATH = 0x7075
_ZIP64 = 0x0001


@dataclass(frozen=True, slots=True)
class ZipEntry:
    """One file as the central directory states it."""

    name: str
    raw: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int
    mode: int = 0

    @property
    def is_folder(self) -> bool:
        """Whether it stands for a folder."""
        return self.name.endswith("/")

    @property
    def is_link(self) -> bool:
        """Whether it is a symbolic link, as UNIX archivers store them."""
        return stat.S_ISLNK(self.mode)

    @property
    def encrypted(self) -> bool:
        """Whether its content needs a password."""
        return bool(self.flags & ENCRYPTED) or self.method == 99


@dataclass(frozen=True, slots=True)
class _Directory:
    start: int
    size: int
    entries: int
    shift: int = 0
    """Bytes in front of the archive, for which no offset accounts."""


def broken(message: str, **facts: object) -> SourceError:
    """The error of an archive that contradicts itself."""
    return SourceError(
        f"The ZIP archive is broken: {message}.",
        hint="Pack the files again and send the new archive.",
        reason="broken",
        container="zip",
        **facts,
    )


def read_directory(file: IO[bytes], *, strict: bool = True) -> Iterator[ZipEntry]:
    """The files that the central directory lists, in its order.

    Args:
        file: The whole archive, seekable.
        strict: Refuse what surrounds or contradicts the directory; else read it as programs that open documents do.

    Raises:
        SourceError: It is no ZIP archive, or is broken; ``facts["reason"]`` is ``broken`` or ``multi_disk``.
    """
    found = _find_directory(file, strict=strict)
    if strict and found.entries * _CENTRAL.size > found.size:
        raise broken(f"a directory of {found.size} bytes cannot list {found.entries} files")
    at, end = found.start, found.start + found.size
    for number in range(found.entries):
        file.seek(at)
        head = file.read(_CENTRAL.size)
        if len(head) < _CENTRAL.size or head[:4] != b"PK\1\2":
            raise broken(f"entry {number + 1} of its directory is missing", entry=number + 1)
        entry, size = _entry(file, head, strict=strict, shift=found.shift)
        at += size
        if at > end:
            raise broken(f"entry {number + 1} of its directory reaches beyond the directory", entry=number + 1)
        yield entry
    if strict and at != end:
        raise broken(f"{end - at} bytes of its directory belong to no file")


def _find_directory(file: IO[bytes], *, strict: bool) -> _Directory:
    size = file.seek(0, 2)
    start = max(0, size - _END.size - _MOST_COMMENT)
    file.seek(start)
    tail = file.read()
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) - at < _END.size:
        raise broken("its end is missing; it was probably cut off")
    _, disk, first_disk, here, entries, length, offset, comment = _END.unpack_from(tail, at)
    place = start + at
    if strict and comment != len(tail) - at - _END.size:
        raise broken("there are bytes behind its end", offset=place)
    wide = _find_zip64(file, place)
    if wide is not None:
        narrow = (entries, length, offset)
        place, entries, length, offset = wide
        limits = (0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)
        pairs = zip(narrow, (entries, length, offset), limits, strict=True)
        if strict and any(old not in {new, limit} for old, new, limit in pairs):
            raise broken("its two ends state different things", offset=place)
    elif 0xFFFFFFFF in {length, offset} or entries == 0xFFFF:
        raise broken("it lacks the ZIP64 record that its end refers to", offset=place)
    if wide is None and (disk or first_disk or here != entries):
        raise multi_disk()
    shift = place - length - offset
    if shift < 0 or (strict and shift):
        raise broken("its directory is not where its end says", offset=place)
    return _Directory(offset + shift, length, entries, shift)


def multi_disk() -> SourceError:
    """The error of a part of an archive."""
    return SourceError(
        "The ZIP archive is one part of several.",
        hint="Pack the files into one archive and send that.",
        reason="multi_disk",
        container="zip",
    )


def _find_zip64(file: IO[bytes], end: int) -> tuple[int, int, int, int] | None:
    """Where the ZIP64 end lies, the number of entries, the directory's size and offset; None without one."""
    if end < _LOCATOR.size:
        return None
    file.seek(end - _LOCATOR.size)
    mark, disk, offset, disks = _LOCATOR.unpack(file.read(_LOCATOR.size))
    if mark != b"PK\6\7":
        return None
    if disk or disks > 1:
        raise multi_disk()
    file.seek(min(offset, end))
    head = file.read(_END64.size)
    if len(head) < _END64.size or head[:4] != b"PK\6\6":
        raise broken("its ZIP64 end is missing", offset=offset)
    _, length, _, _, disk, first_disk, here, entries, size, start = _END64.unpack(head)
    if disk or first_disk or here != entries:
        raise multi_disk()
    if offset + 12 + length != end - _LOCATOR.size:
        raise broken("its ZIP64 end is not where it should be", offset=offset)
    return offset, entries, size, start


def _entry(file: IO[bytes], head: bytes, *, strict: bool, shift: int) -> tuple[ZipEntry, int]:
    fields = _CENTRAL.unpack(head)
    _, _, system, _, _, flags, method, _, _, crc, packed, size, name_len, extra_len, comment_len, disk, _, mode, at = (
        fields
    )
    rest = file.read(name_len + extra_len)
    if len(rest) < name_len + extra_len:
        raise broken("its directory breaks off")
    raw = rest[:name_len]
    extra = dict(_extra(rest[name_len:], strict=strict))
    size, packed, at, disk = _widened(extra.get(_ZIP64, b""), size, packed, at, disk)
    if disk:
        raise multi_disk()
    entry = ZipEntry(
        name=_name(raw, flags, extra),
        raw=raw,
        flags=flags,
        method=method,
        crc=crc,
        packed=packed,
        size=size,
        offset=at + shift,
        mode=mode >> 16 if system == 3 else 0,
    )
    return entry, _CENTRAL.size + name_len + extra_len + comment_len


def _extra(data: bytes, *, strict: bool) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 4 <= len(data):
        kind, length = struct.unpack_from("<2H", data, at)
        if at + 4 + length > len(data):
            if strict:
                raise broken("an extra field is longer than the room for it")
            return
        yield kind, data[at + 4 : at + 4 + length]
        at += 4 + length
    if strict and data[at:].strip(b"\0"):
        raise broken("an extra field breaks off")


def _widened(extra: bytes, size: int, packed: int, offset: int, disk: int) -> tuple[int, int, int, int]:
    at = 0
    values = [size, packed, offset]
    for i, word in enumerate(("size", "packed size", "offset")):
        if values[i] == 0xFFFFFFFF:
            if at + 8 > len(extra):
                raise broken(f"the ZIP64 {word} of a file is missing")
            values[i] = struct.unpack_from("<Q", extra, at)[0]
            at += 8
    if disk == 0xFFFF:
        if at + 4 > len(extra):
            raise broken("the ZIP64 disk number of a file is missing")
        disk = struct.unpack_from("<L", extra, at)[0]
    return values[0], values[1], values[2], disk


def _name(raw: bytes, flags: int, extra: dict[int, bytes]) -> str:
    """UTF-8 where that is stated or true (some archivers do not state it), else the code page of DOS."""
    told = extra.get(_UNICODE_PATH, b"")
    if len(told) > 5 and told[0] == 1 and int.from_bytes(told[1:5], "little") == zlib.crc32(raw):
        raw, flags = told[5:], flags | _UTF8
    try:
        return raw.decode()
    except UnicodeDecodeError:
        if flags & _UTF8:
            raise broken("a file's name is stated to be UTF-8 and is not") from None
        return raw.decode("cp437")


def locate(file: IO[bytes], entry: ZipEntry, *, strict: bool = True) -> tuple[int, int]:
    """Where a file's bytes begin in the archive, and where whatever belongs to it ends.

    Args:
        file: The whole archive.
        entry: As the directory states it.
        strict: Refuse a local header that differs from the directory.

    Raises:
        SourceError: There is no such file there, or the two places differ.
    """
    file.seek(entry.offset)
    head = file.read(_LOCAL.size)
    if len(head) < _LOCAL.size or head[:4] != b"PK\3\4":
        raise broken("a file that its directory lists is not there", member=entry.name, offset=entry.offset)
    _, _, _, flags, method, _, _, crc, packed, size, name_len, extra_len = _LOCAL.unpack(head)
    raw = file.read(name_len)
    start = entry.offset + _LOCAL.size + name_len + extra_len
    if strict:
        if 0xFFFFFFFF in {packed, size}:
            extra = dict(_extra(file.read(extra_len), strict=False))
            size, packed, _, _ = _widened(extra.get(_ZIP64, b""), size, packed, 0, 0)
        _compare(entry, raw, flags, method, (crc, packed, size))
    end = start + entry.packed
    if strict and flags & _DESCRIPTOR:
        end += _descriptor(file, entry, end)
    return start, end


def _compare(entry: ZipEntry, raw: bytes, flags: int, method: int, sums: tuple[int, int, int]) -> None:
    stated = (entry.crc, entry.packed, entry.size)
    later = flags & _DESCRIPTOR
    differs = (
        "name"
        if raw != entry.raw
        else "method"
        if method != entry.method
        else "encryption"
        if (flags ^ entry.flags) & 1
        else "size or checksum"
        if any(a != b and not (later and a == 0) for a, b in zip(sums, stated, strict=True))
        else ""
    )
    if differs:
        raise broken(f"its directory and a file's own header state another {differs}", member=entry.name)
    if flags & _PATCHED:
        raise broken("a file in it holds patched data", member=entry.name)


def _descriptor(file: IO[bytes], entry: ZipEntry, at: int) -> int:
    """Length of the data descriptor behind a file's bytes."""
    file.seek(at)
    data = file.read(24)
    for wide in ("<LLL", "<LQQ"):
        body = struct.pack(
            wide, entry.crc, *(n & (0xFFFFFFFF if wide == "<LLL" else -1) for n in (entry.packed, entry.size))
        )
        for whole in (b"PK\7\x08" + body, body):
            if data.startswith(whole):
                return len(whole)
    raise broken("the sums behind a file's bytes are not those of its directory", member=entry.name)
