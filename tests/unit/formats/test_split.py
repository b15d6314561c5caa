"""Splitting: sizes, bounds and bad input that the properties do not reach."""

from __future__ import annotations

import tracemalloc

import pytest

from entrepot.errors import SourceError
from entrepot.formats.encoding import rows_of
from entrepot.formats.split import Splitter, needs_pieces
from entrepot.formats.text import parse_chunk
from entrepot.model.source import Chunk, Detection, Dialect


def any_detection(**changes: object) -> Detection:
    return Detection.model_validate({"columns": ["a", "b"], "data_start": 0, **changes})


def test_chunks_close_at_the_first_record_end_after_their_size() -> None:
    splitter = Splitter(any_detection(data_start=4), 10)
    chunks = splitter.feed(b"1,2\n3,4\n5,6\n7,8\n") + splitter.finish()
    assert [(c.id, c.start, c.end, c.first_row, c.records) for c in chunks] == [
        ("000000", 4, 16, 2, 3),
        ("000001", 16, 20, 5, 1),
    ]
    assert all(c.plain for c in chunks)


def test_blank_and_broken_records_are_not_vouched_for() -> None:
    splitter = Splitter(any_detection(), 8)
    chunks = splitter.feed(b'1,2\n3,4\n5,6\n\n7,8\n9,"0" 1\n1,2\n3,4\n5,6\n7,8\n') + splitter.finish()
    assert [c.plain for c in chunks] == [True, False, False, True, True]


def test_a_source_without_rows_has_no_chunks() -> None:
    assert Splitter(any_detection(), 10).finish() == []


def test_a_line_of_a_hundred_megabytes_is_refused_in_bounded_memory() -> None:
    block = b"x" * (4 << 20)
    splitter = Splitter(any_detection(data_start=8, first_row=2), 16 << 20)
    splitter.feed(b"1,2\n")
    tracemalloc.start()
    with pytest.raises(SourceError) as caught:
        for _ in range(25):
            splitter.feed(block)
        splitter.finish()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert caught.value.facts == {"reason": "record_too_long", "row": 3, "offset": 12}
    assert "Row 3" in caught.value.message
    assert peak < 260 << 20


def test_a_quote_that_is_never_closed_costs_one_row() -> None:
    data = b'1,"oops\n' + b"2,3\n" * 50_000
    detection = any_detection()
    splitter = Splitter(detection, 1 << 10, max_record_bytes=4 << 10)
    chunks = [c for i in range(0, len(data), 999) for c in splitter.feed(data[i : i + 999])] + splitter.finish()
    assert sum(c.records for c in chunks) == 50_001
    parsed = [parse_chunk(data[c.start : c.end], detection, c, max_record_bytes=4 << 10) for c in chunks]
    refused = [r for p in parsed for r in p.refused]
    assert [(r.row, r.raw, r.findings[0].code) for r in refused] == [(2, '1,"oops', "unclosed_quote")]
    assert sum(len(p.rows) for p in parsed) == 50_000


@pytest.mark.parametrize(
    ("encoding", "pieces"),
    [("utf-8", False), ("utf-8-sig", False), ("cp1252", False), ("iso8859-13", False), ("koi8-r", False)]
    + [
        ("utf-16-le", True),
        ("utf-32-be", True),
        ("shift_jis", True),
        ("gb18030", True),
        ("utf-7", True),
        ("cp037", True),
    ],
)
def test_only_encodings_that_keep_ascii_are_cut_by_bytes(encoding: str, pieces: bool) -> None:
    assert needs_pieces(any_detection(encoding=encoding)) is pieces


def test_an_unknown_encoding_is_refused() -> None:
    with pytest.raises(SourceError, match="utf-99"):
        needs_pieces(any_detection(encoding="utf-99"))


@pytest.mark.parametrize("delimiter", ["\n", "a\rb", "123456789", "\0"])
def test_what_cannot_part_cells_is_refused(delimiter: str) -> None:
    with pytest.raises(SourceError, match="cannot part cells"):
        Splitter(any_detection(dialect=Dialect(delimiter=delimiter)), 10)


def test_a_finished_splitter_takes_nothing_more() -> None:
    splitter = Splitter(any_detection(), 10)
    splitter.finish()
    with pytest.raises(ValueError, match="finished"):
        splitter.feed(b"1,2\n")


def any_chunk(data: bytes, **changes: object) -> Chunk:
    return Chunk.model_validate(
        {"n": 0, "id": "000000", "start": 0, "end": len(data), "first_row": 2, "records": 0, **changes}
    )


def test_rows_that_are_no_text_are_refused_verbatim() -> None:
    data = b"1,\xc3\xa4\n2,\xff\n3,\0\n4,b,\xfe\n\xef\xbb\xbf5,x\n"
    parsed = parse_chunk(data, any_detection(), any_chunk(data, start=100))
    assert parsed.table.to_pydict() == {"c0": ["1", "\ufeff5"], "c1": ["\u00e4", "x"]}
    assert parsed.rows.tolist() == [2, 6]
    assert [(r.row, r.offset, r.findings[0].code) for r in parsed.refused] == [
        (3, 105, "encoding"),
        (4, 109, "nul"),
        (5, 113, "encoding"),
    ]
    assert [(r.raw, r.raw_base64) for r in parsed.refused] == [("", "Miz/"), ("3,\0", ""), ("", "NCxiLP4=")]


