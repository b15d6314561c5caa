"""The check step: is every chunk there and whole, and do the rows hold together as a set?"""

from __future__ import annotations

from itertools import groupby

from entrepot.errors import ConflictError, FatalError, IntegrityError, TargetError
from entrepot.formats import extract_rows
from entrepot.model.findings import Finding, QuarantinedRow
from entrepot.model.job import TERMINAL, ChunkRecord, ErrorInfo, Job, JobState, Step, Tally
from entrepot.model.source import Chunk
from entrepot.model.steps import LoadSpec, StepInput, StepOutput
from entrepot.ports.target import LedgerLine, RefusedRow
from entrepot.ports.world import Deadline
from entrepot.validate.catalogue import finding
from entrepot.workflow.accounts import accounts
from entrepot.workflow.chunks import read_chunk, read_chunks, write_chunks
from entrepot.workflow.inputs import detection_of, input_of
from entrepot.workflow.life import answer, end, enter, error_info, error_message, finish_step, is_over
from entrepot.workflow.quarantine import decoded, write_quarantine
from entrepot.workflow.spec import read_spec
from entrepot.workflow.world import World, work_uri

MAX_RELOADS = 5
"""How often chunks are loaded again before the job fails."""


def check(world: World, step: StepInput, deadline: Deadline) -> StepOutput:
    """Compares staging with the ledger and the book of chunks, then checks the rows as a set.

    The verdict on chunks comes from the ledger in the database, never from the Map. A chunk that
    is missing because staging was emptied is loaded again; one that failed for good fails the job.
    """
    job = world.jobs.get(step.tenant, step.job_id)
    if is_over(job, step.leg):
        if job.state in TERMINAL:
            world.target.drop_staging(job.tenant, job.job_id)
        return answer(step, "stop")
    if Step.CHECK in job.done:
        return answer(step, "next")
    try:
        return _check(world, job, step, deadline)
    except TargetError as error:
        world.target.drop_staging(job.tenant, job.job_id)
        end(world, job, JobState.REFUSED, error=error_info(error, Step.CHECK))
        return answer(step, "stop")
    except IntegrityError as error:
        if _emptied(world, job, error):
            return answer(step, "more")
        end(world, job, JobState.FAILED, error=error_info(error, Step.CHECK))
        return answer(step, "stop")
    except ConflictError:
        return answer(step, "stop")


def _check(world: World, job: Job, step: StepInput, deadline: Deadline) -> StepOutput:
    spec = read_spec(world, job)
    chunks = {c.id: c for c in read_chunks(world, job.chunks_key)}
    ledger = {line.chunk_id: line for line in world.target.ledger(spec)}
    short = [c for c in chunks.values() if not _whole(ledger.get(c.id))]
    if short:
        return _reload_or_fail(world, job, step, spec, short)
    entered = enter(world, job, JobState.CHECKING)
    if entered is None:
        return answer(step, "stop")
    result = world.target.check(spec)
    if not _explain(world, entered, spec, chunks, deadline):
        return answer(step, "more")
    tally = Tally(
        read=sum(line.read for line in ledger.values()),
        accepted=result.accepted,
        duplicate=result.duplicate,
        quarantined=result.quarantined + sum(line.quarantined for line in ledger.values()),
        collapsed=result.collapsed,
        inputs=accounts(world, entered, chunks, ledger, world.target.refusals(spec)),
    )
    accounted = tally.accepted + tally.duplicate + tally.quarantined + tally.collapsed
    if tally.read != accounted:
        msg = f"{tally.read} rows were read, but {accounted} are accounted for."
        raise IntegrityError(msg, read=tally.read)
    progress = entered.progress.model_copy(update={"accepted": tally.accepted, "quarantined": tally.quarantined})
    finish_step(world, entered, Step.CHECK, {"tally": tally, "progress": progress})
    return answer(step, "next")


def _emptied(world: World, job: Job, error: IntegrityError) -> bool:
    """Whether the books do not balance because staging was emptied meanwhile: then check begins again."""
    if error.facts.get("reason") == "staging_lost":
        return True
    ledger = {line.chunk_id: line for line in world.target.ledger(read_spec(world, job))}
    return not all(_whole(ledger.get(chunk.id)) for chunk in read_chunks(world, job.chunks_key))


def _whole(line: LedgerLine | None) -> bool:
    return line is not None and line.staged == line.accepted


