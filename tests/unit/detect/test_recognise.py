"""What a file is, by its content."""

from __future__ import annotations

import gzip
import io
import json
import sqlite3
import time
import zipfile
from pathlib import Path

import pytest

from entrepot.detect.recognise import Kind, recognise, refusal
from entrepot.errors import SourceError
from tests.unit.formats.containers.packing import ALONE, CSV, tarred, zipped


def kind(data: bytes | str, name: str = "") -> Kind:
    return recognise(io.BytesIO(data.encode() if isinstance(data, str) else data), name)


def word(data: bytes | str, name: str = "") -> str | None:
    return kind(data, name).format


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1,2\n",
        "id;note\n1;INSERT INTO t VALUES (1)\n",
        "query\nSELECT 1;\nDROP TABLE t;\n",
        "name,html\nx,<b>bold</b>\n",
        "<b>name</b>,<i>x</i>\n1,2\n",
        "<p>hello</p>;2\n<p>you</p>;3\n",
        "[a],[b]\n1,2\n",
        '[1,2,3],"x"\n[4],"y"\n',
        '{"a":1},7\n{"a":2},8\n',
        "{a},{b}\n1,2\n",
        "from: x,to: y\n1,2\n",
        "Subject: a\nSubject: b\n",
        "time: 1\nfrom: x\n",
        "UNA\n1\n",
        "UNB,UNH\n1,2\n",
        "create,table\n1,2\n",
        "set,value\na,b\n",
        "use\nyes\nno\n",
        "begin;end\n1;2\n",
        "PAR1,x\n1,2\n",
        "ORC,b\n1,2\n",
        "BM,MZ\n1,2\n",
        "ID3\n1\n",
        "RIFF\nx\n",
        "-- a comment\na,b\n1,2\n",
        "# a comment\na,b\n1,2\n",
        "null",
        '"a"\n"b"\n',
        "12",
        "ftyp,DUCK\n1,2\n",
        "BEGIN,VCALENDAR\n",
        "<>\n",
        "<\n<\n",
        "{\n1\n",
    ],
)
def test_what_could_be_delimited_is(text: str) -> None:
    assert word(text) == "csv"
    assert word(text.encode("utf-16")) == "csv"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[{"a": 1}, {"a": 2}]', "json"),
        ('{"a": 1}', "json"),
        ('  \n{"rows": [\n{"a": 1}]}', "json"),
        ("[]", "json"),
        ("{}", "json"),
        ("[[1,2],[3,4]]", "json"),
        ('{"products":[{"type":"Feature","features":["x"]}]}', "json"),
        ('{"type":"FeatureCollection","count":0}', "json"),
        ('{"type":"Point","x":1,"coordinates":2}', "json"),
        ('{"work":{"type":"Feature","geometry":{"a":1}}}', "json"),
        ("[1, 2", "json"),
        ('{"a": 1, "b": [{"c', "json"),
        ('{"a": 1}{"a": 2}', "json"),
        ('{\n "a": 1\n}\n{\n "a": 2\n}\n', "json"),
        ('{"a":1}\n{"a":2}\n', "jsonl"),
        ('{"a":1}\n\n{"a":2}', "jsonl"),
        ('{"a":1}\n{"a":\n{"a":3}\n', "jsonl"),
        ("[" * 5000, "json"),
        ('{"a":' * 5000, "json"),
        ('<?xml version="1.0"?><a><b/></a>', "xml"),
        ("<rows><row a='1'/></rows>", "xml"),
        ("<!-- made by hand -->\n<a:rows xmlns:a='x'><a:row/></a:rows>", "xml"),
        ("<!DOCTYPE rows><rows><row/></rows>", "xml"),
        ('<?xml version="1.0"?><table><tr/></table>', "xml"),
        ("<row/>", "xml"),
        ("CREATE TABLE t (a int);\nINSERT INTO t VALUES (1);\n", "sql"),
        ("-- dump\n\nSET statement_timeout = 0;\nSET client_encoding = 'UTF8';\n", "sql"),
        ("/*!40101 SET NAMES utf8 */;\nCREATE TABLE `t` (`a` int);", "sql"),
        ("INSERT INTO `t` (`a`,`b`) VALUES (1,2);\n", "sql"),
        ("insert into t values (1, 'x');", "sql"),
        ("INSERT INTO [my db] . [dbo].[a table] (a) VALUES (1);", "sql"),
        ('insert into "Odd Name" values (1);', "sql"),
        ("USE [master]\nGO\nCREATE TABLE [dbo].[t]([a] [int])\nGO\n", "sql"),
        ("PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n", "sql"),
        ("COPY public.t (a, b) FROM stdin;\n1\t2\n\\.\n", "sql"),
        ("\\restrict abc\n\nSET row_security = off;\n", "sql"),
        ("DROP TABLE IF EXISTS t;\n", "sql"),
        ("# phpMyAdmin SQL Dump\nCREATE TABLE t (a int);", "sql"),
        ('{"type":"FeatureCollection","features":[]}', "geojson"),
        ('{"features":[{"type":"Feature","geometry":null}],"type":"FeatureCollection"}', "geojson"),
        ('{"type":"Point","coordinates":[1,2]}', "geojson"),
        ('{"type":"Feature","geometry":null,"properties":{}}\n{"type":"Feature","geometry":null}', "geojson"),
        ("UNA:+.? 'UNB+UNOA:1+A+B+240101:1200+1'", "edifact"),
        ("UNB+UNOC:3+A+B+240101:1200+1'UNH+1+ORDERS'", "edifact"),
    ],
)
def test_texts_with_a_grammar(text: str, expected: str) -> None:
    assert word(text) == expected
    assert word(b"\xef\xbb\xbf" + text.encode()) == expected or expected == "edifact"
    if expected in {"json", "xml"} and len(text) < 5000:
        for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32"):
            assert word(text.encode(encoding)) == expected or (len(text) < 8 and "-" in encoding)


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ('{"a": 1}', "x.jsonl", "jsonl"),
        ('{"a": 1}', "x.ndjson", "jsonl"),
        ('{"a": 1}', "x.json", "json"),
        ("12", "x.json", "json"),
        ('{"a": [1, 2', "x.jsonl", "jsonl"),
        ("a,b\n1,2\n", "x.json", "csv"),
        ("a,b\n1,2\n", "x.xlsx", "csv"),
        ("a,b\n1,2\n", "x.jsonl", "csv"),
        ('[{"a": 1}]', "x.csv", "json"),
    ],
)
def test_a_name_only_breaks_ties(text: str, name: str, expected: str) -> None:
    assert word(text, name) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<!DOCTYPE html>\n<html><body><table/></body></html>", "an HTML page"),
        ("\n<HTML><head></head></HTML>", "an HTML page"),
        ("<table><tr><td>1</td></tr></table>", "an HTML page"),
        ('<?xml version="1.0"?><!DOCTYPE html PUBLIC "x" "y"><html/>', "an HTML page"),
        ('<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"/>', "an XSLT program"),
        ("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n", "a calendar or an address card"),
        (
            "From ann@example.org Mon May 06 10:00:00 2024\nFrom: a@example.org\nTo: b\n\nx",
            "a mailbox of messages (mbox)",
        ),
        ("%PDF-1.7\n", "a PDF file"),
        (b"\x89PNG\r\n\x1a\n\0\0", "a PNG picture"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "a JPEG picture"),
        (b"7z\xbc\xaf\x27\x1c\0\4", "a 7z archive"),
        (b"Rar!\x1a\x07\x01\0", "a RAR archive"),
        (b"Obj\x01\x04\x16avro.schema\0", "an Avro file"),
        (b"\x00\x01\x00\x00Standard Jet DB\0", "an Access database"),
        (b"PGDMP\x01\x0e\0", "a PostgreSQL custom-format dump"),
        ("{\\rtf1\\ansi}", "an RTF document"),
        (bytes(range(256)) * 4, "binary data"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "a film or picture (MP4, HEIC)"),
    ],
)
def test_the_rest_is_refused_by_name(text: str | bytes, words: str) -> None:
    found = kind(text)
    assert (found.format, found.container, found.words) == (None, None, words)
    error = refusal(found, "x.dat")
    assert words in error.message
    assert error.hint
    assert error.facts["reason"] in {"html", "binary"}


