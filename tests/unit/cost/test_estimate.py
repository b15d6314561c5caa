"""The arithmetic of what a job costs."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given
from pydantic import ValidationError

from entrepot.cost import account, bill, list_prices, read_prices
from entrepot.cost.prices import Prices
from entrepot.cost.transitions import BY_STEP, entered, entered_by
from entrepot.model.usage import Usage

ROUND = Prices(
    region="nowhere",
    date="2026-11",
    units={
        "lambda_gb_second": 1.0,
        "lambda_request": 10.0,
        "state_transition": 100.0,
        "s3_put": 1000.0,
        "dynamodb_write_units": 10_000.0,
    },
)

amounts = st.integers(min_value=0, max_value=10**9)
usages = st.builds(
    Usage,
    cpu_us=amounts,
    mb_ms=amounts,
    invocations=amounts,
    transitions=amounts,
    requests=st.dictionaries(st.sampled_from(sorted(list_prices().units)), amounts),
)


def test_each_amount_has_its_price():
    used = Usage(
        mb_ms=1024 * 1000 * 3,
        invocations=2,
        transitions=4,
        requests={"s3_put": 5, "dynamodb_write_units": 6, "dynamodb": 7, "unheard_of": 8},
    )
    assert bill(used, ROUND) == {
        "lambda": 3 * 1.0 + 2 * 10.0,
        "stepfunctions": 400.0,
        "s3": 5000.0,
        "dynamodb": 60_000.0,
        "unheard": 0.0,
    }


def test_the_account_tells_amounts_total_and_table():
    used = Usage(cpu_us=1_500_000, mb_ms=2 * 1024 * 1000, invocations=1, transitions=2, peak_mb=96)
    cost = account(used, ROUND)
    assert (cost.cpu_seconds, cost.gb_seconds, cost.peak_memory_mb) == (1.5, 2.0, 96)
    assert cost.usd == 2.0 + 10.0 + 200.0
    assert cost.prices == "nowhere 2026-11"


def test_an_hour_of_a_gigabyte_at_list_price():
    """Lambda's own price page: 1 GB for 3,600 s is $0.06 on x86."""
    cost = account(Usage(mb_ms=1024 * 3600 * 1000))
    assert cost.usd == pytest.approx(0.06, rel=1e-4)


@given(usages, usages)
def test_more_never_costs_less(one: Usage, other: Usage):
    assert sum(bill(one + other).values()) >= sum(bill(one).values()) - 1e-9


@given(usages, usages)
def test_the_bill_of_both_is_both_bills(one: Usage, other: Usage):
    whole = sum(bill(one + other).values())
    assert whole == pytest.approx(sum(bill(one).values()) + sum(bill(other).values()))


def test_the_table_prices_everything_that_is_counted():
    wanted = {"s3_put", "s3_get", "s3_delete", "dynamodb_read_units", "dynamodb_write_units", "sqs", "events"}
    assert wanted <= list_prices().units.keys()
    assert list_prices().date == "2026-11"


def test_another_table_is_read_from_a_file(tmp_path):
    path = tmp_path / "prices.json"
    path.write_text(ROUND.model_dump_json())
    assert read_prices(path) == ROUND
    path.write_text('{"region": "x", "date": "y", "units": {}}')
    with pytest.raises(ValidationError):
        read_prices(path)


def test_what_is_no_step_enters_no_state():
    assert entered("sweep") == 0
    assert entered_by("map", "stop") == 0
    assert all(entered(step) == 2 for step in BY_STEP)
