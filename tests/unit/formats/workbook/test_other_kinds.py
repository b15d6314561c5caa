"""XLS, XLSB and ODS, made byte by byte."""

from __future__ import annotations

import io
import struct

import pytest

from entrepot.errors import SourceError
from entrepot.formats.readers.excel import open_workbook
from entrepot.formats.reading import ReadOptions
from tests.unit.formats.workbook.making import (
    brt,
    brt_cell,
    brt_row,
    brt_text,
    compound,
    label,
    number,
    numbers_of,
    ods,
    ods_cell,
    read,
    read_or_refused,
    record,
    wide,
    xls,
    xlsb,
)

OLD = (
    label(0, 0, "name")
    + label(0, 1, "d")
    + label(0, 2, "zip")
    + label(0, 3, "ok")
    + label(1, 0, "Zoë")
    + number(1, 1, 43831.5, 1)
    + number(1, 2, 501.0, 2)
    + record(0x205, struct.pack("<HHHBB", 1, 3, 0, 1, 0))
    + record(0x27E, struct.pack("<HHHI", 2, 1, 0, (1234 << 2) | 3))
    + record(0x205, struct.pack("<HHHBB", 2, 3, 0, 0x2A, 1))
)


def kind_of(data: bytes) -> str:
    return open_workbook(io.BytesIO(data), "x", ReadOptions()).format


@pytest.mark.parametrize("wrap", [bytes, compound])
def test_xls_is_read_bare_and_in_a_compound_file(wrap: object) -> None:
    assert callable(wrap)
    data = wrap(xls(OLD, formats=["m/d/yyyy h:mm", "00000"]))
    tables, rows = read(data, values="shown")
    assert kind_of(data) == "xls"
    assert tables[0].header == ["name", "d", "zip", "ok"]
    assert rows == [["Zoë", "1/1/2020 12:00", "00501", "TRUE"], [None, "12.34", None, "#N/A"]]
    assert read(data)[1][0] == ["Zoë", "2020-01-01 12:00:00", "00501", "true"]
    assert any("#N/A 1 times" in d for d in tables[0].doubts)


def test_xls_dates_of_1904() -> None:
    cells = label(0, 0, "d") + number(1, 0, 42369.0, 1)
    assert read(xls(cells, formats=["yyyy-mm-dd"], epoch1904=True))[1] == [["2020-01-01"]]


def test_xls_formulas_give_what_is_stored() -> None:
    def formula(row: int, result: bytes) -> bytes:
        return record(0x06, struct.pack("<HHH", row, 0, 0) + result + bytes(6) + struct.pack("<H", 0))

    cells = (
        label(0, 0, "f")
        + formula(1, struct.pack("<d", 2.5))
        + formula(2, b"\x00\0\0\0\0\0\xff\xff")
        + record(0x207, wide("text"))
        + formula(3, b"\x01\0\x01\0\0\0\xff\xff")
        + formula(4, b"\x02\0\x07\0\0\0\xff\xff")
        + formula(5, b"\x03\0\0\0\0\0\xff\xff")
        + formula(6, b"\x00\0\0\0\0\0\xff\xff")
    )
    tables, rows = read(xls(cells))
    assert rows == [["2.5"], ["text"], ["true"], ["#DIV/0!"]]
    assert any("1 formulas have no stored value" in d for d in tables[0].doubts)


def test_xls_shared_texts_go_on_over_records() -> None:
    first, rest = "long ü", "er text"
    shared = record(0xFC, struct.pack("<IIH", 2, 99, len(first + rest)) + b"\x01" + first.encode("utf-16-le")) + record(
        0x3C, b"\x00" + rest.encode("latin-1") + struct.pack("<H", 1) + b"\x00b"
    )
    cells = label(0, 0, "t") + b"".join(record(0xFD, struct.pack("<HHHI", i + 1, 0, 0, i)) for i in range(3))
    tables, rows = read(xls(cells, texts=shared))
    assert rows == [["long über text"[:6] + "er text"], ["b"]]
    assert any("1 cells refer to texts" in d for d in tables[0].doubts)


def test_xls_cells_in_any_order_come_by_rows() -> None:
    cells = b"".join(label(r, c, f"{r}{c}x") for c in range(2) for r in range(3))
    tables, rows = read(xls(cells))
    assert [tables[0].header, *rows] == [["00x", "01x"], ["10x", "11x"], ["20x", "21x"]]


