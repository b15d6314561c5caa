"""Does the target table fit the contract, and which column takes which field?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from entrepot.errors import TargetError
from entrepot.load.names import RESERVED_COLUMNS, column_list, column_names, fit_name, qualified
from entrepot.load.tighten import tightened
from entrepot.load.types import default_type, parse_pg_type
from entrepot.model.contract import Blank, Contract, FieldSpec, Mode
from entrepot.model.job import MappedColumn
from entrepot.model.steps import TargetColumn
from entrepot.ports.target import ColumnShape, TableShape

SUPPORTED = frozenset({Mode.APPEND, Mode.UPSERT, Mode.INSERT_ONLY, Mode.UPDATE_ONLY})
KEYED = frozenset({Mode.UPSERT, Mode.INSERT_ONLY, Mode.UPDATE_ONLY})
"""Modes that look a row up by its key."""

MAX_MAPPED = 1598
"""PostgreSQL's 1,600 columns, less the two that staging adds."""

_KINDS = {"v": "a view", "m": "a materialized view", "f": "a foreign table", "S": "a sequence", "i": "an index"}


@dataclass(frozen=True, slots=True)
class Fitted:
    """How a job's rows fit the target.

    Attributes:
        columns: The mapped columns, in the mapping's order.
        contract: The contract with the target's limits folded in.
        key: The key's target columns.
        create_target: Whether there is no table yet, so that publish makes it.
    """

    columns: list[TargetColumn]
    contract: Contract
    key: list[str]
    create_target: bool


def has_zone(field: FieldSpec) -> bool:
    """Whether a datetime field's formats read an offset or state a zone, so that its column keeps instants."""
    return field.type == "datetime" and any("%z" in f or f.startswith("tz:") for f in field.formats)


def fit(contract: Contract, mode: Mode, mapping: list[MappedColumn], shape: TableShape | None) -> Fitted:
    """Decides which column takes which field, and folds the target's limits into the contract.

    Args:
        contract: The pinned contract.
        mode: How rows change the target.
        mapping: Source column → field; its order is the order of the columns.
        shape: The table as the catalogue has it, or None when there is none.

    Raises:
        TargetError: The table does not fit: the column and both types are named, with what to do.
    """
    if mode not in SUPPORTED:
        msg = f"Mode {mode.value} is not supported by this version of Entrepot."
        raise TargetError(msg, hint=f"Use one of {', '.join(sorted(m.value for m in SUPPORTED))}.", mode=mode.value)
    fields = [m.field for m in mapping]
    if len(fields) > MAX_MAPPED:
        msg = f"{len(fields)} fields are mapped, and PostgreSQL can stage {MAX_MAPPED} columns."
        raise TargetError(msg, hint="Map fewer columns.", fields=len(fields))
    missing_key = [k for k in contract.key if k not in fields]
    if missing_key:
        msg = f"The key field {missing_key[0]!r} is not mapped to any column of the source."
        raise TargetError(msg, hint="Map it, or change the contract's key.", field=missing_key[0])
    if shape is None:
        return _new(contract, fields, mode)
    _check_kind(shape)
    names = _existing(shape, fields)
    columns = {c.name: c for c in shape.columns}
    specs = {f.name: f for f in contract.fields}
    changed = {f: _fitted(specs[f], columns[names[f]], shape) for f in fields}
    if mode is not Mode.UPDATE_ONLY:
        _check_unmapped(shape, set(names.values()))
    key = [names[k] for k in contract.key]
    if mode in KEYED:
        _check_key(shape, key)
    new = contract.model_copy(update={"fields": [changed.get(f.name, f) for f in contract.fields]})
    return Fitted(
        [TargetColumn(name=names[f], pg_type=columns[names[f]].pg_type, field=f) for f in fields], new, key, False
    )


def _new(contract: Contract, fields: list[str], mode: Mode) -> Fitted:
    if mode is Mode.UPDATE_ONLY:
        schema, table = contract.table_parts()
        msg = f"There is no table {schema}.{table}, and mode update-only makes none."
        raise TargetError(msg, hint="Create the table, or choose another mode.", schema=schema, table=table)
    names = column_names(f.name for f in contract.fields)
    specs = {f.name: f for f in contract.fields}
    columns = [
        TargetColumn(name=names[f], pg_type=default_type(specs[f].type, zoned=has_zone(specs[f])), field=f)
        for f in fields
    ]
    return Fitted(columns, contract, [names[k] for k in contract.key], True)


