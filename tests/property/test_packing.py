"""Short texts packed into numbers are told apart as the texts are, and come back."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from entrepot.detect.packing import packed
from entrepot.detect.shapes import Texts
from entrepot.detect.sketch import hash_bytes, hash_words

short = st.lists(st.text(max_size=4).filter(lambda t: "\0" not in t and len(t.encode()) <= 8), min_size=1)
alike = st.sampled_from(["%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%d.%m.%Y", "%Y-%m-%dT%H:%M:%S.000Z"]).flatmap(
    lambda form: st.lists(st.datetimes(dt.datetime(1000, 1, 1)).map(lambda d: d.strftime(form)), min_size=1)
)
long = st.integers(9, 40).flatmap(lambda n: st.lists(st.text("abc019-", min_size=n, max_size=n), min_size=1))
plain = st.lists(st.from_regex(r"0|[1-9][0-9]{0,17}", fullmatch=True), min_size=1)


@given(short | alike | long)
def test_numbers_stand_for_their_texts(values: list[str]) -> None:
    texts = Texts.of(pa.array(values, pa.string()))
    found = packed(texts)
    if found is None:
        assert len(values[0].encode()) > 8
        return
    assert found.texts(found.numbers).to_pylist() == values
    assert len(set(found.numbers.tolist())) == len(set(values))
    if texts.lengths.max() <= 8:
        expected = hash_bytes(texts.data, texts.starts, texts.lengths)
        assert np.array_equal(hash_words(found.numbers, texts.lengths), expected)


@given(alike)
def test_moments_of_one_form_are_packed(values: list[str]) -> None:
    assert packed(Texts.of(pa.array(values, pa.string()))) is not None


@given(plain)
def test_the_ends_of_plain_numbers(values: list[str]) -> None:
    least, most = Texts.of(pa.array(values, pa.string())).ends()
    numbers = [int(v) for v in values]
    assert (int(least), int(most)) == (min(numbers), max(numbers))
