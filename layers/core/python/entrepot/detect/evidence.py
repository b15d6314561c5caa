"""What one chunk's cells of one column say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from entrepot.detect.hypotheses import holding
from entrepot.detect.model import EXAMPLES, MAX_SMALL, SHOWN_LENGTH, ColumnProfile, NumberShape
from entrepot.detect.sketch import hash_texts, smallest
from entrepot.validate.casts.base import holds, text_of

if TYPE_CHECKING:
    import pyarrow as pa

_SAMPLE = 4096
_BLANKS = tuple(bytes([b]) for b in b" \t\n\v\f\r")


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
    profile.fits = holding(seen)
    profile.max_length = int(pc.max(pc.utf8_length(seen) if holds_high(seen) else pc.binary_length(seen)).as_py())
    if "integer" in profile.fits or "float" in profile.fits:
        profile.number = _number_shape(seen)
    hashes = hash_texts(seen)
    profile.sketch = smallest(hashes)
    profile.repeated = len(seen) < len(filled) if values is not None else _repeats(hashes, profile)
    few = _least(hashes)
    profile.examples = {str(int(hashes[i])): seen[int(i)].as_py()[:SHOWN_LENGTH] for i in few}
    if len(seen) <= MAX_SMALL:
        profile.small = _small(counts if counts is not None else filled.value_counts())
    else:
        profile.small = None
    return profile


def _frequent(filled: pa.Array) -> tuple[pa.Array | None, pa.StructArray | None]:
    """The distinct values, when looking at them alone pays; and their counts, when they are few."""
    head = filled.slice(0, _SAMPLE)
    seen = len(head.unique())
    if seen > len(head) // 2:
        return None, None
    if seen <= MAX_SMALL:
        counts = filled.value_counts()
        return counts.field("values"), counts
    values = filled.unique()
    return (values if len(values) <= len(filled) // 2 else None), None


def _repeats(hashes: npt.NDArray[np.uint64], profile: ColumnProfile) -> bool:
    head = hashes[:_SAMPLE]
    if len(np.unique(head)) < len(head):
        return True
    ordered = np.sort(hashes)
    return bool(np.any(ordered[1:] == ordered[:-1])) and profile.cells > 1


def holds_high(texts: pa.Array) -> bool:
    """Whether some text is not ASCII."""
    return not text_of(texts).isascii()


def _small(counts: pa.StructArray) -> dict[str, int]:
    """All values with their counts."""
    small: dict[str, int] = {}
    for item in counts.to_pylist():
        shown = item["values"][:SHOWN_LENGTH]
        small[shown] = small.get(shown, 0) + item["counts"]
    return dict(sorted(small.items()))


def _least(hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.intp]:
    near = np.arange(len(hashes))
    if len(hashes) > _SAMPLE:
        near = np.flatnonzero(hashes <= np.partition(hashes, _SAMPLE)[_SAMPLE])
    _, first = np.unique(hashes[near], return_index=True)
    return near[first][:EXAMPLES]


def _number_shape(texts: pa.Array) -> NumberShape:
    """Digits before and after the point, and what speaks against a number."""
    import pyarrow.compute as pc

    if holds_high(texts) or holds(texts, *_BLANKS):
        trimmed = pc.utf8_trim_whitespace(texts)
        texts = trimmed.filter(pc.not_equal(trimmed, ""))
        if not len(texts):
            return NumberShape()
    data, starts, lengths = _bytes(texts)
    first = data[starts]
    plus, minus = first == ord("+"), first == ord("-")
    digits = starts + (plus | minus)
    after = data[np.minimum(digits + 1, len(data) - 1)]
    has_more = lengths - (plus | minus) > 1
    leading = (data[digits] == ord("0")) & (after >= ord("0")) & (after <= ord("9")) & has_more
    point = (
        pc.find_substring(texts, ".").to_numpy(zero_copy_only=False) if holds(texts, b".") else np.full(len(texts), -1)
    )
    whole = np.where(point >= 0, point, lengths) - (plus | minus)
    scale = np.where(point >= 0, lengths - point - 1, 0)
    return NumberShape(
        whole=int(whole.max()),
        scale=int(scale.max()),
        digits=int((whole + scale).max()),
        leading_zeros=bool(leading.any()),
        plus=bool(plus.any()),
        exponent=holds(texts, b"e", b"E"),
    )


def _bytes(texts: pa.Array) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    _, offset_buffer, text_buffer = texts.buffers()
    offsets = np.frombuffer(offset_buffer, dtype=np.int32)[texts.offset : texts.offset + len(texts) + 1].astype(
        np.int64
    )
    return np.frombuffer(text_buffer, dtype=np.uint8), offsets[:-1], np.diff(offsets)
