"""The job store against a model of itself: two clients with views of different age, in any order."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from entrepot.errors import ConflictError
from entrepot.model.job import TERMINAL, Job, JobState
from tests.builders import any_chunk_record, any_job
from tests.contract.adapters.conftest import make_stores

STATES = st.sampled_from(sorted(JobState))
CHUNKS = st.integers(min_value=0, max_value=3)


class Life(RuleBasedStateMachine):
    """One job; what is expected of it is kept in plain attributes."""

    backend = "fake"
    views: Bundle[Job] = Bundle("views")

    @initialize(target=views)
    def create(self) -> Job:
        self.stores = make_stores(self.backend)
        job = any_job()
        assert self.stores.jobs.create(job)
        self.id = job.job_id
        self.state, self.states, self.spec, self.doubts = JobState.RECEIVED, [JobState.RECEIVED], "", []
        self.chunks: dict[str, str] = {}
        self.reads: dict[str, int] = {}
        return job

    @rule(target=views)
    def look(self) -> Job:
        return self.stores.jobs.get("main", self.id)

    @rule(target=views, view=views, to=STATES, expect=st.sets(STATES, max_size=6), doubt=st.text(max_size=3))
    def move(self, view: Job, to: JobState, expect: set[JobState], doubt: str) -> Job:
        how = {"expect": expect, "changes": {"doubts": [doubt]}}
        if self.state not in expect:
            with pytest.raises(ConflictError) as caught:
                self.stores.jobs.transition(view, to, **how)
            assert caught.value.facts["state"] == self.state.value
            return view
        moved = self.stores.jobs.transition(view, to, **how)
        self.state, self.doubts = to, [doubt]
        self.states.append(to)
        assert (moved.state, moved.seq, moved.doubts) == (to, len(self.states), [doubt])
        return moved

    @rule(target=views, view=views, spec=st.text(max_size=3), expect=st.none() | st.sets(STATES, max_size=6))
    def update(self, view: Job, spec: str, expect: set[JobState] | None) -> Job:
        if expect is not None and self.state not in expect:
            with pytest.raises(ConflictError) as caught:
                self.stores.jobs.update(view, {"spec_key": spec}, expect=expect)
            assert caught.value.facts["state"] == self.state.value
            return view
        after = self.stores.jobs.update(view, {"spec_key": spec}, expect=expect)
        self.spec = spec
        return after

    @rule(n=CHUNKS, read=st.integers(min_value=0, max_value=9))
    def finish(self, n: int, read: int) -> None:
        record = any_chunk_record(n, read=read, accepted=read, quarantined=0)
        assert self.stores.jobs.finish_chunk("main", self.id, record) is (self.chunks.get(record.id) != "loaded")
        if self.chunks.get(record.id) != "loaded":
            self.chunks[record.id], self.reads[record.id] = "loaded", read

    @rule(n=CHUNKS)
    def fail(self, n: int) -> None:
        self.stores.fail_chunk("main", self.id, f"{n:06d}", "E")
        self.chunks.setdefault(f"{n:06d}", "failed")

    @rule(numbers=st.sets(CHUNKS))
    def reset(self, numbers: set[int]) -> None:
        ids = [f"{n:06d}" for n in numbers]
        self.stores.jobs.reset_chunks("main", self.id, ids)
        for chunk_id in ids:
            self.chunks.pop(chunk_id, None)
            self.reads.pop(chunk_id, None)

    @invariant()
    def the_job_is_as_expected(self) -> None:
        if not hasattr(self, "id"):
            return
        job = self.stores.jobs.get("main", self.id)
        assert (job.state, job.seq, job.spec_key, job.doubts) == (self.state, len(self.states), self.spec, self.doubts)
        assert job.progress.chunks_done == list(self.chunks.values()).count("loaded")
        assert job.progress.read == sum(self.reads.values())

    def teardown(self) -> None:
        events = self.stores.jobs.events("main", self.id, limit=1000)
        assert [(e.seq, e.state) for e in events] == list(enumerate(self.states, start=1))
        found = {c.id: c.chunk_state for c in self.stores.jobs.chunks("main", self.id)}
        assert found == self.chunks
        assert [j.job_id for j in self.stores.jobs.live()] == ([] if self.state in TERMINAL else [self.id])
        assert [j.job_id for j in self.stores.jobs.list("main", state=self.state).jobs] == [self.id]
        assert [j.job_id for j in self.stores.jobs.list("main").jobs] == [self.id]


@pytest.fixture
def life(backend: str) -> type[Life]:
    return type("Life", (Life,), {"backend": backend})


def test_any_order_of_moves_leaves_the_job_as_it_should_be(life: type[Life]):
    examples = 60 if life.backend == "fake" else 6
    quiet = [HealthCheck.too_slow, HealthCheck.data_too_large]
    how = settings(max_examples=examples, stateful_step_count=15, deadline=None, suppress_health_check=quiet)
    run_state_machine_as_test(life, settings=how)
