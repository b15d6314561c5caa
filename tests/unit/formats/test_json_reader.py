"""JSON documents of every usual shape are read as tables."""

from __future__ import annotations

import io
import json
import tracemalloc

import pyarrow as pa
import pytest

from entrepot.errors import SourceError
from entrepot.formats.readers import json_text
from entrepot.formats.reading import Limits, ReadOptions, opener
from tests.unit.formats.documents import batches, everything, opened, rows

SHAPES = {
    "array of objects": ('[{"a":1,"b":"x"},{"b":"y","c":true}]', [{"a": "1", "b": "x", "c": None}, {"a": None, "b": "y", "c": "true"}]),
    "nested": ('[{"a":{"b":1}},{"a":null}]', [{"a.b": "1"}, {"a.b": None}]),
    "nested and plain": ('[{"a":{"b":1}},{"a":2}]', [{"a.b": "1", "a": None}, {"a.b": None, "a": "2"}]),
    "one object": ('{"a":1.10,"t":["x",2]}', [{"a": "1.10", "t": '["x",2]'}]),
    "one array inside": ('{"results":[{"a":1},{"a":2}]}', [{"a": "1"}, {"a": "2"}]),
    "deep array inside": ('{"d":{"r":{"i":[{"a":1},{"a":2}]}}}', [{"a": "1"}, {"a": "2"}]),
    "array of scalars inside": ('{"v":[1,2]}', [{"value": "1"}, {"value": "2"}]),
    "keyed by id": ('{"7":{"n":"x"},"8":{"n":"y"}}', [{"id": "7", "n": "x"}, {"id": "8", "n": "y"}]),
    "keyed with ids": ('{"7":{"id":1},"8":{"id":2}}', [{"key": "7", "id": "1"}, {"key": "8", "id": "2"}]),
    "keyed inside": ('{"u":{"a":{"n":1},"b":{"n":2},"c":{"n":3}}}', [{"id": "a", "n": "1"}, {"id": "b", "n": "2"}, {"id": "c", "n": "3"}]),
    "arrays with header": ('[["a","b"],[1,"x"],[2]]', [{"a": "1", "b": "x"}, {"a": "2", "b": None}]),
    "arrays without header": ("[[1,2],[3,4]]", [{"column_1": "1", "column_2": "2"}, {"column_1": "3", "column_2": "4"}]),
    "scalars": ('[1,"x",null]', [{"value": "1"}, {"value": "x"}, {"value": None}]),
    "mixed": ('[{"a":1},2,[3],null]', [{"a": "1", "value": None}, {"a": None, "value": "2"}, {"a": None, "value": "[3]"}, {"a": None, "value": None}]),
    "scalar": ("5", [{"value": "5"}]),
    "null": ("null", [{"value": None}]),
    "text": ('"x"', [{"value": "x"}]),
    "empty array": ("[]", []),
    "empty object": ("{}", [{"value": None}]),
    "empty objects": ("[{},{}]", [{"value": None}] * 2),
    "concatenated": ('{"a":1}{"a":2}', [{"a": "1"}, {"a": "2"}]),
    "lines": ('{"a":1}\n{"a":2}\n', [{"a": "1"}, {"a": "2"}]),
    "pretty-printed one after the other": ('{\n "a": 1\n}\n{\n "a": 2\n}', [{"a": "1"}, {"a": "2"}]),
    "text sequence": ('\x1e{"a":1}\n\x1e{"a":2}\n', [{"a": "1"}, {"a": "2"}]),
    "arrays one after the other": ('[{"a":1}]\n[{"a":2},{"a":3}]', [{"a": "1"}, {"a": "2"}, {"a": "3"}]),
    "lines of arrays": ('["a","b"]\n[1,2]\n', [{"a": "1", "b": "2"}]),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_is_read(shape):
    text, expected = SHAPES[shape]
    assert rows(text) == expected


@pytest.mark.parametrize("block", [1, 2, 7, 64])
@pytest.mark.parametrize("shape", SHAPES)
def test_rows_do_not_depend_on_how_the_file_is_read(shape, block, monkeypatch):
    monkeypatch.setattr(json_text, "BLOCK", block)
    text, expected = SHAPES[shape]
    assert rows(text) == expected


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
@pytest.mark.parametrize("block", [3, 1 << 20])
def test_unicode_encodings_are_told_by_their_bytes(encoding, block, monkeypatch):
    monkeypatch.setattr(json_text, "BLOCK", block)
    text = '{"count":2,"rows":[{"ä":"日本😀"},{"ä":"é"}]}'
    assert rows(text.encode(encoding)) == [{"ä": "日本😀"}, {"ä": "é"}]


def test_an_old_code_page_is_read_and_said():
    reader = opened('[{"name":"Müller","city":"Köln"},{"name":"Größe","city":"Zürich"}]'.encode("cp1252"))
    reader.tables()
    assert [row["name"] for batch in reader.batches(0) for row in batch.data.to_pylist()] == ["Müller", "Größe"]
    assert any("UTF-8" in doubt for doubt in reader.doubts)
    with pytest.raises(SourceError, match="not text in utf-8"):
        opened('["Müller"]'.encode("cp1252"), strict=True).tables()


def test_several_arrays_are_several_tables_and_the_rest_is_one_too():
    found = everything('{"page":1,"users":[{"n":"x"}],"meta":{"took":0.5},"orders":[{"o":1},{"o":2}]}')
    assert found == {
        "users": [{"n": "x"}],
        "orders": [{"o": "1"}, {"o": "2"}],
        "document": [{"page": "1", "meta.took": "0.5"}],
    }


def test_tables_of_one_name_have_their_paths_as_names():
    assert list(everything('{"a":{"rows":[{"x":1}]},"b":{"rows":[{"y":1}]}}')) == ["a.rows", "b.rows"]


def test_the_largest_table_is_the_heaviest():
    tables = opened('{"page":1,"a":[{"n":1}],"b":[{"o":1,"p":2},{"o":2}]}').tables()
    assert max(tables, key=lambda t: t.weight).name == "b"


@pytest.mark.parametrize("path", ["data.orders", "data/orders", "$.data.orders[*]", "/data/orders"])
def test_a_path_picks_a_table(path):
    assert rows('{"users":[{"a":1}],"data":{"orders":[{"o":1}]}}', path=path) == [{"o": "1"}]


def test_a_path_leads_through_arrays():
    text = '{"o":[{"id":1,"items":[{"s":"a"},{"s":"b"}]},{"id":2,"items":[]},{"id":3}]}'
    assert rows(text, path="o.items") == [{"s": "a"}, {"s": "b"}]


def test_a_path_leads_to_one_object_and_past_dots_in_names():
    assert rows('{"a.b":{"c":{"d":1}}}', path="a.b.c") == [{"d": "1"}]


def test_a_path_to_nothing_names_what_there_is():
    with pytest.raises(SourceError, match="users") as caught:
        opened('{"data":{"users":[{"a":1}]}}', path="data.people").tables()
    assert caught.value.facts["reason"] == "path"


def test_arrays_are_exploded_by_choice():
    text = '[{"id":1,"items":[{"s":"a"},{"s":"b"}]},{"id":2,"items":[]}]'
    assert rows(text, arrays="explode") == [
        {"id": "1", "items.s": "a"},
        {"id": "1", "items.s": "b"},
        {"id": "2", "items.s": None},
    ]
    assert rows('{"id":1,"t":["a","b"]}', arrays="explode") == [{"id": "1", "t": "a"}, {"id": "1", "t": "b"}]


def test_a_record_with_a_name_twice_is_refused_verbatim_with_its_place():
    reader = opened('[{"a":1},{"a":1,"a":2},{"a":3}]')
    (batch,) = batches(reader)
    assert batch.data.to_pylist() == [{"a": "1"}, {"a": "3"}]
    assert list(batch.rows or ()) == [1, 3]
    (refused,) = batch.refused
    assert (refused.row, refused.offset, refused.raw) == (2, 9, '{"a":1,"a":2}')
    assert refused.findings[0].code == "json"
    assert reader.tables()[0].rows == 3


@pytest.mark.parametrize(("escape", "code"), [("\\u0000", "nul"), ("\\ud800", "encoding"), ("\\udc00x", "encoding")])
def test_what_no_text_column_stores_costs_its_row(escape, code):
    (batch,) = batches(opened(f'[{{"a":"{escape}"}},{{"a":"\\ud83d\\ude00"}}]'))
    assert batch.data.to_pylist() == [{"a": "😀"}]
    assert batch.refused[0].findings[0].code == code
    assert batch.refused[0].raw == f'{{"a":"{escape}"}}'


def test_a_table_name_twice_is_refused_for_the_whole_document():
    with pytest.raises(SourceError, match="twice"):
        opened('{"a":[{"x":1}],"a":[{"x":2}]}').tables()


BROKEN = {
    "": "empty",
    " \n": "empty",
    "[1,": "truncated",
    '{"a":1': "truncated",
    '{"a"': "truncated",
    "[1,]": "json",
    '{"a":1,}': "json",
    "[NaN]": "json",
    "[1 2]": "json",
    "{a:1}": "json",
    "tru": "json",
    "[1]x": "json",
    '["\x01"]': "json",
    '["\\x"]': "json",
    "[01]": "json",
}


@pytest.mark.parametrize("text", BROKEN)
def test_what_is_not_json_is_refused_with_its_place(text):
    with pytest.raises(SourceError) as caught:
        opened(text).tables()
    assert caught.value.facts["reason"] in {BROKEN[text], "truncated"}


def test_bytes_that_are_no_text_are_refused():
    with pytest.raises(SourceError) as caught:
        opened(b'["\xff"]', strict=True).tables()
    assert caught.value.facts == {"reason": "encoding", "encoding": "utf-8", "offset": 2}


@pytest.mark.parametrize("text", ["[1][2]", "{}{}", "[1] 2", "[1]]", '{"a":1}\n{"a":2}'])
def test_strict_is_one_document(text):
    with pytest.raises(SourceError, match="more follows"):
        opened(text, strict=True).tables()


@pytest.mark.parametrize(
    "text", ["[" * 200_000, '{"a":' * 100_000, "[" * 150 + "]" * 150, '[{"a":' * 60 + "1" + "}]" * 60]
)
def test_deep_nesting_is_refused_without_memory(text):
    tracemalloc.start()
    with pytest.raises(SourceError) as caught:
        rows(text)
        reader = opened(text)
        if any(batch.refused for i in range(len(reader.tables())) for batch in reader.batches(i)):
            raise SourceError("a row was refused", reason="depth")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert caught.value.facts["reason"] in {"depth", "truncated"}
    assert peak < 30 << 20


def test_limits_of_columns_and_values():
    limits = Limits(columns=3, cell_bytes=2000)
    with pytest.raises(SourceError) as caught:
        opened('[{"a":1,"b":2,"c":3,"d":4}]', limits=limits).tables()
    assert caught.value.facts["reason"] == "columns"
    with pytest.raises(SourceError) as caught:
        opened(json.dumps(["x" * (3 << 20)]), limits=limits).tables()
    assert caught.value.facts["reason"] == "cell_bytes"


def test_records_too_wide_when_taken_apart_keep_objects_as_json():
    reader = opened('[{"id":1,"m":{"a":1,"b":2}},{"id":2,"m":{"c":3,"d":4}}]', limits=Limits(columns=3))
    assert reader.tables()[0].schema.names == ["id", "m"]
    assert any("more than 3 columns" in doubt for doubt in reader.doubts)


def test_a_record_of_endless_small_values_is_refused(monkeypatch):
    monkeypatch.setattr(json_text, "_DENSE_BYTES", 1000)
    monkeypatch.setattr(json_text, "_DENSE_VALUES", 2000)
    monkeypatch.setattr(json_text, "BLOCK", 500)
    with pytest.raises(SourceError) as caught:
        opened("[[" + ",".join(["[]"] * 5000) + "]]").tables()
    assert caught.value.facts["reason"] == "cell_bytes"


def outcome(data):
    try:
        everything(data)
    except SourceError as error:
        return error.facts["reason"]
    return "rows"


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([{"id": i, "n": {"x": "é" * i}, "l": [1, {"z": None}]} for i in range(30)], ensure_ascii=False),
        json.dumps({"m": 1, "users": [{"a": i} for i in range(20)], "o": {"p": [{"q": '\\"'}]}}),
        "\n".join(json.dumps({"a": i, "b": "\ud83d\ude00"}) for i in range(20)),
    ],
)  # fmt: skip
def test_cut_anywhere_it_is_rows_or_a_refusal(text):
    data = text.encode()
    for end in range(0, len(data), 10):
        assert outcome(data[:end]) in {"truncated", "empty", "json", "encoding"} | {"rows"}


