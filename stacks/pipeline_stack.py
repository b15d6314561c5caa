"""The pipeline: from a drop to published rows."""

from __future__ import annotations

import aws_cdk as cdk
from constructs import Construct

from stacks.constructs.functions import Functions
from stacks.constructs.house import House
from stacks.constructs.import_machine import ImportMachine
from stacks.constructs.intake_queue import IntakeQueue
from stacks.constructs.job_events import JobEvents
from stacks.constructs.job_table import JobTable
from stacks.constructs.layers import Layers
from stacks.constructs.observability import Observability
from stacks.constructs.rest_api import RestApi
from stacks.constructs.schedules import Schedules
from stacks.constructs.storage import Storage
from stacks.settings import Settings


class PipelineStack(cdk.Stack):
    """Everything that an import needs, but the database, which is given by its secret."""

    def __init__(self, scope: Construct, settings: Settings) -> None:
        names = settings.names
        super().__init__(
            scope,
            names.stack,
            stack_name=names.stack,
            description="Entrepot: files in, rows in PostgreSQL exactly once",
            env=cdk.Environment(account=settings.account, region=settings.region),
            termination_protection=settings.removal == "retain",
        )
        # The CDK writes a dependency beside every reference to a role.
        self.template_options.metadata = {"cfn-lint": {"config": {"ignore_checks": ["W3005"]}}}
        house = House.of(self, settings)

        storage = Storage(self, "Storage", house)
        jobs = JobTable(self, "Jobs", house)
        JobEvents(self, "Events", house)
        queue = IntakeQueue(self, "Intake", house, storage.inbox)

        layers = Layers(self, "Layers", house)
        functions = Functions(self, "Functions", house, layers)
        queue.feed(functions.intake.function)

        machine = ImportMachine(self, "Import", house, work=storage.work, table=jobs.table, functions=functions)
        Schedules(self, "Schedules", house, functions.sweep)
        api = RestApi(self, "Api", house, functions.api)
        observability = Observability(self, "Observability", house, queue=queue, machine=machine, functions=functions)

        self._outputs(
            ApiUrl=api.url,
            Inbox=names.inbox,
            Work=names.work,
            Outbox=names.outbox,
            Table=names.table,
            StateMachine=names.state_machine_arn,
            IntakeQueue=names.intake_queue,
            EventBus=names.event_bus,
            AlarmTopic=observability.topic.topic_arn,
        )
        for key, value in settings.tags.items():
            cdk.Tags.of(self).add(key, value)

    def _outputs(self, **values: str) -> None:
        for key, value in values.items():
            cdk.CfnOutput(self, key, value=value)
