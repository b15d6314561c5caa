"""Workbooks that other people made, file by file: what each must give, or why it must be refused."""

from __future__ import annotations

import io
import resource
from pathlib import Path

import pytest

from entrepot.errors import SourceError
from entrepot.formats.readers.excel import open_workbook
from entrepot.formats.reading import ReadOptions, Table

FOLDER = Path(__file__).resolve().parents[4] / "shared" / "corpora" / "calamine"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the corpora are not beside this checkout")

REFUSED = {
    "OOM_alloc3.xls": "broken",
    "issue252.xlsx": "broken",
    "issue_385.xls": "encrypted",
    "issue_594_dos.ods": "broken",
    "pass_protected.ods": "encrypted",
    "pass_protected.xlsb": "encrypted",
    "pass_protected.xlsx": "encrypted",
    "too_small.xls": "format",
}
"""What cannot be read, and the reason that is given."""

SHEETS = {
    "OOM_alloc.xls": 10,
    "OOM_alloc2.xls": 1,
    "any_sheets.ods": 4,
    "any_sheets.xls": 3,
    "any_sheets.xlsb": 3,
    "any_sheets.xlsx": 3,
    "column_row_ranges.xlsx": 2,
    "errors.xlsx": 3,
    "gh548_incorrect_sst_unique_count.xls": 7,
    "issue127.ods": 8,
    "issue127.xls": 8,
    "issue127.xlsb": 8,
    "issue127.xlsx": 8,
    "issues.ods": 6,
    "issues.xlsx": 6,
    "misc_biff5_parsing.xls": 11,
    "number_rows_repeated.ods": 3,
    "pivots.xlsx": 6,
    "table-multiple.xlsx": 3,
}
"""How many tables some of them have."""

DATES = [["2021-01-01", "15"], ["2021-01-02", "16"], ["255:10:10", "17"]]
VALUES: dict[tuple[str, str], list[list[str]]] = {
    ("date.xlsx", "Sheet1"): DATES,
    ("date.xlsb", "Sheet1"): DATES,
    ("date.xls", "Sheet1"): DATES,
    ("date_1904.xlsx", "Sheet1"): DATES,
    ("date_1904.xlsb", "Sheet1"): DATES,
    ("date_1904.xls", "Sheet1"): DATES,
    ("date_quoted_format.xlsx", "Sheet1"): [["January 2021"], ["2021-01-01"], ["January 1, 2021"], ["2021年1月1日"]],
    ("errors.xlsx", "Feuil1"): [
        ["#DIV/0!"],
        ["#NAME?"],
        ["#VALUE!"],
        ["#NULL!"],
        ["#REF!"],
        ["#NUM!"],
        ["#N/A"],
    ],
    ("encoded_entities.xlsx", "Sheet1"): [["&"]],
    ("has_x000D_.xlsx", "Sheet1"): [["ABC\r\nDEF"]],
    ("has_x000D_inline.xlsx", "Sheet1"): [["ABC\r\nDEF"]],
    ("inlineStr_cdata.xlsx", "Sheet1"): [["Hello CDATA", "World"], ["12345", "NormalText"]],
    ("nonstandard-xml-ns-prefix.xlsx", "Sheet1"): [["a", "b"], ["1", "3"], ["2", "4"]],
    ("no-header.xlsx", "Feuille 1"): [["a", "0"], ["b", "1"]],
    ("rph.xlsx", "Sheet1"): [["課きく\u3000毛こ"]],
    ("temperature-in-middle.xlsx", "Sheet1"): [["label", "value"], ["celsius", "22.2222"], ["fahrenheit", "72"]],
    ("issues.xlsx", "datatypes"): [["1"], ["1.5"], ["ab"], ["FALSE"], ["test"], ["10/20/2016"]],
    ("issues.xlsb", "datatypes"): [["1"], ["1.5"], ["ab"], ["FALSE"], ["test"], ["10/20/2016"]],
    ("issues.xls", "datatypes"): [["1"], ["1.5"], ["ab"], ["FALSE"], ["test"], ["10/20/2016"]],
    ("issue_186.xlsb", "Sheet1"): [["1.23"], ["12.34"], ["123.45"], ["1234.56"], ["12345.67"]],
    ("issue_182.xlsb", "formula_vals"): [["3"], ["Ab"], ["FALSE"]],
    ("xls_wrong_decimals.xls", "Sheet1"): [["0.525625"]],
    ("xls_formula.xls", "Sheet1"): [["10"], ["20"], ["110"], ["65"]],
    ("xls_formula.xls", "Sheet2"): [["55"]],
    ("formula-date-format.xls", "Sheet1"): [["27/02/2017"], ["28/02/2017"]],
    ("sheet_name_parsing.xls", "Sheet1"): [
        ["Titel", "Orginaltitel", "År", "Regissör", "Ditt betyg", "Datum", "IMDB#"],
    ],
    ("number_rows_repeated.ods", "Sheet1"): [["A", "B"], ["C", "D"], ["C", "D"], ["C", "D"], ["C", "D"]],
    ("covered.ods", "sheet1"): [["a1"], ["a2"], ["a3"]],
    ("special_cells.ods", "sheet1"): [
        ["Split\nLine"],
        ["Value  With spaces"],
        ["Value   With 3 spaces"],
        [" Value   With spaces before and after "],
        ["  Value   With 2 spaces before and after  "],
    ],
    ("table_with_absolute_paths.xlsx", "table"): [
        ["Item", "Name"],
        ["100", "North"],
        ["200", "South"],
        ["101", "West"],
        ["290", "East"],
    ],
}
"""All cells of some sheets, as they are shown."""


