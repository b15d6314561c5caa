"""Arrow columns as cells of a sheet, and what a sheet cannot carry of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from entrepot.errors import UsageError
from entrepot.formats.texts import as_text

if TYPE_CHECKING:
    import pyarrow as pa

MAX_TEXT = 32_767
"""UTF-16 units of a cell's text."""
_MAX_WHOLE = 10**15 - 1
"""Excel keeps fifteen digits."""
_EPOCH_DAYS = 25_569
"""Serial of 1970-01-01."""
_FIRST_DAY, _LAST_DAY = 61, 2_958_465
"""Serials of 1900-03-01, before which Excel's calendar is wrong, and of 9999-12-31."""
_NOT_XML = re.compile("[\ufffe\uffff]")

Cell = tuple[str, Any, Any] | None
"""Kind (n, s, b), value and format."""
Formats = Callable[[str], Any]


class Column:
    """Turns the cells of one column; keeps count of what had to become text.

    Args:
        name: The column's.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._counts: dict[str, int] = {}

    def cells(self, values: pa.Array, row: int) -> list[Cell]:
        """The cells of a batch.

        Args:
            values: By the column's type.
            row: How many rows were written before.

        Raises:
            UsageError: A text is longer than a cell can be.
        """
        return [
            None if text is None or text == "" else self.text(text, row + i)
            for i, text in enumerate(self._counted(_texts(values)))
        ]

    def _counted(self, texts: list[str | None]) -> list[str | None]:
        empty = texts.count("")
        if empty:
            self.count("empty texts are empty cells, as missing ones are", empty)
        return texts

    def text(self, text: str, row: int) -> Cell:
        """A text cell."""
        if len(text) > MAX_TEXT // 2 and len(text.encode("utf-16-le")) // 2 > MAX_TEXT:
            raise UsageError(
                f"Row {row + 1} of column {self.name!r} has a text of {len(text):,} characters; a cell holds "
                f"{MAX_TEXT:,}.",
                hint="Write CSV, JSON or Parquet instead.",
                reason="cell_length",
                row=row + 1,
                column=self.name,
            )
        if _NOT_XML.search(text):
            text = _NOT_XML.sub(lambda m: f"_x{ord(m[0]):04X}_", text)
        return ("s", text, None)

    def count(self, note: str, number: int = 1) -> None:
        """Counts cells about which there is something to say."""
        self._counts[note] = self._counts.get(note, 0) + number

    def notes(self) -> list[str]:
        """What is to be said about the column."""
        return [f"{note} ({count} cells)." if count else f"{note}." for note, count in self._counts.items()]


class _Booleans(Column):
    def cells(self, values: pa.Array, row: int) -> list[Cell]:
        del row
        return [None if v is None else ("b", v, None) for v in values.to_pylist()]


class _Integers(Column):
    def cells(self, values: pa.Array, row: int) -> list[Cell]:
        return [None if v is None else self._cell(v, row + i) for i, v in enumerate(values.to_pylist())]

    def _cell(self, value: int, row: int) -> Cell:
        if abs(value) <= _MAX_WHOLE:
            return ("n", value, None)
        self.count("numbers of more than 15 digits are written as text")
        return self.text(str(value), row)


class _Floats(Column):
    def cells(self, values: pa.Array, row: int) -> list[Cell]:
        import pyarrow as pa

        if pa.types.is_float16(values.type):
            values = values.cast(pa.float32())
        short = pa.types.is_float32(values.type)
        return [None if v is None else self._cell(v, row + i, short=short) for i, v in enumerate(values.to_pylist())]

    def _cell(self, value: float, row: int, *, short: bool) -> Cell:
        if value != value or value in {float("inf"), float("-inf")}:  # noqa: PLR0124 - NaN alone differs from itself
            self.count("NaN and infinity are written as text, since a cell cannot hold them as numbers")
            return self.text("NaN" if value != value else "Infinity" if value > 0 else "-Infinity", row)  # noqa: PLR0124
        if short:
            value = float(f"{value:.9g}") if float(f"{value:.7g}") != value else float(f"{value:.7g}")
        elif float(f"{value:.15g}") != value:
            self.count("digits beyond the fifteenth are not kept, as Excel has no more")
        return ("n", value, None)


class _Decimals(Column):
    def __init__(self, name: str, scale: int, formats: Formats) -> None:
        super().__init__(name)
        self._format = formats("0." + "0" * scale) if 0 < scale <= 30 else None

    def cells(self, values: pa.Array, row: int) -> list[Cell]:
        return [None if v is None else self._cell(v, row + i) for i, v in enumerate(values.to_pylist())]

    def _cell(self, value: Any, row: int) -> Cell:
        digits = len(value.normalize().as_tuple().digits) if value else 1
        if digits <= 15 and -300 < value.adjusted() < 15:
            return ("n", float(value), self._format)
        self.count("decimals of more than 15 digits are written as text")
        return self.text(f"{value:f}", row)


class _Serials(Column):
    """Dates, times and lengths of time: whole units since an epoch become days."""

    def __init__(self, name: str, per_day: int, epoch: int, style: Any, *, moments: bool) -> None:
        super().__init__(name)
        self._per_day = per_day
        self._epoch = epoch
        self._style = style
        self._moments = moments

    def cells(self, values: pa.Array, row: int) -> list[Cell]:
        import pyarrow as pa

        units = values.cast(pa.int32() if values.type.bit_width == 32 else pa.int64()).cast(pa.int64()).to_pylist()
        texts: list[str | None] | None = None
        found: list[Cell] = []
        for i, unit in enumerate(units):
            if unit is None:
                found.append(None)
                continue
            day, rest = divmod(unit, self._per_day)
            day += self._epoch
            if self._moments and not _FIRST_DAY <= day <= _LAST_DAY:
                self.count("dates before March 1900 or after 9999 are written as text, since Excel has none")
                texts = texts or _texts(values)
                found.append(self.text(texts[i] or "", row + i))
                continue
            if day < 0:
                self.count("negative lengths of time are kept, though Excel shows none")
            if rest * 86_400_000 % self._per_day:
                self.count("times are kept to the millisecond")
            found.append(("n", day + rest / self._per_day, self._style))
        return found


def columns_of(schema: pa.Schema, formats: Formats) -> list[Column]:
    """A column for each field.

    Args:
        schema: The table's.
        formats: Gives the workbook's format for a code.
    """
    return [_column(field.name, field.type, formats) for field in schema]


def _column(name: str, kind: pa.DataType, formats: Formats) -> Column:
    import pyarrow as pa

    types = pa.types
    if types.is_boolean(kind):
        return _Booleans(name)
    if types.is_integer(kind):
        return _Integers(name)
    if types.is_floating(kind):
        return _Floats(name)
    if types.is_decimal(kind):
        return _Decimals(name, kind.scale, formats)
    if types.is_temporal(kind) and getattr(kind, "tz", None) is None and not types.is_interval(kind):
        return _temporal(name, kind, formats)
    return _other(name, kind)


def _temporal(name: str, kind: pa.DataType, formats: Formats) -> Column:
    import pyarrow as pa

    types = pa.types
    if types.is_date(kind):
        per_day = 1 if types.is_date32(kind) else 86_400_000
        return _Serials(name, per_day, _EPOCH_DAYS, formats("yyyy-mm-dd"), moments=True)
    clock = "hh:mm:ss" if kind.unit == "s" else "hh:mm:ss.000"
    if types.is_timestamp(kind):
        return _Serials(name, _per_day(kind.unit), _EPOCH_DAYS, formats(f"yyyy-mm-dd {clock}"), moments=True)
    style = formats("[h]:mm:ss" if types.is_duration(kind) else clock)
    return _Serials(name, _per_day(kind.unit), 0, style, moments=False)


def _other(name: str, kind: pa.DataType) -> Column:
    """What becomes text, and why."""
    import pyarrow as pa

    types = pa.types
    column = Column(name)
    if types.is_timestamp(kind):
        column.count("moments with a time zone are written as text, since a cell has no time zone", 0)
    elif types.is_nested(kind):
        column.count("lists and records are written as JSON text", 0)
    elif types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind):
        column.count("binary values are written as hexadecimal text", 0)
    return column


def _per_day(unit: str) -> int:
    return 86_400 * {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]


def _texts(values: pa.Array) -> list[str | None]:
    import pyarrow as pa

    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    texts: list[str | None] = as_text(values).to_pylist()
    return texts
