"""The price table."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pydantic import Field

from entrepot.model.base import Model

TABLE = Path(__file__).with_name("prices.json")


class Prices(Model):
    """List prices of one region, as of a month."""

    region: str
    date: str
    currency: str = "USD"
    note: str = ""
    units: dict[str, float] = Field(min_length=1)
    """Name of what is counted → price of one."""

    @property
    def name(self) -> str:
        """Region and date, as receipts name the table."""
        return f"{self.region} {self.date}"

    def of(self, unit: str, amount: float) -> float:
        """The price of an amount; what the table does not list costs nothing in it."""
        return self.units.get(unit, 0.0) * amount


def read_prices(path: Path) -> Prices:
    """A price table from a file.

    Raises:
        OSError: The file cannot be read.
        pydantic.ValidationError: It is no price table.
    """
    return Prices.model_validate_json(path.read_bytes())


@cache
def list_prices() -> Prices:
    """The table that comes with this version."""
    return read_prices(TABLE)
