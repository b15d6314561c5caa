"""Writes XML: an element for each row, and in it one for each cell."""

from __future__ import annotations

import re
from typing import IO, TYPE_CHECKING

from entrepot.errors import UsageError
from entrepot.formats.texts import as_text
from entrepot.formats.writers.joined import has_any, join, slices
from entrepot.formats.writers.options import checked, chosen, one_table
from entrepot.formats.writing import Writer, WriterOptions, Written

if TYPE_CHECKING:
    import pyarrow as pa

_DEFAULTS = {"root": "rows", "row": "row", "indent": 2, "null": "nil", "invalid": "replace"}
_START = (
    "A-Z_a-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c\u200d\u2070-\u218f\u2c00-\u2fef"
    "\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\U00010000-\U000effff"
)
"""Characters that a name begins with (XML 1.0, fifth edition, without the colon, which marks a prefix)."""
_start = re.compile(f"[{_START}]")
_others = re.compile(f"[^{_START}\\-.0-9\u00b7\u0300-\u036f\u203f\u2040]")
_INVALID = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x{fffe}\x{ffff}]"
"""Characters that XML 1.0 cannot hold in any form."""
_MARKS = frozenset(map(chr, {*range(32), 0xFFFE, 0xFFFF} - {9, 10, 13}))


def open_xml(file: IO[bytes], options: WriterOptions) -> Writer:
    """A writer of XML in UTF-8.

    Args:
        file: Where to.
        options: ``root`` and ``row``: names of the elements. ``indent``: blanks before each row; 0 writes all on one
            line. ``null``: ``nil`` (an element with xsi:nil), ``omit`` or ``empty``. ``invalid``: characters that XML
            cannot hold: ``replace`` (by U+FFFD, and noted) or ``refuse``.
    """
    known = checked(options, _DEFAULTS, "XML")
    chosen("null", known["null"], ("nil", "omit", "empty"))
    chosen("invalid", known["invalid"], ("replace", "refuse"))
    for name in ("root", "row"):
        if element_name(known[name]) != known[name]:
            raise UsageError(
                f"Option {name!r} is no name of an element: {known[name]!r}.",
                hint="Begin it with a letter; letters, digits, - and _ may follow.",
                option=name,
            )
    return XmlWriter(file, known)


def element_name(name: str) -> str:
    """A name as an element can have it: what cannot stand there becomes an underscore.

    Args:
        name: Of a column.
    """
    found = _others.sub("_", name)
    if not found or not _start.match(found) or found[:3].lower() == "xml":
        return f"_{found}"
    return found


class XmlWriter:
    """Writes one table.

    Args:
        file: Where to.
        options: As `open_xml` has checked them.
    """

    def __init__(self, file: IO[bytes], options: WriterOptions) -> None:
        self._file = file
        self._options = options
        self._tables: list[str] = []
        self._columns: list[str] = []
        self._elements: list[str] = []
        self._rows = 0
        self._notes: dict[str, str] = {}

    def begin(self, name: str, schema: pa.Schema) -> None:
        """Starts the table."""
        one_table("XML", self._tables, "Write one file a table.")
        self._tables.append(name)
        self._columns = list(schema.names)
        for column in self._columns:
            element = _unused(element_name(column), self._elements)
            if element != column:
                self._notes[f"name {column}"] = f"Column {column!r} is the element {element!r}."
            self._elements.append(element)
        self._open()

    def write(self, batch: pa.RecordBatch) -> None:
        """Adds rows."""
        for part in slices(batch):
            self._file.write(join(self._parts(part)))
            self._rows += part.num_rows

    def close(self) -> Written:
        """Closes the root."""
        if not self._tables:
            self._open()
        self._file.write(f"</{self._options['root']}>\n".encode())
        facts = {"root": self._options["root"], "row": self._options["row"], "null": self._options["null"]}
        return Written([self._rows] if self._tables else [], self._tables, list(self._notes.values()), facts)

    def _open(self) -> None:
        xsi = ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"' if self._options["null"] == "nil" else ""
        end = "\n" if self._options["indent"] else ""
        self._file.write(f'<?xml version="1.0" encoding="UTF-8"?>\n<{self._options["root"]}{xsi}>{end}'.encode())

    def _parts(self, batch: pa.RecordBatch) -> list[pa.Array | str]:
        import pyarrow as pa

        row, indent = self._options["row"], self._options["indent"]
        before, after = f"{' ' * indent}<{row}>", f"</{row}>{chr(10) if indent else ''}"
        if not batch.num_columns:
            return [pa.array([before + after] * batch.num_rows, pa.string())]
        names = zip(self._columns, self._elements, batch.columns, strict=True)
        return [before, *(self._cell(column, element, cells) for column, element, cells in names), after]

    def _cell(self, column: str, element: str, cells: pa.Array) -> pa.Array:
        import pyarrow.compute as pc

        texts = self._escaped(column, as_text(cells))
        full = pc.binary_join_element_wise(f"<{element}>", texts, f"</{element}>", "")
        null = {"nil": f'<{element} xsi:nil="true"/>', "omit": "", "empty": f"<{element}/>"}
        return pc.fill_null(full, null[self._options["null"]])

    def _escaped(self, column: str, texts: pa.Array) -> pa.Array:
        import pyarrow.compute as pc

        if has_any(texts, _MARKS) and pc.any(pc.match_substring_regex(texts, _INVALID), min_count=0).as_py():
            if self._options["invalid"] == "refuse":
                raise UsageError(
                    f"Column {column!r} has control characters, which XML cannot hold.",
                    hint="Have them replaced, or choose another format.",
                    column=column,
                )
            self._notes[f"invalid {column}"] = f"Column {column!r}: characters that XML cannot hold became U+FFFD."
            texts = pc.replace_substring_regex(texts, _INVALID, "\ufffd")
        for mark, reference in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("\r", "&#13;")):
            if has_any(texts, mark):
                texts = pc.replace_substring(texts, mark, reference)
        return texts


def _unused(name: str, taken: list[str]) -> str:
    number, found = 2, name
    while found in taken:
        found, number = f"{name}_{number}", number + 1
    return found
