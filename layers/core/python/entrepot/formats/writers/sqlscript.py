"""Writes SQL scripts that run: tables and their rows, for PostgreSQL, MySQL, SQLite or SQL Server."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from entrepot.errors import UsageError
from entrepot.formats.writers.sql_columns import DIALECTS
from entrepot.formats.writers.sql_dialects import Column, Dialect
from entrepot.formats.writing import Writer, WriterOptions, Written

if TYPE_CHECKING:
    import pyarrow as pa

_STATEMENT_BYTES = 1 << 20
_OPTIONS = ("dialect", "drop", "rows")


class ScriptWriter:
    """A script of any number of tables.

    Args:
        file: Where to.
        options: ``dialect`` (postgresql, mysql, sqlite, sqlserver), ``drop`` (drop tables that are there first),
            ``rows`` (of one INSERT).

    Raises:
        UsageError: An option is not known.
    """

    def __init__(self, file: IO[bytes], options: WriterOptions) -> None:
        unknown = sorted(options.keys() - set(_OPTIONS))
        word = str(options.get("dialect") or "postgresql")
        if unknown:
            raise UsageError(
                f"Option {unknown[0]!r} is not one of SQL scripts.", hint=f"There are: {', '.join(_OPTIONS)}."
            )
        if word not in DIALECTS:
            raise UsageError(f"Dialect {word!r} is not known.", hint=f"There are: {', '.join(DIALECTS)}.", dialect=word)
        self._dialect: Dialect = DIALECTS[word]
        self._drop = bool(options.get("drop", False))
        self._most = max(1, min(self._dialect.rows, int(options.get("rows") or self._dialect.rows)))
        self._file = file
        self._written = Written(facts={"dialect": word})
        self._columns: list[Column] = []
        self._names: list[str] = []
        self._insert = ""
        self._found: dict[tuple[str, str], None] = {}
        self._line(f"-- Entrepot: {word} script")
        for statement in self._dialect.opening:
            self._line(statement)
        if not self._dialect.each:
            self._line(self._dialect.begin)

    def _line(self, text: str) -> None:
        self._file.write(text.encode() + b"\n")

    def begin(self, name: str, schema: pa.Schema) -> None:
        """Starts a table; see `entrepot.formats.writing.Writer`.

        Raises:
            UsageError: It has no column.
        """
        if not len(schema):
            raise UsageError(f"Table {name!r} has no column.", hint="A script needs one at least.")
        self._end()
        dialect = self._dialect
        title = self._unique(name or "table", self._written.tables, "Table")
        self._written.tables.append(title)
        self._written.rows.append(0)
        self._columns = [dialect.column(field.type) for field in schema]
        self._names = []
        for field in schema:
            self._names.append(self._unique(field.name, self._names, "Column"))
        for own, column in zip(schema.names, self._columns, strict=True):
            if column.note:
                self._note(own, column.note)
        if self._drop:
            self._line(f"DROP TABLE IF EXISTS {dialect.name(title)};")
        parts = [f"    {dialect.name(n)} {c.type}" for n, c in zip(self._names, self._columns, strict=True)]
        self._line(f"CREATE TABLE {dialect.name(title)} (\n" + ",\n".join(parts) + "\n);")
        listed = ", ".join(dialect.name(n) for n in self._names)
        self._insert = f"INSERT INTO {dialect.name(title)} ({listed}) VALUES\n"
        if dialect.each:
            self._line(dialect.begin)

    def _unique(self, name: str, taken: list[str], what: str) -> str:
        """A name that the database keeps as it is, and that no other has."""
        dialect = self._dialect
        found = name.replace("\0", "").rstrip(" ") if dialect.word == "mysql" else name.replace("\0", "")
        found = found or what.lower()
        used = {t.lower() if dialect.folds else t for t in taken}
        number, tried = 1, found
        while not dialect.fits(tried) or (tried.lower() if dialect.folds else tried) in used:
            number += 1
            end = f"_{number}"
            cut = found
            while cut and not dialect.fits(cut + end):
                cut = cut[:-1]
            tried = cut + end
        if tried != name:
            self._written.notes.append(f"{what} {name!r} is called {tried!r}: {dialect.title} cannot keep its name.")
        return tried

    def _note(self, column: str, text: str) -> None:
        if (column, text) not in self._found:
            self._found[column, text] = None
            self._written.notes.append(f"Column {column!r}: {text}")

    def write(self, batch: pa.RecordBatch) -> None:
        """Adds rows."""
        import pyarrow as pa
        import pyarrow.compute as pc

        cells = []
        for own, column, part in zip(batch.schema.names, self._columns, batch.columns, strict=True):
            notes: list[str] = []
            cells.append(pc.fill_null(column.literal(part, notes), "NULL"))
            for note in notes:
                self._note(own, note)
        wide = [c.cast(pa.large_string()) for c in cells]  # a row may be longer than 32 bits can say
        comma, left, right, nothing = (pa.scalar(text, pa.large_string()) for text in (", ", "(", ")", ""))
        rows = pc.binary_join_element_wise(left, pc.binary_join_element_wise(*wide, comma), right, nothing)
        self._written.rows[-1] += batch.num_rows
        held: list[bytes] = []
        size = 0
        for row in rows.cast(pa.large_binary()).to_pylist():
            held.append(row)
            size += len(row)
            if len(held) >= self._most or size >= _STATEMENT_BYTES:
                self._flush(held)
                held, size = [], 0
        self._flush(held)

    def _flush(self, rows: list[bytes]) -> None:
        if rows:
            self._file.write(self._insert.encode() + b",\n".join(rows) + b";\n")

    def _end(self) -> None:
        if self._columns and self._dialect.each:
            self._line(self._dialect.commit)
        self._columns = []

    def close(self) -> Written:
        """Ends the script."""
        self._end()
        if not self._dialect.each:
            self._line(self._dialect.commit)
        return self._written


def open_script(file: IO[bytes], options: WriterOptions) -> Writer:
    """Writes a script; options as for `ScriptWriter`."""
    return ScriptWriter(file, options)
