"""Which Arrow type may go into which PostgreSQL type, and how.

Binary COPY does not convert: a column whose Arrow and PostgreSQL types merely have the same width
would be stored as nonsense without a word. So binary is used only for pairs in `BINARY`, compared
with the catalogue before every COPY; other allowed pairs go as text, which PostgreSQL parses itself;
what is in neither table is refused.

Wire formats: PostgreSQL source, `src/backend/utils/adt/*.c`, the ``*recv`` functions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

from entrepot.errors import TargetError
from entrepot.model.contract import FieldSpec, decimal_parts

if TYPE_CHECKING:
    import pyarrow as pa

_PG_TYPE = re.compile(
    r"^(?P<base>[^()]+?)\s*(?:\(\s*(?P<a>-?\d+)\s*(?:,\s*(?P<b>-?\d+)\s*)?\))?(?P<zone> with(?:out)? time zone)?$",
)

_LONGEST_TYPE = 200
"""Characters of a type's text; PostgreSQL's own names have 63."""

_DEFAULTS = {
    "string": "text",
    "integer": "bigint",
    "decimal": "numeric",
    "float": "double precision",
    "boolean": "boolean",
    "date": "date",
    "datetime": "timestamp without time zone",
    "time": "time without time zone",
    "uuid": "uuid",
    "json": "jsonb",
}

TEXT_TYPES = frozenset({"text", "character varying", "character", "bpchar", "citext", "name"})
_NUMBERS = frozenset({"smallint", "integer", "bigint", "numeric", "real", "double precision", "money"})
_TIMES = frozenset({"timestamp without time zone", "timestamp with time zone"})

ROUNDING = _TIMES | {"time without time zone"}
"""Types that round to their precision, if they have one."""

COMPARABLE = frozenset(
    {
        *TEXT_TYPES,
        *(_NUMBERS - {"money"}),
        *_TIMES,
        "boolean",
        "date",
        "time without time zone",
        "time with time zone",
        "uuid",
        "jsonb",
        "bytea",
        "inet",
        "cidr",
        "interval",
        "oid",
    },
)
"""Types whose ``=`` means the same value; others are compared by their text."""


@dataclass(frozen=True, slots=True)
class PgType:
    """A type as ``format_type`` prints it, taken apart: ``numeric(12,2)`` is numeric, 12, 2."""

    base: str
    args: tuple[int, ...] = ()
    array: bool = False


def parse_pg_type(text: str) -> PgType:
    """Takes ``format_type``'s text apart.

    Args:
        text: E.g. ``timestamp(3) with time zone``, ``character varying(10)``, ``text[]``.
    """
    match = None if text.endswith("[]") or len(text) > _LONGEST_TYPE else _PG_TYPE.match(text)
    if match is None:
        return PgType(text, array=text.endswith("[]"))
    args = tuple(int(a) for a in (match["a"], match["b"]) if a is not None)
    return PgType(match["base"] + (match["zone"] or ""), args)


def decimal_digits(number: Decimal) -> int:
    """How many digits a finite number takes when it is written out without an exponent."""
    exponent = number.as_tuple().exponent
    return len(number.as_tuple().digits) + abs(exponent) if isinstance(exponent, int) else 0


def default_type(word: str, *, zoned: bool = False) -> str:
    """The column type that Entrepot gives a field in a table that it creates.

    Args:
        word: The contract's type word.
        zoned: Whether a datetime's values carry a zone.
    """
    parts = decimal_parts(word)
    if parts:
        return f"numeric({parts[0]},{parts[1]})"
    if word == "datetime" and zoned:
        return "timestamp with time zone"
    return _DEFAULTS[word]


def has_zone(field: FieldSpec) -> bool:
    """Whether a datetime field's formats read an offset or state a zone, so that its column keeps instants."""
    if field.type != "datetime":
        return False
    # Casts bring numpy along, which most who ask for types have no need of.
    from entrepot.validate.casts.times import has_zone as formats_have_zone

    return formats_have_zone(field.formats)


