"""Writers of delimited text, JSON and XML: what they write, and what they say of it."""

from __future__ import annotations

import datetime as dt
import io
import json
from decimal import Decimal

import pyarrow as pa
import pytest

from entrepot.errors import UsageError
from entrepot.formats.writing import writer
from tests.unit.formats.documents import written

TABLE = pa.table(
    {
        "id": [1, None],
        "name": ['a "b", c', "=x"],
        "price": pa.array([Decimal("1.10"), Decimal("-5.00")]),
        "at": pa.array([dt.datetime(2024, 1, 31, 12, tzinfo=dt.UTC), None], pa.timestamp("us", "Europe/Paris")),
        "tags": [["x"], []],
        "who": [{"n": 1, "m": None}, None],
    }
)


def test_csv():
    data, said = written(TABLE.select(["id", "name", "price", "tags"]), "csv")
    assert data.decode() == 'id,name,price,tags\n1,"a ""b"", c",1.10,"[""x""]"\n,=x,-5.00,[]\n'
    assert said.facts == {
        "delimiter": ",",
        "quote": '"',
        "escape": '"',
        "encoding": "utf-8",
        "header": True,
        "null": "",
        "formula_escape": False,
    }


def test_tsv_has_tabs():
    assert written(pa.table({"a": ["x\ty"], "b": [1]}), "tsv")[0] == b'a\tb\n"x\ty"\t1\n'


def test_a_command_line_has_words_for_tabs_and_line_ends():
    assert written(pa.table({"a": [1], "b": [2]}), "csv", delimiter="tab", line_end="crlf")[0] == b"a\tb\r\n1\t2\r\n"


def test_spreadsheets_are_kept_safe_only_when_asked_and_numbers_stay():
    table = pa.table({"t": ["=1", "-5", "'=", "a"], "n": [-5, 5, None, 0]})
    data, said = written(table, "csv", formula_escape=True)
    assert data.decode() == "t,n\n'=1,-5\n'-5,5\n''=,\na,0\n"
    assert said.facts["formula_escape"] is True
    assert written(table, "csv")[0].decode() == "t,n\n=1,-5\n-5,5\n'=,\na,0\n"


def test_dictionaries_of_texts_are_texts():
    table = pa.table({"t": pa.array(["=1", None, "=1"]).dictionary_encode()})
    assert written(table, "csv", formula_escape=True)[0] == b"t\n'=1\n\"\"\n'=1\n"


def test_a_dialect_without_quotes_escapes_or_says_what_it_lost():
    table = pa.table({"a": ["x,y\nz"], "b": ["\\"]})
    assert written(table, "csv", quote="", escape="\\")[0] == b"a,b\nx\\,y\\\nz,\\\\\n"
    data, said = written(table, "csv", quote="")
    assert data == b"a,b\nx y z,\\\n"
    assert any("became blanks" in note for note in said.notes)


def test_characters_that_an_encoding_lacks_are_said():
    data, said = written(pa.table({"a": ["é€日"]}), "csv", encoding="latin-1")
    assert data == b"a\n\xe9&#8364;&#26085;\n"
    assert any("lacks" in note for note in said.notes)


@pytest.mark.parametrize(
    ("encoding", "mark"), [("utf-8-sig", b"\xef\xbb\xbf"), ("utf-16", b"\xff\xfe"), ("utf-8", b"")]
)
def test_a_mark_stands_once_in_front(encoding, mark):
    data, _ = written(pa.table({"a": ["x"]}), "csv", encoding=encoding)
    assert data.startswith(mark)
    assert data.decode(encoding) == "a\nx\n"
    assert written(pa.table({"a": ["x"]}), "csv", bom=True)[0] == b"\xef\xbb\xbfa\nx\n"


def test_json_keeps_digits_and_nests():
    data, said = written(TABLE, "json")
    assert data.decode() == (
        "[\n"
        '{"id":1,"name":"a \\"b\\", c","price":1.10,"at":"2024-01-31T13:00:00+01:00","tags":["x"],"who":{"n":1,"m":null}},\n'
        '{"id":null,"name":"=x","price":-5.00,"at":null,"tags":[],"who":null}\n'
        "]\n"
    )
    assert any("Europe/Paris" in note for note in said.notes)


@pytest.mark.parametrize("indent", [0, 1, 4])
def test_json_is_json(indent):
    data, _ = written(TABLE, "json", indent=indent)
    assert [row["id"] for row in json.loads(data)] == [1, None]
    assert (b"\n" + b" " * indent + b"{") in data


@pytest.mark.parametrize("kind", ["json", "jsonl"])
def test_no_rows_and_no_table(kind):
    assert json.loads(written(TABLE.slice(0, 0), kind)[0] or "[]") == []
    file = io.BytesIO()
    assert writer(kind)(file, {}).close().rows == []
    assert json.loads(file.getvalue() or "[]") == []


def test_json_says_what_its_readers_lose():
    table = pa.table(
        {
            "big": [2**53 + 1],
            "nan": [float("nan")],
            "bytes": [b"\x00"],
            "exact": pa.array([Decimal("1.1")], pa.decimal128(20, 2)),
        }
    )
    data, said = written(table, "jsonl")
    assert data == b'{"big":9007199254740993,"nan":"NaN","bytes":"\\\\x00","exact":1.10}\n'
    assert len(said.notes) == 4
    assert written(pa.table({"small": [5]}), "jsonl")[1].notes == []


