"""What the routes call, made on first use and kept for the life of the process."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from entrepot.adapters.tokens import TokenVerifier
    from entrepot.ports.jobs import ConfigStore
    from entrepot.ports.world import Scheduler
    from entrepot.workflow.administration import Administration
    from entrepot.workflow.collecting import Collecting
    from entrepot.workflow.inspecting import Inspections
    from entrepot.workflow.intake import Intake
    from entrepot.workflow.lifecycle import Lifecycle
    from entrepot.workflow.plans import Plans
    from entrepot.workflow.refusals import Refusals
    from entrepot.workflow.requests import Requests, UploadStore, WaysIn
    from entrepot.workflow.sets import Sets
    from entrepot.workflow.sources import Sources
    from entrepot.workflow.undo import Undos
    from entrepot.workflow.world import World
    from env import Env

    class ApiWorld(World, WaysIn, Protocol):
        """All the ports that the API touches."""

        @property
        def blobs(self) -> UploadStore:
            """Objects, with links for uploads."""

        @property
        def config(self) -> ConfigStore:
            """Contracts, templates, schedules."""

        @property
        def scheduler(self) -> Scheduler:
            """What fires the schedules."""

        def rest(self) -> None:
            """Gives back what only a running invocation may hold."""


class Services:
    """The library, joined for the API.

    Args:
        env: The function's environment.
        world: The ports.
        keys: Reads the issuer's key set; the network when None.
    """

    def __init__(self, env: Env, world: ApiWorld, *, keys: Any = None) -> None:
        self.env = env
        self.world = world
        self._fetch = keys

    @cached_property
    def verifier(self) -> TokenVerifier:
        """Checks bearer tokens."""
        from entrepot.adapters.tokens import IssuerKeys, TokenVerifier, fetch_jwks

        keys = IssuerKeys(self.env.OIDC_JWKS_URL, fetch=self._fetch or fetch_jwks)
        return TokenVerifier(self.env.OIDC_ISSUER, self.env.OIDC_AUDIENCE, keys, self.world.clock)

    @cached_property
    def sources(self) -> Sources:
        """Which URIs may be named."""
        from entrepot.workflow.sources import Sources

        env = self.env
        return Sources(self.world.blobs, env.INBOX_BUCKET, env.SOURCE_BUCKETS, env.SOURCE_ROOTS)

    @cached_property
    def intake(self) -> Intake:
        """The door that every delivery goes through."""
        from entrepot.workflow.intake import Intake

        return Intake(self.world.jobs, self.world.config, self.world.executions, self.world.clock)

    @cached_property
    def requests(self) -> Requests:
        """Imports that are asked for."""
        from entrepot.workflow.requests import Requests

        return Requests(self.world, self.intake, self.sources, inbox_bucket=self.env.INBOX_BUCKET)

    @cached_property
    def sets(self) -> Sets:
        """Imports of several objects."""
        from entrepot.workflow.sets import Sets

        return Sets(self.world, self.intake, self.sources, self.requests, work_bucket=self.env.WORK_BUCKET)

    @cached_property
    def collecting(self) -> Collecting:
        """Collections."""
        from entrepot.workflow.collecting import Collecting

        return Collecting(self.world, self.world.executions, self.sets, work_bucket=self.env.WORK_BUCKET)

    @cached_property
    def inspections(self) -> Inspections:
        """Files that are looked at and not imported."""
        from entrepot.workflow.inspecting import Inspections

        return Inspections(self.world, self.world.executions, self.sets, work_bucket=self.env.WORK_BUCKET)

    @cached_property
    def lifecycle(self) -> Lifecycle:
        """What people do to jobs."""
        from entrepot.workflow.lifecycle import Lifecycle

        return Lifecycle(self.world)

    @cached_property
    def administration(self) -> Administration:
        """Contracts, templates and schedules."""
        from entrepot.workflow.administration import Administration

        return Administration(
            self.world,
            self.sources,
            release=self.intake.release,
            approved=self.lifecycle.contract_approved,
        )

    @cached_property
    def plans(self) -> Plans:
        """Plans that wait."""
        from entrepot.workflow.plans import Plans

        return Plans(self.world)

    @cached_property
    def undos(self) -> Undos:
        """Jobs that are taken back."""
        from entrepot.workflow.undo import Undos

        return Undos(self.world, self.world.ids.new)

    @cached_property
    def refusals(self) -> Refusals:
        """Refused rows."""
        from entrepot.workflow.refusals import Refusals

        return Refusals(self.world.blobs, self.world.config, self.env.WORK_BUCKET)


_services: list[Services] = []


def services() -> Services:
    """The process's services.

    Raises:
        ConfigurationError: The environment is wrong; every bad variable is named.
    """
    if not _services:
        from entrepot.bootstrap import world
        from entrepot.model.environment import load
        from env import Env

        env = load(Env)
        _services.append(Services(env, world(env, "api")))
    return _services[0]


def rest() -> None:
    """At the end of a request: gives back what only a running invocation may hold."""
    for service in _services:
        service.world.rest()


def use(replacement: Services | None) -> None:
    """Puts other services in place, for tests; None goes back to the environment's."""
    _services.clear()
    if replacement is not None:
        _services.append(replacement)
