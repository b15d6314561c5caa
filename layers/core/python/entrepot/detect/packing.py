"""Short texts as numbers, which are counted and compared several times as quickly as texts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from entrepot.detect.shapes import Texts
from entrepot.detect.sketch import MASKS, WORD, Hashes, words_of

if TYPE_CHECKING:
    import pyarrow as pa

LONGEST_PACKED = 32
"""Bytes of texts of one length that are packed, if what differs between them has 64 bits or fewer."""
_BITS = 8 * WORD
_ALL = (1 << _BITS) - 1


@dataclass(slots=True)
class Packed:
    """Texts as numbers: two are equal when their texts are.

    Attributes:
        numbers: One for each text.
    """

    numbers: Hashes
    _size: int = 0
    """Bytes of each text, when all have the same and these are more than a word."""
    _parts: list[_Part] = field(default_factory=list)

    def texts(self, numbers: Hashes) -> pa.Array:
        """The texts that some of the numbers stand for, as strings."""
        import pyarrow as pa

        if not self._parts:
            # What is shorter than eight bytes ends before its first NUL.
            plain = np.ascontiguousarray(numbers, dtype="<u8").view("S8")
            return pa.array(plain.tolist(), pa.binary()).cast(pa.string())
        letters = np.empty((len(numbers), self._size), dtype=np.uint8)
        # The last part begins within the one before it, which knows better.
        for part in reversed(self._parts):
            words = _turned(numbers & np.uint64(_turned_bits(part.bits, part.turn)), _BITS - part.turn)
            words |= np.uint64(part.common)
            letters[:, part.at : part.at + WORD] = words.astype("<u8").view(np.uint8).reshape(-1, WORD)
        ends = np.arange(len(numbers) + 1, dtype=np.int32) * np.int32(self._size)
        buffers = [None, pa.py_buffer(ends), pa.py_buffer(letters)]
        return pa.Array.from_buffers(pa.string(), len(numbers), buffers)


@dataclass(frozen=True, slots=True)
class _Part:
    """Eight bytes of each text, from ``at`` on: those that differ are ``bits``, turned to the left by ``turn``."""

    at: int
    bits: int
    turn: int
    common: int


def packed(texts: Texts) -> Packed | None:
    """Texts of at most eight bytes, or of one length and much alike, as numbers; None for others."""
    least, most = int(texts.lengths.min()), int(texts.lengths.max())
    if most <= WORD:
        if int(texts.data[:-WORD].min(initial=1)) == 0:
            return None
        numbers: Hashes = words_of(texts.data)[texts.starts]
        numbers &= MASKS[most] if least == most else MASKS[texts.lengths]
        return Packed(numbers)
    return _alike(texts, most) if least == most <= LONGEST_PACKED else None


def _alike(texts: Texts, size: int) -> Packed | None:
    """Puts together the bits in which texts of one length differ."""
    words = words_of(texts.data)
    numbers = np.zeros(len(texts.starts), dtype=np.uint64)
    parts = []
    taken = 0
    for at in [*range(0, size - WORD, WORD), size - WORD]:
        part: Hashes = words[texts.starts + at]
        first = int(part[0])
        part ^= part[0]
        part &= ~MASKS[-at % WORD]
        bits = int(np.bitwise_or.reduce(part))
        turn = next((turn for turn in range(_BITS) if not taken & _turned_bits(bits, turn)), None)
        if turn is None:
            return None
        part = _turned(part, turn)
        part ^= np.uint64(_turned_bits(first & bits, turn))
        numbers |= part
        parts.append(_Part(at, bits, turn, first & ~bits & _ALL))
        taken |= _turned_bits(bits, turn)
    return Packed(numbers, size, parts)


def _turned(words: Hashes, by: int) -> Hashes:
    by %= _BITS
    return words << np.uint64(by) | words >> np.uint64(_BITS - by) if by else words


def _turned_bits(bits: int, by: int) -> int:
    return (bits << by | bits >> (_BITS - by)) & _ALL
