"""SQL dumps and scripts: tables and their rows, parsed and never run."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

from entrepot.detect.encoding import find_encoding, stated_encoding
from entrepot.detect.header import column_names
from entrepot.errors import SourceError
from entrepot.formats.encoding import codec_name, cut_by_bytes, is_utf8, to_utf8
from entrepot.formats.readers import sql_statements as statements
from entrepot.formats.readers.sql_block import Block
from entrepot.formats.readers.sql_cells import Cells
from entrepot.formats.readers.sql_copied import copied_row, copied_rows
from entrepot.formats.readers.sql_dialect import Dialect, dialect, dialect_of
from entrepot.formats.readers.sql_script import Emptied, Rows, Script
from entrepot.formats.readers.sql_stream import Window
from entrepot.formats.readers.sql_types import declared_field
from entrepot.formats.reading import Batch, Reader, ReadOptions, Table

if TYPE_CHECKING:
    import pyarrow as pa

_SPANS = 50_000
"""Places of rows that are remembered; beyond, each table's are one span with others' rows in between."""
_SAMPLE = 256 << 10
_CHARSET = re.compile(rb"(?:client_encoding\s*=\s*|SET\s+NAMES\s+)'?([\w-]+)'?", re.IGNORECASE)
_CHARSETS = {"utf8": "utf-8", "utf8mb4": "utf-8", "utf8mb3": "utf-8", "latin1": "cp1252", "win1252": "cp1252"}


@dataclass(slots=True)
class _Found:
    """One table of the script."""

    name: str
    declared: list[tuple[str, str]] | None = None
    columns: list[str] = field(default_factory=list)
    width: int = 0
    spans: list[tuple[int, int]] = field(default_factory=list)

    def add(self, start: int, end: int, *, joined: bool) -> None:
        if self.spans and joined:
            start = self.spans.pop()[0]
        self.spans.append((start, end))

    @property
    def names(self) -> list[str]:
        own = [name for name, _ in self.declared or []]
        known = {name.lower() for name in own}
        more = []
        for name in self.columns:
            if name.lower() not in known:
                more.append(name)
                known.add(name.lower())
        return own + more if own or more else [f"column_{i + 1}" for i in range(self.width)]


class DumpReader:
    """An open script; see `entrepot.formats.reading.Reader`.

    Args:
        file: Seekable.
        options: Its encoding and limits.
    """

    format = "sql"

    def __init__(self, file: IO[bytes], options: ReadOptions) -> None:
        self._limits = options.limits
        self.doubts: list[str] = []
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        head = file.read(_SAMPLE)
        self.encoding, mark = self._encoding(file, head, size, options.encoding)
        self._file, self._start, self._letters = file, mark, self.encoding.removesuffix("-sig")
        if not cut_by_bytes(self.encoding):
            self._file, self._start, self._letters = (
                _as_utf8(file, mark, self.encoding, self._limits.expanded_bytes),
                0,
                "utf-8",
            )
        self._file.seek(self._start)
        head = self._file.read(_SAMPLE)
        if re.search(rb"standard_conforming_strings\s*=\s*'?off", head, re.IGNORECASE):
            raise statements.refused("standard_conforming_strings = off", 0)
        self._dialect: Dialect = dialect(dialect_of(head))
        self.doubts.append(f"Read as SQL of {self._dialect.word}.")
        self._found = self._index()
        self._tables = [self._table(found) for found in self._found]

    def _encoding(self, file: IO[bytes], head: bytes, size: int, stated: str | None) -> tuple[str, int]:
        if stated:
            return stated_encoding(stated, head)
        said = _CHARSET.search(head)
        word = said[1].decode().lower() if said else ""
        known = _CHARSETS.get(word, word.replace("win", "cp") if word.startswith("win") else word)
        name, mark, doubts = find_encoding(head, lambda start, end: _part(file, start, end), size)
        if said and not mark and not is_utf8(name) and not name.startswith("utf-16"):
            try:
                return codec_name(known), 0
            except SourceError:
                pass
        self.doubts += doubts
        return name, mark

    def _script(self, start: int) -> Script:
        most = 2 * self._limits.cell_bytes + (1 << 20)
        window = Window(self._file, start, most)
        return Script(window, self._dialect, self._letters, self._limits.cell_bytes)

    def _index(self) -> list[_Found]:
        """Walks through all of it once: which tables there are, and where their rows lie."""
        found: dict[str, _Found] = {}
        script, last, spans = self._script(self._start), "", 0
        for event in script.events():
            if isinstance(event, Emptied):
                self._refuse_emptied(event, found, script)
                continue
            table = found.setdefault(event.name if isinstance(event, statements.Declared) else event.table, _Found(""))
            if isinstance(event, statements.Declared):
                table.name = event.name
                table.declared = event.columns if table.declared is None else table.declared
            else:
                table.name = event.table
                self._note_columns(script, table, event)
                # A first row that cannot be read tells no width; the next statement may.
                known = event.columns is not None or bool(table.declared or table.width)
                script.pass_rows(event, alike=known)
                joined = last == table.name or spans > _SPANS
                spans += not joined
                table.add(event.start, script.window.offset, joined=joined)
                last = table.name
            self._check(found, table)
        if not found:
            raise SourceError("The script has no table.", hint="It has neither CREATE TABLE nor rows.", reason="empty")
        return list(found.values())

    def _refuse_emptied(self, event: Emptied, found: dict[str, _Found], script: Script) -> None:
        for name in event.tables:
            if name in found and found[name].spans:
                raise statements.refused(f"{event.what} of a table that has rows", script.window.offset)

    def _note_columns(self, script: Script, table: _Found, event: Rows) -> None:
        if event.columns is not None:
            known = set(table.columns)
            table.columns += [c for c in event.columns if c not in known]
        elif not table.declared and not table.width:
            table.width = _width(script, event)

    def _check(self, found: dict[str, _Found], table: _Found) -> None:
        if len(found) > self._limits.tables:
            raise SourceError(
                "The script has too many tables.", hint=f"{self._limits.tables:,} may be.", reason="tables"
            )
        if max(len(table.columns), len(table.declared or []), table.width) > self._limits.columns:
            raise SourceError(
                f"A table has more than {self._limits.columns:,} columns.", hint="Send fewer.", reason="columns"
            )

    def _table(self, found: _Found) -> Table:
        import pyarrow as pa

        names, doubts = column_names(found.names, len(found.names))
        kinds = {name.lower(): kind for name, kind in found.declared or []}
        fields: list[pa.Field] = [
            declared_field(name, kinds.get(own.lower(), "")) for name, own in zip(names, found.names, strict=True)
        ]
        return Table(
            name=found.name,
            schema=pa.schema(fields),
            header=found.names,
            rows=None if found.spans else 0,
            weight=sum(end - start for start, end in found.spans) / 8,
            doubts=doubts,
        )

    def tables(self) -> list[Table]:
        """All tables, in the order in which they are first named."""
        return self._tables

    def batches(self, table: int) -> Iterator[Batch]:
        """The rows of a table; see `entrepot.formats.reading.Reader`.

        Raises:
            SourceError: A row calls a function, a cell is too large, or the script breaks off.
        """
        found = self._found[table]
        cells = Cells(self._tables[table].schema, self._letters, self._limits)
        places = {name.lower(): i for i, name in enumerate(found.names)}
        script = self._script(self._start)
        for start, end in found.spans:
            script.window.seek(start)
            for event in script.events():
                if isinstance(event, Rows) and event.start >= end:
                    break  # rows that were passed may have led beyond the span, and what follows has its own
                if isinstance(event, Rows) and event.table == found.name:
                    width = len(found.declared or []) or len(places)
                    own = list(range(width)) if event.columns is None else _places(event, places)
                    yield from self._rows(script, event, cells, own)
                if script.window.offset >= end:
                    break
        yield from cells.rest()

    def _rows(self, script: Script, event: Rows, cells: Cells, places: list[int]) -> Iterator[Batch]:
        if event.copied:
            yield from self._copied(script, cells, places)
            return
        for found in script.inserts.rows(len(places), event.head):
            if isinstance(found, Block):
                yield from cells.add_block(found, places)
                continue
            cells.add(*found, places)
            if cells.full:
                yield cells.batch()

    def _copied(self, script: Script, cells: Cells, places: list[int]) -> Iterator[Batch]:
        for lines in script.copied_lines():
            block = copied_rows(lines, self._letters, len(places), self._limits.cell_bytes)
            if block is not None:
                yield from cells.add_block(block, places)
                continue
            for line in lines.split(b"\n")[:-1]:
                cells.add(line, copied_row(line), places)
                if cells.full:
                    yield cells.batch()


def _places(event: Rows, places: dict[str, int]) -> list[int]:
    """Which of the table's columns each value of a row is of."""
    found = [places.get(name.lower(), -1) for name in event.columns or []]
    if -1 in found:
        raise SourceError(
            f"The rows at byte {event.start:,} name a column that was not there when the script was looked at.",
            hint="Send it again; it may have changed meanwhile.",
            reason="changed",
            offset=event.start,
        )
    return found


