"""From what a job used to what that costs."""

from __future__ import annotations

from typing import Final

from entrepot.cost.prices import Prices, list_prices
from entrepot.model.receipt import Cost
from entrepot.model.usage import Usage

DELIVERED: Final = Usage(requests={"events": 1, "sqs": 3})
"""What a message to intake takes before intake sees it: EventBridge passes the object's event on, and
SQS is asked to send, to receive and to delete."""

STILL_TO_COME: Final = Usage(
    invocations=1,
    transitions=2,
    requests={
        "dynamodb": 2,
        "dynamodb_read_units": 1,
        "dynamodb_write_units": 4,
        "s3_put": 1,
        "events": 1,
    },
)
"""What follows every account, and so cannot be measured before it is written: the write that holds it,
and the notice (states Notify and Done; one read of the job, the result file, the event). Counts by the
machine's definition; the notice's own milliseconds are left out."""

_GB_SECOND: Final = 1024 * 1000
"""Megabyte milliseconds in a gigabyte second; Lambda's gigabyte has 1,024 megabytes."""


def bill(usage: Usage, prices: Prices | None = None) -> dict[str, float]:
    """What a usage costs, by service.

    Lambda bills memory given times time and each request; Step Functions each state entered; DynamoDB
    request units; S3, SQS, EventBridge and Secrets Manager each request. Sources: the services'
    price pages, whose figures are in ``prices.json``.

    Args:
        usage: What was used.
        prices: The price table; the one that comes with this version when None.
    """
    table = prices or list_prices()
    compute = table.of("lambda_gb_second", usage.mb_ms / _GB_SECOND) + table.of("lambda_request", usage.invocations)
    services = {"lambda": compute, "stepfunctions": table.of("state_transition", usage.transitions)}
    for unit, amount in usage.requests.items():
        service = unit.split("_", 1)[0]
        services[service] = services.get(service, 0.0) + table.of(unit, amount)
    return services


def account(usage: Usage, prices: Prices | None = None) -> Cost:
    """A usage as the receipt shows it.

    Args:
        usage: What was used.
        prices: The price table; the one that comes with this version when None.
    """
    table = prices or list_prices()
    return Cost(
        cpu_seconds=round(usage.cpu_us / 1e6, 6),
        peak_memory_mb=usage.peak_mb,
        gb_seconds=round(usage.mb_ms / _GB_SECOND, 6),
        invocations=usage.invocations,
        requests=dict(sorted(usage.requests.items())),
        state_transitions=usage.transitions,
        usd=round(sum(bill(usage, table).values()), 9),
        prices=table.name,
    )
