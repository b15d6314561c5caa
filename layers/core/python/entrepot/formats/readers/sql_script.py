"""Walks through a script statement by statement."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from entrepot.errors import SourceError
from entrepot.formats.readers import sql_statements as statements
from entrepot.formats.readers.sql_dialect import Dialect, identifiers
from entrepot.formats.readers.sql_functions import of_kind
from entrepot.formats.readers.sql_rows import IncompleteError, Values, row_end
from entrepot.formats.readers.sql_stream import Window
from entrepot.formats.readers.sql_values import Cell, OpenValueError, simple_cell

_COPY_END = re.compile(rb"(?:^|(?<=\n))\\\.[ \t]*\r?(?:\n|\Z)", re.MULTILINE)
_DELIMITER = re.compile(rb"DELIMITER[ \t]+(\S+)[^\n]*", re.IGNORECASE)
_BATCH_END = re.compile(rb"GO(?:[ \t]+\d+)?[ \t]*\r?(?:\n|\Z)", re.IGNORECASE)
_WORD = re.compile(rb"[A-Za-z\\]")
_TAIL = re.compile(rb"\s*(?:AS\s+\w+\s*)?(ON\s+CONFLICT|ON\s+DUPLICATE|RETURNING)\b", re.IGNORECASE)
_NOTHING = re.compile(rb"[^;']*\bDO\s+NOTHING\s*;?", re.IGNORECASE)
_NEAR = 4096


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows that begin here: of INSERT, or of COPY."""

    table: str
    columns: list[str] | None
    copied: bool
    start: int


@dataclass(frozen=True, slots=True)
class Emptied:
    """Tables that lose their rows here."""

    tables: list[str]
    what: str


Event = Rows | Emptied | statements.Declared


