"""The one table: jobs, chunks, events, contracts, templates, schedules, uploads."""

from __future__ import annotations

from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct

from stacks.constructs.house import House

INDEXES = {
    "by_state": ("gsi1pk", "gsi1sk"),
    "by_time": ("gsi2pk", "gsi2sk"),
    # Sparse: only jobs that have not ended carry these attributes, so the sweep reads nothing else.
    "live": ("live", "live_sk"),
}


class JobTable(Construct):
    """DynamoDB table with its indexes, point-in-time recovery and expiry."""

    def __init__(self, scope: Construct, construct_id: str, house: House) -> None:
        super().__init__(scope, construct_id)
        customer = dynamodb.TableEncryption.CUSTOMER_MANAGED
        self.table = dynamodb.Table(
            self,
            "Table",
            table_name=house.names.table,
            partition_key=_text("pk"),
            sort_key=_text("sk"),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            time_to_live_attribute="expires",
            encryption=customer if house.key else dynamodb.TableEncryption.DEFAULT,
            encryption_key=house.key,
            deletion_protection=house.settings.removal == "retain",
            removal_policy=house.removal,
        )
        for name, (partition, sort) in INDEXES.items():
            self.table.add_global_secondary_index(
                index_name=name,
                partition_key=_text(partition),
                sort_key=_text(sort),
                # An index finds keys; items are then read from the table, consistently.
                projection_type=dynamodb.ProjectionType.KEYS_ONLY,
            )


def _text(name: str) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=name, type=dynamodb.AttributeType.STRING)
