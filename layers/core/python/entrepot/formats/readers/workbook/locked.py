"""XLS files that Excel opens without asking: encrypted with the password that it uses for protected workbooks.

A workbook whose structure is protected is stored encrypted, with a password that is the same everywhere and hides
nothing. [MS-OFFCRYPTO] 2.3.5 (CryptoAPI) and 2.3.6 (RC4); [MS-XLS] 2.2.10.
"""

from __future__ import annotations

import hashlib
import io
import struct
from collections.abc import Callable, Iterator
from io import BufferedReader

from entrepot.formats.readers.workbook.records import Records

FILEPASS = 0x2F
_PASSWORD = "VelvetSweatshop".encode("utf-16-le")
_BLOCK = 1024
_MOST_BYTES = 32 << 20
"""Of a stream that is decrypted; it takes a second a megabyte."""
_PLAIN = {0x0809, FILEPASS, 0x0194, 0x0195, 0x00E1, 0x0196, 0x0138}
"""Records whose content is never encrypted."""
_BOUND_SHEET = 0x85

KeyOf = Callable[[int], bytes]


def rc4(key: bytes) -> Iterator[int]:
    """The key stream of RC4."""
    state = list(range(256))
    j = 0
    for i in range(256):
        j = (j + state[i] + key[i % len(key)]) & 0xFF
        state[i], state[j] = state[j], state[i]
    i = j = 0
    while True:
        i = (i + 1) & 0xFF
        j = (j + state[i]) & 0xFF
        state[i], state[j] = state[j], state[i]
        yield state[(state[i] + state[j]) & 0xFF]


def _apply(stream: Iterator[int], data: bytes) -> bytes:
    return bytes(byte ^ next(stream) for byte in data)


def _key_of(data: bytes) -> KeyOf | None:
    """The keys of the blocks, when the password is the known one."""
    kind, _, minor = struct.unpack_from("<HHH", data)
    if kind != 1:
        return None
    if minor == 1:
        return _rc4_key(data)
    return _crypto_api_key(data) if minor == 2 else None


def _rc4_key(data: bytes) -> KeyOf | None:
    salt, verifier, proof = data[6:22], data[22:38], data[38:54]
    start = hashlib.md5(_PASSWORD, usedforsecurity=False).digest()[:5]
    base = hashlib.md5((start + salt) * 16, usedforsecurity=False).digest()[:5]

    def key(block: int) -> bytes:
        return hashlib.md5(base + struct.pack("<I", block), usedforsecurity=False).digest()

    stream = rc4(key(0))
    found = hashlib.md5(_apply(stream, verifier), usedforsecurity=False).digest()
    return key if found == _apply(stream, proof) else None


def _crypto_api_key(data: bytes) -> KeyOf | None:
    size = struct.unpack_from("<I", data, 10)[0]
    bits = struct.unpack_from("<I", data, 14 + 16)[0] or 40
    at = 14 + size
    salt, verifier = data[at + 4 : at + 20], data[at + 20 : at + 36]
    proof = data[at + 40 : at + 60]
    base = hashlib.sha1(salt + _PASSWORD, usedforsecurity=False).digest()

    def key(block: int) -> bytes:
        found = hashlib.sha1(base + struct.pack("<I", block), usedforsecurity=False).digest()[: bits // 8]
        return found.ljust(16, b"\0") if bits == 40 else found

    stream = rc4(key(0))
    found = hashlib.sha1(_apply(stream, verifier), usedforsecurity=False).digest()
    return key if found == _apply(stream, proof) else None


def unlocked(stream: BufferedReader) -> BufferedReader | None:
    """The stream as it was before it was encrypted; None when its password is another, or it is very large.

    Args:
        stream: A workbook's records, one of them `FILEPASS`.
    """
    key = next((_key_of(data) for kind, data in Records(stream) if kind == FILEPASS and len(data) >= 54), None)
    size = stream.seek(0, io.SEEK_END)
    if key is None or size > _MOST_BYTES:
        return None
    out = bytearray()
    keys = _Keys(key)
    for kind, data in Records(stream):
        out += struct.pack("<HH", 0 if kind == FILEPASS else kind, len(data))
        keep = len(data) if kind in _PLAIN else 4 if kind == _BOUND_SHEET else 0
        keys.skip_to(len(out) + keep)
        out += data[:keep] + keys.apply(data[keep:])
    return BufferedReader(io.BytesIO(bytes(out)))


class _Keys:
    """The key stream over the whole of a stream, a new key for each block."""

    def __init__(self, key: KeyOf) -> None:
        self._key = key
        self._at = 0
        self._stream = rc4(key(0))

    def skip_to(self, place: int) -> None:
        """Goes on to a place."""
        if place // _BLOCK != self._at // _BLOCK:
            self._at = place // _BLOCK * _BLOCK
            self._stream = rc4(self._key(self._at // _BLOCK))
        while self._at < place:
            next(self._stream)
            self._at += 1

    def apply(self, data: bytes) -> bytes:
        """Decrypts what stands at the place."""
        out = bytearray()
        while len(out) < len(data):
            self.skip_to(self._at)
            room = min(_BLOCK - self._at % _BLOCK, len(data) - len(out))
            out += _apply(self._stream, data[len(out) : len(out) + room])
            self._at += room
            if self._at % _BLOCK == 0:
                self._stream = rc4(self._key(self._at // _BLOCK))
        return bytes(out)
