"""What one chunk's cells of one column say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from entrepot.detect.figures import figures
from entrepot.detect.model import EXAMPLES, MAX_KINDS, MAX_SMALL, SHOWN_LENGTH, ColumnProfile, NumberShape, Seen
from entrepot.detect.moments import moments
from entrepot.detect.plain import plain_numbers
from entrepot.detect.shapes import LONGEST, Ints, Texts, shapes, with_words
from entrepot.detect.sketch import hash_texts, smallest
from entrepot.validate.casts import words
from entrepot.validate.casts.base import Caster, RefusedValueError

if TYPE_CHECKING:
    import pyarrow as pa

_SAMPLE = 4096
_PROBES = 24
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
    values, counts = _frequent(filled)
    seen = values if values is not None else filled
    high = holds_high(seen)
    profile.max_length = int(pc.max(pc.utf8_length(seen) if high else pc.binary_length(seen)).as_py())
    weights = counts.field("counts").to_numpy() if counts is not None else None
    _look(profile, seen, weights, high=high)
    hashes = hash_texts(seen)
    profile.sketch = smallest(hashes)
    profile.repeated = len(seen) < len(filled) if values is not None else _repeats(hashes)
    places = _places(hashes, profile.sketch)
    profile.examples = {str(int(hashes[i])): seen[i].as_py()[:SHOWN_LENGTH] for i in places}
    if len(seen) <= MAX_SMALL:
        profile.small = _small(counts if counts is not None else filled.value_counts())
    else:
        profile.small = None
    return profile


def _frequent(filled: pa.Array) -> tuple[pa.Array | None, pa.StructArray | None]:
    """The distinct values with their counts, when looking at them alone pays."""
    head = filled.slice(0, _SAMPLE)
    if len(head.unique()) > len(head) // 2:
        return None, None
    counts = filled.value_counts()
    return (counts.field("values"), counts) if len(counts) <= len(filled) // 2 else (None, None)


def _look(profile: ColumnProfile, seen: pa.Array, weights: Ints | None, *, high: bool) -> None:
    """Finds numbers, moments, UUIDs and JSON."""
    import pyarrow.compute as pc

    probes = _probes(seen)
    profile.fits = [name for name, caster in _casters().items() if _holds(name, caster, probes, seen)]
    if not any(_worth_a_look(p) for p in probes):
        profile.numbers = profile.moments = None
        return
    seen = pc.utf8_trim_whitespace(seen) if high else seen
    texts = Texts.of(seen, weights)
    if plain_numbers(profile, texts, seen):
        return
    _by_shape(profile, texts)


def _by_shape(profile: ColumnProfile, texts: Texts) -> None:
    found = shapes(texts)
    if found is None:
        profile.numbers = profile.moments = None
        return
    numbers: dict[str, NumberShape] = {}
    seen: dict[str, Seen] = {}
    for shape in found:
        if not shape.tokens:
            profile.blank += texts.cells(shape.places)
        elif len(shape.tokens) == 1 and set(shape.tokens[0].text) == {"#"} and len(shape.tokens[0].text) > 1:
            profile.marks += texts.cells(shape.places)
        elif with_words(shape):
            for way, measures, signs in figures(shape):
                numbers[way] = numbers[way].merge(measures) if way in numbers else measures
                for sign, cells in signs.items():
                    profile.signs[sign] = profile.signs.get(sign, 0) + cells
            for name, one in moments(shape).items():
                seen[name] = seen[name].merge(one) if name in seen else one
    profile.numbers = dict(sorted(numbers.items()))
    if len(numbers) > MAX_KINDS or len(profile.signs) > MAX_KINDS:
        profile.numbers, profile.signs = None, {}
    profile.signs = dict(sorted(profile.signs.items()))
    profile.moments = dict(sorted(seen.items())) if len(seen) <= MAX_KINDS else None


def _worth_a_look(text: str) -> bool:
    """Whether a cell may be a number or a moment, or says nothing against it."""
    if not text.strip():
        return True
    if _MARKS.fullmatch(text):
        return True
    return len(text.encode()) <= LONGEST and any(map(str.isdigit, text)) and _WORD.search(text) is None


def _casters() -> dict[str, Caster]:
    return {"uuid": words.uuid(), "json": words.json_text()}


def _holds(name: str, caster: Caster, probes: list[str], texts: pa.Array) -> bool:
    for probe in probes:
        text = probe.strip()
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


def holds_high(texts: pa.Array) -> bool:
    """Whether some text is not ASCII."""
    _, offset_buffer, text_buffer = texts.buffers()
    if text_buffer is None or not len(texts):
        return False
    offsets = np.frombuffer(offset_buffer, dtype=np.int32)
    first, last = int(offsets[texts.offset]), int(offsets[texts.offset + len(texts)])
    # Bytes beyond ASCII are negative when they are looked at with a sign.
    return first < last and int(np.frombuffer(text_buffer, dtype=np.int8)[first:last].min()) < 0


def _small(counts: pa.StructArray) -> dict[str, int]:
    """All values with their counts."""
    small: dict[str, int] = {}
    for item in counts.to_pylist():
        shown = item["values"][:SHOWN_LENGTH]
        small[shown] = small.get(shown, 0) + item["counts"]
    return dict(sorted(small.items()))


def _places(hashes: npt.NDArray[np.uint64], sketch: list[int]) -> list[int]:
    """Where the values of the smallest hashes stand."""
    return [int(np.argmax(hashes == np.uint64(one))) for one in sketch[:EXAMPLES]]
