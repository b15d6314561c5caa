"""Flat records of JSON, many at a time: found by the places of their quotes, cut out by Arrow, decoded by nobody.

What is read here is proved to be what the scanner of Python's `json` would read; all else is left to it. A record is
read when it is an object of plain members, written without white space or with the single blanks that writers put
behind colons, commas and braces:

* it has no control characters, is UTF-8, and its quotes come in pairs once those behind a backslash are left out;
* its first pair begins behind the brace, every name has a colon behind it and no backslash in it, and no name comes
  twice;
* from each colon to the comma before the next name, or to the last brace, there is either one pair of quotes and
  nothing else, or one number, true, false or null by the letter of RFC 8259.

Cells are slices of the source, so numbers keep their digits; only texts with a backslash are decoded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from entrepot.formats.eightbytes import EightBytes
from entrepot.formats.flatblocks import Bools, Field, FlatBlock, indices
from entrepot.formats.flatten import DECODER
from entrepot.formats.scan import Ints

if TYPE_CHECKING:
    import pyarrow as pa

Bytes = npt.NDArray[np.uint8]

BLOCK = 2 << 20
"""Bytes that are looked at together: enough for each step to be worth its call, few enough to stay near."""

_SCALAR = r"^(?:-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null)$"
_BLANK, _QUOTE, _COMMA, _COLON, _SLASH, _OPEN, _CLOSE = b' ",:\\{}'


def flat_block(data: bytes, starts: Ints, ends: Ints) -> FlatBlock:
    """Reads the flat ones of some records.

    Args:
        data: Bytes in UTF-8, less than 2 GiB.
        starts: Where each record starts, ascending.
        ends: Where it ends, without line end.
    """
    text = np.frombuffer(data, dtype=np.uint8)
    good = _whole(data, text, starts, ends)
    slashes = np.flatnonzero(text == _SLASH) if b"\\" in data else None
    pairs, counts = _pairs(text, slashes, starts, ends, good)
    members = _Members.of(text, pairs, np.repeat(np.arange(len(starts)), counts), starts, ends)
    members.check(slashes, good)
    return members.block(data, slashes, good)


def flat_objects(data: bytes) -> tuple[Ints, Ints]:
    """Where the objects start and end that a text begins with, as far as it goes on with objects.

    Args:
        data: Text in UTF-8 that begins with a value. What stands between the objects is not looked at.
    """
    text = np.frombuffer(data, dtype=np.uint8)
    quotes = np.flatnonzero(text == _QUOTE)
    if b"\\" in data:
        quotes = quotes[~_escaped(np.flatnonzero(text == _SLASH), quotes)]
    shape = text & 0xDF  # brackets are braces without one bit
    marks = np.flatnonzero((shape == ord("[")) | (shape == ord("]")))
    marks = marks[np.searchsorted(quotes, marks) % 2 == 0]
    opened = shape[marks] == ord("[")
    depth = np.cumsum(np.where(opened, 1, -1))
    starts, ends = marks[opened & (depth == 1)], marks[~opened & (depth == 0)]
    count = min(len(starts), len(ends))
    last = next(iter(np.flatnonzero(depth < 0)), None)
    if last is not None:
        count = min(count, int(np.searchsorted(ends, marks[last])))
    others = np.flatnonzero(text[starts[:count]] != _OPEN)
    count = int(others[0]) if len(others) else count
    if not count or starts[0]:
        count = 0
    return starts[:count], ends[:count] + 1


def _whole(data: bytes, text: Bytes, starts: Ints, ends: Ints) -> Bools:
    """Which records stand in braces, and hold nothing but text without control characters."""
    good: Bools = (ends - starts > 2) & (text.take(starts, mode="clip") == _OPEN)
    good &= text.take(ends - 1, mode="clip") == _CLOSE
    _spoil(good, np.flatnonzero(text < _BLANK), starts, ends)
    if not data.isascii():
        try:
            data.decode()
        except UnicodeDecodeError:
            _spoil(good, np.flatnonzero(text >= 0x80), starts, ends)
    return good


def _spoil(good: Bools, places: Ints, starts: Ints, ends: Ints) -> None:
    """Takes out the records in which some places lie."""
    records = np.searchsorted(starts, places, side="right") - 1
    good[records[(records >= 0) & (places < ends[records])]] = False


def _pairs(text: Bytes, slashes: Ints | None, starts: Ints, ends: Ints, good: Bools) -> tuple[Ints, Ints]:
    """The pairs of quotes in good records, and how many each record has."""
    quotes = np.flatnonzero(text == _QUOTE)
    if slashes is not None:
        quotes = quotes[~_escaped(slashes, quotes)]
    first, behind = np.searchsorted(quotes, starts), np.searchsorted(quotes, ends)
    counts = behind - first
    good &= (counts % 2 == 0) & (counts > 0)
    if counts.sum() != len(quotes) or not good.all():
        kept = np.zeros(len(quotes) + 1, dtype=np.int64)
        kept[first[good]] += 1
        kept[behind[good]] -= 1
        quotes = quotes[np.cumsum(kept[:-1]) > 0]
        counts = np.where(good, counts, 0)
    return quotes.reshape(-1, 2), counts // 2


def _escaped(slashes: Ints, places: Ints) -> Bools:
    """Which places have a backslash before them that has none before itself, or two, or four."""
    new = np.diff(slashes, prepend=-2) != 1
    runs = slashes[new][np.cumsum(new) - 1]
    at = np.searchsorted(slashes, places) - 1
    last = slashes[at]
    found: Bools = (at >= 0) & (last == places - 1) & ((last - runs[at]) % 2 == 0)
    return found


@dataclass(slots=True)
class _Members:
    """The members of a block's records, one after the other.

    Attributes:
        record: Which record each is in.
        names: Where each name starts and ends, between its quotes.
        values: The same of its value, for texts between the quotes.
        bare: Which values are no texts.
        fine: Which members have the form of one.
    """

    record: Ints
    names: tuple[Ints, Ints]
    values: tuple[Ints, Ints]
    bare: Bools
    fine: Bools

    @staticmethod
    def of(text: Bytes, pairs: Ints, record: Ints, starts: Ints, ends: Ints) -> _Members:
        """The members by the pairs of quotes.

        Args:
            text: The block.
            pairs: Where quotes open and close.
            record: Which record each pair is in.
            starts: Where each record starts.
            ends: Where it ends.
        """
        opens, closes = np.ascontiguousarray(pairs[:, 0]), np.ascontiguousarray(pairs[:, 1])
        named = np.flatnonzero(text.take(closes + 1, mode="clip") == _COLON)
        record, names = record[named], (opens[named] + 1, closes[named])
        breaks = np.diff(record, append=-1) != 0
        begin = names[1] + 2
        begin += text.take(begin, mode="clip") == _BLANK
        # A value ends before the comma in front of the next name, or before the last brace.
        mark = np.append(names[0][1:] - 2, 0)
        mark -= text.take(mark, mode="clip") == _BLANK
        fine = breaks | (text.take(mark, mode="clip") == _COMMA)
        last = ends[record[breaks]] - 1
        mark[breaks] = last - (text.take(last - 1) == _BLANK)
        # The first name stands behind the first brace.
        first = np.flatnonzero(np.append(True, breaks[:-1]))[: len(record)]
        brace = starts[record[first]] + 1
        fine[first] &= names[0][first] == brace + (text.take(brace, mode="clip") == _BLANK) + 1
        # Between two names there is the pair of a text, or none.
        between = np.diff(named, append=len(opens))
        bare = between == 1
        quoted = np.minimum(named + 1, len(opens) - 1)
        fine &= bare | ((between == 2) & (opens[quoted] == begin) & (closes[quoted] == mark - 1))
        fine &= begin < mark
        return _Members(record, names, (begin + ~bare, mark - ~bare), bare, fine)

    def check(self, slashes: Ints | None, good: Bools) -> None:
        """Takes the records out that are not as they should be, and their members."""
        if slashes is not None:
            self.fine &= np.searchsorted(slashes, self.names[0]) == np.searchsorted(slashes, self.names[1])
        good[self.record[~self.fine]] = False
        some = np.zeros(len(good), dtype=np.bool_)
        some[self.record] = True
        good &= some
        kept = good[self.record]
        if not kept.all():
            self.record, self.bare, self.fine = self.record[kept], self.bare[kept], self.fine[kept]
            self.names = self.names[0][kept], self.names[1][kept]
            self.values = self.values[0][kept], self.values[1][kept]

    def block(self, data: bytes, slashes: Ints | None, good: Bools) -> FlatBlock:
        """The block; more records may be taken out."""
        import pyarrow as pa

        count = len(self.record)
        if not count:
            return FlatBlock(np.empty(0, dtype=np.int64))
        cells = np.arange(2, 4 * count, 4)
        tail: list[bytes] = []
        if slashes is not None:
            begin, end = self.values
            for place in np.flatnonzero(np.searchsorted(slashes, begin) != np.searchsorted(slashes, end)).tolist():
                found = _unescaped(data[begin[place] - 1 : end[place] + 1])
                if found is None:
                    good[self.record[place]] = False
                else:
                    cells[place] = 4 * count + len(tail)
                    tail.append(found)
        offsets = np.empty(4 * count + 1 + len(tail), dtype=np.int32)
        for n, cut in enumerate((*self.names, *self.values)):
            offsets[n : 4 * count : 4] = cut
        offsets[4 * count] = len(data)
        offsets[4 * count + 1 :] = len(data) + np.cumsum([len(t) for t in tail])
        buffers = pa.py_buffer(offsets), pa.py_buffer(b"".join([data, *tail]) if tail else data)
        tokens = pa.StringArray.from_buffers(len(offsets) - 1, *buffers)
        filled = self.values[0] != self.values[1]
        words = EightBytes(data)
        self._scalars(tokens, words, filled, good)
        fields = self._fields(data, tokens, words, filled, good)
        empty = ~self.bare & ~filled
        return FlatBlock(np.arange(len(good)), fields, tokens, cells, empty).only(good)

    def _scalars(self, tokens: pa.StringArray, words: EightBytes, filled: Bools, good: Bools) -> None:
        """Looks at values that are no texts."""
        import pyarrow.compute as pc

        begin, end = self.values
        bare = np.flatnonzero(self.bare)
        bare = bare[~words.plain_numbers(begin[bare], (end - begin)[bare])]
        if not len(bare):
            return
        found = tokens.take(indices(4 * bare + 2))
        good[self.record[bare[~_bools(pc.match_substring_regex(found, _SCALAR))]]] = False
        filled[bare[_bools(pc.equal(found, "null"))]] = False

    def _fields(
        self, data: bytes, tokens: pa.StringArray, words: EightBytes, filled: Bools, good: Bools
    ) -> dict[str, Field]:
        """The members by name, with the records by their place in the block."""
        count = len(self.record)
        if names := self._common_names(data, words):
            own = self.record[:: len(names)]
            each = [np.arange(n, count, len(names)) for n in range(len(names))]
            return {name: Field(own, members, filled[members]) for name, members in zip(names, each, strict=True)}
        coded = tokens.take(indices(np.arange(0, 4 * count, 4))).dictionary_encode()
        codes = np.frombuffer(coded.indices.buffers()[1], dtype=np.int32, count=count)
        members = self._by_name(codes, len(coded.dictionary), good)
        named = zip(coded.dictionary.to_pylist(), members, strict=True)
        return {name: Field(self.record[own], own, filled[own]) for name, own in named}

    def _common_names(self, data: bytes, words: EightBytes) -> list[str]:
        """The names, if all records have the same ones in the same order and none twice."""
        records = int(np.count_nonzero(np.diff(self.record))) + 1
        width, more = divmod(len(self.record), records)
        if more:
            return []
        record = self.record.reshape(records, width)
        starts, lengths = self.names[0].reshape(records, width), (self.names[1] - self.names[0]).reshape(records, width)
        if not (record[:, 0] == record[:, -1]).all() or not (lengths == lengths[0]).all():
            return []
        names = [data[start : start + long].decode() for start, long in zip(starts[0], lengths[0], strict=True)]
        return names if len(set(names)) == width and words.same(starts, lengths[0]) else []

    def _by_name(self, codes: npt.NDArray[np.int32], count: int, good: Bools) -> list[Ints]:
        """The members that have each name; records that have one twice are taken out."""
        order = np.argsort(codes.astype(np.uint16) if count < 1 << 16 else codes, kind="stable")
        sorted_codes, records = codes[order], self.record[order]
        twice = (sorted_codes[1:] == sorted_codes[:-1]) & (records[1:] == records[:-1])
        good[records[1:][twice]] = False
        return np.split(order, np.searchsorted(sorted_codes, np.arange(1, count)))


def _bools(found: pa.BooleanArray) -> Bools:
    bits = np.frombuffer(found.buffers()[1], dtype=np.uint8)
    return np.unpackbits(bits, count=len(found), bitorder="little").view(np.bool_)


def _unescaped(quoted: bytes) -> bytes | None:
    """A text without its backslashes, if it can be stored; None if not, or when it is no text."""
    try:
        text: str = DECODER.raw_decode(quoted.decode())[0]
        return None if "\0" in text else text.encode()
    except ValueError:
        return None
