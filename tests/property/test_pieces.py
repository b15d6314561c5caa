"""Rows of a reader, cut into pieces and parsed again, are the rows that the reader gave."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from entrepot.formats.pieces import MAX_GAP, Piece, pieces
from entrepot.formats.reading import Batch
from entrepot.formats.text import parse_chunk
from entrepot.model.findings import Finding, QuarantinedRow
from entrepot.model.source import Chunk, Detection

CELLS = st.one_of(st.none(), st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8))
GAPS = st.sampled_from([1, 1, 1, 1, 2, 5, MAX_GAP, MAX_GAP + 2])


@st.composite
def batches(draw: st.DrawFn) -> list[Batch]:
    """Batches of one table, their rows in order with gaps and refused rows between."""
    width = draw(st.integers(1, 4))
    names = [f"c{n}" for n in range(width)]
    made, row = [], draw(st.integers(1, 9))
    for _ in range(draw(st.integers(0, 4))):
        cells = draw(st.lists(st.tuples(*[CELLS] * width), max_size=6))
        rows = []
        for _ in cells:
            rows.append(row)
            row += draw(GAPS)
        refused = []
        if draw(st.booleans()):
            refused = [QuarantinedRow(row=row, raw="x", findings=[Finding(code="bad", message="It is bad.")])]
            row += 1
        columns = [pa.array(c, pa.string()) for c in zip(*cells, strict=True)] or [pa.array([], pa.string())] * width
        data = pa.record_batch(columns, names=names)
        dense = rows == list(range(rows[0], rows[0] + len(rows))) if rows else True
        made.append(Batch(data, rows[0] if rows else row, None if dense else rows, refused))
    return made


def told(found: list[Piece], width: int) -> tuple[list[tuple[int, tuple[str | None, ...]]], list[int]]:
    """Row numbers and cells of all pieces, and the numbers of refused rows."""
    rows, refused = [], []
    for n, piece in enumerate(found):
        chunk = Chunk(
            n=n,
            id=Chunk.number(n),
            start=0,
            end=len(piece.data),
            first_row=piece.first_row,
            records=piece.records,
            uri="piece",
        )
        parsed = parse_chunk(piece.data, Detection(columns=[f"c{i}" for i in range(width)]), chunk)
        assert not parsed.refused
        assert parsed.read + parsed.blank == piece.records
        cells = zip(*(c.to_pylist() for c in parsed.table.columns), strict=True)
        rows += list(zip(parsed.rows.tolist(), cells, strict=True))
        refused += [r.row for r in piece.refused]
    return rows, refused


@given(batches(), st.integers(1, 60))
def test_every_row_keeps_its_number_and_its_cells(given: list[Batch], size: int) -> None:
    width = given[0].data.num_columns if given else 1
    rows, refused = told(list(pieces(given, size)), width)
    expected = [
        (int(number), tuple(row.values()))
        for b in given
        for number, row in zip(
            b.rows or range(b.first_row, b.first_row + b.data.num_rows), b.data.to_pylist(), strict=True
        )
    ]
    assert rows == expected
    assert sorted(refused) == sorted(r.row for b in given for r in b.refused)


@given(batches(), st.integers(1, 60), st.integers(0, 10))
def test_what_was_cut_before_is_not_cut_again(given: list[Batch], size: int, after: int) -> None:
    whole = list(pieces(given, size))
    done = whole[: min(after, len(whole))]
    rest = list(pieces(given, size, skip=done[-1].taken if done else 0))
    width = given[0].data.num_columns if given else 1
    assert told([*done, *rest], width) == told(whole, width)
