"""Cells that look alike, together: the texts of a column grouped by their skeleton.

A skeleton has 9 for each digit and `a` for each byte of a letter or sign beyond ASCII. All cells of one skeleton have
their parts at the same places, so that what they say is found for all of them at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from entrepot.detect.sketch import MASKS, WORD, words_of

if TYPE_CHECKING:
    import pyarrow as pa

MAX_SHAPES = 1500
"""Skeletons up to which a column can be numbers or moments."""
MAX_WORDS = 300
"""Different words at one place up to which they can be names of months, zones or currencies."""
LONGEST = 80
"""Bytes of the longest cell that can be a number or a moment."""

LONGEST_WORD = 32
"""Bytes of the longest name of a month, day, zone or currency, and more."""

Ints = npt.NDArray[np.int64]
Places = npt.NDArray[np.intp]
Bytes = npt.NDArray[np.uint8]

_TOKEN = re.compile(rb"9+|(?<!a)a\.a\.?(?!a)|a+|[^9a]+")


def _table() -> bytes:
    table = bytearray(range(256))
    for byte in range(256):
        if 48 <= byte <= 57:
            table[byte] = ord("9")
        elif byte >= 128 or chr(byte).isalpha():
            table[byte] = ord("a")
        elif chr(byte).isspace():
            table[byte] = ord(" ")
    return bytes(table)


_SKELETON = _table()


@dataclass(frozen=True, slots=True)
class Texts:
    """A column of texts without nulls, as bytes.

    Attributes:
        data: All bytes, one after the other, and `WORD` more.
        starts: Where each text begins.
        lengths: How many bytes each has.
        weights: How many cells have it; None when each stands for one.
    """

    data: Bytes
    starts: Ints
    lengths: Ints
    weights: Ints | None = None

    @staticmethod
    def of(texts: pa.Array, weights: Ints | None = None) -> Texts:
        """A string array's texts."""
        _, offset_buffer, text_buffer = texts.buffers()
        offsets = np.frombuffer(offset_buffer, dtype=np.int32)[texts.offset : texts.offset + len(texts) + 1]
        first, last = int(offsets[0]), int(offsets[-1])
        data = np.zeros(last - first + WORD, dtype=np.uint8)
        if text_buffer is not None and last > first:
            data[:-WORD] = np.frombuffer(text_buffer, dtype=np.uint8)[first:last]
        starts = offsets[:-1].astype(np.int64)
        starts -= first
        return Texts(data, starts, np.diff(offsets).astype(np.int64), weights)

    @property
    def high(self) -> bool:
        """Whether some text is not ASCII."""
        # Bytes beyond ASCII are negative when they are looked at with a sign.
        return int(self.data.view(np.int8).min()) < 0

    def ends(self) -> tuple[str, str]:
        """The least and the greatest of plain numbers that compare as their lengths and then their bytes do."""
        return self._end(int(self.lengths.min()), np.min), self._end(int(self.lengths.max()), np.max)

    def _end(self, size: int, best: Callable[[npt.NDArray[np.uint64]], np.uint64]) -> str:
        """The first or last, in the order of their bytes, of the texts of one length."""
        places = np.flatnonzero(self.lengths == size)
        words = words_of(self.data)
        for at in range(0, size, WORD):
            ordered = words[self.starts[places] + at]
            ordered &= MASKS[min(size - at, WORD)]
            # With the first byte highest, words compare as their bytes do.
            ordered = ordered.byteswap()
            places = places[ordered == best(ordered)]
        return self.text(int(places[0]))

    def cells(self, places: Places | None = None) -> int:
        """How many cells the texts at some places stand for; at all of them by default."""
        if self.weights is None:
            return len(self.starts if places is None else places)
        return int((self.weights if places is None else self.weights[places]).sum())

    def text(self, place: int) -> str:
        """One text."""
        start = int(self.starts[place])
        return bytes(self.data[start : start + int(self.lengths[place])]).decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Token:
    """A part of a skeleton: digits, a word, or what is between them."""

    kind: str
    """``9``, ``a`` or `` `` for what is between."""
    start: int
    size: int
    text: str = ""
    """Of what is between, and of a word."""


