"""Does the target table fit the contract, and which column takes which field?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from entrepot.errors import TargetError
from entrepot.load.history import history_columns
from entrepot.load.names import RESERVED_COLUMNS, column_list, column_names, fit_name, qualified
from entrepot.load.tighten import tightened
from entrepot.load.types import COMPARABLE, column_type, parse_pg_type
from entrepot.model.contract import NEEDS_KEY, Blank, Contract, FieldSpec, Mode
from entrepot.model.job import MappedColumn
from entrepot.model.steps import TargetColumn
from entrepot.ports.target import ColumnShape, TableShape

KEYED = NEEDS_KEY - {Mode.HISTORY}
"""Modes in which a key finds one row of the target at most."""

KEEPING = frozenset({Mode.UPSERT, Mode.UPDATE_ONLY, Mode.REPLACE, Mode.HISTORY})
"""Modes in which a blank may stand for what a row has already."""

UPDATES = frozenset({Mode.UPDATE_ONLY, Mode.DELETE_MISSING})
"""Modes that make no rows."""

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
    fields = [m.field for m in mapping]
    if len(fields) > MAX_MAPPED:
        msg = f"{len(fields)} fields are mapped, and PostgreSQL can stage {MAX_MAPPED} columns."
        raise TargetError(msg, hint="Map fewer columns.", fields=len(fields))
    _check_roles(contract, mode, fields)
    if mode is Mode.FEED:
        contract, needed = _loosened(contract)
        columns, fitted = _fit(contract, mode, [f for f in fields if f != contract.feed.operation], shape)
        columns = [c.model_copy(update={"required": c.field in needed or _needed(fitted, c)}) for c in columns]
        fitted, _ = _loosened(fitted)
        operation = contract.field(contract.feed.operation)
        staged = TargetColumn(
            name=_free_name(operation.name, columns), pg_type=column_type(operation), field=operation.name, stored=False
        )
        by_field = {c.field: c for c in [*columns, staged]}
        columns = [by_field[f] for f in fields]
    else:
        columns, fitted = _fit(contract, mode, fields, shape)
        if mode is Mode.HISTORY:
            fitted = _dated(fitted)
    names = {c.field: c.name for c in columns}
    return Fitted(columns, fitted, [names[k] for k in contract.key], shape is None)


def _check_roles(contract: Contract, mode: Mode, fields: Sequence[str]) -> None:
    """Fields that the mode cannot do without must be mapped."""
    if mode in NEEDS_KEY and not contract.key:
        msg = f"Mode {mode.value} needs a key, and the contract has none."
        raise TargetError(msg, hint="State the key in the contract, or choose another mode.", mode=mode.value)
    roles = {f"key field {k!r}": k for k in contract.key}
    if mode is Mode.FEED:
        roles |= {f"operation field {contract.feed.operation!r} of the feed": contract.feed.operation}
        roles |= {f"order field {contract.order_by!r}": contract.order_by} if contract.order_by else {}
    if mode is Mode.HISTORY and contract.history.at:
        roles |= {f"field {contract.history.at!r}, which says since when a row holds,": contract.history.at}
        if contract.field(contract.history.at).type not in {"date", "datetime"}:
            msg = f"Field {contract.history.at!r} says since when a row holds, and is no date or time."
            raise TargetError(msg, hint="Make it a date or datetime in the contract.", field=contract.history.at)
    for role, name in roles.items():
        if name not in fields:
            msg = f"The {role} is not mapped to any column of the source."
            raise TargetError(msg, hint="Map it, or change the contract.", field=name)
    if mode is Mode.FEED and contract.field(contract.feed.operation).type != "string":
        msg = f"Field {contract.feed.operation!r} says the operation of a feed, and is no string."
        raise TargetError(msg, hint="Make it a string in the contract.", field=contract.feed.operation)


def _fit(
    contract: Contract, mode: Mode, fields: list[str], shape: TableShape | None
) -> tuple[list[TargetColumn], Contract]:
    if shape is None:
        return _new(contract, fields, mode), contract
    _check_kind(shape)
    names = _existing(shape, fields)
    columns = {c.name: c for c in shape.columns}
    specs = {f.name: f for f in contract.fields}
    kept = {f for f in fields if _may_keep(specs[f], contract, mode)}
    changed = {f: _fitted(specs[f], columns[names[f]], shape, kept=f in kept) for f in fields}
    own = [name for name, _, _ in history_columns(contract)] if mode is Mode.HISTORY else []
    _check_history(own, columns, shape)
    if mode not in UPDATES:
        _check_unmapped(shape, {*names.values(), *own})
    check_key(shape, mode, [names[k] for k in contract.key])
    _check_order(contract, names, columns)
    new = contract.model_copy(update={"fields": [changed.get(f.name, f) for f in contract.fields]})
    # A row that is new brings nothing to keep: check sees which ones are.
    needed = {f for f in kept if _must_be_filled(columns[names[f]]) and mode not in UPDATES}
    made = [TargetColumn(name=names[f], pg_type=columns[names[f]].pg_type, field=f) for f in fields]
    return [c.model_copy(update={"required": True}) if c.field in needed else c for c in made], new


def _may_keep(field: FieldSpec, contract: Contract, mode: Mode) -> bool:
    """Whether a blank may stand for what the row of its key has already."""
    return field.blank is Blank.KEEP and mode in KEEPING and bool(contract.key) and field.name not in contract.key


def _must_be_filled(column: ColumnShape) -> bool:
    return not column.nullable and not column.has_default


def _loosened(contract: Contract) -> tuple[Contract, set[str]]:
    """The contract for a feed, in which a row that deletes brings no more than its key.

    What must not be blank is seen by check, which knows the operations.
    """
    firm = {*contract.key, contract.feed.operation, contract.order_by}
    needed = {f.name for f in contract.fields if f.name not in firm and (f.required or f.blank is Blank.REFUSE)}
    fields = [
        f.model_copy(update={"required": False, "blank": Blank.CLEAR if f.blank is Blank.REFUSE else f.blank})
        if f.name in needed
        else f.model_copy(update={"required": f.required or f.name in firm})
        for f in contract.fields
    ]
    return contract.model_copy(update={"fields": fields}), needed


def _dated(contract: Contract) -> Contract:
    """The contract for a history: of every row it must be known since when it holds."""
    fields = [
        f.model_copy(update={"required": True}) if f.name == contract.history.at and not _always_filled(f) else f
        for f in contract.fields
    ]
    return contract.model_copy(update={"fields": fields})


def _needed(contract: Contract, column: TargetColumn) -> bool:
    return column.field not in contract.key and contract.field(column.field).required


def _free_name(field: str, columns: Sequence[TargetColumn]) -> str:
    """The field's name in staging, where the target's columns have theirs already."""
    taken = {c.name for c in columns} | RESERVED_COLUMNS
    name = fit_name(field)
    while name in taken:
        name = fit_name(f"_{name}")
    return name


def _check_history(own: Sequence[str], columns: Mapping[str, ColumnShape], shape: TableShape) -> None:
    missing = [name for name in own if name not in columns or columns[name].generated]
    if missing:
        listed = ", ".join(repr(m) for m in missing)
        msg = f"{shape.schema}.{shape.table} lacks columns that mode history writes: {listed}."
        hint = "Add them to the table, or name the table's own in the contract's `history`."
        raise TargetError(msg, hint=hint, columns=missing)


def _check_order(contract: Contract, names: Mapping[str, str], columns: Mapping[str, ColumnShape]) -> None:
    name = names.get(contract.order_by or "")
    if name is not None and parse_pg_type(columns[name].pg_type).base not in COMPARABLE:
        msg = (
            f"Field {contract.order_by!r} is to order rows, and column {name!r} of type {columns[name].pg_type} cannot."
        )
        raise TargetError(
            msg, hint="Choose another `order_by`.", field=contract.order_by, pg_type=columns[name].pg_type
        )


def _new(contract: Contract, fields: list[str], mode: Mode) -> list[TargetColumn]:
    if mode in UPDATES:
        schema, table = contract.table_parts()
        msg = f"There is no table {schema}.{table}, and mode {mode.value} makes none."
        raise TargetError(msg, hint="Create the table, or choose another mode.", schema=schema, table=table)
    if mode is Mode.HISTORY:
        history_columns(contract)
    names = column_names(f.name for f in contract.fields)
    specs = {f.name: f for f in contract.fields}
    return [TargetColumn(name=names[f], pg_type=column_type(specs[f]), field=f) for f in fields]


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


def _fitted(field: FieldSpec, column: ColumnShape, shape: TableShape, *, kept: bool) -> FieldSpec:
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
    if _must_be_filled(column) and not kept and not _always_filled(new):
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


def check_key(shape: TableShape, mode: Mode, key: Sequence[str]) -> None:
    """Refuses a table in which a key could find several rows, where the mode looks rows up.

    Raises:
        TargetError: No unique index covers the key.
    """
    if not key or not (mode in KEYED or mode is Mode.REPLACE):
        return
    wanted = set(key)
    if any(unique and set(unique) <= wanted for unique in [shape.primary_key, *shape.unique_keys]):
        return
    table = qualified(shape.schema, shape.table)
    msg = (
        f"{shape.schema}.{shape.table} does not enforce the contract's key ({', '.join(key)}): a row could match many."
    )
    hint = f"Create it first: CREATE UNIQUE INDEX ON {table} ({column_list(key)})"
    raise TargetError(msg, hint=hint, key=list(key))
