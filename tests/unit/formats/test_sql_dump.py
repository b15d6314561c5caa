"""SQL scripts: tables and rows as each database dumps them."""

from __future__ import annotations

import pytest

from entrepot.errors import SourceError
from tests.unit.formats.sqlscripts import MYSQL, POSTGRESQL, SQLITE, SQLSERVER, opened, refused, rows


def test_postgresql():
    source = opened(POSTGRESQL)
    (table,) = source.tables()
    assert (source.encoding, table.name) == ("utf-8", "users")
    assert table.schema.names == ["id", "name", "amount", "seen", "tags"]
    stated = [(f.metadata[b"sql_type"], f.metadata.get(b"type")) for f in table.schema]
    assert stated == [
        (b"integer", b"integer"),
        (b"character varying(20)", b"string"),
        (b"numeric(10,2)", b"decimal(10,2)"),
        (b"timestamp with time zone", b"datetime"),
        (b"text[]", None),
    ]
    assert [tuple(r.values()) for r in rows(source)] == [
        ("1", "a\tb\\cAA", "1.50", "2024-01-01 00:00:00+02", "{a,b}"),
        ("2", None, None, None, None),
        ("4", "it's\n\u00e9", "1e3", "2024-01-01", None),
    ]
    assert [(row, code) for row, code, _ in refused(source)] == [(3, "ragged"), (5, "expression")]


def test_mysql():
    source = opened(MYSQL)
    (table,) = source.tables()
    assert table.schema.names == ["id", "na`me", "b"]
    assert [f.metadata[b"sql_type"] for f in table.schema] == [b"int(11) unsigned", b"varchar(10)", b"blob"]
    assert [tuple(r.values()) for r in rows(source)] == [
        ("1", "it's; ok\n", "\\xff00"),
        ("2", None, "\\x000a"),
        ("3", "a'b", ""),
        ("4", 'd"q', "\\x"),
    ]


def test_sqlite():
    source = opened(SQLITE)
    (table,) = source.tables()
    assert table.schema.names == ["a", "b c", "c"]
    assert [tuple(r.values()) for r in rows(source)] == [
        ("1", "x", "\\x0aff"),
        ("2", "a\nb\r", "1.5"),
        ("3", "a\nb", "Infinity"),
    ]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "cp1252", "utf-16-be"])
def test_sqlserver_in_the_encodings_of_its_tools(encoding):
    source = opened(SQLSERVER.encode(encoding))
    (table,) = source.tables()
    assert (table.name, table.schema.names) == ("T", ["Id", "Na]me", "D"])
    assert [tuple(r.values()) for r in rows(source)] == [
        ("1", "O'Brien \u00e9", "2024-01-01T00:00:00.000"),
        ("2", None, "2001-01-01T00:00:00"),
        ("3", "a\\\nGO\n", None),
    ]


def test_line_ends_of_windows_change_nothing():
    for script in (POSTGRESQL, MYSQL):
        source = opened(script.replace(b"\n", b"\r\n"))
        assert len(rows(source)) == len(rows(opened(script)))
    assert rows(opened(POSTGRESQL.replace(b"\n", b"\r\n")))[0] == rows(opened(POSTGRESQL))[0]


def test_interleaved_tables_with_and_without_columns():
    script = b"""
    CREATE TABLE a (x int, y text); CREATE TABLE empty (z int);
    INSERT INTO a VALUES (1, 'one');
    INSERT INTO b (q, p) VALUES (1, 2);
    insert into A (y) values ('two');
    INSERT INTO b (p) VALUES (3);
    INSERT INTO a (y, x) VALUES ('three', 3)
    """
    source = opened(script.replace(b"into A", b"into a"))
    assert [(t.name, t.schema.names, t.rows) for t in source.tables()] == [
        ("a", ["x", "y"], None),
        ("empty", ["z"], 0),
        ("b", ["q", "p"], None),
    ]
    assert [tuple(r.values()) for r in rows(source, 0)] == [("1", "one"), (None, "two"), ("3", "three")]
    assert rows(source, 1) == []
    assert [tuple(r.values()) for r in rows(source, 2)] == [("1", "2"), (None, "3")]


def test_rows_without_any_names():
    source = opened(b"INSERT INTO t VALUES (1, 'a(b', NULL), (2, 'c', 3);")
    assert source.tables()[0].schema.names == ["column_1", "column_2", "column_3"]
    assert len(rows(source)) == 2


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"+5", "5"), (b"-.5", "-.5"), (b"1.50", "1.50"), (b"00012", "00012"), (b"1e-7", "1e-7"), (b"TRUE", "true"),
        (b"null", None), (b"(3)", "3"), (b"'a' 'b'", "ab"), (b"N'n'", "n"), (b"x'0aFF'", "\\x0aff"), (b"0xA", "\\x0a"),
        (b"DATE '2024-01-02'", "2024-01-02"), (b"TIMESTAMP '2024-01-02 03:04:05'", "2024-01-02 03:04:05"),
        (b"CAST('5' AS int)", "5"), (b"CAST(NULL AS varchar(10))", None), (b"'{}'::jsonb", "{}"), (b"b'101'", "101"),
        (b"'1'::numeric(10, 2)", "1"), (b"'x'::character varying(3)[]", "x"), (b"/* c */ 7 -- d\n", "7"),
        (b"CONVERT(datetime, '2024-01-02', 120)", "2024-01-02"), (b"''''", "'"), (b"' --no; '", " --no; "),
    ],
)  # fmt: skip
def test_values(value, text):
    assert rows(opened(b"INSERT INTO t (a, b) VALUES (" + value + b", 1);")) == [{"a": text, "b": "1"}]


@pytest.mark.parametrize(
    "value", [b"now()", b"CURRENT_TIMESTAMP", b"DEFAULT", b"nextval('s')", b"1 + 1", b"a", b"1 || 2"]
)
def test_rows_that_a_database_would_complete_are_refused_alone(value):
    source = opened(b"INSERT INTO t (a, b) VALUES (1, 2), (" + value + b", 1), (3, 4);")
    assert [r["a"] for r in rows(source)] == ["1", "3"]
    ((row, code, message),) = refused(source)
    assert (row, code) == (2, "expression")
    assert "never run" in message


def test_the_first_row_that_can_be_read_tells_the_width():
    source = opened(b"INSERT INTO u VALUES (, 1);\nINSERT INTO u VALUES (1, 2);\nINSERT INTO u VALUES (3, 4);\n")
    assert source.tables()[0].schema.names == ["column_1", "column_2"]
    assert [r["column_2"] for r in rows(source)] == ["2", "4"]
    assert [row for row, _, _ in refused(source)] == [1]


def test_no_row_is_read_twice_where_an_end_is_missing():
    script = (
        b"INSERT INTO t VALUES (1)\nINSERT INTO u VALUES (2);\nINSERT INTO u VALUES (3);\nINSERT INTO t VALUES (4);"
    )
    assert [r["column_1"] for r in rows(opened(script))] == ["1", "4"]


def test_what_follows_many_plain_rows_is_told_where_it_stands():
    plain = b"INSERT INTO t VALUES " + b", ".join([b"(1)"] * 100) + b","
    (batch,) = opened(plain + b" (a), (2);").batches(0)
    assert (batch.data.num_rows, list(batch.rows)[-2:]) == (101, [100, 102])
    assert [(r.row, r.raw) for r in batch.refused] == [(101, " (a)")]
    with pytest.raises(SourceError) as caught:
        list(opened(plain + b" (1;").batches(0))
    assert caught.value.facts["offset"] == len(plain)