def test_xls_texts_lose_their_nul_characters_and_it_is_said() -> None:
    tables, rows = read(xls(label(0, 0, "a") + label(1, 0, "x\0y")))
    assert rows == [["xy"]]
    assert any("NUL characters" in d for d in tables[0].doubts)


def test_xls_of_excel_2_is_read() -> None:
    def old(kind: int, row: int, column: int, data: bytes) -> bytes:
        return record(kind, struct.pack("<HH", row, column) + b"\0\0\0" + data)

    data = record(0x09, struct.pack("<HH", 2, 0x10)) + record(0x42, struct.pack("<H", 1252)) + old(4, 0, 0, b"\x01a")
    data += old(2, 1, 0, struct.pack("<H", 7)) + old(3, 2, 0, struct.pack("<d", 2.5)) + record(0x0A)
    tables, rows = read(data, name="old.xls")
    assert tables[0].name == "old"
    assert [tables[0].header, *rows] == [["a"], ["7"], ["2.5"]]


def test_encrypted_workbooks_are_refused_by_that_name() -> None:
    locked = [
        xls(OLD, before=record(0x2F, bytes(54))),
        compound(b"x" * 5000, "EncryptedPackage"),
        ods("", manifest='<m:file-entry xmlns:m="x"><m:encryption-data/></m:file-entry>'),
    ]
    for data in locked:
        with pytest.raises(SourceError) as error:
            read(data, name="book.xls")
        assert error.value.facts["reason"] == "encrypted"
        assert "book" in error.value.message


NEW = (
    brt_row(0)
    + brt_cell(6, 0, brt_text("name"))
    + brt_cell(7, 1, struct.pack("<I", 0))
    + brt_row(1)
    + brt_cell(6, 0, brt_text("Zoë"))
    + brt_cell(5, 1, struct.pack("<d", 43831.0), 1)
    + brt_row(2)
    + brt_cell(3, 0, b"\x2a")
    + brt_cell(2, 1, struct.pack("<I", (1234 << 2) | 3))
    + brt_row(5)
    + brt_cell(10, 0, b"\x01" + bytes(6))
    + brt_cell(8, 1, brt_text("f") + bytes(4))
)


def test_xlsb_is_read() -> None:
    data = xlsb(NEW, formats=["d-mmm-yy"], texts=["d"])
    tables, rows = read(data, values="shown")
    assert kind_of(data) == "xlsb"
    assert tables[0].header == ["name", "d"]
    assert rows == [["Zoë", "1-Jan-20"], ["#N/A", "12.34"], ["TRUE", "f"]]
    assert numbers_of(data) == [2, 3, 6]
    assert read(data)[1][0] == ["Zoë", "2020-01-01"]


def test_xlsb_merged_header_cells() -> None:
    cells = (
        brt_row(0)
        + brt_cell(6, 0, brt_text("a"))
        + brt_row(1)
        + b"".join(brt_cell(6, c, brt_text(t)) for c, t in enumerate(("x", "y")))
        + brt_row(2)
        + brt_cell(5, 0, struct.pack("<d", 1.0))
        + brt_cell(5, 1, struct.pack("<d", 2.0))
    )
    cells += brt(176, struct.pack("<4I", 0, 0, 0, 1))
    assert read(xlsb(cells))[0][0].header in (["a x", "a y"], ["x", "y"])


TABLE = (
    '<table:table table:name="one"><table:table-row><table:table-cell office:value-type="string"><text:p>name</text:p>'
    '</table:table-cell><table:table-cell office:value-type="string"><text:p>v</text:p></table:table-cell>'
    "</table:table-row>{}</table:table>"
)


def row(*cells: str, more: str = "") -> str:
    return f"<table:table-row {more}>{''.join(cells)}</table:table-row>"


