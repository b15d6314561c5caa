"""SQLite files: read-only, by what is in them, and never run."""

from __future__ import annotations

import io
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from entrepot.errors import SourceError
from entrepot.formats.reading import Limits, ReadOptions, opener


def made(folder: Path, *statements: str, rows: list[tuple] | None = None) -> Path:
    path = folder / "data base?.db"
    with sqlite3.connect(path) as database:
        for statement in statements:
            database.execute(statement)
        if rows:
            database.executemany(f"INSERT INTO t VALUES ({','.join('?' * len(rows[0]))})", rows)
    database.close()
    return path


def opened(place: Path | bytes, **options):
    file = io.BytesIO(place) if isinstance(place, bytes) else place.open("rb")
    return opener("sqlite")(file, "x.db", ReadOptions(**options))


def rows(source, table: int = 0) -> list[tuple]:
    return [tuple(row.values()) for batch in source.batches(table) for row in batch.data.to_pylist()]


MIXED = (
    "CREATE TABLE t (a INTEGER PRIMARY KEY, b VARCHAR(10), c REAL, d BOOLEAN, e BLOB, f, g DATE, h NUMERIC)",
    [
        (1, "x", 1.5, 1, b"\0\xff", 1, "2024-01-01", 10),
        (2, None, 2.0, 0, None, "a", None, 9.99),
        (3, "\u0105", float("inf"), None, b"", 2.5, "2024-01-02", None),
    ],
)


def test_types_are_those_of_the_values(tmp_path):
    source = opened(made(tmp_path, MIXED[0], rows=MIXED[1]))
    (table,) = source.tables()
    assert [str(t) for t in table.schema.types] == [
        "int64", "string", "double", "bool", "binary", "string", "string", "string",
    ]  # fmt: skip
    assert table.rows == 3
    assert table.schema.field("g").metadata == {b"sql_type": b"date", b"type": b"date"}
    assert len(table.doubts) == 2
    assert rows(source) == [
        (1, "x", 1.5, True, b"\0\xff", "1", "2024-01-01", "10"),
        (2, None, 2.0, False, None, "a", None, "9.99"),
        (3, "\u0105", float("inf"), None, b"", "2.5", "2024-01-02", None),
    ]


def test_bytes_in_memory_are_read_like_a_file_on_disk(tmp_path):
    path = made(tmp_path, MIXED[0], rows=MIXED[1])
    assert rows(opened(path.read_bytes())) == rows(opened(path))
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_nothing_is_written_and_nothing_beside_it_is_looked_at(tmp_path):
    path = made(tmp_path, MIXED[0], rows=MIXED[1])
    before = path.read_bytes()
    (tmp_path / (path.name + "-journal")).write_bytes(b"not a journal")
    path.chmod(0o444)
    assert len(rows(opened(path))) == 3
    assert path.read_bytes() == before


def test_views_and_virtual_tables_are_named_and_not_run(tmp_path):
    endless = "CREATE VIEW v AS WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r) SELECT x FROM r"
    source = opened(made(tmp_path, "CREATE TABLE t (a)", endless, "CREATE TABLE z (b)", rows=[(1,)]))
    assert [t.name for t in source.tables()] == ["t", "z"]
    assert any("'v'" in doubt for doubt in source.doubts)


def test_columns_that_are_computed_on_reading_are_named_and_not_run(tmp_path):
    columns = "a TEXT, b TEXT AS (upper(a)) VIRTUAL, c TEXT AS (lower(a)) STORED"
    source = opened(made(tmp_path, f"CREATE TABLE t ({columns})", "INSERT INTO t (a) VALUES ('x')"))
    (table,) = source.tables()
    assert table.schema.names == ["a", "c"]
    assert "'b'" in table.doubts[0]
    assert rows(source) == [("x", "x")]


def test_names_are_quoted(tmp_path):
    source = opened(made(tmp_path, 'CREATE TABLE "t""; DROP TABLE x" ("a""b" INT, [c d] TEXT)'))
    assert source.tables()[0].schema.names == ['a"b', "c d"]


def test_texts_that_are_none_are_refused_row_by_row(tmp_path):
    path = made(
        tmp_path, "CREATE TABLE t (a TEXT, b INT)", "INSERT INTO t VALUES ('x', 1), (CAST(X'ff' AS TEXT), 2), ('y', 3)"
    )
    (batch,) = opened(path).batches(0)
    assert batch.data.to_pylist() == [{"a": "x", "b": 1}, {"a": "y", "b": 3}]
    assert list(batch.rows) == [1, 3]
    assert [(q.row, q.findings[0].code, q.raw) for q in batch.refused] == [(2, "encoding", '["\\\\xff","2"]')]


def test_batches_are_bounded(tmp_path):
    path = made(tmp_path, "CREATE TABLE t (a INT)", rows=[(i,) for i in range(40_000)])
    sizes = [b.data.num_rows for b in opened(path).batches(0)]
    assert sum(sizes) == 40_000
    assert max(sizes) <= 16_384


def test_limits(tmp_path):
    path = made(tmp_path, "CREATE TABLE t (a, b, c)", "CREATE TABLE u (a)", rows=[("x" * 5000, 1, 2)])
    for limits, reason in (
        (Limits(columns=2), "columns"),
        (Limits(tables=1), "tables"),
        (Limits(cell_bytes=1000), "cell_bytes"),
    ):
        with pytest.raises(SourceError) as caught:
            rows(opened(path, limits=limits))
        assert caught.value.facts["reason"] == reason


@pytest.mark.parametrize("data", [b"", b"SQLite format 3\0", b"a,b\n1,2\n", b"SQLite format 3\0" + b"\xff" * 5000])
def test_what_is_none_is_refused(data):
    with pytest.raises(SourceError) as caught:
        opened(data)
    assert caught.value.facts["reason"] in {"format", "broken", "encrypted", "empty"}


def test_an_empty_database_has_no_table(tmp_path):
    with pytest.raises(SourceError) as caught:
        opened(made(tmp_path, "CREATE VIEW v AS SELECT 1"))
    assert caught.value.facts["reason"] == "empty"


def _tried(data: bytes) -> None:
    try:
        source = opened(data)
        for i, _ in enumerate(source.tables()):
            rows(source, i)
    except SourceError as error:
        if not (error.hint and error.facts["reason"]):
            raise


def test_cut_anywhere_a_database_is_refused_or_gives_rows(tmp_path):
    data = made(
        tmp_path, "CREATE TABLE t (a INT, b TEXT)", rows=[(i, f"text {i}" * 9) for i in range(200)]
    ).read_bytes()
    for end in range(0, len(data), 397):
        _tried(data[:end])


def test_bytes_that_flipped_break_nothing_but_the_file(tmp_path):
    data = bytearray(
        made(tmp_path, "CREATE TABLE t (a INT, b TEXT)", rows=[(i, f"text {i}" * 9) for i in range(200)]).read_bytes()
    )
    chance = np.random.default_rng(3)
    for place in chance.integers(16, 4096, 120):
        before = data[place]
        data[place] ^= int(chance.integers(1, 256))
        _tried(bytes(data))
        data[place] = before
