"""Archives among a job's objects become their members, each an object of its own, before anything is detected.

A member that cannot be read, or that is no table, is left out and named; its neighbours are read. Members lie in the
work bucket under numbers: no name from inside an archive ever becomes a key.
"""

from __future__ import annotations

import fnmatch
import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

import orjson

from entrepot.detect.opening import BY_BYTES, as_asked, format_of, open_reader
from entrepot.detect.recognise import Kind
from entrepot.detect.source import detect_source
from entrepot.errors import EntrepotError, NotFoundError, SourceError, UsageError
from entrepot.formats.reading import LIMITS
from entrepot.mapping import map_columns
from entrepot.model.contract import Contract
from entrepot.model.job import Job, JobState
from entrepot.model.receipt import Skipped
from entrepot.model.source import Source, SplitState
from entrepot.ports.world import Deadline
from entrepot.workflow.inputs import MAX_INPUTS, manifest, named
from entrepot.workflow.recognising import kind_of, open_source, read_options
from entrepot.workflow.world import World, work_uri

if TYPE_CHECKING:
    from entrepot.formats.containers.walk import Member

MOST_SKIPPED = 1000
"""Members left out that are named one by one."""
THREADS = 8
"""Objects of a set that are looked at together."""
_BLOCK = 1 << 20


@dataclass(slots=True)
class Found:
    """A member that can be read: where it lies now, and its columns."""

    source: Source
    columns: list[str]
    delimited: bool


@dataclass(slots=True)
class _Taken:
    """What was unpacked so far."""

    found: list[Found] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    count: int = 0
    notes: list[str] = field(default_factory=list)
    """Files that are no members to be read: folders, pictures, what is empty."""


def unpack(world: World, job: Job, deadline: Deadline, kind: Kind | None) -> Job | None:
    """The job with the members of its archives as its objects; the same job where it has none.

    None when the time is used up before the last member: what was unpacked is kept, and the next call goes on.

    Args:
        world: The ports.
        job: In detecting.
        deadline: How long this invocation may work.
        kind: What the job's one object is; None for a set.

    Raises:
        SourceError: An archive cannot be opened, or none of its members can be read.
    """
    sources = manifest(world, job)
    kinds = [kind] if kind else _kinds(world, job, sources)
    if not any(one.container for one in kinds if one):
        return job
    until = deadline.remaining() * 0.2
    taken = _resumed(world, job)
    unpacker = _Unpacker(world, job, taken)
    for place, (source, one) in enumerate(zip(sources, kinds, strict=True)):
        for _ in unpacker.take(place, source, bool(one and one.container)):
            if deadline.remaining() < until:
                _keep(world, job, taken)
                return None
    return _unpacked(world, job, taken)


def _kinds(world: World, job: Job, sources: list[Source]) -> list[Kind]:
    def one(source: Source) -> Kind:
        try:
            return kind_of(world, source, job.options)
        except (NotFoundError, SourceError, UsageError) as error:
            raise named(source, error) from None

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(one, sources))


class _Unpacker:
    def __init__(self, world: World, job: Job, taken: _Taken) -> None:
        self._world = world
        self._job = job
        self._taken = taken
        self._seen = 0
        self._contract = _contract(world, job)

    def take(self, place: int, source: Source, holds: bool) -> Iterator[None]:
        if not holds:
            if self._is_new():
                self._taken.found.append(Found(source, [], delimited=False))
                yield
            return
        from entrepot.formats.containers import members

        with open_source(self._world, source) as file:
            found = members(file, source.name, LIMITS)
            for member in found:
                if self._is_new():
                    self._member(place, source, member)
                    yield
            self._taken.notes += found.notes

    def _is_new(self) -> bool:
        self._seen += 1
        if self._seen <= self._taken.count:
            return False
        self._taken.count += 1
        if len(self._taken.found) >= MAX_INPUTS:
            raise SourceError(
                f"It holds more than {MAX_INPUTS} members.", hint="Deliver them in parts.", reason="tables"
            )
        return True

    def _member(self, place: int, source: Source, member: Member) -> None:
        name = f"{source.name}/{member.name}"
        wanted = self._job.options.member
        if wanted is not None and not _is_wanted(member.name, wanted):
            return
        try:
            if member.error is not None:
                raise member.error
            with member.open() as file:
                found = self._look(place, name, file)
        except (SourceError, UsageError) as error:
            self._skip(name, error)
            return
        if self._contract is not None and not map_columns(found.columns, self._contract, {}).mapped:
            self._skip(name, SourceError("None of its columns is in the contract.", reason="no_column_matches"))
            self._world.blobs.delete(found.source.uri)
            return
        self._taken.found.append(found)

    def _look(self, place: int, name: str, file: IO[bytes]) -> Found:
        kind = as_asked(format_of(file, name.rsplit("/", 1)[-1]), read_options(self._job.options))
        size = file.seek(0, 2)
        columns = _columns(file, name, kind, size, self._job)
        uri = work_uri(self._world, self._job.work_key("members", f"{place:05d}-{self._taken.count:06d}"))
        sha = hashlib.sha256()
        file.seek(0)
        with self._world.blobs.writer(uri) as out:
            for block in iter(lambda: file.read(_BLOCK), b""):
                sha.update(block)
                out.write(block)
        source = Source(uri=uri, name=name, size=size, sha256=sha.hexdigest())
        return Found(source, columns, delimited=kind.format in BY_BYTES)

    def _skip(self, name: str, error: EntrepotError) -> None:
        if len(self._taken.skipped) < MOST_SKIPPED:
            code = str(error.facts.get("reason", "unreadable"))
            self._taken.skipped.append(Skipped(name=name[:1024], code=code, message=error.message[:500]))


