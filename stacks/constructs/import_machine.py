"""The state machine of an import: one execution is one leg of a job."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from stacks.constructs.chunk_maps import MAP_LABELS, ChunkMaps
from stacks.constructs.functions import Functions
from stacks.constructs.house import House, acknowledge_wildcards, allow, service_role
from stacks.constructs.house_function import HouseFunction
from stacks.constructs.steps import ERROR_PATH, catch_all, step
from stacks.settings import FunctionName

# The functions that are steps; intake, sweep and API stand outside.
_STEPS: tuple[FunctionName, ...] = (
    "detect",
    "split",
    "profile",
    "map",
    "validate",
    "load",
    "check",
    "gate",
    "publish",
    "notify",
)

_LOG_DELIVERY = [
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
]


_WILDCARD_REASONS = {
    "*": "Log delivery and X-Ray know no resources to name.",
    "lambda": "The versions of one function: executions that run stay on the version that began them.",
    "s3": "The work files of jobs; their keys carry job ids.",
    "states": "The executions of the machine itself, which the maps' children are.",
}


class ImportMachine(Construct):
    """detect → split → [profile] → map → (validate → load) per chunk → check → gate → publish → notify.

    A leg that has only publish before it goes there from detect: an approved plan, an undo.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        house: House,
        *,
        work: s3.IBucket,
        table: dynamodb.ITable,
        functions: Functions,
    ) -> None:
        super().__init__(scope, construct_id)
        self._house = house
        self._functions = functions
        self._failed = self._record_failure()
        self._notify = self._notified()
        maps = ChunkMaps(self, house, work, table, functions)
        log_group = house.log_group(self, f"/aws/vendedlogs/states/{house.names.state_machine}")
        self.machine = sfn.StateMachine(
            self,
            "Machine",
            state_machine_name=house.names.state_machine,
            comment="One leg of an import; ids and counts only, never rows",
            definition_body=sfn.DefinitionBody.from_chainable(self._definition(maps)),
            timeout=cdk.Duration.hours(house.settings.leg_hours),
            tracing_enabled=True,
            logs=sfn.LogOptions(destination=log_group, level=sfn.LogLevel.ALL, include_execution_data=False),
            role=self._role().without_policy_updates(),
            encryption_configuration=(
                sfn.CustomerManagedEncryptionConfiguration(house.key, cdk.Duration.seconds(300)) if house.key else None
            ),
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        # What the construct would grant its maps beside; the role above has it.
        self.machine.node.try_remove_child("DistributedMapPolicy")

    def _definition(self, maps: ChunkMaps) -> sfn.IChainable:
        profile, load = maps.profile(), maps.load()
        detect = self._step("Detect", "detect", "Format, encoding, dialect, columns")
        split = self._step("Split", "split", "Chunks at exact record boundaries")
        map_columns = self._step("MapColumns", "map", "Columns to fields, and the target's shape")
        check = self._step("Check", "check", "Every chunk there and whole; rules over all rows")
        gate = self._step("Gate", "gate", "Thresholds over the findings of the whole file")
        for chunk_map in (profile, load):
            catch_all(chunk_map, self._failed)

        publish = self._published(check)
        detect.next(self._after("AfterDetect", more=detect, publish=publish, next=split))
        split.next(self._after("AfterSplit", more=split, profile=profile, next=map_columns))
        profile.next(map_columns)
        map_columns.next(self._after("AfterMap", next=load))
        load.next(check)
        check.next(self._after("AfterCheck", more=check, reload=load, next=gate))
        gate.next(self._after("AfterGate", next=publish))
        return detect

    def _published(self, check: sfn.IChainable) -> sfn.IChainable:
        publish = self._step("Publish", "publish", "Starts the one transaction, or looks for its receipt")
        wait = sfn.Wait(self, "WaitForPublish", time=sfn.WaitTime.duration(cdk.Duration.seconds(1)))
        wait.next(publish)
        ends = sfn.Choice(self, "AfterPublish")
        ends.when(_outcome("more"), wait)
        # A crash of the database emptied staging after check had passed: check has it loaded again.
        ends.when(_outcome("reload"), check)
        ends.otherwise(self._notify)
        publish.next(ends)
        return publish

    def _notified(self) -> sfn.IChainable:
        done = sfn.Succeed(self, "Done")
        return self._step("Notify", "notify", "The result for the partner, and the event").next(done)

    def _record_failure(self) -> sfn.IChainable:
        failed = sfn.Fail(
            self,
            "Failed",
            comment="The job's record says why",
            error_path=f"{ERROR_PATH}.Error",
            cause_path=f"{ERROR_PATH}.Cause",
        )
        record = step(
            self,
            "RecordFailure",
            self._functions.notify.pinned,
            self._house.settings.timeout_of("notify"),
            comment="The job becomes failed; its staging stays for a resume",
            # The error that brought us here stays in place: it is what the execution fails with.
            result_path=sfn.JsonPath.DISCARD,
        )
        catch_all(record, failed)
        return record.next(failed)

    def _after(self, name: str, **ways: sfn.IChainable) -> sfn.Choice:
        """Goes by the step's outcome; ``stop`` always ends the leg with a notice."""
        choice = sfn.Choice(self, name)
        unexpected = self._unexpected(name)
        # A comparison with a path that is not there is an error which no catch sees.
        choice.when(sfn.Condition.is_not_present("$.outcome"), unexpected)
        for outcome, state in ways.items():
            choice.when(_outcome(outcome), state)
        choice.when(_outcome("stop"), self._notify)
        choice.otherwise(unexpected)
        return choice

    def _unexpected(self, choice: str) -> sfn.IChainable:
        unknown = sfn.Pass(
            self,
            f"{choice}Unexpected",
            comment="A step answered what no step may: never guess the way to a publish",
            parameters={
                "Error": "UnexpectedOutcome",
                "Cause": f"{choice} knows no way for the step's outcome",
            },
            result_path=ERROR_PATH,
        )
        return unknown.next(self._failed)

    def _step(self, state: str, name: FunctionName, comment: str) -> sfn.TaskStateBase:
        function: HouseFunction = self._functions.all[name]
        task = step(self, state, function.pinned, self._house.settings.timeout_of(name), comment=comment)
        catch_all(task, self._failed)
        return task

    def _role(self) -> iam.Role:
        names = self._house.names
        # Of older versions too: executions that began on them may still run.
        version = ":*" if self._house.settings.pin_versions else ""
        functions = [f"{names.function_arn(name)}{version}" for name in _STEPS]
        statements = [
            allow(["lambda:InvokeFunction"], functions),
            allow(["s3:GetObject"], [names.bucket_arn(names.work, "jobs/*")]),
            allow(["dynamodb:UpdateItem"], [names.table_arn]),
            # A Distributed Map runs its children as executions of the machine itself.
            allow(["states:StartExecution"], [names.state_machine_arn]),
            allow(
                ["states:DescribeExecution", "states:StopExecution"],
                [names.executions_arn, *(names.map_executions_arn(label) for label in MAP_LABELS)],
            ),
            allow(_LOG_DELIVERY, ["*"]),
            allow(
                [
                    "xray:GetSamplingRules",
                    "xray:GetSamplingTargets",
                    "xray:PutTelemetryRecords",
                    "xray:PutTraceSegments",
                ],
                ["*"],
            ),
            *self._house.key_grant(),
        ]
        role = service_role(self, "Role", "states.amazonaws.com", statements)
        acknowledge_wildcards(role, statements, _WILDCARD_REASONS)
        return role


def _outcome(value: str) -> sfn.Condition:
    return sfn.Condition.string_equals("$.outcome", value)
