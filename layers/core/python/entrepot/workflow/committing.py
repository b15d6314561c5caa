"""A job that brings files into a collection, or out of it: copied first, then made visible in one write."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import orjson

from entrepot.errors import ConflictError, NotFoundError, SourceError, UnavailableError, UsageError
from entrepot.model.collection import CollectionAsk, Commit, Entry
from entrepot.model.job import Job, JobState, Step
from entrepot.model.receipt import Receipt
from entrepot.model.source import Source, SplitState
from entrepot.model.steps import Input, StepInput, StepOutput
from entrepot.ports.world import Deadline
from entrepot.workflow.collections import MAX_ENTRIES, MAX_OBJECT, Collections, Entries, checked_path
from entrepot.workflow.inputs import BLOCK, manifest, named, read_block, write_block
from entrepot.workflow.life import answer, draft_receipt, end, enter, error_info, finish_step
from entrepot.workflow.world import World, now

THREADS = 4
SMALL = 8 << 20
"""Bytes up to which a file is read whole."""
RACES = 20
"""How often a commit is made again because another one came first."""


def copy(world: World, job: Job, step: StepInput, deadline: Deadline) -> StepOutput:
    """Copies the job's files to where they will be found by their digest; ``more`` while there are any left."""
    if Step.DETECT in job.done:
        return answer(step, "publish")
    entered = enter(world, job, JobState.DETECTING)
    if entered is None:
        return answer(step, "stop")
    try:
        finished = _copy(world, entered, deadline)
    except (SourceError, UsageError) as error:
        end(world, entered, JobState.REFUSED, error=error_info(error, Step.DETECT))
        return answer(step, "stop")
    return answer(step, "publish" if finished else "more")