def column_type(field: FieldSpec) -> str:
    """The column type of a field in a table that Entrepot creates."""
    return default_type(field.type, zoned=has_zone(field))


class How(StrEnum):
    """How a column's values reach PostgreSQL."""

    SAME = "same"
    ROUNDED = "rounded"
    """Binary, and the server rounds to the column's precision: it does not come back as it was sent."""
    INT32 = "int32"
    INT16 = "int16"
    DECIMAL = "decimal"
    UUID = "uuid"
    JSONB = "jsonb"
    TEXT = "text"
    """Not binary: the whole COPY is text."""


BINARY: dict[tuple[str, str], How] = {
    ("int64", "bigint"): How.SAME,
    ("int64", "integer"): How.INT32,
    ("int64", "smallint"): How.INT16,
    ("int64", "numeric"): How.DECIMAL,
    ("decimal128", "numeric"): How.SAME,
    ("float64", "double precision"): How.SAME,
    ("bool", "boolean"): How.SAME,
    ("date32", "date"): How.SAME,
    ("timestamp", "timestamp without time zone"): How.SAME,
    ("timestamptz", "timestamp with time zone"): How.SAME,
    ("time64", "time without time zone"): How.SAME,
    ("string", "text"): How.SAME,
    ("string", "character varying"): How.SAME,
    ("string", "character"): How.SAME,
    ("string", "bpchar"): How.SAME,
    ("string", "uuid"): How.UUID,
    ("string", "json"): How.SAME,
    ("string", "jsonb"): How.JSONB,
}
"""(Arrow, PostgreSQL) → the exact binary form."""

TEXT: dict[str, frozenset[str]] = {
    "int64": _NUMBERS | TEXT_TYPES | {"oid"},
    "decimal128": _NUMBERS | TEXT_TYPES,
    "decimal256": _NUMBERS | TEXT_TYPES,
    "float64": frozenset({"real", "double precision", "numeric"}) | TEXT_TYPES,
    "bool": frozenset({"boolean"}) | TEXT_TYPES,
    "date32": frozenset({"date"}) | _TIMES | TEXT_TYPES,
    "timestamp": _TIMES | TEXT_TYPES,
    "timestamptz": _TIMES | TEXT_TYPES,
    "time64": frozenset({"time without time zone", "time with time zone", "interval"}) | TEXT_TYPES,
}
"""Pairs that go as text. A string may go anywhere: PostgreSQL parses it or refuses it."""


def arrow_kind(arrow: pa.DataType) -> str:
    """The row of the tables above that an Arrow type belongs to; its own name when to none."""
    import pyarrow.types as t

    if t.is_string(arrow) or t.is_large_string(arrow):
        return "string"
    if t.is_boolean(arrow):
        return "bool"
    if t.is_timestamp(arrow) and arrow.unit == "us":
        return "timestamptz" if arrow.tz == "UTC" else "timestamp" if arrow.tz is None else str(arrow)
    for name, test in (("decimal128", t.is_decimal128), ("decimal256", t.is_decimal256)):
        if test(arrow):
            return name
    plain = {"int64": "int64", "double": "float64", "date32[day]": "date32", "time64[us]": "time64"}
    return plain.get(str(arrow), str(arrow))


def choose(column: str, arrow: pa.DataType, pg_type: str) -> How:
    """How a column goes into staging.

    Args:
        column: Its name, for the message.
        arrow: Type of the values.
        pg_type: Type of the staging column, read from the catalogue.

    Raises:
        TargetError: The pair is not in the tables.
    """
    kind, pg = arrow_kind(arrow), parse_pg_type(pg_type)
    how = BINARY.get((kind, pg.base))
    if how is not None and not pg.array:
        return How.ROUNDED if pg.args and pg.base in ROUNDING else how
    if kind == "string" or pg.base in TEXT.get(kind, frozenset()):
        return How.TEXT
    msg = f"Column {column!r}: values of Arrow type {arrow} cannot go into {pg_type}."
    hint = "The table has changed since the job was mapped; start the job again."
    raise TargetError(msg, hint=hint, column=column, arrow_type=str(arrow), pg_type=pg_type)
