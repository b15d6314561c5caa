"""How many distinct values a column has, in bounded memory and mergeable in any order.

The k smallest hashes (K. Beyer et al., "On synopses for distinct-value estimation under multiset
operations", 2007): exact below k values, about 100/sqrt(k) percent off above.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow as pa

SIZE = 256
"""Hashes kept: about 6 percent off, 5 KB of JSON a column."""

_SPACE = 2.0**64
_ODD_1 = np.uint64(0x9E3779B97F4A7C15)
_ODD_2 = np.uint64(0xC2B2AE3D27D4EB4F)
_SHIFT = np.uint64(29)
_WORD = 8
_MASKS = np.array([(1 << (8 * n)) - 1 for n in range(_WORD + 1)], dtype=np.uint64)
"""Keeps the first n bytes of a word."""

_LONG = 4096
"""Longer texts are hashed by this many first bytes and their length."""

Hashes = npt.NDArray[np.uint64]


def hash_texts(texts: pa.Array) -> Hashes:
    """64-bit hashes of a string array's cells, the same in every process. Nulls hash as ''."""
    _, offset_buffer, text_buffer = texts.buffers()
    if not len(texts):
        return np.empty(0, dtype=np.uint64)
    offsets = np.frombuffer(offset_buffer, dtype=np.int32)[texts.offset : texts.offset + len(texts) + 1].astype(
        np.int64
    )
    text = np.frombuffer(text_buffer, dtype=np.uint8) if text_buffer is not None else np.empty(0, dtype=np.uint8)
    low, high = int(offsets[0]), int(offsets[-1])
    padded = np.zeros(high - low + 2 * _WORD, dtype=np.uint8)
    padded[: high - low] = text[low:high]
    return _hash_words(padded, offsets[:-1] - low, np.diff(offsets))


def _hash_words(text: npt.NDArray[np.uint8], starts: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]) -> Hashes:
    # Every byte position seen as the start of a little-endian word.
    words: Hashes = np.ndarray((len(text) - _WORD,), dtype="<u8", buffer=text, strides=(1,))
    found = lengths.astype(np.uint64) * _ODD_2
    taken = np.minimum(lengths, _LONG)
    live: npt.NDArray[np.intp] | slice = slice(None)
    for at in range(0, int(taken.max(initial=0)), _WORD):
        if at >= int(taken.min(initial=0)):
            live = np.flatnonzero(taken > at)
        word = words[starts[live] + at] & _MASKS[np.minimum(taken[live] - at, _WORD)]
        found[live] = _mixed(found[live] ^ word)
    return _mixed(_mixed(found))


def _mixed(values: Hashes) -> Hashes:
    values = values * _ODD_1
    return (values ^ (values >> _SHIFT)) * _ODD_2


def smallest(hashes: Hashes) -> list[int]:
    """The sketch of some hashes: the `SIZE` smallest distinct ones, ascending."""
    if len(hashes) > 16 * SIZE:
        # Most cells cannot be among the smallest; look at few unless values repeat a lot.
        few = hashes[hashes <= np.partition(hashes, 8 * SIZE)[8 * SIZE]]
        distinct = np.unique(few)
        if len(distinct) >= SIZE:
            return [int(h) for h in distinct[:SIZE]]
    return [int(h) for h in np.unique(hashes)[:SIZE]]


def merged(sketches: Iterable[list[int]]) -> list[int]:
    """The sketch of several columns' values together."""
    return sorted({h for sketch in sketches for h in sketch})[:SIZE]


def estimate(sketch: list[int]) -> int:
    """How many distinct values there are, about; exact while fewer than `SIZE`."""
    if len(sketch) < SIZE:
        return len(sketch)
    return round((SIZE - 1) / (sketch[-1] / _SPACE))
