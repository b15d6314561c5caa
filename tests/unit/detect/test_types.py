"""Types from all of a column's cells: what is decided, what stays open, and that nothing is refused."""

from __future__ import annotations

import pyarrow as pa
import pytest

from entrepot.detect.answers import Inferred
from entrepot.detect.evidence import column_profile
from entrepot.detect.neighbours import infer_columns
from entrepot.detect.types import column_type, infer_type
from entrepot.model.contract import FieldSpec
from entrepot.validate.field import FieldCheck, Wrongs


def infer(*values: str | None, header: str = "") -> Inferred:
    """The type of a column; it casts every one of its cells."""
    column = pa.array(values, pa.string())
    found = infer_type(column_profile(column), header)
    wrongs = Wrongs()
    FieldCheck(FieldSpec(name="f", type=found.type, formats=found.formats), "f").run(column, wrongs)
    assert not wrongs
    return found


@pytest.mark.parametrize(
    ("values", "word", "formats"),
    [
        (["$1,234.50", "(1,234.50)", "$5"], "decimal(18,2)", ["thousands:,", "currency:$", "parentheses"]),
        (["1.234,50 €", "12,00 €"], "decimal(18,2)", ["decimal:,", "thousands:.", "currency:€"]),
        (["CHF 1'234.50", "CHF 2.00"], "decimal(18,2)", ["thousands:'", "currency:CHF"]),
        (["5-", "3.20"], "decimal(18,2)", ["trailing-minus"]),
        (["1\u00a0234,5", "12"], "decimal(18,1)", ["decimal:,", "thousands:space"]),
        (["1 234 567", "12"], "integer", ["thousands:space"]),
        (["12,34,567", "1,23,456.50"], "decimal(18,2)", ["thousands:indian"]),
        (["45%", "12.5%"], "decimal(18,3)", ["percent"]),
        (["1,234", "1,234,567"], "integer", ["thousands:,"]),
        (["1.234", "1.234.567"], "integer", ["decimal:,", "thousands:."]),
        (["0,125", "0,250"], "decimal(18,3)", ["decimal:,"]),
        (["1,5e3", "2"], "float", ["decimal:,"]),
        (["\u22125", "3"], "integer", []),
        (["123456789012345"], "integer", []),
        (["1234567890123456.5"], "decimal(18,1)", []),
        (["1e250"], "string", []),
        (["$5", "€6"], "string", []),
        (["45%", "3"], "string", []),
        (["123 456", "654 321"], "string", []),
        (["1,234", "999"], "string", []),
        (["1.2.3", "4.5.6"], "string", []),
        (["192.168.0.1"], "string", []),
        (["370-600-1234"], "string", []),
    ],
)
def test_numbers_as_they_are_written(values: list[str], word: str, formats: list[str]) -> None:
    found = infer(*values)
    assert (found.type, found.formats) == (word, formats)