def test_ods_gives_what_its_cells_show_or_hold() -> None:
    stored = [
        ("date", "2024-02-29", "02/29/24", "2024-02-29"),
        ("date", "2024-02-29T10:11:12", "Feb 29", "2024-02-29 10:11:12"),
        ("time", "PT30H10M05S", "30:10", "30:10:05"),
        ("percentage", "0.125", "12.5%", "12.5%"),
        ("percentage", "0.125", "13%", "0.125"),
        ("currency", "5", "5.00 €", "5"),
        ("float", "501", "00501", "00501"),
        ("float", "0.30000000000000004", "0.30", "0.3"),
        ("boolean", "true", "WAHR", "true"),
        ("string", "", "a<text:s text:c='2'/>b<text:line-break/>c", "a  b\nc"),
    ]
    data = ods(TABLE.format("".join(row(ods_cell("string", "", "x"), ods_cell(k, v, s)) for k, v, s, _ in stored)))
    assert kind_of(data) == "ods"
    assert [r[1] for r in read(data)[1]] == [exact for *_, exact in stored]
    shown = [s for _, _, s, _ in stored[:-2]] + ["TRUE", "a  b\nc"]
    assert [r[1] for r in read(data, values="shown")[1]] == shown


def test_ods_repeats_cells_and_rows_but_no_blanks() -> None:
    blank = "<table:table-cell table:number-columns-repeated='16384'/>"
    data = ods(
        TABLE.format(
            row(blank, more='table:number-rows-repeated="3"')
            + row(
                ods_cell("float", "1", "1", 'table:number-columns-repeated="2"'), more='table:number-rows-repeated="2"'
            )
            + row(blank, more='table:number-rows-repeated="1048570"')
        )
    )
    assert read(data)[1] == [["1", "1"], ["1", "1"]]
    assert numbers_of(data) == [5, 6]


def test_ods_that_repeats_without_end_is_refused() -> None:
    huge = row(
        ods_cell("float", "1", "1", 'table:number-columns-repeated="1000"'), more='table:number-rows-repeated="1000000"'
    )
    with pytest.raises(SourceError) as error:
        read(ods(TABLE.format(huge)))
    assert error.value.facts["reason"] == "ratio"


def test_ods_hidden_sheets_and_streaming(monkeypatch: pytest.MonkeyPatch) -> None:
    style = '<style:style style:name="ta1"><style:table-properties table:display="false"/></style:style>'
    two = TABLE.format(row(ods_cell("float", "1", "1"))).replace('"one"', '"two" table:style-name="ta1"')
    data = ods(TABLE.format(row(ods_cell("string", "", "z"), ods_cell("float", "9", "9"))) + two, styles=style)
    held = read(data, table=1)
    assert [t.name for t in held[0]] == ["one", "two"]
    assert "The sheet is hidden." in held[0][1].doubts
    monkeypatch.setattr("entrepot.formats.readers.workbook.ods._HELD_BYTES", 0)
    assert read(data, table=1) == held


