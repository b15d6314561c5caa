"""History: every version of a row is kept, with since when and until when it held (type 2)."""

from __future__ import annotations

from collections.abc import Mapping

from entrepot.errors import TargetError
from entrepot.load.names import quote_ident
from entrepot.load.types import column_type
from entrepot.model.contract import Contract, Mode
from entrepot.model.steps import LoadSpec, TargetColumn

NOW = "current_setting('entrepot.now')::timestamp with time zone"
"""The time of publish, the same in all of its statements."""


def at_column(spec: LoadSpec) -> TargetColumn | None:
    """The column that says since when a staged row holds; None when that is the time of publish."""
    return next((c for c in spec.columns if spec.contract.history.at and c.field == spec.contract.history.at), None)


def since_type(contract: Contract) -> str:
    """Type of the columns valid-from and valid-to in a new table."""
    at = next((f for f in contract.fields if f.name == contract.history.at), None)
    return column_type(at) if at else "timestamp with time zone"


def since(spec: LoadSpec, types: Mapping[str, str]) -> str:
    """When the version that a staged row begins starts to hold, in the type of the column."""
    at = at_column(spec)
    kind = types.get(spec.contract.history.valid_from) or since_type(spec.contract)
    return f"(s.{quote_ident(at.name)})::{kind}" if at else f"({NOW})::{kind}"


def begin(spec: LoadSpec, types: Mapping[str, str]) -> list[tuple[str, str]]:
    """(column, value) that a new version has beside the mapped columns."""
    history = spec.contract.history
    mapped = {c.name for c in spec.columns}
    given = [(history.valid_from, since(spec, types))] if history.valid_from not in mapped else []
    return [*given, (history.current, "true")]


def close(spec: LoadSpec, types: Mapping[str, str]) -> str:
    """SET of a version that ends: where its successor begins, else now."""
    history = spec.contract.history
    kind = types.get(history.valid_to) or since_type(spec.contract)
    ended = f"greatest(({NOW})::{kind}, t.{quote_ident(history.valid_from)})"
    return (
        f"{quote_ident(history.valid_to)} = CASE WHEN w.action = 'h' THEN {since(spec, types)} ELSE {ended} END, "
        f"{quote_ident(history.current)} = false"
    )


def is_current(spec: LoadSpec, alias: str = "t") -> str:
    """Whether a row of the target is the current version of its key."""
    return f"{alias}.{quote_ident(spec.contract.history.current)}"


def history_columns(contract: Contract) -> list[tuple[str, str, bool]]:
    """(column, type, NOT NULL) that a new table has beside the contract's fields.

    Raises:
        TargetError: A field has the name of one of them without being it.
    """
    history, kind = contract.history, since_type(contract)
    names = {f.name for f in contract.fields}
    own = [(history.valid_from, kind, True), (history.valid_to, kind, False), (history.current, "boolean", True)]
    for name, _, _ in own:
        if name in names and not (name == history.valid_from == history.at):
            msg = f"Field {name!r} has the name of a column that mode history keeps for itself."
            raise TargetError(msg, hint="Name the columns in the contract's `history`.", field=name)
    return [c for c in own if c[0] not in names]


def version_key(spec: LoadSpec) -> list[str]:
    """The columns that tell rows of the target apart: with a history, the key and since when."""
    return [*spec.key, spec.contract.history.valid_from] if spec.mode is Mode.HISTORY else list(spec.key)
