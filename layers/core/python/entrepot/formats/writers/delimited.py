"""Writes delimited text in any dialect, whole batches at a time."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from entrepot.errors import UsageError
from entrepot.formats.texts import as_text
from entrepot.formats.writers.formulas import escape_formula, escape_formulas
from entrepot.formats.writers.joined import has_any, join, joined, slices
from entrepot.formats.writers.options import checked, chosen, one_table
from entrepot.formats.writing import Writer, WriterOptions, Written

if TYPE_CHECKING:
    import pyarrow as pa

_DEFAULTS = {
    "delimiter": ",",
    "quote": '"',
    "escape": '"',
    "line_end": "\n",
    "encoding": "utf-8",
    "bom": False,
    "header": True,
    "null": "",
    "quoting": "minimal",
    "formula_escape": False,
}
_MARKED = frozenset({"utf-8-sig", "utf-16", "utf-32"})
"""Encodings whose name says that there is a byte-order mark."""
_PLAIN = frozenset("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+-.:")
_WORDS = {
    "delimiter": {"tab": "\t", "\\t": "\t"},
    "line_end": {"lf": "\n", "crlf": "\r\n", "cr": "\r", "\\n": "\n", "\\r\\n": "\r\n", "\\r": "\r"},
}
"""What a command line can say for characters that it cannot hold."""
_QUOTING = ("minimal", "text", "all")


def open_csv(file: IO[bytes], options: WriterOptions) -> Writer:
    r"""A writer of CSV.

    Args:
        file: Where to.
        options: ``delimiter``: one character or more, or ``tab``. ``quote``: one character, or "" for none: then what
            would need quotes is escaped, or becomes a blank and is noted. ``escape``: the quote itself where quotes
            are doubled, or another character. ``line_end``: ``lf``, ``crlf`` or ``cr``. ``encoding``: what it lacks is
            written as an XML reference and noted. ``bom``: whether a byte-order mark comes first. ``header``: whether
            the names do. ``null``: the text of null; the same text as a value is quoted. ``quoting``: ``minimal``,
            ``text`` (each cell of a text column, so that the empty text differs from null) or ``all``.
            ``formula_escape``: whether text that a spreadsheet would run gets an apostrophe, see
            `entrepot.formats.writers.formulas`.
    """
    return DelimitedWriter(file, _dialect(checked(options, _DEFAULTS, "CSV")))


def open_tsv(file: IO[bytes], options: WriterOptions) -> Writer:
    """A writer of text with tabs; the options are those of `open_csv`."""
    return DelimitedWriter(file, _dialect(checked(options, _DEFAULTS | {"delimiter": "\t"}, "TSV")))


@dataclass(frozen=True, slots=True)
class _Dialect:
    delimiter: str
    quote: str
    escape: str
    line_end: str
    encoding: str
    bom: bool
    header: bool
    null: str
    quoting: str
    formula_escape: bool

    @property
    def doubled(self) -> bool:
        return self.quote != "" and self.escape in {"", self.quote}


def _dialect(options: WriterOptions) -> _Dialect:
    options = {name: _WORDS.get(name, {}).get(value, value) for name, value in options.items()}
    dialect = _Dialect(**options)
    chosen("line_end", dialect.line_end, ("\n", "\r\n", "\r"))
    chosen("quoting", dialect.quoting, _QUOTING)
    if not dialect.delimiter or set(dialect.delimiter) & set("\r\n" + dialect.quote):
        raise UsageError(
            "Option 'delimiter' is text other than line ends and the quote.",
            hint="Such as a semicolon.",
            option="delimiter",
        )
    if len(dialect.quote) > 1 or len(dialect.escape) > 1:
        raise UsageError(
            "Options 'quote' and 'escape' are one character each, or none.",
            hint="Such as a double quote.",
            option="quote",
        )
    if dialect.escape and dialect.escape in dialect.delimiter:
        raise UsageError(
            "Option 'escape' is no part of the delimiter.", hint="Choose another character.", option="escape"
        )
    if not dialect.quote and dialect.escape == '"':
        dialect = _Dialect(**{**options, "escape": ""})
    try:
        codecs.lookup(dialect.encoding)
        "a".encode(dialect.encoding)
    except (LookupError, UnicodeError):
        raise UsageError(
            f"The encoding {dialect.encoding!r} is not known.", hint="Such as utf-8 or cp1252.", option="encoding"
        ) from None
    return dialect


class DelimitedWriter:
    """Writes one table.

    Args:
        file: Where to.
        dialect: How.
    """

    def __init__(self, file: IO[bytes], dialect: _Dialect) -> None:
        self._file = file
        self._dialect = dialect
        self._tables: list[str] = []
        self._rows = 0
        self._textual: list[bool] = []
        self._notes: dict[str, str] = {}
        self._utf8 = codecs.lookup(dialect.encoding).name in {"utf-8", "utf-8-sig"}
        self._needs = _needs_quotes(dialect)
        self._marks = {"\r", "\n", dialect.delimiter, dialect.quote, dialect.escape} - {""}
        self._plain = _PLAIN.isdisjoint(f"{dialect.delimiter}{dialect.quote}{dialect.escape}") and not dialect.null

    def begin(self, name: str, schema: pa.Schema) -> None:
        """Starts the table, with its header."""
        one_table("delimited text", self._tables, "Write one file a table.")
        if not len(schema):
            raise UsageError("A table without columns cannot be delimited text.", hint="Choose JSON Lines.")
        self._tables.append(name)
        self._textual = [_is_text(field.type) for field in schema]
        self._notes |= {field.name: note for field in schema if (note := _type_note(field))}
        dialect = self._dialect
        if dialect.bom or codecs.lookup(dialect.encoding).name in _MARKED:
            self._file.write("\ufeff".encode(_without_mark(dialect.encoding)))
        if dialect.header:
            self._write_header(schema.names)

    def write(self, batch: pa.RecordBatch) -> None:
        """Adds rows."""
        for part in slices(batch):
            self._write(self._row(self._cells(part)))
            self._rows += part.num_rows

    def close(self) -> Written:
        """Says what was written and how."""
        d = self._dialect
        facts = {
            "delimiter": d.delimiter,
            "quote": d.quote or None,
            "escape": (d.quote if d.doubled else d.escape) or None,
            "encoding": d.encoding,
            "header": d.header,
            "null": d.null,
            "formula_escape": d.formula_escape,
        }
        return Written([self._rows] if self._tables else [], self._tables, list(self._notes.values()), facts)

    def _write_header(self, names: list[str]) -> None:
        import pyarrow as pa

        if self._dialect.formula_escape:
            names = [escape_formula(name) for name in names]
        cells = [self._cell(pa.array([name], pa.string()), quoted=self._dialect.quoting == "all") for name in names]
        self._write(self._row(cells))

    def _cells(self, batch: pa.RecordBatch) -> list[pa.Array]:
        import pyarrow.compute as pc

        cells = []
        for values, textual in zip(batch.columns, self._textual, strict=True):
            texts = as_text(values)
            if self._plain and _is_plain(values.type) and self._dialect.quoting != "all":
                cells.append(pc.fill_null(texts, ""))
                continue
            if textual and self._dialect.formula_escape:
                texts = escape_formulas(texts)
            cells.append(self._cell(texts, quoted=self._quotes(textual=textual)))
        return cells

    def _quotes(self, *, textual: bool) -> bool:
        return self._dialect.quoting == "all" or (self._dialect.quoting == "text" and textual)

    def _row(self, cells: list[pa.Array]) -> memoryview:
        import pyarrow.compute as pc

        quote = self._dialect.quote
        if len(cells) == 1 and quote:  # a blank line would be no row
            cells = [pc.if_else(pc.equal(cells[0], ""), quote * 2, cells[0])]
        return join([*cells[:-1], joined([cells[-1], self._dialect.line_end])], self._dialect.delimiter)

    def _cell(self, texts: pa.Array, *, quoted: bool) -> pa.Array:
        """Texts as they stand in the file, null among them."""
        import pyarrow.compute as pc

        d = self._dialect
        if not d.quote:
            return pc.fill_null(self._bare(texts), d.null)
        if not quoted and not d.null and not has_any(texts, self._marks):
            return pc.fill_null(texts, "")
        needs = pc.match_substring_regex(texts, self._needs)
        if d.null:
            needs = pc.or_(needs, pc.equal(texts, d.null))
        if not quoted and not pc.any(needs, min_count=0).as_py():
            return pc.fill_null(texts, d.null)
        inner = texts
        if d.doubled:
            inner = pc.replace_substring(inner, d.quote, d.quote * 2)
        else:
            inner = pc.replace_substring(inner, d.escape, d.escape * 2)
            inner = pc.replace_substring(inner, d.quote, d.escape + d.quote)
        inner = pc.binary_join_element_wise(d.quote, inner, d.quote, "")
        return pc.fill_null(inner if quoted else pc.if_else(needs, inner, texts), d.null)

    def _bare(self, texts: pa.Array) -> pa.Array:
        """Texts for a dialect without quotes: what cannot stand there is escaped, or else becomes a blank."""
        import pyarrow.compute as pc

        d = self._dialect
        found = pc.match_substring_regex(texts, self._needs)
        if not pc.any(found, min_count=0).as_py():
            return texts
        if d.escape:
            escape = d.escape.replace("\\", "\\\\")
            return pc.replace_substring_regex(texts, f"({self._needs})", rf"{escape}\1")
        self._notes["\0"] = (
            "Delimiters and line ends in cells became blanks: the dialect has neither quotes nor escapes."
        )
        return pc.replace_substring_regex(texts, self._needs, " ")

    def _write(self, data: memoryview) -> None:
        if self._utf8:
            self._file.write(data)
            return
        text, encoding = str(data, "utf-8"), _without_mark(self._dialect.encoding)
        try:
            self._file.write(text.encode(encoding))
        except UnicodeEncodeError:
            self._notes["\1"] = f"Characters that {encoding} lacks are written as XML references, such as &#8364;."
            self._file.write(text.encode(encoding, "xmlcharrefreplace"))


def _needs_quotes(d: _Dialect) -> str:
    """What makes a cell need quotes, as a pattern."""
    marks = {"\r", "\n", d.quote, "" if d.doubled else d.escape, d.delimiter if len(d.delimiter) == 1 else ""} - {""}
    one = f"[{''.join(re.escape(mark) for mark in sorted(marks))}]"
    return one if len(d.delimiter) == 1 else f"{re.escape(d.delimiter)}|{one}"


def _without_mark(encoding: str) -> str:
    """An encoding that writes no mark of its own in front of every part."""
    name = codecs.lookup(encoding).name
    return {"utf-8-sig": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"}.get(name, name)


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    if pa.types.is_run_end_encoded(kind):
        return _is_text(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_plain(kind: pa.DataType) -> bool:
    """Whether the texts of a type have only characters of `_PLAIN`."""
    from pyarrow import types

    return bool(
        types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_decimal(kind)
        or types.is_boolean(kind)
        or types.is_temporal(kind)
    )


def _type_note(field: pa.Field) -> str | None:
    import pyarrow as pa

    if pa.types.is_timestamp(field.type) and field.type.tz not in {None, "UTC"}:
        return f"Column {field.name!r}: times keep their offset; the zone's name {field.type.tz} is not kept."
    if pa.types.is_nested(field.type):
        return f"Column {field.name!r}: nested values are JSON."
    return None