def files() -> list[Path]:
    return sorted(FOLDER.iterdir()) if FOLDER.is_dir() else []


def opened(path: Path) -> tuple[list[Table], dict[str, list[list[str]]]]:
    """The tables, and of each its header and rows as shown, empty cells left out."""
    reader = open_workbook(io.BytesIO(path.read_bytes()), path.name, ReadOptions(values="shown"))
    cells: dict[str, list[list[str]]] = {}
    for place, table in enumerate(reader.tables()):
        rows = [table.header] if table.header else []
        count = 0
        for batch in reader.batches(place):
            columns = [c.to_pylist() for c in batch.data.columns]
            rows += [list(row) for row in zip(*columns, strict=True)]
            count += batch.data.num_rows
        assert table.rows in {count, None}, (path.name, table.name)
        cells[table.name] = [[c for c in row if c] for row in rows]
    return reader.tables(), cells


@pytest.mark.parametrize("path", files(), ids=lambda p: p.name)
def test_each_is_read_or_refused_rightly(path: Path) -> None:
    if path.name in REFUSED:
        with pytest.raises(SourceError) as error:
            opened(path)
        assert error.value.facts["reason"] == REFUSED[path.name]
        return
    tables, cells = opened(path)
    assert len(tables) == SHEETS.get(path.name, len(tables))
    for (name, sheet), rows in VALUES.items():
        if name == path.name:
            assert cells[sheet] == rows, sheet


def test_what_is_expected_is_there() -> None:
    names = {p.name for p in files()}
    assert set(REFUSED) <= names
    assert {name for name, _ in VALUES} <= names


def test_files_that_ask_for_memory_get_little() -> None:
    """Some XLS claim sizes of gigabytes."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for path in FOLDER.glob("OOM_alloc*.xls"):
        if path.name not in REFUSED:
            opened(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 << 10


def test_calamine_finds_the_same_cells() -> None:
    """Another reader's count of cells, where it reads the file at all; it takes errors for blanks."""
    calamine = pytest.importorskip("python_calamine")
    checked = 0
    for path in files():
        if path.name in REFUSED or path.name.startswith(("OOM", "covered", "picture", "errors", "pivots")):
            continue
        book = calamine.CalamineWorkbook.from_path(str(path))
        tables, cells = opened(path)
        for table in tables:
            if table.name not in book.sheet_names or table.header_rows > 1 or table.rows == 0:
                continue
            if any("above the table" in d or "the same name" in d for d in table.doubts):
                continue
            theirs = sum(v != "" for row in book.get_sheet_by_name(table.name).to_python() for v in row)
            ours = sum(len(row) for row in cells[table.name])
            hidden = any("errors" in d for d in table.doubts)
            assert ours == theirs or hidden, (path.name, table.name, ours, theirs)
            checked += 1
    assert checked > 100
