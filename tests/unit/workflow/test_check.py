"""The check step: the ledger is the truth about chunks, and every row that leaves is kept word for word."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
import pytest

from entrepot.errors import FatalError, IntegrityError, TargetError
from entrepot.model.findings import QuarantinedRow
from entrepot.model.job import Job, JobState, MappedColumn, Progress, Step
from entrepot.model.source import Chunk
from entrepot.model.steps import Input, LoadSpec, StepInput, StepOutput
from entrepot.ports.target import CheckResult, LedgerLine, RefusedRow
from entrepot.workflow.check import MAX_RELOADS, check
from entrepot.workflow.chunks import read_chunks, write_chunks
from entrepot.workflow.inputs import bundle, write_block
from entrepot.workflow.world import work_uri
from tests.builders import any_chunk_record, any_detection, any_job, any_load_spec, any_source
from tests.fakes.target import FakeTarget
from tests.fakes.world import FakeDeadline
from tests.unit.workflow.test_cutting import Looks

HEADER = b"No;Name\n"
ROWS = [b"1;Ada", b"2;Bo", b"3;Cy", b"4;Di", b"5;Ed", b"6;Flo"]
DETECTION = any_detection(columns=["No", "Name"], data_start=len(HEADER), dialect={"delimiter": ";"})
MAPPING = [MappedColumn(index=0, column="No", field="id"), MappedColumn(index=1, column="Name", field="name")]


@dataclass
class StagedTarget(FakeTarget):
    """A target whose ledger and refusals a test sets."""

    lines: dict[str, LedgerLine] = field(default_factory=dict)
    refused: list[RefusedRow] = field(default_factory=list)
    dropped: list[tuple[str, str]] = field(default_factory=list)
    prepared: int = 0
    collapsed: int = 0
    wrong: int = 0
    """Rows that the books are made to lack."""

    def ledger(self, spec: LoadSpec) -> list[LedgerLine]:
        assert spec.job_id
        return list(self.lines.values())

    def prepare(self, spec: LoadSpec) -> LoadSpec:
        assert spec.job_id
        self.prepared += 1
        return spec

    def forget_chunks(self, spec: LoadSpec, chunk_ids: Sequence[str]) -> None:
        assert spec.job_id
        assert self.prepared, "there is something to forget them in"
        for chunk_id in chunk_ids:
            self.lines.pop(chunk_id, None)

    def check(self, spec: LoadSpec) -> CheckResult:
        assert spec.job_id
        loaded = sum(line.accepted for line in self.lines.values())
        codes = {(r.chunk_id, r.row): r.code for r in self.refused}
        double = sum(code == "duplicate" for code in codes.values())
        rest = loaded - len(codes) - self.collapsed - self.wrong
        return CheckResult(rest, double, len(codes) - double, self.collapsed)

    def refusals(self, spec: LoadSpec) -> Iterator[RefusedRow]:
        assert spec.job_id
        return iter(self.refused)

    def drop_staging(self, tenant: str, job_id: str) -> None:
        self.dropped.append((tenant, job_id))


@pytest.fixture(autouse=True)
def target(world: Any) -> StagedTarget:
    world.target = StagedTarget()
    return world.target


def put(world: Any, data: bytes, name: str) -> Any:
    source = any_source(name=name, size=len(data))
    return source.model_copy(update={"version": world.blobs.write(source.uri, data)})


def cut(rows: Sequence[bytes], first: int, *, place: int = 0) -> list[Chunk]:
    """Two rows a chunk, as split would say it."""
    chunks, at = [], len(HEADER)
    for i in range(0, len(rows), 2):
        part = rows[i : i + 2]
        end = at + sum(len(r) + 1 for r in part)
        n = first + i // 2
        chunks.append(
            Chunk(n=n, id=Chunk.number(n), start=at, end=end, first_row=2 + i, records=len(part), input=place)
        )
        at = end
    return chunks


def loaded(world: Any, **given: Any) -> Job:
    """A job whose three chunks of two rows are loaded."""
    data = HEADER + b"\n".join(ROWS) + b"\n"
    detection = given.pop("detection", DETECTION)
    job = any_job(source=put(world, data, "x.csv"), detection=detection, mapping=MAPPING, **given)
    return _stored(world, job, cut(ROWS, 0))


def _stored(world: Any, job: Job, chunks: list[Chunk]) -> Job:
    job.spec_key, job.chunks_key = job.work_key("spec.json"), job.work_key("chunks.json")
    world.blobs.write(work_uri(world, job.spec_key), any_load_spec(job_id=job.job_id).model_dump_json().encode())
    write_chunks(world, job.chunks_key, chunks)
    assert world.jobs.create(job)
    for c in chunks:
        world.target.lines[c.id] = LedgerLine(c.id, c.records, c.records, 0, c.records)
        world.jobs.finish_chunk("main", job.job_id, any_chunk_record(c.n, read=c.records, accepted=c.records))
    if job.state is JobState.RECEIVED:
        world.jobs.transition(job, JobState.LOADING, expect={JobState.RECEIVED})
    return fresh(world, job)


def run(world: Any, job: Job, deadline: Any = None, *, leg: int = 1) -> StepOutput:
    step = StepInput(tenant="main", job_id=job.job_id, leg=leg)
    return check(world, step, deadline or FakeDeadline())


def fresh(world: Any, job: Job) -> Job:
    return world.jobs.get("main", job.job_id)


def quarantine(world: Any, job: Job) -> list[QuarantinedRow]:
    found = []
    for info in world.blobs.list(work_uri(world, job.work_key("quarantine/"))):
        found += [QuarantinedRow.model_validate_json(line) for line in world.blobs.read(info.uri).splitlines()]
    return found


def reasons(world: Any, job: Job) -> dict[str, dict[str, int]]:
    infos = world.blobs.list(work_uri(world, job.work_key("reasons/")))
    return {i.uri.rsplit("/", 1)[1]: orjson.loads(world.blobs.read(i.uri)) for i in infos}


def test_whole_chunks_are_tallied_from_the_ledger(world: Any, target: StagedTarget) -> None:
    job = loaded(world, done=[Step.DETECT])
    target.lines["000001"] = LedgerLine("000001", 2, 1, 1, 1)
    target.refused = [RefusedRow("000000", 2, "duplicate", "id", "row 6 was kept"), RefusedRow("000002", 7, "unique")]
    target.collapsed = 1
    assert run(world, job).outcome == "next"
    after = fresh(world, job)
    t = after.tally
    assert (t.read, t.accepted, t.duplicate, t.quarantined, t.collapsed, t.inputs) == (6, 2, 1, 2, 1, [])
    assert (after.progress.accepted, after.progress.quarantined) == (2, 2)
    assert (after.state, after.done) == (JobState.CHECKING, [Step.DETECT, Step.CHECK])
    assert target.dropped == []


def test_progress_beside_the_tally_is_left_as_it_is(world: Any) -> None:
    job = loaded(world, progress=Progress(bytes_total=7, chunks_total=3))
    run(world, job)
    assert (fresh(world, job).progress.bytes_total, fresh(world, job).progress.chunks_done) == (7, 3)


def test_a_check_that_is_done_is_not_done_again(world: Any, target: StagedTarget) -> None:
    job = loaded(world)
    first = run(world, job)
    assert (first.tenant, first.job_id, first.leg) == ("main", job.job_id, 1)
    before = fresh(world, job)
    target.lines.clear()
    assert run(world, job) == first
    assert fresh(world, job) == before


@pytest.mark.parametrize(
    ("over", "dropped"),
    [
        ({"leg": 2, "state": JobState.LOADING}, False),
        ({"state": JobState.CANCELLED}, True),
        ({"state": JobState.REFUSED}, True),
        ({"state": JobState.FAILED}, False),
        ({"state": JobState.AWAITING_APPROVAL}, False),
    ],
)
def test_staging_of_a_leg_that_is_over_goes_only_with_its_job(
    world: Any, target: StagedTarget, over: dict[str, Any], dropped: bool
) -> None:
    job = loaded(world, **over)
    answer = run(world, job)
    assert (answer.outcome, answer.job_id) == ("stop", job.job_id)
    assert target.dropped == ([("main", job.job_id)] if dropped else [])
    assert fresh(world, job).state is over["state"]


def test_a_cancel_that_comes_first_wins(world: Any) -> None:
    job = loaded(world)
    move = world.jobs.transition

    def meanwhile(known: Job, to: JobState, **how: Any) -> Any:
        move(known, JobState.CANCELLED, expect=set(JobState))
        return move(known, to, **how)

    world.jobs.transition = meanwhile
    assert run(world, job).outcome == "stop"
    assert (fresh(world, job).state, fresh(world, job).tally) == (JobState.CANCELLED, None)


def test_a_cancel_while_it_checks_wins(world: Any, target: StagedTarget) -> None:
    job = loaded(world)
    checked = target.check

    def meanwhile(spec: LoadSpec) -> CheckResult:
        world.jobs.transition(fresh(world, job), JobState.CANCELLED, expect=set(JobState))
        return checked(spec)

    target.check = meanwhile  # type: ignore[method-assign]
    answer = run(world, job)
    assert (answer.outcome, answer.job_id) == ("stop", job.job_id)
    assert (fresh(world, job).state, fresh(world, job).tally) == (JobState.CANCELLED, None)


def test_what_the_target_refuses_ends_the_job_without_staging(world: Any, target: StagedTarget) -> None:
    job = loaded(world)
    target.check = lambda spec: (_ for _ in ()).throw(TargetError("The table is gone.", table="x"))  # type: ignore[method-assign]
    answer = run(world, job)
    assert (answer.outcome, answer.job_id) == ("stop", job.job_id)
    after = fresh(world, job)
    assert (after.state, after.error.code, after.error.step) == (JobState.REFUSED, "target", "check")
    assert after.error.facts == {"table": "x"}
    assert target.dropped == [("main", job.job_id)]


# -- chunks that are not whole


@pytest.mark.parametrize("how", ["missing", "emptied", "doubled"])
def test_a_chunk_that_is_not_whole_in_staging_is_loaded_again(world: Any, target: StagedTarget, how: str) -> None:
    job = loaded(world)
    line = target.lines["000001"]
    if how == "missing":
        del target.lines["000001"]
    else:
        target.lines["000001"] = replace(line, staged=0 if how == "emptied" else 4)
    answer = run(world, job)
    assert (answer.outcome, answer.job_id) == ("reload", job.job_id)
    assert [c.id for c in read_chunks(world, answer.chunks_key)] == ["000001"]
    assert answer.chunks_key != job.chunks_key
    after = fresh(world, job)
    assert (after.state, after.reloads, after.tally) == (JobState.LOADING, 1, None)
    assert sorted(target.lines) == ["000000", "000002"]
    assert [r.id for r in world.jobs.chunks("main", job.job_id)] == ["000000", "000002"]
    assert target.prepared == 1
    target.lines["000001"] = line
    assert run(world, job).outcome == "next"


def test_each_reload_has_a_list_of_its_own(world: Any, target: StagedTarget) -> None:
    job = loaded(world)
    keys = []
    for chunk in ("000000", "000002"):
        target.lines.pop(chunk)
        keys.append(run(world, job).chunks_key)
        target.lines[chunk] = LedgerLine(chunk, 2, 2, 0, 2)
    assert [[c.id for c in read_chunks(world, k)] for k in keys] == [["000000"], ["000002"]]


def test_a_reload_from_checking_goes_back_to_loading(world: Any, target: StagedTarget) -> None:
    job = loaded(world, state=JobState.CHECKING)
    target.lines.clear()
    assert run(world, job).outcome == "reload"
    assert fresh(world, job).state is JobState.LOADING
    assert world.jobs.events("main", job.job_id)[-1].detail == {"again": 3}


def test_a_reload_after_a_cancel_does_not_wake_the_job(world: Any, target: StagedTarget) -> None:
    job = loaded(world)
    target.lines.clear()
    prepare = target.prepare

    def meanwhile(spec: LoadSpec) -> LoadSpec:
        world.jobs.transition(fresh(world, job), JobState.CANCELLED, expect=set(JobState))
        return prepare(spec)

    target.prepare = meanwhile  # type: ignore[method-assign]
    assert run(world, job).outcome == "stop"
    assert (fresh(world, job).state, fresh(world, job).reloads) == (JobState.CANCELLED, 0)


@pytest.mark.parametrize(("reloads", "outcome"), [(MAX_RELOADS - 1, "reload"), (MAX_RELOADS, "stop")])
def test_a_chunk_is_not_loaded_again_for_ever(world: Any, target: StagedTarget, reloads: int, outcome: str) -> None:
    job = loaded(world, reloads=reloads)
    target.lines.pop("000002")
    assert run(world, job).outcome == outcome
    if outcome == "stop":
        after = fresh(world, job)
        assert (after.state, after.error.code) == (JobState.FAILED, "chunk_failed")
        assert (after.error.chunk, after.error.step) == ("000002", "load")
        assert after.error.facts == {"chunks": [], "first_row": 6}
        assert "1 of the chunks" in after.error.message
        assert "000002" in after.error.message and "did not stay in staging" in after.error.message
        assert after.error.hint


def test_a_chunk_that_failed_for_good_fails_the_job_with_its_reason(world: Any, target: StagedTarget) -> None:
    job = loaded(world)
    for chunk in ("000001", "000002"):
        target.lines.pop(chunk)
    world.jobs.reset_chunks("main", job.job_id, ["000001", "000002"])
    cause = json.dumps({"errorMessage": "The disk is full.", "errorType": "X"})
    world.jobs.fail_chunk("main", job.job_id, "000002", "Runtime.Error", cause)
    answer = run(world, job)
    assert (answer.outcome, answer.job_id) == ("stop", job.job_id)
    error = fresh(world, job).error
    assert (error.chunk, error.facts) == ("000002", {"chunks": ["000002"], "first_row": 6})
    assert "1 of the chunks" in error.message
    assert "000002 (Runtime.Error: The disk is full)" in error.message
    assert target.prepared == 0


def test_a_failure_without_words_is_told_by_its_name(world: Any, target: StagedTarget) -> None:
    job = loaded(world)
    target.lines.pop("000000")
    world.jobs.reset_chunks("main", job.job_id, ["000000"])
    world.jobs.fail_chunk("main", job.job_id, "000000", "States.Timeout")
    run(world, job)
    assert "000000 (States.Timeout)" in fresh(world, job).error.message


def test_a_chunk_that_failed_once_and_is_whole_now_fails_nothing(world: Any, target: StagedTarget) -> None:
    job = loaded(world)
    world.jobs.reset_chunks("main", job.job_id, ["000000"])
    world.jobs.fail_chunk("main", job.job_id, "000000", "States.Timeout")
    target.lines.pop("000001")
    assert run(world, job).outcome == "reload"


def test_many_failed_chunks_are_counted_and_some_are_named(world: Any, target: StagedTarget) -> None:
    rows = ROWS * 5
    data = HEADER + b"\n".join(rows) + b"\n"
    job = _stored(world, any_job(source=put(world, data, "x"), detection=DETECTION, reloads=MAX_RELOADS), cut(rows, 0))
    for n in range(11):
        target.lines.pop(f"{n:06d}")
    run(world, job)
    message = fresh(world, job).error.message
    assert "11 of the chunks" in message
    assert "000009 …" in message and "000010" not in message
    other = _stored(
        world, any_job(source=put(world, data, "x"), detection=DETECTION, reloads=MAX_RELOADS), cut(rows, 0)
    )
    for n in range(10):
        target.lines.pop(f"{n:06d}")
    run(world, other)
    assert "…" not in fresh(world, other).error.message


# -- books that do not balance


def test_books_that_do_not_balance_fail_the_job(world: Any, target: StagedTarget) -> None:
    job = loaded(world)
    target.wrong = 1
    answer = run(world, job)
    assert (answer.outcome, answer.job_id) == ("stop", job.job_id)
    after = fresh(world, job)
    assert (after.state, after.error.code, after.error.step) == (JobState.FAILED, "integrity", "check")
    assert after.error.facts == {"read": 6}
    assert "6 rows were read, but 5 are accounted for" in after.error.message
    assert after.tally is None


@pytest.mark.parametrize("how", ["gone", "emptied"])
def test_staging_that_a_crash_empties_while_it_is_checked_is_checked_again(
    world: Any, target: StagedTarget, how: str
) -> None:
    job = loaded(world)
    checked = target.check

    def emptied(spec: LoadSpec) -> CheckResult:
        if how == "gone":
            raise IntegrityError("Staging is gone.", reason="staging_lost")
        target.lines["000001"] = replace(target.lines["000001"], staged=0)
        return replace(checked(spec), accepted=4)

    target.check = emptied  # type: ignore[method-assign]
    answer = run(world, job)
    assert (answer.outcome, answer.job_id) == ("more", job.job_id)
    assert fresh(world, job).error is None


# -- rows that leave


def test_refused_rows_are_kept_word_for_word_with_every_reason(world: Any, target: StagedTarget) -> None:
    job = loaded(world)
    target.refused = [
        RefusedRow("000000", 3, "duplicate", "id", "row 7 was kept"),
        RefusedRow("000002", 6, "key_null", "id"),
        RefusedRow("000002", 7, "duplicate", "id", "row 6 was kept"),
        RefusedRow("000002", 7, "check", "", "constraint grown"),
    ]
    assert run(world, job).outcome == "next"
    found = quarantine(world, job)
    assert [(r.row, r.chunk, r.raw, r.outcome, r.member) for r in found] == [
        (3, "000000", "2;Bo", "duplicate", ""),
        (6, "000002", "5;Ed", "quarantined", ""),
        (7, "000002", "6;Flo", "quarantined", ""),
    ]
    data = HEADER + b"\n".join(ROWS) + b"\n"
    assert [data[r.offset : r.offset + len(r.raw)].decode() for r in found] == [r.raw for r in found]
    assert [[(f.code, f.field, f.column) for f in r.findings] for r in found] == [
        [("duplicate", "id", "No")],
        [("key_null", "id", "No")],
        [("duplicate", "id", "No"), ("check", "", "")],
    ]
    assert "row 7 was kept" in found[0].findings[0].message
    assert reasons(world, job) == {
        "check-000000.json": {"duplicate|id": 1},
        "check-000002.json": {"key_null|id": 1, "duplicate|id": 1, "check|": 1},
    }


def test_rows_out_of_order_are_kept_in_order(world: Any, target: StagedTarget) -> None:
    job = loaded(world)
    target.refused = [RefusedRow("000000", 3, "unique"), RefusedRow("000000", 2, "unique")]
    run(world, job)
    assert [r.row for r in quarantine(world, job)] == [2, 3]


def test_a_row_that_is_no_text_is_kept_as_bytes(world: Any, target: StagedTarget) -> None:
    data = HEADER + b"1;\xff\n2;Bo\n"
    job = any_job(source=put(world, data, "x.csv"), detection=DETECTION, mapping=MAPPING)
    job = _stored(world, job, [Chunk(n=0, id="000000", start=8, end=len(data), first_row=2, records=2)])
    target.refused = [RefusedRow("000000", 2, "unique", "name")]
    run(world, job)
    assert [(r.raw, r.raw_base64) for r in quarantine(world, job)] == [("", "MTv/")]


def test_a_row_is_read_in_the_encoding_of_its_source(world: Any, target: StagedTarget) -> None:
    data = HEADER + "1;Zoé\n".encode("cp1252")
    detection = DETECTION.model_copy(update={"encoding": "cp1252"})
    job = any_job(source=put(world, data, "x.csv"), detection=detection, mapping=MAPPING)
    job = _stored(world, job, [Chunk(n=0, id="000000", start=8, end=len(data), first_row=2, records=1)])
    target.refused = [RefusedRow("000000", 2, "unique", "name")]
    run(world, job)
    assert [r.raw for r in quarantine(world, job)] == ["1;Zoé"]


def test_a_row_of_a_piece_is_read_as_utf8(world: Any, target: StagedTarget) -> None:
    detection = DETECTION.model_copy(update={"encoding": "utf-16-le"})
    job = any_job(source=put(world, b"whatever", "x.csv"), detection=detection, mapping=MAPPING)
    uri = work_uri(world, job.work_key("pieces", "000000.txt"))
    world.blobs.write(uri, "1;Zoé\n".encode())
    job = _stored(world, job, [Chunk(n=0, id="000000", start=0, end=7, first_row=2, records=1, uri=uri)])
    target.refused = [RefusedRow("000000", 2, "unique", "name")]
    run(world, job)
    assert [r.raw for r in quarantine(world, job)] == ["1;Zoé"]


def test_refused_rows_that_the_source_does_not_have_are_an_error(world: Any, target: StagedTarget) -> None:
    job = loaded(world)
    target.refused = [RefusedRow("000000", 2, "unique"), RefusedRow("000000", 99, "unique")]
    with pytest.raises(FatalError, match="not found again") as lost:
        run(world, job)
    assert lost.value.facts == {"chunk": "000000"}


def test_time_may_run_out_between_chunks_of_refused_rows(world: Any, target: StagedTarget) -> None:
    job = loaded(world)
    target.refused = [RefusedRow(f"{n:06d}", 2 + 2 * n, "unique", "id") for n in range(3)]
    # The looks: how long there is, and one before each chunk; a fifth is enough, less is not.
    answer = run(world, job, Looks(100, 20, 19))
    assert (answer.outcome, answer.job_id) == ("more", job.job_id)
    assert sorted(reasons(world, job)) == ["check-000000.json"]
    assert fresh(world, job).done == []
    written = world.blobs.faults.calls.count("write")
    assert run(world, job, Looks(100, 20, 19)).outcome == "more"
    assert sorted(reasons(world, job)) == ["check-000000.json", "check-000001.json"]
    # What is written is not written again: each chunk is two objects.
    assert world.blobs.faults.calls.count("write") == written + 2
    assert run(world, job).outcome == "next"
    assert [r.row for r in quarantine(world, job)] == [2, 4, 6]


def test_every_object_of_a_set_has_its_account_and_its_rows_their_member(world: Any, target: StagedTarget) -> None:
    files = [HEADER + b"\n".join(ROWS[:4]) + b"\n", HEADER + b"\n".join(ROWS[4:]) + b"\n"]
    sources = [put(world, data, name) for data, name in zip(files, ("a.csv", "b.csv"), strict=True)]
    job = any_job(source=bundle(world.blobs, "work", "main", sources, "set"), mapping=[])
    each = [Input(n=n, source=s, detection=DETECTION, mapping=MAPPING) for n, s in enumerate(sources)]
    write_block(world, job, 0, each)
    job = _stored(world, job, cut(ROWS[:4], 0) + cut(ROWS[4:], 2, place=1))
    target.refused = [RefusedRow("000001", 5, "unique", "name"), RefusedRow("000002", 2, "duplicate", "id")]
    assert run(world, job).outcome == "next"
    assert [(r.member, r.raw, r.findings[0].column) for r in quarantine(world, job)] == [
        ("a.csv", "4;Di", "Name"),
        ("b.csv", "5;Ed", "No"),
    ]
    told = fresh(world, job).tally.inputs
    assert [(i.name, i.read, i.accepted, i.duplicate, i.quarantined) for i in told] == [
        ("a.csv", 4, 3, 0, 1),
        ("b.csv", 2, 1, 1, 0),
    ]
