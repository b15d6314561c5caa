"""Records with stray quotes are cut as the plain expression would, and in one pass however many quotes there are."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrepot.detect import dialect
from entrepot.detect.dialect import find_dialect, leniently
from entrepot.formats import quoting
from entrepot.formats.grammar import Grammar
from entrepot.model.source import Dialect

RECORDS = st.lists(
    st.sampled_from([b'"', b'"', b",", b",", b"::", b":", b" ", b"\t", b"a", b"bc", b'""']), max_size=24
).map(b"".join)


def slowly(record: bytes, delimiter: bytes | None) -> list[bytes]:
    d = re.escape(delimiter) if delimiter else rb"\Z"
    found = re.compile(rb"(?:\A|" + d + rb')("[\s\S]{0,9}?"(?=[ \t]*(?:' + d + rb"|\Z))|(?:(?!" + d + rb")[\s\S])*)")
    return [m[1] for m in found.finditer(record)]


@pytest.mark.parametrize("mark", [",", "::", " ", "\t", None])
@given(record=RECORDS)
def test_cells_are_the_same(mark: str | None, record: bytes) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(dialect, "_LONGEST_QUOTED", 9)
        grammar = Grammar.of(Dialect(delimiter=mark, quote='"', escape='"'))
        assert leniently(record, grammar) == slowly(record, mark.encode() if mark else None)


def test_a_line_of_quotes_that_never_close_is_soon_cut() -> None:
    line = b'"a' + b',"' * 24_000
    best, _ = find_dialect(line + b"\n", whole=True)
    assert best.dialect.delimiter == ","
    grammar = Grammar.of(Dialect(delimiter=","))
    assert len(leniently(b'"x,' * 200_000, grammar)) == 200_001


@given(
    text=st.lists(st.sampled_from([",", ",", '"', '""', '",', ',"', "a", "b "]), max_size=14).map("".join),
    width=st.integers(1, 6),
)
def test_the_least_forced_ways_to_read_a_record_are_kept(text: str, width: int) -> None:
    kept = quoting.readings(text, Dialect(), ",", width)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(quoting, "_KEPT", 10**6)
        every = quoting.readings(text, Dialect(), ",", width)
    few = quoting._KEPT
    assert {n: [w.cost for w in ways] for n, ways in kept.items()} == {
        n: sorted(w.cost for w in ways)[:few] for n, ways in every.items()
    }
