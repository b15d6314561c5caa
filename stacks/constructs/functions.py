"""The functions: for each step its layers, its environment and what it may do."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.constructs.grants import Grants
from stacks.constructs.house import House
from stacks.constructs.house_function import HouseFunction
from stacks.constructs.layers import Layers
from stacks.settings import DATABASE_FUNCTIONS, FunctionName

_CERTIFICATE = "/opt/certificates/database.pem"


class Functions(Construct):
    """One function for each step of an import, the sweep and the API."""

    def __init__(self, scope: Construct, construct_id: str, house: House, layers: Layers) -> None:
        super().__init__(scope, construct_id)
        self._house = house
        self._layers = layers
        self._all: dict[FunctionName, HouseFunction] = {}
        grants = Grants(house)
        env = self._environment = _Environment(house)
        job = {**env.table, **env.work}

        self.intake = self._function(
            "intake",
            {**job, **env.source, **env.outbox, **env.machine, **env.tenants},
            grants.take_messages(),
            grants.move_jobs(),
            grants.read_drops(),
            grants.list_drops(),
            grants.write_outbox(),
            grants.announce(),
            grants.start_legs(),
        )
        self.detect = self._function(
            "detect",
            {**job, **env.source, **env.exports},
            grants.move_jobs(),
            grants.read_drops(),
            grants.write_work(),
            grants.write_collections(),
            grants.write_outbox(),
            more_layers=("sources",),
        )
        self.split = self._function(
            "split",
            {**job, **env.source, **env.chunks},
            grants.move_jobs(),
            grants.read_drops(),
            grants.write_work(),
            more_layers=("sources",),
        )
        self.profile = self._function(
            "profile",
            {**job, **env.source, **env.columns},
            grants.read_jobs(),
            grants.read_drops(),
            grants.write_work(),
        )
        self.map = self._function("map", {**job, **env.waiting}, grants.move_jobs(), grants.write_work())
        self.validate = self._function(
            "validate",
            {**job, **env.source, **env.columns},
            grants.read_jobs(),
            grants.read_drops(),
            grants.write_work(),
        )
        self.load = self._function("load", {**job, **env.columns}, grants.move_jobs(), grants.use_up_work())
        self.check = self._function(
            "check",
            {**job, **env.source},
            grants.move_jobs(),
            grants.recount_chunks(),
            grants.read_drops(),
            grants.write_work(),
        )
        self.gate = self._function("gate", job, grants.move_jobs(), grants.write_work())
        self.publish = self._function(
            "publish",
            {**job, **env.waiting},
            grants.move_jobs(),
            grants.read_work(),
            grants.write_collections(),
        )
        self.notify = self._function(
            "notify", {**job, **env.outbox}, grants.move_jobs(), grants.write_outbox(), grants.announce()
        )
        self.sweep = self._function(
            "sweep",
            {**job, **env.outbox, **env.machine, **env.waiting, **env.journal},
            grants.move_jobs(),
            grants.find_jobs("live"),
            grants.write_outbox(),
            grants.announce(),
            grants.start_legs(),
            grants.watch_legs(),
        )
        self.api = self._function(
            "api",
            {
                **job,
                **env.source,
                **env.outbox,
                **env.machine,
                **env.waiting,
                **env.tenants,
                **env.schedules,
                **env.tokens,
            },
            grants.move_jobs(),
            grants.list_items(),
            grants.find_jobs("by_state", "by_time"),
            grants.read_drops(),
            grants.list_drops(),
            grants.take_uploads(),
            grants.read_work(),
            grants.read_collections(),
            grants.start_legs(),
            grants.watch_legs(),
            grants.keep_schedules(),
            more_layers=("web",),
        )

    @property
    def all(self) -> dict[FunctionName, HouseFunction]:
        """Every function by its step."""
        return dict(self._all)

    def _function(
        self,
        name: FunctionName,
        environment: Mapping[str, str],
        *grants: Sequence[iam.PolicyStatement],
        more_layers: Sequence[str] = (),
    ) -> HouseFunction:
        statements = [statement for group in grants for statement in group]
        layers = self._layers.pick("core", "data", *more_layers)
        if name in DATABASE_FUNCTIONS:
            environment = {**environment, **self._environment.database}
            statements += Grants(self._house).open_database()
            layers += self._layers.pick("database")
            layers += [self._layers.certificates] if self._layers.certificates else []
        made = HouseFunction(
            self,
            name.title(),
            house=self._house,
            name=name,
            layers=layers,
            environment=environment,
            grants=statements,
        )
        self._all[name] = made
        return made


class _Environment:
    """Variables in the parts that the functions' own environment models are composed of."""

    def __init__(self, house: House) -> None:
        settings, names = house.settings, house.names
        self.table = {"TABLE_NAME": names.table}
        self.work = {"WORK_BUCKET": names.work}
        self.source = {"INBOX_BUCKET": names.inbox, "SOURCE_BUCKETS": json.dumps(settings.source_buckets)}
        self.outbox = {"OUTBOX_BUCKET": names.outbox, "EVENT_BUS_NAME": names.event_bus}
        self.exports = {"OUTBOX_BUCKET": names.outbox}
        self.machine = {"STATE_MACHINE_ARN": names.state_machine_arn}
        self.tenants = {"TENANTS": json.dumps(settings.tenants)}
        self.chunks = {"CHUNK_BYTES": str(settings.chunk_bytes)}
        self.waiting = {
            "AWAIT_DAYS": str(settings.await_days),
            "STAGING_KEEP_HOURS": str(settings.staging_keep_hours),
            "LATE_MINUTES": str(settings.alarms.late_minutes),
        }
        # A warm function that keeps the memory of one chunk for the next does not ask the kernel for each page again:
        # a third of its processor time (docs/decisions/memory-is-kept-warm.md).
        self.columns = {
            "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
            "MALLOC_TRIM_THRESHOLD_": str(512 << 20),
            "MIMALLOC_PURGE_DELAY": "-1",
        }
        self.journal = {"UNDO_DAYS": str(settings.undo_days)}
        self.database = {
            "DATABASE_SECRET_ID": settings.database.secret,
            "DATABASE_SSLMODE": settings.database.sslmode,
            "DATABASE_CA": _CERTIFICATE if settings.database.ca_file else "system",
            "DATABASE_CONNECTIONS": str(settings.database.connections),
            "STAGING_UNLOGGED": str(settings.staging_unlogged).lower(),
        }
        self.schedules = {
            "SCHEDULE_GROUP": names.schedule_group,
            "SCHEDULE_ROLE_ARN": names.schedule_role_arn,
            "SCHEDULE_DEAD_LETTERS_ARN": names.dead_letters_arn,
            "INTAKE_QUEUE_ARN": names.intake_queue_arn,
        }
        self.tokens = {
            "OIDC_ISSUER": settings.oidc.issuer,
            "OIDC_AUDIENCE": settings.oidc.audience,
            "OIDC_JWKS_URL": settings.oidc.jwks_url,
        }