def _is_wanted(name: str, wanted: str) -> bool:
    return name == wanted or name.rsplit("/", 1)[-1] == wanted or fnmatch.fnmatchcase(name, wanted)


def _columns(file: IO[bytes], name: str, kind: Kind, size: int, job: Job) -> list[str]:
    """The member's columns: whatever is wrong with it shows now, while its neighbours can still go on without it."""
    short = name.rsplit("/", 1)[-1]
    if kind.format is None or kind.format in BY_BYTES:

        def read(start: int, end: int) -> bytes:
            file.seek(start)
            return file.read(end - start)

        return detect_source(read, size, name=short, format="jsonl" if kind.format == "jsonl" else None).columns
    tables = open_reader(file, short, kind.format, read_options(job.options)).tables()
    return list(max(tables, key=lambda t: t.weight).schema.names)


def _contract(world: World, job: Job) -> Contract | None:
    if not job.contract_version or job.options.mapping:
        return None
    return world.config.contract(job.tenant, job.contract, job.contract_version).contract


def _unpacked(world: World, job: Job, taken: _Taken) -> Job:
    # A page of text beside tables of several columns is no data: a note to the reader, a licence.
    if any(len(f.columns) > 1 for f in taken.found):
        alone = [f for f in taken.found if f.delimited and len(f.columns) == 1]
        told = "It has one column of text where its neighbours have tables."
        taken.skipped += [Skipped(name=f.source.name, code="no_table", message=told) for f in alone]
        taken.found = [f for f in taken.found if f not in alone]
    if not taken.found:
        first = taken.skipped[0] if taken.skipped else None
        raise SourceError(
            f"None of its {taken.count} members can be read" + (f": {first.name}: {first.message}" if first else "."),
            hint="Deliver the tables themselves, or an archive of tables.",
            reason=first.code if first else "empty",
        )
    uri = work_uri(world, job.work_key("members.json"))
    sources = [f.source.model_dump(exclude_defaults=True) for f in taken.found]
    world.blobs.write(uri, orjson.dumps(sources))
    changes = {
        "source": job.source.model_copy(update={"unpacked": uri, "inputs": len(sources)}),
        "skipped": taken.skipped[:MOST_SKIPPED],
        "doubts": [
            *job.doubts,
            *(f"{s.name} was left out: {s.message}" for s in taken.skipped[:20]),
            *taken.notes[:20],
        ],
        "split": None,
    }
    return world.jobs.update(job, changes, expect={JobState.DETECTING})


def _keep(world: World, job: Job, taken: _Taken) -> None:
    told = {
        "count": taken.count,
        "skipped": [s.model_dump() for s in taken.skipped],
        "found": [
            {"source": f.source.model_dump(), "columns": f.columns, "delimited": f.delimited} for f in taken.found
        ],
    }
    world.blobs.write(work_uri(world, job.work_key("members", f"part-{taken.count}.json")), orjson.dumps(told))
    world.jobs.update(job, {"split": SplitState(members=taken.count)}, expect={JobState.DETECTING})


def _resumed(world: World, job: Job) -> _Taken:
    if job.split is None or not job.split.members:
        return _Taken()
    key = job.work_key("members", f"part-{job.split.members}.json")
    told = orjson.loads(world.blobs.read(work_uri(world, key)))
    return _Taken(
        [Found(Source.model_validate(f["source"]), f["columns"], f["delimited"]) for f in told["found"]],
        [Skipped.model_validate(s) for s in told["skipped"]],
        told["count"],
    )
