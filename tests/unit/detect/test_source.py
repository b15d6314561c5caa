"""Detection: encodings, dialects, headers, and what is not text at all."""

from __future__ import annotations

import gzip
import io
import random
import zipfile

import pytest

from entrepot.detect import detect_source
from entrepot.errors import SourceError
from entrepot.model.source import Detection


def detect(data: bytes, **stated: str) -> Detection:
    return detect_source(lambda start, end: data[start:end], len(data), **stated)


def zipped(name: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, "x" * 100)
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "reason", "told"),
    [
        (b"", "empty", "empty"),
        (b"\xef\xbb\xbf", "empty", "empty"),
        (b"\xff\xfe", "empty", "empty"),
        (gzip.compress(b"a,b\n1,2\n", mtime=0), "binary", "GZIP"),
        (zipped("a.csv"), "binary", "ZIP"),
        (zipped("xl/workbook.xml"), "binary", "Excel"),
        (b"%PDF-1.7\n1 0 obj\n", "binary", "PDF"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "binary", "PNG"),
        (b"PAR1\x15\x04\x15\x10\0\0", "binary", "Parquet"),
        (random.Random(1).randbytes(5000), "binary", "binary data"),
        (b"\0" * 3000, "binary", "binary data"),
    ],
)
def test_what_is_no_text_is_named(data: bytes, reason: str, told: str) -> None:
    with pytest.raises(SourceError) as caught:
        detect(data, name="deliveries.csv")
    assert caught.value.facts["reason"] == reason
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("delimiter", "cell"),
    [(",", "x " * 50), (",", " ".join(["name"] * 200)), (";", ", ".join(["name"] * 200)), ("\t", "a, b, c: d")],
)
def test_orderly_words_within_cells_do_not_pass_for_columns(delimiter: str, cell: str) -> None:
    lines = [f"id{delimiter}name", *(f"{n}{delimiter}{cell}" for n in range(300))]
    found = detect("\n".join(lines).encode())
    assert (found.dialect.delimiter, found.dialect.header_rows, found.dialect.skip_rows) == (delimiter, 1, 0)
    assert found.columns == ["id", "name"]


@pytest.mark.parametrize(
    ("encoding", "bom", "found"),
    [
        ("utf-8", b"", "utf-8"),
        ("utf-8-sig", b"", "utf-8-sig"),
        ("utf-16-le", b"\xff\xfe", "utf-16-le"),
        ("utf-16-be", b"\xfe\xff", "utf-16-be"),
        ("utf-16-le", b"", "utf-16-le"),
        ("utf-32-le", b"\xff\xfe\0\0", "utf-32-le"),
        ("cp1252", b"", "cp1252"),
    ],
)
def test_encodings_are_found(encoding: str, bom: bytes, found: str) -> None:
    text = "name;città\r\n" + "Zoë;Forlì\r\nJosé;Nîmes\r\n" * 20
    data = bom + text.encode(encoding)
    detection = detect(data)
    assert (detection.encoding, detection.columns, detection.dialect.delimiter) == (found, ["name", "città"], ";")
    assert detection.dialect.line_end == "\r\n"
    body = data[detection.data_start :].decode(detection.encoding.removesuffix("-sig"))
    assert body.startswith("Zoë;Forlì\r\n")


def test_letters_far_down_in_a_plain_file_are_seen() -> None:
    data = b"id,name\n" + b"1,plain\n" * 300_000 + "2,Zürich Köln Straße\n".encode("cp1252") * 100_000
    assert detect(data).encoding == "cp1252"
    assert detect(data.decode("cp1252").encode()).encoding == "utf-8"


def test_cyrillic_is_not_taken_for_accents() -> None:
    line = "Иванов,Санкт-Петербург улица Ленина дом\n"
    data = ("имя,адрес\n" + line * 30).encode("cp1251")
    assert detect(data).encoding == "cp1251"


def test_a_stated_encoding_holds_and_its_mark_is_skipped() -> None:
    data = b"\xef\xbb\xbfa,b\n1,2\n"
    assert detect(data, encoding="utf-8").columns == ["a", "b"]
    assert detect("a,b\n1,2\n".encode("utf-16"), encoding="utf-16").columns == ["a", "b"]
    assert detect(b"a,b\n\xe9,2\n", encoding="latin-1").encoding == "iso8859-1"
    with pytest.raises(SourceError, match="utf-99"):
        detect(data, encoding="utf-99")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", "^", "~"])
