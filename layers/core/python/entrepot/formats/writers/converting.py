"""Arrow cells in another type of the same shape.

Arrow's own cast of nested types takes the members of null records and lists for real, and fails on them; here only
what is there is converted.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from entrepot.formats.nested import entries_of
from entrepot.formats.texts import without_runs

if TYPE_CHECKING:
    import pyarrow as pa


def converted(cells: pa.Array, kind: pa.DataType) -> pa.Array:
    """Cells as those of another type.

    Args:
        cells: Of any type.
        kind: Made like the cells' own, its members being types that theirs can be cast to.

    Raises:
        pa.ArrowInvalid: A value is not one of the other type.
        pa.ArrowNotImplementedError: There is no such cast.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    is_ = pa.types
    if cells.type == kind:
        return cells
    if is_.is_run_end_encoded(cells.type):
        return converted(without_runs(cells), kind)
    if is_.is_dictionary(cells.type) and not is_.is_dictionary(kind):
        return converted(pc.take(cells.dictionary, cells.indices), kind)
    if is_.is_struct(kind):
        parts = [converted(part, field.type) for part, field in zip(cells.flatten(), kind, strict=True)]
        return pa.StructArray.from_arrays(parts, fields=list(kind), mask=pc.is_null(cells))
    if is_.is_map(kind):
        return _map(cells, kind)
    if is_.is_nested(kind) and not is_.is_dictionary(kind) and not is_.is_union(kind):
        return _list(cells, kind)
    return cells.cast(kind, safe=not is_.is_date(kind))


def _list(cells: pa.Array, kind: pa.DataType) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    gone = pc.is_null(cells)
    if pa.types.is_fixed_size_list(kind):
        size = kind.list_size
        values = cells.values.slice(cells.offset * size, len(cells) * size)
        return pa.FixedSizeListArray.from_arrays(converted(values, kind.value_type), type=kind, mask=gone)
    values = converted(pc.list_flatten(cells), kind.value_type)
    return _lists(kind, _offsets(pc.list_value_length(cells)), values, gone)


def _map(cells: pa.Array, kind: pa.DataType) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    lists = entries_of(cells)
    keys, items = pc.list_flatten(lists).flatten()
    offsets = pa.array(_offsets(pc.list_value_length(lists)), pa.int32())
    entries = converted(keys, kind.key_type), converted(items, kind.item_type)
    return pa.MapArray.from_arrays(offsets, *entries, type=kind, mask=pc.is_null(cells))


def _offsets(lengths: pa.Array) -> list[int]:
    import pyarrow as pa
    import pyarrow.compute as pc

    filled = pc.fill_null(pc.cast(lengths, pa.int64()), 0)
    return [0, *pc.cumulative_sum(filled).to_pylist()]


def _lists(kind: pa.DataType, offsets: list[int], values: pa.Array, gone: pa.Array) -> pa.Array:
    import pyarrow as pa

    is_ = pa.types
    if is_.is_list(kind):
        return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values, type=kind, mask=gone)
    if is_.is_large_list(kind):
        return pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), values, type=kind, mask=gone)
    make, width = (pa.ListViewArray, pa.int32()) if is_.is_list_view(kind) else (pa.LargeListViewArray, pa.int64())
    sizes = [after - before for before, after in pairwise(offsets)]
    return make.from_arrays(pa.array(offsets[:-1], width), pa.array(sizes, width), values, type=kind, mask=gone)