def _copy(world: World, job: Job, deadline: Deadline) -> bool:
    until = deadline.remaining() * 0.2
    sources = manifest(world, job)
    first = job.split.detected if job.split else 0
    copier = _Exporter(world, job) if _ask(job).mode == "export" else _Copier(world, job)

    def one(place: int) -> Input:
        try:
            return Input(n=place, source=copier.copy(sources[place]))
        except (NotFoundError, SourceError, UsageError) as error:
            raise named(sources[place], error) from None

    last = -(-len(sources) // BLOCK)
    with ThreadPoolExecutor(THREADS) as pool:
        for number in range(first, last):
            places = range(number * BLOCK, min(len(sources), (number + 1) * BLOCK))
            write_block(world, job, number, list(pool.map(one, places)))
            done = sum(s.size for s in sources[: places.stop])
            progress = job.progress.model_copy(update={"bytes_total": job.source.size, "bytes_done": done})
            changes = {"split": SplitState(detected=number + 1), "progress": progress}
            job = world.jobs.update(job, changes, expect={JobState.DETECTING})
            if number + 1 < last and deadline.remaining() < until:
                return False
    if _ask(job).mode == "export":
        _list_exported(world, job)
    finish_step(world, job, Step.DETECT, {})
    return True


def commit(world: World, job: Job, step: StepInput) -> StepOutput:
    """Makes what was copied visible: one conditional write moves the collection's head, or nothing happened."""
    entered = enter(world, job, JobState.PUBLISHING)
    if entered is None:
        return answer(step, "stop")
    try:
        done = _exported(world, entered) if _ask(job).mode == "export" else _Committer(world, entered).run()
    except (ConflictError, UsageError) as error:
        end(world, entered, JobState.REFUSED, error=error_info(error, Step.PUBLISH))
        return answer(step, "stop")
    receipt = _receipt(world, entered, done)
    end(world, entered, JobState(receipt.status), receipt=receipt)
    return answer(step, "next")


class _Copier:
    """Brings objects into the collection's store, each once, under the digest of its bytes."""

    def __init__(self, world: World, job: Job) -> None:
        self._blobs = world.blobs
        self._tenant = job.tenant
        self._name = _ask(job).name
        self._collections = Collections(world.blobs, world.settings.work_bucket)

    def copy(self, source: Source) -> Source:
        """The source with its digest, once its bytes lie in the store."""
        if source.size > MAX_OBJECT:
            raise SourceError(f"It has {source.size} bytes; a collection takes {MAX_OBJECT}.", reason="too_large")
        checked_path(source.name)
        if source.size <= SMALL:
            data = self._blobs.read(source.uri, version=source.version)
            digest = hashlib.sha256(data).hexdigest()
            if not self._is_there(digest, len(data)):
                self._blobs.write(self._uri(digest), data)
            return source.model_copy(update={"sha256": digest, "size": len(data)})
        digest = source.sha256 or self._digest(source)
        if not self._is_there(digest, source.size):
            self._stream(source, digest)
        return source.model_copy(update={"sha256": digest})

    def _uri(self, digest: str) -> str:
        return self._collections.object_uri(self._tenant, self._name, digest)

    def _is_there(self, digest: str, size: int) -> bool:
        try:
            return self._blobs.head(self._uri(digest)).size == size
        except NotFoundError:
            return False

    def _digest(self, source: Source) -> str:
        sha = hashlib.sha256()
        for block in self._blobs.stream(source.uri, version=source.version):
            sha.update(block)
        return sha.hexdigest()

    def _stream(self, source: Source, digest: str) -> None:
        sha = hashlib.sha256()
        with self._blobs.writer(self._uri(digest)) as out:
            for block in self._blobs.stream(source.uri, version=source.version):
                sha.update(block)
                out.write(block)
            if sha.hexdigest() != digest:
                # Raised inside the block, so that nothing is stored under a digest that is not its own.
                raise NotFoundError("The object was replaced while it was read.")


class _Exporter:
    """Lays the files of a commit below a folder of the outbox."""

    def __init__(self, world: World, job: Job) -> None:
        self._blobs = world.blobs
        self._prefix = export_prefix(world, job)

    def copy(self, source: Source) -> Source:
        """The source, once a copy of it lies in the outbox."""
        sha = hashlib.sha256()
        with self._blobs.writer(self._prefix + checked_path(source.name)) as out:
            for block in self._blobs.stream(source.uri):
                sha.update(block)
                out.write(block)
            if sha.hexdigest() != source.sha256:
                raise SourceError("Its bytes are not what the collection says.", reason="digest")
        return source


def export_prefix(world: World, job: Job) -> str:
    """Where an export's files go."""
    return f"s3://{world.settings.outbox_bucket}/{job.tenant}/{checked_path(_ask(job).to)}/"


@dataclass(frozen=True, slots=True)
class _Done:
    """What became of the job's files; ``commit`` is empty when there was nothing to do."""

    counts: Commit
    commit: str
    read: int


class _Committer:
    def __init__(self, world: World, job: Job) -> None:
        self._world = world
        self._job = job
        self._ask = _ask(job)
        self._collections = Collections(world.blobs, world.settings.work_bucket)
        self._mine: Entries = {checked_path(s.name): Entry(digest=s.sha256, size=s.size) for s in _copied(world, job)}

    def run(self) -> _Done:
        """Commits on top of whatever holds by then, unless another commit touched the same paths.

        Raises:
            ConflictError: One did.
            UsageError: The collection would have too many files.
        """
        tenant, name = self._job.tenant, self._ask.name
        for _ in range(RACES):
            head = self._collections.head(tenant, name)
            made = self._made(head.commit)
            if made is not None:
                return _Done(made, made.id, len(self._mine))
            now_there = self._collections.entries(tenant, name, head.commit)
            self._no_clash(head.commit, now_there)
            entries = now_there | self._mine if self._ask.mode == "add" else self._mine
            if len(entries) > MAX_ENTRIES:
                raise UsageError(f"A collection has at most {MAX_ENTRIES} files; this one would have {len(entries)}.")
            counts = self._counted(now_there, entries, head.commit)
            if entries == now_there and head.commit:
                return _Done(counts, "", len(self._mine))
            self._collections.put(tenant, name, counts, entries)
            try:
                self._collections.move(tenant, name, head, counts.id)
            except ConflictError:
                continue  # another commit came first, or our own did and its answer was lost
            return _Done(counts, counts.id, len(self._mine))
        raise UnavailableError(f"Collection {name} is moved too often.", hint="Try again a little later.")

    def _made(self, head: str) -> Commit | None:
        """Our own commit, when an earlier attempt made it and whatever came on top of it."""
        for found in self._collections.history(self._job.tenant, self._ask.name, head):
            if found.id == self._job.job_id:
                return found
            if found.id == self._ask.base:
                return None
        return None

    def _no_clash(self, head: str, now_there: Entries) -> None:
        if head == self._ask.base:
            return
        before = self._collections.entries(self._job.tenant, self._ask.name, self._ask.base)
        moved = {p for p in {*before, *now_there} if before.get(p) != now_there.get(p)}
        if self._ask.mode == "replace":
            clash = sorted(p for p in moved if now_there.get(p) != self._mine.get(p))
        else:
            clash = sorted(p for p in moved & self._mine.keys() if now_there.get(p) != self._mine[p])
        if clash:
            raise ConflictError(
                f"Commit {head} changed {len(clash)} of the same paths meanwhile: {', '.join(clash[:5])[:500]}.",
                hint="Look at it, then commit again.",
                head=head,
                paths=[p[:200] for p in clash[:100]],
            )

    def _counted(self, before: Entries, after: Entries, parent: str) -> Commit:
        mine = self._mine
        return Commit(
            id=self._job.job_id,
            parent=parent,
            mode=self._ask.mode,
            message=self._job.options.message,
            metadata=self._job.options.metadata,
            actor=self._job.actor,
            at=now(self._world),
            objects=len(after),
            bytes=sum(e.size for e in after.values()),
            added=len(mine.keys() - before.keys()),
            changed=sum(1 for p in mine.keys() & before.keys() if mine[p] != before[p]),
            unchanged=sum(1 for p in mine.keys() & before.keys() if mine[p] == before[p]),
            removed=len(before.keys() - after.keys()),
        )


def _list_exported(world: World, job: Job) -> None:
    """The list of what was exported, written last: who finds it finds every file that it names."""
    ask = _ask(job)
    found = {s.name: {"digest": s.sha256, "size": s.size} for s in _copied(world, job)}
    body = {"collection": ask.name, "commit": ask.base, "job": job.job_id, "objects": found}
    world.blobs.write(f"{export_prefix(world, job)}_manifest.json", orjson.dumps(body))


def _exported(world: World, job: Job) -> _Done:
    count = sum(1 for _ in _copied(world, job))
    return _Done(Commit(id=job.job_id, added=count, mode="export"), _ask(job).base, count)


def _copied(world: World, job: Job) -> Iterator[Source]:
    for number in range(-(-max(1, job.source.inputs) // BLOCK)):
        yield from (one.source for one in read_block(world, job, number))


def _receipt(world: World, job: Job, done: _Done) -> Receipt:
    counts = done.counts
    status = JobState.PUBLISHED if done.commit else JobState.ALREADY_PUBLISHED
    changes = {
        "mode": _ask(job).mode,
        "target": f"collection {_ask(job).name}",
        "read": done.read,
        "inserted": counts.added,
        "updated": counts.changed,
        "unchanged": counts.unchanged,
        "removed": counts.removed,
        "accepted": 0,
        "quarantined": 0,
    }
    receipt = draft_receipt(job, status, now(world)).model_copy(update=changes)
    receipt.check()
    return receipt


def _ask(job: Job) -> CollectionAsk:
    if job.collection is None:
        msg = f"Job {job.job_id} names no collection."
        raise UsageError(msg)
    return job.collection
