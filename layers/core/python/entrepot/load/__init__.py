"""Load, check and publish as SQL text and shapes: pure, no connection."""

from __future__ import annotations

from entrepot.load.fit import Fitted, fit
from entrepot.load.slices import check_slice

__all__ = ["Fitted", "check_slice", "fit"]
