"""The bus that tells others what became of a job."""

from __future__ import annotations

from aws_cdk import aws_events as events
from constructs import Construct

from stacks.constructs.house import House


class JobEvents(Construct):
    """Event bus for ``Job Published``, ``Refused``, ``Failed``, ``Awaiting`` and ``Undone``."""

    def __init__(self, scope: Construct, construct_id: str, house: House) -> None:
        super().__init__(scope, construct_id)
        self.bus = events.EventBus(
            self,
            "Bus",
            event_bus_name=house.names.event_bus,
            description="What became of the jobs of Entrepot: ids and counts, never rows",
            kms_key=house.key,
        )
