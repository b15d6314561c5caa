"""How large Arrow cells are when nothing is shared between them any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from entrepot.formats.reading import BATCH_BYTES

if TYPE_CHECKING:
    import pyarrow as pa


def decoded_bytes(cells: pa.Array) -> int:
    """About how many bytes cells have when nothing is shared between them any more.

    Args:
        cells: Of any type; dictionaries, runs and views may make much of little.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    kind, is_ = cells.type, pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return decoded_bytes(cells.storage)
    if is_.is_dictionary(kind) or is_.is_run_end_encoded(kind):
        values = cells.dictionary if is_.is_dictionary(kind) else cells.values
        widest = _widest(values)
        if widest * len(cells) <= BATCH_BYTES or not is_.is_dictionary(kind) or not _is_bytes(values.type):
            return widest * len(cells)
        return int(pc.sum(pc.take(pc.binary_length(values), cells.indices)).as_py() or 0)
    if is_.is_string_view(kind) or is_.is_binary_view(kind):
        return _viewed(cells) + 16 * len(cells)
    if is_.is_list_view(kind) or is_.is_large_list_view(kind):
        return _widest(cells.values) * int(pc.sum(pc.cast(pc.list_value_length(cells), pa.int64())).as_py() or 0)
    if is_.is_struct(kind):
        return sum(decoded_bytes(part) for part in cells.flatten()) + len(cells)
    if is_.is_map(kind):
        return decoded_bytes(cells.keys) + decoded_bytes(cells.items) + int(cells.nbytes)
    if is_.is_list(kind) or is_.is_large_list(kind) or is_.is_fixed_size_list(kind):
        return decoded_bytes(pc.list_flatten(cells)) + 8 * len(cells)
    return int(cells.nbytes)


def _viewed(cells: pa.Array) -> int:
    """Bytes that views show, the first four of each being its length."""
    import numpy as np

    lengths = np.frombuffer(cells.buffers()[1], np.int32).reshape(-1, 4)[cells.offset : cells.offset + len(cells), 0]
    return int(lengths[np.asarray(cells.is_valid())].sum(dtype=np.int64))


def _is_bytes(kind: pa.DataType) -> bool:
    import pyarrow as pa

    is_ = pa.types
    return any(f(kind) for f in (is_.is_string, is_.is_binary, is_.is_large_string, is_.is_large_binary))


def _widest(values: pa.Array) -> int:
    """Bytes of the largest value."""
    import pyarrow.compute as pc

    if _is_bytes(values.type):
        return int(pc.max(pc.binary_length(values)).as_py() or 0)
    try:
        return max(1, int(values.type.bit_width) // 8)
    except ValueError:
        return int(values.nbytes)
