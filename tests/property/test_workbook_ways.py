"""A sheet is read by columns, by patterns and by the XML parser: all three must give the same."""

from __future__ import annotations

import io
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from entrepot.formats.readers.workbook.book import Block, Notes, Row, Values, items
from entrepot.formats.readers.workbook.xlsx import open_xlsx
from entrepot.formats.reading import LIMITS
from tests.unit.formats.workbook.making import escaped, xlsx

FORMATS = ["0.00", "#,##0", "00000", "0.0%", "yyyy-mm-dd", "m/d/yyyy h:mm", "[h]:mm", "_(@_)", "0;-0;;@"]
_TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=6)
_NUMBERS = st.one_of(
    st.integers(-(10**17), 10**17).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.floats(0, 60_000).map(repr),
    st.decimals(-1000, 1000, places=2, allow_nan=False).map(str),
    st.sampled_from(["-0", "007", "1E3", "0.10", " 5 ", "oops", "44562", "44562.5", "0.25"]),
)


@st.composite
def cells(draw: st.DrawFn) -> str:
    """What stands behind ``<c r="A1"`` of a cell."""
    style = draw(st.sampled_from(["", *(f' s="{i}"' for i in range(len(FORMATS) + 1))]))
    kind = draw(st.sampled_from("nnnnssibefx"))
    if kind == "n":
        return f"{style}><v>{draw(_NUMBERS)}</v></c>"
    if kind == "s":
        return f'{style} t="s"><v>{draw(st.integers(0, 4))}</v></c>'
    if kind == "i":
        space = draw(st.sampled_from(["", ' xml:space="preserve"']))
        return f'{style} t="inlineStr"><is><t{space}>{escaped(draw(_TEXT))}</t></is></c>'
    if kind == "b":
        return f'{style} t="b"><v>{draw(st.integers(0, 1))}</v></c>'
    if kind == "e":
        return f'{style} t="e"><v>#N/A</v></c>'
    if kind == "f":
        value = draw(st.sampled_from(["", "<v></v>", "<v>5</v>"]))
        return f"{style}><f>A1&lt;2</f>{value}</c>"
    return draw(st.sampled_from([f"{style}/>", f"{style}></c>", f'{style} t="str"><v>a_x0041_&amp;</v></c>']))


@st.composite
def sheets(draw: st.DrawFn) -> str:
    """Rows whose columns mostly have cells of one form, with some of another here and there."""
    usual = [draw(cells()) for _ in range(draw(st.integers(1, 4)))]
    rows = []
    for number in range(1, draw(st.integers(1, 8)) + 1):
        row = ""
        for place, form in enumerate(usual):
            here = draw(st.sampled_from([form, form, form, "", draw(cells())]))
            row += f'<c r="{chr(65 + place)}{number}"{here}' if here else ""
        rows.append(f'<row r="{number}">{row}</row>')
    return "".join(rows)


def by_rows(found: Any) -> list[Row]:
    rows: list[Row] = []
    for item in found:
        if isinstance(item, Block):
            columns = {place: column.to_pylist() for place, column in item.columns.items()}
            for i, number in enumerate(item.numbers):
                rows.append((number, [(c, columns[c][i]) for c in sorted(columns) if columns[c][i] is not None]))
        else:
            rows.append(item)
    return rows


@settings(max_examples=50, deadline=None)
@given(sheets(), st.sampled_from(["exact", "shown", "none"]), st.booleans())
def test_all_ways_give_the_same(rows: str, values: Values, epoch1904: bool) -> None:
    texts = ["<t>one</t>", "<t></t>", "<t> two </t>", "<r><t>th</t></r><r><t>ree</t></r>"]
    plain = xlsx(rows, texts=texts, formats=FORMATS, epoch1904=epoch1904)
    slow = xlsx(rows.replace("<row ", "<!-- --><row "), texts=texts, formats=FORMATS, epoch1904=epoch1904)
    found = []
    for data, blocks in ((plain, True), (plain, False), (slow, False)):
        notes = Notes()
        book = open_xlsx(io.BytesIO(data), LIMITS)
        way = items(book, 0, values, notes) if blocks else book.rows(0, values, notes)
        rows_found = by_rows(way)
        if values == "none":
            rows_found = [(n, [(c, "") for c, _ in cells_found]) for n, cells_found in rows_found]
        told = (notes.errors, notes.uncached) if values == "none" else ()
        found.append((rows_found, told))
    assert found[0] == found[1] == found[2]
