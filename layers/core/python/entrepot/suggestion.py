"""Ranks which field each source column could feed: `entrepot.suggest_mapping`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike

from entrepot.frontdoor.places import place
from entrepot.frontdoor.surveying import columns_of
from entrepot.mapping.suggest import Suggestion, suggest_names
from entrepot.model.contract import Contract
from entrepot.model.inspection import Inspection

Side = str | PathLike[str] | Sequence[str] | Inspection | Contract
"""A path to a file, a list of names, an inspection or a contract."""


def suggest_mapping(source: Side, target: Side) -> list[Suggestion]:
    """For every source column the fields it could feed, best first, with reasons.

    Args:
        source: The source's columns.
        target: The fields; a contract's aliases count.

    Raises:
        NotFoundError: A path names no file.
        SourceError: A file cannot be read.
    """
    return suggest_names([*_fields(source)], _fields(target))


def _fields(side: Side) -> Mapping[str, Sequence[str]]:
    if isinstance(side, Contract):
        return {f.name: f.aliases for f in side.fields}
    if isinstance(side, Inspection):
        return {c.name: [] for c in side.columns}
    if isinstance(side, (str, PathLike)):
        with place(side) as found:
            return {name: [] for name in columns_of(found)}
    return {name: [] for name in side}
