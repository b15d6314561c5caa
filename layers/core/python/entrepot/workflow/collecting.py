"""Collections as the API is asked for them: commits, lists, and single files."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from entrepot.errors import ConflictError, ForbiddenError, NotFoundError, UsageError
from entrepot.model.collection import CollectionAsk, Commit, Entry
from entrepot.model.contract import Classification
from entrepot.model.job import Job, JobOptions
from entrepot.model.source import Source
from entrepot.ports.world import Deadline, Executions
from entrepot.workflow.access import Caller
from entrepot.workflow.asked import start_job
from entrepot.workflow.collections import Collections, checked_name, checked_path
from entrepot.workflow.documents import bounded
from entrepot.workflow.idempotency import Once
from entrepot.workflow.inputs import MAX_INPUTS, bundle
from entrepot.workflow.requests import WaysIn
from entrepot.workflow.sets import Named, Sets


@dataclass(frozen=True, slots=True)
class CommitAsk:
    """A request for a commit.

    Attributes:
        named: The sources.
        mode: ``add`` keeps what is there, ``replace`` leaves only what is named.
        message: A note.
        metadata: The caller's own.
        parent: The commit that must hold; any when None.
    """

    named: Sequence[Named]
    mode: str = "add"
    message: str = ""
    metadata: dict[str, object] | None = None
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """One file of a page."""

    path: str
    entry: Entry


class Collecting:
    """Takes requests about collections.

    Args:
        world: The ports.
        executions: The state machine.
        sets: Which objects a request may name.
        work_bucket: Where collections lie.
    """

    def __init__(self, world: WaysIn, executions: Executions, sets: Sets, *, work_bucket: str) -> None:
        self._world = world
        self._executions = executions
        self._sets = sets
        self._work = work_bucket
        self._collections = Collections(world.blobs, work_bucket)

    def names(self, caller: Caller) -> list[str]:
        """The tenant's collections."""
        return self._collections.names(caller.tenant)

    def head(self, caller: Caller, name: str, commit: str = "") -> Commit:
        """A commit, or the one that holds.

        Raises:
            NotFoundError: The tenant has no such collection or commit.
        """
        try:
            head = self._collections.head(caller.tenant, name).commit
        except UsageError:
            head = ""
        if not head:
            raise NotFoundError(f"There is no collection {name[:64]!r}.")
        try:
            return self._collections.commit(caller.tenant, name, commit or head)
        except NotFoundError:
            raise NotFoundError(f"Collection {name} has no commit {commit[:64]!r}.") from None

    def history(self, caller: Caller, name: str, *, limit: int, start: str = "") -> list[Commit]:
        """Commits from ``start`` (or the head) back."""
        first = self.head(caller, name, start)
        return list(islice(self._collections.history(caller.tenant, name, first.id), limit))

    def objects(
        self, caller: Caller, name: str, *, prefix: str = "", after: str = "", limit: int = 100, commit: str = ""
    ) -> list[Listed]:
        """Files by path: those that begin so, from behind ``after`` on."""
        found = self.head(caller, name, commit)
        entries = self._collections.entries(caller.tenant, name, found.id)
        paths = sorted(p for p in entries if p.startswith(prefix))
        start = bisect_right(paths, after) if after else 0
        return [Listed(p, entries[p]) for p in paths[start : start + limit]]

    def link(self, caller: Caller, name: str, path: str, *, seconds: int, commit: str = "") -> str:
        """A short link to one file.

        Raises:
            ForbiddenError: The caller has no clearance for what a file may hold.
            NotFoundError: There is no such file.
        """
        if Classification.PERSONAL not in caller.clearance:
            raise ForbiddenError(
                f"The role {caller.role.value} may not read files: they may hold personal values.",
                hint="A steward or engineer may.",
                role=caller.role.value,
            )
        found = self.head(caller, name, commit)
        entry = self._collections.entries(caller.tenant, name, found.id).get(path)
        if entry is None:
            raise NotFoundError(f"Collection {name} has no {path[:200]!r}.")
        uri = self._collections.object_uri(caller.tenant, name, entry.digest)
        return self._world.blobs.presign_get(uri, seconds=seconds, filename=path.rsplit("/", 1)[-1])

    def commit(self, caller: Caller, name: str, ask: CommitAsk, once: Once, deadline: Deadline) -> Job:
        """A job that brings files into a collection; it is made by its first commit.

        Raises:
            ConflictError: The commit that must hold does not.
            NotFoundError: A source is not there.
            UsageError: A name or path cannot be one, or two files have the same path.
        """
        checked_name(name)
        options = _options(ask.message, ask.metadata)
        wanted = self._sets.wanted(caller, ask.named)
        base = self._collections.head(caller.tenant, name).commit
        if ask.parent is not None and ask.parent != base:
            raise ConflictError(
                f"Collection {name} is at commit {base or 'none'}, not {ask.parent[:64] or 'none'}.",
                hint="Look at what changed, then commit on top of it.",
                head=base,
            )
        source = self._sets.gathered(caller, wanted, once, deadline)
        _distinct_paths(self._sets.of(source))
        wish = CollectionAsk.model_validate({"name": name, "mode": ask.mode, "base": base})
        return self._start(caller, wish, source, options, once)

    def export(self, caller: Caller, name: str, to: str, once: Once, *, commit: str = "") -> Job:
        """A job that lays the files of a commit below a folder of the tenant's outbox.

        Raises:
            NotFoundError: The tenant has no such collection or commit.
            UsageError: The folder cannot be one.
        """
        once.claim(self._world.config, caller, "")
        found = self.head(caller, name, commit)
        checked_path(to)
        entries = self._collections.entries(caller.tenant, name, found.id)
        if not entries or len(entries) > MAX_INPUTS:
            raise UsageError(f"{len(entries)} files cannot be exported at once; 1 to {MAX_INPUTS} can.")
        files = [
            Source(
                uri=self._collections.object_uri(caller.tenant, name, e.digest), name=p, size=e.size, sha256=e.digest
            )
            for p, e in sorted(entries.items())
        ]
        source = bundle(self._world.blobs, self._work, caller.tenant, files, f"{name}/")
        wish = CollectionAsk(name=name, mode="export", base=found.id, to=to.strip("/"))
        return self._start(caller, wish, source, JobOptions(), once)

    def _start(self, caller: Caller, wish: CollectionAsk, source: Source, options: JobOptions, once: Once) -> Job:
        return start_job(
            self._world,
            self._executions,
            caller,
            once,
            kind="collection",
            what=(wish.name, wish.mode),
            source=source,
            options=options,
            collection=wish,
        )


def _options(message: str, metadata: dict[str, object] | None) -> JobOptions:
    options = JobOptions(message=message, metadata=metadata or {})
    bounded(options.model_dump(), "message and metadata", size=32 << 10, depth=16)
    return options


def _distinct_paths(sources: Sequence[Source]) -> None:
    seen: set[str] = set()
    for source in sources:
        path = checked_path(source.name)
        if path in seen:
            raise UsageError(f"Two files have the path {path[:200]!r}.", hint="Give one of them a name.", path=path)
        seen.add(path)