@pytest.mark.parametrize(
    "data", [compound(xls(OLD)), xls(OLD), xlsb(NEW), ods(TABLE.format(row(ods_cell("float", "1", "1"))))]
)
def test_a_file_cut_or_changed_anywhere_is_read_or_refused(data: bytes) -> None:
    step = max(10, len(data) // 200)
    for at in range(0, len(data), step):
        for broken in (data[:at], data[:at] + bytes([data[at] ^ 0x41]) + data[at + 1 :]):
            read_or_refused(broken)


def test_a_compound_file_without_a_workbook_is_refused() -> None:
    with pytest.raises(SourceError) as error:
        read(compound(b"word " * 2000, "WordDocument"))
    assert error.value.facts["reason"] == "broken"


XML = """<?xml version="1.0"?><?mso-application progid="Excel.Sheet"?>
<Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet" xmlns:ss="urn:schemas-microsoft-com:office:spreadsheet"
 xmlns:x="urn:schemas-microsoft-com:office:excel" xmlns:h="http://www.w3.org/TR/REC-html40">
<Styles><Style ss:ID="Default"/><Style ss:ID="d"><NumberFormat ss:Format="Short Date"/></Style>
<Style ss:ID="n"><NumberFormat ss:Format="00000"/></Style></Styles>
<Worksheet ss:Name="one"><Table><Row ss:Index="3"><Cell ss:MergeAcross="1"><Data ss:Type="String">name</Data></Cell>
<Cell><Data ss:Type="String">d</Data></Cell></Row>
<Row><Cell><ss:Data ss:Type="String"><h:B>Zo</h:B>ë</ss:Data></Cell><Cell ss:StyleID="n"><Data ss:Type="Number">5</Data></Cell>
<Cell ss:StyleID="d"><Data ss:Type="DateTime">2024-02-29T00:00:00.000</Data></Cell></Row>
<Row><Cell ss:Index="2"><Data ss:Type="Boolean">1</Data></Cell><Cell><Data ss:Type="Error">#N/A</Data></Cell></Row>
</Table></Worksheet><Worksheet ss:Name="two"><Table/><x:WorksheetOptions><x:Visible>SheetHidden</x:Visible>
</x:WorksheetOptions></Worksheet></Workbook>"""


def test_xml_spreadsheets_of_2003_are_read() -> None:
    tables, rows = read(XML.encode(), name="book.xls", values="shown")
    assert [t.name for t in tables] == ["one", "two"]
    assert "The sheet is hidden." in tables[1].doubts
    assert rows == [["Zoë", "00005", "2/29/2024"], [None, "TRUE", "#N/A"]]
    assert numbers_of(XML.encode()) == [4, 5]
    assert read(XML.encode())[1][0] == ["Zoë", "00005", "2024-02-29"]
    for end in range(0, len(XML), 10):
        read_or_refused(XML.encode()[:end])


def test_errors_are_told_as_they_stand_whatever_they_hold() -> None:
    tables, _ = read(XML.replace("#N/A", "{N/A}{0}").encode(), name="book.xls")
    assert "1 cells hold errors, given as they are shown: {N/A}{0} 1 times." in tables[0].doubts


def protected(plain: bytes, minor: int) -> bytes:
    """An XLS encrypted as Excel does with protected workbooks; the record of its key follows the first."""
    import hashlib

    from entrepot.formats.readers.workbook import locked

    salt, verifier = bytes(range(16)), bytes(range(50, 66))
    digest = hashlib.md5 if minor == 1 else hashlib.sha1
    head = struct.pack("<HHH", 1, 1 if minor == 1 else 2, minor)
    if minor == 1:
        start = hashlib.md5("VelvetSweatshop".encode("utf-16-le")).digest()[:5]
        base = hashlib.md5((start + salt) * 16).digest()[:5]
        middle = salt
    else:
        base = hashlib.sha1(salt + "VelvetSweatshop".encode("utf-16-le")).digest()
        middle = struct.pack("<IIIIIIIIII", 4, 34, 4, 0, 0x6801, 0x8004, 128, 1, 0, 0) + b"\0\0"
        middle += struct.pack("<I", 16) + salt

    def key(block: int) -> bytes:
        return digest(base + struct.pack("<I", block)).digest()[:16]

    stream = locked.rc4(key(0))
    sealed = bytes(b ^ next(stream) for b in verifier)
    proof = bytes(b ^ next(stream) for b in digest(verifier).digest())
    middle += sealed + (b"" if minor == 1 else struct.pack("<I", 20)) + proof
    first = 4 + struct.unpack_from("<H", plain, 2)[0]
    note = record(0x2F, head + middle)
    # The places of sheets move with the record that is put in.
    whole = bytearray(plain[:first] + note + plain[first:])
    at = 0
    while at < len(whole):
        kind, size = struct.unpack_from("<HH", whole, at)
        if kind == 0x85:
            struct.pack_into("<I", whole, at + 4, struct.unpack_from("<I", whole, at + 4)[0] + len(note))
        keep = size if kind in {0x809, 0x2F} else 4 if kind == 0x85 else 0
        for place in range(at + 4 + keep, at + 4 + size):
            if place % 1024 == 0 or place == at + 4 + keep:
                stream = locked.rc4(key(place // 1024))
                for _ in range(place % 1024):
                    next(stream)
            whole[place] ^= next(stream)
        at += 4 + size
    return bytes(whole)


@pytest.mark.parametrize("minor", [1, 2])
def test_xls_protected_without_a_secret_is_read(minor: int) -> None:
    plain = xls(OLD + b"".join(label(i, 0, "some text") for i in range(3, 90)), formats=["0.0", "00000"])
    tables, rows = read(protected(plain, minor), name="book.xls")
    assert rows == read(plain)[1]
    reader = open_workbook(io.BytesIO(compound(protected(plain, minor))), "x", ReadOptions())
    assert any("hides nothing" in d for d in reader.doubts)
    assert tables[0].name == "Sheet1"
