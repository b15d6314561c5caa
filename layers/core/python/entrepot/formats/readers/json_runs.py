"""The elements of an array of JSON, with those that are flat objects many at a time."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from entrepot.formats.eightbytes import EightBytes
from entrepot.formats.flatblocks import FlatBlock
from entrepot.formats.flatscan import flat_block, flat_objects
from entrepot.formats.readers.json_text import Cursor
from entrepot.formats.scan import Ints

_comma = re.compile(rb"[ \t\n\r]*,[ \t\n\r]*").fullmatch
_FEW = 16
"""Flat objects that are in a row are not worth it when they are fewer."""


def runs(cursor: Cursor) -> Iterator[FlatBlock | Any]:
    """The elements of the array that comes next: blocks of flat objects, and single values as ``elements`` gives them.

    Args:
        cursor: In front of the array. When a block is given, ``start`` and ``pos`` bound all of its elements.

    Raises:
        SourceError: It is not JSON, or passes a limit.
    """
    return cursor.elements(ahead=_flat)


def _flat(cursor: Cursor) -> Generator[Any, None, bool]:
    """The elements that end in what was read, if they are flat for the most part; whether there are any."""
    loads, base = cursor.loads, cursor.pos
    if not cursor.text.startswith("{", base):
        return False
    data = cursor.text[base:].encode()
    starts, ends = flat_objects(data)
    count = _parted(data, starts, ends)
    if not count:
        return False
    starts, ends = starts[:count], ends[:count]
    block = flat_block(data[: int(ends[-1])], starts, ends)
    good = np.zeros(len(starts), dtype=np.bool_)
    good[block.records] = True
    breaks = [0, *(np.flatnonzero(good[1:] != good[:-1]) + 1).tolist(), len(good)]
    if not len(block.records) or len(breaks) * _FEW > len(good) + 3 * _FEW:
        return False
    marked, place = 0, base

    def char(byte: int) -> int:
        nonlocal marked, place
        place += len(data[marked:byte].decode())
        marked = byte
        return place

    taken = 0
    for first, last in pairwise(breaks):
        if good[first]:
            cursor.start, cursor.pos = char(int(starts[first])), char(int(ends[last - 1]))
            yield block.part(taken, taken + last - first)
            taken += last - first
            continue
        for n in range(first, last):
            cursor.pos = char(int(starts[n]))
            value = cursor.value()
            as_seen = cursor.loads == loads and cursor.pos == char(int(ends[n]))
            yield value
            if not as_seen:
                return True
    return True


def _parted(data: bytes, starts: Ints, ends: Ints) -> int:
    """How many objects come one after the other with a comma between."""
    gaps, lengths = ends[:-1], starts[1:] - ends[:-1]
    if not len(gaps):
        return len(starts)
    # Writers part all elements alike.
    alike = (lengths == lengths[0]).all() and EightBytes(data).same(gaps.reshape(-1, 1), lengths[:1])
    count = 1 if alike else len(gaps)
    for n, (end, start) in enumerate(zip(gaps[:count].tolist(), starts[1:].tolist(), strict=False), 1):
        if not _comma(data, end, start):
            return n
    return len(starts)
