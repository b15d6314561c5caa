"""Imports of several objects at once, as the API is asked for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from entrepot.errors import ForbiddenError, SourceError, UsageError
from entrepot.model.job import JobOptions
from entrepot.model.source import Source
from entrepot.ports.world import Deadline
from entrepot.workflow.access import Caller
from entrepot.workflow.columns import precedence
from entrepot.workflow.gathering import Wanted, gather, listed, set_name
from entrepot.workflow.idempotency import Once
from entrepot.workflow.incremental import Increment, Incremental
from entrepot.workflow.inputs import bundle, read_manifest
from entrepot.workflow.intake import Delivery, Intake, layered
from entrepot.workflow.requests import Ask, Requests, WaysIn, checked
from entrepot.workflow.sources import Sources, is_prefix


@dataclass(frozen=True, slots=True)
class Named:
    """One source as a request names it: a URI, or an upload that waits for this."""

    uri: str = ""
    name: str = ""
    upload: str = ""


class Sets:
    """Takes requests for imports of several objects.

    Args:
        world: The ports.
        intake: The door that every delivery goes through.
        sources: Which URIs a request may name.
        requests: Imports of one object; knows the uploads.
        work_bucket: Where lists of objects lie.
    """

    def __init__(
        self, world: WaysIn, intake: Intake, sources: Sources, requests: Requests, *, work_bucket: str
    ) -> None:
        self._world = world
        self._intake = intake
        self._sources = sources
        self._requests = requests
        self._work = work_bucket

    def receive(self, caller: Caller, ask: Ask, named: Sequence[Named], once: Once, deadline: Deadline) -> Increment:
        """One job of all objects that are named, as they lie there now.

        Raises:
            ForbiddenError: A URI is outside what the settings allow, or a partner names one.
            NotFoundError: An object or upload is not there, or nothing lies below a prefix.
            TooLargeError: They are too many.
            UsageError: One is named twice, or the options do not go with them.
        """
        checked(ask)
        wanted = self.wanted(caller, named)
        options = self._options(caller, ask)
        if options.incremental:
            return self._incremental(caller, ask, wanted)
        source = self.gathered(caller, wanted, once, deadline)
        if options.merge is not None:
            names = [s.name for s in self.of(source)]
            try:
                precedence(options.merge, names)
            except SourceError as error:
                # Nothing was read yet: it is the request that is wrong.
                raise UsageError(error.message, hint=error.hint) from None
        return Increment(self._requests.anew(self._delivery(caller, ask, source)))

    def wanted(self, caller: Caller, named: Sequence[Named]) -> list[Wanted]:
        """What is named, uploads by where they lie.

        Raises:
            ForbiddenError: A partner names what it did not upload.
        """
        if caller.only_own and any(n.uri for n in named):
            msg = "A partner brings files in by upload, not by naming a source."
            raise ForbiddenError(msg, hint="Ask for uploads with `hold`, and name those.", role=caller.role.value)
        return [Wanted(self._requests.held(caller, n.upload) if n.upload else n.uri, n.name) for n in named]

    def gathered(self, caller: Caller, wanted: Sequence[Wanted], once: Once, deadline: Deadline) -> Source:
        """The objects as one source, fixed when the request is first seen."""
        found = gather(self._sources, caller.tenant, wanted, deadline)
        source = bundle(self._world.blobs, self._work, caller.tenant, found, set_name(wanted, found))
        return Source.model_validate_json(once.claim(self._world.config, caller, source.model_dump_json()).result)

    def of(self, source: Source) -> list[Source]:
        """The objects of a source."""
        return read_manifest(self._world.blobs, source)

    def _incremental(self, caller: Caller, ask: Ask, wanted: Sequence[Wanted]) -> Increment:
        if len(wanted) != 1 or not is_prefix(wanted[0].uri):
            raise UsageError("What is new is looked for below one prefix.", hint="Name one that ends with a slash.")
        prefix = self._sources.check(caller.tenant, wanted[0].uri)
        taker = Incremental(self._world.blobs, self._world.jobs, self._intake, self._work)
        delivery = self._delivery(caller, ask, Source(uri=prefix))
        return taker.take(delivery, prefix, lambda: listed(self._world.blobs, prefix), set_name(wanted, []))

    def _options(self, caller: Caller, ask: Ask) -> JobOptions:
        """The options as they will hold: those of the template under those of the request.

        Raises:
            UsageError: They contradict each other.
        """
        options = ask.options
        if ask.template:
            template = self._world.config.template(caller.tenant, ask.template).template
            options = layered(template.options, options)
        if options.incremental and options.merge is not None:
            raise UsageError("A merge needs all its objects, not only the new ones.", hint="Leave one of them out.")
        return options

    @staticmethod
    def _delivery(caller: Caller, ask: Ask, source: Source) -> Delivery:
        return Delivery(caller.tenant, ask.contract, source, caller.actor, "api", ask.template, ask.options)
