"""Looks through a sheet once: what its used range is, where its header stands, and what is odd in it."""

from __future__ import annotations

import re
from collections import Counter, deque
from dataclasses import dataclass, field

from entrepot.detect.header import find_head, is_header, joined_header
from entrepot.formats.grammar import BLANK, GOOD
from entrepot.formats.readers.workbook.book import Block, Book, Notes, Row, items

SAMPLE_ROWS = 200
_SAMPLE_BYTES = 8 << 20
_MOST_HEADER_ROWS = 8
_LAST = 5
_GAP = 256
"""Empty columns in a row of them beyond which a gap is no part of a table."""
_TOTAL = re.compile(
    r"(?:grand |sub)?totals?|sum|summe|gesamt(?:summe)?|insgesamt|total général|totale|totaal|razem|suma|summa|"
    r"celkem|итого|合计|合計|总计|小计",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"[-+]?[0-9][0-9.,]*%?")


@dataclass(slots=True)
class Survey:
    """What a sheet holds.

    Attributes:
        rows: Rows that have a cell.
        cells: Cells that have a text.
        columns: Those that are kept, by their number in the sheet.
        notes: What was met.
        exact: The first rows, with all that is stored.
        shown: The same as they are shown.
        last: The last rows.
        skip: How many of the rows stand above the header.
        header: How many rows the header has.
        doubts: In words.
    """

    rows: int = 0
    cells: int = 0
    columns: list[int] = field(default_factory=list)
    notes: Notes = field(default_factory=Notes)
    exact: list[Row] = field(default_factory=list)
    shown: list[Row] = field(default_factory=list)
    last: list[Row] = field(default_factory=list)
    skip: int = 0
    header: int = 0
    doubts: list[str] = field(default_factory=list)

    def names(self, rows: list[Row]) -> list[str]:
        """The header's cells: of several rows joined with a blank, merged ones spread over their columns.

        Args:
            rows: ``exact`` or ``shown``.
        """
        there = dict(rows)  # a row may be empty as it is shown
        head = [(number, there.get(number, [])) for number, _ in self.exact[self.skip : self.skip + self.header]]
        if not head:
            return []
        touched = {r for r1, _, r2, _ in self.notes.merges for r in range(r1, min(r2, r1 + _MOST_HEADER_ROWS) + 1)}
        if len(head) > 1 and not touched & {number for number, _ in head}:
            place = {c: i for i, c in enumerate(self.columns)}
            return joined_header([_padded(row, place, len(self.columns)) for row in head])
        spread = [_spread(row, self.notes.merges, vertical=len(head) > 1) for row in head]
        if len(head) > 1:
            _fill_down(head, spread, self.notes.merges)
        return [_join([cells.get(c, "") for cells in spread]) for c in self.columns]

    def first_data(self) -> int:
        """Number of the first data row as the sheet counts, from 1."""
        at = self.skip + self.header
        if at < len(self.exact):
            return self.exact[at][0] + 1
        return self.exact[-1][0] + 2 if self.exact else 1


def survey(book: Book, sheet: int) -> Survey:
    """Looks through a sheet.

    Raises:
        SourceError: It breaks off, or passes a limit.
    """
    found = Survey()
    counts: Counter[int] = Counter()
    last: deque[Row] = deque(maxlen=_LAST)
    for item in items(book, sheet, "none", found.notes):
        if isinstance(item, Block):
            for column, cells in item.columns.items():
                counts[column] += len(cells) - cells.null_count
            found.rows += len(item.numbers)
            last.extend((number, []) for number in item.numbers[-_LAST:])
            continue
        found.rows += 1
        counts.update([column for column, _ in item[1]])
        last.append(item)
    found.cells = counts.total()
    counts = +counts
    found.columns, gaps = _kept(sorted(counts))
    found.exact = _first(book, sheet, "exact")
    found.shown = _first(book, sheet, "shown")
    found.last = list(last)
    _find_header(found)
    _describe(found, gaps)
    return found


def _first(book: Book, sheet: int, values: str) -> list[Row]:
    rows: list[Row] = []
    size = 0
    for row in book.rows(sheet, "exact" if values == "exact" else "shown", Notes()):
        rows.append(row)
        size += sum(len(text) for _, text in row[1])
        if len(rows) == SAMPLE_ROWS or size > _SAMPLE_BYTES:
            break
    return rows


def _kept(used: list[int]) -> tuple[list[int], int]:
    """The columns of the table: the used ones and small gaps between them; and how many empty ones were left out."""
    kept: list[int] = []
    gaps = 0
    for column in used:
        gap = column - kept[-1] - 1 if kept else 0
        if 0 < gap <= _GAP:
            kept.extend(range(kept[-1] + 1, column))
        elif gap:
            gaps += gap
        kept.append(column)
    return kept, gaps


def _find_header(found: Survey) -> None:
    if not found.exact or not found.columns:
        return
    place = {c: i for i, c in enumerate(found.columns)}
    width = len(found.columns)
    padded = [_padded(row, place, width) for row in found.exact]
    trimmed = [(0, GOOD if any(cells) else BLANK, _trimmed(cells)) for cells in padded]
    head = find_head(trimmed)
    found.skip = min(head.skip, len(padded) - 1)
    found.header = head.header
    top = padded[found.skip : found.skip + found.header]
    if any(row in top[:i] for i, row in enumerate(top)):
        found.header = 0  # what stands twice is data
    if not head.header and len(padded) > found.skip + 1:
        found.header = int(is_header(padded[found.skip], padded[found.skip + 1 :]))
    if found.header:
        found.header = max(found.header, _block(found, padded))
    else:
        found.skip = 0  # without a header nothing tells a title from a row


