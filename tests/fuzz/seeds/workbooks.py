"""Workbooks of every kind, with the cells, styles and oddities that their readers know."""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import struct

import xlsxwriter

from entrepot.formats.readers.workbook.ole import CompoundFile
from tests.fuzz.seeds.tables import ours
from tests.unit.formats.workbook import making
from tests.unit.formats.workbook.making import (
    brt,
    brt_cell,
    brt_row,
    brt_text,
    grid,
    label,
    number,
    ods_cell,
    record,
    wide,
)
from tests.unit.formats.workbook.test_other_kinds import NEW, OLD, XML, protected

_FORMATS = (
    "yyyy-mm-dd",
    "0.00%",
    '#,##0.00_);[Red]("x"#,##0.00)',
    "[h]:mm:ss.000",
    "# ?/?",
    "00000",
    "@",
    "[$-409]d-mmm-yy",
    "0.0E+0",
    "[>1]0;[<0]-0;\\z",
)


def xlsx() -> list[bytes]:
    """By our writer, by another, and by hand."""
    return [*ours("xlsx"), _theirs(), *_by_hand()]


def xlsm() -> list[bytes]:
    """The same with a part of macros."""
    return [
        making.xlsx(
            grid(["a", "b"], [1, "x"], [2.5, True]), more={"xl/vbaProject.bin": b"\xd0\xcf\x11\xe0" + bytes(100)}
        ),
        *_by_hand(),
    ]


def _theirs() -> bytes:
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True})
    sheet = book.add_worksheet("Data")
    sheet.merge_range("A1:D1", "Title")
    sheet.write_row("A3", ["id", "name", "born", "share"])
    styles = [book.add_format({"num_format": code}) for code in _FORMATS]
    for row in range(4, 20):
        sheet.write_row(row, 0, [row, f"name {row % 3}"])
        sheet.write_datetime(row, 2, dt.datetime(2024, 1, row), styles[0])
        sheet.write_number(row, 3, row / 7, styles[row % len(styles)])
        sheet.write_formula(row, 4, f"=A{row}*2", value=row * 2)
    sheet.write_rich_string("F4", "a", styles[0], "b", styles[1], "c")
    sheet.set_row(6, None, None, {"hidden": True})
    sheet.set_column("B:B", None, None, {"hidden": 1})
    sheet.add_table("H3:I6", {"columns": [{"header": "x"}, {"header": "y"}]})
    sheet.autofilter("A3:D19")
    other = book.add_worksheet("Hidden")
    other.hide()
    other.write_row("B2", ["k", "v"])
    other.write_row("B3", [1, 2])
    book.close()
    return out.getvalue()


def _by_hand() -> list[bytes]:
    numbers = "".join(
        f'<row r="{r}">'
        + "".join(f'<c r="{chr(65 + s)}{r}" s="{s}"><v>{v}</v></c>' for s in range(len(_FORMATS) + 1))
        + "</row>"
        for r, v in enumerate((0, 1.5, -3, 43831.25, 60, 2958465.99, 1e300, "x"), 1)
    )
    kinds = (
        '<row r="1"><c t="s"><v>0</v></c><c t="s"><v>1</v></c><c t="b"><v>1</v></c></row>'
        '<row><c t="e"><v>#N/A</v></c><c t="str"><f>A1</f><v>x</v></c><c t="d"><v>2024-01-01T00:00:00</v></c></row>'
        '<row r="9" hidden="1"><c r="XFD9" t="inlineStr"><is><r><t>a</t></r><rPh><t>b</t></rPh></is></c><c t="s"><v>99</v></c></row>'
    )
    tail = '<mergeCells><mergeCell ref="A1:B2"/></mergeCells>'
    return [
        making.xlsx(numbers, formats=_FORMATS),
        making.xlsx(numbers, formats=_FORMATS, epoch1904=True, main=making.STRICT),
        making.xlsx(
            kinds,
            "",
            texts=("<t>_x0041_ &amp;</t>", "<r><t>r</t></r><r><t> s</t></r>"),
            tail=tail,
            states=("", "hidden"),
        ),
        making.xlsx(grid(["id", "name"], *([i, f"n{i}"] for i in range(40)))),
    ]


