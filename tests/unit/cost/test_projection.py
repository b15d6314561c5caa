"""The arithmetic of larger jobs."""

from __future__ import annotations

import json

import hypothesis.strategies as st
import pytest
from hypothesis import given

from bench import cost
from bench.cost import Run, compare
from bench.projection import MB, Measured, Setting, chunk_count, costs, enough_workers, usage, wall

GIB = 1 << 30
MEASURED = Measured(
    bytes=100 * MB,
    chunks=6,
    call_seconds={"intake": 0.1, "split": 0.1, "validate": 0.1, "load": 0.1, "check": 0.1, "publish": 0.1},
    mb_seconds={"split": 0.001, "validate": 0.02, "load": 0.01, "check": 0.005, "publish": 0.01},
    per_job={"transitions": 15, "invocations": 8, "s3_put": 4},
    per_chunk={"transitions": 4, "invocations": 2, "s3_put": 1},
    staged=1.5,
    published=3.0,
    memory_mb={
        "intake": 512,
        "split": 1769,
        "validate": 1769,
        "load": 1769,
        "check": 1024,
        "publish": 512,
    },
)
sizes = st.integers(min_value=1, max_value=10**13)
settings = st.builds(
    Setting,
    workers=st.integers(min_value=1, max_value=10_000),
    write_mb=st.floats(min_value=10, max_value=10_000),
    stream_mb=st.floats(min_value=10, max_value=1000),
)


@pytest.mark.parametrize(
    ("size", "chunks"),
    [(0, 1), (1, 1), (16 << 20, 1), ((16 << 20) + 1, 2), (GIB, 64), (5000 * (16 << 20), 5000), (1 << 50, 5000)],
)
def test_chunks_have_16_mib_and_are_at_most_5000(size: int, chunks: int):
    assert chunk_count(size) == chunks


def test_each_phase_by_hand():
    # 64 chunks of 16.777216 MB; 10 workers take 7 rounds; one chunk takes 0.2 + 0.03 * 16.777216 s.
    found = wall(MEASURED, GIB, Setting(workers=10, write_mb=100))
    mb = GIB / MB
    assert found.start == pytest.approx(0.4)
    assert found.split == pytest.approx(mb / 90)
    assert found.workers == pytest.approx(7 * (0.2 + 0.03 * mb / 64))
    assert found.copy == pytest.approx(mb * 1.5 / 100)
    assert found.check == pytest.approx(mb * 1.5 / 100)
    assert found.publish == pytest.approx(mb * 3 / 100)
    assert found.total == pytest.approx(found.start + found.split + found.copy + found.check + found.publish)
    assert found.bottleneck == "publish transaction"


def test_what_is_used_by_hand():
    setting = Setting(workers=10, write_mb=10_000)
    used, phases, mb = usage(MEASURED, GIB, setting), wall(MEASURED, GIB, setting), GIB / MB
    assert (used.transitions, used.invocations, used.requests) == (15 + 4 * 64, 8 + 2 * 64, {"s3_put": 4 + 64})
    seconds = {
        512: 0.1 + phases.publish + 0.1,
        1024: phases.check + 0.1,
        1769: phases.split + 0.1 + 64 * 0.2 + 0.03 * mb,
    }
    assert used.mb_ms == pytest.approx(sum(memory * 1000 * s for memory, s in seconds.items()), abs=1)


def test_the_bottleneck_moves_with_the_workers_and_the_database():
    def at(workers: int, write_mb: float) -> str:
        return wall(MEASURED, 100 * GIB, Setting(workers=workers, write_mb=write_mb, stream_mb=1e6)).bottleneck

    assert at(1, 1000) == "workers"
    assert at(10_000, 1000) == "publish transaction"
    one_row = Measured(**{**MEASURED.__dict__, "published": 0.1, "mb_seconds": {}})
    assert wall(one_row, 100 * GIB, Setting(10_000, 50, 1e6)).bottleneck == "database COPY"


@given(sizes, st.floats(min_value=10, max_value=10_000))
def test_with_enough_workers_the_database_is_what_is_waited_for(size: int, write_mb: float):
    enough = enough_workers(MEASURED, size, Setting(1, write_mb))
    mb, chunks = size / MB, chunk_count(size)
    work, copy = chunks * (0.2 + 0.03 * mb / chunks), mb * 1.5 / write_mb
    assert 1 <= enough <= chunks
    assert work / enough <= copy * (1 + 1e-9) or enough == chunks
    assert enough == 1 or work / (enough - 1) > copy * (1 - 1e-9)