@dataclass(slots=True)
class Shape:
    """Texts of one skeleton whose words are the same, save for names of months and days.

    Attributes:
        tokens: The parts; offsets count from the text's first byte.
        places: Which texts they are.
        words: For each word's token: its different words and which of them each text has.
    """

    texts: Texts
    tokens: list[Token]
    places: Places
    words: dict[int, tuple[list[str], Places]] = field(default_factory=dict)

    def number(self, token: Token) -> Ints:
        """The value of a token of at most 18 digits, of each text."""
        at = self.texts.starts[self.places] + token.start
        value = np.zeros(len(self.places), dtype=np.int64)
        for offset in range(token.size):
            value = value * 10 + (self.texts.data[at + offset] - 48)
        return value

    def byte(self, offset: int) -> Bytes:
        """The byte at an offset of each text."""
        found: Bytes = self.texts.data[self.texts.starts[self.places] + offset]
        return found


def shapes(texts: Texts) -> list[Shape] | None:
    """The texts by their skeletons; None when there are too many. Longer texts than `LONGEST` are in none."""
    import pyarrow as pa

    short = np.flatnonzero(texts.lengths <= LONGEST)
    if not len(short):
        return []
    skeleton = texts.data.tobytes().translate(_SKELETON)
    ends = np.append(texts.starts, texts.starts[-1] + texts.lengths[-1]).astype(np.int32)
    column = pa.Array.from_buffers(pa.binary(), len(texts.starts), [None, pa.py_buffer(ends), pa.py_buffer(skeleton)])
    if len(short) < len(texts.starts):
        column = column.take(pa.array(short))
    encoded = column.dictionary_encode()
    if len(encoded.dictionary) > MAX_SHAPES:
        return None
    return list(_grouped(texts, encoded, short))


def _grouped(texts: Texts, encoded: pa.DictionaryArray, short: Places) -> Iterator[Shape]:
    names = encoded.dictionary.to_pylist()
    if len(names) == 1:
        yield Shape(texts, tokens_of(names[0]), short)
        return
    codes = encoded.indices.to_numpy().astype(np.uint16)
    order = np.argsort(codes, kind="stable")
    cuts = np.searchsorted(codes[order], np.arange(len(names) + 1))
    for number, name in enumerate(names):
        yield Shape(texts, tokens_of(name), short[order[cuts[number] : cuts[number + 1]]])


def tokens_of(skeleton: bytes) -> list[Token]:
    """The parts of a skeleton, blanks at its ends left out."""
    found = []
    for match in _TOKEN.finditer(skeleton):
        part = match[0]
        if part[:1] == b"9":
            found.append(Token("9", match.start(), len(part)))
        elif part[:1] == b"a":
            found.append(Token("a", match.start(), len(part)))
        else:
            text = part.decode("ascii")
            text = text.lstrip(" ") if match.start() == 0 else text
            text = text.rstrip(" ") if match.end() == len(skeleton) else text
            if text:
                at = match.end() - len(text) if match.start() == 0 else match.start()
                found.append(Token(" ", at, len(text), text))
    return found


def with_words(shape: Shape) -> bool:
    """Reads the words of a shape; False when there are too many."""
    for number, token in enumerate(shape.tokens):
        if token.kind != "a":
            continue
        if token.size > LONGEST_WORD:
            return False
        at = shape.texts.starts[shape.places] + token.start
        letters = shape.texts.data[at[:, None] + np.arange(token.size)]
        if (letters == letters[0]).all():
            shape.words[number] = ([_word(letters[0])], np.zeros(len(at), dtype=np.intp))
            continue
        packed = np.ascontiguousarray(letters).view(f"S{token.size}").ravel()
        unique, which = np.unique(packed, return_inverse=True)
        if len(unique) > MAX_WORDS:
            return False
        shape.words[number] = ([_word(np.frombuffer(u, dtype=np.uint8)) for u in unique], which.astype(np.intp))
    return True


def _word(letters: Bytes) -> str:
    return bytes(letters).decode("utf-8", "replace")
