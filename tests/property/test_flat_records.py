"""Records that are read many at once are what they are when they are read one by one."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from entrepot.errors import SourceError
from entrepot.formats import jsonl
from entrepot.formats.flatblocks import FlatBlock
from entrepot.formats.parsed import ParsedChunk
from entrepot.formats.readers import json_runs, json_text
from entrepot.formats.readers.jsondoc import open_json
from entrepot.formats.reading import ReadOptions
from entrepot.formats.text import parse_chunk
from entrepot.model.source import Chunk, Detection

COLUMNS = ["a", "b", "name", "é", "a.b", ""]

names = st.sampled_from([*COLUMNS, "a", "b", "a", "b", "unknown", "\\u0061", 'q\\"', "b\\\\", "\\ud800"])
numbers = st.sampled_from(
    ["0", "-0", "7", "1.10", "-0.0", "1e5", "1E+05", "12345678901234567890123", "0.1000000000000000055511151231257827"]
)
odd_numbers = st.text("-+0017.e", min_size=1, max_size=10)
words = st.sampled_from(["true", "false", "null"])
broken = st.sampled_from(
    [
        "01",
        "1.",
        ".5",
        "+1",
        "-",
        "1e",
        "NaN",
        "-Infinity",
        "truex",
        "nul",
        "",
        "1 2",
        "'a'",
        '"',
        "0x1",
        "１",
        "1,",
        "{",
    ]
)
pieces = st.sampled_from(
    [
        "",
        "x",
        "né",
        "😀",
        " ",
        "{",
        "}",
        "[1]",
        '\\"',
        "\\\\",
        '\\\\\\"',
        "\\u00e9",
        "\\u0000",
        "\\ud800",
        "\\ud83d\\ude00",
    ]
    + ["\\n", "\\/", "\\x", "\\", "\t", "\x7f", ":", '":', ',"a":', "null", "1.10", "\u2028", "\x00"]
)
texts = st.lists(pieces, max_size=4).map(lambda parts: f'"{"".join(parts)}"')
scalars = st.one_of(numbers, words, texts, texts, numbers, odd_numbers, broken)
good = st.one_of(numbers, words, st.sampled_from(['""', '"x"', '"é"', '"1.10"', '"null"', '"\\u00e9\\n"']))


def written(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Objects as some writer puts them down."""
    return st.builds(
        lambda members, comma, colon, opened, closed: (
            opened + comma.join(f'"{name}"{colon}{value}' for name, value in members) + closed
        ),
        st.lists(st.tuples(names, values), max_size=5),
        st.sampled_from([",", ",", ", ", " ,", ",\t", ",,"]),
        st.sampled_from([":", ":", ": ", " :", ":  "]),
        st.sampled_from(["{", "{", "{", "{ ", " {", "", "{,", "[{"]),
        st.sampled_from(["}", "}", "}", " }", "} ", "", ",}", "}}"]),
    )


nested = st.recursive(scalars, lambda inner: st.one_of(written(inner), inner.map(lambda v: f"[{v},{v}]")), max_leaves=6)
plain = st.lists(st.tuples(st.sampled_from(COLUMNS), good), min_size=1, max_size=6, unique_by=lambda m: m[0]).map(
    lambda members: "{" + ",".join(f'"{name}":{value}' for name, value in members) + "}"
)
nearly = st.builds(lambda value, line: line.replace("1.10", value), odd_numbers, plain)
lines = st.one_of(plain, plain, nearly, written(scalars), written(nested), st.sampled_from(["", " ", "{}", "[]", "1"]))
line_ends = st.sampled_from(["\n", "\n", "\n", "\r\n", "\r", "\n\n", "\r\r\n"])
changes = st.lists(
    st.tuples(
        st.integers(0, 10_000), st.sampled_from([b"", *(bytes([c]) for c in b'"\\{}[]:, \n\r\t\0\xff\xc3\xa9-1e')])
    ),
    max_size=3,
)


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """Files of JSON Lines, more or less."""
    data = "".join(line + draw(line_ends) for line in draw(st.lists(lines, max_size=8))).encode()
    data = data[: len(data) - draw(st.integers(0, 2))]
    for place, byte in draw(changes):
        at = place % (len(data) + 1)
        data = data[:at] + byte + data[at + (place % 2) :]
    return data


def read(data: bytes, encoding: str) -> ParsedChunk:
    """The records of a chunk."""
    chunk = Chunk(n=0, id="00000", start=100, end=100 + len(data), first_row=7, records=0)
    return parse_chunk(data, Detection(format="jsonl", columns=COLUMNS, encoding=encoding), chunk)


def one_by_one(data: bytes, encoding: str) -> ParsedChunk:
    """The records of a chunk, each read alone."""
    with patch.object(jsonl, "flat_block", lambda *_: FlatBlock(np.empty(0, dtype=np.int64))):
        return read(data, encoding)


