"""Text of fixed width and lines of logs, through the front door."""

from __future__ import annotations

import contextlib
import csv
from pathlib import Path

import pytest

import entrepot
from entrepot.detect.fixed import looks_fixed
from entrepot.detect.logs import looks_log, names
from entrepot.errors import SourceError, UsageError
from entrepot.formats.reading import ReadOptions, opener

FIXED = """\
Name            Born         City          Amount
Anna Smith      1990-01-02   New York        12.50
Ben Müller      1985-11-23   Köln          1200.00

Chloé Rossi     2001-07-30   Lyon             3.10
"""
RULED = """\
id  name        total
--- ----------- ------
1   Anna         12.5
2   Ben Müller    3.0
"""
COMMON = """\
127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /a HTTP/1.0" 200 2326
::1 - - [10/Oct/2000:13:55:37 -0700] "GET /b HTTP/1.0" 404 -
"""
COMBINED = """\
127.0.0.1 - - [10/Oct/2000:13:55:36 -0700] "GET /a HTTP/1.0" 200 23 "http://x/" "Moz \\"4\\""
127.0.0.1 - - [10/Oct/2000:13:55:37 -0700] "GET /b HTTP/1.0" 404 - "-" "curl"
"""
SYSLOG = """\
Oct 11 22:14:15 host su[23]: failed for lonvick
  more of it
Oct  1 22:14:16 host cron: (root) CMD (x)
"""
SYSLOG_NEW = """\
<34>1 2003-10-11T22:14:15.003Z host su - ID47 - it failed
<165>1 2003-10-11T22:14:16.003Z host app 12 ID48 [a@1 b="c \\] d"] started
"""
NGINX = """\
2024/05/01 10:00:00 [error] 12#13: *34 open() "/x" failed, client: 1.2.3.4
2024/05/01 10:00:01 [warn] 12#13: something
"""
LOGFMT = """\
at=info method=GET path=/ status=200 msg="a b \\"c\\""
at=error method=GET path=/y status=500 msg=""
"""


def converted(text: str, folder: Path, encoding: str = "utf-8") -> list[list[str]]:
    (folder / "in.txt").write_bytes(text.encode(encoding))
    entrepot.convert(folder / "in.txt", folder / "out.csv")
    with (folder / "out.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_columns_are_found_from_blanks(encoding: str, line_end: str, tmp_path: Path) -> None:
    assert converted(FIXED.replace("\n", line_end), tmp_path, encoding) == [
        ["Name", "Born", "City", "Amount"],
        ["Anna Smith", "1990-01-02", "New York", "12.50"],
        ["Ben Müller", "1985-11-23", "Köln", "1200.00"],
        ["Chloé Rossi", "2001-07-30", "Lyon", "3.10"],
    ]
    found = entrepot.inspect(tmp_path / "in.txt")
    assert (found.format, found.rows) == ("fixed", 3)


def test_a_line_of_dashes_tells_the_columns(tmp_path: Path) -> None:
    assert converted(RULED, tmp_path) == [["id", "name", "total"], ["1", "Anna", "12.5"], ["2", "Ben Müller", "3.0"]]


def test_row_numbers_are_those_of_the_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    more = FIXED.splitlines(keepends=True)[1] * 60
    path.write_text(FIXED + more + "stands across the borders of the columns here\n", encoding="utf-8")
    with path.open("rb") as file:
        (batch,) = opener("fixed")(file, path.name, ReadOptions()).batches(0)
    assert (batch.first_row, list(batch.rows or [])) == (2, [2, 3, *range(5, 66)])
    assert [(r.row, r.findings[0].code) for r in batch.refused] == [(66, "ragged")]


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1,2\n3,4\n",
        "just some words that\nstand on several lines  of text\nand have nothing  to do with tables\n",
        "a  b\n1  2\n",
        "a;  b;  c\n1;  2;  3\n4;  5;  6\n",
        "",
    ],
)
def test_other_text_is_not_of_fixed_width(text: str) -> None:
    assert looks_fixed(text, whole=True) is None


@pytest.mark.parametrize(
    ("text", "pattern", "row"),
    [
        (COMMON, "common", ["127.0.0.1", "", "frank", "10/Oct/2000:13:55:36 -0700", "GET /a HTTP/1.0", "200", "2326"]),
        (
            COMBINED,
            "combined",
            [
                "127.0.0.1",
                "",
                "",
                "10/Oct/2000:13:55:36 -0700",
                "GET /a HTTP/1.0",
                "200",
                "23",
                "http://x/",
                'Moz \\"4\\"',
            ],
        ),
        (SYSLOG, "syslog", ["", "Oct 11 22:14:15", "host", "su", "23", "failed for lonvick\n  more of it"]),
        (SYSLOG_NEW, "syslog5424", ["34", "1", "2003-10-11T22:14:15.003Z", "host", "su", "", "ID47", "", "it failed"]),
        (
            NGINX,
            "nginx_error",
            ["2024/05/01 10:00:00", "error", "12", "13", "34", 'open() "/x" failed, client: 1.2.3.4'],
        ),
        (LOGFMT, "logfmt", ["info", "GET", "/", "200", 'a b "c"']),
    ],
)
def test_lines_are_read_by_their_pattern(text: str, pattern: str, row: list[str], tmp_path: Path) -> None:
    assert looks_log(text, whole=True) == pattern
    assert converted(text, tmp_path)[1] == row
    found = entrepot.inspect(tmp_path / "in.txt")
    assert (found.format, found.rows) == ("log", 2)
    assert any(repr(pattern) in d for d in found.doubts)


@pytest.mark.parametrize(
    "text", ["a=1,b=2\nc=3,d=4\n", "x=1 y=2\n", "key=value\n" * 5, "a,b\n1,2\n", "hello\nworld\n", ""]
)
def test_other_text_is_no_log(text: str) -> None:
    assert looks_log(text, whole=True) is None


def test_a_line_of_another_kind_is_refused_with_its_number(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text(COMMON + "what is this\n" + COMMON)
    with path.open("rb") as file:
        (batch,) = opener("log")(file, path.name, ReadOptions(pattern="common")).batches(0)
    assert list(batch.rows or []) == [1, 2, 4, 5]
    assert [(r.row, r.raw) for r in batch.refused] == [(3, "what is this")]


def test_what_cannot_be_read_so_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("nothing of the kind\n")
    with path.open("rb") as file:
        with pytest.raises(SourceError, match="patterns"):
            opener("log")(file, path.name, ReadOptions())
        with pytest.raises(SourceError, match="columns"):
            opener("fixed")(file, path.name, ReadOptions())
        with pytest.raises(UsageError, match="no pattern"):
            opener("log")(file, path.name, ReadOptions(pattern="mine"))
    path.write_bytes(b"")
    with path.open("rb") as file, pytest.raises(SourceError, match="empty"):
        opener("log")(file, path.name, ReadOptions())
    assert len(names()) == 7


@pytest.mark.parametrize(("text", "format_"), [(FIXED, "fixed"), (NGINX + SYSLOG, "log"), (LOGFMT, "log")])
def test_cut_at_every_tenth_byte_they_are_read_or_refused(text: str, format_: str, tmp_path: Path) -> None:
    data = text.encode()
    path = tmp_path / "a.txt"
    for end in range(0, len(data), 10):
        path.write_bytes(data[:end])
        with path.open("rb") as file, contextlib.suppress(SourceError):
            reader = opener(format_)(file, path.name, ReadOptions())
            assert all(b.data.num_rows or b.refused for b in reader.batches(0))
