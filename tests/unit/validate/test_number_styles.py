"""How numbers are written: what stands around them and parts them, and what is still refused."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pytest

from entrepot.errors import ContractError
from entrepot.model.contract import FieldSpec
from entrepot.validate.types import caster


@pytest.mark.parametrize(
    ("formats", "text", "value"),
    [
        (["currency:$", "thousands:,", "parentheses"], "$1,234.50", "1234.50"),
        (["currency:$", "thousands:,", "parentheses"], "(1,234.50)", "-1234.50"),
        (["currency:$", "thousands:,", "parentheses"], "($5)", "-5"),
        (["currency:$"], "-$3.00", "-3"),
        (["currency:$"], "$-3.00", "-3"),
        (["currency:$"], "- $ 3.00", "-3"),
        (["currency:$"], "$5$", None),
        (["currency:$"], "€5", None),
        (["currency:$"], "5", "5"),
        (["currency:€", "decimal:,", "thousands:."], "1.234,50 €", "1234.50"),
        (["currency:CHF", "thousands:'"], "CHF 1\u2019234.50", "1234.50"),
        (["parentheses"], "(-5)", None),
        (["parentheses"], "(5", None),
        (["trailing-minus"], "5-", "-5"),
        (["trailing-minus"], "-5-", None),
        (["percent"], "45%", "0.45"),
        (["percent"], "12.5 %", "0.125"),
        (["percent"], "3", "3"),
        ([], "45%", None),
        ([], "(5)", None),
        ([], "$5", None),
        ([], "\u22125", "-5"),
        (["thousands:indian"], "12,34,567", "1234567"),
        (["thousands:indian"], "1,000", "1000"),
        (["thousands:indian"], "123,456", None),
        (["thousands:,"], "1,234.5,6", None),
        (["thousands:,"], "1,234,5", None),
    ],
)
def test_a_number_is_read_in_its_style_alone(formats: list[str], text: str, value: str | None) -> None:
    cast = caster(FieldSpec(name="f", type="decimal(18,4)", formats=formats)).cast(pa.array([text, text]))
    assert cast.values.to_pylist() == [None if value is None else Decimal(value)] * 2
    assert bool(cast.refused) is (value is None)


@pytest.mark.parametrize(
    "formats", [["percentages"], ["currency:"], ["decimal:,", "thousands:indian"], ["thousands:x"]]
)
def test_a_style_that_contradicts_itself_is_refused(formats: list[str]) -> None:
    with pytest.raises(ContractError):
        caster(FieldSpec(name="f", type="decimal", formats=formats))