def xls() -> list[bytes]:
    """Streams bare and in compound files, of Excel 97 and 2."""
    long = b"".join(label(i, 0, f"text {i}") + number(i, 1, i * 1.5, i % 3) for i in range(60))
    shared = record(0xFC, struct.pack("<II", 2, 2) + wide("one") + wide("two"))
    cells = (
        b"".join(record(0xFD, struct.pack("<HHHI", i, 0, 0, i)) for i in range(3))
        + record(0xBD, struct.pack("<HHHIHIH", 1, 1, 0, 0x3FF00000, 1, (7 << 2) | 2, 2))
        + record(0x06, struct.pack("<HHH", 2, 3, 0) + b"\x00\0\0\0\0\0\xff\xff" + bytes(6) + struct.pack("<H", 0))
        + record(0x207, wide("text"))
        + record(0xE5, struct.pack("<HHHHH", 1, 0, 1, 0, 2))
        + record(0x208, struct.pack("<HHHHHHI", 1, 0, 4, 0, 0, 0, 0x20))
    )
    books = [
        making.xls(OLD, formats=["m/d/yyyy h:mm", "00000"]),
        making.xls(long, OLD, formats=_FORMATS),
        making.xls(cells, texts=shared, formats=["0.0", "@"], epoch1904=True),
        protected(making.xls(OLD, formats=["0.0", "00000"]), 1),
        protected(making.xls(long, formats=["0.0"]), 2),
    ]
    old = record(0x09, struct.pack("<HH", 2, 0x10)) + record(0x42, struct.pack("<H", 1252))
    old += record(4, bytes(4) + b"\0\0\0\x01a") + record(3, struct.pack("<HH3xd", 1, 0, 2.5)) + record(0x0A)
    return [*books, old, *map(making.compound, books)]


def xlsb() -> list[bytes]:
    """Records of cells, texts, merges and formulas."""
    cells = brt_row(0) + brt_cell(7, 0, struct.pack("<I", 0)) + brt_cell(6, 1, brt_text("v"))
    cells += b"".join(
        brt_row(r) + brt_cell(5, 0, struct.pack("<d", r / 3), 1) + brt_cell(4, 1, b"\1") for r in range(1, 30)
    )
    merged = brt(129) + brt(145) + cells + brt(146) + brt(176, struct.pack("<IIII", 0, 0, 0, 1)) + brt(130)
    return [
        making.xlsb(NEW, formats=["d-mmm-yy"], texts=["d"]),
        making.xlsb(cells, formats=["0.00%"], texts=["name"], epoch1904=True),
        making.xlsb(merged, formats=_FORMATS, texts=["a", "b"]),
    ]


def ods() -> list[bytes]:
    """Repeats, spans, styles, kinds of cells, several sheets."""
    kinds = "".join(
        ods_cell(*cell)
        for cell in (
            ("float", "1.5", "1,50"), ("date", "2024-02-29", "29.02.24"), ("time", "PT12H30M15S", "12:30"), ("boolean", "true", "WAHR"),
            ("percentage", "0.5", "50 %"), ("currency", "3", "3 €"), ("string", "", "a<text:s text:c='3'/>b<text:line-break/>c"),
        )
    )  # fmt: skip
    rows = f"<table:table-row>{kinds}</table:table-row>"
    repeated = (
        '<table:table-row table:number-rows-repeated="3"><table:table-cell table:number-columns-repeated="2" '
        'office:value-type="float" office:value="7"><text:p>7</text:p></table:table-cell></table:table-row>'
        '<table:table-row table:number-rows-repeated="1048000"><table:table-cell table:number-columns-repeated="16384"/></table:table-row>'
    )
    spans = (
        '<table:table-row><table:table-cell table:number-columns-spanned="2" office:value-type="string"><text:p>x</text:p>'
        "<text:p>y</text:p></table:table-cell><table:covered-table-cell/></table:table-row>"
    )
    sheets = [rows * 6, repeated, spans + rows + repeated]
    return [
        making.ods("".join(f'<table:table table:name="s{i}">{s}</table:table>' for i, s in enumerate(sheets))),
        *(making.ods(f'<table:table table:name="one">{sheet}</table:table>') for sheet in sheets),
    ]


def xml2003() -> list[bytes]:
    """XML spreadsheets."""
    row = '<Row><Cell><Data ss:Type="String">x</Data></Cell><Cell ss:StyleID="d"><Data ss:Type="Number">1.5</Data></Cell></Row>'
    longer = XML.replace('<Row ss:Index="3">', row * 20 + '<Row ss:Index="40" ss:Span="2">')
    return [
        XML.encode(),
        longer.encode(),
        XML.encode("utf-16"),
        longer.replace('ss:Index="2"', 'ss:Index="200"').encode(),
    ]


def streams(books: list[bytes]) -> list[bytes]:
    """The streams inside compound files, so that their records can be mutated."""
    found = []
    for data in books:
        with contextlib.suppress(Exception):
            held = CompoundFile(io.BytesIO(data))
            entry = next(entry for name, entry in held.streams().items() if name.lower() in {"workbook", "book"})
            with held.open(entry) as file:
                found.append(file.read())
    return found
