"""What every job store does."""

from __future__ import annotations

import pytest

from entrepot.errors import ConflictError, NotFoundError, UsageError
from entrepot.model.job import RUNNING, Awaiting, ErrorInfo, JobOptions, JobState, MappedColumn, Progress, Step
from entrepot.model.source import Detection, Dialect, Source
from tests.builders import any_chunk_record, any_detection, any_job, any_receipt, any_source
from tests.contract.adapters.conftest import Stores

RECEIVED, DETECTING, LOADING = JobState.RECEIVED, JobState.DETECTING, JobState.LOADING


def created(stores: Stores, **given):
    job = any_job(**given)
    assert stores.jobs.create(job)
    return job


def test_a_job_comes_back_as_it_was_created(stores: Stores):
    job = created(
        stores,
        options=JobOptions(metadata={"text": "ü", "none": None, "list": [1, 2.5, None, {"deep": True}], "empty": {}}),
        detection=Detection(dialect=Dialect(quote=None, escape=None), columns=["a", ""]),
    )
    stored = stores.jobs.get("main", job.job_id)
    assert stored.options == job.options
    assert stored.detection == job.detection
    assert stored.detection.dialect.quote is None
    assert (stored.seq, stored.state, stored.received_at) == (1, RECEIVED, job.received_at)


def test_an_id_is_taken_once(stores: Stores):
    job = created(stores, actor="first")
    assert not stores.jobs.create(job.model_copy(update={"actor": "second"}))
    assert stores.jobs.get("main", job.job_id).actor == "first"
    assert len(stores.jobs.events("main", job.job_id)) == 1


def test_the_same_id_of_another_tenant_is_another_job(stores: Stores):
    job = created(stores, actor="ours")
    with pytest.raises(NotFoundError):
        stores.jobs.get("other", job.job_id)
    assert stores.jobs.create(job.model_copy(update={"tenant": "other", "actor": "theirs"}))
    assert stores.jobs.get("main", job.job_id).actor == "ours"
    assert stores.jobs.list("main").jobs[0].actor == "ours"
    assert [job.actor for job in stores.jobs.list("other").jobs] == ["theirs"]


def test_a_move_returns_what_is_stored(stores: Stores):
    job = created(stores)
    moved = stores.jobs.transition(
        job, DETECTING, expect={RECEIVED}, changes={"detection": any_detection(), "done": [Step.DETECT]}
    )
    assert moved == stores.jobs.get("main", job.job_id)
    assert (moved.state, moved.seq) == (DETECTING, 2)


def test_a_move_can_take_an_attribute_away(stores: Stores):
    job = created(stores, awaiting=Awaiting(question="mapping", since="a", deadline="b"), error=None)
    moved = stores.jobs.transition(job, LOADING, expect={RECEIVED}, changes={"awaiting": None})
    assert moved.awaiting is None
    assert stores.jobs.get("main", job.job_id).awaiting is None


def test_a_move_from_an_unexpected_state_says_which_it_is(stores: Stores):
    job = created(stores)
    with pytest.raises(ConflictError) as caught:
        stores.jobs.transition(job, JobState.PUBLISHED, expect={JobState.PUBLISHING})
    assert caught.value.facts["state"] == "received"
    assert stores.jobs.get("main", job.job_id).state is RECEIVED
    assert len(stores.jobs.events("main", job.job_id)) == 1


def test_a_stale_view_moves_the_job_while_the_stored_state_allows_it(stores: Stores):
    stale = created(stores)
    stores.jobs.transition(stale, DETECTING, expect={RECEIVED}, changes={"doubts": ["kept"]})
    moved = stores.jobs.transition(stale, JobState.SPLITTING, expect=RUNNING, changes={"chunks_key": "k"})
    assert (moved.seq, moved.doubts, moved.chunks_key) == (3, ["kept"], "k")
    assert moved == stores.jobs.get("main", stale.job_id)


def test_a_stale_view_does_not_move_a_job_that_was_cancelled(stores: Stores):
    stale = created(stores)
    stores.jobs.transition(stale, JobState.CANCELLED, expect={RECEIVED})
    with pytest.raises(ConflictError) as caught:
        stores.jobs.transition(stale, DETECTING, expect={RECEIVED})
    assert caught.value.facts["state"] == "cancelled"


def test_a_job_in_an_unexpected_state_by_the_callers_view_moves_when_it_is_elsewhere_by_now(stores: Stores):
    stale = created(stores)
    stores.jobs.transition(stale, LOADING, expect={RECEIVED})
    assert stores.jobs.transition(stale, JobState.CHECKING, expect={LOADING}).state is JobState.CHECKING


