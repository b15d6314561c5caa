"""Walks through a script statement by statement."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from dataclasses import dataclass

from entrepot.formats.readers import sql_statements as statements
from entrepot.formats.readers.sql_dialect import Dialect, identifiers
from entrepot.formats.readers.sql_inserts import Inserts, open_end
from entrepot.formats.readers.sql_plain import begins, statement_after
from entrepot.formats.readers.sql_stream import Window

_COPY_END = re.compile(rb"\\\.[ \t]*\r?(?:\n|\Z)")
_DELIMITER = re.compile(rb"DELIMITER[ \t]+(\S+)[^\n]*", re.IGNORECASE)
_BLANK_END = re.compile(rb"\s*+\Z")
_BATCH_END = re.compile(rb"GO(?:[ \t]+\d+)?[ \t]*\r?(?:\n|\Z)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows that begin here: of INSERT, or of COPY.

    Attributes:
        head: An INSERT up to its first row, when any that begins so is one of the same table and columns; else empty.
    """

    table: str
    columns: list[str] | None
    copied: bool
    start: int
    head: bytes = b""


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
        encoding: Of its letters.
        cell_bytes: What a cell may have.
    """

    def __init__(self, window: Window, dialect: Dialect, encoding: str, cell_bytes: int) -> None:
        self.window = window
        self._dialect = dialect
        self._encoding = encoding
        self._last = Rows("", None, copied=False, start=0)
        self.inserts = Inserts(window, dialect, encoding, cell_bytes)

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
                raise open_end(start)

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
        if begins(data, pos, self._last.head):
            event = dataclasses.replace(self._last, start=window.offset)
            window.pos += len(event.head)
            return event
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
        again = b"" if copied or statements.is_keyword(head["name"]) else head[0]
        event = Rows(statements.table_name(head["name"], self._encoding), columns, copied, start, again)
        if statements.is_system(head["name"]):
            self.pass_rows(event)
            return None
        if again:
            self._last = event
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
            if (end > len(window.data) - 16 or _BLANK_END.match(window.data, end)) and window.more():
                continue
            held.append(window.data[before:end])
            window.pos = end
            if end == before or end >= len(window.data):
                break
        if window.data[window.pos : window.pos + 1] == b";":
            window.pos += 1
        elif window.pos < len(window.data) and window.data[window.pos : window.pos + 1] != b"\n":
            raise open_end(start)
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

    def pass_rows(self, event: Rows, *, alike: bool = True) -> None:
        """Passes over rows.

        Args:
            event: Where they are.
            alike: Also over those of the statements that follow and begin with the same letters.

        Raises:
            SourceError: They never end.
        """
        window = self.window
        if event.copied:
            for _ in self.copied_lines():
                pass
            return
        start, head = event.start, event.head if alike else b""
        while True:
            if not window.pass_body(self._dialect.body):
                raise open_end(start)
            window.pos += window.data[window.pos : window.pos + 1] == b";"
            if not head:
                return
            # Statements of one row each would be too many events.
            if len(window.data) - window.pos < statements.HEAD:
                window.ensure(statements.HEAD)
            place = statement_after(window.data, window.pos)
            if not begins(window.data, place, head):
                return
            window.pos = place + len(head)
            start = window.offset - len(head)

    def copied_lines(self) -> Iterator[bytes]:
        r"""The lines of COPY's data, many together and each with its end, up to ``\.``, which is passed too.

        Raises:
            SourceError: They never end.
        """
        window = self.window
        while True:
            found = self._copy_end()
            if found and (found.end() < len(window.data) or not window.more()):
                lines = window.data[window.pos : found.start()]
                window.pos = found.end()
                yield lines
                return
            if found:
                continue
            last = window.data.rfind(b"\n", window.pos) + 1
            if last > window.pos:
                lines = window.data[window.pos : last]
                window.pos = last
                yield lines
            if not window.more():
                raise open_end(window.offset)

    def _copy_end(self) -> re.Match[bytes] | None:
        """The line that ends COPY's data, if it is at hand."""
        data, pos = self.window.data, self.window.pos
        found = _COPY_END.match(data, pos)
        while found is None:
            pos = data.find(b"\n\\.", pos) + 1
            if not pos:
                return None
            found = _COPY_END.match(data, pos)
        return found
