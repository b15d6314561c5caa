"""What stands at many places of a text, looked at eight bytes at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from entrepot.formats.scan import Ints

Bools = npt.NDArray[np.bool_]
Words = npt.NDArray[np.uint64]

_ALL = 0xFFFF_FFFF_FFFF_FFFF
_ONES = 0x0101_0101_0101_0101
_HIGH = 0x8080_8080_8080_8080
_ZEROS = ord("0") * _ONES
_DOTS = ord(".") * _ONES
_UP_TO = np.array([(1 << 8 * n) - 1 for n in range(9)], dtype=np.uint64)
"""By length: the bytes that belong to a word."""
_LAST = np.array([0x80 << 8 * max(0, n - 1) for n in range(9)], dtype=np.uint64)


class EightBytes:
    """A text, any eight bytes of which are a word, the first byte lowest.

    Args:
        data: The text.
    """

    def __init__(self, data: bytes) -> None:
        self._words = np.ndarray((len(data) + 1,), "<u8", buffer=data + bytes(8), strides=(1,))

    def at(self, places: Ints) -> Words:
        """The words at some places."""
        found: Words = self._words[places]
        return found

    def same(self, starts: Ints, lengths: Ints) -> bool:
        """Whether the rows of a grid of slices have the same texts.

        Args:
            starts: Where each slice starts; rows by columns.
            lengths: How long the slices of each column are.
        """
        for offset in range(0, int(lengths.max(initial=0)), 8):
            columns = np.flatnonzero(lengths > offset)
            # The last word of a longer slice ends with it.
            shift = np.minimum(offset, np.maximum(lengths[columns] - 8, 0))
            words = self.at((starts if len(columns) == len(lengths) else starts[:, columns]) + shift)
            if ((words ^ words[0]) & _UP_TO[np.minimum(lengths[columns], 8)]).any():
                return False
        return True

    def plain_numbers(self, starts: Ints, lengths: Ints) -> Bools:
        """Which slices are numbers of up to eight characters as JSON has them: digits, and one dot between them.

        Args:
            starts: Where each slice starts.
            lengths: How long each is.
        """
        short = np.minimum(lengths, 8)
        own = _UP_TO[short]
        words = (self.at(starts) & own) | (np.uint64(_ZEROS) & ~own)
        # The high bit of each byte that is a dot; seven bits are added to without a carry.
        seven = words ^ _DOTS
        dots = ~(((seven & ~np.uint64(_HIGH)) + (_ALL ^ _HIGH)) | seven) & np.uint64(_HIGH)
        inside = (dots & (dots - np.uint64(1)) == 0) & (dots & 0x80 == 0) & (dots != _LAST[short])
        digits = words ^ _ZEROS ^ ((dots >> np.uint64(7)) * np.uint64(ord(".") ^ ord("0")))
        only_digits = ((digits + (0x76 * _ONES)) | digits) & np.uint64(_HIGH) == 0
        no_zero_in_front = (words & 0xFF != ord("0")) | (lengths == 1) | (dots & 0x8000 != 0)
        found: Bools = (lengths > 0) & (lengths <= 8) & inside & only_digits & no_zero_in_front
        return found
