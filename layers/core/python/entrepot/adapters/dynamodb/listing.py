"""Pages of jobs, and the jobs that are not over, by way of the indexes.

The indexes follow the table after a moment and may project keys alone: every job is read from the
table, which decides what it is.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from entrepot.adapters.dynamodb.bodies import Bodies
from entrepot.adapters.dynamodb.items import Typed
from entrepot.adapters.dynamodb.records import (
    BY_STATE,
    BY_TIME,
    LIVE,
    LIVE_SHARDS,
    META,
    job_pk,
    read_job,
    state_pk,
    time_pk,
)
from entrepot.adapters.dynamodb.table import Table, key
from entrepot.adapters.system import iso, parse_iso
from entrepot.errors import UsageError
from entrepot.model.job import TERMINAL, Job, JobState
from entrepot.ports.jobs import JobPage

MAX_PAGE = 200
_SCAN = 2000
"""Jobs looked at for one page with a filter; the page then ends early, with a cursor."""
_CURSOR = re.compile(r"^[A-Za-z0-9_-]{1,300}$")
_POSITION = re.compile(r"^[^#]{1,40}#[^#]{1,80}$")


@dataclass(frozen=True, slots=True)
class Place:
    """Which jobs are asked for."""

    tenant: str
    state: JobState | None
    contract: str | None

    @property
    def index(self) -> str:
        """The index that has them in order."""
        return BY_STATE if self.state else BY_TIME

    @property
    def pk(self) -> str:
        """Their partition of that index."""
        return state_pk(self.tenant, self.state) if self.state else time_pk(self.tenant)

    def has(self, job: Job | None) -> bool:
        """Whether a job, as the table has it, is asked for."""
        return job is not None and self.state in {None, job.state} and self.contract in {None, job.contract}


def page(table: Table, bodies: Bodies, place: Place, limit: int, cursor: str) -> JobPage:
    """One page, newest first; it may be short when few jobs match the filter.

    Raises:
        UsageError: The cursor is not one of ours.
    """
    limit = max(1, min(limit, MAX_PAGE))
    start = _keys(place, cursor) if cursor else None
    size = MAX_PAGE if place.contract else limit
    sort = place.index.split(":")[2]
    entries = table.query(place.pk, index=place.index, start=start, page=size + 1, backwards=True)
    found: list[Job] = []
    position = ""
    for seen, (entry, job) in enumerate(_with_jobs(table, bodies, entries, size)):
        # Only now is it known that something follows.
        if len(found) == limit or seen == _SCAN:
            return JobPage(found, _cursor(position))
        position = entry[sort]["S"]
        if job is not None and place.has(job):
            found.append(job)
    return JobPage(found)


def live(table: Table, bodies: Bodies, older_than: str) -> Iterator[Job]:
    """Jobs of every tenant that are not terminal, last touched before ``older_than``."""
    moment = parse_iso(older_than) if older_than else None
    before = iso(moment) if moment else older_than
    for shard in range(LIVE_SHARDS):
        entries = table.query(f"LIVE#{shard}", index=LIVE, before=before)
        for _, job in _with_jobs(table, bodies, entries, 100):
            if job is not None and job.state not in TERMINAL and (not before or job.updated_at < before):
                yield job


def _with_jobs(table: Table, bodies: Bodies, entries: Iterable[Typed], size: int) -> Iterator[tuple[Typed, Job | None]]:
    """Index entries, each with its job as the table has it; None when it is gone."""
    for batch in _batches(entries, size):
        pairs = [(entry["pk"]["S"], entry["sk"]["S"]) for entry in batch]
        found = table.batch(pairs)
        for entry, pair in zip(batch, pairs, strict=True):
            yield entry, read_job(found[pair], bodies) if pair in found else None


def _batches(entries: Iterable[Typed], size: int) -> Iterator[Sequence[Typed]]:
    batch: list[Typed] = []
    for entry in entries:
        batch.append(entry)
        # One more than a page, so that one look tells whether another page follows.
        if len(batch) > size:
            yield batch
            batch = []
    if batch:
        yield batch


def _cursor(position: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([1, position]).encode()).decode().rstrip("=")


def _keys(place: Place, cursor: str) -> Typed:
    """The keys that a cursor stands for.

    It holds a place in time and a job's id, nothing else: tenant and state come from the request, so
    that a made-up cursor shows nothing that the request would not.
    """
    position = _position(cursor) if _CURSOR.match(cursor) else ""
    if not _POSITION.match(position):
        raise UsageError("The cursor is not one that was handed out.", hint="Begin without a cursor.")
    partition, sort = place.index.split(":")[1:]
    job = key(job_pk(place.tenant, position.split("#")[1]), META)
    return job | {partition: {"S": place.pk}, sort: {"S": position}}


def _position(cursor: str) -> str:
    try:
        content = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error):
        return ""
    if isinstance(content, list) and len(content) == 2 and content[0] == 1:
        return str(content[1])
    return ""
