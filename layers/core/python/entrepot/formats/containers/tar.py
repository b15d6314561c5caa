"""TAR archives: POSIX ustar and pax, GNU, and the oldest.

Source of the format: IEEE Std 1003.1-2017 "pax", and the GNU tar manual's "Basic Tar Format".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO

from entrepot.detect.binary import tar_checksum
from entrepot.errors import SourceError
from entrepot.formats.containers.budget import HOSTILE, too_many
from entrepot.formats.containers.entry import Entry, junk, shown, unsafe
from entrepot.formats.reading import Limits

_BLOCK = 512
_MOST_EXTRA = 1 << 20
_FILES = b"0\0007"
_KINDS = {
    b"1": "a link",
    b"2": "a link",
    b"3": "a device",
    b"4": "a device",
    b"6": "a pipe",
    b"S": "a sparse file",
    b"M": "a part of a file that begins in another archive",
}


@dataclass(slots=True)
class _Next:
    """What records in front of a header say about it."""

    name: str | None = None
    size: int | None = None
    sparse: bool = False
    always: dict[str, str] = field(default_factory=dict)


def entries(file: IO[bytes], limits: Limits) -> Iterator[Entry]:
    """The files of an archive. Of several with one name the last counts, as when they are unpacked.

    Args:
        file: The archive.
        limits: What is accepted.

    Raises:
        SourceError: It is broken or cut off; the files before that place were given out.
    """
    found: list[Entry] = []
    problem: SourceError | None = None
    try:
        for entry in _listed(file):
            found.append(entry)
            if len(found) > limits.tables:
                raise too_many(limits.tables)
    except SourceError as error:
        if error.facts.get("reason") in HOSTILE:
            raise
        problem = error
    last = {entry.name: n for n, entry in enumerate(found)}
    for n, entry in enumerate(found):
        if last[entry.name] != n:
            entry.skipped = "was replaced by a later one of the same name"
        yield entry
    if problem:
        raise problem


def _listed(file: IO[bytes]) -> Iterator[Entry]:
    size = file.seek(0, 2)
    at, said = 0, _Next()
    while True:
        file.seek(at)
        block = file.read(_BLOCK)
        if len(block) < _BLOCK:
            raise _broken("its end is missing; it was probably cut off", at, reason="truncated")
        if not block.strip(b"\0"):
            return
        _check(block, at)
        kind = block[156:157]
        length = _number(block[124:136], at)
        start = at + _BLOCK
        if kind in b"xgLK":
            _read_extra(said, kind, _extra(file, start, length, size))
        else:
            length = length if said.size is None else said.size
            length = length if kind in _FILES or kind in b"SM" else 0
            folder = kind == b"5" or block[:100].rstrip(b"\0").endswith(b"/")
            if not folder and kind not in b"VND":
                yield _entry(said, block, kind, (start, start + length), size)
            said = _Next(always=said.always)
        at = start + -(-length // _BLOCK) * _BLOCK
        if at > size + _BLOCK:
            raise _broken("its last file is cut off", start, reason="truncated")


def _entry(said: _Next, block: bytes, kind: bytes, span: tuple[int, int], size: int) -> Entry:
    name = said.name if said.name is not None else said.always.get("path") or _name(block)
    entry = Entry(name, span[1] - span[0], skipped=junk(name))
    problem = unsafe(name)
    if problem:
        entry.problem = _refused(name, f"is refused: its name {problem}", "name")
    elif kind not in _FILES or said.sparse:
        word = "a sparse file" if said.sparse else _KINDS.get(kind, "of an unknown kind")
        entry.problem = _refused(name, f"is {word}", "link" if kind in b"12" else "member_kind")
    elif span[1] > size:
        entry.problem = _refused(name, "is cut off", "truncated")
    else:
        entry.span = span
    return entry


def _refused(name: str, what: str, reason: str) -> SourceError:
    return SourceError(
        f"The file {shown(name)} in the TAR archive {what}.", hint="Pack the file itself again.", reason=reason
    )


def _broken(what: str, at: int, reason: str = "broken") -> SourceError:
    return SourceError(
        f"The TAR archive is broken at byte {at}: {what}.",
        hint="Pack the files again and send the new archive.",
        reason=reason,
        container="tar",
        offset=at,
    )


def _check(block: bytes, at: int) -> None:
    if _number(block[148:156], at) != tar_checksum(block):
        raise _broken("the header there has another checksum than it states", at)


def _number(text: bytes, at: int) -> int:
    """An octal number, or (GNU's, for large ones) a binary one."""
    if text[:1] == b"\x80":
        return int.from_bytes(text[1:], "big")
    try:
        return int(text.strip(b"\0 ") or b"0", 8)
    except ValueError:
        raise _broken("a number in the header there is none", at) from None


def _name(block: bytes) -> str:
    name = _text(block[:100].split(b"\0", 1)[0])
    prefix = _text(block[345:500].split(b"\0", 1)[0]) if block[257:263] == b"ustar\0" else ""
    return f"{prefix}/{name}" if prefix else name


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _extra(file: IO[bytes], start: int, length: int, size: int) -> bytes:
    if length > _MOST_EXTRA:
        raise _broken(f"a record of {length} bytes about the next file", start)
    if start + length > size:
        raise _broken("it was cut off", start, reason="truncated")
    file.seek(start)
    return file.read(length)


def _read_extra(said: _Next, kind: bytes, data: bytes) -> None:
    if kind == b"L":
        said.name = _text(data.split(b"\0", 1)[0])
    if kind not in b"xg":
        return
    records = dict(_records(data))
    if kind == b"g":
        said.always.update(records)
        return
    said.name = records.get("path", said.name)
    if records.get("size", "").isdecimal():
        said.size = int(records["size"][:20])
    said.sparse = any(key.startswith("GNU.sparse.") for key in records)


def _records(data: bytes) -> Iterator[tuple[str, str]]:
    """``length key=value`` and a line end, again and again."""
    at = 0
    while at < len(data):
        digits, blank, _ = data[at : at + 20].partition(b" ")
        length = int(digits) if digits.isdigit() else 0
        key, equals, value = data[at + len(digits) + 1 : at + length - 1].partition(b"=")
        if not blank or not equals or not len(digits) + 1 < length <= len(data) - at:
            raise _broken("a record about the next file cannot be read", at)
        yield _text(key), _text(value)
        at += length
