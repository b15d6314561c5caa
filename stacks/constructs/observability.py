"""What wakes somebody: dead letters, failed executions, late jobs, failing functions."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from stacks.constructs.functions import Functions
from stacks.constructs.house import House, acknowledge
from stacks.constructs.import_machine import ImportMachine
from stacks.constructs.intake_queue import IntakeQueue
from stacks.settings import FunctionName

NAMESPACE = "Entrepot"
LATE_JOBS = "LateJobs"

# Steps are retried and caught by the state machine, whose failures have an alarm; these have nobody behind them.
_WATCHED: tuple[FunctionName, ...] = ("intake", "sweep", "api", "notify")


class Observability(Construct):
    """Alarms on one topic, and a dashboard."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        house: House,
        *,
        queue: IntakeQueue,
        machine: ImportMachine,
        functions: Functions,
    ) -> None:
        super().__init__(scope, construct_id)
        self._house = house
        self.topic = self._topic()
        dead = queue.dead_letters.metric_approximate_number_of_messages_visible(
            period=cdk.Duration.minutes(1), statistic="Maximum"
        )
        self._alarm("DeadLetters", dead, "Drops that intake could not take wait in the dead-letter queue")
        self._alarm(
            "FailedExecutions", self._failed(machine), "Executions of the import failed, timed out or were aborted"
        )
        self._alarm("LateJobs", self._late(), "Jobs that neither end nor wait for a person")
        for name in _WATCHED:
            errors = functions.all[name].function.metric_errors(period=cdk.Duration.minutes(5))
            self._alarm(f"{name.title()}Errors", errors, f"The function {name} fails")
        self._dashboard(dead, machine, functions)

    def _topic(self) -> sns.ITopic:
        chosen = self._house.settings.alarms
        if chosen.topic_arn:
            return sns.Topic.from_topic_arn(self, "Topic", chosen.topic_arn)
        topic = sns.Topic(
            self,
            "Topic",
            topic_name=f"{self._house.names.base}-alarms",
            # Not under AWS's own SNS key, with which CloudWatch cannot publish; an alarm's text holds no data.
            master_key=self._house.key,
            enforce_ssl=True,
        )
        if chosen.email:
            acknowledge(
                topic.add_subscription(subscriptions.EmailSubscription(chosen.email)),
                "A mail that came too late would help nobody; the alarm's state stays in CloudWatch.",
                "Serverless-SNSRedrivePolicy",
            )
        return topic

    def _alarm(self, construct_id: str, metric: cloudwatch.IMetric, description: str) -> None:
        alarm = cloudwatch.Alarm(
            self,
            construct_id,
            alarm_name=f"{self._house.names.base}-{construct_id}",
            alarm_description=description,
            metric=metric,
            threshold=1,
            evaluation_periods=1,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        alarm.add_alarm_action(actions.SnsAction(self.topic))
        alarm.add_ok_action(actions.SnsAction(self.topic))

    @staticmethod
    def _failed(machine: ImportMachine) -> cloudwatch.IMetric:
        period = cdk.Duration.minutes(5)
        return cloudwatch.MathExpression(
            expression="failed + timedout + aborted",
            label="Executions that did not succeed",
            period=period,
            using_metrics={
                "failed": machine.machine.metric_failed(period=period),
                "timedout": machine.machine.metric_timed_out(period=period),
                "aborted": machine.machine.metric_aborted(period=period),
            },
        )

    def _late(self) -> cloudwatch.IMetric:
        """What the sweep counts, under the name that its metrics carry."""
        return cloudwatch.Metric(
            namespace=NAMESPACE,
            metric_name=LATE_JOBS,
            dimensions_map={"service": self._house.names.function("sweep")},
            statistic="Maximum",
            period=cdk.Duration.minutes(5),
        )

    def _dashboard(self, dead: cloudwatch.IMetric, machine: ImportMachine, functions: Functions) -> None:
        board = cloudwatch.Dashboard(self, "Dashboard", dashboard_name=self._house.names.base)
        durations = [made.function.metric_duration(label=name) for name, made in functions.all.items()]
        errors = [made.function.metric_errors(label=name) for name, made in functions.all.items()]
        started, succeeded = machine.machine.metric_started(), machine.machine.metric_succeeded()
        board.add_widgets(
            cloudwatch.GraphWidget(title="Executions", left=[started, succeeded, self._failed(machine)]),
            cloudwatch.GraphWidget(title="Dead letters and late jobs", left=[dead, self._late()]),
        )
        board.add_widgets(
            cloudwatch.GraphWidget(title="Duration by function", left=durations),
            cloudwatch.GraphWidget(title="Errors by function", left=errors),
        )
