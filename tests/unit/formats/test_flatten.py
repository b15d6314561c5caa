"""Records become flat rows the same way in JSON documents and JSON Lines."""

from __future__ import annotations

import pytest

from entrepot.formats.flatten import DECODER, NotFlatError, explode, flatten
from entrepot.formats.jsonl import NotAnObjectError, read_object


def flat(text: str, **options):
    return flatten(DECODER.decode(text), **options)


def exploded(text: str):
    return list(explode(DECODER.decode(text)))


def test_nested_objects_get_dotted_names_and_arrays_stay_json():
    assert flat('{"a":{"b":1,"c":{"d":"x"}},"e":[1,{"f":2.50}],"g":{}}') == {
        "a.b": "1",
        "a.c.d": "x",
        "e": '[1,{"f":2.50}]',
        "g": "{}",
    }


def test_numbers_keep_their_digits():
    digits = ["1.10", "-0", "1e5", "1E-400", "123456789012345678901234567890", "0.1000000000000000055511151231257827"]
    assert [flat(f'{{"n":{d}}}')["n"] for d in digits] == digits
    assert [flat(f'{{"n":[{d}]}}')["n"] for d in digits] == [f"[{d}]" for d in digits]


def test_words_null_and_the_empty_text():
    assert flat('{"t":true,"f":false,"n":null,"e":""}') == {"t": "true", "f": "false", "n": None, "e": None}


def test_letters_are_written_as_they_are():
    assert flat('{"a":["\\u00e9\\ud83d\\ude00\\"\\n"]}')["a"] == '["é😀\\"\\n"]'


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"a":2}',
        '{"a":{"b":1,"b":2}}',
        '{"a":[{"b":1,"b":2}]}',
        '{"a":{"b":1},"a":{"c":1}}',
        '{"a.b":1,"a":{"b":2}}',
    ],
)
def test_a_name_that_is_there_twice_is_refused_at_any_depth(text):
    with pytest.raises(NotFlatError):
        flat(text)
    with pytest.raises(NotFlatError):
        exploded(text)
    with pytest.raises(NotAnObjectError):
        read_object(text)


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_words_that_are_no_json_are_refused(word):
    with pytest.raises(NotFlatError, match="is not JSON"):
        flat(f'{{"a":{word}}}')


def test_depth_is_bounded():
    deep = '{"a":' * 101 + "1" + "}" * 101
    with pytest.raises(NotFlatError, match="deep"):
        flat(deep)
    with pytest.raises(NotFlatError, match="deep"):
        flat('{"a":' + "[" * 120 + "]" * 120 + "}")
    with pytest.raises(NotAnObjectError, match="deep"):
        read_object(deep)


def test_levels_bound_how_far_objects_are_taken_apart():
    assert flat('{"a":{"b":{"c":1}}}', levels=1) == {"a": '{"b":{"c":1}}'}
    assert flat('{"a":{"b":{"c":1}}}', levels=2) == {"a.b": '{"c":1}'}


def test_exploded_arrays_are_rows_one_array_after_the_other():
    assert exploded('{"id":1,"items":[{"s":"a"},{"s":"b"}],"tags":["x"]}') == [
        {"id": "1", "items.s": "a"},
        {"id": "1", "items.s": "b"},
        {"id": "1", "tags": "x"},
    ]


def test_an_empty_array_explodes_to_one_row():
    assert exploded('{"id":1,"items":[]}') == [{"id": "1", "items": None}]


def test_arrays_in_elements_are_exploded_too():
    assert exploded('{"o":[{"n":1,"i":[2,3]},{"n":4}]}') == [
        {"o.n": "1", "o.i": "2"},
        {"o.n": "1", "o.i": "3"},
        {"o.n": "4"},
    ]


def test_json_lines_are_flattened_by_the_same_names():
    text = '{"a":{"b":1,"c":[1.50]},"d":""}'
    assert read_object(text) == flat(text)
