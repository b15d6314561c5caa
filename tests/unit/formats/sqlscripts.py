"""Scripts as the tools of each database dump them, and how they are read."""

from __future__ import annotations

import io

from entrepot.formats.reading import ReadOptions, opener

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
