"""Where tables begin and end: preambles, headers of several rows, footnotes, comments, further tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import entrepot
from entrepot.detect import detect_source
from entrepot.detect.view import View
from entrepot.errors import UsageError
from entrepot.model.source import Detection

ROWS = "".join(f"{n},name {n},2024-01-{n % 28 + 1:02d}\n" for n in range(1, 21))
HEADER = "id,name,day\n"


def detect(text: str, encoding: str = "utf-8") -> Detection:
    data = text.encode(encoding)
    return detect_source(lambda start, end: data[start:end], len(data))


def convert(text: str, folder: Path, table: str | int | None = None) -> tuple[str, list[str]]:
    (folder / "in.csv").write_bytes(text.encode())
    done = entrepot.convert(folder / "in.csv", folder / "out.csv", table=table)
    return (folder / "out.csv").read_text(encoding="utf-8"), done.doubts


@pytest.mark.parametrize(
    ("above", "skip"),
    [
        ("", 0),
        ("A title\n", 1),
        ("A title\n\n", 2),
        ("A title,,\n,,\n", 2),
        ("One,\nTwo, three\n\n", 3),
        ("# a remark\n# and, another\n", 2),
        ("% one, two, three\n% four, five, six\n", 2),
        ("\n\n", 2),
        ("sep=,\n", 1),
    ],
)
def test_what_stands_above_is_left_out(above: str, skip: int, tmp_path: Path) -> None:
    found = detect(above + HEADER + ROWS)
    assert (found.dialect.skip_rows, found.dialect.header_rows, found.columns) == (skip, 1, ["id", "name", "day"])
    assert (found.first_row, found.data_start) == (skip + 2, len(above + HEADER))
    assert convert(above + HEADER + ROWS, tmp_path)[0] == HEADER + ROWS


@pytest.mark.parametrize(
    ("below", "notes"),
    [
        ("Source: the office.\n", 1),
        ("\nSource: the office.\n", 1),
        ("Source: the office,,\n", 1),
        ("\n* one remark\n** another, longer\n\nGenerated today\n", 3),
        ("20 rows\n", 1),
    ],
)
def test_what_is_said_below_is_no_row(below: str, notes: int, tmp_path: Path) -> None:
    found = detect(HEADER + ROWS + below)
    assert found.dialect.footnotes == notes
    assert found.data_end == len(HEADER + ROWS)
    text, doubts = convert(HEADER + ROWS + below, tmp_path)
    assert text == HEADER + ROWS
    assert any("below the table" in d for d in doubts)


@pytest.mark.parametrize("last", ["21", "21,name", "21,", "x"])
def test_a_last_row_that_was_cut_short_is_a_row(last: str) -> None:
    found = detect(HEADER + ROWS + last)
    assert (found.data_end, found.dialect.footnotes) == (0, 0) or last == "x"


def test_footnotes_of_a_large_file_are_found_at_its_end(tmp_path: Path) -> None:
    rows = "".join(f"{n},name {n},2024-01-{n % 28 + 1:02d}\n" for n in range(60_000))
    found = detect(HEADER + rows + "\nSource: the office.\n")
    assert found.data_end == len(HEADER + rows)
    assert found.dialect.footnotes == 1
    (tmp_path / "large.csv").write_text(HEADER + rows + "\nSource: the office.\n")
    assert entrepot.inspect(tmp_path / "large.csv").rows == 60_000


def test_header_rows_are_joined(tmp_path: Path) -> None:
    text, doubts = convert("id,name,day\nkey,text,date\n" + ROWS, tmp_path)
    assert text == "id key,name text,day date\n" + ROWS
    assert any("takes 2 rows" in d for d in doubts)


def test_a_name_over_several_columns_goes_to_each() -> None:
    body = "".join(f"r{n},{n},{n * 2},{n * 3},{n * 4}\n" for n in range(10))
    found = detect(",Sales,,Costs,\nRegion,Q1,Q2,Q1,Q2\n" + body)
    assert found.columns == ["Region", "Sales Q1", "Sales Q2", "Costs Q1", "Costs Q2"]
    assert found.dialect.header_rows == 2


def test_the_first_row_may_have_a_missing_value() -> None:
    assert detect("id,n,m\n1,n/a,-\n" + "".join(f"{n},{n},{n}\n" for n in range(2, 12))).dialect.header_rows == 1


@pytest.mark.parametrize("between", ["", "\n", "\nAnother table\n\n"])
def test_further_tables_are_named_and_can_be_chosen(between: str, tmp_path: Path) -> None:
    second = "code,amount,left,right\n" + "".join(f"X{n},{n * 10},{n},{n}\n" for n in range(12))
    text = HEADER + ROWS + between + second
    first, doubts = convert(text, tmp_path)
    assert first == HEADER + ROWS
    assert any("further table" in d for d in doubts)
    assert convert(text, tmp_path, 1)[0] == second
    assert convert(text, tmp_path, "in (2)")[0] == second
    with pytest.raises(UsageError, match="no table"):
        convert(text, tmp_path, 2)
    found = entrepot.inspect(tmp_path / "in.csv")
    assert [(t.name, t.rows) for t in found.tables] == [("in", 20), ("in (2)", 12)]


def test_blank_lines_and_blank_rows_end_no_table(tmp_path: Path) -> None:
    parts = ROWS.splitlines(keepends=True)
    text, doubts = convert(HEADER + "".join(parts[:7]) + "\n" + "".join(parts[7:]), tmp_path)
    assert (text, doubts) == (HEADER + ROWS, [])
    found = detect(HEADER + "".join(parts[:7]) + ",,\n" + "".join(parts[7:]))
    assert (found.data_end, found.tables) == (0, [])


def test_an_odd_row_behind_a_blank_line_is_a_row() -> None:
    found = detect("a,b,c\n\n1,2,3\n\n4,5,6\n\n7,8,9,10,11\n")
    assert (found.data_end, found.tables, found.dialect.footnotes) == (0, [], 0)


def test_comments_among_the_rows_are_skipped(tmp_path: Path) -> None:
    parts = ROWS.splitlines(keepends=True)
    text = HEADER + "".join(parts[:7]) + '# a "remark\n' + "".join(parts[7:])
    assert detect(text).dialect.comment == "#"
    assert convert(text, tmp_path)[0] == HEADER + ROWS
    assert entrepot.inspect(tmp_path / "in.csv").rows == 20


def test_a_delimiter_more_than_the_header_has() -> None:
    found = detect("a,b,c\n" + "".join(f"{n},,{n},\n" for n in range(9)))
    assert (found.columns, found.dialect.trailing) == (["a", "b", "c"], True)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32-be", "cp1252", "cp932"])
def test_offsets_count_the_bytes_of_the_source(encoding: str) -> None:
    letters = "名前" if encoding == "cp932" else "é"
    head, rows = f"titel {letters}\n\n{HEADER}", ROWS.replace("name", letters)
    text = head + rows + f"\nSource: {letters}{letters}\n"
    data = text.encode(encoding)
    found = detect_source(
        lambda start, end: data[start:end], len(data), encoding=None if "utf" in encoding else encoding
    )
    assert found.data_start == len(head.encode(encoding))
    assert found.data_end == len((head + rows).encode(encoding))


def test_many_rows_of_another_width_without_a_header_are_rows() -> None:
    found = detect("a;b;c\n1;2;3\n" + "x;7\n" * 200_000)
    assert (found.columns, found.tables) == (["a", "b", "c"], [])


def test_a_blank_line_behind_every_row_parts_no_tables() -> None:
    found = detect("name\n\n" + "x\n\n" * 200_000)
    assert found.tables == []


def test_many_remarks_between_blank_lines_are_not_looked_at_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0
    blank = View.blank

    def counted(self: View, i: int) -> bool:
        nonlocal looks
        looks += 1
        return blank(self, i)

    monkeypatch.setattr(View, "blank", counted)
    parts = 3000
    head = '&x;<!DOCTYPE note [\n<!ENTITY a "1234567890" >\n<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">\n'
    found = detect(head + 'c;&c;&c;&c;">\n\n]>\nomb\n' * parts)
    assert found.dialect.footnotes > parts
    assert 0 < looks < 1000 * parts


def test_a_source_of_many_tables_is_detected_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    detected = []

    def counted(*args: Any, **more: Any) -> Detection:
        detected.append(detect_source(*args, **more))
        return detected[-1]

    monkeypatch.setattr("entrepot.frontdoor.textfiles.detect_source", counted)
    (tmp_path / "in.csv").write_text(f"{HEADER}{ROWS}\n" * 5)
    found = entrepot.inspect(tmp_path / "in.csv")
    assert [(table.rows, len(table.columns)) for table in found.tables] == [(20, 3)] * 5
    assert len(detected) == 1


def test_a_long_word_below_a_table_takes_no_longer_than_others() -> None:
    rows = "".join(f"name {n},{n}\n" for n in range(50))
    found = detect(f"name,n\n{rows}{'a' * 500_000}\n")
    assert found.columns == ["name", "n"]