class Script:
    """A script that is walked through.

    Args:
        window: Its bytes.
        dialect: Whose SQL it is.
        encoding: Of its names.
    """

    def __init__(self, window: Window, dialect: Dialect, encoding: str) -> None:
        self.window = window
        self._dialect = dialect
        self._encoding = encoding

    def events(self) -> Iterator[Event]:
        """What the statements have, to the end; rows that nobody reads are passed over.

        Raises:
            SourceError: A statement is not one of those that are allowed, or never ends.
        """
        window = self.window
        while True:
            window.skip(self._dialect.blanks)
            window.ensure(statements.HEAD)
            if window.pos >= len(window.data):
                return
            start = window.offset
            event = self._statement()
            if event is None:
                continue
            place = window.offset
            yield event
            if isinstance(event, Rows) and window.offset == place:
                self.pass_rows(event)
            if window.offset <= start:
                raise self._open_end(start)

    def _statement(self) -> Event | None:
        window, data, pos = self.window, self.window.data, self.window.pos
        first = data[pos : pos + 1]
        if first == b";":
            window.pos += 1
            return None
        if first == b"\\":
            end = data.find(b"\n", pos)
            window.pos += statements.meta_end(data[pos : end if end >= 0 else len(data)], window.offset)
            return None
        found = _BATCH_END.match(data, pos)
        if found:
            window.pos = found.end()
            return None
        delimiter = _DELIMITER.match(data, pos)
        if delimiter:
            window.pos = delimiter.end()
            return self._delimited(delimiter[1])
        insert = statements.INSERT.match(data, pos)
        if insert:
            return self._rows(insert, copied=False)
        copy = statements.COPY.match(data, pos)
        if copy:
            self._plain_copy(copy)
            return self._rows(copy, copied=True)
        start = window.offset
        return self._other(self._text(), start)

    def _rows(self, head: re.Match[bytes], *, copied: bool) -> Event | None:
        window, start = self.window, self.window.offset
        listed = head[2]
        columns = [c.decode(self._encoding, "replace") for c in identifiers(listed)] if listed else None
        window.pos = head.end()
        event = Rows(statements.table_name(head["name"], self._encoding), columns, copied, start)
        if statements.is_system(head["name"]):
            self.pass_rows(event)
            return None
        return event

    def _plain_copy(self, head: re.Match[bytes]) -> None:
        options = head["options"].strip().lower()
        if options and not re.fullmatch(rb"(?:with\s*)?\(?\s*(?:format\s+)?'?text'?\s*\)?", options):
            raise statements.refused("COPY with options", self.window.offset)

    def _text(self) -> bytes:
        """The statement up to its end, which is passed too."""
        window = self.window
        start, held = window.offset, []
        while True:
            before = window.pos
            match = self._dialect.body.match(window.data, window.pos)
            end = match.end() if match else before
            if end > len(window.data) - 16 and window.more():
                continue
            held.append(window.data[before:end])
            window.pos = end
            if end == before or end >= len(window.data):
                break
        if window.data[window.pos : window.pos + 1] == b";":
            window.pos += 1
        elif window.pos < len(window.data) and window.data[window.pos : window.pos + 1] != b"\n":
            raise self._open_end(start)
        return b"".join(held)

    def _delimited(self, mark: bytes) -> Event | None:
        """Statements between DELIMITER and the next: routines and triggers, each refused by its name."""
        if mark == b";":
            return None
        window = self.window
        window.skip(self._dialect.blanks)
        window.ensure(statements.HEAD)
        end = window.data.find(mark, window.pos)
        text = window.data[window.pos : end if end >= 0 else len(window.data)]
        again = _DELIMITER.match(text)
        if again:
            window.pos += again.end()
            return self._delimited(again[1])
        window.pos += len(text) + len(mark) * (end >= 0)
        if self._other(text, window.offset) is not None:
            raise statements.refused("a table after DELIMITER", window.offset)
        return self._delimited(mark) if end >= 0 and window.pos < len(window.data) else None

    def _other(self, text: bytes, start: int) -> Event | None:
        if statements.is_creation(text):
            created = statements.created(text, self._encoding)
            if created is None and re.search(rb"\bAS\b\s*\(?\s*(?:SELECT|TABLE|VALUES|WITH)\b", text, re.IGNORECASE):
                raise statements.refused("CREATE TABLE AS SELECT", start)
            return created
        words = statements.simple(text)
        emptied = statements.emptied(words)
        if emptied:
            return Emptied(emptied, words.split(" ")[0].upper())
        if not statements.may_be_ignored(words):
            raise statements.refused(statements.name_of(words), start)
        return None

    def pass_rows(self, event: Rows) -> None:
        """Passes over rows.

        Raises:
            SourceError: They never end.
        """
        window = self.window
        if event.copied:
            for _ in self.copied_lines():
                pass
            return
        if not window.pass_body(self._dialect.body):
            raise self._open_end(event.start)
        window.pos += window.data[window.pos : window.pos + 1] == b";"

    def copied_lines(self) -> Iterator[list[bytes]]:
        r"""The lines of COPY's data, many together, up to ``\.``, which is passed too.

        Raises:
            SourceError: They never end.
        """
        window = self.window
        while True:
            found = _COPY_END.search(window.data, window.pos)
            if found and (found.end() < len(window.data) or not window.more()):
                lines = window.data[window.pos : found.start()].split(b"\n")[:-1]
                window.pos = found.end()
                yield lines
                return
            if found:
                continue
            last = window.data.rfind(b"\n", window.pos) + 1
            if last > window.pos:
                lines = window.data[window.pos : last].split(b"\n")[:-1]
                window.pos = last
                yield lines
            if not window.more():
                raise self._open_end(window.offset)

    def inserted_rows(self, width: int) -> Iterator[tuple[bytes, list[Cell] | OpenValueError]]:
        """The rows of INSERT, each verbatim and as cells, up to its end, which is passed too.

        Args:
            width: How many values a row should have.

        Raises:
            SourceError: A row never ends, or the statement does more than add rows.
        """
        window = self.window
        pattern, blanks, dialect = self._dialect.row(width), self._dialect.blanks, self._dialect
        plain = _Plain(dialect)
        while True:
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
                raise self._open_end(window.offset)

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
        elif window.pos < len(window.data) and not _WORD.match(window.data, window.pos):
            raise self._open_end(window.offset)

    def _open_end(self, offset: int) -> SourceError:
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
