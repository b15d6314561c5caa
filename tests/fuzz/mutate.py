"""Changes bytes the way damage and malice do: one seed and a second one to splice with become a file nobody made."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

LARGEST = 256 << 10
"""Bytes of a mutated file; one in a hundred may have sixteen times as many."""

Mutate = Callable[[Random, bytes, bytes], bytes]
"""``mutate(random, data, other)``: ``other`` is a second seed, to take parts from."""

_EXTREMES = (0, 1, 2, 7, 8, 9, 15, 16, 31, 32, 63, 64, 127, 128, 255, 256, 1023, 4095, 4096, 32767, 32768, 65535, 65536)
_LARGE = (2**24, 2**31 - 1, 2**31, 2**32 - 1, 2**32 - 2, 2**53, 2**63 - 1, 2**63, 2**64 - 1)
_NUMBER = re.compile(rb"\d+(?:\.\d+)?")
_NUMBERS = (
    b"0", b"-1", b"1", b"-0", b"255", b"65536", b"2147483647", b"2147483648", b"4294967296", b"9223372036854775807",
    b"9223372036854775808", b"18446744073709551616", b"-9223372036854775809", b"1e308", b"1e309", b"1e-400", b"1E+999999999",
    b"0.1", b"1.7976931348623157e308", b"5e-324", b"NaN", b"Infinity", b"-Infinity", b"0x7f", b"00", b"1.", b".5",
    b"9" * 40, b"9" * 400, b"0." + b"0" * 400 + b"1", b"9" * 5000, b"12:60:60", b"2024-02-30", b"0000-00-00", b"10000-01-01",
    "٣".encode(), "²".encode(),
)  # fmt: skip
_ANY_TOKENS = (
    b"\0", b"\xff", b"\xfe\xff", b"\xff\xfe", b"\xef\xbb\xbf", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\n", b"\r", b"\r\n",
    b"\t", b" ", b'"', b"'", b"\\", b",", b";", b"\x1a", b"\x85", "\u2028".encode(), "\u0130".encode(), "\u200f".encode(),
    b"A" * 300, b"%s%n", b"../../../x", b"=1+1", b"null", b"true",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Kit:
    """What is known of a format when it is mutated.

    Attributes:
        tokens: Bytes that mean something in it.
        split: Parts it into pieces (lines, tags, records) that can be dropped, doubled and moved.
        repair: Makes a piece whole again after its bytes were changed, such as by setting its length.
        focus: Ranges of bytes in which most of the meaning lies, such as headers and footers.
        offsets: Whether the format finds its parts by offset: lengths are mostly kept then.
    """

    tokens: Sequence[bytes] = ()
    split: Callable[[bytes], list[bytes]] | None = None
    repair: Callable[[bytes], bytes] | None = None
    focus: Callable[[bytes], list[tuple[int, int]]] | None = None
    offsets: bool = False

    def __call__(self, random: Random, data: bytes, other: bytes) -> bytes:
        """The data changed once or a few times."""
        done = bytearray(data)
        for _ in range(random.choice((1, 1, 1, 2, 2, 3, 4, 8))):
            if self.split is not None and random.random() < 0.45:
                done = bytearray(self._pieces(random, bytes(done), other))
            else:
                self._bytes(random, done, other)
        most = LARGEST * (16 if random.random() < 0.01 else 1)
        return bytes(done[: max(most, len(data))])

    def _bytes(self, random: Random, done: bytearray, other: bytes) -> None:
        if not done:
            done += random.choice((*self.tokens, *_ANY_TOKENS))
            return
        low, high = self._where(random, done)
        keep = self.offsets and random.random() < 0.85
        step = random.choice(_OVERWRITING if keep else (*_OVERWRITING, *_RESIZING, *_RESIZING))
        step(random, done, other, random.randrange(low, high), self.tokens)

    def _where(self, random: Random, done: bytearray) -> tuple[int, int]:
        if self.focus is not None and random.random() < 0.7:
            ranges = [(max(0, a), min(b, len(done))) for a, b in self.focus(bytes(done))]
            ranges = [(a, b) for a, b in ranges if a < b]
            if ranges:
                return random.choice(ranges)
        return 0, len(done)

    def _pieces(self, random: Random, data: bytes, other: bytes) -> bytes:
        assert self.split is not None
        pieces = self.split(data)
        if not pieces:
            return data
        at = random.randrange(len(pieces))
        till = min(len(pieces), at + random.choice((1, 1, 1, 2, 3, 10)))
        match random.randrange(7):
            case 0:
                del pieces[at:till]
            case 1:
                pieces[at:at] = pieces[at:till]
            case 2:
                to = random.randrange(len(pieces))
                pieces[at], pieces[to] = pieces[to], pieces[at]
            case 3:
                theirs = self.split(other) or [b""]
                first = random.randrange(len(theirs))
                pieces[at:at] = theirs[first : first + random.choice((1, 1, 2, 5, 50))]
            case 4:
                times = random.choice((2, 10, 100, 1000, 20_000))
                size = sum(map(len, pieces[at:till])) or 1
                pieces[at:till] = pieces[at:till] * min(times, max(2, LARGEST // size))
            case 5:
                pieces[at:at] = [random.choice((*self.tokens, *_ANY_TOKENS))]
            case _:
                piece = bytearray(pieces[at])
                self._bytes(random, piece, other)
                pieces[at] = self.repair(bytes(piece)) if self.repair and random.random() < 0.9 else bytes(piece)
        return b"".join(pieces)


Step = Callable[[Random, bytearray, bytes, int, Sequence[bytes]], None]


def _flip(random: Random, data: bytearray, other: bytes, at: int, tokens: Sequence[bytes]) -> None:
    data[at] ^= 1 << random.randrange(8)


def _byte(random: Random, data: bytearray, other: bytes, at: int, tokens: Sequence[bytes]) -> None:
    data[at] = random.choice(
        (0, 1, 0x7F, 0x80, 0xFF, random.randrange(256), (data[at] + 1) & 255, (data[at] - 1) & 255)
    )


def _integer(random: Random, data: bytearray, other: bytes, at: int, tokens: Sequence[bytes]) -> None:
    """An integer that an offset, a length or a count may be."""
    size, code = random.choice(((1, "B"), (2, "H"), (4, "I"), (4, "I"), (8, "Q")))
    order = random.choice("<<<>")
    at -= at % random.choice((1, 1, size))
    if at + size > len(data):
        return
    (was,) = struct.unpack_from(order + code, data, at)
    value = random.choice(
        (*_EXTREMES, *_LARGE, was + 1, was - 1, was * 2, was // 2, was + 2**16, len(data), len(data) - at)
    )
    struct.pack_into(order + code, data, at, value & (2 ** (8 * size) - 1))


def _over(random: Random, data: bytearray, other: bytes, at: int, tokens: Sequence[bytes]) -> None:
    token = random.choice((*tokens, *tokens, *_ANY_TOKENS))[: len(data) - at]
    data[at : at + len(token)] = token


def _copy(random: Random, data: bytearray, other: bytes, at: int, tokens: Sequence[bytes]) -> None:
    source = other if other and random.random() < 0.5 else bytes(data)
    first = random.randrange(len(source))
    span = source[first : first + random.choice((1, 2, 4, 8, 16, 64, 512))][: len(data) - at]
    data[at : at + len(span)] = span


def _delete(random: Random, data: bytearray, other: bytes, at: int, tokens: Sequence[bytes]) -> None:
    del data[at : at + random.choice((1, 1, 2, 4, 8, 64, 512))]


def _double(random: Random, data: bytearray, other: bytes, at: int, tokens: Sequence[bytes]) -> None:
    span = bytes(data[at : at + random.choice((1, 2, 4, 8, 64, 512))])
    times = random.choice((1, 1, 1, 2, 10, 100, 1000, 50_000))
    data[at:at] = span * min(times, max(1, LARGEST // max(1, len(span))))


def _insert(random: Random, data: bytearray, other: bytes, at: int, tokens: Sequence[bytes]) -> None:
    data[at:at] = random.choice((*tokens, *tokens, *_ANY_TOKENS)) * random.choice((1, 1, 1, 1, 2, 3, 200))


def _noise(random: Random, data: bytearray, other: bytes, at: int, tokens: Sequence[bytes]) -> None:
    data[at:at] = random.randbytes(random.choice((1, 2, 4, 16, 200)))


def _cut(random: Random, data: bytearray, other: bytes, at: int, tokens: Sequence[bytes]) -> None:
    del data[at:]


def _splice(random: Random, data: bytearray, other: bytes, at: int, tokens: Sequence[bytes]) -> None:
    first = random.randrange(len(other)) if other else 0
    data[at:] = other[first:]


def _number(random: Random, data: bytearray, other: bytes, at: int, tokens: Sequence[bytes]) -> None:
    """The next number that is written in digits becomes an odd one."""
    found = _NUMBER.search(data, at, at + 4096) or _NUMBER.search(data, 0, 4096)
    if found:
        data[found.start() : found.end()] = random.choice(_NUMBERS)


_OVERWRITING: tuple[Step, ...] = (_flip, _byte, _integer, _integer, _over, _copy)
_RESIZING: tuple[Step, ...] = (_delete, _delete, _double, _insert, _insert, _noise, _cut, _splice, _number, _number)
