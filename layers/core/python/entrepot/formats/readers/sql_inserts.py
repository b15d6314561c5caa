"""The rows of INSERT: simple ones by one pattern, the others value by value."""

from __future__ import annotations

import re
from collections.abc import Iterator

from entrepot.errors import SourceError
from entrepot.formats.readers import sql_statements as statements
from entrepot.formats.readers.sql_block import FEW, Block
from entrepot.formats.readers.sql_dialect import SQLSERVER, Dialect
from entrepot.formats.readers.sql_functions import of_kind
from entrepot.formats.readers.sql_plain import PlainRows
from entrepot.formats.readers.sql_rows import IncompleteError, Values, row_end
from entrepot.formats.readers.sql_stream import Window
from entrepot.formats.readers.sql_values import Cell, OpenValueError, simple_cell
from entrepot.formats.reading import BATCH_BYTES

_WORD = re.compile(rb"[A-Za-z\\]")
_TAIL = re.compile(rb"\s*(?:AS\s+\w+\s*)?(ON\s+CONFLICT|ON\s+DUPLICATE|RETURNING)\b", re.IGNORECASE)
_NOTHING = re.compile(rb"[^;']*\bDO\s+NOTHING\s*;?", re.IGNORECASE)
_NEAR = 4096


class Inserts:
    """Reads the rows that begin at a window's place.

    Args:
        window: The script's bytes.
        dialect: Whose SQL it is.
        encoding: Of its texts.
        cell_bytes: What a cell may have.
    """

    def __init__(self, window: Window, dialect: Dialect, encoding: str, cell_bytes: int) -> None:
        self.window = window
        self._dialect = dialect
        self._plain = PlainRows(dialect, encoding)
        self._most = min(cell_bytes, BATCH_BYTES)
        self._single = 0  # rows before this byte are read one by one

    def rows(self, width: int, head: bytes) -> Iterator[tuple[bytes, list[Cell] | OpenValueError] | Block]:
        """The rows of INSERT, each verbatim and as cells, or many at once, up to its end, which is passed too.

        Statements that follow and begin with the same letters are as one.

        Args:
            width: How many values a row should have.
            head: The statement up to its first row; empty when only its own rows are wanted.

        Raises:
            SourceError: A row never ends, or the statement does more than add rows.
        """
        window = self.window
        pattern, blanks, dialect = self._dialect.row(width), self._dialect.blanks, self._dialect
        plain = _Plain(dialect)
        while True:
            block = self._block(width, head)
            if block is not None:
                yield block
                continue
            match = pattern.match(window.data, window.pos)
            if match:
                raw = match[0]
                try:
                    cells: list[Cell] | OpenValueError = [plain(token) for token in match.groups()]
                except OpenValueError as error:
                    cells = error
                window.pos = match.end()
            else:
                raw, cells = self._slow_row()
            yield raw, cells
            if window.data[window.pos : window.pos + 1] != b",":
                window.skip(blanks)
                if window.data[window.pos : window.pos + 1] != b",":
                    break
            window.pos += 1
            if len(window.data) - window.pos < _NEAR:
                window.more()
        self._tail()

    def _block(self, width: int, head: bytes) -> Block | None:
        """Plain rows, which are passed; None where the next one is to be read by itself."""
        window = self.window
        if window.offset < self._single:
            return None
        window.ensure(statements.HEAD)
        rows, end = self._plain.run(window.data, window.pos, head)
        size = end - window.pos
        self._single = window.offset + size
        if (len(rows) < FEW and size < _NEAR * 8) or size > self._most:
            return None
        columns = self._plain.columns(rows, width)
        if columns is None:
            return None
        window.pos = end
        return Block(columns, len(rows), size)

    def _slow_row(self) -> tuple[bytes, list[Cell] | OpenValueError]:
        window = self.window
        while True:
            values = Values(self._dialect, window.data, window.pos)
            try:
                cells: list[Cell] | OpenValueError = values.row()
                end: int | None = values.pos
            except IncompleteError:
                end = None
            except OpenValueError as error:
                near = values.pos > len(window.data) - _NEAR and not window.ended
                end = None if near else row_end(self._dialect, window.data, window.pos)
                cells = error
            if end is not None:
                raw = window.data[window.pos : end]
                window.pos = end
                return raw.strip(), cells
            if not window.more():
                raise open_end(window.offset)

    def first_width(self) -> int:
        """How many values the row that begins here has; 0 when it cannot be read."""
        window = self.window
        while True:
            values = Values(self._dialect, window.data, window.pos)
            try:
                return len(values.row())
            except OpenValueError:
                return 0
            except IncompleteError:
                if not window.more():
                    return 0

    def _tail(self) -> None:
        """What follows the last row: the end, or what to do with rows that are there already."""
        window = self.window
        window.ensure(_NEAR)
        tail = _TAIL.match(window.data, window.pos)
        if tail:
            nothing = _NOTHING.match(window.data, window.pos)
            if not nothing:
                raise statements.refused(f"INSERT … {' '.join(tail[1].decode().upper().split())}", window.offset)
            window.pos = nothing.end()
        elif window.data[window.pos : window.pos + 1] == b";":
            window.pos += 1
        elif window.pos < len(window.data) and self._dialect.word != SQLSERVER:
            # Only SQL Server begins the next statement so; to look for this one's end would pass over its rows.
            raise SourceError(
                f"The INSERT that ends at byte {window.offset:,} has no semicolon before what follows.",
                hint="Write the script with a semicolon behind each statement, or say for which database it is.",
                reason="statement",
                offset=window.offset,
            )
        elif window.pos < len(window.data) and not _WORD.match(window.data, window.pos):
            raise open_end(window.offset)


def open_end(offset: int) -> SourceError:
    """The error for what begins at a byte and never ends."""
    return SourceError(
        f"What begins at byte {offset:,} of the script never ends.",
        hint="A quote or parenthesis is missing, or the script is cut short: send it again.",
        reason="truncated",
        offset=offset,
    )


class _Plain:
    """Simple values as cells; those that come often need no second look."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._escapes = dialect.escapes

    def __call__(self, token: bytes) -> Cell:
        if token[0] == 39:
            inner = token[1:-1]
            if b"'" not in inner and not (self._escapes and b"\\" in inner):
                return inner
        elif token.isdigit():
            return token
        elif token[:5].lower() == b"cast(":
            cell, _, kind = token[5:-1].rpartition(b" AS ") if b" AS " in token else token[5:-1].rpartition(b" as ")
            return of_kind(self(cell.strip()), kind.strip().lower())
        return simple_cell(token, self._dialect)
