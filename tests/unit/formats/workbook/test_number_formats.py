"""What Excel shows, by its documentation and by what it is known to do."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrepot.formats.readers.workbook.numberformat import BUILT_IN, NumberFormat, built_in, digits_of

GENERAL = [
    (5.0, "5"),
    (-5.0, "-5"),
    (0.1 + 0.2, "0.3"),
    (1 / 3, "0.333333333"),
    (-1 / 3, "-0.333333333"),
    (12345.678912345, "12345.67891"),
    (1234567890.123, "1234567890"),
    (12345678901.0, "12345678901"),
    (123456789012.0, "1.23457E+11"),
    (99999999999.5, "1E+11"),
    (0.0001234567891, "0.000123457"),
    (0.00001234567, "1.23457E-05"),
    (1e-10, "1E-10"),
    (1e100, "1E+100"),
    (1.5e300, "1.5E+300"),
    (0.0, "0"),
]

SHOWN = [
    ("0", -0.3, "0"),
    ("#,##0.00", -0.004, "0.00"),
    ("0%", -0.004, "0%"),
    ("[Red]0.0", -0.01, "0.0"),
    ("-0.0", -0.01, "-0.0"),
    ('0.0" 1"', -0.01, "0.0 1"),
    ("0.0", -0.06, "-0.1"),
    ("0.0;-0.0", -0.01, "-0.0"),
    ("0.0;@", -0.01, "-0.0"),
    ("#,##0_);(#,##0)", -0.3, "(0)"),
    ("0E+0", -0.001, "-1E-3"),
    ("0\\.00", 1.0, "0.01"),
    ('0"."00', 1234.0, "12.34"),
    ('0"0"0', 12.0, "102"),
    ("AM/PM", 0.75, "PM"),
    ("0", 5.4, "5"),
    ("0", 0.5, "1"),
    ("0.00", 1.005, "1.01"),
    ("0.00", -1.5, "-1.50"),
    ("#,##0", 1234567.0, "1,234,567"),
    ("#,##0.00", -1234.5, "-1,234.50"),
    ("#", 0.0, ""),
    ("#.##", 5.0, "5."),
    ("0.###", 2.5, "2.5"),
    ("00000", 501.0, "00501"),
    ("000-00-0000", 123456789.0, "123-45-6789"),
    ("(###) ###-####", 8005551212.0, "(800) 555-1212"),
    ("[<=9999999]###-####;(###) ###-####", 5551212.0, "555-1212"),
    ("[<=9999999]###-####;(###) ###-####", 8005551212.0, "(800) 555-1212"),
    ("0%", 0.125, "13%"),
    ("0.0%", 0.125, "12.5%"),
    ("0.00E+00", 12345.6, "1.23E+04"),
    ("0.00E+00", 0.00012, "1.20E-04"),
    ("##0.0E+0", 12345.6, "12.3E+3"),
    ("0.0E-0", 12345.6, "1.2E4"),
    ("# ?/?", 0.5, " 1/2"),
    ("# ?/?", 1.25, "1 1/4"),
    ("# ?/?", 5.0, "5    "),
    ("# ??/??", math.pi, "3  1/7 "),
    ("?/?", 1.3, "4/3"),
    ("# ?/8", 1.3, "1 2/8"),
    ("#,##0,", 1234567.0, "1,235"),
    ("0.0,,", 1234567.0, "1.2"),
    ("$#,##0.00", -5.5, "-$5.50"),
    ('"EUR" 0', 7.0, "EUR 7"),
    ("[$€-407]#,##0.00", 5.0, "€5.00"),
    ("#,##0.00 [$kr-41D]", 5.0, "5.00 kr"),
    ("0.00;(0.00)", -5.0, "(5.00)"),
    ('0;-0;"zero"', 0.0, "zero"),
    ("0;-0;;@", 0.0, ""),
    (";;;", 5.0, ""),
    ("[Red][<0]0.0;[Blue]0", 3.0, "3"),
    ("[>=100]0;0.0", 5.0, "5.0"),
    ('General" pieces"', 5.5, "5.5 pieces"),
    ("@", 5.0, "5"),
    ('_(* #,##0_);_(* \\(#,##0\\);_(* "-"_);_(@_)', 1234.0, " 1,234 "),
    ('_(* #,##0_);_(* \\(#,##0\\);_(* "-"_);_(@_)', -1234.0, " (1,234)"),
    ('_(* #,##0.00_);_(* \\(#,##0.00\\);_(* "-"??_);_(@_)', 0.0, " -   "),
    ("m/d/yyyy", 43831.75, "1/1/2020"),
    ("mm/dd/yy", 43831.0, "01/01/20"),
    ("d-mmm-yy", 60.0, "29-Feb-00"),
    ("d-mmm-yy", 1.0, "1-Jan-00"),
    ("yyyy-mm-dd hh:mm:ss", 59.0, "1900-02-28 00:00:00"),
    ("h:mm AM/PM", 0.75, "6:00 PM"),
    ("h:mm AM/PM", 0.0, "12:00 AM"),
    ("h A/P", 0.25, "6 A"),
    ("[h]:mm:ss", 1.5, "36:00:00"),
    ("[mm]:ss", 0.5, "720:00"),
    ("[s]", 0.5, "43200"),
    ("mm:ss.0", 0.5001, "00:08.6"),
    ("hh:mm:ss.000", 0.123456789, "02:57:46.667"),
    ("h:mm", 0.999999, "0:00"),
    ("m/d/yy h:mm", 43831.999999, "1/2/20 0:00"),
    ("dddd, mmmm dd, yyyy", 43831.0, "Wednesday, January 01, 2020"),
    ("ddd mmmmm", 43831.0, "Wed J"),
    ("[$-407]d. mmmm yyyy", 43891.0, "1. März 2020"),
    ("[$-40C]dddd", 43831.0, "mercredi"),
    ("[$-F800]dddd, mmmm dd, yyyy", 43831.0, "Wednesday, January 1, 2020"),
    ("[$-F400]h:mm:ss AM/PM", 0.75, "6:00:00 PM"),
    ("yyyy\\-mm\\-dd", 43831.0, "2020-01-01"),
    ('yyyy"年"m"月"d"日"', 43831.0, "2020年1月1日"),
]

EXACT = [
    ("General", 0.1 + 0.2, "0.3"),
    ("General", 123456789012.0, "123456789012"),
    ("General", 1234567890123456.0, "1234567890123456"),
    ("General", 1e-7, "0.0000001"),
    ("General", 1e22, "1E+22"),
    ("0.00", 1.005, "1.005"),
    ("00000", 501.0, "00501"),
    ("00000", 501.5, "501.5"),
    ("000-00-0000", 123456789.0, "123-45-6789"),
    ("#,##0", 1234567.0, "1234567"),
    ("0.0%", 0.125, "12.5%"),
    ("0%", 0.125, "0.125"),
    ("$#,##0.00", 5.5, "5.5"),
    ("m/d/yyyy", 43831.0, "2020-01-01"),
    ("m/d/yyyy", 43831.75, "2020-01-01 18:00:00"),
    ("m/d/yyyy h:mm", 43831.0, "2020-01-01 00:00:00"),
    ("h:mm", 0.75, "18:00:00"),
    ("h:mm:ss.000", 0.5 + 0.345 / 86400, "12:00:00.345"),
    ("[h]:mm", 1.5, "36:00:00"),
    ("d-mmm", 59.0, "1900-02-28"),
    ("d-mmm", 60.0, "1900-02-29"),
    ("d-mmm", 61.0, "1900-03-01"),
    ("yyyy", -1.0, "-1"),
    ("yyyy", 3e6, "3000000"),
]


@pytest.mark.parametrize(("value", "shown"), GENERAL)
def test_general_has_at_most_eleven_characters(value: float, shown: str) -> None:
    assert NumberFormat("General").show(value) == shown


@pytest.mark.parametrize(("code", "value", "shown"), SHOWN)
def test_a_number_is_shown_as_in_excel(code: str, value: float, shown: str) -> None:
    assert NumberFormat(code).show(value) == shown


@pytest.mark.parametrize(("code", "value", "exact"), EXACT)
def test_an_exact_value_keeps_what_is_stored(code: str, value: float, exact: str) -> None:
    assert NumberFormat(code).exact(value) == exact


@pytest.mark.parametrize(
    ("code", "shown"),
    [("General", "x"), ("0.00", "x"), ("@", "x"), ("_(@_)", " x "), ('0;0;0;"<"@">"', "<x>"), ("0;-0;;@", "x")],
)
def test_a_text_is_shown_by_the_section_for_texts(code: str, shown: str) -> None:
    assert NumberFormat(code).show_text("x") == shown


def test_dates_of_1904_are_four_years_later_and_lengths_of_time_are_not() -> None:
    assert NumberFormat("yyyy-mm-dd", epoch1904=True).show(0) == "1904-01-01"
    assert NumberFormat("m/d/yyyy", epoch1904=True).exact(42369) == "2020-01-01"
    assert NumberFormat("[h]:mm", epoch1904=True).show(1.5) == "36:00"


def test_formats_known_by_number_alone() -> None:
    assert NumberFormat(built_in(14)).show(43831) == "1/1/2020"
    assert NumberFormat(built_in(44)).show(1234.5) == " $1,234.50 "
    assert built_in(30) == built_in(14)
    assert built_in(12345) == "General"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_exact_digits_are_the_number_to_fifteen_digits(value: float) -> None:
    assert float(digits_of(value)) == pytest.approx(value, rel=1e-14, abs=0)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**9), max_value=10**9))
def test_numbers_that_people_write_keep_their_digits(value: object) -> None:
    text = digits_of(float(str(value)))
    assert float(text) == float(str(value))
    assert "E" not in text


@given(
    st.one_of(
        st.sampled_from(sorted(BUILT_IN.values())),
        st.text('0#?.,%E+-/ ymdhs[]:;"\\_*@$()General', max_size=30),
        st.text(max_size=20),
    ),
    st.one_of(st.floats(-1e7, 1e7), st.floats(allow_nan=False, allow_infinity=False), st.integers(0, 60000)),
)
def test_no_format_breaks_a_value(code: str, value: float) -> None:
    from entrepot.formats.readers.workbook.book import Rendering

    assert isinstance(Rendering("shown", [code]).number(float(value), 0), str)
    assert isinstance(Rendering("exact", [code]).number(float(value), 0), str)
    assert isinstance(Rendering("shown", [code]).text("x", 0), str)
