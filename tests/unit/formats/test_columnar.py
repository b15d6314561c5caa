"""Parquet, ORC and Arrow files: bounded, whole or refused."""

from __future__ import annotations

import io
import subprocess
import sys
import tracemalloc
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from entrepot.errors import SourceError, UsageError
from entrepot.formats.reading import BATCH_BYTES, BATCH_ROWS, Limits, ReadOptions, opener
from entrepot.formats.writing import writer

WORDS = ["parquet", "orc", "arrow"]
PLAIN = pa.table(
    {
        "id": pa.array(range(300)),
        "name": pa.array([None if i % 7 == 0 else f"name {i}" for i in range(300)]),
        "paid": pa.array([Decimal(i) / 100 for i in range(300)], pa.decimal128(10, 2)),
        "at": pa.array(range(300), pa.timestamp("us", "UTC")),
        "tags": pa.array([[str(i), None] for i in range(300)]),
    }
)


def written(word: str, table: pa.Table = PLAIN, **options) -> bytes:
    file = io.BytesIO()
    target = writer(word)(file, options)
    target.begin("t", table.schema)
    for batch in table.to_batches(max_chunksize=100):
        target.write(batch)
    target.close()
    return file.getvalue()


def opened(word: str, data: bytes | Path, **options):
    file = io.BytesIO(data) if isinstance(data, bytes) else data.open("rb")
    return opener(word)(file, "folder/some.file.bin", ReadOptions(**options))


def rows(source) -> list[dict]:
    return [row for batch in source.batches(0) for row in batch.data.to_pylist()]


@pytest.mark.parametrize("word", WORDS)
def test_rows_come_back_from_memory_and_from_disk_and_as_often_as_they_are_asked_for(word, tmp_path):
    data = written(word)
    (tmp_path / "f").write_bytes(data)
    for place in (data, tmp_path / "f"):
        source = opened(word, place)
        (table,) = source.tables()
        assert (table.name, table.schema.names, table.header) == ("some.file", PLAIN.schema.names, PLAIN.schema.names)
        assert source.format == word
        assert source.encoding is None
        assert rows(source) == rows(source)
        assert [r["id"] for r in rows(source)] == list(range(300))
        assert [r["paid"] for r in rows(source)][-1] == Decimal("2.99")