def _block(found: Survey, padded: list[list[str]]) -> int:
    """How many rows the header has: as far as its merged cells reach, and one more below cells merged sideways."""
    top = found.exact[found.skip][0]
    numbers = [row[0] for row in found.exact]
    deepest = top
    sideways = False
    for r1, c1, r2, c2 in found.notes.merges:
        if r1 != top or r2 - r1 >= _MOST_HEADER_ROWS:
            continue
        deepest = max(deepest, r2)
        whole = c1 <= found.columns[0] and c2 >= found.columns[-1]
        sideways = sideways or (c2 > c1 and r1 == r2 and not whole)
    rows = sum(top <= n <= deepest for n in numbers)
    if sideways and rows == 1:
        below = found.skip + 1
        if below < len(padded) and _texts_only(padded[below]) and numbers[below] == top + 1:
            rows = 2
    # A header without a row below it would be a table of nothing.
    return min(max(rows, 1), max(1, len(padded) - found.skip - 1))


def _texts_only(cells: list[str]) -> bool:
    filled = [c for c in cells if c.strip()]
    return len(filled) > 1 and not any(_NUMBER.fullmatch(c.strip()) for c in filled)


def _padded(row: Row, place: dict[int, int], width: int) -> list[str]:
    cells = [""] * width
    for column, text in row[1]:
        cells[place[column]] = text
    return cells


def _trimmed(cells: list[str]) -> list[str]:
    end = len(cells)
    while end > 1 and not cells[end - 1]:
        end -= 1
    return cells[:end]


def _spread(row: Row, merges: list[tuple[int, int, int, int]], *, vertical: bool) -> dict[int, str]:
    """The cells of a header row by column, those merged sideways repeated."""
    cells = dict(row[1])
    for r1, c1, r2, c2 in merges:
        if r1 == row[0] and c2 > c1 and c1 in cells and (vertical or r2 == r1):
            for column in range(c1 + 1, min(c2, c1 + 2000) + 1):
                cells.setdefault(column, cells[c1])
    return cells


def _fill_down(head: list[Row], spread: list[dict[int, str]], merges: list[tuple[int, int, int, int]]) -> None:
    """Nothing stands below a cell that is merged downwards: names join what is there, so it is left as it is.

    A cell merged sideways and downwards covers its columns in every row; only its first row has the text.
    """
    for r1, c1, r2, c2 in merges:
        if r2 > r1 and c2 > c1:
            for row, cells in zip(head, spread, strict=True):
                if row[0] == r1 and c1 in cells:
                    for column in range(c1 + 1, min(c2, c1 + 2000) + 1):
                        cells.setdefault(column, cells[c1])


def _join(cells: list[str]) -> str:
    if len(cells) == 1:
        return cells[0]
    parts: list[str] = []
    for cell in cells:
        if cell.strip() and (not parts or parts[-1] != cell):
            parts.append(cell)
    return parts[0] if len(parts) == 1 else " ".join(p.strip() for p in parts)


def _describe(found: Survey, gaps: int) -> None:
    if not found.cells:
        found.doubts.append("The sheet is empty.")
        return
    _describe_head(found)
    notes = found.notes
    body = sum(m[0] > found.first_data() - 2 for m in notes.merges)
    errors = ", ".join(f"{error} {count} times" for error, count in notes.errors.most_common())
    wrong = sum(notes.errors.values())
    counted = (
        (gaps, f"{gaps} empty columns between the filled ones are left out."),
        (wrong, f"{wrong} cells hold errors, given as they are shown: {errors}."),
        (notes.uncached, f"{notes.uncached} formulas have no stored value; their cells are empty."),
        (notes.lost, f"{notes.lost} cells refer to texts that the file does not hold; they are empty."),
        (notes.odd, f"{notes.odd} cells say that they are numbers and are not; they are given as text."),
        (notes.nul, f"NUL characters were taken out of {notes.nul} cells."),
        (body, f"{body} merged ranges among the rows: the first cell of each holds its value."),
    )
    found.doubts += [text for count, text in counted if count]
    _describe_total(found)


def _describe_head(found: Survey) -> None:
    if found.skip:
        numbers = [row[0] + 1 for row in found.exact[: found.skip]]
        place = (
            f"Row {numbers[0]} above the table is"
            if len(numbers) == 1
            else (f"Rows {numbers[0]} to {numbers[-1]} above the table are")
        )
        found.doubts.append(f"{place} no part of it.")
    if found.header > 1:
        found.doubts.append(f"The header has {found.header} rows; their cells are joined with a blank.")
    if not found.header:
        found.doubts.append("No row names the columns; every row is data.")


def _describe_total(found: Survey) -> None:
    if found.rows <= found.skip + found.header + 1 or not found.last:
        return
    number, cells = found.last[-1]
    exact = next((row[1] for row in found.exact if row[0] == number), cells)
    first = exact[0][1].strip().rstrip(":") if exact else ""
    if _TOTAL.fullmatch(first) or first.lower().startswith(("total ", "grand total ")):
        found.doubts.append(f"Row {number + 1} looks like a total; it is kept as a row.")
