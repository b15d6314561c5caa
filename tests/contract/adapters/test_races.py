"""Several workers at one job: one wins, nothing is counted twice, no event is missing."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

from entrepot.errors import ConflictError
from entrepot.model.job import RUNNING, JobState
from tests.builders import any_chunk_record, any_contract_version, any_job
from tests.contract.adapters.conftest import Stores

WORKERS = 6


def at_once(call: Callable[[int], Any], workers: int = WORKERS) -> list[Any]:
    """Calls from as many threads at the same moment; answers, or the conflicts that they met."""
    barrier = Barrier(workers)

    def one(n: int) -> Any:
        barrier.wait()
        try:
            return call(n)
        except ConflictError as error:
            return error

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(one, range(workers)))


def test_one_of_many_creates_a_job(stores: Stores):
    job = any_job()
    answers = at_once(lambda n: stores.jobs.create(job.model_copy(update={"actor": f"worker {n}"})))
    assert sorted(answers) == [False] * (WORKERS - 1) + [True]
    assert stores.jobs.get("main", job.job_id).actor == f"worker {answers.index(True)}"
    assert [e.seq for e in stores.jobs.events("main", job.job_id)] == [1]


def test_one_of_many_moves_a_job_out_of_a_state(stores: Stores):
    job = any_job()
    stores.jobs.create(job)

    def move(n: int) -> Any:
        to = JobState.PUBLISHING if n % 2 else JobState.CANCELLED
        return stores.jobs.transition(job, to, expect={JobState.RECEIVED}, changes={"spec_key": str(n)})

    answers = at_once(move)
    won = [a for a in answers if not isinstance(a, ConflictError)]
    assert len(won) == 1
    lost = {a.facts["state"] for a in answers if isinstance(a, ConflictError)}
    assert lost == {won[0].state.value}
    stored = stores.jobs.get("main", job.job_id)
    assert (stored.state, stored.spec_key, stored.seq) == (won[0].state, won[0].spec_key, 2)
    assert [e.state for e in stores.jobs.events("main", job.job_id)] == [JobState.RECEIVED, won[0].state]


def test_every_move_of_many_has_its_own_event(stores: Stores):
    job = any_job()
    stores.jobs.create(job)
    answers = at_once(lambda n: stores.jobs.transition(job, JobState.LOADING, expect=RUNNING, detail={"worker": n}))
    assert sorted(moved.seq for moved in answers) == list(range(2, WORKERS + 2))
    events = stores.jobs.events("main", job.job_id)
    assert [e.seq for e in events] == list(range(1, WORKERS + 2))
    assert {e.detail["worker"] for e in events[1:]} == set(range(WORKERS))
    by_seq = {moved.seq: n for n, moved in enumerate(answers)}
    assert all(e.detail["worker"] == by_seq[e.seq] for e in events[1:])


def test_many_finish_the_same_chunks_and_each_counts_once(stores: Stores):
    job = any_job()
    stores.jobs.create(job)
    chunks = 8

    def load(worker: int) -> int:
        order = list(range(chunks))
        random.Random(worker).shuffle(order)
        return sum(stores.jobs.finish_chunk("main", job.job_id, any_chunk_record(n, read=n)) for n in order)

    assert sum(at_once(load)) == chunks
    progress = stores.jobs.get("main", job.job_id).progress
    assert (progress.chunks_done, progress.read) == (chunks, sum(range(chunks)))
    assert len(list(stores.jobs.chunks("main", job.job_id))) == chunks


def test_chunks_moves_and_updates_at_once_lose_nothing(stores: Stores):
    job = any_job()
    stores.jobs.create(job)

    def work(worker: int) -> None:
        for n in range(6):
            if worker == 0:
                stores.jobs.transition(job, JobState.LOADING, expect=RUNNING)
            elif worker == 1:
                stores.jobs.update(job, {"spec_key": str(n)})
            elif worker == 2:
                stores.jobs.reset_chunks("main", job.job_id, ["000099", f"{n:06d}"])
            else:
                stores.jobs.finish_chunk("main", job.job_id, any_chunk_record(worker * 100 + n))

    assert at_once(work, 6) == [None] * 6
    stored = stores.jobs.get("main", job.job_id)
    assert (stored.seq, stored.spec_key) == (7, "5")
    assert stored.progress.chunks_done == len(list(stores.jobs.chunks("main", job.job_id))) == 18
    assert stored.progress.read == 180


def test_resets_at_once_uncount_each_chunk_once(stores: Stores):
    job = any_job()
    stores.jobs.create(job)
    for n in range(10):
        stores.jobs.finish_chunk("main", job.job_id, any_chunk_record(n))

    def reset(worker: int) -> None:
        stores.jobs.reset_chunks("main", job.job_id, [f"{n:06d}" for n in range(worker, worker + 4)])

    at_once(reset, 4)
    progress = stores.jobs.get("main", job.job_id).progress
    assert (progress.chunks_done, progress.read) == (3, 30)


def test_contract_versions_put_at_once_all_have_a_number_of_their_own(stores: Stores):
    put = at_once(lambda n: stores.config.put_contract(any_contract_version(name="c", created_by=str(n))))
    assert sorted(v.contract.version for v in put) == list(range(1, WORKERS + 1))
    stored = {v.contract.version: v.created_by for v in stores.config.contract_versions("main", "c")}
    assert stored == {v.contract.version: v.created_by for v in put}
    head = stores.config.contract_head("main", "c")
    assert (head.latest, head.current) == (WORKERS, WORKERS)


def test_an_idempotency_key_used_at_once_has_one_result(stores: Stores):
    answers = at_once(lambda n: stores.config.claim_key("main", "key", "body", f"result {n}", seconds=60))
    assert len(set(answers)) == 1
