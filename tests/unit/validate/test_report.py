"""The refused rows as the submitter's own file."""

from __future__ import annotations

import csv
import io

import pytest

from entrepot.formats.writers.formulas import unescape_formula
from entrepot.model.findings import Finding, QuarantinedRow
from entrepot.model.source import Detection, Dialect
from entrepot.validate.report import refused_csv


def any_refused(raw: str, row: int = 2, **changes: object) -> QuarantinedRow:
    told = Finding(code="enum", field="f", column="Status", message="Status is not one of a, b.", action="Use one.")
    return QuarantinedRow.model_validate({"row": row, "raw": raw, "findings": [told], **changes})


def any_detection(**changes: object) -> Detection:
    return Detection.model_validate({"columns": ["a", "Status"], **changes})


def written(detection: Detection, *rows: QuarantinedRow) -> bytes:
    return b"".join(refused_csv(detection, rows))


def test_columns_come_in_order_with_row_and_reasons_behind() -> None:
    found = list(csv.reader(io.StringIO(written(any_detection(), any_refused('1,"x, ""y"""')).decode())))
    assert found == [["a", "Status", "row", "reasons"], ["1", 'x, "y"', "2", "Status is not one of a, b. Use one."]]


@pytest.mark.parametrize(
    ("dialect", "raw", "line"),
    [
        (Dialect(delimiter=";", line_end="\r\n"), "1;ä", "1;ä;2;Status is not one of a, b. Use one.\r\n"),
        (
            Dialect(delimiter="\t", quote=None, escape=None),
            '1\tx"y',
            '1\tx"y\t2\tStatus is not one of a, b. Use one.\n',
        ),
        (Dialect(quote='"', escape="\\"), '1,"x\\"y"', '1,x\\"y,2,"Status is not one of a, b. Use one."\n'),
        (Dialect(quote="'", escape="'"), "1,'it''s'", "1,'it''s',2,'Status is not one of a, b. Use one.'\n"),
    ],
)
def test_it_is_written_as_the_submitter_writes(dialect: Dialect, raw: str, line: str) -> None:
    data = written(any_detection(dialect=dialect, encoding="cp1252"), any_refused(raw)).decode("cp1252")
    assert data.splitlines(keepends=True)[1] == line


def test_no_cell_runs_as_a_formula() -> None:
    data = written(any_detection(columns=["=a", "b"]), any_refused('"=1+1","@x"'), any_refused("-5,+1.5", 3)).decode()
    assert next(iter(csv.reader(io.StringIO(data))))[0] == "'=a"
    assert [row[:2] for row in csv.reader(io.StringIO(data))][1:] == [["'=1+1", "'@x"], ["-5", "+1.5"]]


@pytest.mark.parametrize("cell", ["=1+1", "'=1+1", "''@x", "'a", "-5", "'-5", "+49 30 1234"])
def test_what_was_made_safe_comes_back(cell: str) -> None:
    data = written(any_detection(), any_refused(f"{cell},x")).decode()
    assert unescape_formula(list(csv.reader(io.StringIO(data)))[1][0]) == cell


def test_a_row_that_cannot_be_cut_stands_whole() -> None:
    data = written(any_detection(), any_refused("1,2,3"), any_refused("", 3, raw_base64="/w==")).decode()
    assert [row[:3] for row in csv.reader(io.StringIO(data))][1:] == [["1,2,3", "", "2"], ["base64:/w==", "", "3"]]


def test_encodings_that_cannot_be_cut_come_back_as_utf8_with_a_mark() -> None:
    assert written(any_detection(encoding="utf-16-le"), any_refused("1,ą")).startswith(b"\xef\xbb\xbfa,Status,row")
    assert written(any_detection(encoding="utf-8-sig"), any_refused("1,ą")).startswith(b"\xef\xbb\xbf")
    assert b"&#9731;" in written(any_detection(encoding="cp1252", columns=["☃", "b"]))


def test_its_own_columns_give_way_to_the_submitters() -> None:
    assert written(any_detection(columns=["row", "reasons"])) == b"row,reasons,row_2,reasons_2\n"


def test_records_become_columns() -> None:
    data = written(any_detection(format="jsonl"), any_refused('{"Status":"x","a":1.50}')).decode()
    assert list(csv.reader(io.StringIO(data)))[1][:3] == ["1.50", "x", "2"]