def test_waiting_for_the_database_is_billed():
    slow, fast = Setting(workers=1000, write_mb=50), Setting(workers=1000, write_mb=5000)
    assert costs(MEASURED, 100 * GIB, slow)["lambda"] > costs(MEASURED, 100 * GIB, fast)["lambda"]


def test_a_long_publish_is_looked_for_more_than_once():
    setting = Setting(workers=100, write_mb=100)
    phases, used = wall(MEASURED, 1000 * GIB, setting), usage(MEASURED, 1000 * GIB, setting)
    assert phases.publish > 2 * 890
    assert used.invocations > 8 + 2 * chunk_count(1000 * GIB) + 2


@given(st.lists(sizes, min_size=2, max_size=2).map(sorted), settings)
def test_a_larger_job_costs_no_less_and_takes_no_less(pair: list[int], setting: Setting):
    small, large = pair
    assert wall(MEASURED, small, setting).copy <= wall(MEASURED, large, setting).copy
    assert wall(MEASURED, small, setting).publish <= wall(MEASURED, large, setting).publish
    assert sum(costs(MEASURED, small, setting).values()) <= sum(costs(MEASURED, large, setting).values()) * (1 + 1e-9)


@given(sizes, settings)
def test_more_workers_are_never_slower(size: int, setting: Setting):
    more = Setting(setting.workers * 2, setting.write_mb, setting.stream_mb)
    assert wall(MEASURED, size, more).total <= wall(MEASURED, size, setting).total


def test_what_was_measured_is_told_apart_into_calls_chunks_and_mb():
    small = Run(
        bytes=10_000,
        chunks=1,
        elapsed={"split": 0.2, "validate": 0.3, "publish": 0.4},
        processor={"split": 0.1, "validate": 0.1, "publish": 0.1},
        server={"publish": 0.1},
        calls={"split": 1, "validate": 1, "publish": 1},
        counts={"transitions": 19, "s3_get": 11},
        table_bytes=1,
        written_bytes=2,
    )
    large = Run(
        bytes=100 * MB,
        chunks=6,
        elapsed={"split": 9.0, "validate": 99.0, "publish": 999.0},
        processor={"split": 0.6, "validate": 2.6, "publish": 0.1},
        server={"publish": 3.1},
        calls={"split": 1, "validate": 6, "publish": 1},
        counts={"transitions": 39, "s3_get": 41},
        table_bytes=150 * MB,
        written_bytes=300 * MB,
    )
    found = compare(small, large)
    assert found.call_seconds == {"split": 0.2, "validate": 0.3, "publish": 0.4}
    assert found.mb_seconds["split"] == pytest.approx(0.005)
    assert found.mb_seconds["validate"] == pytest.approx(0.02)
    assert found.mb_seconds["publish"] == pytest.approx(0.03)
    assert found.mb_seconds["load"] == 0
    assert (found.per_chunk, found.per_job) == ({"transitions": 4, "s3_get": 6}, {"transitions": 15, "s3_get": 5})
    assert (found.staged, found.published) == (1.5, 3.0)
    assert found.memory_mb["validate"] == 1769


def test_the_projection_is_one_document_and_a_table(tmp_path, capsys):
    path = tmp_path / "measured.json"
    path.write_text(json.dumps(vars(MEASURED)))
    assert cost.main(["--measured", str(path), "--json", "--write-mb-per-second", "100"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [size["name"] for size in found["sizes"]] == ["1 GB", "100 GB", "1 TB"]
    at = found["sizes"][0]["workers"]["10"]
    assert at["copy"] == pytest.approx(1000 * 1.5 / 100)
    assert at["usd"] == pytest.approx(sum(at["usd_by_service"].values()))
    assert cost.main(["--measured", str(path)]) == 0
    assert "publish transaction" in capsys.readouterr().out


def test_a_speed_is_more_than_nothing(capsys):
    with pytest.raises(SystemExit):
        cost.main(["--write-mb-per-second", "0"])
    assert "more than 0" in capsys.readouterr().err


def test_measurements_come_back_from_json():
    assert Measured.of(dict(MEASURED.__dict__)) == MEASURED
