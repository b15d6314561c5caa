"""COPY's text format: lines of cells with tabs between them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from entrepot.formats.readers.sql_block import FEW, UTF8, Block, parsed
from entrepot.formats.readers.sql_values import Cell
from entrepot.formats.reading import BATCH_BYTES

if TYPE_CHECKING:
    import pyarrow as pa

_ESCAPE = re.compile(rb"\\(?:([0-7]{1,3})|x([0-9A-Fa-f]{1,2})|(.))", re.DOTALL)
_LETTERS = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}
_OTHER_THAN_NULL = re.compile(rb"\\(?:(?!N[\t\n])|(?<![\t\n]\\))")


def copied_row(line: bytes) -> list[Cell]:
    r"""The cells of one line: tabs between them, ``\N`` for null, escapes by backslash."""
    cells: list[Cell] = list(line.removesuffix(b"\r").split(b"\t"))
    if b"\\" not in line:
        return cells
    return [None if c == b"\\N" else _unescaped(c) if c and b"\\" in c else c for c in cells]


def _unescaped(cell: bytes) -> bytes:
    return _ESCAPE.sub(_letter, cell)


def _letter(match: re.Match[bytes]) -> bytes:
    octal, hexadecimal, letter = match.groups()
    if octal or hexadecimal:
        return bytes([int(octal, 8) & 255 if octal else int(hexadecimal, 16)])
    return _LETTERS.get(letter, letter)


def copied_rows(lines: bytes, encoding: str, width: int, cell_bytes: int) -> Block | None:
    """Many lines at once, with the same cells; None when they are to be read one by one.

    Args:
        lines: Whole ones, each with its end.
        encoding: Of the texts: UTF-8, or one byte a letter.
        width: How many cells each line should have.
        cell_bytes: What a cell may have.
    """
    rows, size = lines.count(b"\n"), len(lines)
    if rows < FEW or size > min(cell_bytes, BATCH_BYTES):
        return None
    if b"\r" in lines:
        if lines.count(b"\r") != lines.count(b"\r\n"):
            return None
        lines = lines.replace(b"\r\n", b"\n")
    if width > 1 and (lines.startswith(b"\n") or b"\n\n" in lines):
        return None  # an empty line would pass for a row of empty cells
    escaped = _OTHER_THAN_NULL.search(lines) is not None
    if escaped and encoding not in UTF8:
        return None  # an escape may be of a byte that is a letter in that encoding
    columns = parsed(lines, encoding, width, rows, binary=escaped)
    if columns is not None and escaped:
        columns = _texts(columns)
    return None if columns is None else Block(columns, rows, size)


def _texts(columns: list[pa.Array]) -> list[pa.Array] | None:
    """Columns of texts whose escapes are resolved; None when one is no UTF-8 then."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = []
    try:
        for column in columns:
            escaped = pc.fill_null(pc.match_substring(column, "\\"), False)
            cells = [_unescaped(cell) for cell in column.filter(escaped).to_pylist()]
            whole = pc.replace_with_mask(column, escaped, pa.array(cells, pa.binary())) if cells else column
            found.append(whole.cast(pa.string()))
    except pa.ArrowInvalid:
        return None
    return found
