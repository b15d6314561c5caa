"""Columnar files: what is written comes back, and what a format cannot carry comes back as said."""

from __future__ import annotations

import io

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from entrepot.formats.reading import ReadOptions, opener
from entrepot.formats.texts import as_text
from entrepot.formats.writing import writer
from tests.property.arrowmaking import batches

SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def written(word: str, parts: list[pa.RecordBatch], **options) -> tuple[io.BytesIO, object]:
    file = io.BytesIO()
    target = writer(word)(file, options)
    target.begin("t", parts[0].schema)
    for part in parts:
        target.write(part)
    said = target.close()
    assert not file.closed
    return file, said


def read(word: str, file: io.BytesIO) -> pa.Table:
    source = opener(word)(file, "t.bin", ReadOptions())
    (table,) = source.tables()
    found = list(source.batches(0))
    assert not any(b.refused for b in found)
    return pa.Table.from_batches([b.data for b in found], table.schema)


def texts(batch: pa.RecordBatch | pa.Table) -> list[list]:
    columns = [c.combine_chunks() if isinstance(c, pa.ChunkedArray) else c for c in batch.columns]
    columns = [c.combine_chunks() if isinstance(c, pa.ChunkedArray) else c for c in columns]
    return [as_text(c).to_pylist() for c in columns]


@pytest.mark.parametrize("word", ["parquet", "arrow"])
@SETTINGS
@given(data=st.data())
def test_what_is_written_is_read(word, data):
    _round_trip(word, data)


@settings(parent=SETTINGS, max_examples=12)
@given(data=st.data())
def test_what_is_written_as_orc_is_read(data):
    """Fewer, since each is read by a process of its own."""
    _round_trip("orc", data)


def _round_trip(word, data):
    batch = data.draw(batches())
    file, said = written(word, [batch], compression=data.draw(st.sampled_from(["zstd", "none"])))
    back = read(word, file)
    assert back.schema.names == batch.schema.names
    assert said.rows == [batch.num_rows]
    assert back.num_rows == batch.num_rows
    told = " ".join(said.notes)
    expected = texts(batch)
    for field, want, got, kind in zip(batch.schema, expected, texts(back), back.schema.types, strict=True):
        if want != got:
            # Wider floats and instants in UTC are written in other letters; then the note says so.
            assert repr(field.name) in told, (field, kind)
            assert str(kind).startswith(("timestamp", "float", "struct", "list", "map")), (field.type, kind)
