"""Sheets that point at the rows of another one: thousands of them must not be thousands of times the work."""

from __future__ import annotations

import struct
from io import BytesIO

import pytest

from entrepot.formats.readers.excel import open_workbook
from entrepot.formats.reading import ReadOptions
from tests.unit.formats.workbook.making import (
    LINKS,
    MAIN,
    brt,
    brt_cell,
    brt_row,
    brt_text,
    grid,
    label,
    ods,
    parts_of,
    read,
    record,
    wide,
    xls,
    xlsb,
    xlsx,
    zipped,
)
from tests.unit.formats.workbook.test_other_kinds import XML

MANY = 9_000


def shared_xlsx() -> bytes:
    listed = '<sheet name="s" sheetId="1" r:id="rId1"/>' * MANY + '<sheet name="t" sheetId="2" r:id="rId2"/>'
    book = f'<workbook xmlns="{MAIN}" xmlns:r="{LINKS}"><sheets>{listed}</sheets></workbook>'
    return xlsx(grid(*([i, f"name {i}"] for i in range(500))), grid(["a"], [1]), more={"xl/workbook.xml": book})


def shared_xlsb() -> bytes:
    cells = b"".join(brt_row(i) + brt_cell(6, 0, brt_text(f"name {i}")) for i in range(500))
    parts = parts_of(xlsb(cells))
    sheet = brt(156, struct.pack("<II", 0, 1) + brt_text("rId1") + brt_text("s"))
    return zipped({**parts, "xl/workbook.bin": sheet * MANY})


def shared_xls() -> bytes:
    cells = b"".join(label(i, 0, f"name {i}") for i in range(500))
    plain = xls(cells)
    sheet = record(0x85, struct.pack("<IBB", 0, 0, 0) + wide("s", "<B"))
    at = plain.index(record(0x85, b"")[:2], 30)
    more = sheet * MANY
    old = struct.unpack_from("<I", plain, at + 4)[0]
    sheet = sheet[:4] + struct.pack("<I", old + len(more)) + sheet[8:]
    whole = plain[:at] + sheet * MANY + plain[at:]
    return whole[: at + len(more) + 4] + struct.pack("<I", old + len(more)) + whole[at + len(more) + 8 :]


@pytest.mark.parametrize(
    ("data", "sheets"), [(shared_xlsx(), 2), (shared_xlsb(), 1), (shared_xls(), 1)], ids=["xlsx", "xlsb", "xls"]
)
def test_rows_that_many_sheets_point_at_are_read_once(data: bytes, sheets: int) -> None:
    tables, rows = read(data)
    assert len(tables) == sheets
    assert rows[-1][-1] == "name 499"


def test_thousands_of_small_sheets_are_read_each_with_its_own_rows() -> None:
    row = '<table:table-row><table:table-cell office:value-type="float" office:value="{0}"><text:p>{0}</text:p></table:table-cell></table:table-row>'
    old = (
        '<Worksheet ss:Name="s{0}"><Table><Row><Cell><Data ss:Type="Number">{0}</Data></Cell></Row></Table></Worksheet>'
    )
    many = "".join(old.format(i) for i in range(2000))
    books = [
        ods("".join(f'<table:table table:name="s{i}">{row.format(i)}</table:table>' for i in range(2000))),
        XML.replace('<Worksheet ss:Name="two">', many + '<Worksheet ss:Name="two">').encode(),
    ]
    for data, first in zip(books, (0, 1), strict=True):
        tables, rows = read(data, table=first + 1999)
        assert [t.name for t in tables[first : first + 2000]] == [f"s{i}" for i in range(2000)]
        assert rows == [["1999"]]


def test_it_is_said_how_many_were_left_out() -> None:
    for data in (shared_xlsx(), shared_xlsb(), shared_xls()):
        doubts = open_workbook(BytesIO(data), "x", ReadOptions()).doubts
        assert any(d.endswith(" sheets point at the rows of another one; they were left out.") for d in doubts)
