"""Arrow types as the column types of four databases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from entrepot.formats.writers.sql_dialects import (
    Column,
    Dialect,
    Literal,
    bare,
    binary,
    floats,
    quoted,
    value_type,
    words,
)

if TYPE_CHECKING:
    import pyarrow as pa

_PG = quoted()
_MY = quoted(backslashes=True, nul=True)
_LITE = quoted()
_MS = quoted("N", joins=True)


def _kind(kind: pa.DataType) -> str:
    """A word for what a type is."""
    import pyarrow as pa

    is_ = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        named = {"arrow.uuid": "uuid", "arrow.json": "json", "arrow.bool8": "boolean"}
        return named.get(kind.extension_name) or _kind(value_type(kind.storage_type))
    for test, word in (
        (is_.is_boolean, "boolean"),
        (is_.is_integer, str(kind)),
        (is_.is_floating, "float" if kind in {pa.float16(), pa.float32()} else "double"),
        (is_.is_decimal, "decimal"),
        (is_.is_date, "date"),
        (is_.is_time, "time"),
        (is_.is_timestamp, "instant" if is_.is_timestamp(kind) and kind.tz else "datetime"),
        (is_.is_duration, "interval"),
        (is_.is_interval, "interval"),
        (is_.is_binary, "binary"),
        (is_.is_large_binary, "binary"),
        (is_.is_binary_view, "binary"),
        (is_.is_fixed_size_binary, "binary"),
        (is_.is_union, "text"),
        (is_.is_nested, "nested"),
    ):
        if test(kind):
            return word
    return "text"


def _digits(kind: pa.DataType) -> tuple[int, int]:
    """Precision and scale with no negative scale."""
    return (kind.precision - kind.scale, 0) if kind.scale < 0 else (max(kind.precision, kind.scale), kind.scale)


def _finer(kind: pa.DataType, title: str, digits: int) -> str:
    unit = getattr(kind, "unit", "")
    if unit == "ns" and digits < 9:
        return f"{title} keeps {'microseconds' if digits == 6 else 'tenths of microseconds'} of what is in nanoseconds."
    return ""


def _postgresql(kind: pa.DataType) -> Column:
    kind = value_type(kind)
    word = _kind(kind)
    integers = {
        "int8": "smallint", "uint8": "smallint", "int16": "smallint", "uint16": "integer", "int32": "integer",
        "uint32": "bigint", "int64": "bigint", "uint64": "numeric(20,0)",
    }  # fmt: skip
    if word in integers:
        return Column(integers[word], bare)
    if word == "decimal":
        precision, scale = _digits(kind)
        return Column(f"numeric({precision},{scale})", bare)
    simple: dict[str, tuple[str, Literal]] = {
        "boolean": ("boolean", words("TRUE", "FALSE")),
        "float": ("real", floats(lambda w: f"'{w}'")),
        "double": ("double precision", floats(lambda w: f"'{w}'")),
        "binary": ("bytea", binary("'\\x", "'")),
        "nested": ("json", _PG),
    }
    if word in simple:
        note = "Nested values are written as JSON." if word == "nested" else ""
        return Column(*simple[word], note)
    quoted_types = {"datetime": "timestamp", "instant": "timestamp with time zone"}
    return Column(quoted_types.get(word, word), _PG, _finer(kind, "PostgreSQL", 6))


def _mysql(kind: pa.DataType) -> Column:
    kind = value_type(kind)
    word = _kind(kind)
    integers = {"8": "tinyint", "16": "smallint", "32": "int", "64": "bigint"}
    if word.lstrip("uint") in integers and word.startswith(("int", "uint")) and word != "interval":
        return Column(integers[word.lstrip("uint")] + (" unsigned" if word[0] == "u" else ""), bare)
    if word == "decimal":
        precision, scale = _digits(kind)
        if precision > 65 or scale > 30:
            return Column("longtext", _MY, "Its decimals end at 65 digits and 30 decimals; written as text.")
        return Column(f"decimal({precision},{scale})", bare)
    simple: dict[str, Column] = {
        "boolean": Column("boolean", words("TRUE", "FALSE")),
        "float": Column("float", floats(lambda w: w if w == "-0" else None)),
        "double": Column("double", floats(lambda w: w if w == "-0" else None)),
        "binary": Column("longblob", binary("X'", "'")),
        "date": Column("date", _MY),
        "time": Column("time(6)", _MY, _finer(kind, "MySQL", 6)),
        "datetime": Column("datetime(6)", _MY, _finer(kind, "MySQL", 6)),
        "instant": Column("datetime(6)", _utc, "Instants are written in UTC, without their zone."),
        "uuid": Column("char(36)", _MY),
        "json": Column("json", _MY),
        "nested": Column("json", _MY, "Nested values are written as JSON."),
        "interval": Column("longtext", _MY, "MySQL has no durations; written as text."),
    }
    return simple.get(word, Column("longtext", _MY))


def _utc(cells: pa.Array, notes: list[str]) -> pa.Array:
    import pyarrow as pa

    from entrepot.formats.texts import without_runs

    if pa.types.is_run_end_encoded(cells.type):
        cells = without_runs(cells)
    if pa.types.is_dictionary(cells.type):
        cells = cells.dictionary_decode()
    local = cells.cast(pa.timestamp(cells.type.unit, "UTC")).cast(pa.int64()).cast(pa.timestamp(cells.type.unit))
    return _MY(local, notes)


def _sqlite(kind: pa.DataType) -> Column:
    kind = value_type(kind)
    word = _kind(kind)
    if word == "uint64":
        return Column("TEXT", _LITE, "SQLite has no unsigned numbers of 64 bits; written as text.")
    if word.startswith(("int", "uint")) and word != "interval":
        return Column("INTEGER", bare)
    special = {"NaN": None, "Infinity": "9e999", "-Infinity": "-9e999", "-0": "-0.0"}
    simple: dict[str, Column] = {
        "boolean": Column("BOOLEAN", words("TRUE", "FALSE")),
        "float": Column("REAL", floats(special.get)),
        "double": Column("REAL", floats(special.get)),
        "binary": Column("BLOB", binary("X'", "'")),
        "decimal": Column("TEXT", _LITE, "SQLite has no decimals; written as text."),
        "nested": Column("TEXT", _LITE, "Nested values are written as JSON."),
        "date": Column("TEXT", _LITE, "SQLite has no dates and times; written as text."),
        "time": Column("TEXT", _LITE, "SQLite has no dates and times; written as text."),
        "datetime": Column("TEXT", _LITE, "SQLite has no dates and times; written as text."),
        "instant": Column("TEXT", _LITE, "SQLite has no dates and times; written as text."),
        "interval": Column("TEXT", _LITE, "SQLite has no durations; written as text."),
    }
    return simple.get(word, Column("TEXT", _LITE))


def _sqlserver(kind: pa.DataType) -> Column:
    kind = value_type(kind)
    word = _kind(kind)
    integers = {
        "int8": "smallint", "uint8": "tinyint", "int16": "smallint", "uint16": "int", "int32": "int",
        "uint32": "bigint", "int64": "bigint", "uint64": "decimal(20,0)",
    }  # fmt: skip
    if word in integers:
        return Column(integers[word], bare)
    if word == "decimal":
        precision, scale = _digits(kind)
        if precision > 38:
            return Column("nvarchar(max)", _MS, "Its decimals end at 38 digits; written as text.")
        return Column(f"decimal({precision},{scale})", bare)
    simple: dict[str, Column] = {
        "boolean": Column("bit", words("1", "0")),
        "float": Column("real", floats(lambda w: w if w == "-0" else None)),
        "double": Column("float", floats(lambda w: w if w == "-0" else None)),
        "binary": Column("varbinary(max)", binary("0x", "")),
        "date": Column("date", _MS),
        "time": Column("time(7)", _MS, _finer(kind, "SQL Server", 7)),
        "datetime": Column("datetime2(7)", _MS, _finer(kind, "SQL Server", 7)),
        "instant": Column("datetimeoffset(7)", _MS, _finer(kind, "SQL Server", 7)),
        "uuid": Column("uniqueidentifier", _MS),
        "nested": Column("nvarchar(max)", _MS, "Nested values are written as JSON."),
        "interval": Column("nvarchar(max)", _MS, "SQL Server has no durations; written as text."),
    }
    return simple.get(word, Column("nvarchar(max)", _MS))


DIALECTS = {
    "postgresql": Dialect(
        "postgresql",
        "PostgreSQL",
        '""',
        63,
        ("SET client_encoding = 'UTF8';", "SET standard_conforming_strings = on;"),
        "BEGIN;",
        _postgresql,
        folds=False,
    ),
    "mysql": Dialect(
        "mysql",
        "MySQL",
        "``",
        64,
        ("SET NAMES utf8mb4;", "SET SESSION sql_mode = 'STRICT_ALL_TABLES';"),
        "START TRANSACTION;",
        _mysql,
        each=True,
    ),
    "sqlite": Dialect("sqlite", "SQLite", '""', 1 << 20, (), "BEGIN TRANSACTION;", _sqlite),
    "sqlserver": Dialect(
        "sqlserver", "SQL Server", "[]", 128, ("SET XACT_ABORT ON;",), "BEGIN TRANSACTION;", _sqlserver
    ),
}
"""The databases for which scripts are written."""
