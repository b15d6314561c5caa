"""Entrepot: import and export for PostgreSQL, every row exactly once, every refusal explained.

Names are imported when they are first used: a function that needs one step pays for no other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from entrepot.frontdoor.converting import Conversion, convert
    from entrepot.frontdoor.inspecting import inspect
    from entrepot.model.inspection import Inspection
    from entrepot.suggestion import suggest_mapping

__version__ = "0.1.0"

__all__ = ["Conversion", "Inspection", "__version__", "convert", "inspect", "suggest_mapping"]

_HOMES = {
    "Conversion": "entrepot.frontdoor.converting",
    "Inspection": "entrepot.model.inspection",
    "convert": "entrepot.frontdoor.converting",
    "inspect": "entrepot.frontdoor.inspecting",
    "suggest_mapping": "entrepot.suggestion",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        msg = f"module 'entrepot' has no attribute {name!r}"
        raise AttributeError(msg)
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
