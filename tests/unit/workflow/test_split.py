"""The split step: one book of chunks, whatever happens on the way to it."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from entrepot.errors import ConflictError, NotFoundError
from entrepot.model.job import Job, JobState, Progress, Step
from entrepot.model.source import Chunk, SplitState
from entrepot.model.steps import Input, StepInput, StepOutput
from entrepot.workflow import cutting, inputs
from entrepot.workflow import split as split_module
from entrepot.workflow.chunks import read_chunks
from entrepot.workflow.inputs import bundle, content_digest, every_input, write_block
from entrepot.workflow.split import split
from tests.builders import any_contract_version, any_detection, any_job, any_source
from tests.fakes.world import FakeDeadline
from tests.unit.workflow.test_cutting import HEADER, ROWS, Looks

DETECTION = any_detection(columns=["id", "name"], data_start=len(HEADER))


@pytest.fixture(autouse=True)
def small_blocks(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutting, "BLOCK", 16)
    for module in (inputs, split_module):
        monkeypatch.setattr(module, "BLOCK", 2)
    world.settings = type(world.settings)(inbox_bucket="inbox", work_bucket="work", chunk_bytes=30)


def put(world: Any, data: bytes, name: str = "x.csv") -> Any:
    source = any_source(name=name, size=len(data))
    return source.model_copy(update={"version": world.blobs.write(source.uri, data)})


def job_of(world: Any, *files: bytes, encoding: str = "", **given: Any) -> Job:
    """A job of one object, or of the many of a set, that was detected and mapped."""
    sources = [put(world, data, f"{n}.csv") for n, data in enumerate(files)]
    source = bundle(world.blobs, "work", "main", sources, "set") if len(files) > 1 else sources[0]
    detection = DETECTION.model_copy(update={"encoding": encoding}) if encoding else DETECTION
    job = any_job(source=source, **({"detection": detection, "done": [Step.DETECT], "contract_version": 1} | given))
    assert world.jobs.create(job)
    if len(files) > 1:
        each = [Input(n=n, source=s, detection=DETECTION) for n, s in enumerate(sources)]
        if encoding:
            each[1] = each[1].model_copy(update={"detection": detection})
        for number in range(0, len(each), inputs.BLOCK):
            write_block(world, job, number // inputs.BLOCK, each[number : number + inputs.BLOCK])
    return job


def run(world: Any, job: Job, deadline: Any = None, *, leg: int = 1) -> StepOutput:
    return split(world, StepInput(tenant="main", job_id=job.job_id, leg=leg), deadline or FakeDeadline())


def to_the_end(world: Any, job: Job, *looks: float) -> int:
    """Calls the step until it has nothing more to do; how often."""
    for calls in range(1, 100):
        outcome = run(world, job, Looks(*looks)).outcome
        assert outcome in {"next", "more"}
        if outcome == "next":
            return calls
    raise AssertionError


def fresh(world: Any, job: Job) -> Job:
    return world.jobs.get("main", job.job_id)


def book(world: Any, job: Job) -> list[tuple[Any, ...]]:
    chunks = read_chunks(world, fresh(world, job).chunks_key)
    return [(c.n, c.id, c.start, c.end, c.first_row, c.records, c.plain, c.input) for c in chunks]


def test_a_split_source_has_a_book_of_chunks_a_digest_and_a_count(world: Any) -> None:
    data = HEADER + ROWS
    job = job_of(world, data, progress=Progress(read=0, bytes_total=7))
    answer = run(world, job)
    after = fresh(world, job)
    assert (answer.outcome, answer.chunks_key) == ("next", after.chunks_key)
    assert (answer.tenant, answer.job_id, answer.leg) == ("main", job.job_id, 1)
    chunks = book(world, job)
    assert [c[5] for c in chunks] == [data[c[2] : c[3]].count(b"\n") for c in chunks]
    assert (chunks[0][2], chunks[-1][3]) == (len(HEADER), len(data))
    assert (after.state, after.done) == (JobState.SPLITTING, [Step.DETECT, Step.SPLIT])
    assert (after.progress.chunks_total, after.progress.bytes_total) == (len(chunks), 7)
    assert after.split == SplitState(n=len(chunks), done=True)
    assert after.source.sha256 == hashlib.sha256(data).hexdigest()
    assert after.source.version == job.source.version


def test_a_split_that_is_done_is_not_done_again(world: Any) -> None:
    job = job_of(world, HEADER + ROWS)
    first = run(world, job)
    before = fresh(world, job)
    world.blobs.delete(job.source.uri)
    assert run(world, job) == first
    assert fresh(world, job) == before


def test_types_come_from_the_whole_file_while_no_contract_says_them(world: Any) -> None:
    job = job_of(world, HEADER + ROWS, contract_version=0)
    assert run(world, job).outcome == "profile"
    assert run(world, job).outcome == "profile"
    world.config.put_contract(any_contract_version(name=job.contract))
    assert run(world, job).outcome == "next"


def test_a_contract_of_another_name_or_tenant_says_nothing(world: Any) -> None:
    world.config.put_contract(any_contract_version(name="others"))
    world.config.put_contract(any_contract_version(tenant="other"))
    assert run(world, job_of(world, HEADER + ROWS, contract_version=0)).outcome == "profile"


@pytest.mark.parametrize("over", [{"leg": 2}, {"state": JobState.CANCELLED}, {"state": JobState.AWAITING_MAPPING}])
def test_a_leg_that_is_over_is_left_alone(world: Any, over: dict[str, Any]) -> None:
    job = job_of(world, HEADER + ROWS, **over)
    before = fresh(world, job)
    assert run(world, job).outcome == "stop"
    assert fresh(world, job) == before


def test_a_cancel_that_comes_first_wins(world: Any) -> None:
    job = job_of(world, HEADER + ROWS)
    move = world.jobs.transition

    def meanwhile(known: Job, to: JobState, **how: Any) -> Any:
        move(known, JobState.CANCELLED, expect=set(JobState))
        return move(known, to, **how)

    world.jobs.transition = meanwhile
    assert run(world, job).outcome == "stop"
    assert fresh(world, job).state is JobState.CANCELLED


def test_a_cancel_while_it_cuts_wins(world: Any) -> None:
    job = job_of(world, HEADER + ROWS)
    stream = world.blobs.stream

    def meanwhile(*given: Any, **how: Any) -> Any:
        world.jobs.transition(fresh(world, job), JobState.CANCELLED, expect=set(JobState))
        return stream(*given, **how)

    world.blobs.stream = meanwhile
    assert run(world, job).outcome == "stop"
    after = fresh(world, job)
    assert (after.state, after.chunks_key) == (JobState.CANCELLED, "")


def test_a_checkpoint_after_a_cancel_does_not_wake_the_job(world: Any) -> None:
    job = job_of(world, HEADER + ROWS)
    stream = world.blobs.stream

    def meanwhile(*given: Any, **how: Any) -> Any:
        world.jobs.transition(fresh(world, job), JobState.CANCELLED, expect=set(JobState))
        return stream(*given, **how)

    world.blobs.stream = meanwhile
    assert run(world, job, Looks(100, 0)).outcome == "stop"
    assert fresh(world, job).split is None


def test_a_source_that_cannot_be_read_is_refused_with_the_reason(world: Any) -> None:
    job = job_of(world, HEADER + ROWS, encoding="no-such-encoding")
    assert run(world, job).outcome == "stop"
    after = fresh(world, job)
    assert (after.state, after.error.step, after.error.facts["reason"]) == (JobState.REFUSED, "split", "encoding")
    assert after.receipt.status == "refused"


@pytest.mark.parametrize("looks", [(100, 0), (100, 50, 0), (100, 50, 50, 50, 50, 0)])
def test_time_may_run_out_again_and_again(world: Any, looks: tuple[float, ...]) -> None:
    whole, job = job_of(world, HEADER + ROWS), job_of(world, HEADER + ROWS)
    run(world, whole)
    assert to_the_end(world, job, *looks) > 2
    assert book(world, job) == book(world, whole)
    after = fresh(world, job)
    assert (after.split, after.progress.chunks_total) == (fresh(world, whole).split, len(book(world, job)))
    # A digest cannot be carried over a checkpoint: the file is known by its version alone.
    assert after.source.sha256 == ""


def test_a_digest_that_was_known_before_is_kept(world: Any) -> None:
    source = put(world, HEADER + ROWS).model_copy(update={"sha256": "known"})
    job = any_job(source=source, detection=DETECTION, contract_version=1)
    world.jobs.create(job)
    to_the_end(world, job, 100, 50, 0)
    assert fresh(world, job).source.sha256 == "known"


@pytest.mark.parametrize("failing", [1, 2])
def test_a_kill_between_the_chunks_and_the_checkpoint_doubles_none(world: Any, failing: int) -> None:
    whole, job = job_of(world, HEADER + ROWS), job_of(world, HEADER + ROWS)
    run(world, whole)
    update, calls = world.jobs.update, []

    def killed(*given: Any, **how: Any) -> Any:
        calls.append(1)
        if len(calls) == failing:
            raise RuntimeError
        return update(*given, **how)

    world.jobs.update = killed
    died = 0
    while True:
        try:
            if run(world, job, Looks(100, 50, 50, 0)).outcome == "next":
                break
        except RuntimeError:
            died += 1
    assert died == 1
    assert book(world, job) == book(world, whole)


def test_an_empty_source_is_one_empty_chunk(world: Any) -> None:
    job = job_of(world, HEADER)
    assert run(world, job).outcome == "next"
    assert book(world, job) == [(0, "000000", len(HEADER), len(HEADER), 2, 0, False, 0)]
    assert fresh(world, job).progress.chunks_total == 1


def test_an_empty_source_with_rows_above_its_header_numbers_on(world: Any) -> None:
    job = job_of(world, HEADER, detection=DETECTION.model_copy(update={"first_row": 5}))
    run(world, job)
    assert [c[4] for c in book(world, job)] == [5]


# -- sets


def rows(first: int, many: int) -> bytes:
    return HEADER + b"".join(b"%d,abc\n" % n for n in range(first, first + many))


FILES = [rows(1, 12), HEADER, rows(100, 3), rows(200, 20), rows(300, 7)]


def contents(world: Any, job: Job) -> list[tuple[int, bytes]]:
    """What the chunks of each object hold together."""
    after = fresh(world, job)
    sources = [i.source for i in every_input(world, job)]
    found: dict[int, bytes] = {}
    for c in read_chunks(world, after.chunks_key):
        data = world.blobs.read(c.uri or sources[c.input].uri)
        found[c.input] = found.get(c.input, b"") + data[c.start : c.end]
    return sorted(found.items())


def check_set(world: Any, job: Job) -> list[Chunk]:
    after = fresh(world, job)
    chunks = read_chunks(world, after.chunks_key)
    assert [c.n for c in chunks] == list(range(len(chunks)))
    assert [c.id for c in chunks] == [f"{n:06d}" for n in range(len(chunks))]
    assert contents(world, job) == [(n, f[len(HEADER) :]) for n, f in enumerate(FILES) if f != HEADER]
    for place in {c.input for c in chunks}:
        row = 2
        for c in (c for c in chunks if c.input == place):
            assert c.first_row == row
            row += c.records
    assert (after.progress.chunks_total, after.split.n, after.split.done) == (len(chunks), len(chunks), True)
    return chunks


def test_the_objects_of_a_set_are_cut_one_after_the_other(world: Any) -> None:
    job = job_of(world, *FILES)
    assert run(world, job).outcome == "next"
    check_set(world, job)
    digests = [hashlib.sha256(f).hexdigest() for f in FILES]
    assert [i.source.sha256 for i in every_input(world, job)] == digests
    assert fresh(world, job).source.sha256 == content_digest(digests)
    assert fresh(world, job).source.inputs == len(FILES)


@pytest.mark.parametrize("count", range(1, 12))
def test_a_set_may_be_left_at_any_look_and_gone_on_with(world: Any, count: int) -> None:
    whole, job = job_of(world, *FILES), job_of(world, *FILES)
    run(world, whole)
    calls = to_the_end(world, job, *[100.0] * count, 0)
    check_set(world, job)
    assert book(world, job) == book(world, whole)
    assert calls > 1
    seen = [i.source.sha256 for i in every_input(world, job)]
    known = [hashlib.sha256(f).hexdigest() for f in FILES]
    # An object that was cut in one go has its digest; one that was not has none, and so has the set.
    assert all(s in {"", k} for s, k in zip(seen, known, strict=True))
    assert fresh(world, job).source.sha256 == (content_digest(known) if all(seen) else job.source.sha256)


def test_time_that_runs_out_with_the_last_object_is_enough(world: Any) -> None:
    small = [rows(1, 1), rows(2, 1)]
    job = job_of(world, *small)
    # The looks: how long there is; after the first object's block, and before the second; nothing is left after that.
    assert run(world, job, Looks(100, 100, 100, 100, 0)).outcome == "next"
    assert [c[5] for c in book(world, job)] == [1, 1]


def test_objects_that_were_cut_keep_their_digest_over_a_checkpoint(world: Any) -> None:
    job = job_of(world, *[rows(n, 1) for n in range(5)])
    calls = to_the_end(world, job, 100, 100, 0)
    assert calls > 2
    digests = [hashlib.sha256(rows(n, 1)).hexdigest() for n in range(5)]
    assert [i.source.sha256 for i in every_input(world, job)] == digests
    assert fresh(world, job).source.sha256 == content_digest(digests)


def test_a_set_of_empty_objects_is_one_empty_chunk(world: Any) -> None:
    job = job_of(world, HEADER, HEADER, HEADER)
    run(world, job)
    assert book(world, job) == [(0, "000000", 0, 0, 2, 0, False, 0)]
    assert fresh(world, job).progress.chunks_total == 1


def test_a_set_without_a_detection_of_its_own_counts_from_its_first_row(world: Any) -> None:
    job = job_of(world, HEADER, HEADER, detection=None)
    run(world, job)
    assert [c[4] for c in book(world, job)] == [1]


def test_an_object_that_cannot_be_read_refuses_the_set_by_its_name(world: Any) -> None:
    job = job_of(world, rows(1, 1), rows(2, 1), encoding="no-such-encoding")
    assert run(world, job).outcome == "stop"
    error = fresh(world, job).error
    assert error.message.startswith("1.csv: ")
    assert (error.facts["input"], error.facts["reason"]) == ("1.csv", "encoding")


def test_an_object_that_is_gone_refuses_the_set_by_its_name(world: Any) -> None:
    job = job_of(world, rows(1, 1), rows(2, 1), rows(3, 1))
    world.blobs.delete(list(every_input(world, job))[2].source.uri)
    assert run(world, job).outcome == "stop"
    after = fresh(world, job)
    assert (after.state, after.error.facts["input"]) == (JobState.REFUSED, "2.csv")
    assert "no longer there" in after.error.message


def test_an_object_alone_that_is_gone_is_an_error_of_the_step(world: Any) -> None:
    job = job_of(world, rows(1, 1))
    world.blobs.delete(job.source.uri)
    with pytest.raises(NotFoundError):
        run(world, job)


def test_utf16_among_others_becomes_pieces(world: Any) -> None:
    text = rows(50, 9)
    job = job_of(world, rows(1, 9), text.decode().encode("utf-16-le"), rows(80, 9))
    each = list(every_input(world, job))
    utf16 = DETECTION.model_copy(update={"encoding": "utf-16-le", "data_start": 2 * len(HEADER)})
    each[1] = each[1].model_copy(update={"detection": utf16})
    write_block(world, job, 0, each[:2])
    assert to_the_end(world, job, 100, 100, 100, 100, 0) > 1
    assert [c[0] for c in book(world, job)] == list(range(len(book(world, job))))
    assert contents(world, job) == [(0, rows(1, 9)[8:]), (1, text[8:]), (2, rows(80, 9)[8:])]


def test_a_conflict_is_no_error(world: Any) -> None:
    job = job_of(world, HEADER + ROWS)

    def refused(*_: Any, **__: Any) -> Any:
        raise ConflictError("Another move came first.")

    world.jobs.update = refused
    assert run(world, job).outcome == "stop"