@pytest.mark.parametrize(("ending", "container"), [("gz", "gzip"), ("bz2", "bz2"), ("xz", "xz"), ("zst", "zstd")])
def test_compressions(ending: str, container: str) -> None:
    assert kind(ALONE[ending](CSV), "lies.csv") == Kind(None, container, words=kind(ALONE[ending](CSV)).words)


def test_archives_and_messages() -> None:
    assert kind(zipped({"a.csv": CSV})).container == "zip"
    assert kind(zipped({})).container == "zip"
    assert kind(tarred({"a.csv": CSV})).container == "tar"
    assert kind("From: a@example.org\nTo: b\nSubject: c\nMIME-Version: 1.0\n\ntext\n").container == "eml"
    assert kind("Received: from x\n by y; Mon, 6 May 2024\nMessage-ID: <1>\nX-Odd: z\n\ntext\n").container == "eml"


def _book(names: list[str]) -> bytes:
    return zipped({"[Content_Types].xml": b"<Types/>", **dict.fromkeys(names, b"x")})


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["xl/workbook.xml"], "xlsx"),
        (["xl/workbook.xml", "xl/vbaProject.bin"], "xlsm"),
        (["xl/workbook.bin"], "xlsb"),
        (["/xl/workbook.xml"], "xlsx"),
        (["XL\\Workbook.xml"], "xlsx"),
    ],
)
def test_workbooks_by_their_parts(names: list[str], expected: str) -> None:
    assert word(_book(names), "renamed.zip") == expected


