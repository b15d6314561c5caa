"""Encodings: which can be cut by bytes, and how the others become UTF-8 pieces."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from functools import lru_cache

from entrepot.errors import SourceError
from entrepot.model.source import Detection

_UTF8 = frozenset({"utf-8", "utf-8-sig", "ascii"})


def has_half_character(text: str) -> bool:
    """Whether a text has half of a surrogate pair, which no UTF-8 can say."""
    return not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text)


def is_utf8(encoding: str) -> bool:
    """Whether the data part of a source in this encoding is UTF-8 as it stands."""
    return codec_name(encoding) in _UTF8


@lru_cache(maxsize=64)
def codec_name(encoding: str) -> str:
    """Python's own name of an encoding.

    Raises:
        SourceError: Python does not know it, or it does not decode to text.
    """
    try:
        info = codecs.lookup(encoding)
        b"a".decode(encoding, "replace")
    except (LookupError, ValueError, UnicodeError):
        info = None
    if info is None:
        raise SourceError(
            f"The encoding {encoding!r} is not known.",
            hint="Name it as Python does, such as utf-8, cp1252 or utf-16.",
            reason="encoding",
        )
    return "ascii" if info.name == "us-ascii" else info.name


@lru_cache(maxsize=64)
def cut_by_bytes(encoding: str) -> bool:
    """Whether ASCII bytes in this encoding are always themselves, so that bytes can be searched.

    True for UTF-8 and for single-byte supersets of ASCII.
    """
    if is_utf8(encoding):
        return True
    name = codec_name(encoding)
    try:
        same = bytes(range(128)).decode(name) == "".join(map(chr, range(128)))
        single = all(len(bytes([b]).decode(name, "replace")) == 1 for b in range(128, 256))
        pairs = len(bytes(range(128, 256)).decode(name, "replace")) == 128
    except (UnicodeError, ValueError):
        return False
    return same and single and pairs and len((b"\x81\x40" * 2).decode(name, "replace")) == 4


def needs_pieces(detection: Detection) -> bool:
    """Whether the source has to be rewritten as UTF-8 pieces before it can be cut."""
    if not cut_by_bytes(detection.encoding):
        return True
    # The bytes of such a delimiter are known in UTF-8 alone.
    marks = (detection.dialect.delimiter or "") + (detection.dialect.comment or "")
    return not marks.isascii() and not is_utf8(detection.encoding)


def piece_detection(detection: Detection) -> Detection:
    """The detection of the UTF-8 text that `to_utf8` makes of the data part of a source."""
    return detection.model_copy(update={"encoding": "utf-8", "bom_bytes": 0, "data_start": 0, "data_end": 0, "size": 0})


def rows_of(blocks: Iterable[bytes], detection: Detection) -> Iterator[bytes]:
    """The blocks as far as rows go: what comes behind ``data_end`` is left out.

    Args:
        blocks: The source's bytes from ``detection.data_start`` on.
        detection: What `detect` found.
    """
    if not detection.data_end:
        yield from blocks
        return
    left = detection.data_end - detection.data_start
    for block in blocks:
        if left > 0:
            yield block[:left]
        left -= len(block)  # what follows is still taken: a caller may count it


def to_utf8(blocks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """Transcodes a stream of bytes to UTF-8.

    What is not text in ``encoding`` becomes bytes that are not UTF-8, so that the parser refuses
    the rows it stands in and no others.

    Args:
        blocks: The source's bytes from ``detection.data_start`` on, in any cut.
        encoding: Python's name; endianness as in `detect` (``utf-16-le`` rather than ``utf-16``).
    """
    decoder = codecs.getincrementaldecoder(codec_name(encoding))(errors="entrepot.mark")
    for block in blocks:
        yield _encode(decoder.decode(block))
    yield _encode(decoder.decode(b"", final=True))


_MARK = "\udcff"
"""Stands for undecodable bytes; a lone surrogate cannot come out of a strict decoder."""


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _mark(error: UnicodeError) -> tuple[str, int]:
    if isinstance(error, UnicodeDecodeError):
        return _MARK, error.end
    raise error


codecs.register_error("entrepot.mark", _mark)
