"""What all workbook formats have in common: sheets, rows of rendered cells, and what is noted on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from entrepot.formats.readers.workbook import dates
from entrepot.formats.readers.workbook.numberformat import NumberFormat, digits_of, format_of
from entrepot.formats.readers.workbook.numbers import general

if TYPE_CHECKING:
    import pyarrow as pa

MAX_COLUMNS = 16_384
MAX_ROWS = 1_048_576
"""Of a sheet, by the formats themselves."""

Cell = tuple[int, str]
"""Column from 0, and text; empty cells are not there."""
Row = tuple[int, list[Cell]]
"""Row from 0 and its cells in the order of the file."""


@dataclass(slots=True)
class Block:
    """Consecutive rows, column by column.

    Attributes:
        numbers: Of the rows, from 0.
        columns: Texts by column, null where nothing stands; in the blind rendering anything that is not null.
    """

    numbers: list[int]
    columns: dict[int, pa.Array]


Values = Literal["shown", "exact", "none"]

ERRORS = {
    0x00: "#NULL!",
    0x07: "#DIV/0!",
    0x0F: "#VALUE!",
    0x17: "#REF!",
    0x1D: "#NAME?",
    0x24: "#NUM!",
    0x2A: "#N/A",
    0x2B: "#GETTING_DATA",
}
"""Codes of errors in the binary formats ([MS-XLS] 2.5.10)."""


@dataclass(slots=True)
class Sheet:
    """One sheet. ``hidden`` is empty, hidden or very hidden; ``place`` is where its format keeps it."""

    name: str
    hidden: str = ""
    place: str = ""
    offset: int = 0


@dataclass(slots=True)
class Notes:
    """What was met while the rows of a sheet were read.

    Attributes:
        errors: How often each error stands in a cell.
        uncached: Formulas without a stored value.
        lost: Cells that refer to a text that the file does not hold.
        merges: Merged ranges: first row, first column, last row, last column, from 0.
        nul: Texts with NUL characters, which were taken out.
        odd: Cells whose number cannot be read; they are given as text.
    """

    errors: Counter[str] = field(default_factory=Counter)
    uncached: int = 0
    lost: int = 0
    merges: list[tuple[int, int, int, int]] = field(default_factory=list)
    nul: int = 0
    odd: int = 0


MAX_MERGES = 100_000
"""Merged ranges that are remembered of a sheet."""


class Rendering:
    """Turns stored values into text, in one of the renderings.

    Args:
        values: Which; ``none`` only says that something is there.
        formats: The format of every style, by the style's number.
        epoch1904: Which system dates count in.
    """

    def __init__(self, values: Values, formats: Sequence[str] = (), *, epoch1904: bool = False) -> None:
        self.values = values
        self.epoch1904 = epoch1904
        self._formats = formats
        self._known: dict[int, NumberFormat] = {}
        self.exact = values == "exact"
        self.blind = values == "none"

    def format(self, style: int) -> NumberFormat:
        """The format of a style; General where the file has no such style."""
        known = self._known.get(style)
        if known is None:
            code = self._formats[style] if 0 <= style < len(self._formats) else "General"
            known = self._known[style] = format_of(code, epoch1904=self.epoch1904)
        return known

    def number(self, value: float, style: int) -> str:
        """A number, a date or a time."""
        if self.blind:
            return "0"
        if value != value or value in {float("inf"), float("-inf")}:  # noqa: PLR0124 - NaN alone differs from itself
            return "#NUM!"
        try:
            if self.exact:
                return self.format(style).exact(value)
            return self.format(style).show(value)
        except (ArithmeticError, ValueError, IndexError):
            # A format that nobody foresaw must not cost the value.
            return digits_of(value) if self.exact else general(value)

    def text(self, value: str, style: int) -> str:
        """A text."""
        if self.values == "shown" and value:
            return self.format(style).show_text(value)
        return value

    def as_stored(self, style: int) -> bool:
        """Whether a style gives short numbers as they are stored."""
        return self.format(style).bare if self.exact else self.format(style).plain

    def restyles(self, style: int) -> bool:
        """Whether a style may show a text otherwise than it is."""
        return self.values == "shown" and self.format(style).restyles

    def boolean(self, value: bool) -> str:
        """A truth value: as Excel shows it, or in the words of contracts."""
        if self.exact:
            return "true" if value else "false"
        return "TRUE" if value else "FALSE"

    def iso(self, value: str, style: int) -> str:
        """A date that is stored in ISO form."""
        serial = dates.serial_of(value)
        if serial is None:
            return value
        if self.epoch1904:
            serial -= dates.EPOCH_1904
        fmt = self.format(style)
        if fmt.plain:
            return value.replace("T", " ") if self.exact else fmt_default(value, serial, epoch1904=self.epoch1904)
        return self.number(serial, style)


def fmt_default(value: str, serial: float, *, epoch1904: bool) -> str:
    """A date without a format of its own, as Excel shows one that was typed in."""
    code = "m/d/yyyy" if serial == int(serial) and ":" not in value else "m/d/yyyy h:mm"
    if "-" not in value:
        code = "h:mm:ss"
    return format_of(code, epoch1904=epoch1904).show(serial)


class Book(Protocol):
    """An open workbook of one format."""

    format: str
    doubts: list[str]
    sheets: list[Sheet]
    hides: bool
    """Whether a format of it shows nothing, so that rows may be empty as shown and are not."""

    def rows(self, sheet: int, values: Values, notes: Notes) -> Iterator[Row]:
        """The rows of a sheet that have cells, in the file's order.

        Args:
            sheet: Its place in ``sheets``.
            values: Which rendering.
            notes: Filled while rows are read; whole when they end.

        Raises:
            SourceError: The sheet breaks off, or passes a limit.
        """
        ...


def hiding(codes: Iterable[str]) -> bool:
    """Whether one of the formats shows nothing of some numbers."""
    return any(format_of(code).hides for code in set(codes))


def apart(sheets: Sequence[Sheet], where: Callable[[Sheet], object]) -> tuple[list[Sheet], list[str]]:
    """The sheets without those that point at the rows of an earlier one, and a doubt when there are such.

    No program writes them; a small file of thousands would otherwise be as much work as a large one.

    Args:
        sheets: As the workbook lists them.
        where: Where the rows of a sheet are; an empty text where that is not said.
    """
    seen: dict[object, Sheet] = {}
    kept = [sheet for sheet in sheets if where(sheet) == "" or seen.setdefault(where(sheet), sheet) is sheet]
    less = len(sheets) - len(kept)
    return kept, [f"{less} sheets point at the rows of another one; they were left out."] if less else []


def items(book: Book, sheet: int, values: Values, notes: Notes) -> Iterator[Row | Block]:
    """The rows of a sheet, in blocks where the format can give them so.

    Args:
        book: The workbook.
        sheet: As for `Book.rows`.
        values: As for `Book.rows`.
        notes: As for `Book.rows`.
    """
    blocks = getattr(book, "blocks", None)
    found: Iterator[Row | Block] = (blocks or book.rows)(sheet, values, notes)
    return found


def column_of(letters: str) -> int:
    """Number of a column from its letters, from 0; -1 when they name none."""
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number - 1 if 0 < number <= MAX_COLUMNS else -1
