"""What a job used, at list price. Prices are a table beside this code, not AWS's answer of today."""

from __future__ import annotations

from entrepot.cost.estimate import DELIVERED, STILL_TO_COME, account, bill
from entrepot.cost.prices import Prices, list_prices, read_prices

__all__ = ["DELIVERED", "STILL_TO_COME", "Prices", "account", "bill", "list_prices", "read_prices"]
