"""What each of a job's objects brought, recounted from the ledger and the rows that check took out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from entrepot.model.job import Job
from entrepot.model.receipt import InputAccount
from entrepot.model.source import Chunk
from entrepot.ports.target import LedgerLine, RefusedRow
from entrepot.workflow.inputs import every_input
from entrepot.workflow.world import World

MOST_ACCOUNTS = 1000
"""Objects that a receipt tells of one by one."""
COLLAPSED = "collapsed"
"""Code of rows that became part of another one: they were accepted."""


def accounts(
    world: World,
    job: Job,
    chunks: Mapping[str, Chunk],
    ledger: Mapping[str, LedgerLine],
    taken: Iterable[RefusedRow],
) -> list[InputAccount]:
    """The account of each object; none for a job of one object, whose receipt says it all.

    Args:
        world: The ports.
        job: The job.
        chunks: Its chunks by id.
        ledger: What was loaded of each chunk.
        taken: The rows that check took out.
    """
    if not job.source.inputs:
        return []
    read, accepted, refused, double = (Counter[int]() for _ in range(4))
    for chunk_id, line in ledger.items():
        place = chunks[chunk_id].input
        read[place] += line.read
        accepted[place] += line.accepted
        refused[place] += line.quarantined
    seen: set[tuple[str, int]] = set()
    for row in taken:
        if row.code == COLLAPSED or (row.chunk_id, row.row) in seen:
            continue
        seen = {(row.chunk_id, row.row)}  # a row's reasons follow each other
        place = chunks[row.chunk_id].input
        accepted[place] -= 1
        (double if row.code == "duplicate" else refused)[place] += 1
    found: list[InputAccount] = []
    for one in every_input(world, job):
        if len(found) == MOST_ACCOUNTS:
            break
        source = one.source
        found.append(
            InputAccount(
                source=source.uri,
                name=source.name,
                sha256=source.sha256,
                read=read[one.n],
                accepted=accepted[one.n],
                duplicate=double[one.n],
                quarantined=refused[one.n],
            )
        )
    return found
