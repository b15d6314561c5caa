"""Arrow cells of any type as text: the one way in which typed sources reach casts, profiles and text formats."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from entrepot.errors import SourceError
from entrepot.formats import moments

if TYPE_CHECKING:
    import pyarrow as pa

_WHOLE = float(1 << 53)
"""Below it every whole double is written by its digits, without an exponent."""
_PLAIN = 1e16
"""From here on doubles have an exponent, as Python writes them."""


def as_text(cells: pa.Array) -> pa.StringArray:
    r"""Cells as the texts that the casts of `entrepot.validate` read back to the same values.

    Whole numbers without a point, floats by their shortest form (``NaN``, ``Infinity``), decimals with their scale,
    dates and times in ISO 8601 form (with offset where there is a zone; no trailing zeros of a second), durations and
    intervals likewise (``P1DT2H``), booleans ``true`` and ``false``, binary as hexadecimal with ``\\x`` in front
    (PostgreSQL's form), UUIDs with hyphens, lists, maps and structs as JSON.

    Args:
        cells: Of any type.

    Raises:
        SourceError: The texts of one batch pass 2 GiB, or a text is not UTF-8.
    """
    import pyarrow as pa

    if pa.types.is_string(cells.type):
        return cells
    try:
        return _converter(cells.type)(cells)
    except (pa.ArrowInvalid, pa.ArrowCapacityError, OverflowError, UnicodeError) as error:
        raise SourceError(
            f"Cells of type {cells.type} cannot be written as text.",
            hint="A text is not UTF-8, or the cells of one batch are too large together.",
            reason="text",
            type=str(cells.type),
            error=type(error).__name__,
        ) from None


def _converter(kind: pa.DataType) -> Callable[[pa.Array], pa.Array]:
    import pyarrow as pa

    for is_kind, convert in _table():
        if is_kind(kind):
            return convert
    if isinstance(kind, pa.BaseExtensionType):
        return _extension
    # The types that Arrow's Python classes do not name: intervals of months, and of days and milliseconds.
    return moments.interval_texts


def _table() -> list[tuple[Callable[[pa.DataType], bool], Callable[[pa.Array], pa.Array]]]:
    import pyarrow as pa

    from entrepot.formats import nested

    is_ = pa.types
    return [
        (is_.is_null, _nothing),
        (is_.is_large_string, _cast),
        (is_.is_string_view, _cast),
        (is_.is_string, _cast),
        (is_.is_integer, _cast),
        (is_.is_boolean, _cast),
        (is_.is_float16, _halves),
        (is_.is_floating, _floats),
        (is_.is_decimal, _decimals),
        (is_.is_date, moments.date_texts),
        (is_.is_timestamp, moments.timestamp_texts),
        (is_.is_time, moments.time_texts),
        (is_.is_duration, moments.duration_texts),
        (is_.is_interval, moments.interval_texts),
        (is_.is_dictionary, _dictionary),
        (is_.is_run_end_encoded, _runs),
        (is_.is_binary, _binary),
        (is_.is_large_binary, _binary),
        (is_.is_binary_view, _binary),
        (is_.is_fixed_size_binary, _binary),
        (is_.is_union, _union),
        (is_.is_nested, nested.json_texts),
    ]


def _nothing(cells: pa.Array) -> pa.Array:
    import pyarrow as pa

    return pa.nulls(len(cells), pa.string())


def _cast(cells: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.cast(cells, pa.string())


def _halves(cells: pa.Array) -> pa.Array:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    # Sixteen bits have few values: each is written once.
    encoded = pc.dictionary_encode(pa.Array.from_buffers(pa.uint16(), len(cells), cells.buffers(), offset=cells.offset))
    halves = encoded.dictionary.to_numpy().view(np.float16)
    words = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
    texts = [np.format_float_positional(h, trim="-") for h in halves]
    return pa.array([words.get(t, t) for t in texts], pa.string()).take(encoded.indices)


def _floats(cells: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = pc.cast(cells, pa.string())
    if pc.all(pc.is_finite(cells)).as_py() is False:
        sign = pc.if_else(pc.greater(cells, 0), "Infinity", "-Infinity")
        words = pc.if_else(pc.is_nan(cells), "NaN", sign)
        texts = pc.if_else(pc.is_finite(cells), texts, words)
    raised = pc.and_(pc.match_substring(texts, "e+"), pc.less(pc.abs(cells), _PLAIN))
    return _plain(cells, texts, raised) if pc.any(raised).as_py() else texts


def _plain(cells: pa.Array, texts: pa.Array, raised: pa.Array) -> pa.Array:
    """Digits where Arrow writes 1e+10: a column of identifiers kept as floats is still one of identifiers."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    whole = pc.and_(raised, pc.and_(pc.equal(pc.floor(cells), cells), pc.less(pc.abs(cells), _WHOLE)))
    whole = pc.fill_null(whole, False)
    digits = pc.cast(pc.cast(cells.filter(whole), pa.int64()), pa.string())
    texts = pc.replace_with_mask(texts, whole, digits)
    rest = pc.fill_null(pc.and_not(raised, whole), False)
    single = [np.format_float_positional(v, trim="-") for v in cells.filter(rest).to_numpy()]
    return pc.replace_with_mask(texts, rest, pa.array(single, pa.string()))


def _decimals(cells: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = pc.cast(cells, pa.string())
    raised = pc.fill_null(pc.match_substring(texts, "E"), False)
    if pc.any(raised).as_py():  # 1E-9
        single = pa.array([format(v, "f") for v in cells.filter(raised).to_pylist()], pa.string())
        texts = pc.replace_with_mask(texts, raised, single)
    return texts


def _binary(cells: pa.Array) -> pa.Array:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    plain = pc.fill_null(pc.cast(cells, pa.binary()), b"")
    _, at, data = plain.buffers()
    bounds = np.frombuffer(at, np.int32)[plain.offset : plain.offset + len(plain) + 1].astype(np.int64)
    held = data.slice(bounds[0], bounds[-1] - bounds[0]).to_pybytes() if data is not None and len(plain) else b""
    ends = (bounds - (bounds[0] if len(bounds) else 0)) * 2
    if len(ends) and ends[-1] > np.iinfo(np.int32).max:
        raise pa.ArrowCapacityError("too long")
    offsets = pa.py_buffer(ends.astype(np.int32))
    digits = pa.Array.from_buffers(pa.string(), len(plain), [None, offsets, pa.py_buffer(held.hex().encode())])
    texts = pc.binary_join_element_wise("\\x", digits, "")
    return pc.if_else(pc.is_valid(cells), texts, pa.scalar(None, pa.string()))


def _dictionary(cells: pa.Array) -> pa.Array:
    import pyarrow.compute as pc

    if len(cells.dictionary) <= 2 * len(cells):
        return as_text(cells.dictionary).take(cells.indices)
    return as_text(pc.take(cells.dictionary, cells.indices))


def _runs(cells: pa.Array) -> pa.Array:
    return as_text(without_runs(cells))


def without_runs(cells: pa.Array) -> pa.Array:
    """The cells of a run-end encoded array, one by one, in their own type; views are plain then."""
    import numpy as np
    import pyarrow as pa

    first, count = cells.find_physical_offset(), cells.find_physical_length()
    ends = np.minimum(np.asarray(cells.run_ends)[first : first + count].astype(np.int64) - cells.offset, len(cells))
    values = cells.values
    if pa.types.is_binary_view(values.type) or pa.types.is_string_view(values.type):  # Arrow cannot take from views
        values = values.cast(pa.large_binary() if pa.types.is_binary_view(values.type) else pa.large_string())
    return values.take(pa.array(np.repeat(np.arange(first, first + count), np.diff(ends, prepend=0))))


def _union(cells: pa.Array) -> pa.Array:
    return union_values(cells, as_text)


def union_values(cells: pa.UnionArray, convert: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """The cells of a union, each converted with its own type's others.

    Args:
        cells: Dense or sparse.
        convert: Makes texts of the cells of one type.
    """
    import numpy as np
    import pyarrow as pa

    # `type_codes` and `offsets` of pyarrow's unions forget where a slice begins; their buffers do not.
    buffers, here = cells.buffers(), slice(cells.offset, cells.offset + len(cells))
    codes = np.frombuffer(buffers[1], np.int8)[here]
    parts = [convert(cells.field(i)) for i in range(cells.type.num_fields)]
    starts = np.cumsum([0, *(len(p) for p in parts)])[:-1]
    slots = np.zeros(128, np.int64)
    slots[list(cells.type.type_codes)] = starts
    within = np.arange(len(cells)) if cells.type.mode == "sparse" else np.frombuffer(buffers[2], np.int32)[here]
    return pa.concat_arrays(parts).take(pa.array(slots[codes] + within))


def _extension(cells: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    if cells.type.extension_name == "arrow.uuid":
        digits = pc.utf8_slice_codeunits(as_text(cells.storage), 2)
        spans = ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32))
        return pc.binary_join_element_wise(*(pc.utf8_slice_codeunits(digits, a, b) for a, b in spans), "-")
    if cells.type.extension_name == "arrow.bool8":
        return as_text(pc.cast(cells.storage, pa.bool_()))
    return as_text(cells.storage)
