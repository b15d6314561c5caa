"""The clock with a time of our own: who is told what, when, and how often."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from local.clock import Clock
from local.services.schedules import LocalSchedulerBackend
from local.state import Journal

START = datetime(2050, 11, 21, 8, 0, tzinfo=UTC)


class Rig:
    """A clock whose time is set by hand."""

    def __init__(self, path: Path) -> None:
        self.time = START
        self.path = path
        self.sent: list[tuple[str, str]] = []
        self.broken: set[str] = set()
        self.reopen()

    def reopen(self) -> None:
        """As after a restart."""
        self.backend = LocalSchedulerBackend("us-east-1", "123456789012")
        self.journal = Journal(self.path, "schedules")
        self.backend.journal = lambda: self.journal
        self.backend.changed = lambda: None
        for record in self.journal.values.values():
            self.backend.restore(record)
        self.clock = Clock(now=lambda: self.time, schedules=lambda: self.backend, deliver=self._deliver)

    def _deliver(self, arn: str, body: str, _target: dict[str, Any]) -> None:
        if arn in self.broken:
            raise LookupError(arn)
        self.sent.append((arn, body))

    def add(self, name: str, expression: str, **more: Any) -> None:
        target = {"Arn": "arn:queue", "RoleArn": "r", "Input": '{"at": "<aws.scheduler.scheduled-time>"}'}
        fields = {
            "description": None, "end_date": None, "flexible_time_window": {"Mode": "OFF"}, "group_name": "default",
            "kms_key_arn": None, "name": name, "schedule_expression": expression, "start_date": None,
            "schedule_expression_timezone": "UTC", "state": "ENABLED", "action_after_completion": None,
        }  # fmt: skip
        self.backend.create_schedule(**{**fields, **more, "target": {**target, **more.get("target", {})}})
        schedule = self.backend.get_schedule("default", name)
        schedule.creation_date = self.time.timestamp()
        self.backend.note(schedule)

    def run(self, until: datetime, step: timedelta = timedelta(seconds=30)) -> list[str]:
        """Lets time pass; the scheduled times that were sent."""
        before = len(self.sent)
        while self.time < until:
            self.time = min(self.time + step, until)
            self.clock.tick()
        return [json.loads(body)["at"] for _, body in self.sent[before:]]


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path / "schedules.jsonl")


def test_a_rate_fires_at_once_and_then_at_its_period(rig: Rig):
    rig.add("s", "rate(5 minutes)")
    rig.clock.tick()
    assert len(rig.sent) == 1
    assert rig.run(START + timedelta(minutes=11)) == ["2050-11-21T08:05:00Z", "2050-11-21T08:10:00Z"]


def test_a_cron_fires_once_at_each_of_its_times(rig: Rig):
    rig.add("s", "cron(0/2 9 * * ? *)", schedule_expression_timezone="Europe/Madrid")
    assert rig.run(START + timedelta(minutes=7)) == [
        "2050-11-21T08:02:00Z",
        "2050-11-21T08:04:00Z",
        "2050-11-21T08:06:00Z",
    ]


def test_start_and_end_bound_a_schedule(rig: Rig):
    rig.add(
        "s",
        "cron(* * * * ? *)",
        start_date=(START + timedelta(minutes=3)).timestamp(),
        end_date=(START + timedelta(minutes=5)).timestamp(),
    )
    assert rig.run(START + timedelta(minutes=9)) == [f"2050-11-21T08:0{n}:00Z" for n in (3, 4, 5)]


def test_a_disabled_schedule_is_silent_and_does_not_catch_up(rig: Rig):
    rig.add("s", "cron(* * * * ? *)", state="DISABLED")
    assert rig.run(START + timedelta(minutes=3)) == []
    rig.backend.get_schedule("default", "s").state = "ENABLED"
    assert rig.run(START + timedelta(minutes=4, seconds=30)) == ["2050-11-21T08:04:00Z"]


def test_a_change_is_picked_up(rig: Rig):
    rig.add("s", "cron(0 12 * * ? *)")
    rig.run(START + timedelta(minutes=1))
    schedule = rig.backend.get_schedule("default", "s")
    rig.backend.update_schedule(
        description=None, end_date=None, flexible_time_window={"Mode": "OFF"}, group_name="default",
        kms_key_arn=None, name="s", schedule_expression="cron(3 8 * * ? *)", schedule_expression_timezone="UTC",
        start_date=None, state="ENABLED", target=schedule.target,
    )  # fmt: skip
    assert rig.run(START + timedelta(minutes=4)) == ["2050-11-21T08:03:00Z"]
    rig.backend.delete_schedule("default", "s")
    assert rig.run(START + timedelta(days=1), timedelta(hours=1)) == []


def test_an_at_fires_once_and_can_remove_itself(rig: Rig):
    rig.add("s", "at(2050-11-21T08:02:00)", action_after_completion="DELETE")
    assert rig.run(START + timedelta(minutes=9)) == ["2050-11-21T08:02:00Z"]
    assert rig.backend.all() == []


def test_a_target_that_is_away_is_tried_again(rig: Rig):
    rig.add("s", "at(2050-11-21T08:01:00)")
    rig.broken.add("arn:queue")
    assert rig.run(START + timedelta(minutes=2)) == []
    rig.broken.clear()
    assert rig.run(START + timedelta(minutes=4)) == ["2050-11-21T08:01:00Z"]


def test_a_target_that_stays_away_ends_in_the_dead_letter_queue(rig: Rig):
    rig.add(
        "s",
        "at(2050-11-21T08:01:00)",
        target={"RetryPolicy": {"MaximumRetryAttempts": 2}, "DeadLetterConfig": {"Arn": "arn:dead"}},
    )
    rig.broken.add("arn:queue")
    rig.run(START + timedelta(minutes=5))
    assert [arn for arn, _ in rig.sent] == ["arn:dead"]


def test_schedules_survive_a_restart_and_what_was_missed_is_not_run_later(rig: Rig):
    rig.add("hourly", "rate(1 hour)")
    rig.add("daily", "cron(0 9 * * ? *)")
    rig.backend.create_schedule_group("extra", [])
    rig.clock.tick()
    assert rig.run(START + timedelta(minutes=30)) == []
    rig.journal.close()
    rig.time = START + timedelta(hours=5, minutes=30)
    rig.reopen()
    assert "extra" in rig.backend.schedule_groups
    assert rig.run(START + timedelta(hours=5, minutes=45)) == []
    assert rig.run(START + timedelta(hours=6, minutes=1)) == ["2050-11-21T14:00:00Z"]
    assert "2050-11-22T09:00:00Z" in rig.run(START + timedelta(days=1, hours=2), timedelta(minutes=10))


def test_a_machine_that_slept_runs_each_schedule_once(rig: Rig):
    rig.add("s", "cron(* * * * ? *)")
    rig.clock.tick()
    rig.run(START + timedelta(minutes=2))
    assert len(rig.run(START + timedelta(hours=3), timedelta(hours=2, minutes=58))) == 1


def test_an_expression_that_aws_would_refuse_is_refused(rig: Rig):
    for expression, zone in (("cron(0 9 * * *)", "UTC"), ("rate(1 minute)", "Mars/Base")):
        with pytest.raises(Exception, match=r"cron|zone"):
            rig.add("s", expression, schedule_expression_timezone=zone)
