"""What is written as XLSX is read back: every value that a sheet can carry, and the text of what it cannot."""

from __future__ import annotations

import datetime as dt
import io
import re
from decimal import Decimal
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from entrepot.formats.readers.excel import open_workbook
from entrepot.formats.reading import ReadOptions
from entrepot.formats.writers.excel import open_xlsx

_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)
_DAYS = st.dates(dt.date(1800, 1, 1), dt.date(9999, 12, 31))
_MILLIS = st.integers(0, 999).map(lambda n: n * 1000)
_KINDS: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "whole": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "real": (pa.float64(), st.decimals(-(10**9), 10**9, places=4, allow_nan=False).map(float)),
    "text": (pa.string(), _TEXT),
    "yes": (pa.bool_(), st.booleans()),
    "price": (pa.decimal128(25, 3), st.decimals(-(10**21), 10**21, places=3, allow_nan=False)),
    "day": (pa.date32(), _DAYS),
    "moment": (
        pa.timestamp("ms"),
        st.builds(lambda d, t, m: dt.datetime.combine(d, t.replace(microsecond=m)), _DAYS, st.times(), _MILLIS),
    ),
    "time": (pa.time32("ms"), st.builds(lambda t, m: t.replace(microsecond=m), st.times(), _MILLIS)),
}


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    names = draw(st.lists(st.sampled_from(sorted(_KINDS)), min_size=1, unique=True))
    rows = draw(st.integers(1, 6))
    return pa.table(
        {
            n: pa.array(draw(st.lists(st.none() | _KINDS[n][1], min_size=rows, max_size=rows)), _KINDS[n][0])
            for n in names
        }
    )


def back(kind: pa.DataType, text: str | None) -> Any:
    """The value that a text stands for."""
    if text is None or pa.types.is_string(kind):
        return text
    if pa.types.is_integer(kind):
        return int(text)
    if pa.types.is_floating(kind):
        return float(text)
    if pa.types.is_boolean(kind):
        return {"true": True, "false": False}[text]
    if pa.types.is_decimal(kind):
        return Decimal(text)
    if pa.types.is_date(kind):
        return dt.date.fromisoformat(text)
    if pa.types.is_time(kind):
        return dt.time.fromisoformat(_six(text))
    return dt.datetime.fromisoformat(_six(text))


def _six(text: str) -> str:
    return re.sub(r"\.(\d+)", lambda m: "." + m[1].ljust(6, "0"), text)


@settings(max_examples=60, deadline=None)
@given(tables(), st.integers(1, 4), st.integers(2, 9))
def test_reading_undoes_writing(table: pa.Table, chunk: int, max_rows: int) -> None:
    out = io.BytesIO()
    writer = open_xlsx(out, {"max_rows": max_rows})
    writer.begin("t", table.schema)
    for batch in table.to_batches(max_chunksize=chunk):
        writer.write(batch)
    assert writer.close().rows == [table.num_rows]
    expected = [list(row.values()) for row in table.to_pylist()]
    assert [row for row in read_all(out.getvalue(), table.schema) if any(c is not None for c in row)] == [
        row for row in expected if any(c is not None for c in row)
    ]


def read_all(data: bytes, schema: pa.Schema) -> list[list[Any]]:
    """The rows of all sheets; the header is known, however the reader took it."""
    reader = open_workbook(io.BytesIO(data), "t.xlsx", ReadOptions())
    rows: list[list[Any]] = []
    for place in range(len(reader.tables())):
        book = reader._book
        from entrepot.formats.readers.workbook.book import Notes

        for number, cells in book.rows(place, "exact", Notes()):
            if number:
                texts = dict(cells)
                rows.append([back(f.type, texts.get(i)) for i, f in enumerate(schema)])
    return rows
