"""Rows that do not keep to their dialect: read as far as there is one good way, else as they stand."""

from __future__ import annotations

import pytest

from entrepot.formats.kinds import ColumnKinds, kind_of
from entrepot.formats.mend import AS_IT_STANDS, DELIMITER, LONG, MOVED, QUOTES, SHORT, Mender
from entrepot.model.source import Dialect

ROWS = [
    [str(n), f"Some words {n}", f"2024-01-{n % 28 + 1:02d}", f"{n}.50", "yes" if n % 2 else "no"] for n in range(40)
]
KINDS = ColumnKinds.of(ROWS, 5)


def mend(text: str, dialect: Dialect | None = None, kinds: ColumnKinds | None = KINDS) -> tuple[list[str], str]:
    found = Mender(dialect or Dialect(), 5, kinds).mend(text)
    return found.cells, found.how


@pytest.mark.parametrize(
    ("text", "cells", "how"),
    [
        ("7,Some words,2024-01-05,1.50,yes", ["7", "Some words", "2024-01-05", "1.50", "yes"], AS_IT_STANDS),
        ('"7,Some words,2024-01-05,1.50,yes', ['"7', "Some words", "2024-01-05", "1.50", "yes"], QUOTES),
        (
            '7,"Some, "good" words",2024-01-05,1.50,yes',
            ["7", 'Some, "good" words', "2024-01-05", "1.50", "yes"],
            QUOTES,
        ),
        ('7,"Some words, 5"",2024-01-05,1.50,yes', ["7", 'Some words, 5"', "2024-01-05", "1.50", "yes"], QUOTES),
        ('7,"two\nlines",2024-01-05,1.50,"yes', ["7", "two\nlines", "2024-01-05", "1.50", '"yes'], QUOTES),
        ("7;Some words;2024-01-05;1.50;yes", ["7", "Some words", "2024-01-05", "1.50", "yes"], DELIMITER),
        ("7 Some words 2024-01-05 1.50 yes", ["7", "Some words", "2024-01-05", "1.50", "yes"], DELIMITER),
        ("7,,Some words,2024-01-05,1.50,yes", ["7", "Some words", "2024-01-05", "1.50", "yes"], MOVED),
        ("7,Some, words,2024-01-05,1.50,yes", ["7", "Some, words", "2024-01-05", "1.50", "yes"], MOVED),
        ("7,Some words,2024-01-051.50,yes", ["7", "Some words", "2024-01-051.50", "", "yes"], MOVED),
        ("7,Some words,2024-01-05,1.50,yes,", ["7", "Some words", "2024-01-05", "1.50", "yes"], MOVED),
        ("7,Some words", ["7", "Some words", "", "", ""], SHORT),
        ("a,b,c,d,e,f,g,h", ["a", "b", "c", "d", "e", "f", "g", "h"], LONG),
    ],
)
def test_one_good_way_is_taken(text: str, cells: list[str], how: str) -> None:
    assert mend(text) == (cells, how)


def test_without_a_clear_answer_a_row_stays_as_it_is() -> None:
    words = ColumnKinds.of([["a b", "c d", "e f", "g h", "i j"]] * 20, 5)
    assert mend("a b,x y,c d,e f,g h,i j,k l,m n", kinds=words) == (
        ["a b", "x y", "c d", "e f", "g h", "i j", "k l", "m n"],
        LONG,
    )


def test_escapes_are_known() -> None:
    dialect = Dialect(escape="\\")
    assert mend('7,"a \\"b, c",2024-01-05,1.50,"yes', dialect) == (
        ["7", 'a "b, c', "2024-01-05", "1.50", '"yes'],
        QUOTES,
    )


def test_a_header_has_no_kinds_to_go_by() -> None:
    assert mend("a,b,,c,d,e", kinds=None) == (["a", "b", "c", "d", "e"], MOVED)
    assert mend("a b c d e", kinds=None) == (["a", "b", "c", "d", "e"], DELIMITER)
    assert mend('a,"b,c,d,e', kinds=None) == (["a", '"b', "c", "d", "e"], QUOTES)


def test_a_long_record_is_not_weighed() -> None:
    text = '"x,' * 40_000
    cells, how = mend(text)
    assert how == LONG
    assert ",".join(cells) == text


@pytest.mark.parametrize(
    ("cell", "kind"),
    [
        ("", ""),
        ("n/a", ""),
        ("-12", "integer"),
        ("1,234.50", "number"),
        ("$ 12", "money"),
        ("12 %", "percent"),
        ("10:30", "time"),
        ("31/12/2024", "date"),
        ("5-May-2024", "date"),
        ("2024-01-02T10:00:00Z", "moment"),
        ("https://x.org/a", "address"),
        ("a@b.org", "mail"),
        ("AB-12", "code"),
        ("word", "word"),
        ("two words", "text"),
        ('"12', "integer"),
    ],
)
def test_kinds_at_first_sight(cell: str, kind: str) -> None:
    assert kind_of(cell) == kind


def test_records_full_of_quotes_use_up_the_work_that_a_table_is_worth() -> None:
    mender = Mender(Dialect(), 5, KINDS)
    odd = '7,"Some, "good" words",2024-01-05,1.50,yes'
    assert mender.mend(odd).how == QUOTES
    for _ in range(300):
        mender.mend('"a,' * 90)
    assert mender.mend(odd).how != QUOTES


def test_short_records_of_many_quotes_are_charged_with_their_ways() -> None:
    """Records of 400 letters with 100 delimiters and 50 quotes took a tenth of a second each, hundreds of them."""
    mender = Mender(Dialect(), 5, KINDS)
    odd = '7,"Some, "good" words",2024-01-05,1.50,yes'
    for _ in range(100):
        mender.mend('"a",,' * 50)
    assert mender.mend(odd).how != QUOTES