def _reload_or_fail(world: World, job: Job, step: StepInput, spec: LoadSpec, short: list[Chunk]) -> StepOutput:
    records = {r.id: r for r in world.jobs.chunks(job.tenant, job.job_id)}
    failed = [records[c.id] for c in short if c.id in records and records[c.id].chunk_state == "failed"]
    if failed or job.reloads >= MAX_RELOADS:
        end(world, job, JobState.FAILED, error=_chunk_error(failed, short))
        return answer(step, "stop")
    ids = [c.id for c in short]
    world.target.prepare(spec)
    world.target.forget_chunks(spec, ids)
    world.jobs.reset_chunks(job.tenant, job.job_id, ids)
    key = job.work_key(f"chunks-again-{job.reloads}.json")
    write_chunks(world, key, short)
    world.jobs.update(job, {"reloads": job.reloads + 1}, expect={JobState.LOADING, JobState.CHECKING})
    if job.state is JobState.CHECKING:
        world.jobs.transition(job, JobState.LOADING, expect={JobState.CHECKING}, detail={"again": len(ids)})
    return answer(step, "reload", chunks_key=key)


def _chunk_error(failed: list[ChunkRecord], short: list[Chunk]) -> ErrorInfo:
    first = failed[0].id if failed else short[0].id
    many = len(failed or short)
    names = ", ".join(r.id for r in failed[:10]) or ", ".join(c.id for c in short[:10])
    reason = _reason(failed[0]) if failed else "it did not stay in staging"
    by_id = {c.id: c for c in short}
    return ErrorInfo(
        code="chunk_failed",
        message=f"{many} of the chunks could not be loaded: {names}{' …' if many > 10 else ''} ({reason}).",
        hint="Nothing was published. Mend the cause, then resume the job: only what is missing runs again.",
        step="load",
        chunk=first,
        facts={"chunks": [r.id for r in failed[:100]], "first_row": by_id[first].first_row if first in by_id else 0},
    )


def _reason(record: ChunkRecord) -> str:
    """Why a chunk failed for good, in the words of the error that its step ended with."""
    told = error_message(record.cause)
    return f"{record.error}: {told[:300].rstrip('.')}" if told else record.error


def _explain(world: World, job: Job, spec: LoadSpec, chunks: dict[str, Chunk], deadline: Deadline) -> bool:
    """Writes the rows that check took out into quarantine, verbatim; False when time ran short."""
    until = deadline.remaining() * 0.2
    for chunk_id, group in groupby(world.target.refusals(spec), key=lambda r: r.chunk_id):
        name = f"check-{chunk_id}"
        if _exists(world, job, name):
            continue
        if deadline.remaining() < until:
            return False
        write_quarantine(world, job, name, _verbatim(world, job, chunks[chunk_id], list(group)))
    return True


def _exists(world: World, job: Job, name: str) -> bool:
    prefix = work_uri(world, job.work_key("reasons", f"{name}.json"))
    return any(True for _ in world.blobs.list(prefix))


def _verbatim(
    world: World,
    job: Job,
    chunk: Chunk,
    refused: list[RefusedRow],
) -> list[QuarantinedRow]:
    part_of = input_of(world, job, chunk)
    detection = detection_of(part_of)
    data = read_chunk(world, part_of.source, chunk)
    by_row: dict[int, list[RefusedRow]] = {}
    for r in refused:
        by_row.setdefault(r.row, []).append(r)
    records = extract_rows(data, detection, chunk, by_row.keys())
    if len(records) != len(by_row):
        msg = f"Chunk {chunk.id}: refused rows were not found again in the source."
        raise FatalError(msg, chunk=chunk.id)
    encoding = "utf-8" if chunk.uri else detection.encoding
    column = {m.field: m.column for m in part_of.mapping}
    rows = []
    for row in sorted(by_row):
        offset, raw = records[row]
        text, encoded = decoded(raw, encoding)
        reasons = by_row[row]
        rows.append(
            QuarantinedRow(
                row=row,
                offset=offset,
                member=part_of.source.name if job.source.inputs else "",
                chunk=chunk.id,
                raw=text,
                raw_base64=encoded,
                outcome="duplicate" if all(r.code == "duplicate" for r in reasons) else "quarantined",
                findings=[_finding(r, column) for r in reasons],
            ),
        )
    return rows


def _finding(refused: RefusedRow, column: dict[str, str]) -> Finding:
    return finding(refused.code, field=refused.field, column=column.get(refused.field, ""), detail=refused.detail)
