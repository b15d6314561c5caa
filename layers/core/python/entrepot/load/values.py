"""What publish writes into each column: staged values, what blanks mean, and whether a row differs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from entrepot.load.feed import is_whole
from entrepot.load.names import quote_ident
from entrepot.load.types import COMPARABLE, parse_pg_type
from entrepot.model.contract import Blank, Mode
from entrepot.model.steps import LoadSpec, TargetColumn


@dataclass(frozen=True, slots=True)
class Known:
    """What the database says that a job's SQL depends on.

    Attributes:
        refused: Whether check took rows out.
        defaults: Column → its default as an expression, and whether the column is NOT NULL.
        types: Column → type, of the target; empty when publish makes it.
    """

    refused: bool = False
    defaults: Mapping[str, tuple[str, bool]] = field(default_factory=dict)
    types: Mapping[str, str] = field(default_factory=dict)


def stored(spec: LoadSpec) -> list[TargetColumn]:
    """The columns that the target has."""
    return [c for c in spec.columns if c.stored]


def writable(spec: LoadSpec) -> list[TargetColumn]:
    """Columns that may change in rows that exist; the key never does."""
    chosen = set(spec.contract.update)
    return [c for c in stored(spec) if c.name not in spec.key and (not chosen or c.field in chosen)]


def following(spec: LoadSpec, column: TargetColumn, known: Known) -> str:
    """The value in a version that follows another (alias t): a field that may not change is taken along from it.

    The key is the same in both, but for its spelling, and since when the version holds is always its own.
    """
    chosen = set(spec.contract.update)
    own = not chosen or column.field in {*chosen, spec.contract.history.at} or column.name in spec.key
    return updated(spec, column, known) if own else f"t.{quote_ident(column.name)}"


def join_on(key: Iterable[str], left: str = "s", right: str = "t") -> str:
    """Equality of the key's columns, by PostgreSQL's own ``=``; empty without a key."""
    return " AND ".join(f"{right}.{quote_ident(k)} = {left}.{quote_ident(k)}" for k in key)


def inserted(spec: LoadSpec, column: TargetColumn, known: Known) -> str:
    """The value in a new row.

    A blank becomes the column's default where NULL is not allowed, or where the contract says to keep what
    is there: nothing is there yet.
    """
    value = f"s.{quote_ident(column.name)}"
    default, needed = known.defaults.get(column.name, ("", False))
    return f"coalesce({value}, {default})" if default and (needed or _keeps(spec, column)) else value


def updated(spec: LoadSpec, column: TargetColumn, known: Known, old: str = "t") -> str:
    """The new value in a row that exists (alias ``old``); a blank keeps what is there when the contract says so."""
    name = quote_ident(column.name)
    default, needed = known.defaults.get(column.name, ("", False))
    draws = needed and default.startswith("nextval(")  # a row that has its number keeps it
    if not (draws or _keeps(spec, column)):
        return inserted(spec, column, known)
    kept = f"coalesce(s.{name}, {old}.{name})"
    if spec.mode is Mode.FEED:
        # An insert (or what follows a delete) is a whole row: it keeps nothing of one before it.
        return f"CASE WHEN {is_whole(spec, 's')} THEN {inserted(spec, column, known)} ELSE {kept} END"
    return kept


def changed(spec: LoadSpec, columns: Iterable[TargetColumn], known: Known) -> str:
    """Whether a staged row differs from the target's in any of these columns."""
    old, new = [], []
    for column in columns:
        cast = "" if parse_pg_type(column.pg_type).base in COMPARABLE else "::text"
        old.append(f"(t.{quote_ident(column.name)}){cast}")
        new.append(f"({updated(spec, column, known)}){cast}")
    return f"(ROW({', '.join(new)}) IS DISTINCT FROM ROW({', '.join(old)}))" if old else "false"


def older(spec: LoadSpec, known: Known) -> str | None:
    """Whether a staged row is older than the target's by the contract's order; None when it states none.

    A row without a value is older than one with a value.
    """
    column = next((c for c in stored(spec) if c.field == spec.contract.order_by), None)
    if column is None:
        return None
    new, old = updated(spec, column, known), f"t.{quote_ident(column.name)}"
    return f"coalesce({new} < {old}, {new} IS NULL AND {old} IS NOT NULL)"


def _keeps(spec: LoadSpec, column: TargetColumn) -> bool:
    return spec.contract.field(column.field).blank is Blank.KEEP