def test_memory_stays_flat_over_many_records():
    record = '{"id":%d,"name":"some name or other","nested":{"a":[1,2,3],"b":1.25}}'
    text = "[" + ",".join(record % i for i in range(15_000)) + "]"
    file = io.BytesIO(text.encode())
    del text
    # What is imported with the first batch is no memory of a reader's.
    assert opened('[{"a":1}]').tables()
    assert batches(opened('[{"a":1}]'))
    tracemalloc.start()
    reader = opener("json")(file, "x.json", ReadOptions())
    count = sum(batch.data.num_rows for _ in reader.tables() for batch in reader.batches(0))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 15_000
    assert peak < 20 << 20


def test_batches_may_be_read_again_and_side_by_side():
    reader = opened('{"a":[{"x":1},{"x":2}],"b":[{"y":3},{"y":4}]}')
    reader.tables()
    first, second = reader.batches(0), reader.batches(1)
    pairs = [(a.data.to_pylist(), b.data.to_pylist()) for a, b in zip(first, second, strict=True)]
    assert pairs == [([{"x": "1"}, {"x": "2"}], [{"y": "3"}, {"y": "4"}])]
    assert batches(reader)[0].data.to_pylist() == [{"x": "1"}, {"x": "2"}]


def test_names_become_usable_and_unique():
    table = opened('[{"":1," ":2,"a\\u0000":3}]').tables()[0]
    assert table.schema.names == ["column_1", "column_2", "a"]
    assert table.header == ["", " ", "a\0"]
    assert len(table.doubts) == 3