def test_moving_a_job_that_is_not_there(stores: Stores):
    with pytest.raises(NotFoundError):
        stores.jobs.transition(any_job(), DETECTING, expect={RECEIVED})
    with pytest.raises(NotFoundError):
        stores.jobs.update(any_job(), {"doubts": []})


@pytest.mark.parametrize("changes", [{"seq": 9}, {"state": LOADING}, {"tenant": "x"}, {"no_such": 1}])
def test_what_only_the_store_sets_cannot_be_set(stores: Stores, changes):
    job = created(stores)
    with pytest.raises(UsageError):
        stores.jobs.transition(job, DETECTING, expect={RECEIVED}, changes=changes)
    with pytest.raises(UsageError):
        stores.jobs.update(job, changes)


def test_an_update_sets_attributes_without_an_event(stores: Stores):
    job = created(stores)
    after = stores.jobs.update(job, {"spec_key": "jobs/x/spec.json", "receipt": any_receipt(job_id=job.job_id)})
    assert after == stores.jobs.get("main", job.job_id)
    assert (after.spec_key, after.seq) == ("jobs/x/spec.json", 1)
    assert len(stores.jobs.events("main", job.job_id)) == 1


def test_an_update_in_an_unexpected_state_changes_nothing(stores: Stores):
    job = created(stores)
    with pytest.raises(ConflictError) as caught:
        stores.jobs.update(job, {"spec_key": "x"}, expect={LOADING})
    assert caught.value.facts["state"] == "received"
    assert stores.jobs.get("main", job.job_id).spec_key == ""


def test_a_move_after_an_update_keeps_it(stores: Stores):
    job = created(stores)
    stores.jobs.update(job, {"spec_key": "kept"})
    stores.jobs.transition(job, DETECTING, expect={RECEIVED})
    assert stores.jobs.get("main", job.job_id).spec_key == "kept"


def test_events_are_numbered_without_gaps_and_read_from_any_point(stores: Stores):
    job = created(stores)
    for state in (DETECTING, JobState.SPLITTING, LOADING, JobState.FAILED):
        job = stores.jobs.transition(job, state, expect={job.state}, detail={"chunks": 3, "ratio": 0.5})
    events = stores.jobs.events("main", job.job_id)
    assert [event.seq for event in events] == [1, 2, 3, 4, 5]
    assert [event.state for event in events][-1] is JobState.FAILED
    assert events[1].detail == {"chunks": 3, "ratio": 0.5}
    assert [e.seq for e in stores.jobs.events("main", job.job_id, after=2, limit=2)] == [3, 4]
    assert stores.jobs.events("main", job.job_id, after=5) == []
    assert stores.jobs.events("other", job.job_id) == []


def test_a_chunk_is_counted_once(stores: Stores):
    job = created(stores)
    record = any_chunk_record(3, read=10, accepted=7, quarantined=3, bytes=500)
    assert stores.jobs.finish_chunk("main", job.job_id, record)
    assert not stores.jobs.finish_chunk("main", job.job_id, record.model_copy(update={"read": 99}))
    assert stores.jobs.chunk("main", job.job_id, "000003") == record
    progress = stores.jobs.get("main", job.job_id).progress
    assert progress == Progress(chunks_done=1, bytes_done=500, read=10, accepted=7, quarantined=3)


def test_a_chunk_of_no_job(stores: Stores):
    with pytest.raises(NotFoundError):
        stores.jobs.finish_chunk("main", "no-such-job", any_chunk_record())
    assert stores.jobs.chunk("main", "no-such-job", "000000") is None
    assert list(stores.jobs.chunks("main", "no-such-job")) == []


def test_a_failed_chunk_that_loads_in_the_end_replaces_its_failure(stores: Stores):
    job = created(stores)
    stores.fail_chunk("main", job.job_id, "000000", "States.Timeout")
    failed = stores.jobs.chunk("main", job.job_id, "000000")
    assert (failed.chunk_state, failed.error, failed.id) == ("failed", "States.Timeout", "000000")
    assert stores.jobs.get("main", job.job_id).progress.chunks_done == 0
    assert stores.jobs.finish_chunk("main", job.job_id, any_chunk_record())
    assert stores.jobs.chunk("main", job.job_id, "000000") == any_chunk_record()