def test_a_legacy_page_is_read_and_its_holes_are_refused() -> None:
    data = "ž,1\n".encode("cp1257") + b"\x81,2\n" + "ą,3".encode("cp1257")
    parsed = parse_chunk(data, any_detection(encoding="cp1257"), any_chunk(data))
    assert parsed.table.to_pydict() == {"c0": ["ž", "ą"], "c1": ["1", "3"]}
    assert [(r.row, r.raw_base64) for r in parsed.refused] == [(3, "gSwy")]


def test_surplus_empty_cells_lose_nothing_and_missing_ones_might() -> None:
    data = b"1,2,,\n3\n4,5\n6,7,8\n  \n\n9,\n"
    parsed = parse_chunk(data, any_detection(), any_chunk(data))
    assert dict(zip(parsed.rows.tolist(), (list(r.values()) for r in parsed.table.to_pylist()), strict=True)) == {
        2: ["1", "2"],
        4: ["4", "5"],
        8: ["9", None],
    }
    assert [(r.row, r.findings[0].message) for r in parsed.refused] == [
        (3, "The row has 1 cells where the header has 2."),
        (5, "The row has 3 cells where the header has 2."),
    ]
    assert (parsed.read, parsed.blank) == (5, 2)


def test_json_lines_keep_their_numbers_digits_and_refuse_what_is_no_object() -> None:
    data = b'{"a":1.50,"b":12345678901234567890}\n\n{"b":[1.0,{"x":null}]}\n[1]\n{"a":1,"a":2}\n{"c":1}\n{"a":NaN}\n{"a":"\\u0000"}\n'
    data += b'{"a":' + b"[" * 20_000 + b"]" * 20_000 + b"}\n"
    parsed = parse_chunk(data, any_detection(format="jsonl"), any_chunk(data, first_row=1))
    assert parsed.table.to_pydict() == {"c0": ["1.50", None], "c1": ["12345678901234567890", '[1.0,{"x":null}]']}
    assert parsed.rows.tolist() == [1, 3]
    codes = [(r.row, r.findings[0].code) for r in parsed.refused]
    assert codes == [(4, "json"), (5, "json"), (6, "unknown_column"), (7, "json"), (8, "nul"), (9, "json")]


def test_text_of_one_column_may_hold_any_byte() -> None:
    data = b"one\n" * 3 + bytes([*range(1, 8), *range(0x1C, 0x20)]) + b", x\n"
    detection = any_detection(columns=["a"], dialect=Dialect(delimiter=None))
    parsed = parse_chunk(data, detection, any_chunk(data))
    assert (parsed.table.num_rows, len(parsed.refused)) == (4, 0)


def test_half_of_a_surrogate_pair_is_refused_by_that_name() -> None:
    data = b'{"a":"1"}\n{"a":"\\ud800"}\n{"a":"2","\\ud800":"3"}\n'
    parsed = parse_chunk(data, any_detection(format="jsonl", columns=["a"]), any_chunk(data, first_row=1))
    told = [(r.row, r.findings[0].code, "half of a surrogate pair" in r.findings[0].message) for r in parsed.refused]
    assert (parsed.rows.tolist(), told) == ([1], [(2, "json", True), (3, "json", True)])


def test_a_long_record_is_named_by_its_row_and_place_wherever_the_bytes_were_cut() -> None:
    data = b"1,2\n3,4\n" + b"x" * 40 + b"\n5,6\n"
    for size in (len(data), 15, 10, 3):
        splitter = Splitter(any_detection(data_start=4), 1 << 10, max_record_bytes=20)
        with pytest.raises(SourceError) as caught:
            for at in range(0, len(data), size):
                splitter.feed(data[at : at + size])
        assert caught.value.facts == {"reason": "record_too_long", "row": 4, "offset": 12}
        assert caught.value.hint


@pytest.mark.parametrize("block", [1, 3, 7, 100])
def test_what_stands_behind_the_rows_is_in_no_chunk(block: int) -> None:
    rows, below = b"1,2\n3,4\n5,6\n", b'\nSource: "x\n'
    detection = any_detection(data_end=len(rows))
    splitter = Splitter(detection, 4)
    data = rows + below
    chunks = [c for i in range(0, len(data), block) for c in splitter.feed(data[i : i + block])] + splitter.finish()
    assert [(c.start, c.end) for c in chunks] == [(0, 4), (4, 8), (8, 12)]
    assert splitter.state.offset == len(rows)
    taken = list(rows_of((data[i : i + block] for i in range(0, len(data), block)), detection))
    assert b"".join(taken) == rows
