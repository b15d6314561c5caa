"""Arrow cells of any type as JSON values, and what JSON's readers lose of them."""

from __future__ import annotations

from collections.abc import Callable
from json.encoder import encode_basestring
from typing import TYPE_CHECKING

from entrepot.formats.texts import as_text

if TYPE_CHECKING:
    import pyarrow as pa

_SPECIAL = r'["\\\x00-\x1f]'
_EXACT = 2**53


def json_cells(cells: pa.Array) -> pa.StringArray:
    """Cells as JSON, null as ``null``; none of them is null itself.

    Numbers are numbers with all their digits, texts and times are texts, binary is hexadecimal, lists, structs and maps
    are nested. NaN and infinity, which JSON lacks, are texts.

    Args:
        cells: Of any type.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = cells.type
    if pa.types.is_dictionary(kind):
        return json_cells(cells.dictionary_decode())
    if pa.types.is_run_end_encoded(kind):
        return json_cells(pc.run_end_decode(cells))
    if pa.types.is_struct(kind):
        texts = _structs(cells)
    elif pa.types.is_map(kind):
        texts = _maps(cells)
    elif _is_list(kind):
        texts = _lists(cells)
    elif isinstance(kind, pa.BaseExtensionType) and kind.extension_name == "arrow.json":
        texts = pa.array([_nested(text) for text in cells.storage.to_pylist()], pa.string())
    elif pa.types.is_floating(kind):
        texts = as_text(cells)
        finite = pc.is_finite(_wide(cells))
        texts = pc.if_else(finite, texts, _quoted(texts))
    elif any(is_kind(kind) for is_kind in _bare()):
        texts = as_text(cells)
    else:
        texts = _escaped(as_text(cells))
    return pc.fill_null(texts, "null")


def _bare() -> tuple[Callable[[pa.DataType], bool], ...]:
    """Types whose texts are JSON as they are."""
    from pyarrow import types

    return types.is_integer, types.is_decimal, types.is_boolean, types.is_union


def _wide(cells: pa.Array) -> pa.Array:
    """Half floats as floats: kernels lack the former."""
    import pyarrow as pa

    return cells.cast(pa.float32()) if pa.types.is_float16(cells.type) else cells


def _is_list(kind: pa.DataType) -> bool:
    import pyarrow as pa

    types = pa.types
    return bool(
        types.is_list(kind)
        or types.is_large_list(kind)
        or types.is_fixed_size_list(kind)
        or types.is_list_view(kind)
        or types.is_large_list_view(kind)
    )


def _quoted(texts: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    mark = pa.scalar('"', pa.string())
    return pc.binary_join_element_wise(mark, texts, mark, pa.scalar("", pa.string()))


def _escaped(texts: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    special = pc.match_substring_regex(texts, _SPECIAL)
    if not pc.any(special, min_count=0).as_py():
        return _quoted(texts)
    some = [encode_basestring(text) for text in texts.filter(special).to_pylist()]
    return pc.replace_with_mask(_quoted(texts), pc.fill_null(special, False), pa.array(some, pa.string()))


def _structs(cells: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    parts = []
    for i, (field, child) in enumerate(zip(cells.type, cells.flatten(), strict=True)):
        parts += [pa.scalar(("," if i else "{") + encode_basestring(field.name) + ":", pa.string()), json_cells(child)]
    if not parts:
        whole = pa.array(["{}"] * len(cells), pa.string())
    else:
        whole = pc.binary_join_element_wise(*parts, pa.scalar("}", pa.string()), pa.scalar("", pa.string()))
    return pc.if_else(cells.is_valid(), whole, pa.scalar(None, pa.string()))


def _lists(cells: pa.Array) -> pa.Array:
    import pyarrow as pa

    plain = cells.cast(pa.large_list(cells.type.value_type))
    bounds, values = _bounded(plain)
    known = plain.is_valid().to_pylist()
    texts = [
        f"[{','.join(values[a:b])}]" if there else None for a, b, there in zip(bounds, bounds[1:], known, strict=False)
    ]
    return pa.array(texts, pa.string())


def _bounded(plain: pa.Array) -> tuple[list[int], list[str]]:
    """Where each list begins and ends, and the elements' JSON; the elements outside of a slice are left alone."""
    offsets = plain.offsets.to_pylist()
    first, last = offsets[0], offsets[-1]
    values = json_cells(plain.values.slice(first, last - first)).to_pylist()
    return [at - first for at in offsets], values


def _maps(cells: pa.Array) -> pa.Array:
    import pyarrow as pa

    offsets = cells.offsets.to_pylist()
    first, last = offsets[0], offsets[-1]
    keys = as_text(cells.keys.slice(first, last - first)).to_pylist()
    values = json_cells(cells.items.slice(first, last - first)).to_pylist()
    texts: list[str | None] = []
    for a, b, there in zip(offsets, offsets[1:], cells.is_valid().to_pylist(), strict=False):
        pairs = [(encode_basestring(keys[i - first]), values[i - first]) for i in range(a, b)]
        if len(dict(pairs)) == len(pairs):
            text = "{" + ",".join(f"{k}:{v}" for k, v in pairs) + "}"
        else:  # an object cannot hold a name twice
            text = "[" + ",".join(f'{{"key":{k},"value":{v}}}' for k, v in pairs) + "]"
        texts.append(text if there else None)
    return pa.array(texts, pa.string())


def _nested(text: str | None) -> str | None:
    """A cell of JSON, compact; what is not JSON is text."""
    from json import JSONDecodeError

    from entrepot.formats.flatten import DECODER, NotFlatError, written

    if text is None:
        return None
    try:
        return written(DECODER.decode(text))
    except (JSONDecodeError, NotFlatError, RecursionError):
        return encode_basestring(text)


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
        finite = pc.is_finite(_wide(cells))
        if not pc.all(finite, min_count=0).as_py():
            return f"Column {name!r}: NaN and infinity are text, since JSON has no numbers for them."
    if types.is_int64(kind) or types.is_uint64(kind):
        ends = pc.min_max(cells).as_py()
        if ends["min"] is not None and (ends["min"] < -_EXACT or ends["max"] > _EXACT):
            return f"Column {name!r}: whole numbers beyond 2^53 are written exactly; readers that make floats round."
    return None
