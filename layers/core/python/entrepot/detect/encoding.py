"""Detects encodings: byte-order mark → strict UTF-8 → UTF-16 by its zero bytes → a legacy code page."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable

from entrepot.formats.encoding import codec_name, cut_by_bytes

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_WIDE = {"utf-16": "utf-16-le", "utf-32": "utf-32-le"}
_MARK_OF = {name: mark for mark, name in _MARKS}

DEFAULT_LEGACY = "cp1252"
_WESTERN = frozenset({"cp1252", "iso8859-1", "iso8859-15"})
"""They differ in signs that nobody's names have."""

_PAGES = [
    *(f"cp{n}" for n in (1250, 1251, 1252, 1253, 1254, 1255, 1256, 1257, 1258, 437, 850, 852, 866, 874, 932, 949)),
    *(f"iso8859_{n}" for n in (2, 5, 7, 9, 13, 15)),
    *("koi8_r", "koi8_u", "mac_roman", "gb18030", "big5", "shift_jis", "euc_jp", "euc_kr"),
]
"""Pages that files are found in; the rest only ever wins by accident."""

_PROBES = 8
_PROBE_BYTES = 64 << 10


def find_encoding(prefix: bytes, read: Callable[[int, int], bytes], size: int) -> tuple[str, int, list[str]]:
    """The encoding, how many bytes its mark takes, and doubts.

    Args:
        prefix: The first bytes.
        read: Reads further bytes: a pure ASCII prefix says nothing about what comes later.
        size: Bytes in all.
    """
    for mark, name in _MARKS:
        if prefix.startswith(mark):
            return name, len(mark), []
    wide = _wide(prefix)
    if wide:
        return wide, 0, [f"No byte-order mark; read as {wide} by its zero bytes."]
    sample = prefix
    if prefix.isascii() and len(prefix) < size:
        sample = b"\n".join(_probe(read, len(prefix), size))
    if is_utf8_part(sample):
        return "utf-8", 0, []
    if mostly_utf8(sample):
        return "utf-8", 0, ["Not all of it is UTF-8; rows that are not are refused."]
    name = _legacy(sample)
    return name, 0, [f"Not UTF-8; read as {name}, by its letters."]


def stated_encoding(name: str, prefix: bytes) -> tuple[str, int]:
    """A stated encoding as `detect` names it, and how many bytes its mark takes.

    Raises:
        SourceError: It is not known.
    """
    known = codec_name(name)
    for mark, marked in _MARKS:
        same = marked == known or marked.removesuffix("-sig") == known or _WIDE.get(known, "")[:6] == marked[:6]
        if same and prefix.startswith(mark):
            return marked, len(mark)
    return {"utf-8-sig": "utf-8", "ascii": "utf-8"}.get(known, _WIDE.get(known, known)), 0


def is_utf8_part(data: bytes) -> bool:
    """Whether bytes cut out of a text anywhere are UTF-8."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(data)
    except UnicodeDecodeError:
        return False
    return True


def mostly_utf8(data: bytes) -> bool:
    """Whether at least half of the lines with other than ASCII are UTF-8.

    Text in a code page is hardly ever UTF-8 by accident, so a file with such lines is UTF-8 with damage; read
    as a code page it would lose every name that is written rightly.
    """
    lines = [line for line in data.split(b"\n") if not line.isascii()]
    good = sum(map(is_utf8_part, lines))
    return good > 0 and good * 2 >= len(lines)


def _probe(read: Callable[[int, int], bytes], start: int, size: int) -> list[bytes]:
    """Parts of the rest of a source, each cut at line ends."""
    step = max(_PROBE_BYTES, (size - start) // _PROBES)
    parts = []
    for at in range(start, size, step):
        part = read(at, min(size, at + _PROBE_BYTES))
        first = part.find(b"\n") + 1
        parts.append(part[first : part.rfind(b"\n") + 1] or part.strip(bytes(range(0x80, 0x100))))
    return parts


def _wide(prefix: bytes) -> str | None:
    sample = prefix[: 4 << 10]
    sample = sample[: len(sample) // 4 * 4]
    if len(sample) < 4 or b"\0" not in sample:
        return None
    zeros = [sample[i::4].count(0) / (len(sample) // 4) for i in range(4)]
    if min(zeros[1:]) > 0.9 and zeros[0] < 0.1:
        return "utf-32-le"
    if min(zeros[:3]) > 0.9 and zeros[3] < 0.1:
        return "utf-32-be"
    if min(zeros[1], zeros[3]) > 0.4 and max(zeros[0], zeros[2]) < 0.1:
        return "utf-16-le"
    if min(zeros[0], zeros[2]) > 0.4 and max(zeros[1], zeros[3]) < 0.1:
        return "utf-16-be"
    return None


def _legacy(sample: bytes) -> str:
    """A code page by the cells that are not ASCII: all the ASCII around them misleads every detector."""
    words = list(dict.fromkeys(re.findall(rb"[^\x00-\x40\x5b-\x60\x7b-\x7f]*[\x80-\xff][^,;\t|\r\n\"]*", sample)))
    text = b" ".join(words[:2000])[: 64 << 10]
    if len(text) < 8:
        return DEFAULT_LEGACY
    from charset_normalizer import from_bytes

    found = from_bytes(text, cp_isolation=_PAGES)
    best = found.best()
    if best is None:
        return DEFAULT_LEGACY
    tied = {codec_name(m.encoding) for m in found if (m.chaos, m.coherence) == (best.chaos, best.coherence)}
    name = DEFAULT_LEGACY if DEFAULT_LEGACY in tied else codec_name(best.encoding)
    if not cut_by_bytes(name) and len(text) < 64:
        return DEFAULT_LEGACY
    # Where both pages read the same letters, the one in use wins.
    same = text.decode(name, "replace") == text.decode(DEFAULT_LEGACY, "replace")
    return DEFAULT_LEGACY if same or name in _WESTERN else name
