"""Rows of an SQLite table as Arrow batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from entrepot.formats.readers.sql_types import DECLARED, WORD, type_word
from entrepot.formats.readers.sqlite_connection import NoText
from entrepot.formats.reading import Batch
from entrepot.formats.refusals import structural
from entrepot.model.findings import QuarantinedRow

if TYPE_CHECKING:
    import pyarrow as pa


def metadata(declared: str) -> dict[bytes, bytes] | None:
    """What a column's field remembers of its declaration."""
    word = type_word(declared.lower())
    found = {DECLARED: declared.lower().encode(), WORD: word.encode()}
    return {key: value for key, value in found.items() if value} or None


def column_type(counts: list[int], declared: str) -> tuple[pa.DataType, str]:
    """A column's type by all of its values, the declaration being no more than a wish in SQLite.

    Args:
        counts: How many are whole numbers, floats, texts, bytes, and how many are 0 or 1.
        declared: Its declared type.

    Returns:
        The type, and a doubt when the values are of several.
    """
    import pyarrow as pa

    integers, _, texts, blobs, bits = counts
    present = [count for count in counts[:4] if count]
    if not present:
        return _declared(declared), ""
    if blobs and len(present) == 1:
        return pa.binary(), ""
    if integers and len(present) == 1:
        is_bool = type_word(declared.lower()) == "boolean" and bits == integers
        return (pa.bool_() if is_bool else pa.int64()), ""
    if not texts and not blobs:
        return (pa.float64(), "") if not integers else (pa.string(), "holds whole numbers and others; kept as text.")
    if len(present) == 1:
        return pa.string(), ""
    words = ("whole numbers", "numbers", "texts", "bytes")
    what = ", ".join(f"{count:,} {word}" for word, count in zip(words, counts, strict=False) if count)
    return pa.string(), f"holds {what}; all are kept as text."


def _declared(declared: str) -> pa.DataType:
    import pyarrow as pa

    known = {"integer": pa.int64(), "float": pa.float64(), "boolean": pa.bool_()}
    return pa.binary() if "blob" in declared.lower() else known.get(type_word(declared.lower()), pa.string())


def batch(rows: list[tuple[Any, ...]], first: int, schema: pa.Schema) -> Batch:
    """Rows as a batch; those with a text that is none are refused.

    Args:
        rows: As SQLite gives them.
        first: Number of the first.
        schema: The table's.
    """
    import pyarrow as pa

    refused = [
        QuarantinedRow(row=first + i, raw=_raw(row), findings=[structural("encoding", encoding="UTF-8")])
        for i, row in enumerate(rows)
        if any(isinstance(cell, NoText) for cell in row)
    ]
    bad = {one.row for one in refused}
    numbers = [first + i for i in range(len(rows)) if first + i not in bad]
    good = [rows[n - first] for n in numbers]
    columns = list(zip(*good, strict=True)) or [()] * len(schema)
    arrays = [_array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    data = pa.RecordBatch.from_arrays(arrays, schema=schema)
    return Batch(data, numbers[0] if numbers else first, numbers if refused else None, refused)


def _array(cells: tuple[Any, ...], kind: pa.DataType) -> pa.Array:
    import pyarrow as pa

    if pa.types.is_string(kind):
        return pa.array([_as_text(cell) for cell in cells], kind)
    if pa.types.is_boolean(kind):
        return pa.array([None if cell is None else bool(cell) for cell in cells], kind)
    return pa.array(cells, kind)


def _as_text(cell: object) -> str | None:
    if cell is None or isinstance(cell, str):
        return cell
    if isinstance(cell, bytes):
        return "\\x" + cell.hex()
    if isinstance(cell, float):
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}.get(str(cell), repr(cell).removesuffix(".0"))
    return str(cell)


def _raw(row: tuple[Any, ...]) -> str:
    import orjson

    return orjson.dumps(
        [cell.decode("utf-8", "backslashreplace") if isinstance(cell, NoText) else _as_text(cell) for cell in row]
    ).decode()