@given(files(), st.sampled_from(["utf-8", "utf-8", "ascii", "cp1252", "shift_jis"]), st.sampled_from([1, 60, 1 << 20]))
@settings(max_examples=400, deadline=None)
@example(b'{"a":1}\n{"a":"\\\\"}\n{"a":"\\\\\\""}\n{"a":1,"a":2}\n', "utf-8", 1 << 20)
@example(b'{"a":"1","b":\\"}\n{"a":"\\"}\n{"a":1}\n', "utf-8", 1 << 20)
@example(b'{"a":"\\u0000"}\n{"a":"\\ud800"}\n{"a":"\t"}\n{"a":"\0"}\n{"a":"\\x"}\n{"\\u0061":1}\n', "utf-8", 1 << 20)
@example(
    b'{"a":01}\n{"a":1.}\n{"a":.5}\n{"a":1.2.3}\n{"a":-0}\n{"a":}\n{"a":0.10}\n{"a":00}\n{"a":1 }\n', "utf-8", 1 << 20
)
@example(b'{"a":"\xff"}\n{"a":"\xc3\xa9"}\n{"a":"x"}\n', "utf-8", 1 << 20)
@example(b'{"b":null,"unknown":null}\n{"a":"x","unknown":""}\n{"unknown":1}\n', "utf-8", 1 << 20)
def test_records_read_together_are_those_read_one_by_one(data: bytes, encoding: str, block: int) -> None:
    with patch.object(jsonl, "BLOCK", block):
        found = read(data, encoding)
    expected = one_by_one(data, encoding)
    assert found.rows.tolist() == expected.rows.tolist()
    assert found.table.to_pydict() == expected.table.to_pydict()
    assert found.refused == expected.refused
    assert (found.blank, found.table.schema) == (expected.blank, expected.table.schema)
    found.table.validate(full=True)


@given(st.lists(plain, min_size=1, max_size=6))
@settings(deadline=None)
def test_plain_records_are_not_read_one_by_one(records: list[str]) -> None:
    with patch.object(jsonl, "_read", side_effect=AssertionError):
        assert read("\n".join(records).encode(), "utf-8").read == len(records)


@st.composite
def documents(draw: st.DrawFn) -> bytes:
    """JSON documents with arrays of records in them, more or less."""
    elements = st.lists(st.one_of(plain, plain, plain, plain, nearly, written(scalars), written(nested)), max_size=8)
    comma = draw(st.sampled_from([",", ",", ",\n", ", ", " ,\r\n  ", ";", ""]))
    array = (
        "[" + draw(st.sampled_from(["", "\n", " "])) + comma.join(draw(elements)) + draw(st.sampled_from(["]", "\n]"]))
    )
    data = (
        draw(st.sampled_from(["{}", '{{"é":1,"rows":{}}}', '{{"one":{0},"two":{0}}}', "[1,{}]"])).format(array).encode()
    )
    for place, byte in draw(changes):
        at = place % (len(data) + 1)
        data = data[:at] + byte + data[at + (place % 2) :]
    return data or b"[]"


def told(data: bytes, arrays: str = "keep") -> list[Any]:
    """All that a reader says of a document; the last of it is what is wrong, if something is."""
    found: list[Any] = []
    try:
        reader = open_json(io.BytesIO(data), "x.json", ReadOptions(arrays=arrays))  # type: ignore[arg-type]
        for n, table in enumerate(reader.tables()):
            found.append((table.name, table.header, table.rows, table.doubts, table.schema))
            for batch in reader.batches(n):
                numbers = batch.rows or range(batch.first_row, batch.first_row + batch.data.num_rows)
                found += zip(numbers, batch.data.to_pylist(), strict=True)
                found += batch.refused
        found.append(reader.doubts)
    except SourceError as error:
        found.append((error.message, error.hint, error.facts))
    return found


def nothing_ahead(_: json_text.Cursor) -> Iterator[Any]:
    """Passes no elements."""
    return (yield from ())


@given(documents(), st.sampled_from([7, 100, 1 << 20]), st.integers(0, 1), st.sampled_from(["keep", "keep", "explode"]))
@settings(max_examples=400, deadline=None)
@example(b'[{"a":1},{"a":[{}]},{"b":"\\""}]', 1 << 20, 0, "keep")
@example(b'[{"a":1,"b":2},{"a":1,"b":2},{"a":1,"a":2}]', 1 << 20, 0, "keep")
@example(b'[{"a":"\\u0000"},{"a":"\\ud800"},{"a":"x"},{"a":"\\x"}]', 1 << 20, 0, "keep")
@example('[{"é":"😀"},{"a":[]},{"é":1}]'.encode(), 1 << 20, 0, "keep")
@example(b'[{"a":{},"b":1},{"a":""},{"a":null,"c":2}]', 1 << 20, 0, "keep")
def test_elements_read_together_are_those_read_one_by_one(data: bytes, block: int, few: int, arrays: str) -> None:
    with patch.object(json_text, "BLOCK", block), patch.object(json_runs, "_FEW", few):
        found = told(data, arrays)
    with patch.object(json_text, "BLOCK", block), patch.object(json_runs, "_flat", nothing_ahead):
        expected = told(data, arrays)
    assert found == expected