@pytest.mark.parametrize(
    ("text", "word", "pattern", "iso"),
    [
        ("1. März 2024", "date", "%d. %b %Y", "2024-03-01"),
        ("1er février 2024", "date", "%Od %b %Y", "2024-02-01"),
        ("1 de marzo de 2024", "date", "%d de %b de %Y", "2024-03-01"),
        ("15 gennaio 2024", "date", "%d %b %Y", "2024-01-15"),
        ("15 de março de 2024", "date", "%d de %b de %Y", "2024-03-15"),
        ("15 mei 2024", "date", "%d %b %Y", "2024-05-15"),
        ("15 oktober 2024", "date", "%d %b %Y", "2024-10-15"),
        ("15. desember 2024", "date", "%d. %b %Y", "2024-12-15"),
        ("15. maj 2024", "date", "%d. %b %Y", "2024-05-15"),
        ("15. kesäkuuta 2024", "date", "%d. %b %Y", "2024-06-15"),
        ("15 października 2024", "date", "%d %b %Y", "2024-10-15"),
        ("15. července 2024", "date", "%d. %b %Y", "2024-07-15"),
        ("2024. január 5.", "date", "%Y. %b %d.", "2024-01-05"),
        ("15 iulie 2024", "date", "%d %b %Y", "2024-07-15"),
        ("15 Φεβρουαρίου 2024", "date", "%d %b %Y", "2024-02-15"),
        ("5 мая 2024 г.", "date", "%d %b %Y г.", "2024-05-05"),
        ("5 червня 2024", "date", "%d %b %Y", "2024-06-05"),
        ("3 Ağustos 2024", "date", "%d %b %Y", "2024-08-03"),
        ("March 1st, 2024", "date", "%b %Od, %Y", "2024-03-01"),
        ("Friday, March 1, 2024", "date", "%A, %b %d, %Y", "2024-03-01"),
        ("lundi 4 mars 2024", "date", "%A %d %b %Y", "2024-03-04"),
        ("Apr. 14, 2016", "date", "%b %d, %Y", "2016-04-14"),
        ("31-JAN-24", "date", "%d-%b-%y", "2024-01-31"),
        ("31Jan1969", "date", "%d%b%Y", "1969-01-31"),
        ("2005-Feb-09", "date", "%Y-%b-%d", "2005-02-09"),
        ("2024-W05-3", "date", "%G-W%V-%u", "2024-01-31"),
        ("2024W053", "date", "%GW%V%u", "2024-01-31"),
        ("20240131T101500Z", "datetime", "%Y%m%dT%H%M%S%z", "2024-01-31T10:15:00"),
        ("2024-01-31T10:20:30,123", "datetime", "%Y-%m-%dT%H:%M:%S,%f", "2024-01-31T10:20:30"),
        ("2024-01-31 10:20:30 EST", "datetime", "%Y-%m-%d %H:%M:%S %Z", "2024-01-31T10:20:30"),
        ("2024-01-31 10:20:30 UTC", "datetime", "iso%z", "2024-01-31T10:20:30"),
        ("Fri, 01 Mar 2024 10:20:30 +0100", "datetime", "%A, %d %b %Y %H:%M:%S %z", "2024-03-01T10:20:30"),
        ("Wed May 21 00:00:00 EDT 2008", "datetime", "%A %b %d %H:%M:%S %Z %Y", "2008-05-21T00:00:00"),
        ("2016/12/11 8:42:47 PM GMT+5", "datetime", "%Y/%m/%d %I:%M:%S %p %z", "2016-12-11T20:42:47"),
        ("May 11, 2015 at 6:55PM", "datetime", "%b %d, %Y at %I:%M%p", "2015-05-11T18:55:00"),
        ("31.12.2024 um 10:20 Uhr", "datetime", "%d.%m.%Y um %H:%M uhr", "2024-12-31T10:20:00"),
        ("10:20 31/12/2024", "datetime", "%H:%M %d/%m/%Y", "2024-12-31T10:20:00"),
        ("14h30", "time", "%Hh%M", "14:30:00"),
        ("1:05 pm", "time", "%I:%M %p", "13:05:00"),
        ("01:24.5", "time", "%M:%S.%f", "00:01:24"),
    ],
)
def test_dates_and_times_in_every_usual_order(text: str, word: str, pattern: str, iso: str) -> None:
    found = infer(text)
    assert (found.type, found.formats, found.least) == (word, [pattern], iso)


@pytest.mark.parametrize(
    ("values", "order", "first", "said"),
    [
        (["13/02/2024", "01/02/2024"], "proved", "day", "day first is proved: 1 value has a first part above 12"),
        (["01/13/24", "02/28/24"], "proved", "month", "month first is proved: 2 values have a second part above 12"),
        (["15/03/2000", "10/5/12", "2/9/14"], "proved", "day", "day first is proved"),
        (["01/02/2024", "03/04/2024"], "open", None, "stays open: no value above 12 in either place"),
        (["01.02.2024", "03.04.2024"], "likely", "day", "day first is likely"),
        (["13/02/2024", "02/13/2024"], "open", None, "both orders occur"),
        (["24-01-31", "24-02-28", "24-03-15"], "open", None, "begin with the year"),
        (["99-01-31", "98-02-28"], "proved", "year", "year first is proved"),
    ],
)
def test_what_comes_first_is_proved_likely_or_open(values: list[str], order: str, first: str | None, said: str) -> None:
    found = infer(*values)
    assert (found.meaning, found.order, found.first) == ("date", order, first)
    assert said in found.doubts[0]
    assert (found.type == "date") is (order == "proved")


def test_other_columns_make_an_order_likely_and_a_point_doubtful() -> None:
    columns = {"a": ["01/02/2024"] * 2 + ["03/04/2024"], "b": ["31/12/2024"], "c": ["1.234", "5"], "d": ["0,5"]}
    profiles = [column_profile(pa.array(values)) for values in columns.values()]
    opened, proved, points, _ = infer_columns(list(columns), profiles)
    assert (opened.type, opened.meaning, opened.order, opened.first) == ("string", "date", "likely", "day")
    assert "proved in column 'b'" in opened.doubts[0]
    assert proved.order == "proved"
    assert (points.type, points.meaning) == ("string", "decimal")
    assert "column 'd' has decimal commas" in points.doubts[0]
    alone = infer_columns(["c"], profiles[2:3])
    assert alone[0].type == "decimal(18,3)"