@pytest.mark.parametrize(
    ("type_", "expected"),
    [
        ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml", "xlsx"),
        ("application/vnd.ms-excel.sheet.macroEnabled.main+xml", "xlsm"),
        ("application/vnd.ms-excel.sheet.binary.macroEnabled.main", "xlsb"),
    ],
)
def test_workbooks_with_parts_at_unusual_places(type_: str, expected: str) -> None:
    types = f'<Types><Override PartName="/main.part" ContentType="{type_}"/></Types>'.encode()
    assert word(zipped({"[Content_Types].xml": types, "main.part": b"x"})) == expected


def test_workbooks_in_no_container() -> None:
    assert word(b"\x09\x08\x10\x00\x00\x06\x05\x00") == "xls"
    assert word(b"\x09\x00\x04\x00\x07\x00\x10\x00") == "xls"
    book = '<?xml version="1.0"?>\n<?mso-application progid="Excel.Sheet"?>\n<{0}Workbook xmlns{1}="urn:schemas-microsoft-com:office:spreadsheet"/>'
    assert word(book.format("", ""), "x.xml") == "xls"
    assert word(book.format("ss:", ":ss"), "x.xls") == "xls"
    assert word("<Workbook><Row/></Workbook>") == "xml"


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"[Content_Types].xml": b"x", "word/document.xml": b"x"}, "a Word document"),
        ({"[Content_Types].xml": b"x", "ppt/presentation.xml": b"x"}, "a PowerPoint presentation"),
        ({"Index/Document.iwa": b"x"}, "an Apple iWork document"),
        ({"mimetype": b"application/vnd.oasis.opendocument.text"}, "an OpenDocument file that is no sheet"),
        ({"mimetype": b"application/epub+zip"}, "an e-book"),
    ],
)
def test_other_documents_are_named(files: dict[str, bytes], words: str) -> None:
    found = kind(zipped(files))
    assert (found.format, found.container, found.words) == (None, None, words)


def test_sheets_of_open_document_and_their_passwords() -> None:
    kind_ = {"mimetype": b"application/vnd.oasis.opendocument.spreadsheet", "content.xml": b"<x/>"}
    assert kind(zipped(kind_)) == Kind("ods", None, encrypted=False, words="an ODS sheet")
    locked = kind_ | {"META-INF/manifest.xml": b"<manifest:encryption-data/>"}
    assert kind(zipped(locked)).encrypted
    assert refusal(kind(zipped(locked)), "x.ods").facts["reason"] == "encrypted"


def test_a_workbook_that_was_cut_off_is_still_one() -> None:
    data = _book(["xl/workbook.xml", "xl/worksheets/sheet1.xml"])
    assert word(data[:-30]) == "xlsx"


