"""The house's Lambda function: memory, logs, tracing, limits and its one role, set in one place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from stacks.bundling import ROOT
from stacks.constructs.house import House, acknowledge, acknowledge_wildcards, allow, service_role
from stacks.constructs.layers import runtime_of
from stacks.settings import DATABASE_FUNCTIONS, FunctionName

FUNCTIONS_FOLDER = ROOT / "functions"

_NETWORK_ACTIONS = [
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
]


_DISK: Mapping[str, cdk.Size] = {"detect": cdk.Size.gibibytes(10), "split": cdk.Size.gibibytes(10)}
"""Room for what is unpacked of archives, and for what readers of workbooks and databases lay aside."""


class HouseFunction(Construct):
    """A step's function, with everything that is the same for all of them.

    Args:
        scope: Parent.
        construct_id: Id.
        house: The deployment.
        name: The step; its code is ``functions/<name>``.
        layers: What it imports.
        environment: Its own variables.
        grants: What it may do, beyond logs and traces.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        house: House,
        name: FunctionName,
        layers: Sequence[lambda_.ILayerVersion],
        environment: Mapping[str, str],
        grants: Sequence[iam.PolicyStatement],
    ) -> None:
        super().__init__(scope, construct_id)
        self._house = house
        self._name = name
        physical = house.names.function(name)
        log_group = house.log_group(self, f"/aws/lambda/{physical}")
        self.role = self._role(grants)
        self.function = lambda_.Function(
            self,
            "Function",
            function_name=physical,
            runtime=runtime_of(house),
            architecture=lambda_.Architecture.X86_64,
            handler="handler.handler",
            code=lambda_.Code.from_asset(str(FUNCTIONS_FOLDER / name), exclude=["**/__pycache__", "**/*.pyc"]),
            layers=list(layers),
            environment={**environment, **self._observability(physical)},
            environment_encryption=house.key,
            memory_size=house.settings.memory_of(name),
            ephemeral_storage_size=_DISK.get(name),
            timeout=cdk.Duration.seconds(house.settings.timeout_of(name)),
            reserved_concurrent_executions=house.settings.reserved_of(name),
            tracing=lambda_.Tracing.ACTIVE,
            logging_format=lambda_.LoggingFormat.JSON,
            # Lambda drops what is below INFO unless told. Never above: metrics are lines without a level.
            application_log_level_v2=lambda_.ApplicationLogLevel.DEBUG if house.settings.log_level == "DEBUG" else None,
            log_group=log_group,
            # A version that a deployment leaves behind may still have executions running on it.
            current_version_options=lambda_.VersionOptions(removal_policy=cdk.RemovalPolicy.RETAIN),
            # The role is complete as it stands: nothing may widen it from elsewhere.
            role=self.role.without_policy_updates(),
        )
        if self._joins_network:
            self._join_network()
        self._acknowledge()

    @property
    def pinned(self) -> lambda_.IFunction:
        """This very code and configuration: executions that run stay on it when a deployment follows."""
        return self.function.current_version if self._house.settings.pin_versions else self.function

    @property
    def _joins_network(self) -> bool:
        return self._house.settings.vpc is not None and self._name in DATABASE_FUNCTIONS

    def _observability(self, physical: str) -> dict[str, str]:
        return {
            "STAGE": self._house.settings.stage,
            "POWERTOOLS_SERVICE_NAME": physical,
            "POWERTOOLS_METRICS_NAMESPACE": "Entrepot",
            "POWERTOOLS_LOG_LEVEL": self._house.settings.log_level,
        }

    def _role(self, grants: Sequence[iam.PolicyStatement]) -> iam.Role:
        names = self._house.names
        statements = [
            allow(
                ["logs:CreateLogStream", "logs:PutLogEvents"],
                [names.log_group_arn(f"/aws/lambda/{names.function(self._name)}:*")],
            ),
            # X-Ray knows no resources to name.
            allow(["xray:PutTelemetryRecords", "xray:PutTraceSegments"], ["*"]),
            *(self._network_statements() if self._joins_network else ()),
            *self._house.key_grant(),
            *grants,
        ]
        role = service_role(self, "Role", "lambda.amazonaws.com", statements)
        acknowledge_wildcards(role, statements, _WILDCARD_REASONS)
        acknowledge(role, _WILDCARD_REASONS["*"], "Serverless-LambdaStarPermissions")
        return role

    def _network_statements(self) -> list[iam.PolicyStatement]:
        arn = self._house.names.function_arn(self._name)
        return [
            # Lambda makes the interfaces before they have ids to name …
            allow(_NETWORK_ACTIONS, ["*"]),
            # … and the function's own code may not.
            iam.PolicyStatement(
                effect=iam.Effect.DENY,
                actions=_NETWORK_ACTIONS,
                resources=["*"],
                conditions={"ArnEquals": {"lambda:SourceFunctionArn": arn}},
            ),
        ]

    def _acknowledge(self) -> None:
        acknowledge(
            self.function,
            "The runtime is a deployment's choice; Lambda supports the default, python3.13, until 2029.",
            "AwsSolutions-L1",
            "Serverless-LambdaLatestVersion",
        )
        acknowledge(
            self.function,
            "A dead-letter target takes asynchronous invocations only. The sweep alone has such, and the next"
            " sweep does what one could not; all others answer to a queue, the state machine or the API.",
            "Serverless-LambdaDLQ",
        )

    def _join_network(self) -> None:
        # On the resource itself: the construct's way wants a VPC with availability zones, which would
        # have to be looked up.
        vpc = self._house.settings.vpc
        assert vpc is not None
        resource = self.function.node.default_child
        assert isinstance(resource, lambda_.CfnFunction)
        resource.vpc_config = lambda_.CfnFunction.VpcConfigProperty(
            subnet_ids=vpc.subnet_ids, security_group_ids=vpc.security_group_ids
        )
        cdk.Tags.of(self.function).add("entrepot:vpc", vpc.id)


# Why a resource in a function's policy may end in a wildcard, by how it begins.
_WILDCARD_REASONS = {
    "*": "X-Ray and a VPC's network interfaces know no resources that could be named beforehand.",
    "logs": "The streams of the function's own log group; Lambda names them.",
    "s3": "The objects of one bucket, or below one prefix; their keys carry job ids, tenants and file names.",
    "states": "The executions of the one state machine; their names carry job ids.",
    "scheduler": "The schedules of the one group; their names are their users'.",
    "secretsmanager": "The six characters that Secrets Manager appends to the secret's name.",
}
