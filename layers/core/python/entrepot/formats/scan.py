"""Finds record ends, fast where quotes behave and exactly everywhere.

A window of the data is scanned with numpy: quotes must come in pairs, each opening one at a cell's
start (or as the second of a doubled pair), each closing one before a delimiter, a line end or
another quote. By induction from a record's start the parity of quotes is then the state of the
exact machine, and a line end outside of quotes ends a record. Where that cannot be proved the
window's records are taken one by one by `entrepot.formats.grammar.next_record`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from entrepot.errors import SourceError
from entrepot.formats.grammar import BLANK, MAX_RECORD_BYTES, Grammar, next_record

Ints = npt.NDArray[np.int64]
Kinds = npt.NDArray[np.uint8]

_WINDOW = 1 << 20
"""Bytes scanned at a time: the working set stays in the processor's cache."""

_FAST_WINDOW = 4 << 20
"""Longer windows, which only very long records need, are not worth their arrays."""

_EXACT_WINDOW = 64 << 10
"""Bytes handled by the exact machine before the fast way is tried again."""

_LF, _CR = 0x0A, 0x0D
_NEUTRAL = 0x01
"""Stands for an escaped byte in the scanned copy; not a quote, delimiter or line end."""


@dataclass(slots=True)
class Records:
    """Extents of consecutive records in a buffer.

    ``ends[i]`` is where record i ends, its line end included; it starts at ``ends[i - 1]``, the
    first at ``start``. ``kinds[i]`` is its kind.
    """

    start: int
    ends: Ints
    kinds: Kinds

    @property
    def end(self) -> int:
        """Where the last record ends."""
        return int(self.ends[-1]) if len(self.ends) else self.start

    def starts(self) -> Ints:
        """Where each record starts."""
        return np.concatenate((np.array([self.start], dtype=np.int64), self.ends[:-1]))[: len(self.ends)]


def scan(
    data: bytes, grammar: Grammar, *, whole: bool, start: int = 0, max_record: int = MAX_RECORD_BYTES
) -> Iterator[Records]:
    """Records of ``data`` from ``start`` on, window by window.

    Args:
        data: The bytes; ``start`` must be a record's start.
        grammar: The dialect.
        whole: Whether the data ends here; else a last record that may go on is left out.
        start: Where to begin.
        max_record: Longest record in bytes.

    Raises:
        SourceError: A record is longer than ``max_record``; ``facts["offset"]`` is relative to
            ``data``, ``facts["record"]`` counts the records before it.
    """
    pos, window, count = start, _WINDOW, 0
    size = len(data)
    while pos < size:
        stop = min(size, pos + window)
        quick = window <= _FAST_WINDOW and grammar.quick(data, pos, stop)
        found = _fast(data, pos, stop, grammar, whole=whole and stop == size) if quick else None
        if found is not None and not len(found.ends) and stop < size:
            window *= 4
            continue
        if found is None or not len(found.ends) or _longest(found) > max_record:
            found = _exact(
                data,
                pos,
                min(stop, pos + _EXACT_WINDOW),
                grammar,
                whole=whole,
                max_record=max_record,
                count=count,
            )
        if not len(found.ends):
            return
        yield found
        count += len(found.ends)
        pos, window = found.end, _WINDOW


def _longest(found: Records) -> int:
    return int(np.diff(found.ends, prepend=found.start).max())


def _exact(data: bytes, pos: int, stop: int, grammar: Grammar, *, whole: bool, max_record: int, count: int) -> Records:
    """The records that start between ``pos`` and ``stop``, by the state machine."""
    start, size = pos, len(data)
    ends: list[int] = []
    kinds: list[int] = []
    while pos < stop:
        limit = min(size, pos + max_record)
        found = next_record(data, pos, limit, grammar, whole=whole or limit < size)
        if found is None:
            break
        if limit < size and found[0] == limit and not _line_ends_at(data, limit):
            raise SourceError(
                f"A record is longer than {max_record} bytes.",
                hint="Check the delimiter, the quotes and the line ends of the file.",
                reason="record_too_long",
                offset=pos,
                record=count + len(ends),
            )
        pos = found[0]
        ends.append(pos)
        kinds.append(found[1])
    return Records(start, np.array(ends, dtype=np.int64), np.array(kinds, dtype=np.uint8))


def _line_ends_at(data: bytes, at: int) -> bool:
    return data[at - 1] == _LF or (data[at - 1] == _CR and data[at] != _LF)


