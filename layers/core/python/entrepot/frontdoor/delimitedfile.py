"""Delimited text, row by row as `convert` writes it: what keeps to the dialect as it is, the rest put in order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

import numpy as np

from entrepot.errors import SourceError, UsageError
from entrepot.formats.encoding import needs_pieces, piece_detection, rows_of, to_utf8
from entrepot.formats.kinds import ColumnKinds
from entrepot.formats.mend import AS_IT_STANDS, DELIMITER, LONG, MOVED, QUOTES, SHORT, Mended, Mender
from entrepot.formats.parsed import ParsedChunk
from entrepot.formats.split import Splitter
from entrepot.formats.text import parse_chunk
from entrepot.model.findings import QuarantinedRow
from entrepot.model.source import Chunk, Detection

if TYPE_CHECKING:
    import pyarrow as pa

CHUNK_BYTES = 16 << 20
_BLOCK = 4 << 20
_LEARNED = 400
_MOST_ROWS = 20_000
_FEW_ROWS = 64
"""Rows between odd ones up to which they go with them."""
_TOLD = 5
"""Row numbers that a doubt names."""

Rows = list[list[str | None]]

_WORDS = {
    QUOTES: "had quotes that are not closed or not doubled; they were read as text",
    DELIMITER: "had another delimiter than the rest and were parted by that",
    MOVED: "had a delimiter too many or too few; their cells were put under the columns that they fit",
    SHORT: "had fewer cells than the table has columns; empty cells stand in for the rest",
    LONG: "had more cells than the table has columns; all of them were kept",
}


@dataclass(slots=True)
class Oddities:
    """What was done to rows that do not keep to the dialect."""

    counts: Counter[str] = field(default_factory=Counter)
    first: dict[str, list[int]] = field(default_factory=dict)

    def add(self, how: str, row: int) -> None:
        """Counts one row."""
        if how != AS_IT_STANDS:
            self.counts[how] += 1
            if len(named := self.first.setdefault(how, [])) < _TOLD:
                named.append(row)

    def doubts(self) -> list[str]:
        """What was done, in words, with the numbers of the first rows."""
        found = []
        for how, count in self.counts.items():
            rows = ", ".join(map(str, self.first[how])) + (" …" if count > len(self.first[how]) else "")
            found.append(f"{count} rows {_WORDS[how]}: {rows}.")
        return found


class DelimitedFile:
    """A detected source of delimited text or JSON Lines, open.

    Args:
        file: Seekable; stays the caller's.
        detection: What `detect_source` found in it.
        table: The place of the table that is read, from 0.

    Raises:
        UsageError: It has no such table.
    """

    def __init__(self, file: IO[bytes], detection: Detection, table: int = 0) -> None:
        self.file = file
        self.detection = of_table(detection, table)
        self.as_read = piece_detection(self.detection) if needs_pieces(self.detection) else self.detection
        self.odd = Oddities()

    def header(self) -> list[list[str]]:
        """The header's cells as they stand in the file, several rows joined; no row when it has no header."""
        if self.detection.format == "jsonl":
            return [self.detection.columns]
        header = header_cells(self.detection)
        return [header] if header else []

    def chunks(self, chunk_bytes: int = CHUNK_BYTES) -> Iterator[tuple[Chunk, bytes]]:
        """The table's chunks with their bytes, one at a time in memory.

        Raises:
            SourceError: A record is longer than allowed.
        """
        splitter = Splitter(self.as_read, chunk_bytes)
        held, base = bytearray(), splitter.state.offset
        for block in self._blocks():
            held += block
            for chunk in splitter.feed(block):
                yield chunk, _taken(held, chunk.end - base)
                base = chunk.end
        for chunk in splitter.finish():
            yield chunk, _taken(held, chunk.end - base)
            base = chunk.end

    def _blocks(self) -> Iterator[bytes]:
        self.file.seek(self.detection.data_start)
        raw = rows_of(self._raw(), self.detection)
        return to_utf8(raw, self.detection.encoding) if needs_pieces(self.detection) else raw

    def _raw(self) -> Iterator[bytes]:
        end, at = self.detection.data_end, self.detection.data_start
        while block := self.file.read(_BLOCK):
            yield block
            at += len(block)
            if end and at >= end:
                return

    def rows(self) -> Iterator[Rows]:
        """`blocks` as lists of cells, some thousands of rows at a time.

        Raises:
            SourceError: As `blocks`.
        """
        for block in self.blocks():
            if isinstance(block, list):
                yield block
            else:
                yield from _lists(block)

    def blocks(self) -> Iterator[pa.Table | Rows]:
        """All rows, blank ones left out: tables of those that keep to the dialect, and lists of the odd ones between.

        Odd rows are put in order and counted in ``odd``; only they may have more cells than the table has columns.

        Raises:
            SourceError: A row holds bytes that are not text, or is longer than allowed.
        """
        mender: Mender | None = None
        for chunk, data in self.chunks():
            parsed = parse_chunk(data, self.as_read, chunk)
            if not parsed.refused and not parsed.narrowed:
                yield parsed.table
                continue
            if mender is None:
                mender = self._mender(parsed)
            yield from self._with_odd(parsed, mender)

    def _mender(self, parsed: ParsedChunk) -> Mender:
        width = len(self.detection.columns)
        odd = set(parsed.narrowed)
        near = zip(parsed.rows[: 2 * _LEARNED].tolist(), _first(parsed.table, 2 * _LEARNED), strict=False)
        good = [[c or "" for c in row] for number, row in near if number not in odd][:_LEARNED]
        return Mender(self.as_read.dialect, width, ColumnKinds.of(good, width))

    def _with_odd(self, parsed: ParsedChunk, mender: Mender) -> Iterator[pa.Table | Rows]:
        """A chunk's rows in their order, the odd ones among the rest."""
        odd: dict[int, Rows] = {q.row: self._mended(q, mender) for q in parsed.refused}
        for row in parsed.narrowed:
            odd[row] = [self._told(mender.mend(self._text(parsed, row)), row)]
        numbers = sorted(odd)
        places = np.searchsorted(parsed.rows, np.array(numbers, dtype=np.int64)).tolist()
        at = 0
        narrowed = set(parsed.narrowed)
        run: Rows = []
        for number, place in zip(numbers, places, strict=True):
            between = parsed.table.slice(at, place - at)
            if len(between) > _FEW_ROWS or len(run) >= _MOST_ROWS:
                yield from filter(len, (run, between))
                run = []
            elif len(between):
                # A table of a few rows costs more than the rows.
                run += _first(between, _FEW_ROWS)
            run += odd[number]
            at = place + (number in narrowed)
        if run:
            yield run
        yield parsed.table.slice(at)

    def _text(self, parsed: ParsedChunk, row: int) -> str:
        return parsed.raw(row)[1].decode(parsed.source.encoding)

    def _told(self, mended: Mended, row: int) -> list[str | None]:
        self.odd.add(mended.how, row)
        return list(mended.cells)

    def _mended(self, refused: QuarantinedRow, mender: Mender) -> Rows:
        if refused.raw_base64 or refused.findings[0].code not in {"ragged", "unclosed_quote", "bad_quote", "nul"}:
            raise SourceError(
                f"Row {refused.row} cannot be read: {refused.findings[0].message}",
                hint=refused.findings[0].action or "Mend the row; `entrepot inspect` counts such rows.",
                reason=refused.findings[0].code,
                row=refused.row,
            )
        whole = mender.mend(refused.raw)
        lines = refused.raw.splitlines()
        if len(lines) > 1 and whole.how in {SHORT, LONG, MOVED}:
            # A quote that nobody closed has taken the next lines in.
            single = [mender.mend(line) for line in lines]
            if all(s.how in {AS_IT_STANDS, QUOTES} for s in single):
                return [self._told(s, refused.row) for s in single]
        return [self._told(whole, refused.row)]