def _part(file: IO[bytes], start: int, end: int) -> bytes:
    file.seek(start)
    return file.read(end - start)


def _width(script: Script, event: Rows) -> int:
    """How many values the first row has; the window stays where it is."""
    window = script.window
    if event.copied:
        window.ensure(statements.HEAD)
        end = window.data.find(b"\n", window.pos)
        return window.data[window.pos : end].count(b"\t") + 1
    return script.inserts.first_width()


def _as_utf8(file: IO[bytes], mark: int, encoding: str, limit: int) -> IO[bytes]:
    """A copy on disk in UTF-8, for encodings whose bytes are not those of their letters."""
    copy = tempfile.TemporaryFile(prefix="entrepot-")  # noqa: SIM115 - it lives as long as the reader
    file.seek(mark)
    for block in to_utf8(iter(lambda: file.read(1 << 20), b""), encoding):
        copy.write(block)
        if copy.tell() > limit:
            raise SourceError("The script is too large.", hint="Send it in parts.", reason="expanded_bytes")
    return copy


def open_dump(file: IO[bytes], name: str, options: ReadOptions) -> Reader:
    """Opens a script; see `entrepot.formats.reading.Opener`.

    Raises:
        SourceError: It has no table, or a statement that is not one of those which are passed over.
    """
    del name
    return DumpReader(file, options)
