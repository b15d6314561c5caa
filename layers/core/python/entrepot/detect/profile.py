"""Profiles chunks and merges the results: types come from the whole file, never from a sample."""

from __future__ import annotations

from collections.abc import Iterable

from entrepot.detect.evidence import column_profile
from entrepot.detect.model import ColumnProfile, Profile
from entrepot.formats.text import parse_chunk
from entrepot.formats.writers.formulas import unescape_formulas
from entrepot.model.source import Chunk, Detection

__all__ = ["ColumnProfile", "Profile", "merge_profiles", "profile_chunk"]


def profile_chunk(data: bytes, detection: Detection, chunk: Chunk) -> Profile:
    """What one chunk says of every column.

    Args:
        data: Exactly the chunk's bytes.
        detection: What `detect` found.
        chunk: Which part this is.
    """
    parsed = parse_chunk(data, detection, chunk)
    texts = [column.combine_chunks() for column in parsed.table.columns]
    if detection.formula_escape:
        texts = [unescape_formulas(column) for column in texts]
    columns = [column_profile(column) for column in texts]
    return Profile(rows=len(parsed.rows), refused=len(parsed.refused), columns=columns)


def merge_profiles(parts: Iterable[Profile]) -> Profile:
    """Several chunks' profiles as one. Neither their order nor how they are grouped matters.

    Raises:
        ValueError: They have different numbers of columns.
    """
    total = Profile()
    for part in parts:
        if total.columns and len(total.columns) != len(part.columns):
            msg = f"profiles of {len(total.columns)} and {len(part.columns)} columns cannot be merged"
            raise ValueError(msg)
        columns = (
            [a.merge(b) for a, b in zip(total.columns, part.columns, strict=True)] if total.columns else part.columns
        )
        total = Profile(
            rows=total.rows + part.rows,
            refused=total.refused + part.refused,
            columns=columns,
            usage=total.usage + part.usage,
        )
    return total