BACKUP = """{"export_metadata":{"version":"1.0","database_name":"db","record_count":2},"tables":{
"users":{"schema":{"columns":["id","name","age"],"created_at":"2024-01-15T09:00:00"},
"data":[{"id":1,"name":"Alice","age":30},{"id":2,"name":"","extra":{"x":1}}]},
"orders":{"schema":{"columns":[{"name":"id","type":"INT"},{"name":"sum","type":"DECIMAL(7,2)"},{"name":"at","type":"date"},
{"name":"odd","type":"int"}]},"data":[{"id":1,"sum":1.5,"at":"2024-02-29","odd":"x"},[2,3,null,4]]},
"none":{"schema":{"columns":["a"]},"data":[]}}}"""


def test_the_full_database_document_is_several_tables_with_their_schemas():
    found = everything(BACKUP)
    assert list(found) == ["users", "orders", "none", "document"]
    assert found["users"] == [
        {"id": "1", "name": "Alice", "age": "30", "extra": None},
        {"id": "2", "name": "", "age": None, "extra": '{"x":1}'},
    ]
    reader = opened(BACKUP)
    orders = reader.tables()[1]
    assert [str(kind) for kind in orders.schema.types] == ["int64", "decimal128(7, 2)", "date32[day]", "string"]
    assert any("'odd' is said to be int64" in doubt for doubt in orders.doubts)
    assert reader.tables()[2].rows == 0 and reader.tables()[2].schema.names == ["a"]
    assert not any("2 records" in doubt for doubt in reader.doubts) or reader.tables()[0].rows == 2


