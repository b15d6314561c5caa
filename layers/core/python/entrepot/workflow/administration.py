"""Contracts, templates and schedules: written by stewards, versioned, never changed in place."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from entrepot.errors import ConflictError, ContractError, NotFoundError, UsageError
from entrepot.model.config import Schedule, ScheduleVersion, Template, TemplateVersion
from entrepot.model.contract import NAME_PATTERN, Contract, ContractHead, ContractStatus, ContractVersion
from entrepot.ports.jobs import ConfigStore
from entrepot.ports.world import Clock, Scheduler
from entrepot.workflow.access import Caller
from entrepot.workflow.firing import checked_firing
from entrepot.workflow.idempotency import Once
from entrepot.workflow.sources import Sources

RESERVED_SCHEMAS = re.compile(r"entrepot(_.*)?|pg_.*|information_schema")
"""Schemas that no contract may write to or show: our own books, and PostgreSQL's."""

_TARGETS = "_targets"
"""Owner of the book of target tables. No tenant is called so: their names start with a letter or digit."""
RACE_SECONDS = 2.0
"""How long a repeated request waits for what the first one is making."""
_FOREVER = 100 * 365 * 86_400


T = TypeVar("T")


class Configured(Protocol):
    """The ports that administration touches."""

    @property
    def config(self) -> ConfigStore:
        """Contracts, templates, schedules."""

    @property
    def scheduler(self) -> Scheduler:
        """What fires the schedules."""

    @property
    def clock(self) -> Clock:
        """The time."""


def claim_target(config: ConfigStore, tenant: str, contract: Contract) -> None:
    """Makes sure that a target table belongs to one tenant (ACC2); the first one to name it has it.

    Raises:
        ContractError: The table is in a schema that contracts may not touch.
        ConflictError: It is another tenant's.
    """
    schema, table = contract.table_parts()
    if RESERVED_SCHEMAS.fullmatch(schema.lower()):
        raise ContractError(f"target: schema {schema} is not for rows.", hint="Name another schema.", schema=schema)
    try:
        config.claim_key(_TARGETS, f"{schema}.{table}", tenant, tenant, seconds=_FOREVER)
    except ConflictError:
        raise ConflictError(
            f"The table {schema}.{table} is not free.", hint="Name another target.", target=f"{schema}.{table}"
        ) from None


