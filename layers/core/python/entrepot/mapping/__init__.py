"""Mapping: which source column feeds which field of a contract."""

from __future__ import annotations

from entrepot.mapping.columns import MappingResult, map_columns
from entrepot.mapping.suggest import Candidate, Suggestion, suggest_names

__all__ = ["Candidate", "MappingResult", "Suggestion", "map_columns", "suggest_names"]
