"""Words and cells with other than ASCII are those that the plain expressions find, and are found in one pass."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from entrepot.detect.encoding import _WORD, eastern_cells, find_encoding

SAMPLES = st.lists(
    st.sampled_from([b"a", b"Z", b"\x80", b"\xff", b"|", b"@", b" ", b",", b"\n", b'"', b"1", b"ab\xe9c"]), max_size=30
)


@given(SAMPLES.map(b"".join))
def test_they_are_the_same(sample: bytes) -> None:
    assert _WORD.findall(sample) == re.findall(rb"[A-Za-z]*[\x80-\xff][^\x00-\x40\x5b-\x60\x7b-\x7f]*", sample)
    assert list(eastern_cells(sample)) == re.findall(rb"[^\x00-\x3f]*[\x80-\xff][^,;\t|\r\n\"]*", sample)


def test_a_million_letters_with_a_few_others_are_soon_looked_through() -> None:
    data = b"\xe9t\xe9 " + b"x" * 1_000_000 + b" gar\xe7on\n"
    name, _, _ = find_encoding(data, lambda start, end: data[start:end], len(data))
    assert name == "cp1252"
