"""Reads a chunk's records with pyarrow, proved against the record scan.

pyarrow parses; the scan of `entrepot.formats.scan` says how many records there are and where. If
their counts disagree the chunk is read by `entrepot.formats.cells`, slowly and by the letter.
Records that the grammar refuses never reach pyarrow.

A row with more cells than the header is accepted when the surplus cells are all empty and it has no
other empty cell that could be the one too many, or when most rows of the file end so (a trailing
delimiter loses nothing); a row with fewer is refused, since it may have been cut short.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from entrepot.formats.cells import cells
from entrepot.formats.encoding import is_utf8
from entrepot.formats.grammar import BAD_ENCODING, BLANK, GOOD, NUL, Grammar
from entrepot.formats.parsed import ParsedChunk, RecordBytes
from entrepot.formats.refusals import kind_finding, structural
from entrepot.formats.scan import Ints
from entrepot.model.findings import QuarantinedRow
from entrepot.model.source import Detection

if TYPE_CHECKING:
    import pyarrow as pa


def parse_records(source: RecordBytes, detection: Detection) -> ParsedChunk:
    """`parse_chunk` for delimited text."""
    grammar, width = Grammar.of(detection.dialect), len(detection.columns)
    is_text = source.data.isascii() or _is_text(source)
    if source.chunk.plain and is_text and source.data.find(b"\0") < 0:
        table, ragged = _read(source.data, grammar, width)
        if table is not None and table.num_rows + len(ragged) == source.chunk.records:
            good = np.arange(source.chunk.records, dtype=np.int64)
            return _assemble(source, grammar, table, ragged, good)
    return _parse_with_care(source, grammar, width, is_text=is_text)


def _parse_with_care(source: RecordBytes, grammar: Grammar, width: int, *, is_text: bool) -> ParsedChunk:
    """Reads what the scan vouches for; the rest is refused, record by record."""
    _mark_nuls(source)
    if not is_text:
        _mark_undecodable(source)
    table, ragged = _read(_good_bytes(source), grammar, width)
    kinds, first_row = source.records.kinds, source.chunk.first_row
    good = np.flatnonzero(kinds == GOOD).astype(np.int64)
    if table is None or table.num_rows + len(ragged) != len(good):
        table, ragged = _read_by_letter(source, grammar, width, good)
    parsed = _assemble(source, grammar, table, ragged, good)
    for i in np.flatnonzero(kinds > BLANK):
        told = kind_finding(int(kinds[i]), source.encoding)
        parsed.refused.append(source.quarantine(first_row + int(i), [told]))
    parsed.refused.sort(key=lambda r: r.row)
    parsed.blank += int(np.count_nonzero(kinds == BLANK))
    return parsed


def _assemble(source: RecordBytes, grammar: Grammar, table: pa.Table, ragged: list[_Ragged], good: Ints) -> ParsedChunk:
    """The parsed chunk of its good records; ``good`` holds their places among all."""
    rows = source.chunk.first_row + good
    if not ragged:
        return ParsedChunk(table, rows, [], source)
    numbers = [r.number for r in ragged]
    fate = _judge_ragged(source, grammar, table.num_columns, good[numbers])
    rows = np.delete(rows, numbers)
    if fate.kept:
        table, rows = _with_kept(table, rows, fate)
    return ParsedChunk(table, rows, fate.refused, source, fate.blank, sorted(fate.kept))


@dataclass(slots=True)
class _Ragged:
    """A row with a wrong number of cells: its place among the good records."""

    number: int


@dataclass(slots=True)
class _Fate:
    """What becomes of the ragged rows."""

    refused: list[QuarantinedRow]
    kept: dict[int, list[str | None]]
    """Row number → cells."""
    blank: int = 0


def _mark_nuls(source: RecordBytes) -> None:
    if source.data.find(b"\0") < 0:
        return
    at = np.flatnonzero(np.frombuffer(source.data, dtype=np.uint8) == 0)
    _mark(source, at, NUL)


def _mark(source: RecordBytes, at: Ints, kind: int) -> None:
    kinds = source.records.kinds
    index = np.unique(np.searchsorted(source.records.ends, at, side="right"))
    kinds[index[kinds[index] == GOOD]] = kind


def _is_text(source: RecordBytes) -> bool:
    import pyarrow as pa

    if not is_utf8(source.encoding):
        return False  # a byte may have no meaning in it
    try:
        pa.array([source.data], pa.binary()).cast(pa.string())
    except pa.ArrowInvalid:
        return False
    return True


def _mark_undecodable(source: RecordBytes) -> None:
    """Marks the records that hold bytes which are not text."""
    data, ends = source.data, source.records.ends
    pos = 0
    while pos < len(data):
        try:
            data[pos:].decode(source.encoding) if pos else data.decode(source.encoding)
        except UnicodeDecodeError as error:
            index = int(np.searchsorted(ends, pos + error.start, side="right"))
            _mark(source, np.array([pos + error.start]), BAD_ENCODING)
            pos = int(ends[index])
        else:
            return


def _good_bytes(source: RecordBytes) -> bytes:
    """The chunk as UTF-8, without the records that are refused already."""
    kinds, data = source.records.kinds, source.data
    bad = np.flatnonzero(kinds > BLANK)
    if len(bad):
        view, parts, pos = memoryview(data), [], 0
        for i in bad:
            parts.append(view[pos : int(source.starts[i])])
            pos = int(source.records.ends[i])
        parts.append(view[pos:])
        data = b"".join(parts)
    return data if is_utf8(source.encoding) else data.decode(source.encoding).encode()


def _read(data: bytes, grammar: Grammar, width: int) -> tuple[pa.Table | None, list[_Ragged]]:
    """One pass of pyarrow; no table when it will not do."""
    import pyarrow as pa
    import pyarrow.csv as pa_csv

    names = [f"c{i}" for i in range(width)]
    types = {name: pa.string() for name in names}
    if not grammar.quick(data, 0, len(data)) or data.startswith(codecs.BOM_UTF8):
        return None, []  # pyarrow knows no such dialect, and would drop a mark that is text here
    if not data or (data[0] in b"\r\n" and not data.strip(b"\r\n")):
        return pa.table({name: pa.array([], pa.string()) for name in names}), []
    delimiter = grammar.delimiter or _absent(data)
    if delimiter is None:
        return None, []
    ragged: list[_Ragged] = []

    def skip(row: pa_csv.InvalidRow) -> str:
        ragged.append(_Ragged(row.number - 1))
        return "skip"

    try:
        table = pa_csv.read_csv(
            pa.BufferReader(data),
            # One block: no record straddles two, and row numbers are exact.
            read_options=pa_csv.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=names),
            parse_options=pa_csv.ParseOptions(
                delimiter=delimiter.decode(),
                quote_char=grammar.quote.decode() if grammar.quote else False,
                double_quote=True,
                escape_char=grammar.escape.decode() if grammar.escape else False,
                newlines_in_values=True,
                ignore_empty_lines=True,
                invalid_row_handler=skip,
            ),
            convert_options=pa_csv.ConvertOptions(
                check_utf8=False,
                column_types=types,
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
            ),
        )
    except pa.ArrowInvalid:
        return None, []
    return (table if grammar.plain else _without_blanks(table)), ragged


def _without_blanks(table: pa.Table) -> pa.Table:
    """Cells without the blanks that belong to the delimiter before them."""
    import pyarrow.compute as pc

    for i, name in enumerate(table.column_names[1:], 1):
        cells = pc.utf8_ltrim(table.column(i), " \t")
        table = table.set_column(i, name, pc.if_else(pc.equal(cells, ""), None, cells))
    return table


def _absent(data: bytes) -> bytes | None:
    """A byte that is not in the data, to serve as the delimiter of a file without one; None if they all are."""
    return next((bytes([b]) for b in (1, 2, 3, 4, 5, 6, 7, 0x1F, 0x1E, 0x1D, 0x1C) if bytes([b]) not in data), None)


def _read_by_letter(source: RecordBytes, grammar: Grammar, width: int, good: Ints) -> tuple[pa.Table, list[_Ragged]]:
    import pyarrow as pa

    columns: list[list[str | None]] = [[] for _ in range(width)]
    ragged: list[_Ragged] = []
    for number, index in enumerate(good):
        found = _cells(source, int(index), grammar)
        if len(found) != width:
            ragged.append(_Ragged(number))
            continue
        for column, cell in zip(columns, found, strict=True):
            column.append(cell or None)
    return pa.table({f"c{i}": pa.array(c, pa.string()) for i, c in enumerate(columns)}), ragged


def _cells(source: RecordBytes, index: int, grammar: Grammar) -> list[str]:
    text = source.record(index).decode(source.encoding)
    return [cell.decode() for cell in cells(text.encode(), grammar)]


def _judge_ragged(source: RecordBytes, grammar: Grammar, width: int, indices: Ints) -> _Fate:
    fate = _Fate([], {})
    for index in indices:
        row = source.chunk.first_row + int(index)
        try:
            found = _cells(source, int(index), grammar)
        except UnicodeDecodeError:
            fate.refused.append(source.quarantine(row, [kind_finding(BAD_ENCODING, source.encoding)]))
            continue
        if len(found) > width and not any(found[width:]) and _only_behind(source, found, width):
            fate.kept[row] = [c or None for c in found[:width]]
        elif len(found) == 1 and not found[0].strip():
            fate.blank += 1
        else:
            fate.refused.append(source.quarantine(row, [structural("ragged", expected=width, actual=len(found))]))
    return fate


def _only_behind(source: RecordBytes, found: list[str], width: int) -> bool:
    """Whether the surplus empty cells of a row can only be those behind the others."""
    return source.trailing or all(found[:width]) or not any(found)


def _with_kept(table: pa.Table, rows: Ints, fate: _Fate) -> tuple[pa.Table, Ints]:
    import pyarrow as pa

    columns = list(zip(*fate.kept.values(), strict=True))
    more = pa.table({f"c{i}": pa.array(c, pa.string()) for i, c in enumerate(columns)})
    all_rows = np.concatenate((rows, np.fromiter(fate.kept, dtype=np.int64)))
    order = np.argsort(all_rows, kind="stable")
    return pa.concat_tables([table, more]).take(pa.array(order)), all_rows[order]
