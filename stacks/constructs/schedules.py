"""EventBridge Scheduler: the users' schedules drop into the intake queue, the house's own runs the sweep."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_scheduler as scheduler
from constructs import Construct

from stacks.constructs.house import House, acknowledge, allow, service_role
from stacks.constructs.house_function import HouseFunction

SWEEP_EXPRESSION = "rate(5 minutes)"


class Schedules(Construct):
    """The group and role for schedules that the API makes, and the sweep's own schedule."""

    def __init__(self, scope: Construct, construct_id: str, house: House, sweep: HouseFunction) -> None:
        super().__init__(scope, construct_id)
        self._house = house
        names = house.names
        scheduler.CfnScheduleGroup(self, "Imports", name=names.schedule_group)
        self._role(
            "ImportsRole",
            names.schedule_group,
            [allow(["sqs:SendMessage"], [names.intake_queue_arn, names.dead_letters_arn])],
            role_name=names.schedule_role,
        )
        own = scheduler.CfnScheduleGroup(self, "Own", name=names.house_schedule_group)
        self._drop_late_sweeps(sweep)
        self._sweep(sweep).node.add_dependency(own)

    def _sweep(self, sweep: HouseFunction) -> scheduler.CfnSchedule:
        names = self._house.names
        arn = names.function_arn("sweep")
        role = self._role("SweepRole", names.house_schedule_group, [allow(["lambda:InvokeFunction"], [arn])])
        schedule = scheduler.CfnSchedule(
            self,
            "Sweep",
            name=names.function("sweep"),
            group_name=names.house_schedule_group,
            description="Resumes or fails stuck jobs, drops what nobody needs",
            schedule_expression=SWEEP_EXPRESSION,
            flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
            kms_key_arn=self._house.settings.kms_key_arn,
            target=scheduler.CfnSchedule.TargetProperty(
                arn=arn,
                role_arn=role.role_arn,
                input="{}",
                # The next sweep does what this one could not.
                retry_policy=scheduler.CfnSchedule.RetryPolicyProperty(
                    maximum_event_age_in_seconds=240, maximum_retry_attempts=2
                ),
            ),
        )
        schedule.node.add_dependency(sweep)
        return schedule

    def _drop_late_sweeps(self, sweep: HouseFunction) -> None:
        """A sweep that cannot start in time is not worth starting: the next one is due."""
        invocations = lambda_.EventInvokeConfig(
            self, "SweepInvocations", function=sweep.function, max_event_age=cdk.Duration.minutes(4), retry_attempts=0
        )
        acknowledge(
            invocations,
            "What one sweep could not do, the next one does; there is nothing to keep of a failed one.",
            "Serverless-LambdaAsyncFailureDestination",
        )

    def _role(
        self, construct_id: str, group: str, statements: list[iam.PolicyStatement], role_name: str | None = None
    ) -> iam.Role:
        names = self._house.names
        return service_role(
            self,
            construct_id,
            "scheduler.amazonaws.com",
            [*statements, *self._house.key_grant()],
            role_name=role_name,
            # Only schedules of this group, so that no other may borrow the role.
            conditions={
                "StringEquals": {
                    "aws:SourceAccount": names.account,
                    "aws:SourceArn": names.schedule_group_arn(group),
                }
            },
        )