def _check_kind(shape: TableShape) -> None:
    if shape.kind not in {"r", "p"}:
        msg = f"{shape.schema}.{shape.table} is {_KINDS.get(shape.kind, 'no table')}: rows cannot be published into it."
        raise TargetError(msg, hint="Name a table as the contract's target.", relkind=shape.kind)


def _existing(shape: TableShape, fields: Sequence[str]) -> dict[str, str]:
    """Field → column: the same name, else the only one that differs in case alone."""
    exact = {c.name for c in shape.columns}
    folded: dict[str, list[str]] = {}
    for column in shape.columns:
        folded.setdefault(column.name.casefold(), []).append(column.name)
    names: dict[str, str] = {}
    missing = []
    for field in fields:
        wanted = fit_name(field)
        like = folded.get(wanted.casefold(), [])
        if wanted in RESERVED_COLUMNS:
            missing.append(field)
        elif wanted in exact:
            names[field] = wanted
        elif len(like) == 1:
            names[field] = like[0]
        else:
            missing.append(field)
    if missing:
        listed = ", ".join(repr(m) for m in missing[:20])
        msg = f"{shape.schema}.{shape.table} has no column for: {listed}."
        hint = "Add the columns to the table (Entrepot never alters one), or take the fields out of the contract."
        raise TargetError(msg, hint=hint, fields=missing[:100])
    _check_apart(names, shape)
    return names


def _check_apart(names: Mapping[str, str], shape: TableShape) -> None:
    owner: dict[str, str] = {}
    for field, name in names.items():
        if name in owner:
            msg = f"Fields {owner[name]!r} and {field!r} are both column {name!r} of {shape.schema}.{shape.table}."
            raise TargetError(msg, hint="Rename one of them in the contract.", fields=[owner[name], field], column=name)
        owner[name] = field


def _fitted(field: FieldSpec, column: ColumnShape, shape: TableShape) -> FieldSpec:
    if column.generated:
        msg = f"Column {column.name!r} of {shape.schema}.{shape.table} is generated: it cannot be written."
        raise TargetError(msg, hint="Take the field out of the contract.", column=column.name, field=field.name)
    new = tightened(field, parse_pg_type(column.pg_type))
    if new is None:
        msg = (
            f"Field {field.name!r} is {field.type}, and column {column.name!r} of "
            f"{shape.schema}.{shape.table} is {column.pg_type}: the values do not fit."
        )
        hint = "Change the field's type in the contract, or the column's in the table."
        raise TargetError(msg, hint=hint, field=field.name, type=field.type, column=column.name, pg_type=column.pg_type)
    labels = getattr(column, "labels", ())
    if labels:
        allowed = [v for v in labels if new.enum is None or v in new.enum]
        new = new.model_copy(update={"enum": allowed or list(labels)})
    if not column.nullable and not column.has_default and not _always_filled(new):
        new = new.model_copy(update={"required": True})
    return new


def _always_filled(field: FieldSpec) -> bool:
    return field.blank is Blank.DEFAULT and field.default is not None


def _check_unmapped(shape: TableShape, mapped: set[str]) -> None:
    open_ = [c.name for c in shape.columns if c.name not in mapped and not (c.nullable or c.has_default or c.generated)]
    if open_:
        listed = ", ".join(repr(c) for c in open_[:20])
        msg = f"{shape.schema}.{shape.table} needs values that the source does not bring: {listed}."
        hint = "Give these columns a default or drop their NOT NULL, or map them."
        raise TargetError(msg, hint=hint, columns=open_[:100])


def _check_key(shape: TableShape, key: Sequence[str]) -> None:
    wanted = set(key)
    if any(unique and set(unique) <= wanted for unique in [shape.primary_key, *shape.unique_keys]):
        return
    table = qualified(shape.schema, shape.table)
    msg = (
        f"{shape.schema}.{shape.table} does not enforce the contract's key ({', '.join(key)}): a row could match many."
    )
    hint = f"Create it first: CREATE UNIQUE INDEX ON {table} ({column_list(key)})"
    raise TargetError(msg, hint=hint, key=list(key))
