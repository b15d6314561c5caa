"""A job's objects: one, or the many of a set, each with a detection and a mapping of its own.

The set is fixed when it is asked for: a list in the work bucket names every object at its version. What the
steps find out about each is kept in blocks beside the job, so that no step holds more than a block of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import orjson

from entrepot.errors import EntrepotError, FatalError, NotFoundError, SourceError
from entrepot.model.job import Job
from entrepot.model.source import Chunk, Detection, Source
from entrepot.model.steps import Input
from entrepot.ports.blobs import BlobStore
from entrepot.workflow.world import World, work_uri

MAX_INPUTS = 10_000
"""Objects of one job."""
BLOCK = 100
"""Objects whose findings are kept together."""


def bundle(blobs: BlobStore, work_bucket: str, tenant: str, sources: list[Source], name: str) -> Source:
    """Several objects as one source: their list is stored, and its digest is what they are known by.

    One object alone is itself, so that it is the same delivery whichever way it is named.
    """
    if len(sources) == 1:
        return sources[0]
    body = orjson.dumps([s.model_dump(exclude_defaults=True) for s in sources])
    uri = f"s3://{work_bucket}/bodies/{tenant}/sources/{hashlib.sha256(body).hexdigest()}.json"
    blobs.write(uri, body)
    return Source(
        uri=uri,
        version=_digest(s.identity() for s in sources),
        name=name,
        size=sum(s.size for s in sources),
        inputs=len(sources),
    )


def content_digest(digests: list[str]) -> str:
    """What a set's content is known by, whatever its objects are called; empty when one of them is unknown."""
    return _digest(digests) if all(digests) else ""


def _digest(parts: Iterator[str] | list[str]) -> str:
    return hashlib.sha256("\n".join(sorted(parts)).encode()).hexdigest()


def manifest(world: World, job: Job) -> list[Source]:
    """The objects of a set, in their order."""
    return read_manifest(world.blobs, job.source)


def read_manifest(blobs: BlobStore, source: Source) -> list[Source]:
    """The objects that a source stands for: its list's, or itself."""
    if not source.inputs:
        return [source]
    return [Source.model_validate(item) for item in orjson.loads(blobs.read(source.unpacked or source.uri))]


def blocks(job: Job) -> int:
    """How many blocks the job's objects fill."""
    return -(-job.source.inputs // BLOCK)


def read_block(world: World, job: Job, number: int) -> list[Input]:
    """What is known of a block's objects."""
    return [Input.model_validate(item) for item in orjson.loads(world.blobs.read(_uri(world, job, number)))]


def write_block(world: World, job: Job, number: int, inputs: list[Input]) -> None:
    """Keeps what is known of a block's objects; the same again does no harm."""
    world.blobs.write(_uri(world, job, number), orjson.dumps([i.model_dump(mode="json") for i in inputs]))


def every_input(world: World, job: Job) -> Iterator[Input]:
    """All of the job's objects, in order."""
    if not job.source.inputs:
        yield _alone(job)
        return
    for number in range(blocks(job)):
        yield from read_block(world, job, number)


def input_of(world: World, job: Job, chunk: Chunk) -> Input:
    """The object that a chunk is a part of."""
    if not job.source.inputs:
        return _alone(job)
    return read_block(world, job, chunk.input // BLOCK)[chunk.input % BLOCK]


def detection_of(found: Input) -> Detection:
    """How an object is read.

    Raises:
        FatalError: It was never detected.
    """
    if found.detection is None:
        msg = "The job was never detected."
        raise FatalError(msg, input=found.n)
    return found.detection


def named(found: Source | Input, error: EntrepotError) -> SourceError:
    """An error with one of several objects: its name comes first."""
    source = found.source if isinstance(found, Input) else found
    text = "The object is no longer there as it was." if isinstance(error, NotFoundError) else error.message
    hint = error.hint or "Nothing was published; deliver the set again without it, or mended."
    return SourceError(f"{source.name}: {text}", hint=hint, **{**error.facts, "input": source.name})


def _alone(job: Job) -> Input:
    return Input(n=0, source=job.source, detection=job.detection, mapping=job.mapping or [])


def _uri(world: World, job: Job, number: int) -> str:
    return work_uri(world, job.work_key("inputs", f"{number:04d}.json"))
