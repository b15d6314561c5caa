"""Nested Arrow cells as JSON texts, by whole columns: a list of a million numbers is no million Python objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

_SHORT = {"\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}


def json_texts(cells: pa.Array) -> pa.Array:
    """Every cell as JSON; null where the cell is null.

    Numbers keep all their digits; NaN and infinity, dates, times and binary are JSON strings of their texts. A map
    is an object by its keys' texts; one that has a key twice is an array of objects ``{"key": …, "value": …}``.

    Args:
        cells: Of any type.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    from entrepot.formats.texts import as_text, union_values, without_runs

    kind, is_ = cells.type, pa.types
    if is_.is_map(kind):
        return _maps(cells)
    if is_.is_struct(kind):
        return _structs(cells)
    if is_.is_union(kind):
        return union_values(cells, json_texts)
    if is_.is_dictionary(kind):
        return json_texts(pc.take(cells.dictionary, cells.indices))
    if is_.is_run_end_encoded(kind):
        return json_texts(without_runs(cells))
    if is_.is_nested(kind):
        return _lists(cells)
    if isinstance(kind, pa.BaseExtensionType):
        return _extension(cells)
    texts = as_text(cells)
    if is_.is_integer(kind) or is_.is_boolean(kind) or is_.is_decimal(kind) or is_.is_null(kind):
        return texts
    if is_.is_floating(kind):
        finite = pc.is_finite(cells if not is_.is_float16(kind) else pc.cast(cells, pa.float32()))
        return texts if pc.all(finite).as_py() is not False else pc.if_else(finite, texts, quoted(texts))
    return quoted(texts)


def quoted(texts: pa.Array) -> pa.Array:
    """Texts as JSON strings."""
    import pyarrow.compute as pc

    for raw, escaped in (("\\", "\\\\"), ('"', '\\"')):
        if pc.any(pc.match_substring(texts, raw)).as_py():
            texts = pc.replace_substring(texts, raw, escaped)
    if pc.any(pc.match_substring_regex(texts, r"[\x00-\x1f]")).as_py():
        for code in range(32):
            texts = pc.replace_substring(texts, chr(code), _SHORT.get(chr(code), f"\\u{code:04x}"))
    return pc.binary_join_element_wise('"', texts, '"', "")


def _lists(cells: pa.Array) -> pa.Array:
    import pyarrow.compute as pc

    return _joined(cells, json_texts(pc.list_flatten(cells)), pc.list_value_length(cells), "[", "]")


def _joined(cells: pa.Array, parts: pa.Array, lengths: pa.Array, left: str, right: str) -> pa.Array:
    """The parts of each cell, with commas between them."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    counts = pc.fill_null(pc.cast(lengths, pa.int64()), 0).to_numpy()
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    lists = pa.ListArray.from_arrays(pa.array(offsets), pc.fill_null(parts, "null"))
    texts = pc.binary_join_element_wise(left, pc.binary_join(lists, ","), right, "")
    return pc.if_else(pc.is_valid(cells), texts, pa.scalar(None, pa.string()))


def _structs(cells: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    pieces: list[pa.Array | str] = []
    for i, part in enumerate(cells.flatten()):
        name = quoted(pa.array([cells.type.field(i).name])).to_pylist()[0]
        pieces += [f"{'{' if i == 0 else ','}{name}:", pc.fill_null(json_texts(part), "null")]
    empty = pa.array(["{}"] * len(cells), pa.string())
    texts = pc.binary_join_element_wise(*pieces, "}", "") if pieces else empty
    return pc.if_else(pc.is_valid(cells), texts, pa.scalar(None, pa.string()))


def _maps(cells: pa.Array) -> pa.Array:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    from entrepot.formats.texts import as_text

    lists = entries_of(cells)
    entries, lengths = pc.list_flatten(lists), pc.list_value_length(lists)
    keys, values = entries.flatten()
    key_texts = as_text(keys)
    names = quoted(pc.fill_null(key_texts, ""))
    parts = pc.binary_join_element_wise(names, pc.fill_null(json_texts(values), "null"), ":")
    objects = _joined(cells, parts, lengths, "{", "}")
    owner = np.repeat(np.arange(len(cells)), pc.fill_null(lengths, 0).to_numpy())
    pairs = pa.table({"owner": owner, "name": names})
    seen = pairs.group_by(["owner", "name"], use_threads=False).aggregate([([], "count_all")])
    twice = pc.unique(seen.filter(pc.greater(seen["count_all"], 1))["owner"])
    if not len(twice):
        return objects
    again = pc.is_in(pa.array(np.arange(len(cells))), value_set=twice)
    return pc.if_else(again, _lists(lists), objects)


def entries_of(cells: pa.MapArray) -> pa.ListArray:
    """A map's cells as lists of ``key`` and ``value``; Arrow's own cast goes wrong where values have no type."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    fields = [pa.field("key", cells.type.key_type), pa.field("value", cells.type.item_type)]
    entries = pa.StructArray.from_arrays([cells.keys, cells.items], fields=fields)
    return pa.ListArray.from_arrays(pa.array(np.asarray(cells.offsets)), entries, mask=pc.is_null(cells))


def _extension(cells: pa.Array) -> pa.Array:
    import pyarrow as pa

    from entrepot.formats.texts import as_text

    if cells.type.extension_name == "arrow.json":
        return pa.array([_checked(text) for text in as_text(cells).to_pylist()], pa.string())
    if cells.type.extension_name == "arrow.uuid":
        return quoted(as_text(cells))
    if cells.type.extension_name == "arrow.bool8":
        return as_text(cells)
    return json_texts(cells.storage)


def _checked(text: str | None) -> str | None:
    """A JSON text as it is, or as a JSON string when it is none after all."""
    import orjson

    if text is None:
        return None
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return orjson.dumps(text).decode()
    return text
