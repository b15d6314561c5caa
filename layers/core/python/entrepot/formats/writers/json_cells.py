"""Arrow cells as JSON values on one line, and what JSON's readers lose of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

_EXACT = 2**53


def json_cells(cells: pa.Array) -> pa.StringArray:
    """Cells as JSON, each on one line, null as ``null``; none of them is null itself.

    Args:
        cells: Of any type.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    from entrepot.formats.nested import json_texts

    texts = pc.fill_null(json_texts(cells), "null")
    if isinstance(cells.type, pa.BaseExtensionType) or pa.types.is_nested(cells.type):
        # A cell of JSON may have been laid out over lines; within its texts line ends are escaped.
        for line_end in "\r\n":
            if pc.any(pc.match_substring(texts, line_end), min_count=0).as_py():
                texts = pc.replace_substring(texts, line_end, " ")
    return texts


def type_note(field: pa.Field) -> str | None:
    """What JSON cannot say of a column, whatever its cells are.

    Args:
        field: The column.
    """
    import pyarrow as pa

    types, kind, name = pa.types, field.type, field.name
    if types.is_timestamp(kind) and kind.tz not in {None, "UTC"}:
        return f"Column {name!r}: times keep their offset; the zone's name {kind.tz} is not kept."
    if types.is_decimal(kind) and kind.precision > 15:
        return f"Column {name!r}: decimals are written with all digits; readers that make floats of them round."
    if types.is_temporal(kind):
        return f"Column {name!r}: JSON has no dates and times; they are text in ISO 8601 form."
    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind):
        return f"Column {name!r}: JSON has no bytes; they are hexadecimal text."
    return None


def value_note(field: pa.Field, cells: pa.Array) -> str | None:
    """What JSON's readers lose of these cells.

    Args:
        field: Their column.
        cells: Some of it.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    types, kind, name = pa.types, field.type, field.name
    if types.is_floating(kind):
        finite = pc.is_finite(pc.cast(cells, pa.float64()))
        if not pc.all(finite, min_count=0).as_py():
            return f"Column {name!r}: NaN and infinity are text, since JSON has no numbers for them."
    if types.is_int64(kind) or types.is_uint64(kind):
        ends = pc.min_max(cells).as_py()
        if ends["min"] is not None and (ends["min"] < -_EXACT or ends["max"] > _EXACT):
            return f"Column {name!r}: whole numbers beyond 2^53 are written exactly; readers that make floats round."
    return None
