"""Arrow cells of any type as text: the one way in which typed sources reach casts, profiles and text formats."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


def as_text(cells: pa.Array) -> pa.StringArray:
    r"""Cells as the texts that the casts of `entrepot.validate` read back to the same values.

    Whole numbers without a point, floats by their shortest form, decimals with their scale, dates and times in ISO
    8601 form (with offset where there is a zone), booleans ``true`` and ``false``, binary as hexadecimal with ``\\x``
    in front (PostgreSQL's form), lists, maps and structs as JSON.

    Args:
        cells: Of any type.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_string(cells.type):
        return cells
    return pc.cast(cells, pa.string())
