"""Thrift's compact protocol, as far as Parquet's footers and page headers need it.

Source: the Apache Thrift repository, ``doc/specs/thrift-compact-protocol.md``.
"""

from __future__ import annotations

from typing import Any

DEEPEST = 16
"""Structures within structures that are followed."""

Wanted = dict[int, Any]
"""Fields to keep: True for a number (or that a field is there), a `Wanted` for a structure, in a list for a list."""


class Compact:
    """Reads structures out of bytes; what nobody wants is passed over.

    Args:
        data: The bytes.

    Attributes:
        pos: The place in them.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.pos = 0

    def structure(self, wanted: Wanted, depth: int = 0) -> dict[int, Any]:
        """A structure's wanted fields.

        Raises:
            IndexError: The bytes end before it does.
            ValueError: It is none.
        """
        if depth > DEEPEST:
            raise ValueError
        found: dict[int, Any] = {}
        field = 0
        while byte := self._byte():
            kind, delta = byte & 15, byte >> 4
            field = field + delta if delta else _signed(self._varint())
            want = wanted.get(field)
            if want is None:
                self._skip(kind, depth)
            else:
                found[field] = self._value(kind, want, depth)
        return found

    def _value(self, kind: int, want: Any, depth: int) -> Any:
        if kind in {4, 5, 6}:
            return _signed(self._varint())
        if kind == 12 and isinstance(want, dict):
            return self.structure(want, depth + 1)
        if kind == 9 and isinstance(want, list):
            inner, count = self._list()
            return [self._value(inner, want[0], depth + 1) for _ in range(count)]
        self._skip(kind, depth)
        return True

    def _byte(self) -> int:
        self.pos += 1
        return self._data[self.pos - 1]

    def _varint(self) -> int:
        value = shift = 0
        while shift < 70:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
        raise ValueError

    def _list(self) -> tuple[int, int]:
        byte = self._byte()
        count = byte >> 4
        return byte & 15, self._varint() if count == 15 else count

    def _skip(self, kind: int, depth: int) -> None:
        if kind in {4, 5, 6}:
            self._varint()
        elif kind == 8:
            length = self._varint()
            self.pos += length
        elif kind == 12:
            self.structure({}, depth + 1)
        elif kind in {3, 7}:
            self.pos += 1 if kind == 3 else 8
        elif kind in {9, 10}:
            if depth > DEEPEST:
                raise ValueError
            inner, count = self._list()
            for _ in range(count):
                self._skip_element(inner, depth)
        elif kind not in {1, 2}:  # a boolean is in its kind
            raise ValueError
        if self.pos > len(self._data):
            raise IndexError

    def _skip_element(self, kind: int, depth: int) -> None:
        if kind in {1, 2}:
            self.pos += 1
        else:
            self._skip(kind, depth + 1)


def _signed(value: int) -> int:
    return (value >> 1) ^ -(value & 1)
