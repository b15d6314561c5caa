"""Declared column types as the words of a contract."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

DECLARED = b"sql_type"
"""In a field's metadata: its type as it was declared."""
WORD = b"type"
"""In a field's metadata: the contract's word for that type; not there when none fits."""

_TEXTS = (
    r"(n?var)?char(acter)?( varying)?|n?char|n?varchar\d?|(tiny|medium|long|n)?text|n?clob|bpchar|citext|name|string"
    r"|character( large object)?|enum|set|xml|sysname|national character.*"
)
_WORDS = (
    (r"(tiny|small|medium|big)?int\d?|integer|(big|small)?serial\d?|int\d|year|oid", "integer"),
    (r"float\d?|double( precision)?|real|binary_double|binary_float", "float"),
    (r"bool(ean)?", "boolean"),
    (r"date", "date"),
    (r"time( without time zone)?", "time"),
    (r"timestamp.*|datetime.*|smalldatetime", "datetime"),
    (r"uuid|uniqueidentifier", "uuid"),
    (r"jsonb?", "json"),
    (_TEXTS, "string"),
)
_SIZE = 5
"""Digits of the largest precision that a type states anywhere."""
_SHAPE = re.compile(r"(?P<word>[a-z_][\w. ]*)(?:\((?P<size>[^)]*)\)(?P<after>[a-z ]*))?(?P<array>\[.*\])?")


def type_word(declared: str) -> str:
    """The contract's type word for a declared SQL type; empty when none fits.

    Args:
        declared: In lower case, such as ``numeric(10,2)``.
    """
    match = _SHAPE.fullmatch(declared.strip().lower())
    if match is None or match["array"]:
        return ""
    word = match["word"].removeprefix("pg_catalog.").replace(" unsigned", "").replace(" zerofill", "").strip()
    if word == "bit" and (match["size"] or "1") == "1":
        return "boolean"
    if word in {"numeric", "decimal", "dec", "number", "money", "smallmoney"}:
        return _decimal(match["size"] or "")
    return next((found for pattern, found in _WORDS if re.fullmatch(pattern, word)), "")


def _decimal(size: str) -> str:
    parts = [part.strip() for part in size.split(",")]
    if not all(part.isdecimal() and len(part) <= _SIZE for part in parts):
        return "decimal"
    return f"decimal({int(parts[0])},{int(parts[1]) if len(parts) > 1 else 0})"


def declared_field(name: str, declared: str) -> pa.Field:
    """A column of texts that remembers what it was declared as.

    Args:
        name: The column's.
        declared: Its SQL type; empty when it has none.
    """
    import pyarrow as pa

    metadata: dict[bytes, bytes] = {}
    if declared:
        metadata[DECLARED] = declared.encode()
        word = type_word(declared)
        if word:
            metadata[WORD] = word.encode()
    return pa.field(name, pa.string(), metadata=metadata or None)
