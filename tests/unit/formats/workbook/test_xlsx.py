from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest

from entrepot.errors import SourceError
from entrepot.formats.readers.excel import open_workbook
from entrepot.formats.reading import Limits, ReadOptions
from tests.unit.formats.workbook.making import (
    LINKS,
    PACKAGE,
    STRICT,
    cell,
    grid,
    numbers_of,
    parts_of,
    read,
    read_or_refused,
    xlsx,
    zipped,
)

PEOPLE = grid(["name", "age"], ["Ann", 5], ["Bob", 7])


def test_every_sheet_is_a_table_hidden_and_empty_ones_too() -> None:
    data = xlsx(PEOPLE, PEOPLE, "", names=["one", "two", "three"], states=["", "hidden", "veryHidden"])
    tables, rows = read(data)
    assert [t.name for t in tables] == ["one", "two", "three"]
    assert rows == [["Ann", "5"], ["Bob", "7"]]
    assert [t.rows for t in tables] == [2, 2, 0]
    assert "The sheet is hidden." in tables[1].doubts
    assert tables[2].doubts == ["The sheet is very hidden.", "The sheet is empty."]
    assert tables[0].weight > tables[1].weight > tables[2].weight


def test_a_table_is_found_wherever_it_starts_and_rows_keep_the_sheets_numbers() -> None:
    data = xlsx(
        grid(["Report of the year"], at="C", first=3)
        + grid(["id", "n"], ["a", 1], at="C", first=6)
        + grid(["b", 2], at="C", first=9)
    )
    tables, rows = read(data)
    assert tables[0].header == ["id", "n"]
    assert tables[0].first_row == 7
    assert rows == [["a", "1"], ["b", "2"]]
    assert numbers_of(data) == [7, 9]
    assert any("Row 3 above the table" in d for d in tables[0].doubts)


def test_a_grid_without_a_header_is_given_whole() -> None:
    tables, rows = read(xlsx(grid([1, 2], [3, 4])))
    assert tables[0].header_rows == 0
    assert tables[0].schema.names == ["column_1", "column_2"]
    assert rows == [["1", "2"], ["3", "4"]]


def test_header_rows_under_merged_cells_are_joined() -> None:
    merges = '<mergeCells><mergeCell ref="A1:A2"/><mergeCell ref="B1:C1"/></mergeCells>'
    tables, rows = read(xlsx(grid(["id", "name", None], [None, "first", "last"], [1, "Ann", "Lee"]), tail=merges))
    assert tables[0].header == ["id", "name first", "name last"]
    assert tables[0].header_rows == 2
    assert rows == [["1", "Ann", "Lee"]]


def test_cells_of_every_kind() -> None:
    row = (
        '<row r="1"><c r="A1" t="inlineStr"><is><t>a</t></is></c><c r="B1" t="s"><v>0</v></c><c r="C1" t="s"><v>1</v></c>'
        '<c r="D1" t="str"><f>1&amp;2</f><v>x_x000D_\n&amp;</v></c><c r="E1" t="b"><v>1</v></c>'
        '<c r="F1" t="e"><v>#N/A</v></c><c r="G1" t="d"><v>2024-02-29</v></c><c r="H1"><v>5</v></c>'
        '<c r="I1"><f>A1</f></c><c r="J1" s="1"><v>501</v></c><c r="K1" t="s"><v>99</v></c><c r="L1"><v>oops</v></c>'
        '<c r="M1" t="inlineStr"><is><r><t>ri</t></r><r><t>ch</t></r><rPh><t>no</t></rPh></is></c></row>'
    )
    texts = ["<t>sh&amp;ared</t>", '<r><t>r</t></r><r><t xml:space="preserve"> 2</t></r><rPh sb="0"><t>no</t></rPh>']
    data = xlsx(row, texts=texts, formats=["00000"])
    tables, rows = read(data, values="shown")
    cells = ["a", "sh&ared", "r 2", "x\r\n&", "TRUE", "#N/A", "2/29/2024", "5", "00501", "oops", "rich"]
    assert [c for c in (rows[0] if rows else tables[0].header) if c] == cells
    said = " ".join(tables[0].doubts)
    for part in ("#N/A 1 times", "1 formulas have no stored value", "1 cells refer to texts", "1 cells say that"):
        assert part in said
    assert read(data)[0][0].doubts == tables[0].doubts