def _fast(data: bytes, pos: int, stop: int, grammar: Grammar, *, whole: bool) -> Records | None:
    """Records of a window, or None when the exact machine has to look."""
    window = np.frombuffer(data, dtype=np.uint8)[pos:stop]
    if grammar.escape is not None and data.find(grammar.escape, pos, stop) >= 0:
        window = _neutral(window, grammar.escape[0])
        if whole and window[-1] == grammar.escape[0]:
            return None
    carriage = data.find(b"\r", pos, stop) >= 0
    if grammar.quote is None or data.find(grammar.quote, pos, stop) < 0:
        ends, state = _plain_ends(window, carriage=carriage, whole=whole), "closed"
    else:
        ends, state = _quoted_ends(window, grammar, carriage=carriage, whole=whole)
    if not len(ends) and (state == "wrong" or (whole and state == "open")):
        return None
    if whole and state == "closed" and (not len(ends) or ends[-1] < len(window)):
        ends = np.append(ends, len(window))
    firsts = window[np.concatenate((np.zeros(1, dtype=np.int64), ends[:-1]))[: len(ends)]]
    kinds = ((firsts == _LF) | (firsts == _CR)).astype(np.uint8) * BLANK
    return Records(pos, ends + pos, kinds)


def _neutral(window: npt.NDArray[np.uint8], escape: int) -> npt.NDArray[np.uint8]:
    """A copy in which every escaped byte is neutral; in a run every other escape is escaped."""
    at = np.flatnonzero(window == escape)
    run_starts = np.flatnonzero(np.diff(at, prepend=-2) != 1)
    in_run = np.arange(len(at)) - np.repeat(run_starts, np.diff(np.append(run_starts, len(at))))
    escaped = at[in_run % 2 == 0] + 1
    copy = window.copy()
    copy[escaped[escaped < len(copy)]] = _NEUTRAL
    return copy


def _plain_ends(window: npt.NDArray[np.uint8], *, carriage: bool, whole: bool) -> Ints:
    if not carriage:
        return np.flatnonzero(window == _LF).astype(np.int64) + 1
    at = np.flatnonzero((window == _LF) | (window == _CR))
    return _line_ends(window, at, whole=whole)


def _line_ends(window: npt.NDArray[np.uint8], at: npt.NDArray[np.intp], *, whole: bool) -> Ints:
    """Ends of the lines whose LF and CR bytes stand at ``at``; the CR of a CRLF ends none."""
    following = np.minimum(at + 1, len(window) - 1)
    part = (window[at] == _CR) & (window[following] == _LF)
    if len(at) and at[-1] == len(window) - 1 and window[-1] == _CR and not whole:
        part[-1] = True  # an LF may follow
    ends: Ints = at[~part].astype(np.int64) + 1
    return ends


def _quoted_ends(window: npt.NDArray[np.uint8], grammar: Grammar, *, carriage: bool, whole: bool) -> tuple[Ints, str]:
    """Ends of records as far as the quotes are proved; how the window ends: closed, open, wrong."""
    quote = ord(grammar.quote or b"")
    special = (window == quote) | (window == _LF)
    if carriage:
        special |= window == _CR
    at = np.flatnonzero(special)
    is_quote = window[at] == quote
    inside = (np.cumsum(is_quote, dtype=np.int32) & 1).astype(bool)
    ends = _line_ends(window, at[~is_quote & ~inside], whole=whole)
    wrong = _first_wrong(window, at[is_quote], grammar)
    if wrong is not None:
        return ends[ends <= wrong], "wrong"
    return ends, "open" if len(inside) and inside[-1] else "closed"


def _first_wrong(window: npt.NDArray[np.uint8], quotes: npt.NDArray[np.intp], grammar: Grammar) -> int | None:
    """Where the first quote stands that is neither at a cell's edge nor one of a doubled pair."""
    edge = np.zeros(256, dtype=bool)
    edge[[ord(b) for b in (grammar.quote, grammar.delimiter, b"\n", b"\r") if b]] = True
    opening, closing = quotes[0::2], quotes[1::2]
    bad_open = ~edge[window[np.maximum(opening - 1, 0)]] & (opening > 0)
    bad_close = ~edge[window[np.minimum(closing + 1, len(window) - 1)]] & (closing < len(window) - 1)
    wrong = [int(group[0]) for group in (opening[bad_open], closing[bad_close]) if len(group)]
    return min(wrong) if wrong else None
