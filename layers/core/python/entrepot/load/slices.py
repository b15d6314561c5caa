"""Slices: the part of a table that a job is about, as SQL with constants of the right types."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation

from entrepot.errors import TargetError
from entrepot.load.names import quote_ident, quote_literal
from entrepot.load.types import COMPARABLE, TEXT_TYPES, decimal_digits, parse_pg_type
from entrepot.model.contract import SLICED, FieldSpec, Mode, Range, SliceTest
from entrepot.model.steps import LoadSpec, TargetColumn

BIGINT = 2**63
_BOOLEANS = {"true": "true", "t": "true", "yes": "true", "1": "true", "false": "false", "f": "false"} | {
    "no": "false",
    "0": "false",
}


def condition(spec: LoadSpec, alias: str) -> str:
    """Whether a row of the target lies in the job's slice; ``true`` when the whole table does.

    Args:
        spec: The job's spec. Its slice and the contract's must both hold.
        alias: The table's alias.

    Raises:
        TargetError: A value cannot be one of its field; the field is named, never the value.
    """
    tests = _tests(spec)
    return " AND ".join(_test(spec, name, test, alias) for name, test in tests) if tests else "true"


def staged_condition(spec: LoadSpec, alias: str) -> str:
    """Whether a staged row lies in the slice, by the columns that the source brings."""
    mapped = {c.field for c in spec.columns}
    tests = [(name, test) for name, test in _tests(spec) if name in mapped]
    return " AND ".join(_test(spec, name, test, alias) for name, test in tests) if tests else "true"


def check_slice(spec: LoadSpec) -> None:
    """Refuses a slice that the job cannot keep.

    Raises:
        TargetError: The mode has no slices, a field is unknown or not mapped, or a value is not of its type.
    """
    asked = [*spec.slice, *spec.contract.slice]
    if asked and spec.mode not in SLICED:
        msg = f"Mode {spec.mode.value} knows no slices."
        raise TargetError(msg, hint="Use another mode, or leave the slice out.", mode=spec.mode.value)
    known = {f.name for f in spec.contract.fields}
    mapped = {c.field for c in spec.columns}
    for name in asked:
        if name not in known:
            msg = f"The slice names field {name!r}, which the contract does not have."
            raise TargetError(msg, hint="Name a field of the contract.", field=name)
        if name not in mapped and spec.mode is not Mode.DELETE_MISSING:
            msg = f"The slice names field {name!r}, which the source does not bring: its rows cannot be told apart."
            raise TargetError(msg, hint="Deliver the column, or leave it out of the slice.", field=name)
    condition(spec, "t")


def _tests(spec: LoadSpec) -> list[tuple[str, SliceTest]]:
    if spec.mode not in SLICED:
        return []
    own = [(name, test) for name, test in spec.slice.items() if spec.contract.slice.get(name) != test]
    # In one order, so that the same slice gives the same text: publishes are compared by it.
    return sorted([*spec.contract.slice.items(), *own], key=lambda pair: pair[0])


def _test(spec: LoadSpec, name: str, test: SliceTest, alias: str) -> str:
    field = spec.contract.field(name)
    column = next((c for c in spec.columns if c.field == name), None) or TargetColumn(
        name=name, pg_type="text" if field.type == "string" else "", field=name
    )
    value = f"{alias}.{quote_ident(column.name)}"
    base = parse_pg_type(column.pg_type).base
    as_text = base in TEXT_TYPES or (bool(base) and base not in COMPARABLE)
    if as_text and base not in TEXT_TYPES:
        value = f"({value})::text"
    if test.range is not None:
        if as_text and field.type != "string":
            msg = f"A range of field {name!r} cannot be told in column {column.name!r}, which is {column.pg_type}."
            raise TargetError(msg, hint="List the values instead.", field=name, pg_type=column.pg_type)
        return _range(field, value, test.range, as_text=as_text)
    values = test.values or []
    given = sorted({_constant(field, v, as_text=as_text) for v in values if v is not None})
    parts = [f"{value} IN ({', '.join(given)})"] if given else []
    parts += [f"{value} IS NULL"] if None in values else []
    return f"({' OR '.join(parts)})"


def _range(field: FieldSpec, value: str, bounds: Range, *, as_text: bool) -> str:
    parts = [f"{value} IS NOT NULL"]
    if bounds.min is not None:
        parts.append(f"{value} {'>' if bounds.min_open else '>='} {_constant(field, bounds.min, as_text=as_text)}")
    if bounds.max is not None:
        parts.append(f"{value} {'<' if bounds.max_open else '<='} {_constant(field, bounds.max, as_text=as_text)}")
    return f"({' AND '.join(parts)})"


def _constant(field: FieldSpec, text: str, *, as_text: bool) -> str:
    """A value of the field as a typed constant."""
    if "\x00" in text:
        raise _unfit(field)
    word = field.type.split("(")[0]
    if word == "string" or as_text:
        return f"{quote_literal(text)}::text"
    read = _READERS.get(word)
    if read is None:
        msg = f"A slice cannot be told by field {field.name!r}, which is {field.type}."
        raise TargetError(msg, hint="Choose another field for the slice.", field=field.name, type=field.type)
    try:
        return read(text.strip())
    except (ValueError, InvalidOperation, OverflowError):
        raise _unfit(field) from None


def _unfit(field: FieldSpec) -> TargetError:
    msg = f"A value of the slice cannot be one of field {field.name!r}, which is {field.type}."
    return TargetError(msg, hint="Write the values as the field's type.", field=field.name, type=field.type)


def _integer(text: str) -> str:
    number = int(text)
    if not -BIGINT <= number < BIGINT:
        raise OverflowError
    return f"{quote_literal(str(number))}::bigint"


def _decimal(text: str) -> str:
    number = Decimal(text)
    if not number.is_finite() or decimal_digits(number) > 1000:
        raise ValueError
    return f"{quote_literal(f'{number:f}')}::numeric"


def _float(text: str) -> str:
    return f"{quote_literal(repr(float(text)))}::double precision"


def _boolean(text: str) -> str:
    if text.lower() not in _BOOLEANS:
        raise ValueError
    return f"{quote_literal(_BOOLEANS[text.lower()])}::boolean"


def _date(text: str) -> str:
    return f"{quote_literal(date.fromisoformat(text).isoformat())}::date"


def _datetime(text: str) -> str:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        # Against a column with a zone it is read in the session's, which is UTC.
        return f"{quote_literal(moment.isoformat(' '))}::timestamp without time zone"
    return f"{quote_literal(moment.astimezone(UTC).isoformat(' '))}::timestamp with time zone"


def _time(text: str) -> str:
    return f"{quote_literal(time.fromisoformat(text).isoformat())}::time without time zone"


def _uuid(text: str) -> str:
    return f"{quote_literal(str(uuid.UUID(text)))}::uuid"


_READERS: dict[str, Callable[[str], str]] = {
    "integer": _integer,
    "decimal": _decimal,
    "float": _float,
    "boolean": _boolean,
    "date": _date,
    "datetime": _datetime,
    "time": _time,
    "uuid": _uuid,
}
