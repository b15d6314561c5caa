"""Columnar files and databases."""

from __future__ import annotations

import io
import sqlite3
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.orc
import pyarrow.parquet

from tests.fuzz.seeds.tables import long, ours, rich, simple


def parquet() -> list[bytes]:
    """Every encoding, packing and version of pages."""

    def made(table: pa.Table, **options: object) -> bytes:
        out = io.BytesIO()
        pa.parquet.write_table(table, out, **options)
        return out.getvalue()

    return [
        *ours("parquet", simple(), rich(), long()),
        made(simple(), compression="none", use_dictionary=False),
        made(rich(), compression="gzip", data_page_version="2.0"),
        made(long(), compression="none", row_group_size=100, write_page_index=True),
        made(
            long(),
            compression="brotli",
            column_encoding={"n": "DELTA_BINARY_PACKED", "word": "DELTA_BYTE_ARRAY"},
            use_dictionary=False,
        ),
        made(rich(), compression="lz4", version="1.0", store_schema=False),
        made(simple().slice(0, 0)),
    ]


def orc() -> list[bytes]:
    """Every packing."""

    def made(table: pa.Table, **options: object) -> bytes:
        out = io.BytesIO()
        pa.orc.write_table(table, out, **options)
        return out.getvalue()

    plain = rich().drop_columns(["word", "time"])
    packings = ("uncompressed", "zlib", "snappy", "zstd", "lz4")
    return [
        *ours("orc"),
        made(plain),
        *(made(long(), compression=word) for word in packings),
        made(long(), stripe_size=1024),
    ]


def arrow() -> list[bytes]:
    """Files and streams, packed and plain, with dictionaries."""
    found = ours("arrow", simple(), rich(), long())
    for table in (simple(), rich(), long()):
        for packing in (None, "zstd", "lz4"):
            for make in (pa.ipc.new_stream, pa.ipc.new_file):
                out = io.BytesIO()
                with make(out, table.schema, options=pa.ipc.IpcWriteOptions(compression=packing)) as file:
                    file.write_table(table, 200)
                found.append(out.getvalue())
    return found


_SCRIPTS = (
    (
        "CREATE TABLE t (a INTEGER PRIMARY KEY, b VARCHAR(10), c REAL, d BOOLEAN, e BLOB, f, g DATE, h NUMERIC);"
        "INSERT INTO t VALUES (1,'x',1.5,1,x'00ff',1,'2024-01-01',10),(2,NULL,9e999,0,NULL,'a',NULL,9.99),(3,'ą',-0.0,NULL,x'',2.5,'x',0);"
    ),
    (
        "CREATE TABLE w (k TEXT, v INT, PRIMARY KEY (k, v)) WITHOUT ROWID; INSERT INTO w VALUES ('a',1),('b',2);"
        "CREATE INDEX i ON w (v); CREATE VIEW seen AS SELECT k FROM w; CREATE TRIGGER tr AFTER INSERT ON w BEGIN SELECT 1; END;"
    ),
    (
        "CREATE TABLE g (a INT, b INT AS (a * 2) STORED, c TEXT AS ('x' || a)); INSERT INTO g (a) VALUES (1),(2);"
        "CREATE TABLE s (x INT, y TEXT) STRICT; INSERT INTO s VALUES (1,'a');"
    ),
    (
        "CREATE TABLE big (t TEXT); WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c WHERE n<60)"
        "INSERT INTO big SELECT hex(zeroblob(n*20)) FROM c;"
    ),
    "CREATE VIRTUAL TABLE f USING fts5(body); INSERT INTO f VALUES ('some words');",
    "CREATE VIEW endless AS WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c) SELECT n FROM c; CREATE TABLE e (x);",
    'CREATE TABLE "a""b" ("x y" INT, "select" TEXT, [é] ANY); INSERT INTO "a""b" VALUES (1,2,3); CREATE TABLE empty (q);',
)


def sqlite() -> list[bytes]:
    """Tables of every kind, small pages, other encodings."""
    return [
        _database(script, pragma)
        for script in _SCRIPTS
        for pragma in ("page_size=512", "page_size=1024; PRAGMA encoding='UTF-16le'")
    ]


def _database(script: str, pragma: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.db"
        database = sqlite3.connect(path)
        database.executescript(f"PRAGMA {pragma}; {script}")
        database.commit()
        database.close()
        return path.read_bytes()