class Administration:
    """Reads and writes one tenant's configuration.

    Args:
        world: The ports.
        sources: Which URIs a schedule may name.
        release: Starts what waited while a contract was paused (`Intake.release`).
        approved: Lets jobs go on that waited for a contract (`Lifecycle.contract_approved`).
        sleep: How to wait.
    """

    def __init__(
        self,
        world: Configured,
        sources: Sources,
        *,
        release: Callable[[str, str], int],
        approved: Callable[[str, str], int],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._world = world
        self._sources = sources
        self._release = release
        self._approved = approved
        self._sleep = sleep

    # -- contracts

    def contract(self, caller: Caller, name: str, version: int = 0) -> tuple[ContractHead, ContractVersion]:
        """A contract as it holds, and one version of it (0: the current one).

        Raises:
            NotFoundError: The tenant has none of that name.
        """
        head = self._head(caller, name)
        return head, self._world.config.contract(caller.tenant, name, version)

    def contracts(self, caller: Caller, *, limit: int, after: str = "") -> list[tuple[ContractHead, ContractVersion]]:
        """Contracts by name, from the one after ``after``; each in its current version."""
        heads = [h for h in self._world.config.contracts(caller.tenant) if h.name > after]
        heads.sort(key=lambda h: h.name)
        return [(h, self._world.config.contract(caller.tenant, h.name)) for h in heads[:limit]]

    def contract_versions(self, caller: Caller, name: str) -> list[ContractVersion]:
        """All versions, oldest first."""
        self._head(caller, name)
        return self._world.config.contract_versions(caller.tenant, name)

    def create_contract(
        self, caller: Caller, contract: Contract, once: Once, *, draft: bool = False
    ) -> tuple[ContractHead, ContractVersion]:
        """The first version of a contract.

        Raises:
            ConflictError: There is one of that name, or the target is another tenant's.
        """
        name = contract.name

        def known() -> tuple[ContractHead, ContractVersion] | None:
            return self.contract(caller, name, 1) if self._world.config.contract_head(caller.tenant, name) else None

        return self._create(
            caller,
            once,
            f"contract {name}",
            known=known,
            same=lambda found: _same(found[1].contract, contract),
            make=lambda: self._put_contract(caller, contract, draft=draft),
        )

    def put_contract(
        self, caller: Caller, name: str, contract: Contract, *, draft: bool = False
    ) -> tuple[ContractHead, ContractVersion]:
        """A new version of a contract, the first when there is none; the same content again makes none.

        Raises:
            UsageError: The document names another contract.
            ConflictError: The target is another tenant's.
        """
        _same_name("contract", _named("contract", name), contract.name)
        head = self._world.config.contract_head(caller.tenant, name)
        if head is not None:
            latest = self._world.config.contract(caller.tenant, name, head.latest)
            wanted = ContractStatus.DRAFT if draft else ContractStatus.APPROVED
            if _same(latest.contract, contract) and latest.status is wanted:
                return head, latest
        return self._put_contract(caller, contract, draft=draft)

    def _put_contract(self, caller: Caller, contract: Contract, *, draft: bool) -> tuple[ContractHead, ContractVersion]:
        claim_target(self._world.config, caller.tenant, contract)
        version = self._world.config.put_contract(
            ContractVersion(
                tenant=caller.tenant,
                contract=contract,
                status=ContractStatus.DRAFT if draft else ContractStatus.APPROVED,
                created_by=caller.actor,
                created_at=self._now(),
                approved_by="" if draft else caller.actor,
            )
        )
        if not draft:
            self._approved(caller.tenant, contract.name)
        return self._head(caller, contract.name), version

    def approve_contract(self, caller: Caller, name: str, version: int) -> tuple[ContractHead, ContractVersion]:
        """Makes a draft the current version; jobs that waited for it go on."""
        draft = self.contract(caller, name, version)[1]
        claim_target(self._world.config, caller.tenant, draft.contract)
        approved = self._world.config.approve_contract(caller.tenant, name, version, by=caller.actor)
        self._approved(caller.tenant, name)
        return self._head(caller, name), approved

    def own_target(self, caller: Caller, name: str) -> None:
        """Makes sure that a contract's target is this tenant's, before an inferred draft is approved."""
        head = self._world.config.contract_head(caller.tenant, name)
        if head is not None:
            version = self._world.config.contract(caller.tenant, name, head.current or head.latest)
            claim_target(self._world.config, caller.tenant, version.contract)

    def readable_target(self, caller: Caller, name: str) -> tuple[Contract, str, str]:
        """A contract, and the schema and name of its table, when this tenant may look into it.

        Raises:
            NotFoundError: There is no such contract, or no version of it is approved: a draft may
                name any table, only approval makes sure that it is this tenant's.
        """
        head, version = self.contract(caller, name)
        schema, table = version.contract.table_parts()
        if not head.current or RESERVED_SCHEMAS.fullmatch(schema.lower()):
            raise NotFoundError(f"There is no table {schema}.{table} yet.", hint="The first publish makes it.")
        claim_target(self._world.config, caller.tenant, version.contract)
        return version.contract, schema, table

    def pause_contract(self, caller: Caller, name: str, *, paused: bool) -> tuple[ContractHead, ContractVersion]:
        """Holds a contract's new jobs, or lets them go on; those that waited start."""
        self._head(caller, name)
        self._world.config.pause_contract(caller.tenant, name, paused=paused)
        if not paused:
            self._release(caller.tenant, name)
        return self.contract(caller, name)

    def delete_contract(self, caller: Caller, name: str) -> None:
        """Retires a contract: no new jobs, while jobs that have it can still read it."""
        self._head(caller, name)
        self._world.config.delete_contract(caller.tenant, name)

    def _head(self, caller: Caller, name: str) -> ContractHead:
        head = self._world.config.contract_head(caller.tenant, _named("contract", name))
        if head is None:
            raise _missing("contract", name)
        return head

    # -- templates

    def template(self, caller: Caller, name: str, version: int = 0) -> TemplateVersion:
        """A version of a template (0: the latest)."""
        return self._world.config.template(caller.tenant, _named("template", name), version)

    def templates(self, caller: Caller, *, limit: int, after: str = "") -> list[TemplateVersion]:
        """Templates by name, from the one after ``after``; each in its latest version."""
        found = [t for t in self._world.config.templates(caller.tenant) if t.template.name > after]
        return sorted(found, key=lambda t: t.template.name)[:limit]

    def create_template(self, caller: Caller, template: Template, once: Once) -> TemplateVersion:
        """The first version of a template.

        Raises:
            ConflictError: There is one of that name.
        """
        return self._create(
            caller,
            once,
            f"template {template.name}",
            known=lambda: _found(lambda: self._world.config.template(caller.tenant, template.name)),
            same=lambda found: _same(found.template, template),
            make=lambda: self._put_template(caller, template),
        )

    def put_template(self, caller: Caller, name: str, template: Template) -> TemplateVersion:
        """A new version of a template, the first when there is none; the same content again makes none."""
        _same_name("template", _named("template", name), template.name)
        known = _found(lambda: self._world.config.template(caller.tenant, name))
        if known is not None and _same(known.template, template):
            return known
        return self._put_template(caller, template)

    def _put_template(self, caller: Caller, template: Template) -> TemplateVersion:
        self._head(caller, template.contract)
        return self._world.config.put_template(
            TemplateVersion(tenant=caller.tenant, template=template, created_by=caller.actor, created_at=self._now())
        )

    def delete_template(self, caller: Caller, name: str) -> None:
        """Takes a template out of use.

        Raises:
            ConflictError: A schedule names it.
        """
        self.template(caller, name)
        users = sorted(
            s.schedule.name for s in self._world.config.schedules(caller.tenant) if s.schedule.template == name
        )
        if users:
            raise ConflictError(
                f"The template {name} is used by the schedules {', '.join(users)[:200]}.",
                hint="Delete them first, or give them another template.",
                schedules=users,
            )
        self._world.config.delete_template(caller.tenant, name)

    # -- schedules

    def schedule(self, caller: Caller, name: str) -> ScheduleVersion:
        """The latest version of a schedule."""
        return self._world.config.schedule(caller.tenant, _named("schedule", name))

    def schedules(self, caller: Caller, *, limit: int, after: str = "") -> list[ScheduleVersion]:
        """Schedules by name, from the one after ``after``; each in its latest version."""
        found = [s for s in self._world.config.schedules(caller.tenant) if s.schedule.name > after]
        return sorted(found, key=lambda s: s.schedule.name)[:limit]

    def schedule_versions(self, caller: Caller, name: str) -> list[ScheduleVersion]:
        """All versions of a schedule, oldest first."""
        self.schedule(caller, name)
        return self._world.config.schedule_versions(caller.tenant, name)

    def create_schedule(self, caller: Caller, schedule: Schedule, once: Once) -> ScheduleVersion:
        """The first version of a schedule.

        Raises:
            ConflictError: There is one of that name.
        """
        made = self._create(
            caller,
            once,
            f"schedule {schedule.name}",
            known=lambda: _found(lambda: self._world.config.schedule(caller.tenant, schedule.name)),
            same=lambda found: _same(found.schedule, schedule),
            make=lambda: self._put_schedule(caller, schedule, before=None),
        )
        # The request that made it may have died before the firing was set up.
        self._fire(caller, made.schedule)
        return made

    def put_schedule(self, caller: Caller, name: str, schedule: Schedule) -> ScheduleVersion:
        """A new version of a schedule, the first when there is none.

        The same content again makes no version but sets up the firing again: that mends a schedule
        whose firing was not set up.
        """
        _same_name("schedule", _named("schedule", name), schedule.name)
        before = _found(lambda: self._world.config.schedule(caller.tenant, name))
        if before is not None and _same(before.schedule, schedule):
            self._fire(caller, before.schedule)
            return before
        return self._put_schedule(caller, schedule, before=before)

    def pause_schedule(self, caller: Caller, name: str, *, paused: bool) -> ScheduleVersion:
        """Stops or resumes a schedule's firing."""
        before = self.schedule(caller, name)
        if before.schedule.enabled is not paused:
            self._fire(caller, before.schedule)
            return before
        return self._put_schedule(caller, before.schedule.model_copy(update={"enabled": not paused}), before=before)

    def delete_schedule(self, caller: Caller, name: str) -> None:
        """Takes a schedule out of use; first its firing, so that it never fires unknown."""
        before = self.schedule(caller, name)
        self._world.scheduler.delete(caller.tenant, name)
        self._store(caller, before.schedule, deleted=True)

    def _put_schedule(self, caller: Caller, schedule: Schedule, *, before: ScheduleVersion | None) -> ScheduleVersion:
        """Stores first, then sets up the firing: a schedule that fires is always known.

        When it dies between the two, PUT of the same document sets up the firing again. When the
        scheduler refuses the expression, what held before holds again.
        """
        checked_firing(schedule)
        self._sources.check(caller.tenant, schedule.source)
        self._world.config.template(caller.tenant, schedule.template)
        stored = self._store(caller, schedule)
        try:
            self._fire(caller, stored.schedule)
        except UsageError:
            if before is None:
                self._store(caller, schedule, deleted=True)
            else:
                self._store(caller, before.schedule)
            raise
        return stored

    def _store(self, caller: Caller, schedule: Schedule, *, deleted: bool = False) -> ScheduleVersion:
        return self._world.config.put_schedule(
            ScheduleVersion(
                tenant=caller.tenant,
                schedule=schedule,
                created_by=caller.actor,
                created_at=self._now(),
                deleted=deleted,
            )
        )

    def _fire(self, caller: Caller, schedule: Schedule) -> None:
        self._world.scheduler.put(
            caller.tenant,
            schedule.name,
            expression=schedule.expression,
            timezone=schedule.timezone,
            start=schedule.start,
            end=schedule.end,
            enabled=schedule.enabled,
        )

    def _create(
        self,
        caller: Caller,
        once: Once,
        what: str,
        *,
        known: Callable[[], T | None],
        same: Callable[[T], bool],
        make: Callable[[], T],
    ) -> T:
        """Makes something under a name that must be free; repeated with its key, finds what it made.

        What the key remembers is how the name was found: free, then this request makes it, however
        often it takes; or taken, and then it stays refused.
        """
        found = known()
        fresh = f"{'taken' if found is not None else 'free'} {secrets.token_hex(8)}"
        claim = once.claim(self._world.config, caller, fresh)
        waited = 0.0
        while found is None and not claim.first and waited < RACE_SECONDS:
            self._sleep(0.2)
            waited += 0.2
            found = known()
        if claim.result.startswith("free"):
            if found is None:
                return make()
            if not claim.first and same(found):
                return found
        raise ConflictError(f"There is a {what} already.", hint="PUT makes a new version of it.", name=what)

    def _now(self) -> str:
        return self._world.clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _found(look: Callable[[], T]) -> T | None:
    try:
        return look()
    except NotFoundError:
        return None


def _same(stored: Contract | Template | Schedule, sent: Contract | Template | Schedule) -> bool:
    return stored == sent.model_copy(update={"version": stored.version})


def _named(what: str, name: str) -> str:
    """The name, when it can be one; else nothing can be found under it."""
    if not re.fullmatch(NAME_PATTERN, name):
        raise _missing(what, name)
    return name


def _missing(what: str, name: str) -> NotFoundError:
    return NotFoundError(f"There is no {what} {name[:64]!r}.", what=what)


def _same_name(what: str, path: str, document: str) -> None:
    if path != document:
        raise UsageError(
            f"The path names the {what} {path}, the document {document}.", hint="Names cannot be changed.", what=what
        )
