"""What is written as delimited text, JSON or XML is read back as it was, for all types that each can carry."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from entrepot.formats.readers import json_text, xml_text
from entrepot.formats.texts import as_text
from entrepot.formats.writers.formulas import (
    escape_formula,
    escape_formulas,
    unescape_formula,
    unescape_formulas,
)
from tests.unit.formats.documents import opened, written

FEW = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12) | st.sampled_from(
    ["", " ", '"', "''", "=1+1", "'=x", "-5", "a,b", "a;b\tc", "x\r\ny", "\r", "\\", '\\"', "]]>", "&amp;", "<a/>", "NULL", "ä€日😀"]
)  # fmt: skip
PLAIN_TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=12)
NAMES = st.text(st.characters(categories=["L", "N", "P", "Zs"]), min_size=1, max_size=8).filter(str.strip)


def decimals(precision, scale):
    ends = 10**precision - 1
    return st.integers(-ends, ends).map(lambda n: Decimal((int(n < 0), tuple(map(int, str(abs(n)))), -scale)))


MOMENTS = st.datetimes(dt.datetime(1, 1, 2), dt.datetime(9999, 12, 30))
KINDS = [
    (pa.string(), TEXT),
    (pa.large_string(), TEXT),
    (pa.int8(), st.integers(-128, 127)),
    (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    (pa.uint64(), st.integers(0, 2**64 - 1)),
    (pa.float64(), st.floats()),
    (pa.float32(), st.floats(width=32)),
    (pa.bool_(), st.booleans()),
    (pa.decimal128(38, 9), decimals(38, 9)),
    (pa.decimal128(5, 0), decimals(5, 0)),
    (pa.decimal256(60, 20), decimals(60, 20)),
    (pa.date32(), st.dates()),
    (pa.date64(), st.dates()),
    (pa.time32("s"), st.times().map(lambda t: t.replace(microsecond=0))),
    (pa.time64("us"), st.times()),
    (pa.timestamp("us"), MOMENTS),
    (pa.timestamp("s"), MOMENTS.map(lambda t: t.replace(microsecond=0))),
    (pa.timestamp("us", "UTC"), MOMENTS.map(lambda t: t.replace(tzinfo=dt.UTC))),
    (pa.timestamp("ms", "Asia/Kathmandu"), st.datetimes(dt.datetime(1995, 1, 1), dt.datetime(2100, 1, 1)).map(lambda t: t.replace(microsecond=0, tzinfo=dt.UTC))),
    (pa.binary(), st.binary(max_size=8)),
    (pa.binary(3), st.binary(min_size=3, max_size=3)),
    (pa.null(), st.none()),
]  # fmt: skip


@st.composite
def tables(draw, kinds=KINDS, names=NAMES, least=0, text=TEXT):
    width = draw(st.integers(1, 4))
    rows = draw(st.integers(least, 8))
    columns = draw(st.lists(names, min_size=width, max_size=width, unique=True))
    arrays = []
    for _ in columns:
        kind, values = draw(st.sampled_from(kinds))
        values = text if values is TEXT else values
        arrays.append(pa.array(draw(st.lists(st.none() | values, min_size=rows, max_size=rows)), kind))
    table = pa.table(arrays, names=columns)
    step = draw(st.integers(1, 8))
    return pa.Table.from_batches(table.combine_chunks().to_batches(max_chunksize=step), schema=table.schema)


def texts(table):
    """Rows as texts, the empty one as null: all that a format of texts tells apart."""
    columns = [as_text(column.combine_chunks()).to_pylist() for column in table.columns]
    return [[cell or None for cell in row] for row in zip(*columns, strict=True)] if columns else []


def read(data, kind, **options):
    reader = opened(data, kind, **options)
    schema = reader.tables()[0].schema
    return [list(row.values()) for batch in reader.batches(0) for row in batch.data.to_pylist()], schema.names


@FEW
@given(tables(), st.integers(0, 4))
def test_json(table, indent):
    data, said = written(table, "json", indent=indent)
    assert said.rows == [table.num_rows]
    rows, names = read(data, "json", strict=True)
    assert rows == texts(table)
    assert names == table.column_names or not table.num_rows


@FEW
@given(tables(least=1))
def test_json_lines_through_the_json_reader(table):
    data, _ = written(table, "jsonl")
    assert data.count(b"\n") == table.num_rows
    assert read(data, "json") == (texts(table), table.column_names)


@settings(FEW, max_examples=15)
@given(tables(least=1), st.integers(1, 50))
def test_json_in_blocks_of_any_size(table, block):
    data, _ = written(table, "json")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_text, "BLOCK", block)
        assert read(data, "json") == (texts(table), table.column_names)


def exact(array):
    """Values that can be compared, NaN with NaN, and zeros by their sign."""
    if pa.types.is_floating(array.type):
        return [None if v is None else repr(v) for v in array.to_pylist()]
    return as_text(array.combine_chunks()).to_pylist()


@settings(FEW, max_examples=40)
@given(st.lists(tables(), min_size=1, max_size=3))
def test_the_full_database_document_keeps_types_and_values(found):
    from entrepot.formats.writing import writer

    file = io.BytesIO()
    out = writer("backup")(file, {"database": "db", "exported_at": "2024-01-15T10:30:00"})
    for i, table in enumerate(found):
        out.begin(f"t{i}", table.schema)
        for batch in table.to_batches():
            out.write(batch)
    assert out.close().rows == [table.num_rows for table in found]
    reader = opened(file.getvalue())
    listed = reader.tables()
    assert [t.name for t in listed] == [*(f"t{i}" for i in range(len(found))), "document"]
    for i, table in enumerate(found):
        assert listed[i].schema.names == table.column_names
        back = pa.Table.from_batches([b.data for b in reader.batches(i)], listed[i].schema)
        assert [exact(c) for c in back.columns] == [exact(c) for c in table.columns]
        stated = [pa.string() if pa.types.is_null(k) else k for k in table.schema.types]
        assert [k if not pa.types.is_null(k) else pa.string() for k in back.schema.types] == stated
    assert not any("records" in doubt for doubt in reader.doubts)


@FEW
@given(tables(least=2, text=PLAIN_TEXT), st.sampled_from(["nil", "empty"]), st.integers(0, 3))
def test_xml(table, null, indent):
    data, said = written(table, "xml", null=null, indent=indent)
    rows, names = read(data, "xml")
    assert rows == texts(table)
    renamed = [note for note in said.notes if "is the element" in note]
    assert names == table.column_names or renamed


@FEW
@given(st.lists(TEXT, min_size=2, max_size=5), st.integers(1, 40))
def test_xml_holds_every_character_that_it_can(cells, block):
    table = pa.table({"a": cells, "b": range(len(cells))})
    data, _ = written(table, "xml")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(xml_text, "_BLOCK", block)
        found, _ = read(data, "xml")
    held = [re.sub(r"[\x01-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", "\ufffd", cell) or None for cell in cells]
    assert [row[0] for row in found] == held


DIALECTS = st.fixed_dictionaries(
    {
        "delimiter": st.sampled_from([",", ";", "\t", "|", " ", "§"]),
        "quote": st.sampled_from(['"', "'"]),
        "line_end": st.sampled_from(["\n", "\r\n", "\r"]),
        "quoting": st.sampled_from(["minimal", "text", "all"]),
        "encoding": st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-be"]),
        "header": st.booleans(),
    }
)


@FEW
@given(tables(), DIALECTS, st.booleans())
def test_delimited_text_in_any_dialect(table, dialect, doubled):
    dialect = dialect | {"escape": dialect["quote"] if doubled else "\\"}
    data, said = written(table, "csv", **dialect)
    text = data.decode(dialect["encoding"])
    rows = list(
        csv.reader(
            io.StringIO(text, newline=""),
            delimiter=dialect["delimiter"],
            quotechar=dialect["quote"],
            doublequote=doubled,
            escapechar=None if doubled else "\\",
            strict=True,
        )
    )
    if dialect["header"]:
        assert rows.pop(0) == table.column_names
    assert [[cell or None for cell in row] for row in rows] == texts(table)
    assert said.rows == [table.num_rows]


def slowly(rows, delimiter, null):
    """Delimited text, a cell at a time."""
    out = []
    for row in rows:
        cells = [
            null if c is None else f'"{c.replace(chr(34), chr(34) * 2)}"' if needs(c, delimiter, null) else c
            for c in row
        ]
        out.append(delimiter.join(cells) if len(cells) > 1 or cells[0] else '""')
    return "".join(f"{line}\n" for line in out)


def needs(cell, delimiter, null):
    return (bool(null) and cell == null) or delimiter in cell or any(c in cell for c in '"\r\n')


@FEW
@given(tables(), st.sampled_from([",", "||", "\t"]), st.sampled_from(["", "NULL", "\\N"]))
def test_whole_batches_are_written_as_cell_by_cell(table, delimiter, null):
    data, _ = written(table, "csv", delimiter=delimiter, null=null, header=False)
    columns = [as_text(column.combine_chunks()).to_pylist() for column in table.columns]
    assert data.decode() == slowly(list(zip(*columns, strict=True)), delimiter, null)


@FEW
@given(tables([(pa.string(), TEXT)]), st.sampled_from(["text", "all"]))
def test_quoting_of_texts_tells_the_empty_text_from_null(table, quoting):
    data, _ = written(table, "csv", quoting=quoting, null="\\N")
    body = [line for line in re.split(r"\n(?=(?:[^\"]*\"[^\"]*\")*[^\"]*$)", data.decode()) if line][1:]
    assert len(body) == table.num_rows
    assert sum(line.count('""') >= 1 for line in body) >= sum("" in row.values() for row in table.to_pylist())


@settings(FEW, max_examples=200)
@given(TEXT | st.text("'=+-@\t\ra1", max_size=6))
@example("'")
@example("'=")
@example("''-")
@example("-5")
def test_a_formula_is_escaped_and_comes_back(text):
    safe = escape_formula(text)
    assert not re.match(r"[=+\-@\t\r]", safe)
    assert unescape_formula(safe) == text
    cells = pa.array([text, None])
    assert escape_formulas(cells).to_pylist() == [safe, None]
    assert unescape_formulas(escape_formulas(cells)).to_pylist() == [text, None]


@FEW
@given(tables())
def test_what_spreadsheets_open_safely_comes_back_byte_for_byte(table):
    data, said = written(table, "csv", formula_escape=True)
    plain, _ = written(table, "csv")
    assert said.facts["formula_escape"] is True
    textual = [pa.types.is_string(k) or pa.types.is_large_string(k) for k in table.schema.types]
    header, *rows = csv.reader(io.StringIO(data.decode(), newline=""))
    header = [unescape_formula(name) for name in header]
    back = [[unescape_formula(c) if t else c for c, t in zip(row, textual, strict=True)] for row in rows]
    assert [header, *back] == list(csv.reader(io.StringIO(plain.decode(), newline="")))
    for row in rows:
        assert not any(t and re.match(r"[=+\-@\t\r]", c) for c, t in zip(row, textual, strict=True))
