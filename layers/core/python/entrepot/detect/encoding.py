"""Detects encodings: byte-order mark → strict UTF-8 → UTF-16 by its zero bytes → a legacy code page."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator

from entrepot.detect.codepages import best_page
from entrepot.formats.encoding import codec_name

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
_LEAST = 3
"""Bytes other than ASCII that say something."""
_JAPANESE = (b"\x1b$B", b"\x1b$@")

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
    if any(mark in sample for mark in _JAPANESE):
        return "iso2022_jp", 0, ["Read as iso2022_jp, by its escapes."]
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


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def mostly_utf8(data: bytes) -> bool:
    """Whether at least half of the lines with other than ASCII are UTF-8.

    Text in a code page is hardly ever UTF-8 by accident, so a file with such lines is UTF-8 with damage; read
    as a code page it would lose every name that is written rightly.
    """
    *lines, last = data.split(b"\n")
    lines = [line for line in lines if not line.isascii()]
    good = sum(map(_is_utf8, lines))
    if not last.isascii():
        lines.append(last)
        good += is_utf8_part(last)
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


_WORD = re.compile(rb"(?<![A-Za-z])[A-Za-z]*+[\x80-\xff][A-Za-z\x80-\xff]*")
"""A word with other than ASCII; of a long run of letters without any, only the first is looked at."""
_HIGH = re.compile(rb"[\x80-\xff]")
_RUN = re.compile(rb"[\x40-\xff]*")
_REST = re.compile(rb"[^,;\t|\r\n\"]*")
_LATTER = bytes(range(0x40, 0x80))
"""ASCII that may be the second half of a character of East Asia."""


def eastern_cells(sample: bytes) -> Iterator[bytes]:
    r"""Cells with other than ASCII: the run of possible halves of characters around such bytes, and the cell's rest.

    What ``[\x40-\xff]*[\x80-\xff][^,;\t|\r\n"]*`` finds, in one pass also where a run is long.

    Args:
        sample: Of the text.
    """
    at = 0
    while high := _HIGH.search(sample, at):
        begin = at + len(sample[at : high.start()].rstrip(_LATTER))
        run = sample[high.start() : _match_end(_RUN, sample, high.start())].rstrip(_LATTER)
        at = _match_end(_REST, sample, high.start() + len(run))
        yield sample[begin:at]


def _match_end(pattern: re.Pattern[bytes], data: bytes, at: int) -> int:
    found = pattern.match(data, at)
    return found.end() if found else at


def _legacy(sample: bytes) -> str:
    """A code page by the words that are not ASCII: all the ASCII around them misleads every detector."""
    words = list(dict.fromkeys(_WORD.findall(sample)))
    east = list(dict.fromkeys(eastern_cells(sample)))
    text = b" ".join(words[:1000])[: 12 << 10]
    if sum(byte > 0x7F for byte in text) < _LEAST:
        return DEFAULT_LEGACY
    return best_page(text, b" ".join(east[:500])[: 12 << 10]) or DEFAULT_LEGACY