def test_shown_and_exact_differ_where_they_should() -> None:
    rows = (
        grid(["d", "n", "p"])
        + '<row r="2">'
        + "".join(cell(f"{c}2", v, s) for c, v, s in (("A", 43831.5, 1), ("B", 1234.567, 2), ("C", 0.125, 3)))
        + "</row>"
    )
    data = xlsx(rows, formats=["d-mmm-yy", "#,##0.0", "0.0%"])
    assert read(data, values="shown")[1] == [["1-Jan-20", "1,234.6", "12.5%"]]
    assert read(data)[1] == [["2020-01-01 12:00:00", "1234.567", "12.5%"]]


def test_dates_count_from_1904_where_the_workbook_says_so() -> None:
    rows = grid(["d"]) + '<row r="2"><c r="A2" s="1"><v>42369</v></c></row>'
    data = xlsx(rows, formats=["yyyy-mm-dd"], epoch1904=True)
    reader = open_workbook(io.BytesIO(data), "x", ReadOptions())
    assert "Dates count from 1904, as the workbook says." in reader.doubts
    assert read(data)[1] == [["2020-01-01"]]


PLAIN = grid(["name", "n"], ["A & <b>", 1.5], ["  kept ", -2], [None, 3])
ODD = [
    pytest.param(lambda s: s.replace("<c r=", "<c\n r="), id="line ends in tags"),
    pytest.param(lambda s: s.replace(' r="', ' x="1" r="'), id="attributes before"),
    pytest.param(lambda s: s.replace("<v>", "<!-- --><v>"), id="comments"),
    pytest.param(lambda s: s.replace("<v>1.5</v>", "<v><![CDATA[1.5]]></v>"), id="CDATA"),
    pytest.param(
        lambda s: s.replace("<c ", '<q:c xmlns:q="http://schemas.openxmlformats.org/spreadsheetml/2006/main" ').replace(
            "</c>", "</q:c>"
        ),
        id="prefixes",
    ),
]


@pytest.mark.parametrize("change", ODD)
def test_the_parser_and_the_patterns_read_the_same(change: object) -> None:
    assert callable(change)
    assert read(xlsx(change(PLAIN)))[1] == read(xlsx(PLAIN))[1] == [["A & <b>", "1.5"], ["  kept ", "-2"], [None, "3"]]


def test_rows_and_cells_may_leave_out_where_they_are() -> None:
    import re

    bare = re.sub(r' r="[A-Z]*[0-9]+"', "", grid(["name", "n"], ["Ann", 1], ["Bob", 2]))
    assert read(xlsx(bare))[1] == [["Ann", "1"], ["Bob", "2"]]


def test_strict_names_spaces_and_other_encodings_are_read() -> None:
    assert read(xlsx(PEOPLE, main=STRICT))[1] == [["Ann", "5"], ["Bob", "7"]]
    parts = parts_of(xlsx(PEOPLE))
    sheet = parts["xl/worksheets/sheet1.xml"].decode().replace("UTF-8", "UTF-16")
    parts["xl/worksheets/sheet1.xml"] = sheet.encode("utf-16")
    assert read(zipped(parts))[1] == [["Ann", "5"], ["Bob", "7"]]


def test_spaces_around_a_text_are_kept_only_where_it_says_so() -> None:
    rows = '<row r="1"><c r="A1" t="inlineStr"><is><t> a </t></is></c><c r="B1" t="s"><v>0</v></c></row>'
    tables, found = read(xlsx(rows, texts=['<t xml:space="preserve"> b </t>']))
    assert [*tables[0].header, *(c for row in found for c in row)] == ["a", " b "]


