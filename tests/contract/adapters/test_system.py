"""Time, ids and deadlines."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone

import pytest

from entrepot.adapters import system
from entrepot.adapters.system import FixedDeadline, LambdaDeadline, SystemClock, UlidIds, iso, parse_iso


def test_the_clock_tells_utc():
    now = SystemClock().now()
    assert now.tzinfo is UTC
    assert abs(now - datetime.now(UTC)) < timedelta(seconds=5)


def test_texts_of_moments_sort_by_time():
    moments = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(milliseconds=n * 137) for n in range(50)]
    texts = [iso(m.astimezone(timezone(timedelta(hours=n % 5)))) for n, m in enumerate(moments)]
    assert texts == sorted(texts)
    assert [parse_iso(t) for t in texts] == moments


@pytest.mark.parametrize("text", ["", "soon", "2026", "2026-13-01", "1767225600"])
def test_what_is_no_time(text):
    assert parse_iso(text) is None


def test_ids_have_one_shape_and_rise():
    ids = UlidIds()
    made = [ids.new() for _ in range(5000)]
    assert made == sorted(set(made))
    assert all(re.fullmatch(r"[0-9a-hjkmnp-tv-z]{26}", i) for i in made)


def test_ids_begin_with_their_time(monkeypatch):
    monkeypatch.setattr(system.time, "time_ns", lambda: 1_469_922_850_259 * 1_000_000)
    assert UlidIds().new()[:10] == "01arz3ndek"


def test_a_clock_that_runs_backwards_does_not_turn_ids_back(monkeypatch):
    ids, now = UlidIds(), [2_000_000_000_000]
    monkeypatch.setattr(system.time, "time_ns", lambda: now[0] * 1_000_000)
    first = ids.new()
    now[0] -= 60_000
    assert ids.new() > first


def test_ids_of_threads_and_processes_differ():
    with ThreadPoolExecutor(8) as pool:
        ids = UlidIds()
        one = list(pool.map(lambda _: ids.new(), range(2000)))
        many = list(pool.map(lambda _: UlidIds().new(), range(2000)))
    assert len(set(one + many)) == 4000


class Context:
    def __init__(self, ms: int) -> None:
        self.ms = ms

    def get_remaining_time_in_millis(self) -> int:
        return self.ms


@pytest.mark.parametrize(
    ("ms", "margin", "left"), [(60_000, 10, 50.0), (5_000, 10, 0.0), (0, 0, 0.0), (1500, 0.5, 1.0)]
)
def test_a_lambda_deadline_keeps_a_margin(ms, margin, left):
    assert LambdaDeadline(Context(ms), margin).remaining() == left


def test_a_fixed_deadline_runs_down_to_nothing():
    assert 59 < FixedDeadline(60).remaining() <= 60
    assert FixedDeadline(0).remaining() == 0.0
    assert FixedDeadline(-5).remaining() == 0.0
