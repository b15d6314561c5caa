"""SQL scripts that would do something, break off, or are made to harm: refused, by name where there is one."""

from __future__ import annotations

import pytest

from entrepot.errors import SourceError
from entrepot.formats.reading import Limits
from tests.unit.formats.sqlscripts import MYSQL, POSTGRESQL, SQLITE, SQLSERVER, opened, refused, rows


def test_parentheses_without_end_are_refused_and_not_followed():
    deep = b"(" * 5000 + b"1" + b")" * 5000
    source = opened(b"INSERT INTO t (a) VALUES ((((1)))), (" + deep + b"), (3);")
    assert [r["a"] for r in rows(source)] == ["1", "3"]
    assert [(row, code) for row, code, _ in refused(source)] == [(2, "expression")]
    with pytest.raises(SourceError) as caught:
        list(opened(b"INSERT INTO t VALUES " + b"(" * 100_000).batches(0))
    assert caught.value.facts["reason"] == "truncated"


@pytest.mark.parametrize(
    ("script", "name"),
    [
        (b"COPY t FROM PROGRAM 'ls';", "COPY \u2026 FROM PROGRAM"),
        (b"COPY t FROM '/etc/passwd';", "COPY of another kind than FROM stdin"),
        (b"COPY t TO PROGRAM 'cat';", "COPY \u2026 FROM PROGRAM"),
        (b"copy t from stdin with csv;\n1\n\\.\n", "COPY with options"),
        (b"\\! ls\n", "\\!"),
        (b"\\copy t from x\n", "\\copy"),
        (b"\\i other.sql\n", "\\i"),
        (b"\\o |sh\n", "\\o"),
        (b".read other.sql\n", ".read"),
        (b"CREATE TABLE a (b int);\nUPDATE a SET b = 1;", "UPDATE"),
        (b"DELETE FROM t WHERE a = 1;", "DELETE"),
        (b"CREATE FUNCTION f() RETURNS int AS $$ begin; end $$ LANGUAGE sql;", "CREATE FUNCTION"),
        (b"CREATE OR REPLACE FUNCTION f() RETURNS int AS 'x';", "CREATE OR REPLACE FUNCTION"),
        (b"CREATE TRIGGER x BEFORE INSERT ON t EXECUTE FUNCTION f();", "CREATE TRIGGER"),
        (b"DELIMITER ;;\nCREATE DEFINER=`a`@`b` TRIGGER x BEFORE INSERT ON t FOR EACH ROW SET NEW.a=1;;\nDELIMITER ;\n", "CREATE TRIGGER"),
        (b"INSERT INTO t SELECT 1;", "INSERT without VALUES"),
        (b"CREATE TABLE a AS SELECT 1;", "CREATE TABLE AS SELECT"),
        (b"DO $$ begin end $$;", "DO"),
        (b"CREATE TABLE t (a int); INSERT INTO t VALUES (1); TRUNCATE t;", "TRUNCATE of a table that has rows"),
        (b"INSERT INTO t VALUES (1); DROP TABLE IF EXISTS t;", "DROP of a table that has rows"),
        (b"SELECT pg_read_file('x');", "SELECT PG_READ_FILE"),
        (b"SELECT 1;", "SELECT"),
        (b"CALL f();", "CALL"),
        (b"ALTER TABLE t ADD COLUMN x int;", "ALTER TABLE"),
        (b"ALTER TABLE t DROP COLUMN x;", "ALTER TABLE"),
        (b"ALTER TABLE t RENAME TO u;", "ALTER TABLE"),
        (b"EXEC xp_cmdshell 'dir'\nGO\n", "EXEC"),
        (b"ATTACH DATABASE 'x' AS y;", "ATTACH DATABASE"),
        (b"LOAD DATA INFILE 'x' INTO TABLE t;", "LOAD DATA"),
        (b"ROLLBACK;", "ROLLBACK"),
        (b"GIBBERISH here;", "GIBBERISH HERE"),
    ],
)  # fmt: skip
def test_statements_that_would_do_something_are_refused_by_name(script, name):
    with pytest.raises(SourceError) as caught:
        opened(script).tables()
    assert caught.value.facts["reason"] == "statement"
    assert caught.value.facts["statement"] == name


@pytest.mark.parametrize("name", [b"pg_sleep", b"pg_read_file", b"lo_import", b"load_file", b"replace"])
def test_functions_in_values_are_refused_by_name(name):
    script = b"INSERT INTO t (a) VALUES (" + name + b"('1', '2', '3'));"
    with pytest.raises(SourceError) as caught:
        list(opened(script).batches(0))
    assert caught.value.facts == {"reason": "function", "function": name.decode()}


@pytest.mark.parametrize(
    "tail", [b"ON DUPLICATE KEY UPDATE a = 2", b"ON CONFLICT (a) DO UPDATE SET a = 1", b"RETURNING a"]
)
def test_inserts_that_do_more_are_refused(tail):
    with pytest.raises(SourceError) as caught:
        list(opened(b"INSERT INTO t (a) VALUES (1) " + tail + b";").batches(0))
    assert caught.value.facts["reason"] == "statement"


@pytest.mark.parametrize("script", [b"", b"-- nothing\n", b"SET a = 1;\n/* no table */"])
def test_a_script_without_tables_is_refused(script):
    with pytest.raises(SourceError) as caught:
        opened(script)
    assert caught.value.facts["reason"] == "empty"