def _taken(held: bytearray, count: int) -> bytes:
    with memoryview(held) as view:
        taken = bytes(view[:count])
    del held[:count]
    return taken


def of_table(detection: Detection, table: int) -> Detection:
    """The detection of one of a source's tables.

    Args:
        detection: Of the source; its first table.
        table: The place of the table, from 0.

    Raises:
        UsageError: There is no such table.
    """
    if not table:
        return detection
    if not 0 < table <= len(detection.tables):
        raise UsageError(f"There is no table {table} in it.", hint=f"It has {1 + len(detection.tables)}.")
    part = detection.tables[table - 1]
    dialect = detection.dialect.model_copy(
        update={"header_rows": part.header_rows, "skip_rows": part.skip_rows, "footnotes": 0}
    )
    return detection.model_copy(
        update={
            "dialect": dialect,
            "columns": part.columns,
            "header": part.header,
            "data_start": part.data_start,
            "data_end": part.data_end,
            "first_row": part.first_row,
            "place": table,
            "tables": [],
        }
    )


def header_cells(detection: Detection) -> list[str]:
    """The header's cells as they stand, several rows joined; none when there is no header."""
    return (detection.header or detection.columns) if detection.dialect.header_rows else []


def table_names(detection: Detection, stem: str) -> list[str]:
    """What the tables of a source are called: by its stem, further ones with their number."""
    return [stem, *(f"{stem} ({n})" for n in range(2, len(detection.tables) + 2))]


def _lists(table: pa.Table) -> Iterator[Rows]:
    for batch in table.to_batches(max_chunksize=_MOST_ROWS):
        if batch.num_rows:
            yield [list(row) for row in zip(*(c.to_pylist() for c in batch.columns), strict=True)]


def _first(table: pa.Table, count: int) -> Rows:
    return [row for rows in _lists(table.slice(0, count)) for row in rows]
