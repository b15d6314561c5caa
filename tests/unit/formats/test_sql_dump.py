"""SQL scripts: tables and rows as each database dumps them; what would do something is refused by name."""

from __future__ import annotations

import io

import pytest

from entrepot.errors import SourceError
from entrepot.formats.reading import Limits, ReadOptions, opener

POSTGRESQL = rb"""--
-- PostgreSQL database dump
--
\restrict abc
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
CREATE EXTENSION IF NOT EXISTS pgcrypto WITH SCHEMA public;
CREATE TABLE public.users (
    id integer NOT NULL,
    name character varying(20) DEFAULT 'x,)'::character varying,
    amount numeric(10,2),
    seen timestamp with time zone DEFAULT now(),
    tags text[],
    CONSTRAINT users_pkey PRIMARY KEY (id)
);
ALTER TABLE public.users OWNER TO postgres;
COMMENT ON TABLE public.users IS 'it''s; all';
CREATE SEQUENCE public.users_id_seq AS integer START WITH 1;
COPY public.users (id, name, amount, seen, tags) FROM stdin;
1	a\tb\\c\x41\101	1.50	2024-01-01 00:00:00+02	{a,b}
2	\N	\N	\N	\N
3	bad
\.

INSERT INTO public.users VALUES (4, E'it\'s\n\u00e9', 1e3, '2024-01-01'::timestamp, NULL),
    (5, $$do;'llar$$, -1.5, now(), '{}'::text[]) ON CONFLICT DO NOTHING;
SELECT pg_catalog.setval('public.users_id_seq', 2, true);
ALTER TABLE ONLY public.users ADD CONSTRAINT users_pkey2 PRIMARY KEY (id);
CREATE INDEX i ON public.users USING btree (name);
\unrestrict abc
"""

MYSQL = rb"""-- MySQL dump 10.13
/*M!999999\- enable the sandbox mode */
/*!40101 SET NAMES utf8 */;
DROP TABLE IF EXISTS `t`;
CREATE TABLE `t` (
  `id` int(11) unsigned NOT NULL AUTO_INCREMENT COMMENT 'a, b',
  `na``me` varchar(10) DEFAULT NULL, # a comment
  `b` blob,
  PRIMARY KEY (`id`),
  KEY `k` (`name`)
) ENGINE=InnoDB AUTO_INCREMENT=3 DEFAULT CHARSET=latin1;
LOCK TABLES `t` WRITE;
/*!40000 ALTER TABLE `t` DISABLE KEYS */;
INSERT INTO `t` VALUES (1,'it\'s; ok\n',0xFF00),(2,NULL,_binary '\0\n'),(3,'a''b',''),(4,"d\"q",X'');
/*!40000 ALTER TABLE `t` ENABLE KEYS */;
UNLOCK TABLES;
/*!50001 CREATE VIEW `v` AS SELECT 1 AS `id` */;
"""

SQLITE = rb"""PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE t(a INTEGER PRIMARY KEY AUTOINCREMENT, [b c] TEXT, c);
INSERT INTO t VALUES(1,'x',X'0aff');
INSERT INTO t VALUES(2,replace(replace('a\nb\r','\n',char(10)),'\r',char(13)),1.5);
INSERT INTO t VALUES(3,unistr('a\u000ab'),9.0e+999);
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('t',2);
COMMIT;
"""

SQLSERVER = """USE [db]
GO
/****** Object:  Table [dbo].[T]    Script Date: 1/1/2024 ******/
SET ANSI_NULLS ON
GO
CREATE TABLE [dbo].[T](
\t[Id] [int] IDENTITY(1,1) NOT NULL,
\t[Na]]me] [nvarchar](50) NULL,
\t[D] [datetime] NULL,
 CONSTRAINT [PK] PRIMARY KEY CLUSTERED ([Id] ASC) WITH (PAD_INDEX = OFF) ON [PRIMARY]
) ON [PRIMARY]
GO
SET IDENTITY_INSERT [dbo].[T] ON

INSERT [dbo].[T] ([Id], [Na]]me], [D]) VALUES (1, N'O''Brien \u00e9', CAST(N'2024-01-01T00:00:00.000' AS DateTime))
INSERT [dbo].[T] ([Id], [Na]]me], [D]) VALUES (2, NULL, CAST(0x0000901A00000000 AS DateTime))
INSERT [dbo].[T] ([Id], [Na]]me]) VALUES (3, N'a\\' + N'
G' + N'O
')
SET IDENTITY_INSERT [dbo].[T] OFF
GO
ALTER TABLE [dbo].[T] ADD  CONSTRAINT [DF]  DEFAULT ((0)) FOR [Id]
GO
EXEC sys.sp_addextendedproperty @name=N'x', @value=N'y'
GO
"""


def opened(script: bytes, **options):
    return opener("sql")(io.BytesIO(script), "dump.sql", ReadOptions(**options))


def rows(source, table: int = 0) -> list[dict]:
    return [row for batch in source.batches(table) for row in batch.data.to_pylist()]


def refused(source, table: int = 0) -> list[tuple[int, str, str]]:
    return [(q.row, q.findings[0].code, q.findings[0].message) for b in source.batches(table) for q in b.refused]


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