def test_a_loaded_chunk_stays_loaded_when_a_late_failure_comes(stores: Stores):
    job = created(stores)
    stores.jobs.finish_chunk("main", job.job_id, any_chunk_record())
    stores.fail_chunk("main", job.job_id, "000000", "Late")
    failed = any_chunk_record(chunk_state="failed", error="Late")
    assert not stores.jobs.finish_chunk("main", job.job_id, failed)
    assert stores.jobs.chunk("main", job.job_id, "000000").chunk_state == "loaded"


def test_a_failure_reported_by_us_counts_nothing(stores: Stores):
    job = created(stores)
    assert stores.jobs.finish_chunk("main", job.job_id, any_chunk_record(chunk_state="failed", error="E"))
    assert stores.jobs.get("main", job.job_id).progress == Progress()


def test_chunks_come_in_order_without_what_else_the_job_has(stores: Stores):
    job = created(stores)
    for n in (11, 2, 0, 120):
        stores.jobs.finish_chunk("main", job.job_id, any_chunk_record(n))
    assert [c.id for c in stores.jobs.chunks("main", job.job_id)] == ["000000", "000002", "000011", "000120"]


def test_reset_chunks_are_uncounted_and_can_be_loaded_again(stores: Stores, monkeypatch):
    # More than one transaction takes.
    monkeypatch.setattr("entrepot.adapters.dynamodb.chunks._TOGETHER", 4)
    job = created(stores)
    for n in range(12):
        stores.jobs.finish_chunk("main", job.job_id, any_chunk_record(n))
    stores.fail_chunk("main", job.job_id, "000200", "E")
    gone = [f"{n:06d}" for n in range(10)] + ["000200", "000900", "000001"]
    stores.jobs.reset_chunks("main", job.job_id, gone)
    assert [c.id for c in stores.jobs.chunks("main", job.job_id)] == [f"{n:06d}" for n in (10, 11)]
    assert stores.jobs.get("main", job.job_id).progress.chunks_done == 2
    stores.jobs.reset_chunks("main", job.job_id, gone)
    assert stores.jobs.get("main", job.job_id).progress.read == 20
    assert stores.jobs.finish_chunk("main", job.job_id, any_chunk_record(0))
    stores.jobs.reset_chunks("main", job.job_id, [])


def test_a_change_of_progress_does_not_take_back_what_chunks_count_meanwhile(stores: Stores):
    job = created(stores)
    stores.jobs.finish_chunk("main", job.job_id, any_chunk_record())
    totals = job.progress.model_copy(update={"chunks_total": 7, "bytes_total": 900})
    after = stores.jobs.update(job, {"progress": totals})
    assert (after.progress.chunks_total, after.progress.chunks_done, after.progress.read) == (7, 1, 10)
    moved = stores.jobs.transition(
        job, LOADING, expect={RECEIVED}, changes={"progress": job.progress.model_copy(update={"bytes_total": 901})}
    )
    assert moved.state is LOADING
    stored = stores.jobs.get("main", job.job_id).progress
    assert (stored.bytes_total, stored.chunks_total, stored.read) == (901, 7, 10)


def test_pages_run_newest_first_to_the_end(stores: Stores):
    for minute in range(7):
        created(stores, job_id=f"job{minute}", received_at=f"2026-01-01T00:0{minute}:00.000Z")
    seen, cursor = [], ""
    for _ in range(4):
        page = stores.jobs.list("main", limit=3, cursor=cursor)
        seen.append([job.job_id for job in page.jobs])
        cursor = page.cursor
        if not cursor:
            break
    assert seen == [["job6", "job5", "job4"], ["job3", "job2", "job1"], ["job0"]]


def test_a_page_that_ends_with_the_last_job_has_no_cursor(stores: Stores):
    for _ in range(3):
        created(stores)
    assert stores.jobs.list("main", limit=3).cursor == ""
    assert stores.jobs.list("main").cursor == ""


def test_jobs_of_the_same_moment_are_all_listed_once(stores: Stores):
    made = {created(stores).job_id for _ in range(9)}
    seen, cursor = [], ""
    while True:
        page = stores.jobs.list("main", limit=2, cursor=cursor)
        seen += [job.job_id for job in page.jobs]
        if not (cursor := page.cursor):
            break
    assert sorted(seen) == sorted(made)


