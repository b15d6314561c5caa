from __future__ import annotations

import datetime as dt
import io
from decimal import Decimal

import openpyxl
import pyarrow as pa
import pytest

from entrepot.errors import UsageError
from entrepot.formats.writers.excel import open_xlsx, sheet_name
from entrepot.formats.writing import Written
from tests.unit.formats.workbook.making import read


def written(*tables: pa.Table, names: list[str] | None = None, **options: object) -> tuple[bytes, Written]:
    out = io.BytesIO()
    writer = open_xlsx(out, dict(options))
    for i, table in enumerate(tables):
        writer.begin(names[i] if names else f"t{i}", table.schema)
        for batch in table.to_batches(max_chunksize=3):
            writer.write(batch)
    done = writer.close()
    return out.getvalue(), done


def opened(data: bytes) -> openpyxl.Workbook:
    return openpyxl.load_workbook(io.BytesIO(data))


def test_cells_have_their_types_and_the_header_is_frozen_bold_and_filtered() -> None:
    table = pa.table(
        {
            "whole": [1],
            "real": [1.5],
            "text": ["007"],
            "day": [dt.date(2024, 2, 29)],
            "moment": pa.array([dt.datetime(2024, 2, 29, 10, 11, 12)], pa.timestamp("s")),
            "time": pa.array([dt.time(10, 11, 12)], pa.time32("s")),
            "yes": [True],
            "price": pa.array([Decimal("5.10")], pa.decimal128(10, 2)),
        }
    )
    sheet = opened(written(table)[0]).active
    assert sheet is not None
    values = [c.value for c in sheet[2]]
    day, moment = dt.datetime(2024, 2, 29), dt.datetime(2024, 2, 29, 10, 11, 12)
    assert values == [1, 1.5, "007", day, moment, dt.time(10, 11, 12), True, 5.1]
    assert sheet["H2"].number_format == "0.00"
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == "A1:H2"
    assert all(c.font.bold for c in sheet[1])


def test_a_text_is_never_a_formula_a_link_or_a_number() -> None:
    texts = ["=1+1", "+5", "-x", "@SUM(A1)", "http://example.org/", "007", "{=A1}", "'quoted", "_x0041_", "a\r\nb\x01"]
    data, done = written(pa.table({"t": texts}))
    sheet = opened(data).active
    assert sheet is not None
    assert all(c.data_type in {"s", "inlineStr"} for (c,) in sheet.iter_rows(min_row=2))
    assert [row[0] for row in read(data)[1]] == texts
    assert done.notes == []


def test_what_a_cell_cannot_hold_becomes_text_and_is_said() -> None:
    table = pa.table(
        {
            "id": [10**15, 1],
            "amount": pa.array([Decimal("12345678901234567.89"), None], pa.decimal128(20, 2)),
            "zoned": pa.array([dt.datetime(2024, 1, 1, tzinfo=dt.UTC)] * 2, pa.timestamp("us", "UTC")),
            "old": [dt.date(1850, 1, 1), dt.date(1900, 2, 28)],
            "nan": [float("nan"), float("-inf")],
            "tags": [["a"], []],
            "bin": [b"\x01", None],
            "fine": pa.array([dt.time(1, 2, 3, 4), None], pa.time64("us")),
            "real": [0.1 + 0.2, 1.0],
            "empty": ["", "x"],
        }
    )
    data, done = written(table)
    rows = read(data)[1]
    assert rows[0][:2] == ["1000000000000000", "12345678901234567.89"]
    assert [r[3] for r in rows] == ["1850-01-01", "1900-02-28"]
    assert [r[4] for r in rows] == ["NaN", "-Infinity"]
    for part in (
        "15 digits",
        "time zone",
        "March 1900",
        "NaN",
        "JSON",
        "hexadecimal",
        "millisecond",
        "fifteenth",
        "empty",
    ):
        assert any(part in note for note in done.notes), part
    assert {n.split("'")[3] for n in done.notes} == set(table.column_names)


def test_a_text_too_long_for_a_cell_is_refused_and_never_cut() -> None:
    assert read(written(pa.table({"t": ["x" * 32_767]}))[0])[1] == [["x" * 32_767]]
    for text in ("x" * 32_768, "𝄞" * 16_384):
        with pytest.raises(UsageError, match="Row 1 of column 't'"):
            written(pa.table({"t": [text]}))


def test_further_rows_go_to_further_sheets() -> None:
    data, done = written(pa.table({"n": list(range(10))}), max_rows=4, names=["numbers"])
    assert opened(data).sheetnames == ["numbers", "numbers (2)", "numbers (3)", "numbers (4)"]
    assert [r[0].value for s in opened(data) for r in s.iter_rows(min_row=2)] == list(range(10))
    assert all(s["A1"].value == "n" for s in opened(data))
    assert done.rows == [10]
    assert done.tables == ["numbers"]
    assert "goes on in 'numbers (2)', 'numbers (3)', 'numbers (4)'" in done.notes[0]


def test_several_tables_are_several_sheets_with_names_that_are_allowed() -> None:
    one = pa.table({"a": [1]})
    names = ["x/y", "X?Y", "n" * 40, "n" * 40, "", "History", "'q'"]
    data, done = written(*[one] * len(names), names=names)
    assert opened(data).sheetnames == done.tables
    assert done.tables == ["x_y", "X_Y 2", "n" * 31, "n" * 29 + " 2", "Sheet", "History_", "q"]


def test_names_of_sheets_are_cut_by_what_excel_counts() -> None:
    assert len(sheet_name("𝄞" * 31, set()).encode("utf-16-le")) == 60
    assert sheet_name("a" * 40, set(), " (12)") == "a" * 26 + " (12)"


def test_empty_tables_and_no_table_at_all() -> None:
    data, done = written(pa.table({"a": pa.array([], pa.int64())}))
    assert read(data)[0][0].header == ["a"]
    assert done.rows == [0]
    assert opened(written()[0]).sheetnames


def test_what_cannot_be_asked_is_a_usage_error() -> None:
    with pytest.raises(UsageError):
        open_xlsx(io.BytesIO(), {"color": "red"})
    with pytest.raises(UsageError):
        open_xlsx(io.BytesIO(), {"max_rows": 1})
    with pytest.raises(UsageError):
        open_xlsx(io.BytesIO(), {}).begin("t", pa.schema([(f"c{i}", pa.int8()) for i in range(16_385)]))
    with pytest.raises(UsageError):
        open_xlsx(io.BytesIO(), {}).write(pa.record_batch({"a": [1]}))


def test_the_same_rows_give_the_same_bytes() -> None:
    table = pa.table({"a": [1, 2], "b": ["x", None]})
    assert written(table)[0] == written(table)[0]
