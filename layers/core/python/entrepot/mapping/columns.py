"""Maps a source's columns to a contract's fields: stated → exact → alias → folded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from entrepot.mapping.names import folded
from entrepot.model.contract import Contract
from entrepot.model.job import MappedColumn


@dataclass(slots=True)
class MappingResult:
    """What `map_columns` found.

    ``mapped`` is in the order of the source's columns. ``sure`` says whether the job may go on
    without a person: nothing required is missing and nothing is ambiguous.
    """

    mapped: list[MappedColumn]
    missing_required: list[str] = field(default_factory=list)
    """Fields that are required or in the key and that no column feeds."""
    unused_columns: list[str] = field(default_factory=list)
    ambiguous: dict[str, list[str]] = field(default_factory=dict)
    """Field → the columns that could feed it equally well; or column → fields, the other way."""
    doubts: list[str] = field(default_factory=list)

    @property
    def sure(self) -> bool:
        """Whether no person has to be asked."""
        return not self.missing_required and not self.ambiguous


def map_columns(columns: list[str], contract: Contract, stated: Mapping[str, str]) -> MappingResult:
    """Finds which column feeds which field.

    A stated pair holds whatever the names are; an empty field in it leaves the column out. Then come
    equal names, then aliases, then names and aliases without case, blanks and punctuation. Within
    one of these steps, two columns for one field or two fields for one column are ambiguous.

    Args:
        columns: The source's columns, in order, each name once.
        contract: The contract.
        stated: Column → field, as a person said.
    """
    work = _Work(columns, contract)
    work.take_stated(stated)
    work.step("exact", lambda column, name, _aliases: column == name)
    work.step("alias", lambda column, _name, aliases: column in aliases)
    work.step("folded", lambda column, name, _aliases: folded(column) == folded(name))
    work.step("folded alias", lambda column, _name, aliases: folded(column) in {folded(a) for a in aliases})
    return work.result()


class _Work:
    def __init__(self, columns: list[str], contract: Contract) -> None:
        self._columns = columns
        self._contract = contract
        self._fields = {f.name: f.aliases for f in contract.fields}
        self._found: dict[str, tuple[str, str]] = {}
        """Column → (field, reason)."""
        self._left_out: set[str] = set()
        self._ambiguous: dict[str, list[str]] = {}
        self._doubts: list[str] = []

    def take_stated(self, stated: Mapping[str, str]) -> None:
        for column, name in stated.items():
            if column not in self._columns:
                self._doubts.append(f"The stated column {column!r} is not in the file.")
            elif not name:
                self._left_out.add(column)
            elif name not in self._fields:
                self._doubts.append(f"The stated field {name!r} is not in contract {self._contract.name}.")
            elif name in self._taken():
                self._ambiguous.setdefault(name, [c for c, f in stated.items() if f == name])
            else:
                self._found[column] = (name, "stated")

    def step(self, reason: str, matches: Callable[[str, str, list[str]], bool]) -> None:
        fields = {n: a for n, a in self._fields.items() if n not in self._taken() and n not in self._ambiguous}
        columns = [c for c in self._columns if c not in self._found and c not in self._left_out]
        pairs = [(c, n) for c in columns for n, aliases in fields.items() if matches(c, n, aliases)]
        by_field: dict[str, list[str]] = {}
        by_column: dict[str, list[str]] = {}
        for column, name in pairs:
            by_field.setdefault(name, []).append(column)
            by_column.setdefault(column, []).append(name)
        for column, name in pairs:
            if len(by_field[name]) == 1 and len(by_column[column]) == 1:
                self._found[column] = (name, reason)
            elif len(by_field[name]) > 1:
                self._ambiguous.setdefault(name, by_field[name])
            else:
                self._ambiguous.setdefault(column, by_column[column])

    def _taken(self) -> set[str]:
        return {name for name, _ in self._found.values()}

    def result(self) -> MappingResult:
        taken = self._taken()
        needed = [f.name for f in self._contract.fields if f.required or f.name in self._contract.key]
        unused = [c for c in self._columns if c not in self._found]
        mapped = [
            MappedColumn(index=i, column=c, field=self._found[c][0], reason=self._found[c][1])
            for i, c in enumerate(self._columns)
            if c in self._found
        ]
        doubts = [*self._doubts]
        doubts += [f"Column {c!r} feeds no field." for c in unused if c not in self._left_out]
        doubts += [f"Field {n!r} is fed by no column." for n in self._fields if n not in taken]
        return MappingResult(
            mapped=mapped,
            missing_required=[n for n in needed if n not in taken],
            unused_columns=unused,
            ambiguous=self._ambiguous,
            doubts=doubts,
        )