def test_jobs_are_listed_by_state_and_contract(stores: Stores):
    a = created(stores, contract="a", received_at="2026-01-01T00:00:00Z")
    b = created(stores, contract="b", received_at="2026-01-01T00:00:01Z")
    c = created(stores, contract="a", received_at="2026-01-01T00:00:02Z")
    stores.jobs.transition(c, DETECTING, expect={RECEIVED})

    def ids(**how):
        return [job.job_id for job in stores.jobs.list("main", **how).jobs]

    assert ids(state=RECEIVED) == [b.job_id, a.job_id]
    assert ids(state=DETECTING) == [c.job_id]
    assert ids(contract="a") == [c.job_id, a.job_id]
    assert ids(contract="a", state=RECEIVED) == [a.job_id]
    assert ids(contract="nobody") == []
    assert ids(state=JobState.PUBLISHED) == []


@pytest.mark.parametrize("limit", [-1, 0, 1])
def test_a_page_has_at_least_one_job(stores: Stores, limit):
    created(stores), created(stores)
    assert len(stores.jobs.list("main", limit=limit).jobs) == 1


@pytest.mark.parametrize("cursor", ["x", "!", "bm90aGluZw", "a" * 5000, "W10", "WzEsIngiXQ", "WzIsImEjYiJd", "bnVsbA"])
def test_a_made_up_cursor_is_refused(stores: Stores, cursor):
    with pytest.raises(UsageError):
        stores.jobs.list("main", cursor=cursor)


def test_a_cursor_shows_nothing_of_another_tenant(stores: Stores):
    for _ in range(3):
        created(stores)
    cursor = stores.jobs.list("main", limit=1).cursor
    assert stores.jobs.list("other", cursor=cursor).jobs == []


def test_live_jobs_of_all_tenants_are_those_that_are_not_terminal(stores: Stores):
    running = created(stores, tenant="a")
    failed = created(stores, tenant="b")
    stores.jobs.transition(
        failed, JobState.FAILED, expect={RECEIVED}, changes={"error": ErrorInfo(code="x", message="y")}
    )
    over = created(stores, tenant="b")
    stores.jobs.transition(over, JobState.REFUSED, expect={RECEIVED})
    late = created(stores, tenant="c")
    stores.jobs.transition(late, JobState.CANCELLED, expect={RECEIVED})
    # What arrives after the end does not bring the job back.
    stores.jobs.finish_chunk("c", late.job_id, any_chunk_record())
    stores.jobs.update(late, {"spec_key": "x"})
    assert {job.job_id for job in stores.jobs.live()} == {running.job_id, failed.job_id}


def test_live_jobs_touched_lately_can_be_left_out(stores: Stores):
    old, busy, updated = created(stores), created(stores), created(stores)
    stores.clock.move(3600)
    limit = stores.clock.now().isoformat()
    stores.jobs.finish_chunk("main", busy.job_id, any_chunk_record())
    stores.jobs.update(updated, {"spec_key": "x"})
    created(stores)
    assert [job.job_id for job in stores.jobs.live(older_than=limit)] == [old.job_id]


def test_an_item_of_many_columns_is_stored_whole(stores: Stores):
    names = [f"column {n} with a name that takes some room {'x' * 60}" for n in range(1600)]
    mapping = [MappedColumn(index=i, column=name, field=name) for i, name in enumerate(names)]
    job = created(stores, detection=any_detection(columns=names), doubts=names)
    moved = stores.jobs.transition(job, LOADING, expect={RECEIVED}, changes={"mapping": mapping})
    stored = stores.jobs.get("main", job.job_id)
    assert stored == moved
    assert (stored.detection.columns, stored.mapping) == (names, mapping)
    assert stores.jobs.list("main").jobs == [stored]


def test_odd_values_come_back(stores: Stores):
    deep = nested = {}
    for _ in range(60):
        nested["in"] = {"list": [1]}
        nested = nested["in"]
    odd = {
        "big": 10**50,
        "bigger": -(2**200),
        "tiny": 5e-324,
        "huge": 1.5e308,
        "third": 1 / 3,
        "": "no name",
        "$json": "text",
        "nested": {"$ref": "s3://work/elsewhere"},
        "deep": deep,
        "long": "ß" * 3000,
    }
    job = created(stores, options=JobOptions(metadata=odd), source=any_source(name="Ü\u2028 ?#%.csv"))
    stored = stores.jobs.get("main", job.job_id)
    assert stored.options.metadata == odd
    assert stored.source == job.source


def test_a_job_whose_times_are_not_ours_is_listed(stores: Stores):
    source = Source(uri="s3://inbox/main/c/x.csv")
    first = created(stores, received_at="2026-01-01T01:00:00+01:00", source=source)
    second = created(stores, received_at="2026-01-01T00:00:01Z", source=source)
    assert [job.job_id for job in stores.jobs.list("main").jobs] == [second.job_id, first.job_id]