@pytest.mark.parametrize("word", WORDS)
def test_cut_anywhere_a_file_is_refused_or_read_as_far_as_it_goes(word):
    data = written(word, PLAIN.slice(0, 40))
    for end in range(0, len(data), max(1, len(data) // _tries(word))):
        _tried(word, data[:end])


@pytest.mark.parametrize("word", WORDS)
def test_a_byte_that_flipped_breaks_nothing_but_the_file(word):
    data = bytearray(written(word, PLAIN.slice(0, 40)))
    chance = np.random.default_rng(7)
    for place in chance.integers(0, len(data), _tries(word)):
        before = data[place]
        data[place] ^= int(chance.integers(1, 256))
        _tried(word, bytes(data))
        data[place] = before


def _tries(word: str) -> int:
    """ORC is read by a process of its own, which takes its time to start."""
    return 12 if word == "orc" else 150


def _tried(word: str, data: bytes) -> None:
    try:
        source = opened(word, data)
        source.tables()
        assert sum(b.data.num_rows for b in source.batches(0)) <= 1 << 20
    except SourceError as error:
        if not (error.hint and error.facts["reason"]):
            raise


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize(
    "data", [b"", b"P", b"PAR1", b"ORC", b"ARROW1\0\0", b"a,b\n1,2\n" * 40, b"\0" * 400, b"\xff" * 400]
)
def test_what_is_another_format_is_refused(word, data):
    with pytest.raises(SourceError) as caught:
        rows(opened(word, data))
    assert caught.value.facts["reason"] in {"format", "truncated", "broken"}


def test_feather_of_the_first_version_is_refused_by_name():
    with pytest.raises(SourceError) as caught:
        opened("arrow", b"FEA1" + b"\0" * 40)
    assert caught.value.facts["reason"] == "feather_v1"


def test_an_encrypted_parquet_file_is_refused_by_name():
    with pytest.raises(SourceError) as caught:
        opened("parquet", b"PARE" + b"\0" * 40 + b"PARE")
    assert caught.value.facts["reason"] == "encrypted"


@pytest.mark.parametrize("word", WORDS)
def test_too_many_columns_are_refused(word):
    wide = pa.table({f"c{i}": [1] for i in range(12)})
    with pytest.raises(SourceError) as caught:
        opened(word, written(word, wide), limits=Limits(columns=11))
    assert caught.value.facts == {"reason": "columns", "columns": 12}


@pytest.mark.parametrize("word", WORDS)
def test_a_cell_over_the_limit_is_refused(word):
    table = pa.table({"a": ["x" * (BATCH_BYTES + 1000)]})
    assert len(rows(opened(word, written(word, table)))[0]["a"]) == BATCH_BYTES + 1000
    with pytest.raises(SourceError) as caught:
        rows(opened(word, written(word, table), limits=Limits(cell_bytes=BATCH_BYTES)))
    assert caught.value.facts["reason"] == "cell_bytes"


@pytest.mark.parametrize("word", WORDS)
def test_batches_have_bounded_rows_and_bytes(word):
    table = pa.table({"a": pa.array(["y" * 4000] * 20_000)})
    for batch in opened(word, written(word, table)).batches(0):
        assert batch.data.num_rows <= BATCH_ROWS
        assert batch.data.nbytes <= BATCH_BYTES + (1 << 20)


def test_a_dictionary_does_not_make_much_of_little():
    """Two hundred gigabytes of text in some kilobytes: every batch stays small, and nobody asks for the last."""
    cells = pa.DictionaryArray.from_arrays(pa.array(np.zeros(200_000, np.int32)), pa.array(["x" * 1_000_000]))
    file = io.BytesIO()
    pq.write_table(pa.table({"a": cells}), file)
    for word, data in (("parquet", file.getvalue()), ("arrow", _stream(pa.table({"a": cells})))):
        tracemalloc.start()
        for batch, _ in zip(opened(word, data).batches(0), range(3), strict=False):
            assert batch.data.num_rows <= 20
        tracemalloc.stop()


def _stream(table: pa.Table) -> bytes:
    file = io.BytesIO()
    with pa.ipc.new_stream(file, table.schema) as target:
        target.write_table(table)
    return file.getvalue()


def test_a_page_that_would_become_too_large_is_refused_before_it_is_unpacked(monkeypatch):
    monkeypatch.setattr("entrepot.formats.readers.columnar_parquet._PAGE_BYTES", 1 << 20)
    file = io.BytesIO()
    pq.write_table(pa.table({"a": ["x" * (2 << 20)]}), file, use_dictionary=False, compression="zstd")
    with pytest.raises(SourceError) as caught:
        rows(opened("parquet", file.getvalue()))
    assert caught.value.facts["reason"] == "expanded_bytes"


@pytest.mark.parametrize("make", [pa.ipc.new_file, pa.ipc.new_stream])
@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_a_batch_that_would_become_too_large_is_refused_before_it_is_unpacked(make, codec, monkeypatch):
    monkeypatch.setattr("entrepot.formats.readers.arrow_messages.MOST", 4 << 20)
    batch = pa.RecordBatch.from_pydict({"a": pa.array(np.zeros(1 << 20, np.int64)), "b": ["x"] * (1 << 20)})
    for part, fits in ((batch, False), (batch.slice(0, 100_000), True)):
        file = io.BytesIO()
        with make(file, batch.schema, options=pa.ipc.IpcWriteOptions(compression=codec)) as target:
            target.write_batch(part)
            target.write_batch(part)
        if fits:
            assert len(rows(opened("arrow", file.getvalue()))) == 200_000
            continue
        with pytest.raises(SourceError) as caught:
            opened("arrow", file.getvalue())
        assert caught.value.facts["reason"] == "expanded_bytes"


def test_streams_of_the_time_before_the_mark_of_continuation_are_read():
    file = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(use_legacy_format=True)
    with pa.ipc.new_stream(file, PLAIN.schema, options=options) as target:
        target.write_table(PLAIN)
    assert len(rows(opened("arrow", file.getvalue()))) == 300


def test_texts_that_are_none_are_set_aside_row_by_row():
    offsets = pa.py_buffer(np.array([0, 2, 4, 6], np.int32))
    bad = pa.Array.from_buffers(pa.string(), 3, [None, offsets, pa.py_buffer(b"ab\xff\xfecd")])
    source = opened("arrow", _stream(pa.table({"a": bad, "n": [1, 2, 3]})))
    (batch,) = source.batches(0)
    assert batch.data.to_pylist() == [{"a": "ab", "n": 1}, {"a": "cd", "n": 3}]
    assert list(batch.rows) == [1, 3]
    (refused,) = batch.refused
    assert (refused.row, refused.findings[0].code) == (2, "encoding")
    assert refused.raw == '{"a":"\\\\xff\\\\xfe","n":"2"}'


def test_rows_behind_a_wrong_checksum_are_refused_and_the_others_read():
    table = pa.table({"a": pa.array(range(3000), pa.int64())})
    file = io.BytesIO()
    pq.write_table(table, file, row_group_size=1000, compression="none", use_dictionary=False, write_page_checksum=True)
    data = bytearray(file.getvalue())
    place = pq.ParquetFile(io.BytesIO(bytes(data))).metadata.row_group(1).column(0).data_page_offset
    data[place + 4000] ^= 1
    source = opened("parquet", bytes(data))
    batches = list(source.batches(0))
    assert [r["a"] for b in batches for r in b.data.to_pylist()] == [*range(1000), *range(2000, 3000)]
    refused = [one for b in batches for one in b.refused]
    assert [one.row for one in refused] == list(range(1001, 2001))
    assert {one.findings[0].code for one in refused} == {"checksum"}
    assert refused[0].raw == '{"a":"1000"}'
    with pytest.raises(SourceError) as caught:
        rows(opened("parquet", bytes(data), strict=True))
    assert caught.value.facts["reason"] == "checksum"


def test_times_that_nanoseconds_cannot_say_are_read_from_int96():
    file = io.BytesIO()
    far = pa.array([253_402_300_799_000_000, 0], pa.timestamp("us"))
    pq.write_table(pa.table({"a": far}), file, use_deprecated_int96_timestamps=True)
    source = opened("parquet", file.getvalue())
    assert rows(source)[0]["a"].year == 9999
    assert "INT96" in source.tables()[0].doubts[0]


def test_names_become_usable():
    batch = pa.RecordBatch.from_arrays([pa.array([1])] * 3, names=["a", "a", ""])
    file = io.BytesIO()
    with pa.ipc.new_file(file, batch.schema) as target:
        target.write_batch(batch)
    (table,) = opened("arrow", file.getvalue()).tables()
    assert table.schema.names == ["a", "a_2", "column_3"]
    assert table.header == ["a", "a", ""]
    assert len(table.doubts) == 2


def test_streams_are_read_like_files():
    assert len(rows(opened("arrow", _stream(PLAIN)))) == 300
    assert len(rows(opened("arrow", written("arrow", stream=True)))) == 300


@pytest.mark.parametrize("word", WORDS)
def test_an_empty_table_is_a_table(word):
    source = opened(word, written(word, PLAIN.slice(0, 0)))
    assert source.tables()[0].schema.names == PLAIN.schema.names
    assert rows(source) == []


@pytest.mark.parametrize("word", WORDS)
def test_writers_say_what_they_cannot_do(word):
    file = io.BytesIO()
    with pytest.raises(UsageError, match="colour"):
        writer(word)(file, {"colour": 1})
    target = writer(word)(file, {})
    with pytest.raises(UsageError):
        target.close()
    with pytest.raises(UsageError, match="different names"):
        target.begin("t", pa.schema([("a", pa.int8()), ("a", pa.int8())]))
    target.begin("t", PLAIN.schema)
    with pytest.raises(UsageError, match="one table"):
        target.begin("u", PLAIN.schema)
    with pytest.raises(UsageError):
        writer(word)(io.BytesIO(), {"compression": "squash"}).begin("t", PLAIN.schema)


def test_notes_name_what_orc_has_not():
    table = pa.table(
        {
            "u": pa.array([2**64 - 1], pa.uint64()),
            "t": pa.array([1], pa.time64("us")),
            "z": pa.array([0], pa.timestamp("us", "Europe/Vilnius")),
            "ok": pa.array(["x"]),
        }
    )
    file = io.BytesIO()
    target = writer("orc")(file, {})
    target.begin("t", table.schema)
    target.write(table.to_batches()[0])
    said = target.close()
    assert [note.split(":")[0] for note in said.notes] == ["Column 'u'", "Column 't'", "Column 'z'"]
    (row,) = rows(opened("orc", file.getvalue()))
    assert (row["u"], row["t"], row["ok"]) == (Decimal(2**64 - 1), "00:00:00.000001", "x")


def test_row_groups_are_closed_by_rows_and_by_bytes():
    table = pa.table({"a": pa.array(range(1000))})
    data = written("parquet", table, group_rows=250)
    metadata = pq.ParquetFile(io.BytesIO(data)).metadata
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [300, 300, 300, 100]
    assert pq.ParquetFile(io.BytesIO(written("parquet", table, group_bytes=1))).metadata.num_row_groups == 10


_READ = """
import re, resource, sys
from pathlib import Path
from entrepot.formats.reading import ReadOptions, opener

with open(sys.argv[1], "rb") as file:
    rows = sum(b.data.num_rows for b in opener("arrow")(file, "big.arrow", ReadOptions()).batches(0) if touched(b))
own = Path("/proc/self/status")  # the other count begins with what the process that started this one had
peak = re.search("VmHWM:\\s*([0-9]+)", own.read_text())[1] if own.exists() else resource.getrusage(0).ru_maxrss >> 10
print(rows, peak)
"""


@pytest.mark.parametrize("batches", [1, 40])
def test_an_arrow_file_on_disk_is_read_without_becoming_resident(tmp_path: Path, batches: int) -> None:
    """Workers are stopped by their resident size, to which the pages of a mapped file count."""
    path, size = tmp_path / "big.arrow", 400 << 20
    batch = pa.record_batch({"n": pa.array(np.zeros(size // batches // 8, dtype=np.int64))})
    with pa.ipc.new_file(path, batch.schema) as target:
        for _ in range(batches):
            target.write_batch(batch)
    touched = "import pyarrow.compute as pc\ntouched = lambda b: pc.sum(b.data.column(0)).as_py() == 0\n"
    told = subprocess.run([sys.executable, "-c", touched + _READ, path], capture_output=True, text=True, check=True)
    rows, resident = map(int, told.stdout.split())
    assert rows == batches * batch.num_rows
    assert resident < 300 << 10