@pytest.mark.parametrize(
    "script", [POSTGRESQL, MYSQL, SQLITE, SQLSERVER.encode("utf-16")], ids=["pg", "my", "lite", "ms"]
)
def test_cut_anywhere_a_script_is_refused_or_gives_rows(script):
    whole = rows(opened(script))
    for end in range(0, len(script), 7):
        try:
            found = rows(opened(script[:end]))
        except SourceError as error:
            if not error.facts["reason"]:
                raise
        else:
            assert len(found) <= len(whole) + 1


@pytest.mark.parametrize("script", [POSTGRESQL, MYSQL, SQLITE, SQLSERVER.encode()], ids=["pg", "my", "lite", "ms"])
def test_blocks_of_any_size_give_the_same_rows(script, monkeypatch):
    wanted = rows(opened(script))
    monkeypatch.setattr("entrepot.formats.readers.sql_statements.HEAD", 0)
    for size in (1, 7, 64, 1000):
        monkeypatch.setattr("entrepot.formats.readers.sql_stream._BLOCK", size)
        monkeypatch.setattr("entrepot.formats.readers.sql_statements.HEAD", 2000)
        assert rows(opened(script)) == wanted


def test_statements_without_semicolons_are_those_of_sql_server():
    script = b"INSERT INTO a (id, n) VALUES (1, 'x')\ninsert into b (k) VALUES (7)\n\nINSERT INTO a VALUES (2, 'y')\n"
    source = opened(script)
    assert [t.name for t in source.tables()] == ["a", "b"]
    assert [rows(source, 0), rows(source, 1)] == [[{"id": "1", "n": "x"}, {"id": "2", "n": "y"}], [{"k": "7"}]]


def test_a_missing_semicolon_is_refused_and_passes_over_no_rows():
    script = (
        b"-- MySQL dump\nINSERT INTO `a` VALUES (1),(2)\n INSERT INTO `b` VALUES (7);\nINSERT INTO `a` VALUES (3);\n"
    )
    with pytest.raises(SourceError, match="no semicolon"):
        source = opened(script)
        [rows(source, n) for n in range(len(source.tables()))]


def test_a_precision_of_thousands_of_digits_is_none():
    script = b"CREATE TABLE t (n numeric(%s));\nINSERT INTO t VALUES (1);\n" % (b"9" * 5000)
    assert rows(opened(script)) == [{"n": "1"}]


def test_texts_in_another_encoding_are_refused_row_by_row():
    script = b"INSERT INTO t VALUES ('\xc4\x85\xc4\x99 ok'), ('\xff'), ('z');\n" + b"-- \xc4\x85\xc4\x99\n" * 50
    source = opened(script, encoding="utf-8")
    assert [r["column_1"] for r in rows(source)] == ["\u0105\u0119 ok", "z"]
    assert [(row, code) for row, code, _ in refused(source)] == [(2, "encoding")]


def test_a_stated_character_set_is_believed():
    script = b"SET client_encoding = 'WIN1257';\nINSERT INTO t VALUES ('" + "\u0161\u0173".encode("cp1257") + b"');"
    assert rows(opened(script)) == [{"column_1": "\u0161\u0173"}]


def test_bounds():
    wide = b"INSERT INTO t VALUES (" + b",".join([b"1"] * 30) + b");"
    with pytest.raises(SourceError) as caught:
        opened(wide, limits=Limits(columns=29))
    assert caught.value.facts["reason"] == "columns"
    with pytest.raises(SourceError) as caught:
        opened(b"".join(b"CREATE TABLE t%d (a int);" % i for i in range(5)), limits=Limits(tables=4))
    assert caught.value.facts["reason"] == "tables"
    with pytest.raises(SourceError) as caught:
        list(opened(b"INSERT INTO t VALUES ('" + b"x" * 5000 + b"');", limits=Limits(cell_bytes=4000)).batches(0))
    assert caught.value.facts["reason"] == "cell_bytes"


def test_an_unclosed_quote_does_not_fill_the_memory():
    script = b"INSERT INTO t VALUES ('" + b"x" * (8 << 20)
    with pytest.raises(SourceError) as caught:
        opened(script, limits=Limits(cell_bytes=1 << 20))
    assert caught.value.facts["reason"] in {"cell_bytes", "truncated"}


def test_many_switches_between_tables_stay_bounded(monkeypatch):
    monkeypatch.setattr("entrepot.formats.readers.sqldump._SPANS", 3)
    script = b"".join(b"INSERT INTO t%d VALUES (%d);\n" % (i % 2, i) for i in range(40))
    source = opened(script)
    assert [r["column_1"] for r in rows(source, 0)] == [str(i) for i in range(0, 40, 2)]
    assert [r["column_1"] for r in rows(source, 1)] == [str(i) for i in range(1, 40, 2)]


def test_long_words_and_many_blank_lines_take_no_longer_than_others():
    digits = b"1" * 400_000
    source = opened(b"INSERT INTO t (a, b) VALUES (1, 'x'), (" + digits + b"x, 'y'), (3, 'z');")
    assert [r["a"] for r in rows(source)] == ["1", "3"]
    assert [row for row, _, _ in refused(source)] == [2]
    blank = b"\n" * 1_000_000
    script = b"SET ANSI_NULLS ON\nGO\nINSERT [t] ([a]) VALUES (1)\nSET NOCOUNT" + blank + b"ON\nGO\n"
    assert rows(opened(script + b"INSERT [t] ([a]) VALUES (2)\n")) == [{"a": "1"}, {"a": "2"}]
