"""What the constructs of the house share: the customer's key, removal, acknowledged findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct, IConstruct

from stacks.names import Names
from stacks.settings import Settings


@dataclass(frozen=True)
class House:
    """The deployment's settings in the forms that constructs need.

    Args:
        settings: What the deployment chose.
        key: The customer's key, if one was given.
    """

    settings: Settings
    key: kms.IKey | None

    @classmethod
    def of(cls, scope: Construct, settings: Settings) -> House:
        """Builds the house of a stack; ``scope`` takes the reference to the key."""
        arn = settings.kms_key_arn
        return cls(settings, kms.Key.from_key_arn(scope, "Key", arn) if arn else None)

    @property
    def names(self) -> Names:
        """Physical names."""
        return self.settings.names

    @property
    def removal(self) -> cdk.RemovalPolicy:
        """What happens to data when the stack goes."""
        return cdk.RemovalPolicy.RETAIN if self.settings.removal == "retain" else cdk.RemovalPolicy.DESTROY

    def log_group(self, scope: Construct, name: str) -> logs.LogGroup:
        """A log group with the deployment's retention and key."""
        return logs.LogGroup(
            scope,
            "Logs",
            log_group_name=name,
            retention=logs.RetentionDays[_RETENTION_NAMES[self.settings.retention.logs]],
            encryption_key=self.key,
            removal_policy=self.removal,
        )

    def key_grant(self) -> list[iam.PolicyStatement]:
        """Use of the customer's key, for a role that reads or writes what it encrypts."""
        if self.key is None:
            return []
        return [allow(["kms:Decrypt", "kms:GenerateDataKey"], [self.key.key_arn])]


_RETENTION_NAMES = {
    1: "ONE_DAY",
    3: "THREE_DAYS",
    5: "FIVE_DAYS",
    7: "ONE_WEEK",
    14: "TWO_WEEKS",
    30: "ONE_MONTH",
    60: "TWO_MONTHS",
    90: "THREE_MONTHS",
    120: "FOUR_MONTHS",
    150: "FIVE_MONTHS",
    180: "SIX_MONTHS",
    365: "ONE_YEAR",
    400: "THIRTEEN_MONTHS",
    545: "EIGHTEEN_MONTHS",
    731: "TWO_YEARS",
    1096: "THREE_YEARS",
    1827: "FIVE_YEARS",
    3653: "TEN_YEARS",
}


def allow(actions: list[str], resources: list[str], **conditions: dict[str, str]) -> iam.PolicyStatement:
    """A statement that allows exact actions on exact resources.

    Args:
        actions: E.g. ``["s3:GetObject"]``.
        resources: ARNs.
        conditions: Operators and what they compare, e.g. ``StringEquals={"aws:SourceAccount": "…"}``.
    """
    return iam.PolicyStatement(actions=actions, resources=resources, conditions=dict(conditions) or None)


def service_role(
    scope: Construct,
    construct_id: str,
    service: str,
    statements: list[iam.PolicyStatement],
    *,
    role_name: str | None = None,
    conditions: dict[str, dict[str, str]] | None = None,
) -> iam.Role:
    """A role with one inline policy, so that all it may do is in one place of the stack template."""
    principal = iam.ServicePrincipal(service, conditions=conditions)
    return iam.Role(
        scope,
        construct_id,
        assumed_by=principal,
        role_name=role_name,
        inline_policies={"grants": iam.PolicyDocument(statements=statements, minimize=False)},
    )


def acknowledge(construct: IConstruct, reason: str, *findings: str) -> None:
    """Accepts findings of the rule packs on a construct, for a true reason."""
    record_acknowledgement(construct, reason, *findings)


def record_acknowledgement(construct: IConstruct, reason: str, *findings: str) -> None:
    """Tells the CDK; apart, so that a test can see what is found when nothing is acknowledged."""
    for finding in findings:
        cdk.Validations.of(construct).acknowledge(cdk.Acknowledgment(id=finding, reason=reason))


def acknowledge_wildcards(
    role: iam.Role, statements: Sequence[iam.PolicyStatement], reasons: Mapping[str, str]
) -> None:
    """Accepts the wildcards in a role's resources, each kind for its reason."""
    for statement in statements:
        for resource in statement.resources:
            if "*" in resource:
                service = resource if resource == "*" else resource.split(":")[2]
                acknowledge(role, reasons[service], f"AwsSolutions-IAM5[Resource::{resource}]")
