"""Load, check and publish as SQL text and shapes: pure, no connection."""

from __future__ import annotations

from entrepot.load.fit import Fitted, fit

__all__ = ["Fitted", "fit"]
