"""Believable partner files, made from a seed, with the exact truth about each beside it.

Nothing here is taken from a real file or person: names are combined from lists, e-mail addresses are
in the reserved example domains, telephone numbers in ranges that regulators keep for fiction.

    >>> from samples import expectations, incidents
    >>> data = b"".join(incidents(1000, seed=1))
    >>> truth = expectations(1000, seed=1)
    >>> truth.read == truth.published + truth.duplicate + truth.quarantined
    True
"""

from __future__ import annotations

from pathlib import Path

from samples.plan import Expectations, Wrong, expectations
from samples.render import HEADER, editions, incidents, rows_for, write

CONTRACT = Path(__file__).with_name("incidents.yaml")
"""The contract that incident files are agreed by."""

SMALL = 1000
"""Data rows of the small sample."""

LARGE_BYTES = 200_000_000
"""Size of the large sample, in bytes, within a percent."""

__all__ = [
    "CONTRACT",
    "HEADER",
    "LARGE_BYTES",
    "SMALL",
    "Expectations",
    "Wrong",
    "editions",
    "expectations",
    "incidents",
    "rows_for",
    "write",
]