@pytest.mark.parametrize("quote", ['"', "'"])
def test_dialects_are_found(delimiter: str, quote: str) -> None:
    row = delimiter.join(("17", f"{quote}Smith{delimiter} John{quote}", "2024-01-31", "12.50"))
    detection = detect((delimiter.join("abcd") + "\n" + (row + "\n") * 5).encode())
    assert (detection.dialect.delimiter, detection.dialect.quote, detection.columns) == (delimiter, quote, list("abcd"))


@pytest.mark.parametrize(
    ("text", "delimiter", "quote", "escape"),
    [
        ("time\n10:20:30\n11:21:31\n", ",", '"', '"'),
        ("comment\nhello, world\nwhat a day\nyes\n", None, '"', '"'),
        ('a,b\n"x \\"y\\" z",1\n"q \\"r\\"",2\n', ",", '"', "\\"),
        ("a;b\n1,5;2,5\n3,5;4,5\n", ";", '"', '"'),
        ('n\tt\n1\t5" pipe\n2\t"quoted start\n3\t"x" y\n4\t"z" w\n', "\t", None, None),
        ("sep=;\na;b\n1;2\n", ";", '"', '"'),
    ],
)
def test_odd_dialects(text: str, delimiter: str | None, quote: str | None, escape: str | None) -> None:
    dialect = detect(text.encode()).dialect
    assert (dialect.delimiter, dialect.quote, dialect.escape) == (delimiter, quote, escape)


def test_a_stated_delimiter_that_parts_nothing_is_doubted() -> None:
    detection = detect(b"a,b\n1,2\n3,4\n", delimiter=";")
    assert detection.columns == ["a,b"]
    assert "';'" in detection.doubts[0]
    assert "','" in detection.doubts[0]


@pytest.mark.parametrize(
    ("text", "header", "skip", "columns"),
    [
        ("id,name\n1,x\n2,y\n", 1, 0, ["id", "name"]),
        ("1,x\n2,y\n3,z\n", 0, 0, ["column_1", "column_2"]),
        ("Report of May\n\nid,name,n\n1,x,2\n2,y,3\n", 1, 2, ["id", "name", "n"]),
        ("country,2019,2020\nLT,1,2\nLV,3,4\n", 1, 0, ["country", "2019", "2020"]),
        ("a,b\n", 1, 0, ["a", "b"]),
        ("a,b", 1, 0, ["a", "b"]),
        ("sep=,\na,b\n1,2\n", 1, 1, ["a", "b"]),
        ("day,what\n2024-01-01,x\n2024-01-02,y\n", 1, 0, ["day", "what"]),
    ],
)
def test_headers_and_what_stands_above_them(text: str, header: int, skip: int, columns: list[str]) -> None:
    detection = detect(text.encode())
    assert (detection.dialect.header_rows, detection.dialect.skip_rows, detection.columns) == (header, skip, columns)
    assert detection.first_row == header + skip + 1
    assert detection.data_start == len("".join(text.splitlines(keepends=True)[: header + skip]))


def test_names_are_made_usable_and_each_change_is_told() -> None:
    detection = detect(b'a,,a,"x\0y",a_2,"q""; DROP"\n1,2,3,4,5,6\n')
    assert detection.columns == ["a", "column_2", "a_3", "xy", "a_2", 'q"; DROP']
    assert len(detection.doubts) == 3


def test_a_header_longer_than_the_prefix_is_read_whole() -> None:
    long = "x" * (3 << 20)
    detection = detect(f'a,"{long}"\n1,2\n'.encode())
    assert [len(c) for c in detection.columns] == [1, 3 << 20]


def test_a_first_line_without_end_is_refused() -> None:
    class Endless:
        def __call__(self, start: int, end: int) -> bytes:
            return b"x" * (end - start)

    with pytest.raises(SourceError) as caught:
        detect_source(Endless(), 1 << 40)
    assert caught.value.facts["reason"] == "record_too_long"


def test_json_lines_name_their_columns_in_the_order_they_come() -> None:
    detection = detect(b'{"a":1}\n{"b":2,"a":3}\n', name="x.jsonl")
    assert (detection.format, detection.columns, detection.data_start, detection.first_row) == (
        "jsonl",
        ["a", "b"],
        0,
        1,
    )
    with pytest.raises(SourceError, match="JSON object"):
        detect(b"a,b\n1,2\n", format="jsonl")


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(SourceError, match="xlsx"):
        detect(b"a,b\n", format="xlsx")