def test_odd_names_in_a_backup():
    assert list(everything('{"tables":{"":{"data":[{"a":1}]}}}')) == ["stem"]
    for text in (
        '{"tables":{"t":{"schema":{"columns":["\\ud800"]},"data":[]}}}',
        '{"table":{"name":"\\ud800","data":[]}}',
    ):
        with pytest.raises(SourceError) as caught:
            opened(text).tables()
        assert caught.value.facts["reason"] == "encoding"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16-le", "utf-32-be"])
@pytest.mark.parametrize("block", [3, 16, 1 << 20])
def test_places_are_counted_in_bytes(encoding, block, monkeypatch):
    monkeypatch.setattr(json_text, "BLOCK", block)
    text = '{"ä":"é😀","b":{"日":1},"rows":[{"x":"ü"},{"x":1,"x":2}]}'
    reader = opened(text.encode(encoding))
    reader.tables()
    (batch,) = reader.batches(0)
    place = text.index('{"x":1')
    mark = 3 if encoding == "utf-8-sig" else 0
    assert batch.refused[0].offset == mark + len(text[:place].encode(encoding.removesuffix("-sig")))


def test_a_count_that_is_wrong_is_said():
    text = '{"metadata":{"total_records":9},"tables":{"t":{"data":[{"a":1}]}}}'
    reader = opened(text)
    reader.tables()
    assert any("says that it has 9 records; it has 1" in doubt for doubt in reader.doubts)


def test_the_document_of_one_table_has_its_name():
    text = '{"metadata":{},"table":{"name":"users","schema":{"columns":["a"]},"data":[{"a":1}]}}'
    assert everything(text)["users"] == [{"a": "1"}]


def test_a_batch_has_the_schema_of_its_table():
    reader = opened(BACKUP)
    for i, table in enumerate(reader.tables()):
        for batch in reader.batches(i):
            assert batch.data.schema == table.schema
            assert isinstance(batch.data, pa.RecordBatch)


@pytest.mark.parametrize("text", ['[["\\uD8FE"]]', '["\\ud800"][""]', '[["a","\\udc00"],[1,2]]', '[{"\\ud800":1}]'])
def test_half_a_character_in_a_name_is_refused_by_that_name(text: str) -> None:
    with pytest.raises(SourceError, match="half of a surrogate pair"):
        opened(text).tables()