def test_a_sheet_may_have_no_rows_at_all() -> None:
    parts = parts_of(xlsx("", tail='<mergeCells><mergeCell ref="A1:B1"/></mergeCells>'))
    name = "xl/worksheets/sheet1.xml"
    for empty in (
        b"<sheetData/>",
        b"<sheetData />",
        b"<sheetData> \n</sheetData>",
        b'<sheetData><row r="5"/></sheetData>',
    ):
        changed = parts[name].replace(b"<sheetData></sheetData>", empty)
        assert read(zipped({**parts, name: changed}))[0][0].doubts == ["The sheet is empty."]


def test_a_macro_workbook_is_read_and_says_so() -> None:
    reader = open_workbook(io.BytesIO(xlsx(PEOPLE, more={"xl/vbaProject.bin": b"x"})), "x.xlsm", ReadOptions())
    assert reader.format == "xlsm"
    assert any("macros" in d for d in reader.doubts)


def test_a_cell_in_the_last_place_costs_no_memory() -> None:
    rows = '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>2</v></c></row>'
    data = xlsx(rows)
    tables, found = read(data)
    assert found == [["1", None], [None, "2"]]
    assert numbers_of(data) == [1, 1_048_576]
    assert any("16382 empty columns" in d for d in tables[0].doubts)


def test_a_total_at_the_end_is_kept_and_named() -> None:
    tables, rows = read(xlsx(grid(["name", "n"], ["Ann", 1], ["Bob", 2], ["Total", 3])))
    assert rows[-1] == ["Total", "3"]
    assert "Row 4 looks like a total; it is kept as a row." in tables[0].doubts


