"""What the batches of an Arrow file would become, before they are unpacked.

A compressed buffer begins with its size when unpacked, and the library believes it. Messages are FlatBuffers
(``format/Message.fbs``, ``format/File.fbs`` of the Arrow specification).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import IO

from entrepot.errors import SourceError

MOST = 512 << 20
"""Bytes that one compressed batch may become; a batch that is not compressed is read where it lies."""
_MOST_METADATA = 64 << 20
_DICTIONARY, _RECORDS = 2, 3
_CONTINUED = 0xFFFFFFFF


def check(file: IO[bytes], size: int, *, is_file: bool) -> None:
    """Looks at every message.

    Args:
        file: Seekable.
        size: Its bytes.
        is_file: Whether it is a file with a footer, and not a stream.

    Raises:
        SourceError: A batch would become too large, or the messages contradict themselves.
    """
    try:
        for start in _blocks(file, size) if is_file else _stream(file, size):
            _, body, table = _message(file, start)
            if table is not None and (total := _unpacked(file, body, table)) > MOST:
                raise SourceError(
                    f"A batch of the Arrow file would become {total:,} bytes.",
                    hint="Write it in smaller batches, of 65,536 rows for example.",
                    reason="expanded_bytes",
                )
    except (struct.error, IndexError, OverflowError):
        raise SourceError(
            "The Arrow file is broken.", hint="It was cut short or damaged: send it again.", reason="broken"
        ) from None


class _Table:
    """A FlatBuffers table."""

    def __init__(self, data: bytes, place: int) -> None:
        self.data = data
        self._place = place
        self._fields = place - _number("<i", data, place)

    @classmethod
    def root(cls, data: bytes) -> _Table:
        return cls(data, _number("<I", data, 0))

    def at(self, field: int) -> int | None:
        """Where a field's value is; None when it is not there."""
        slot = 4 + 2 * field
        if slot >= _number("<H", self.data, self._fields):
            return None
        offset = _number("<H", self.data, self._fields + slot)
        return self._place + offset if offset else None

    def table(self, field: int) -> _Table | None:
        place = self.at(field)
        return None if place is None else _Table(self.data, place + _number("<I", self.data, place))

    def vector(self, field: int) -> tuple[int, int]:
        """Where a vector's first element is, and how many there are."""
        place = self.at(field)
        if place is None:
            return 0, 0
        place += _number("<I", self.data, place)
        return place + 4, _number("<I", self.data, place)


def _number(kind: str, data: bytes, place: int) -> int:
    if place < 0:
        raise IndexError
    return int(struct.unpack_from(kind, data, place)[0])


def _part(file: IO[bytes], start: int, length: int) -> bytes:
    if not 0 <= length <= _MOST_METADATA or start < 0:
        raise IndexError
    file.seek(start)
    return file.read(length)


def _message(file: IO[bytes], start: int) -> tuple[int, int, _Table | None]:
    """The body's length, where it begins, and the batch that the message at a place has, if it has one."""
    prefix = _part(file, start, 8)
    first = _number("<I", prefix, 0)
    length, begin = (_number("<i", prefix, 4), start + 8) if first == _CONTINUED else (first, start + 4)
    if length == 0:
        return 0, 0, None
    root = _Table.root(_part(file, begin, length))
    kind_at, body_at = root.at(1), root.at(3)
    kind = root.data[kind_at] if kind_at is not None else 0
    batch = root.table(2) if kind in {_DICTIONARY, _RECORDS} else None
    if kind == _DICTIONARY and batch is not None:
        batch = batch.table(1)
    return _number("<q", root.data, body_at) if body_at is not None else 0, begin + length, batch


def _stream(file: IO[bytes], size: int) -> Iterator[int]:
    start = 0
    while 0 <= start + 8 <= size:
        prefix = _part(file, start, 8)
        yield start
        length, body, _ = _message(file, start)
        if prefix[:4] == b"\0\0\0\0" or not body:
            return
        if length < 0:
            raise IndexError
        start = body + length


def _blocks(file: IO[bytes], size: int) -> Iterator[int]:
    length = _number("<i", _part(file, size - 10, 4), 0)
    root = _Table.root(_part(file, size - 10 - length, length))
    for field in (2, 3):
        first, count = root.vector(field)
        for number in range(count):
            yield _number("<q", root.data, first + 24 * number)


def _unpacked(file: IO[bytes], body: int, batch: _Table) -> int:
    """Bytes that a batch's compressed buffers say they become."""
    if batch.at(3) is None:
        return 0
    first, count = batch.vector(2)
    total = 0
    for number in range(count):
        offset, length = struct.unpack_from("<qq", batch.data, first + 16 * number)
        if length >= 8:
            total += max(0, _number("<q", _part(file, body + offset, 8), 0))
    return total
