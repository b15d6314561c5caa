"""A job's chunks: each is counted once, however often it is reported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from entrepot.adapters.dynamodb import usages
from entrepot.adapters.dynamodb.items import Typed, encode
from entrepot.adapters.dynamodb.records import META, chunk_sk, dump, job_pk, read_chunk
from entrepot.adapters.dynamodb.table import ConditionFailedError, Expression, Table, key, pauses
from entrepot.errors import NotFoundError, ThrottledError
from entrepot.model.job import ChunkRecord
from entrepot.model.usage import Usage

_COUNTS = {"read": "read", "accepted": "accepted", "quarantined": "quarantined", "bytes": "bytes_done"}
"""Attributes of a chunk's record, and those of a job's progress that they add to."""
ITSELF = Usage(requests={"dynamodb": 1, "dynamodb_write_units": 12})
"""What `finish` takes: in a transaction, where each unit counts twice, 4 KB of the job's item and 1 KB of
the chunk's, and the move of the entry in the live index."""
_TOGETHER = 90
"""Chunks reset in one transaction; it takes 100 items, one of them the job's."""


def finish(table: Table, tenant: str, job_id: str, record: ChunkRecord, stamp: str, *, used: Usage) -> bool:
    """Stores a chunk's record and counts it, and what it used; False when it was there already as loaded.

    Raises:
        NotFoundError: There is no such job.
    """
    pk = job_pk(tenant, job_id)
    expression = Expression()
    item = {"pk": pk, "sk": chunk_sk(record.id), **dump(record)}
    unloaded = f"attribute_not_exists(pk) OR {expression.name('chunk_state')} <> {expression.value('loaded')}"
    put = table.item("Put", unloaded, expression, Item={k: encode(v) for k, v in item.items()})
    totals = _total([record]) if record.chunk_state == "loaded" else {}
    try:
        table.transact([_count(table, pk, job_id, totals, stamp, used=used), put])
    except ConditionFailedError as lost:
        if lost.failed[0]:
            raise NotFoundError(f"There is no job {job_id[:80]}.", job_id=job_id[:80]) from None
        return False
    return True


def reset(table: Table, tenant: str, job_id: str, chunk_ids: Sequence[str], stamp: str) -> None:
    """Forgets chunks, and takes their counts back.

    Raises:
        NotFoundError: There is no such job.
    """
    pk = job_pk(tenant, job_id)
    wanted = list(dict.fromkeys(chunk_ids))
    for at in range(0, len(wanted), _TOGETHER):
        _reset_together(table, pk, job_id, wanted[at : at + _TOGETHER], stamp)


def every(table: Table, tenant: str, job_id: str) -> Iterator[ChunkRecord]:
    """All chunk records of a job, in order."""
    for item in table.query(job_pk(tenant, job_id), begins="CHUNK#"):
        yield read_chunk(item)


def one(table: Table, tenant: str, job_id: str, chunk_id: str) -> ChunkRecord | None:
    """One chunk's record."""
    item = table.get(job_pk(tenant, job_id), chunk_sk(chunk_id))
    return read_chunk(item) if item else None


def _reset_together(table: Table, pk: str, job_id: str, chunk_ids: Sequence[str], stamp: str) -> None:
    for _ in pauses(table.sleep):
        items = table.batch([(pk, chunk_sk(chunk_id)) for chunk_id in chunk_ids])
        if not items:
            return
        records = [read_chunk(item) for item in items.values()]
        deletes = [_forget(table, pk, record) for record in records]
        totals = _total([r for r in records if r.chunk_state == "loaded"])
        try:
            table.transact([_count(table, pk, job_id, {k: -v for k, v in totals.items()}, stamp), *deletes])
        except ConditionFailedError as lost:
            if lost.failed[0]:
                raise NotFoundError(f"There is no job {job_id[:80]}.", job_id=job_id[:80]) from None
        else:
            return
    raise ThrottledError("Chunks change faster than they can be reset.", job_id=job_id)


def _forget(table: Table, pk: str, record: ChunkRecord) -> Typed:
    """Removes a record as it was read, so that exactly what it counted is taken back."""
    expression = Expression()
    held = [f"{expression.name('chunk_state')} = {expression.value(record.chunk_state)}"]
    if record.chunk_state == "loaded":
        held += [f"{expression.name(n)} = {expression.value(getattr(record, n))}" for n in _COUNTS]
    return table.item("Delete", " AND ".join(held), expression, Key=key(pk, chunk_sk(record.id)))


def _total(records: Sequence[ChunkRecord]) -> dict[str, int]:
    totals = {place: sum(getattr(r, name) for r in records) for name, place in _COUNTS.items()}
    return totals | {"chunks_done": len(records)}


def _count(
    table: Table, pk: str, job_id: str, totals: dict[str, int], stamp: str, *, used: Usage | None = None
) -> Typed:
    """Adds to the job's progress, and marks the job as alive."""
    expression = Expression()
    sets = [
        f"{expression.name('updated_at')} = {expression.value(stamp)}",
        f"{expression.name('live_sk')} = {expression.value(f'{stamp}#{job_id}')}",
    ]
    for name, number in totals.items():
        path = expression.name(f"progress.{name}")
        # An item written before a count was invented has no such attribute.
        sets.append(f"{path} = if_not_exists({path}, {expression.value(0)}) + {expression.value(number)}")
    update = f"SET {', '.join(sets)}"
    if adds := usages.adds(expression, used or Usage()):
        update += f" ADD {', '.join(adds)}"
    return table.item("Update", "attribute_exists(pk)", expression, Key=key(pk, META), UpdateExpression=update)
