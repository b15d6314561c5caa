"""Jobs, chunks and events as items, and back."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from entrepot.adapters.dynamodb import usages
from entrepot.adapters.dynamodb.bodies import Bodies
from entrepot.adapters.dynamodb.items import Typed, decode_item, encode
from entrepot.adapters.system import iso, parse_iso
from entrepot.errors import IntegrityError, UsageError
from entrepot.model.job import TERMINAL, ChunkRecord, Job, JobEvent, JobState

M = TypeVar("M", bound=BaseModel)

META = "META"
BY_STATE = "by_state:gsi1pk:gsi1sk"
BY_TIME = "by_time:gsi2pk:gsi2sk"
LIVE = "live:live:live_sk"
LIVE_SHARDS = 8
"""Every chunk that ends touches its job's entry in the live index; one partition would take some
thousand such writes a second in all."""

FIXED = frozenset({"tenant", "job_id", "state", "seq", "received_at", "updated_at", "schema_version", "usage"})
"""Attributes of a job that callers do not set: the store does, or nobody."""


def job_pk(tenant: str, job_id: str) -> str:
    """Partition key of a job's items."""
    return f"T#{tenant}#JOB#{job_id}"


def chunk_sk(chunk_id: str) -> str:
    """Sort key of a chunk's item."""
    return f"CHUNK#{chunk_id}"


def event_sk(seq: int) -> str:
    """Sort key of an event's item."""
    return f"EVENT#{seq:08d}"


def state_pk(tenant: str, state: JobState) -> str:
    """Partition of the index by state."""
    return f"T#{tenant}#STATE#{state.value}"


def time_pk(tenant: str) -> str:
    """Partition of the index by time that holds a tenant's jobs."""
    return f"T#{tenant}#JOBS"


def time_sk(job: Job) -> str:
    """Sort key by time of receipt; the id makes it unique."""
    moment = parse_iso(job.received_at)
    return f"{iso(moment) if moment else job.received_at}#{job.job_id}"


def live_pk(job_id: str) -> str:
    """Partition of the live index."""
    return f"LIVE#{zlib.crc32(job_id.encode()) % LIVE_SHARDS}"


def index_attributes(job: Job) -> dict[str, str | None]:
    """The index attributes that follow a job's state; None for those to be taken away."""
    live = job.state not in TERMINAL
    return {
        "gsi1pk": state_pk(job.tenant, job.state),
        "gsi1sk": time_sk(job),
        "live": live_pk(job.job_id) if live else None,
        "live_sk": f"{job.updated_at}#{job.job_id}" if live else None,
    }


def dump(model: BaseModel, names: set[str] | None = None) -> dict[str, Any]:
    """A model's attributes as JSON values."""
    return model.model_dump(mode="json", include=names)


def job_item(job: Job, bodies: Bodies) -> Typed:
    """The META item of a job."""
    item = bodies.pack(owner(job), dump(job, set(Job.model_fields) - {"usage"})) | usages.attributes(job.usage)
    keys = {"pk": job_pk(job.tenant, job.job_id), "sk": META, "gsi2pk": time_pk(job.tenant), "gsi2sk": time_sk(job)}
    return item | {k: encode(v) for k, v in (keys | index_attributes(job)).items() if v is not None}


def owner(job: Job) -> str:
    """What a job's bodies are kept under."""
    return f"{job.tenant}/jobs/{job.job_id}"


def event_item(job: Job, detail: Mapping[str, Any] | None) -> Typed:
    """The item of the event that brought a job where it is."""
    event = JobEvent(
        tenant=job.tenant,
        job_id=job.job_id,
        seq=job.seq,
        at=job.updated_at,
        state=job.state,
        detail=dict(detail or {}),
    )
    item = {"pk": job_pk(job.tenant, job.job_id), "sk": event_sk(job.seq), **dump(event)}
    return {name: encode(value) for name, value in item.items() if value is not None}


def read(model: type[M], attributes: Mapping[str, Any], what: str) -> M:
    """A stored record as a model; attributes that a later version added, at any depth, are ignored.

    Raises:
        IntegrityError: It is not what any version of ours wrote.
    """
    try:
        return model.model_validate(dict(attributes), extra="ignore")
    except ValidationError as error:
        places = sorted({".".join(map(str, e["loc"])) for e in error.errors(include_input=False, include_url=False)})
        message = f"{what} is stored in a shape that cannot be read: {', '.join(places[:5])}."
        raise IntegrityError(message, what=what, places=places) from None


def read_job(item: Typed, bodies: Bodies) -> Job:
    """The job of a META item."""
    rest, used = usages.taken(item)
    job = read(Job, bodies.unpack(rest), f"Job {item['job_id']['S']}")
    job.usage = used
    return job


def read_chunk(item: Typed) -> ChunkRecord:
    """The record of a CHUNK item; the state machine writes failures without an id."""
    attributes = decode_item(item)
    return read(ChunkRecord, {"id": attributes["sk"].removeprefix("CHUNK#"), **attributes}, "A chunk")


def changed(job: Job, changes: Mapping[str, Any], **moves: Any) -> Job:
    """A copy of the job with changes applied and checked.

    Raises:
        UsageError: A name or value that a job cannot have, or one that only the store sets.
    """
    refused = sorted(FIXED & changes.keys() | changes.keys() - Job.model_fields.keys())
    if refused:
        raise UsageError(f"A job's {', '.join(refused)} cannot be set so.", attributes=refused)
    after = job.model_copy(update=moves)
    for name, value in changes.items():
        try:
            setattr(after, name, value)
        except ValidationError:
            raise UsageError(f"A job's {name} cannot have this value.", attributes=[name]) from None
    return after
