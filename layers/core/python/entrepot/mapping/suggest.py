"""Ranks the fields that a column could feed, with reasons."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from entrepot.mapping.names import folded


@dataclass(frozen=True, slots=True)
class Candidate:
    """A field that a column could feed. ``score`` is 1 for the same name, 0 for no likeness."""

    field: str
    score: float
    reasons: list[str] = dataclasses.field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A source column and its candidates, best first."""

    source: str
    candidates: list[Candidate] = dataclasses.field(default_factory=list)


def suggest_names(source: Sequence[str], fields: Mapping[str, Sequence[str]]) -> list[Suggestion]:
    """Candidates for every source column.

    Args:
        source: The source's column names.
        fields: Field → its aliases.
    """
    suggestions = []
    for column in source:
        found = [c for name, aliases in fields.items() if (c := _candidate(column, name, aliases)) is not None]
        suggestions.append(Suggestion(column, sorted(found, key=lambda c: (-c.score, c.field))))
    return suggestions


def _candidate(column: str, name: str, aliases: Sequence[str]) -> Candidate | None:
    if column == name:
        return Candidate(name, 1.0, ["the same name"])
    if column in aliases:
        return Candidate(name, 0.95, [f"{column!r} is an alias of the field"])
    if folded(column) == folded(name):
        return Candidate(name, 0.9, ["the same name but for case, blanks and punctuation"])
    alias = next((a for a in aliases if folded(a) == folded(column)), None)
    if alias is not None:
        return Candidate(name, 0.85, [f"alias {alias!r} but for case, blanks and punctuation"])
    return None