def _ole(*names: str) -> bytes:
    """An OLE file with these streams, all empty, in its smallest form."""
    header = bytearray(512)
    header[:8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
    header[24:34] = b"\x3e\0\3\0\xfe\xff\x09\0\6\0"
    header[44:48] = (1).to_bytes(4, "little")
    header[48:52] = (1).to_bytes(4, "little")
    header[60:64] = header[68:72] = b"\xfe\xff\xff\xff"
    header[76:512] = b"\xff" * 436
    header[76:80] = bytes(4)
    table = b"\xfd\xff\xff\xff\xfe\xff\xff\xff" + b"\xff" * 504
    directory = b""
    for n, name in enumerate(("Root Entry", *names)):
        text = (name + "\0").encode("utf-16-le")
        directory += text.ljust(64, b"\0") + len(text).to_bytes(2, "little") + bytes([5 if n == 0 else 2]) + bytes(61)
    return bytes(header) + table + directory.ljust(512, b"\0")


@pytest.mark.parametrize(
    ("streams", "format_", "encrypted"),
    [
        (("Workbook",), "xls", False),
        (("Book",), "xls", False),
        (("WORKBOOK",), "xls", False),
        (("EncryptionInfo", "EncryptedPackage"), "xlsx", True),
        (("WordDocument",), None, False),
        (("__properties_version1.0",), None, False),
        ((), None, False),
    ],
)
def test_old_office_files_by_their_streams(streams: tuple[str, ...], format_: str | None, encrypted: bool) -> None:
    found = kind(_ole(*streams))
    assert (found.format, found.encrypted) == (format_, encrypted)


def test_an_old_office_file_whose_sectors_go_round_in_a_circle() -> None:
    data = bytearray(_ole("Workbook"))
    data[516:520] = (1).to_bytes(4, "little")
    assert word(bytes(data)) == "xls"


def test_tables_of_columns(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyarrow import orc

    table = pa.table({"a": [1, 2]})
    for expected, write in (("parquet", pq.write_table), ("orc", orc.write_table)):
        out = io.BytesIO()
        write(table, out)
        assert word(out.getvalue()) == expected
    for opener in (pa.ipc.new_file, pa.ipc.new_stream):
        out = io.BytesIO()
        with opener(out, table.schema) as writer:
            writer.write_table(table)
        assert word(out.getvalue()) == "arrow"
    with sqlite3.connect(tmp_path / "x.db") as database:
        database.execute("CREATE TABLE t (a)")
    database.close()
    assert word((tmp_path / "x.db").read_bytes(), "x.csv") == "sqlite"


def test_an_empty_file_is_refused_as_such() -> None:
    with pytest.raises(SourceError, match="empty"):
        kind(b"")


def test_only_the_first_bytes_of_a_text_are_read() -> None:
    class Counting(io.BytesIO):
        count = 0

        def read(self, size: int | None = -1) -> bytes:
            data = super().read(size)
            self.count += len(data)
            return data

    file = Counting(b"a,b\n" * (1 << 20))
    recognise(file, "x.csv")
    assert file.count <= 64 << 10


@pytest.mark.parametrize("size", [1 << 16, (1 << 16) + 1, 200_000])
def test_a_document_longer_than_what_is_looked_at(size: int) -> None:
    rows = json.dumps([{"a": n, "text": "x" * 20} for n in range(size // 30)])
    assert word(rows) == "json"
    assert word(rows.replace("}, {", "},\n{")) == "json"
    assert word("\n".join(json.dumps({"a": n, "text": "x" * 20}) for n in range(size // 30))) == "jsonl"
    assert word(json.dumps({"one": "x" * size})) == "json"


def test_prefixes_of_anything_are_recognised_without_a_fault() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("xl/workbook.xml", "x")
    for data in (out.getvalue(), _ole("Workbook"), tarred({"a": b"x"})[:2000], gzip.compress(CSV), CSV):
        for n in range(1, len(data), 10):
            assert kind(data[:n]).words


@pytest.mark.parametrize(
    ("start", "unit"),
    [
        ("INSERT INTO t", " "),
        ("INSERT INTO t", '"a b" '),
        ("", "CREATE OR REPLACE "),
        ("", "GRANT a "),
        ("", "/*"),
        ("", "-- \n"),
        ("<", 'a b="1" '),
        ("", '<a x="'),
        ("", "<!-- -->"),
        ("", "["),
        ("", '{"a":'),
        ("From: a\n", "b: c\n"),
        ('{"type":', '"geometry":'),
    ],
)
def test_no_text_takes_long_to_recognise(start: str, unit: str) -> None:
    data = start + unit * (70_000 // len(unit))
    kind(data)
    begun = time.process_time()
    assert kind(data).words
    assert time.process_time() - begun < 1