@pytest.mark.parametrize(
    ("data", "options", "reason"),
    [
        (xlsx(PEOPLE, PEOPLE, PEOPLE), {"limits": Limits(tables=2)}, "tables"),
        (xlsx(grid(list("abcd"))), {"limits": Limits(columns=3)}, "columns"),
        (xlsx('<row r="1"><c r="XFE1"><v>1</v></c></row>'), {}, "broken"),
        (xlsx('<row r="1048577"><c r="A1048577"><v>1</v></c></row>'), {}, "broken"),
        (xlsx('<row r="1"><c r="A1" t="str"><v>&boom;</v></c></row>'), {}, "broken"),
        (xlsx("<row><c>"), {}, "broken"),
        (zipped({"a.txt": "a"}), {}, "broken"),
        (b"PK\x03\x04 no zip", {}, "broken"),
        (b"a,b\n1,2\n", {}, "format"),
        (b"", {}, "format"),
        (xlsx(), {}, "empty"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_reason(data: bytes, options: dict[str, Any], reason: str) -> None:
    with pytest.raises(SourceError) as error:
        read(data, **options)
    assert error.value.facts["reason"] == reason
    assert error.value.hint


def test_a_bad_sheet_does_not_stop_its_neighbours() -> None:
    data = xlsx(PEOPLE, "<row><c>")
    tables, rows = read(data)
    assert len(rows) == 2
    assert "It cannot be read" in tables[1].doubts[0]
    with pytest.raises(SourceError):
        read(data, table=1)


def test_bombs_are_refused_while_they_inflate() -> None:
    bomb = xlsx('<row r="1">' + '<c r="A1"><v>1</v></c>' * 900_000 + "</row>")
    with pytest.raises(SourceError) as error:
        read(bomb)
    assert error.value.facts["reason"] == "ratio"
    with pytest.raises(SourceError) as error:
        read(xlsx(PEOPLE), limits=Limits(expanded_bytes=500))
    assert error.value.facts["reason"] == "expanded_bytes"


@pytest.mark.parametrize(
    "part", ["xl/workbook.xml", "xl/sharedStrings.xml", "xl/worksheets/sheet1.xml", "xl/styles.xml"]
)
def test_entities_are_never_expanded(part: str) -> None:
    evil = '<!DOCTYPE a [<!ENTITY x "y"><!ENTITY f SYSTEM "file:///etc/passwd">]>'
    parts = parts_of(xlsx(PEOPLE, texts=["<t>a</t>"]))
    text = parts[part].decode()
    head, mark, rest = text.rpartition("?>")
    changed = (head + mark + evil + rest).encode()
    with pytest.raises(SourceError) as error:
        read(zipped({**parts, part: changed}))
    assert error.value.facts["reason"] == "entities"


def test_links_out_of_the_package_are_not_followed() -> None:
    rels = (
        f'<Relationships xmlns="{PACKAGE}"><Relationship Id="rId1" Type="{LINKS}/worksheet" '
        'Target="../../../etc/passwd"/><Relationship Id="s" Type="x" TargetMode="External" Target="http://e.x/"/>'
        "</Relationships>"
    )
    with pytest.raises(SourceError) as error:
        read(xlsx(PEOPLE, more={"xl/_rels/workbook.xml.rels": rels}))
    assert error.value.facts["reason"] == "broken"


def test_a_file_cut_anywhere_is_read_or_refused() -> None:
    data = xlsx(PEOPLE, texts=["<t>a</t>"])
    for end in range(0, len(data), 10):
        read_or_refused(data[:end])


def test_a_byte_changed_anywhere_is_read_or_refused() -> None:
    parts = parts_of(xlsx(PEOPLE, texts=["<t>a</t>"], formats=["0.0"]))
    for name in ("xl/worksheets/sheet1.xml", "xl/workbook.xml", "xl/styles.xml"):
        whole = parts[name]
        for at in range(0, len(whole), 7):
            changed = whole[:at] + bytes([whole[at] ^ 5]) + whole[at + 1 :]
            read_or_refused(zipped({**parts, name: changed}, zipfile.ZIP_STORED))


def test_texts_beyond_what_is_held_come_from_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("entrepot.formats.readers.workbook.strings._HELD_TEXTS", 3)
    texts = [f"<t>text {i} ü</t>" for i in range(20)]
    rows = "".join(f'<row r="{i + 1}"><c r="A{i + 1}" t="s"><v>{i}</v></c></row>' for i in range(20))
    tables, found = read(xlsx(rows, texts=texts))
    assert [*tables[0].header, *(c for row in found for c in row)] == [f"text {i} ü" for i in range(20)]


def test_results_do_not_depend_on_the_size_of_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    data = xlsx(grid(["name", "n"], *(["x", i] for i in range(50))))
    whole = read(data)[1]
    monkeypatch.setattr("entrepot.formats.readers.excel.BATCH_ROWS", 7)
    assert read(data)[1] == whole
    assert numbers_of(data) == list(range(2, 52))


def test_rows_that_are_not_shown_do_not_shift_the_others() -> None:
    rows = '<row r="1"><c r="A1" s="1"><v>5</v></c></row>' + grid(["name", "n"], ["Ann", 1], ["Bob", 2], first=2)
    data = xlsx(rows, formats=[";;;"])
    tables, found = read(data, values="shown")
    assert tables[0].header == ["name", "n"]
    assert found == read(data)[1] == [["Ann", "1"], ["Bob", "2"]]


def test_a_long_text_that_many_cells_share_is_not_multiplied_in_memory() -> None:
    import tracemalloc

    text = "<t>" + "x" * 1_000_000 + "</t>"
    rows = "".join(f'<row r="{i}"><c r="A{i}" t="s"><v>0</v></c></row>' for i in range(1, 300))
    data = xlsx(rows, texts=[text])
    tracemalloc.start()
    reader = open_workbook(io.BytesIO(data), "x", ReadOptions(limits=Limits(ratio=10**6)))
    assert reader.tables()[0].header_rows == 0
    assert sum(batch.data.num_rows for batch in reader.batches(0)) == 299
    assert tracemalloc.get_traced_memory()[1] < 100 << 20
    tracemalloc.stop()
    places = [a + b for a in "ABCD" for b in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"]
    wide = ("".join(f'<c r="{p}{row}" t="s"><v>0</v></c>' for p in places) for row in (1, 2))
    with pytest.raises(SourceError) as error:
        read(
            xlsx("".join(f'<row r="{i}">{row}</row>' for i, row in enumerate(wide, 1)), texts=[text]),
            limits=Limits(ratio=10**6),
        )
    assert error.value.facts["reason"] == "cell_bytes"
