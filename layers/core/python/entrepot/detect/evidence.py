"""What one chunk's cells of one column say."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from entrepot.detect.figures import figures
from entrepot.detect.model import EXAMPLES, MAX_KINDS, MAX_SMALL, SHOWN_LENGTH, ColumnProfile
from entrepot.detect.moments import moments
from entrepot.detect.packing import Packed, packed
from entrepot.detect.plain import plain_numbers
from entrepot.detect.shapes import LONGEST, Ints, Shape, Texts, shapes, with_words
from entrepot.detect.sketch import WORD, hash_bytes, hash_words, smallest
from entrepot.validate.casts import words
from entrepot.validate.casts.base import Caster, RefusedValueError

if TYPE_CHECKING:
    import pyarrow as pa

_SAMPLE = 4096
_PROBES = 24
_MAX_STRANGE = 100
"""Shapes with words that are neither numbers nor moments, up to which the others are looked at."""
_ENDLESS = 1 << 16
"""Bytes of a cell with which a column is neither of numbers nor of moments; looking would cost its size again."""
_TINY = 1 << 16
"""Texts of at most two bytes are smaller numbers."""
_WORD = re.compile(r"[^\W\d_]{16}")
_MARKS = re.compile(r"\s*#{2,}\s*")


def column_profile(texts: pa.Array) -> ColumnProfile:
    """Profiles one column of a chunk.

    Args:
        texts: Strings, null where the cell is empty.
    """
    import pyarrow.compute as pc

    filled = texts.drop_null() if texts.null_count else texts
    profile = ColumnProfile(cells=len(filled), empty=texts.null_count)
    if not len(filled):
        return profile
    cells = Texts.of(filled)
    short = packed(cells)
    values, counts = _frequent(filled, short)
    seen = filled
    if values is not None and counts is not None:
        seen, cells, short = values, Texts.of(values, counts), None
    high = cells.high
    profile.max_length = int(pc.max(pc.utf8_length(seen)).as_py()) if high else int(cells.lengths.max())
    _look(profile, seen, cells, high=high)
    hashes = (
        hash_words(short.numbers, cells.lengths)
        if short is not None and profile.max_length <= WORD and not high
        else hash_bytes(cells.data, cells.starts, cells.lengths)
    )
    profile.sketch = smallest(hashes)
    profile.repeated = len(seen) < len(filled) if counts is not None else _repeats(hashes)
    places = _places(hashes, profile.sketch)
    profile.examples = {str(int(hashes[i])): seen[i].as_py()[:SHOWN_LENGTH] for i in places}
    profile.small = _small(seen, cells) if len(seen) <= MAX_SMALL or len(profile.sketch) <= MAX_SMALL else None
    return profile


def _frequent(filled: pa.Array, short: Packed | None) -> tuple[pa.Array | None, Ints | None]:
    """The distinct values with their counts, when looking at them alone pays."""
    import pyarrow as pa

    step = max(1, len(filled) // _SAMPLE)
    if short is None:
        some = filled.take(pa.Array.from_buffers(pa.int64(), *_every(len(filled), step)))
        if len(some.unique()) > len(some) // 2:
            return None, None
        counts = filled.value_counts()
        return (counts.field("values"), _numbers(counts)) if len(counts) <= len(filled) // 2 else (None, None)
    words = short.numbers
    some_words = np.sort(words[::step])
    if int((some_words[1:] != some_words[:-1]).sum()) >= len(some_words) // 2:
        return None, None
    # Short texts are counted as numbers, which is quicker.
    if int(words.max()) < _TINY:
        often = np.bincount(words.astype(np.intp))
        different = np.flatnonzero(often).astype("<u8")
        numbers: Ints = often[different]
    else:
        counts = pa.Array.from_buffers(pa.uint64(), len(words), [None, pa.py_buffer(words)]).value_counts()
        different, numbers = counts.field("values").to_numpy(), _numbers(counts)
    if len(numbers) > len(filled) // 2:
        return None, None
    return short.texts(different), numbers


def _every(length: int, step: int) -> tuple[int, list[pa.Buffer | None]]:
    """Each step-th place, as the buffers of an array."""
    import pyarrow as pa

    places = np.arange(0, length, step, dtype=np.int64)
    return len(places), [None, pa.py_buffer(places)]


def _numbers(counts: pa.StructArray) -> Ints:
    found: Ints = counts.field("counts").to_numpy()
    return found


def _look(profile: ColumnProfile, seen: pa.Array, texts: Texts, *, high: bool) -> None:
    """Finds numbers, moments, UUIDs and JSON."""
    import pyarrow.compute as pc

    probes = _probes(seen)
    profile.fits = [name for name, caster in _casters().items() if _holds(name, caster, probes, seen)]
    told = bool(profile.fits) and any(p.strip() and not p.strip().isdigit() for p in probes)
    if told or int(texts.lengths.max()) > _ENDLESS or not any(_worth_a_look(p) for p in probes):
        profile.numbers = profile.moments = None
        return
    if high:
        seen = pc.utf8_trim_whitespace(seen)
        texts = Texts.of(seen, texts.weights)
    if plain_numbers(profile, texts, seen):
        return
    _by_shape(profile, texts)


def _by_shape(profile: ColumnProfile, texts: Texts) -> None:
    found = shapes(texts)
    strange = 0
    for shape in found or ():
        if not shape.tokens:
            profile.blank += texts.cells(shape.places)
        elif len(shape.tokens) == 1 and set(shape.tokens[0].text) == {"#"} and len(shape.tokens[0].text) > 1:
            profile.marks += texts.cells(shape.places)
        elif not (with_words(shape) and _read(profile, shape)):
            # Dates have a few shapes with words; where many more say nothing, the rest is not worth its time.
            strange += bool(shape.words)
            if strange > _MAX_STRANGE:
                break
    numbers, moments_seen = profile.numbers or {}, profile.moments or {}
    if found is None or strange > _MAX_STRANGE or len(numbers) > MAX_KINDS or len(profile.signs) > MAX_KINDS:
        profile.numbers, profile.signs = None, {}
    else:
        profile.numbers, profile.signs = dict(sorted(numbers.items())), dict(sorted(profile.signs.items()))
    unclear = found is None or strange > _MAX_STRANGE or len(moments_seen) > MAX_KINDS
    profile.moments = None if unclear else dict(sorted(moments_seen.items()))


def _read(profile: ColumnProfile, shape: Shape) -> bool:
    """Takes the numbers and moments of a shape; False when it has none."""
    numbers, seen = profile.numbers, profile.moments
    if numbers is None or seen is None:
        return False
    answered = False
    for way, measures, signs in figures(shape):
        answered = True
        numbers[way] = numbers[way].merge(measures) if way in numbers else measures
        for sign, cells in signs.items():
            profile.signs[sign] = profile.signs.get(sign, 0) + cells
    for name, one in moments(shape).items():
        answered = True
        seen[name] = seen[name].merge(one) if name in seen else one
    return answered


def _worth_a_look(text: str) -> bool:
    """Whether a cell may be a number or a moment, or says nothing against it."""
    if not text.strip():
        return True
    if _MARKS.fullmatch(text):
        return True
    return len(text.encode()) <= LONGEST and any(map(str.isdigit, text)) and _WORD.search(text) is None


@lru_cache(maxsize=1)
def _casters() -> dict[str, Caster]:
    return {"uuid": words.uuid(), "json": words.json_text()}


def _holds(name: str, caster: Caster, probes: list[str], texts: pa.Array) -> bool:
    for probe in probes:
        text = probe[:_ENDLESS].strip()
        if not text:
            continue
        if name == "json" and text[:1] not in "[{":
            return False  # any number or quoted word is JSON too
        try:
            caster.one(probe)
        except RefusedValueError:
            return False
    if name == "json" and not _is_nested(texts):
        return False
    return not caster.cast(texts).refused


def _is_nested(texts: pa.Array) -> bool:
    import pyarrow.compute as pc

    return bool(pc.all(pc.match_substring_regex(texts, r"^\s*([\[{]|$)")).as_py())


def _probes(texts: pa.Array) -> list[str]:
    """A few cells from all over the column."""
    step = max(1, len(texts) // _PROBES)
    return list(dict.fromkeys(texts[i].as_py() for i in range(0, len(texts), step)))


def _repeats(hashes: npt.NDArray[np.uint64]) -> bool:
    """Whether a value comes twice; most that repeat show it among the first."""
    for part in (hashes[:_SAMPLE], hashes):
        ordered = np.sort(part)
        if (ordered[1:] == ordered[:-1]).any():
            return True
    return False


def _small(seen: pa.Array, cells: Texts) -> dict[str, int] | None:
    """All values with their counts; None when they are many."""
    weights = np.ones(len(seen), dtype=np.int64) if cells.weights is None else cells.weights
    small: dict[str, int] = {}
    for text, count in zip(seen.to_pylist(), weights.tolist(), strict=True):
        shown = text[:SHOWN_LENGTH]
        small[shown] = small.get(shown, 0) + count
        if len(small) > MAX_SMALL:
            return None
    return dict(sorted(small.items()))


def _places(hashes: npt.NDArray[np.uint64], sketch: list[int]) -> list[int]:
    """Where the values of the smallest hashes stand."""
    return [int(np.argmax(hashes == np.uint64(one))) for one in sketch[:EXAMPLES]]