def test_mixed_formats_are_named_with_their_counts() -> None:
    found = infer("2024-01-31", "2024-02-01", "31/01/2024", "5 May 2024", None)
    assert found.type == "date"
    assert found.counts == {"iso": 2, "%d %b %Y": 1, "%d/%m/%Y": 1}
    assert found.doubts[-1] == "written in 3 ways: iso in 2, %d %b %Y in 1, %d/%m/%Y in 1."


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (["2024-01-31 10:00:00 IST"], "time zones mean several"),
        (["2024-01-31T10:20:30.1234567"], "more than six digits"),
        (["2024-01-31", "2024-01-31 10:00Z"], "some moments have a time zone"),
        (["Jan 2024"], "no day"),
        (["2024-01-31", "n/a", "2024-02-01"], "2 of 3 values are dates or times"),
        (["######", "########"], "the column was too narrow"),
        (["1,234", "999"], "parts thousands or decimals"),
        (["1.234", "2.345"], "and read with decimals"),
        (["$5", "€6"], "different currencies ($ in 1, € in 1)"),
        (["007", "12"], "begin with zeros"),
        (["12345678901234567"], "17 digits"),
        (["12", "13", "x"], "2 of 3 values are numbers"),
    ],
)
def test_doubts_say_why(values: list[str], said: str) -> None:
    assert said in infer(*values).doubts[0]


@pytest.mark.parametrize(
    ("header", "values", "word", "formats"),
    [
        ("publish_date", ["20240131", "20231231"], "date", ["%Y%m%d"]),
        ("id", ["20240131", "20231231"], "integer", []),
        ("Datum", ["31012024", "01022024"], "date", ["%d%m%Y"]),
        ("created_at", ["1465586035", "1475586035"], "datetime", ["epoch"]),
        ("amount", ["1465586035"], "integer", []),
        ("timestamp", ["1465586035123"], "datetime", ["epoch-ms"]),
        ("timestamp", ["1465586035.25"], "datetime", ["epoch"]),
        ("Date", ["45000", "45001"], "date", ["excel"]),
        ("startDate", ["45000.5", "45001"], "datetime", ["excel"]),
        ("date", ["2017", "2016"], "integer", []),
        ("timestamp", ["20240131101500"], "datetime", ["%Y%m%d%H%M%S"]),
        ("day", ["2024-123"], "date", ["%Y-%j"]),
        ("", ["2024-123"], "string", []),
    ],
)
def test_numbers_are_moments_only_where_the_header_says_so(
    header: str, values: list[str], word: str, formats: list[str]
) -> None:
    found = infer(*values, header=header)
    assert (found.type, found.formats) == (word, formats)


@pytest.mark.parametrize(
    ("header", "values", "meaning"),
    [
        ("updated", ["##########", "##########"], "date"),
        ("width", ["##########"], "string"),
        ("datetime_stamp", ["1.52E+12", "1.53E+12"], "datetime"),
        ("date_added", ["1/2/24", "n/a", "3/4/24", "5/6/24", "7/8/24"], "date"),
        ("date", ["10/8/19", "10/8/19"], "string"),
    ],
)
def test_what_a_column_means_is_told_where_a_contract_keeps_it_as_it_is(
    header: str, values: list[str], meaning: str
) -> None:
    found = column_type(header, values)
    assert found.type == meaning
    assert infer(*values, header=header).type in {"string", "float"}
    assert found.doubts


@pytest.mark.parametrize(
    "pair", ["ja/nein", "oui/non", "sí/no", "sim/não", "tak/nie", "да/нет", "ja/nej", "kyllä/ei", "evet/hayır", "是/否"]
)
def test_booleans_in_several_languages(pair: str) -> None:
    true, false = pair.split("/")
    found = infer(true, false.upper() if false.upper().lower() == false else false, true)
    assert (found.type, found.formats) == ("boolean", [pair])


@pytest.mark.parametrize(
    ("values", "word", "formats"),
    [
        (["yes", "ja", "nein", "no"], "boolean", ["yes/no", "ja/nein"]),
        (["ja", "ja"], "string", []),
        (["on", "off"], "boolean", ["on/off"]),
        (["1", "0"], "integer", []),
        (["x", "y"], "string", []),
    ],
)
def test_booleans_need_both_sides(values: list[str], word: str, formats: list[str]) -> None:
    found = infer(*values)
    assert (found.type, found.formats) == (word, formats)


def test_what_is_told_of_a_column() -> None:
    found = column_type("n", ["3", "-1", None, "20", " "])
    assert (found.type, found.least, found.most) == ("integer", "-1", "20")
    assert (found.nullable, found.unique, found.empty, found.distinct) == (True, False, 1, 4)
    assert column_type("n", ["1", "2"]).unique
    assert not column_type("n", ["1", "1"]).unique


def test_a_value_that_comes_in_two_chunks_is_not_unique() -> None:
    one, two = (column_profile(pa.array([str(i) for i in range(n, n + 5000)])) for n in (0, 4990))
    assert one.may_be_unique
    assert two.may_be_unique
    third = column_profile(pa.array([str(i) for i in range(10_000, 15_000)]))
    assert one.merge(third).may_be_unique
    again = column_profile(pa.array([str(i) for i in range(2500, 7500)]))
    assert not one.merge(again).may_be_unique
