"""Whole columns of a plain XLSX sheet at a time: one pattern takes a row apart, Arrow turns a column into text.

Rows of one sheet nearly always have the same cells with the same attributes. Then a pattern made for just these
columns finds all values of many rows at once, and what a value means has to be asked once a column. What does not fit
is left to `entrepot.formats.readers.workbook.fastrows`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from entrepot.formats.readers.workbook.book import MAX_ROWS, Block, column_of
from entrepot.formats.readers.workbook.dates import LAST_DAY
from entrepot.formats.readers.workbook.strings import Texts

if TYPE_CHECKING:
    import pyarrow as pa

Handlers = Callable[[bytes, bytes], Callable[[bytes], str]]
"""Attributes of a cell and the tag that opens its value → what turns the value into text."""

_LETTERS = re.compile(rb'<c r="([A-Z]{1,3})[0-9]')
_EPOCH_DAYS = 25_569
"""Serial of 1970-01-01."""
_MOST_COLUMNS = 300
_MOST_MISSES = 20
"""Chunks that may have another form than those before, until patterns are given up."""
_FORMULA = rb"(?:<f(?:[^>]*/>|[^>]*>[^<]*</f>))?"
_ANY_CELL = (
    rb'(?:<c r="%s[0-9]+"([^>/]*)(?:/>|>'
    + _FORMULA
    + rb'(?:<(v|is><t(?: xml:space="preserve")?)>([^<]*)</(?:v|t></is)>|<v/>)?</c>))?+'
)
"""Attributes, opening tag and value."""
_KNOWN_CELL = rb'(?:<c r="%s[0-9]+"(?:%s>' + _FORMULA + rb"<%s>([^<]*)</%s></c>|[^>]*/>))?+"
"""A value whose attributes and tag are known."""
_PLAIN_NUMBER = r"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]*[1-9])?$"
_MOST_LESSONS = 4
"""Chunks from which it is learned what is usual in a column."""

_MOST_BYTES = 32 << 20
"""Texts of a chunk; a few that many cells share could make it huge."""

_Kind = tuple[bytes, bytes]
"""Attributes of a cell and the tag that opens its value."""
_Values = tuple[bytes, ...]


class _TooLargeError(Exception):
    """A column is better read row by row."""


class ColumnReader:
    """Reads chunks of whole rows.

    Args:
        handlers: What turns a value into text.
        texts: The shared ones.
        plain: Whether cells with such attributes are numbers that are shown as they stand, and up to how many
            characters; shared texts that are shown as they are; or texts that stand in the cell.
        blind: Only whether something stands in a cell is asked.
    """

    def __init__(
        self, handlers: Handlers, texts: Texts, plain: Callable[[bytes, bytes], tuple[str, int]], *, blind: bool
    ) -> None:
        self._handlers = handlers
        self._texts = texts
        self._plain = plain
        self._blind = blind
        self._layout: dict[int, _Kind | None] = {}
        self._pattern: re.Pattern[bytes] | None = None
        self._shared: pa.Array | None = None
        self._special = False
        """Whether a text of the chunk may differ from its bytes."""
        self._bytes = 0
        self._misses = 0
        self._lessons = 0

    def read(self, chunk: bytes) -> Block | None:
        """The rows of a chunk; None when they have another form.

        Args:
            chunk: Whole rows.
        """
        if self._misses > _MOST_MISSES or b"<!" in chunk or (self._blind and b't="e"' in chunk):
            return None
        found = self._take_apart(chunk)
        if found is None:
            self._misses += 1
            found = self._learn(chunk)
        elif None in self._layout.values() and self._lessons < _MOST_LESSONS:
            found = self._learn(chunk)  # the header is not like the rows below it
        if found is None:
            return None
        self._special = not self._blind and (b"&" in chunk or b"_x" in chunk or b"\r" in chunk)
        numbers, kinds, values = found
        self._bytes = 0
        try:
            columns = {
                place: self._column(kind, values[place]) for place, kind in kinds.items() if any(values[place][-1])
            }
        except _TooLargeError:
            return None
        return whole_rows(numbers, columns)

    def _learn(self, chunk: bytes) -> tuple[list[int], dict[int, _Kind | None], dict[int, list[_Values]]] | None:
        """Takes a chunk apart by a pattern for any cells in its columns; then makes one for just such cells."""
        places = {column_of(letters.decode()) for letters in set(_LETTERS.findall(chunk))} | set(self._layout)
        if not places or len(places) > _MOST_COLUMNS or -1 in places:
            return None
        self._lessons += 1
        self._expect(dict.fromkeys(sorted(places)))
        found = self._take_apart(chunk)
        if found is not None:
            layout: dict[int, _Kind | None] = {}
            for place, (attributes, tags, _) in found[2].items():
                kinds = {kind for kind in set(zip(attributes, tags, strict=True)) if kind[1]}
                layout[place] = kinds.pop() if len(kinds) == 1 else None
            self._expect(layout)
        return found

    def _expect(self, layout: dict[int, _Kind | None]) -> None:
        cells = []
        for place, kind in layout.items():
            if kind is None:
                cells.append(_ANY_CELL % letters_of(place))
            else:
                attributes, tag = (re.escape(part) for part in kind)
                close = b"v" if kind[1] == b"v" else b"t></is"
                cells.append(_KNOWN_CELL % (letters_of(place), attributes, tag, close))
        self._layout = layout
        self._pattern = re.compile(rb'<row r="([0-9]{1,7})"[^>/]*>' + b"".join(cells) + rb"</row>")

    def _take_apart(self, chunk: bytes) -> tuple[list[int], dict[int, _Kind | None], dict[int, list[_Values]]] | None:
        """Numbers of the rows, and by column what is known of its cells and what was found; None if some is left."""
        if self._pattern is None:
            return None
        rows = self._pattern.findall(chunk)
        if not rows or len(rows) != chunk.count(b"</row>"):
            return None
        groups = iter(zip(*rows, strict=True))
        numbers = [int(n) - 1 for n in next(groups)]
        values: dict[int, list[_Values]] = {}
        formulas = b"<f" in chunk
        there = filled = 0
        for place, kind in self._layout.items():
            values[place] = [next(groups) for _ in range(3 if kind is None else 1)]
            # An empty value is not told from none in a known cell; that is made up for by learning anew.
            there += len(rows) - values[place][1 if kind is None else 0].count(b"")
            filled += len(rows) - values[place][-1].count(b"") if formulas else 0
        stored = chunk.count(b"<v") + chunk.count(b"<is")
        if there != stored or (formulas and chunk.count(b"<c") != filled):
            return None  # a cell was passed over, or a formula may have no value
        if min(numbers) < 0 or max(numbers) >= MAX_ROWS:
            return None
        return numbers, self._layout, values

    def _column(self, kind: _Kind | None, groups: list[_Values]) -> pa.Array:
        if kind is not None:
            return self._uniform(*kind, groups[0])
        attributes, tags, values = groups
        kinds = {found for found in set(zip(attributes, tags, strict=True)) if found[1]}
        if len(kinds) != 1:
            return self._mixed(attributes, tags, values)
        return self._uniform(*kinds.pop(), values)

    def _mixed(self, attributes: _Values, tags: _Values, values: _Values) -> pa.Array:
        import pyarrow as pa

        if self._blind and not self._texts.empty:
            return pa.array([v or None for v in values], pa.binary())
        handlers = self._handlers
        return pa.array(
            [(handlers(a, t)(v) or None) if v else None for a, t, v in zip(attributes, tags, values, strict=True)],
            pa.string(),
        )

    def _uniform(self, attributes: bytes, tag: bytes, values: _Values) -> pa.Array:
        import pyarrow as pa
        import pyarrow.compute as pc

        missing = b"" in values
        if self._blind and not (self._texts.empty and b'"s"' in attributes):
            return pa.array([bool(v) or None for v in values]) if missing else pa.repeat(True, len(values))
        stored = pa.array([v or None for v in values] if missing else values, pa.binary())
        kind, room = self._plain(attributes, tag)
        if kind == "text" and not self._special:
            cells = stored.cast(pa.string())
            if not tag.endswith(b'"preserve"') and tag != b"v":
                cells = pc.utf8_trim(cells, " \t\n")
            return pc.if_else(pc.equal(pc.binary_length(cells), 0), None, cells)
        if kind == "shared":
            shared = self._shared_texts()
            found = self._take(stored, shared)
            if found is not None:
                return found
        if kind == "date":
            found = _moments(stored, timed=bool(room))
            if found is not None:
                return found
        if kind == "number":
            return self._numbers(stored, room, self._handlers(attributes, tag))
        return _by_value(stored, self._handlers(attributes, tag))

    def _numbers(self, stored: pa.Array, room: int, handler: Callable[[bytes], str]) -> pa.Array:
        """Numbers of the General format: most are shown as they stand."""
        import pyarrow as pa
        import pyarrow.compute as pc

        try:
            cells = stored.cast(pa.string())
        except pa.ArrowInvalid:
            return _by_value(stored, handler)
        fits = pc.and_(pc.less_equal(pc.binary_length(cells), room), pc.match_substring_regex(cells, _PLAIN_NUMBER))
        fits = pc.and_(fits, pc.not_equal(cells, "-0"))
        odd = pc.invert(pc.fill_null(fits, fill_value=True))
        if not pc.any(odd).as_py():
            return cells
        return pc.replace_with_mask(cells, odd, _by_value(stored.filter(odd), handler))

    def _shared_texts(self) -> pa.Array | None:
        import pyarrow as pa

        if self._shared is None and len(self._texts) == len(self._texts.held):
            self._shared = pa.array(self._texts.held, pa.string())
        return self._shared

    def _take(self, stored: pa.Array, shared: pa.Array | None) -> pa.Array | None:
        import pyarrow as pa
        import pyarrow.compute as pc

        if shared is None:
            return None
        try:
            places = stored.cast(pa.string()).cast(pa.int64())
        except pa.ArrowInvalid:
            return None
        limits = pc.min_max(places)
        if limits["min"].as_py() is None or limits["min"].as_py() < 0 or limits["max"].as_py() >= len(shared):
            return None
        self._bytes += pc.sum(pc.binary_length(shared).take(places)).as_py() or 0
        if self._bytes > _MOST_BYTES:
            raise _TooLargeError
        cells = shared.take(places)
        return pc.if_else(pc.equal(pc.binary_length(cells), 0), None, cells) if self._texts.empty else cells


def _moments(stored: pa.Array, *, timed: bool) -> pa.Array | None:
    """Serials of the 1900 system in ISO form, all at once; None when some of them need a closer look.

    Args:
        stored: The serials.
        timed: Whether the time of day is shown.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        serials = stored.cast(pa.string()).cast(pa.float64())
    except pa.ArrowInvalid:
        return None
    limits = pc.min_max(serials)
    least, most = limits["min"].as_py(), limits["max"].as_py()
    if least is None or not (least >= 61 and most < LAST_DAY):
        return None
    noise = 2 if most < 1e5 else 12
    millis = pc.round(pc.multiply(serials, 86_400_000.0))
    apart = pc.abs(pc.subtract(pc.multiply(serials, 86_400_000_000.0), pc.multiply(millis, 1000.0)))
    if most >= 1e6 or pc.max(apart).as_py() > noise:
        return None
    units = pc.subtract(millis.cast(pa.int64()), _EPOCH_DAYS * 86_400_000)
    if not timed:
        days = pc.divide(units, 86_400_000)
        if not pc.all(pc.equal(pc.multiply(days, 86_400_000), units)).as_py():
            return None
        return days.cast(pa.int32()).cast(pa.date32()).cast(pa.string())
    seconds = pc.divide(units, 1000)
    if not pc.all(pc.equal(pc.multiply(seconds, 1000), units)).as_py():
        return None
    return seconds.cast(pa.timestamp("s")).cast(pa.string())


def _by_value(stored: pa.Array, handler: Callable[[bytes], str]) -> pa.Array:
    """Each different value is turned into text once."""
    import pyarrow as pa

    coded = stored.dictionary_encode()
    return pa.array([handler(v) or None for v in coded.dictionary.to_pylist()], pa.string()).take(coded.indices)


def whole_rows(numbers: list[int], columns: dict[int, pa.Array]) -> Block:
    """A block without the rows in which nothing stands."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    full = next((c for c in columns.values() if not c.null_count), None)
    if full is not None or not columns:
        return Block(numbers if columns else [], columns)
    filled = np.zeros(len(numbers), bool)
    for column in columns.values():
        filled |= pc.is_valid(column).to_numpy(zero_copy_only=False)
    if filled.all():
        return Block(numbers, columns)
    mask = pa.array(filled)
    kept = [n for n, keep in zip(numbers, filled.tolist(), strict=True) if keep]
    return Block(kept, {place: column.filter(mask) for place, column in columns.items()})


def letters_of(column: int) -> bytes:
    """A column's letters."""
    letters = b""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        letters = bytes([65 + rest]) + letters
    return letters
