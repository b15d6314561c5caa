"""Whatever is sent: detected, converted or refused in good order; and what `mend` does keeps every character."""

from __future__ import annotations

import csv
import io
import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import entrepot
from entrepot.detect import detect_source
from entrepot.errors import SourceError
from entrepot.formats.grammar import GOOD, Grammar
from entrepot.formats.kinds import ColumnKinds
from entrepot.formats.mend import Mender
from entrepot.formats.scan import scan
from entrepot.formats.split import Splitter
from entrepot.formats.text import parse_chunk
from entrepot.model.source import Detection, Dialect
from tests.pollution.cases import Case, cases

PIECES = ["a", "b c", ",", ";", "\t", "|", '"', '""', "'", "\\", "\n", "\r\n", "\r", "é", "1", "2024-01-02", "#x", "  "]
messy = st.lists(st.sampled_from(PIECES), max_size=60).map("".join)


def converted(data: bytes) -> list[list[str]] | None:
    """The rows that `convert` writes; None when it refuses, which must be with a reason."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "a.csv", Path(folder) / "b.csv"
        source.write_bytes(data)
        try:
            entrepot.convert(source, target)
        except SourceError as error:
            return None if error.facts["reason"] else [["no reason"]]
        with target.open(encoding="utf-8", newline="") as file:
            return list(csv.reader(file))


@given(messy)
@example('a,b\n"x\n')
@example("a\n\n\nb,c\n")
@settings(max_examples=150, deadline=None)
def test_any_text_is_detected(text: str) -> None:
    data = text.encode()
    try:
        found = detect_source(lambda start, end: data[start:end], len(data))
    except SourceError:
        return
    assert 0 <= found.data_start <= len(data)
    assert not found.data_end or found.data_start <= found.data_end <= len(data)
    assert found.columns
    assert len(set(found.columns)) == len(found.columns)


@given(messy)
@settings(max_examples=40, deadline=None)
def test_any_text_is_converted_or_refused(text: str) -> None:
    assert converted(text.encode()) != [["no reason"]]


SOME = [case for n, case in enumerate(cases()) if n % 60 == 0 and case.data]


@pytest.mark.parametrize("case", SOME, ids=lambda c: c.name)
def test_a_file_cut_anywhere_is_converted_or_refused(case: Case) -> None:
    rng = random.Random(case.name)
    for end in range(rng.randrange(10), len(case.data), max(10, len(case.data) // 10)):
        assert converted(case.data[:end]) != [["no reason"]]


@given(messy, st.integers(1, 5), st.sampled_from([Dialect(), Dialect(escape="\\"), Dialect(delimiter="||")]))
@settings(max_examples=200, deadline=None)
def test_mending_keeps_every_letter(text: str, width: int, dialect: Dialect) -> None:
    kinds = ColumnKinds.of([[str(i)] * width for i in range(20)], width)
    for mender in (Mender(dialect, width), Mender(dialect, width, kinds)):
        found = mender.mend(text)
        letters = sorted(c for c in text if c.isalnum())
        assert sorted(c for cell in found.cells for c in cell if c.isalnum()) == letters
        assert len(found.cells) >= 1


cell = st.text(alphabet='ab|:,"é \n', max_size=6)


@given(
    st.lists(st.lists(cell, min_size=2, max_size=3), min_size=1, max_size=8), st.sampled_from(["||", "::", "§", "|~|"])
)
@settings(max_examples=200, deadline=None)
def test_delimiters_of_several_characters_part_what_they_joined(rows: list[list[str]], mark: str) -> None:
    width = len(rows[0])
    rows = [[*row, ""][:width] for row in rows]
    # A cell that ends with part of the delimiter, or could be taken for more, is quoted.
    text = "".join(mark.join('"' + c.replace('"', '""') + '"' for c in row) + "\n" for row in rows)
    data = text.encode()
    detection = Detection(
        dialect=Dialect(delimiter=mark), columns=[f"n{i}" for i in range(width)], data_start=0, first_row=1
    )
    splitter = Splitter(detection, 10)
    chunks = [c for i in range(0, len(data), 7) for c in splitter.feed(data[i : i + 7])] + splitter.finish()
    found = []
    for chunk in chunks:
        parsed = parse_chunk(data[chunk.start : chunk.end], detection, chunk)
        assert not parsed.refused
        found += [[c or "" for c in row.values()] for row in parsed.table.to_pylist()]
    assert found == rows


@given(st.lists(st.lists(st.sampled_from(["a", "b c", "", "1,5", 'x"y', "é"]), min_size=3, max_size=3), min_size=1))
@settings(max_examples=100, deadline=None)
def test_blanks_behind_delimiters_are_no_part_of_cells(rows: list[list[str]]) -> None:
    out = io.StringIO()
    for row in rows:
        cells = ['"' + c.replace('"', '""') + '"' if set(c) & set(',"') else c for c in row]
        out.write(", ".join(cells) + "\n")
    data = out.getvalue().encode()
    detection = Detection(dialect=Dialect(skip_blanks=True), columns=["a", "b", "c"], data_start=0, first_row=1)
    splitter = Splitter(detection, 1 << 20)
    (chunk,) = [*splitter.feed(data), *splitter.finish()]
    parsed = parse_chunk(data, detection, chunk)
    assert [[c or "" for c in row.values()] for row in parsed.table.to_pylist()] == rows


@given(st.lists(st.sampled_from(["# x\n", '# "y\n', "a,b\n", '"c\nd",e\n', "\n", "#\r\n"]), max_size=12))
@settings(max_examples=100, deadline=None)
def test_lines_with_the_comment_mark_are_no_rows(lines: list[str]) -> None:
    data = "".join(lines).encode()
    kinds = [int(k) for r in scan(data, Grammar.of(Dialect(comment="#")), whole=True) for k in r.kinds]
    assert kinds.count(GOOD) == sum(not line.startswith("#") and line != "\n" for line in lines)