def test_json_lines_stay_lines_whatever_a_cell_of_json_looks_like():
    cells = pa.ExtensionArray.from_storage(pa.json_(), pa.array(['{"a":\n 1.10,\r\n"b":"x\\ny"}', "no json"]))
    data, _ = written(pa.table({"j": cells}), "jsonl")
    assert [json.loads(line)["j"] for line in data.splitlines()] == [{"a": 1.1, "b": "x\ny"}, "no json"]


def test_columns_of_one_name_are_refused_where_names_are_keys():
    table = pa.table([pa.array([1]), pa.array([2])], names=["a", "a"])
    with pytest.raises(UsageError, match="'a'"):
        written(table, "json")
    assert written(table, "csv")[0] == b"a,a\n1,2\n"


@pytest.mark.parametrize("kind", ["csv", "tsv", "json", "jsonl", "xml"])
def test_formats_of_one_table_refuse_the_second(kind):
    out = writer(kind)(io.BytesIO(), {})
    out.begin("a", TABLE.schema)
    with pytest.raises(UsageError, match="one table"):
        out.begin("b", TABLE.schema)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("csv", {"colour": "red"}),
        ("csv", {"header": "yes"}),
        ("csv", {"delimiter": ""}),
        ("csv", {"delimiter": '"'}),
        ("csv", {"quote": "ab"}),
        ("csv", {"line_end": "x"}),
        ("csv", {"encoding": "klingon"}),
        ("csv", {"quoting": "some"}),
        ("json", {"indent": -1}),
        ("json", {"indent": True}),
        ("jsonl", {"indent": 2}),
        ("xml", {"root": "a b"}),
        ("xml", {"null": "none"}),
        ("backup", {"indent": 2}),
    ],
)
def test_options_that_make_no_sense_are_refused(kind, options):
    with pytest.raises(UsageError):
        writer(kind)(io.BytesIO(), options)


def test_xml():
    data, said = written(TABLE.select(["id", "name", "tags"]), "xml", root="all", row="one")
    assert data.decode() == (
        '<?xml version="1.0" encoding="UTF-8"?>\n<all xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">\n'
        '  <one><id>1</id><name>a "b", c</name><tags>["x"]</tags></one>\n'
        '  <one><id xsi:nil="true"/><name>=x</name><tags>[]</tags></one>\n</all>\n'
    )
    assert said.facts == {"root": "all", "row": "one", "null": "nil"}


def test_xml_names_are_made_valid_and_said():
    table = pa.table([[1], [2], [3], [4], [5]], names=["a b", "a_b", "1st", "xmlfoo", "x:y"])
    data, said = written(table, "xml")
    assert b"<row><a_b>1</a_b><a_b_2>2</a_b_2><_1st>3</_1st><_xmlfoo>4</_xmlfoo><x_y>5</x_y></row>" in data
    assert len(said.notes) == 5


def test_xml_says_which_characters_it_cannot_hold():
    table = pa.table({"a": ["x\x00\x1fy\ufffe"]})
    data, said = written(table, "xml")
    assert "<a>x\ufffd\ufffdy\ufffd</a>".encode() in data
    assert any("cannot hold" in note for note in said.notes)
    with pytest.raises(UsageError, match="'a'"):
        written(table, "xml", invalid="refuse")


@pytest.mark.parametrize(("null", "cell"), [("nil", b'<a xsi:nil="true"/>'), ("empty", b"<a/>"), ("omit", b"")])
def test_xml_writes_null_as_asked(null, cell):
    assert (
        b"<row>" + cell + b"<b>1</b></row>"
        in written(pa.table({"a": pa.array([None], pa.string()), "b": [1]}), "xml", null=null)[0]
    )


def test_the_full_database_document_has_counts_under_both_names():
    file = io.BytesIO()
    out = writer("backup")(file, {"database": "db", "exported_at": "2024-01-15T10:30:00"})
    out.begin("users", pa.schema([("id", pa.int64()), ("name", pa.string())]))
    out.write(pa.record_batch({"id": [1, 2], "name": ["Alice", ""]}))
    out.begin("none", pa.schema([("d", pa.decimal128(5, 2))]))
    said = out.close()
    document = json.loads(file.getvalue())
    assert document["tables"]["users"] == {
        "schema": {"columns": ["id", "name"], "types": ["integer", "string"], "arrow": ["int64", "string"]},
        "data": [{"id": 1, "name": "Alice"}, {"id": 2, "name": ""}],
    }
    assert document["tables"]["none"]["schema"]["types"] == ["decimal(5,2)"]
    assert document["export_metadata"] == {
        "version": "1.0",
        "export_timestamp": "2024-01-15T10:30:00",
        "database_name": "db",
        "record_count": 2,
    }
    assert document["metadata"]["total_tables"] == 2
    assert said.rows == [2, 0]
    with pytest.raises(UsageError, match="'none'"):
        out.begin("none", TABLE.schema)
