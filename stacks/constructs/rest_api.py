"""The REST API: every path goes to the API function, which knows the routes and verifies the tokens."""

from __future__ import annotations

from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_wafv2 as waf
from constructs import Construct

from stacks.constructs.house import House, acknowledge
from stacks.constructs.house_function import HouseFunction

STAGE_NAME = "v1"
_LOG_POLICY = "service-role/AmazonAPIGatewayPushToCloudWatchLogs"


class RestApi(Construct):
    """API Gateway in front of the API function, with access logs, tracing and throttling."""

    def __init__(self, scope: Construct, construct_id: str, house: House, function: HouseFunction) -> None:
        super().__init__(scope, construct_id)
        self._house = house
        self.api = apigateway.RestApi(
            self,
            "Api",
            rest_api_name=f"{house.names.base}-api",
            description="Imports, jobs, contracts and schedules of Entrepot",
            binary_media_types=["multipart/form-data"],
            endpoint_types=[apigateway.EndpointType.REGIONAL],
            cloud_watch_role=False,
            deploy=False,
        )
        self._route(function)
        self.stage = self._stage()
        self._permit(function)
        if house.settings.api.web_acl_arn:
            waf.CfnWebACLAssociation(
                self, "WebAcl", resource_arn=self.stage.stage_arn, web_acl_arn=house.settings.api.web_acl_arn
            )

    @property
    def url(self) -> str:
        """The address of the API, composed so that it refers to nothing but the API itself."""
        names = self._house.names
        return f"https://{self.api.rest_api_id}.execute-api.{names.region}.{names.domain}/{STAGE_NAME}"

    def _route(self, function: HouseFunction) -> None:
        integration = apigateway.AwsIntegration(
            service="lambda",
            path=f"2015-03-31/functions/{function.function.function_arn}/invocations",
            proxy=True,
        )
        proxy = self.api.root.add_resource("{proxy+}")
        methods = [resource.add_method("ANY", integration) for resource in (self.api.root, proxy)]
        for method in methods:
            acknowledge(
                method,
                "The API function verifies bearer tokens itself, so that one machine and AWS do it alike.",
                "AwsSolutions-APIG4",
                "AwsSolutions-COG4",
            )

    def _stage(self) -> apigateway.Stage:
        settings = self._house.settings.api
        log_group = self._house.log_group(self, f"/aws/apigateway/{self._house.names.base}-api")
        stage = apigateway.Stage(
            self,
            "Stage",
            deployment=apigateway.Deployment(self, "Deployment", api=self.api),
            stage_name=STAGE_NAME,
            access_log_destination=apigateway.LogGroupLogDestination(log_group),
            access_log_format=_access_log(),
            logging_level=apigateway.MethodLoggingLevel.ERROR,
            # Bodies are rows: they stay out of the logs.
            data_trace_enabled=False,
            metrics_enabled=True,
            tracing_enabled=True,
            throttling_rate_limit=settings.rate_limit,
            throttling_burst_limit=settings.burst_limit,
        )
        if settings.set_account_role:
            stage.node.add_dependency(self._account_role())
        if not settings.web_acl_arn:
            acknowledge(
                stage,
                "A web ACL belongs to the account; api.web_acl_arn puts one in front.",
                "AwsSolutions-APIG3",
            )
        acknowledge(
            self.api,
            "The API function validates every request against its models and answers with what is wrong.",
            "AwsSolutions-APIG2",
        )
        return stage

    def _account_role(self) -> apigateway.CfnAccount:
        policy = iam.ManagedPolicy.from_aws_managed_policy_name(_LOG_POLICY)
        role = iam.Role(
            self,
            "AccountRole",
            assumed_by=iam.ServicePrincipal("apigateway.amazonaws.com"),
            managed_policies=[policy],
        )
        acknowledge(
            role,
            "API Gateway writes to CloudWatch with one role per account, for which AWS keeps this policy.",
            f"AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/{_LOG_POLICY}]",
        )
        return apigateway.CfnAccount(self, "Account", cloud_watch_role_arn=role.role_arn)

    def _permit(self, function: HouseFunction) -> None:
        names = self._house.names
        stage = f"arn:{names.partition}:execute-api:{names.region}:{names.account}:{self.api.rest_api_id}/{STAGE_NAME}"
        lambda_.CfnPermission(
            self,
            "Invoke",
            action="lambda:InvokeFunction",
            function_name=function.function.function_name,
            principal="apigateway.amazonaws.com",
            source_arn=f"{stage}/*",
        )


def _access_log() -> apigateway.AccessLogFormat:
    """Who asked for what and how it went; no query string, which may hold a person's data."""
    return apigateway.AccessLogFormat.json_with_standard_fields(
        caller=False,
        http_method=True,
        ip=True,
        protocol=True,
        request_time=True,
        resource_path=True,
        response_length=True,
        status=True,
        user=False,
    )
