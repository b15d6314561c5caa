"""One object is cut: in one go or in several, from its bytes or as UTF-8 pieces, alone or one of many."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import orjson
import pyarrow as pa
import pytest

from entrepot.errors import FatalError, NotFoundError
from entrepot.formats.reading import Batch
from entrepot.model.findings import Finding, QuarantinedRow
from entrepot.model.job import Job
from entrepot.model.source import Chunk, Detection, SplitState
from entrepot.model.steps import Input
from entrepot.workflow import cutting
from entrepot.workflow.cutting import Cut, Cutter
from tests.builders import any_detection, any_job, any_source
from tests.fakes.world import FakeDeadline

HEADER = b"id,name\n"
ROWS = b"".join(b"%d,%s\n" % (n, b"x" * (n % 7)) for n in range(1, 41))


class Looks:
    """A deadline that answers each look in turn, and goes on with the last answer."""

    def __init__(self, *answers: float) -> None:
        self._answers = list(answers)

    def remaining(self) -> float:
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutting, "BLOCK", 16)


def placed(world: Any, data: bytes, *, n: int = 0, name: str = "x.csv", **detection: Any) -> Input:
    source = any_source(name=name, size=len(data))
    source = source.model_copy(update={"version": world.blobs.write(source.uri, data)})
    given = {"columns": ["id", "name"], "data_start": len(HEADER)} | detection
    return Input(n=n, source=source, detection=any_detection(**given))


def cutter(world: Any, deadline: Any = None, *, size: int = 0) -> Cutter:
    job: Job = any_job(source=any_source(size=size))
    world.settings = type(world.settings)(work_bucket="work", chunk_bytes=30)
    return Cutter(world, job, deadline or FakeDeadline())


def book(chunks: Sequence[Chunk]) -> list[tuple[Any, ...]]:
    return [(c.n, c.id, c.start, c.end, c.first_row, c.records, c.plain, c.input, c.uri) for c in chunks]


def in_one_go(world: Any, found: Input, **how: Any) -> Cut:
    return cutter(world).cut(found, **how)


def test_an_object_is_cut_after_its_header_into_chunks_that_lie_side_by_side(world: Any) -> None:
    data = HEADER + ROWS
    found = placed(world, data)
    cut = in_one_go(world, found)
    assert cut.done
    assert cut.digest == hashlib.sha256(data).hexdigest()
    assert len(cut.chunks) > 3
    assert (cut.chunks[0].start, cut.chunks[-1].end) == (len(HEADER), len(data))
    row = 2
    for n, chunk in enumerate(cut.chunks):
        part = data[chunk.start : chunk.end]
        assert (chunk.n, chunk.id, chunk.first_row) == (n, f"{n:06d}", row)
        assert (chunk.records, chunk.plain, chunk.input, chunk.uri) == (part.count(b"\n"), True, 0, "")
        assert len(part) >= 30 or chunk is cut.chunks[-1]
        row += chunk.records
    assert b"".join(data[c.start : c.end] for c in cut.chunks) == ROWS
    assert (cut.state.offset, cut.state.row, cut.state.n, cut.state.input) == (len(data), row, len(cut.chunks), 0)


def test_a_header_may_be_longer_than_a_block(world: Any) -> None:
    header = b"a" * 50 + b",b\n"
    cut = in_one_go(world, placed(world, header + ROWS, data_start=len(header)))
    assert (cut.chunks[0].start, cut.chunks[0].first_row) == (len(header), 2)
    assert sum(c.records for c in cut.chunks) == 40
    assert cut.digest == hashlib.sha256(header + ROWS).hexdigest()


def test_the_version_that_was_delivered_is_cut_and_no_later_one(world: Any) -> None:
    found = placed(world, HEADER + ROWS)
    world.blobs.write(found.source.uri, HEADER + b"1,later\n")
    assert sum(c.records for c in in_one_go(world, found).chunks) == 40


def test_the_next_block_is_fetched_while_one_is_looked_at(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    data, asked, looked = HEADER + ROWS, threading.Event(), []

    def stream(*_: Any, **__: Any) -> Iterator[bytes]:
        yield b""
        yield data[:100]
        asked.set()
        yield data[100:]

    class Looking(cutting.Splitter):
        def feed(self, block: bytes) -> list[Chunk]:
            if block:
                looked.append(asked.wait(10))
            return super().feed(block)

    found = placed(world, data)
    monkeypatch.setattr(world.blobs, "stream", stream)
    monkeypatch.setattr(cutting, "Splitter", Looking)
    cut = in_one_go(world, found)
    assert looked == [True, True]
    assert sum(c.records for c in cut.chunks) == 40
    assert cut.digest == hashlib.sha256(data).hexdigest()


def test_a_block_that_cannot_be_fetched_ends_the_cut(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def stream(*_: Any, **__: Any) -> Iterator[bytes]:
        yield HEADER + ROWS
        raise NotFoundError("It is gone.")

    found = placed(world, HEADER + ROWS)
    monkeypatch.setattr(world.blobs, "stream", stream)
    with pytest.raises(NotFoundError):
        in_one_go(world, found)


def test_a_cut_goes_on_where_time_ran_out_and_finds_the_same_chunks(world: Any) -> None:
    found = placed(world, HEADER + ROWS)
    whole = in_one_go(world, found)
    chunks: list[Chunk] = []
    state, done, legs = None, False, 0
    while not done:
        # Looks: how long there is, then one look after each block of 16 bytes.
        cut = cutter(world, Looks(100, 50, 20, 19.9)).cut(found, state)
        assert cut.digest == ""
        chunks += cut.chunks
        state, done, legs = cut.state, cut.done, legs + 1
    assert legs > 2
    assert state is not None
    assert book(chunks) == book(whole.chunks)
    assert (state.offset, state.row, state.n) == (whole.state.offset, whole.state.row, whole.state.n)


def test_a_fifth_of_the_time_is_left_for_what_follows(world: Any) -> None:
    at_the_border = cutter(world, Looks(100, 20))
    assert not at_the_border.time_is_up
    assert cutter(world, Looks(100, 19.9)).time_is_up


def test_time_that_runs_out_before_the_header_ends_loses_nothing(world: Any) -> None:
    header = b"a" * 50 + b",b\n"
    found = placed(world, header + ROWS, data_start=len(header))
    first = cutter(world, Looks(100, 0)).cut(found)
    assert (first.done, first.chunks, first.state.offset) == (False, [], len(header))
    second = cutter(world).cut(found, first.state)
    assert book(second.chunks) == book(in_one_go(world, found).chunks)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
def test_one_of_many_objects_numbers_its_chunks_after_those_before(world: Any, encoding: str) -> None:
    start = len(HEADER.decode().encode(encoding))
    found = placed(world, (HEADER + ROWS).decode().encode(encoding), n=3, encoding=encoding, data_start=start)
    alone = found.model_copy(update={"n": 0})
    later, first = in_one_go(world, found, n=7), in_one_go(world, alone)
    assert [c.n for c in later.chunks] == [c.n + 7 for c in first.chunks]
    assert [c.id for c in later.chunks] == [f"{c.n:06d}" for c in later.chunks]
    assert {c.input for c in later.chunks} == {3}
    assert [(c.start, c.end, c.first_row, c.records, c.plain) for c in later.chunks] == [
        (c.start, c.end, c.first_row, c.records, c.plain) for c in first.chunks
    ]
    assert (later.state.n, later.state.input) == (first.state.n + 7, 3)
    assert later.digest == first.digest


def test_a_checkpoint_in_one_of_many_objects_says_which(world: Any) -> None:
    found = placed(world, HEADER + ROWS, n=3)
    cut = cutter(world, Looks(100, 50, 50, 50, 0)).cut(found, n=7)
    assert not cut.done
    assert {c.input for c in cut.chunks} == {3}
    assert (cut.state.input, cut.state.n) == (3, 7 + len(cut.chunks))


def test_a_large_source_becomes_larger_chunks_rather_than_more(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutting, "MAX_CHUNKS", 3)
    found = placed(world, HEADER + ROWS)
    large = cutter(world, size=len(ROWS)).cut(found)
    assert min(c.end - c.start for c in large.chunks[:-1]) >= len(ROWS) // 3 + 1
    assert len(large.chunks) == 3
    # A set of small objects has the size of all of them together, and one that is small itself keeps to the setting.
    assert len(cutter(world, size=3).cut(found).chunks) == len(in_one_go(world, found).chunks)
    monkeypatch.setattr(cutting, "MAX_CHUNKS", 10)
    # Ten chunks of 9 bytes hold 90: a source of 90 bytes needs chunks of more than that.
    world.settings = type(world.settings)(work_bucket="work", chunk_bytes=1)
    tight = Cutter(world, any_job(source=any_source(size=90)), FakeDeadline()).cut(
        placed(world, HEADER + b"1,345678\n" * 10)
    )
    assert [c.records for c in tight.chunks] == [2] * 5
    uneven = Cutter(world, any_job(source=any_source(size=95)), FakeDeadline())
    assert [c.records for c in uneven.cut(placed(world, HEADER + b"1,3456789\n" * 4)).chunks] == [1] * 4


def pieces(world: Any, cut: Cut) -> bytes:
    assert len({c.uri for c in cut.chunks}) == len(cut.chunks)
    return b"".join(world.blobs.read(c.uri)[c.start : c.end] for c in cut.chunks)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le"])
def test_an_object_whose_bytes_cannot_be_cut_becomes_pieces_of_utf8(world: Any, encoding: str) -> None:
    rows = ROWS.decode().replace("x", "é")
    raw = (HEADER.decode() + rows).encode(encoding)
    start = len(HEADER.decode().encode(encoding))
    found = placed(world, raw, encoding=encoding, data_start=start, first_row=2)
    cut = in_one_go(world, found)
    assert cut.done
    assert cut.digest == hashlib.sha256(raw).hexdigest()
    assert pieces(world, cut) == rows.encode()
    row = 2
    for n, chunk in enumerate(cut.chunks):
        text = world.blobs.read(chunk.uri)
        assert (chunk.n, chunk.start, chunk.end, chunk.first_row) == (n, 0, len(text), row)
        assert chunk.records == text.count(b"\n")
        assert chunk.uri.startswith("s3://work/jobs/") and chunk.uri.endswith(f"/pieces/{n:06d}.txt")
        row += chunk.records
    assert len(cut.chunks) > 3
    assert (cut.state.n, cut.state.row) == (len(cut.chunks), row)


def test_a_header_in_utf16_may_be_longer_than_a_block(world: Any) -> None:
    header = ("a" * 50 + ",b\n").encode("utf-16-le")
    raw = header + ROWS.decode().encode("utf-16-le")
    cut = in_one_go(world, placed(world, raw, encoding="utf-16-le", data_start=len(header)))
    assert pieces(world, cut) == ROWS
    assert cut.digest == hashlib.sha256(raw).hexdigest()


def test_what_a_quote_that_is_never_closed_held_back_becomes_pieces_at_the_end(world: Any) -> None:
    rows = '1,"oops\n' + "2,some text\n" * 20
    found = placed(world, rows.encode("utf-16-le"), encoding="utf-16-le", data_start=0, first_row=1)
    cut = in_one_go(world, found)
    assert pieces(world, cut) == rows.encode()
    assert (len(cut.chunks) > 2, sum(c.records for c in cut.chunks)) == (True, 21)


def test_the_version_that_was_delivered_becomes_pieces_and_no_later_one(world: Any) -> None:
    found = placed(world, (HEADER + ROWS).decode().encode("utf-16-le"), encoding="utf-16-le", data_start=16)
    world.blobs.write(found.source.uri, b"")
    assert pieces(world, in_one_go(world, found)) == ROWS


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
def test_an_object_without_rows_has_no_chunks_but_a_digest(world: Any, encoding: str) -> None:
    raw = HEADER.decode().encode(encoding)
    cut = in_one_go(world, placed(world, raw, encoding=encoding, data_start=len(raw)))
    assert (cut.chunks, cut.done, cut.digest) == ([], True, hashlib.sha256(raw).hexdigest())


def test_an_object_that_was_never_looked_at_is_not_cut(world: Any) -> None:
    found = placed(world, HEADER + ROWS).model_copy(update={"detection": None})
    with pytest.raises(FatalError):
        in_one_go(world, found)


def test_a_checkpoint_with_an_open_chunk_keeps_what_is_known_of_it(world: Any) -> None:
    data = HEADER + b"1,a\n\n" + b"2,b\n" * 20
    found = placed(world, data)
    whole = in_one_go(world, found)
    first = cutter(world, Looks(100, 0)).cut(found)
    assert not first.chunks
    second = cutter(world).cut(found, SplitState.model_validate(first.state.model_dump()))
    assert [c.plain for c in second.chunks] == [c.plain for c in whole.chunks]
    assert not second.chunks[0].plain
    assert isinstance(found.detection, Detection)


def document(count: int = 40) -> bytes:
    return json.dumps([{"id": n, "name": "x" * (n % 7)} for n in range(1, count + 1)]).encode()


def placed_document(world: Any, data: bytes, **how: Any) -> Input:
    return placed(world, data, name="x.json", format="json", data_start=0, first_row=1, **how)


def test_a_document_becomes_pieces_of_text_row_after_row(world: Any) -> None:
    data = document()
    cut = in_one_go(world, placed_document(world, data))
    assert cut.done
    assert cut.digest == hashlib.sha256(data).hexdigest()
    assert pieces(world, cut) == ROWS
    row = 1
    for n, chunk in enumerate(cut.chunks):
        text = world.blobs.read(chunk.uri)
        assert (chunk.n, chunk.id, chunk.start, chunk.end) == (n, f"{n:06d}", 0, len(text))
        assert (chunk.first_row, chunk.records, chunk.input, chunk.refused) == (row, text.count(b"\n"), 0, 0)
        assert chunk.uri.startswith("s3://work/jobs/") and chunk.uri.endswith(f"/pieces/{n:06d}.txt")
        row += chunk.records
    assert len(cut.chunks) > 3
    assert (cut.state.offset, cut.state.row, cut.state.n, cut.state.input) == (40, 1, len(cut.chunks), 0)


def test_a_document_goes_on_where_time_ran_out_and_becomes_the_same_pieces(world: Any) -> None:
    found = placed_document(world, document(), n=3)
    whole = in_one_go(world, found, n=7)
    chunks: list[Chunk] = []
    state, done, legs = None, False, 0
    while not done:
        # Looks: how long there is, then one look after each piece.
        cut = cutter(world, Looks(100, 50, 19.9)).cut(found, state, n=7 if state is None else 0)
        assert cut.done or (cut.digest == "" and len(cut.chunks) == 2)
        assert (cut.state.input, cut.state.row, cut.state.n) == (3, 1, 7 + len(chunks) + len(cut.chunks))
        chunks += cut.chunks
        state, done, legs = cut.state, cut.done, legs + 1
    assert legs > 2
    # Each cutter here has a job of its own, and so other names for its pieces.
    assert [line[:-1] for line in book(chunks)] == [line[:-1] for line in book(whole.chunks)]
    assert [world.blobs.read(c.uri) for c in chunks] == [world.blobs.read(c.uri) for c in whole.chunks]
    assert {c.input for c in chunks} == {3}
    assert [c.n for c in chunks] == list(range(7, 7 + len(chunks)))
    assert cut.digest == whole.digest == hashlib.sha256(document()).hexdigest()
    assert state == whole.state


def test_a_digest_that_is_known_is_not_taken_again(world: Any) -> None:
    found = placed_document(world, document())
    known = found.model_copy(update={"source": found.source.model_copy(update={"sha256": "known"})})
    assert in_one_go(world, known).digest == "known"


def test_the_version_of_a_document_that_was_delivered_becomes_pieces_and_no_later_one(world: Any) -> None:
    found = placed_document(world, document())
    world.blobs.write(found.source.uri, document(3))
    cut = in_one_go(world, found)
    assert pieces(world, cut) == ROWS
    assert cut.digest == hashlib.sha256(document()).hexdigest()


def test_what_a_job_says_of_its_format_reaches_the_reader(world: Any) -> None:
    found = placed_document(world, json.dumps({"other": [{"id": 9}], "people": [{"id": 1}, {"id": 2}]}).encode())
    options = any_job().options.model_copy(update={"path": "$.people"})
    asked = Cutter(world, any_job(source=any_source(size=0), options=options), FakeDeadline())
    assert pieces(world, asked.cut(found)) == b"1\n2\n"


def test_rows_that_a_reader_refuses_lie_beside_the_piece_that_their_neighbours_are_in(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = [
        QuarantinedRow(row=row, raw=b"?", findings=[Finding(field="", code="damaged", message="It is damaged.")])
        for row in (3, 4)
    ]

    class Reader:
        def batches(self, place: int) -> Iterator[Batch]:
            assert place == 0
            yield Batch(pa.record_batch({"id": ["1", "2"], "name": ["a" * 20, "b" * 20]}), 1, None, [])
            yield Batch(pa.record_batch({"id": ["5"], "name": ["c" * 40]}), 5, None, refused)
            yield Batch(pa.record_batch({"id": ["6"], "name": ["d" * 40]}), 6, None, [])

    monkeypatch.setattr(cutting, "open_reader", lambda *_: Reader())
    cut = in_one_go(world, placed_document(world, b"[]"))
    assert [(c.first_row, c.records, c.refused) for c in cut.chunks] == [(1, 2, 0), (5, 1, 2), (6, 1, 0)]
    told = [
        QuarantinedRow.model_validate(row)
        for row in orjson.loads(world.blobs.read(f"{cut.chunks[1].uri}.refused.json"))
    ]
    assert told == [row.model_copy(update={"chunk": "000001"}) for row in refused]
    assert cut.state.offset == 6
