"""The full-database document: metadata, and for each table its schema and its rows (FMT8).

A document has ``tables``, an object whose members have ``schema`` and ``data``; or one ``table`` with its ``name``. The
schema's ``columns`` are names, or names with types. Where types are stated and every value has them, the columns are
typed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from entrepot.formats.flatten import NotFlatError, Pairs, Row, written
from entrepot.formats.readers.json_shape import Node

if TYPE_CHECKING:
    import pyarrow as pa

_WORDS = (
    (r"(?:tiny|small|medium|big)?int(?:eger)?[0-9]*|(?:small|big)?serial|long|whole number", "int64"),
    (r"float[0-9]*|double(?: precision)?|real", "double"),
    (r"bool(?:ean)?", "bool"),
    (r"date", "date32[day]"),
    (r"timestamptz|timestamp with time zone", "timestamp[us, tz=UTC]"),
    (r"datetime|timestamp(?: without time zone)?", "timestamp[us]"),
    (r"time(?: without time zone)?", "time64[us]"),
)
_decimal = re.compile(r"(?:decimal|numeric|number)\s*\(\s*([0-9]{1,2})\s*(?:,\s*([0-9]{1,2})\s*)?\)")
_arrow_decimal = re.compile(r"decimal(32|64|128|256)\(([0-9]{1,2}), (-?[0-9]{1,2})\)")
_arrow_timestamp = re.compile(r"timestamp\[(s|ms|us|ns)(?:, tz=([A-Za-z0-9_+:/-]{1,64}))?\]")
_hexadecimal = re.compile(r"\\x(?:[0-9A-Fa-f]{2})*+")
_arrow_fixed = re.compile(r"fixed_size_binary\[([0-9]{1,9})\]")


@dataclass(frozen=True, slots=True)
class BackupTable:
    """Where a table of the document is; the one of a document of one table says its name itself."""

    name: str | None
    data: Node
    schema: Node | None


def backup_tables(root: Node) -> list[BackupTable]:
    """The tables of a full-database document; none when it is another one."""
    tables = root.members.get("tables")
    if root.kind == "object" and tables is not None and tables.kind == "object" and tables.members:
        members = tables.members.items()
        found = [BackupTable(name, m.members["data"], m.members.get("schema")) for name, m in members if _is_table(m)]
        return found if len(found) == len(members) else []
    table = root.members.get("table")
    if root.kind == "object" and table is not None and _is_table(table):
        return [BackupTable(None, table.members["data"], table.members.get("schema"))]
    return []


def _is_table(node: Node) -> bool:
    return node.kind == "object" and "data" in node.members and node.members["data"].kind == "array"


def stated_columns(schema: Any) -> dict[str, pa.DataType | None]:
    """The columns that a schema states, each with its type where there is one that is known.

    Args:
        schema: As decoded; whatever it is.
    """
    stated = dict(schema) if type(schema) is tuple else {}
    columns = stated.get("columns")
    found: dict[str, pa.DataType | None] = {}
    if type(columns) is list:
        for column in columns:
            said = dict(column) if type(column) is tuple else {"name": column}
            if type(said.get("name")) is str:
                found[said["name"]] = _type(said.get("type"), stated=True)
    elif type(columns) is tuple:
        for name, said in columns:
            found[name] = _type(dict(said).get("type") if type(said) is tuple else said, stated=True)
    _add_types(found, stated.get("types"), stated=True)
    _add_types(found, stated.get("arrow"), stated=False)
    return found


def _add_types(found: dict[str, pa.DataType | None], types: Any, *, stated: bool) -> None:
    pairs: Any = ()
    if type(types) is tuple:
        pairs = types
    elif type(types) is list and len(types) == len(found):
        pairs = list(zip(found, types, strict=True))
    for name, word in pairs:
        if name in found and (kind := _type(word, stated=stated)) is not None:
            found[name] = kind


def _type(word: Any, *, stated: bool) -> pa.DataType | None:
    if type(word) is not str:
        return None
    return sql_type(word) if stated else arrow_type(word)


def sql_type(word: str) -> pa.DataType | None:
    """The type that holds what a word of SQL or of a contract names; None where that is not sure."""
    import pyarrow as pa

    word = word.strip().lower()
    if (match := _decimal.fullmatch(word)) and 0 < int(match[1]) <= 38 and int(match[2] or 0) <= int(match[1]):
        return pa.decimal128(int(match[1]), int(match[2] or 0))
    word = re.sub(r"\([0-9, ]*\)", "", word).strip()
    return next((arrow_type(name) for pattern, name in _WORDS if re.fullmatch(pattern, word)), None)


def arrow_type(word: str) -> pa.DataType | None:
    """Arrow's own type by the name that it prints, for types of single values."""
    import pyarrow as pa

    if match := _arrow_timestamp.fullmatch(word):
        return pa.timestamp(match[1], tz=match[2])
    if match := _arrow_decimal.fullmatch(word):
        try:
            return getattr(pa, f"decimal{match[1]}")(int(match[2]), int(match[3]))
        except ValueError:
            return None
    if match := _arrow_fixed.fullmatch(word):
        return pa.binary(int(match[1]))
    try:
        return pa.type_for_alias(word)
    except ValueError:
        return None


def exact_row(value: Any, names: list[str]) -> Row:
    """A record of a typed table: names are left as they are, and the empty text differs from null.

    Args:
        value: An object, or an array with a value for each column.
        names: The columns.

    Raises:
        NotFlatError: It is neither, or a name is there twice.
    """
    pairs: Pairs
    if type(value) is tuple:
        pairs = value
    elif type(value) is list and len(value) == len(names):
        pairs = tuple(zip(names, value, strict=True))
    else:
        raise NotFlatError("it is another kind of value")
    row = {name: item if type(item) is str or item is None else written(item) for name, item in pairs}
    if len(row) != len(pairs):
        raise NotFlatError("a name is there twice")
    return row


def typed(texts: pa.Array, kind: pa.DataType) -> pa.Array:
    """Texts as values of a type.

    Args:
        texts: As `exact_row` gives them.
        kind: The type.

    Raises:
        pyarrow.ArrowInvalid: One is no such value.
        pyarrow.ArrowNotImplementedError: There is no way from text to this type.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_floating(kind):
        words = {"Infinity": "inf", "-Infinity": "-inf", "NaN": "nan"}
        for word, arrow in words.items():
            texts = pc.if_else(pc.equal(texts, word), arrow, texts)
        return pc.cast(pc.cast(texts, pa.float32()), kind) if pa.types.is_float16(kind) else pc.cast(texts, kind)
    if pa.types.is_time(kind):  # there is no cast from text to times alone
        moments = pc.binary_join_element_wise("1970-01-01T", texts, "")
        return pc.cast(pc.cast(moments, pa.timestamp(kind.unit)), kind)
    if pa.types.is_date64(kind):
        return pc.cast(pc.cast(texts, pa.date32()), kind)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return pa.array([_bytes(text) for text in texts.to_pylist()], kind)
    return pc.cast(texts, kind)


def _bytes(text: str | None) -> bytes | None:
    import pyarrow as pa

    if text is None:
        return None
    if _hexadecimal.fullmatch(text) is None:
        raise pa.ArrowInvalid("A text is not hexadecimal.")
    return bytes.fromhex(text[2:])


def fits(texts: pa.Array, kind: pa.DataType) -> bool:
    """Whether all texts are values of a type."""
    import pyarrow as pa

    try:
        typed(texts, kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OverflowError):
        return False
    return True
