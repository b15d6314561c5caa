"""What the rows and cells of an XLSX sheet mean (ECMA-376 part 1, 18.3)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from entrepot.formats.readers.workbook.book import (
    MAX_COLUMNS,
    MAX_MERGES,
    MAX_ROWS,
    Cell,
    Notes,
    Rendering,
    Row,
    column_of,
)
from entrepot.formats.readers.workbook.package import broken, local
from entrepot.formats.readers.workbook.strings import Texts, unescape

_REFERENCE = re.compile(r"\$?([A-Z]{1,3})\$?([0-9]{1,7})")
_SPACE = " \t\r\n"


class SheetRows:
    """Reads row elements of one sheet."""

    def __init__(self, rendering: Rendering, texts: Texts, notes: Notes) -> None:
        self._rendering = rendering
        self._texts = texts
        self._notes = notes
        self.number = -1
        """Of the row that was read last."""

    def rows(self, found: Iterator[Any]) -> Iterator[Row]:
        """The rows, while merged ranges go to the notes."""
        for element in found:
            if local(element) == "mergeCell":
                note_merge(self._notes, element.get("ref", ""))
                continue
            given = element.get("r", "")
            number = self.number = int(given) - 1 if given.isdigit() else self.number + 1
            if not 0 <= number < MAX_ROWS:
                raise broken(f"it has a row {number + 1}, and sheets end at {MAX_ROWS}")
            cells = self._cells(element)
            if cells:
                yield number, cells

    def _cells(self, row: Any) -> list[Cell]:
        cells: list[Cell] = []
        column = -1
        for cell in row:
            reference = _REFERENCE.fullmatch(cell.get("r", ""))
            column = column_of(reference[1]) if reference else column + 1
            if not 0 <= column < MAX_COLUMNS:
                raise broken(f"it has a cell right of column {MAX_COLUMNS}")
            text = self._text(cell)
            if text:
                cells.append((column, text))
        return cells

    def _text(self, cell: Any) -> str:
        value: str | None = None
        inline = formula = None
        for part in cell:
            name = local(part)
            if name == "v":
                value = part.text or ""
            elif name == "is":
                inline = part
            elif name == "f":
                formula = part
        kind = cell.get("t", "n")
        style = cell.get("s", "")
        style_number = int(style) if style.isdigit() else 0
        if inline is not None and (kind == "inlineStr" or not value):
            return self._rendering.text(rich_text(inline), style_number)
        if not value:
            if formula is not None and (value is None or kind != "str"):
                self._notes.uncached += 1
            return ""
        return self.value(kind, value, style_number)

    def value(self, kind: str, value: str, style: int) -> str:
        """The text of a stored value.

        Args:
            kind: The cell's type, ``n`` when it names none.
            value: Not empty.
            style: Number of its style.
        """
        rendering = self._rendering
        if kind == "n":
            try:
                return rendering.number(float(value), style)
            except ValueError:
                self._notes.odd += 1
                return value
        if kind == "s":
            try:
                return rendering.text(self._texts[int(value)], style)
            except (IndexError, ValueError):
                self._notes.lost += 1
                return ""
        if kind == "b":
            return rendering.boolean(value.strip().lower() in {"1", "true"})
        if kind == "e":
            self._notes.errors[value] += 1
            return value
        if kind == "d":
            return rendering.iso(value, style)
        return rendering.text(unescape(value), style)


def note_merge(notes: Notes, reference: str) -> None:
    """Remembers a merged range such as ``A1:C2``."""
    first, _, last = reference.partition(":")
    one, two = _REFERENCE.fullmatch(first), _REFERENCE.fullmatch(last)
    if one and two and len(notes.merges) < MAX_MERGES:
        notes.merges.append((int(one[2]) - 1, column_of(one[1]), int(two[2]) - 1, column_of(two[1])))


def rich_text(element: Any) -> str:
    """The text of a text item: runs joined, phonetic helps left out."""
    pieces: list[str] = []
    for part in element:
        name = local(part)
        if name == "t":
            pieces.append(_plain(part))
        elif name == "r":
            pieces.extend(_plain(t) for t in part if local(t) == "t")
    return "".join(pieces)


def _plain(element: Any) -> str:
    text = element.text or ""
    if text and (text[0] in _SPACE or text[-1] in _SPACE) and "preserve" not in element.attrib.values():
        text = text.strip(_SPACE)
    return unescape(text)
